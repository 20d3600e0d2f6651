"""What clustering costs, against calling faiss directly, and what comes of it: prints one table.

    python benchmarks/clusters.py [VECTORS] [DIMENSIONS] [K]

By default 100,000 x 512 and k = 300; `1,000,000 512 1000` is the size that the package is made for, and takes hours on
two processors and 2 GB of disk. The vectors are float16 in a file and memory-mapped; they scatter widely around
5 K centres of very different sizes (Zipf), and a hundredth are near copies of others (cosine about 0.98). In a second
file, that of the last row, a twentieth more are near copies of each other (0.97 and more), in twenty colours. faiss
called directly reads the file into float32, trains and assigns (`faiss.Kmeans`, 25 iterations, spherical). Each row
runs in a process of its own, so that the peak memory is its own, looked at twenty times a second; pages of the file
are left out, as the system may take them back. Processor time is quoted because a busy machine stretches the clock.
"""

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from prx_data.decisions.balance import drawn, find_hierarchy, leaf_shares, level_sizes
from prx_data.decisions.clusters import find_clusters
from prx_data.decisions.groups import Alike
from prx_data.decisions.resemblance import Palettes, same_colors
from prx_data.decisions.semantic import semantic_duplicates

LEAST = 0.95
_BLOCK = 10_000
_CHECKED = 2_000  # vectors that are compared with all, to see what is missed
_COLORS = 20
PLAIN, CROWDED = "vectors.npy", "crowded.npy"


def write_vectors(path: Path, count: int, dimensions: int, k: int, *, crowd: float) -> None:
    """Unit vectors around centres whose sizes fall as 1 / rank, then near copies of some, all shuffled in blocks.

    `crowd` is the share of them that is near one centre.
    """
    random = np.random.default_rng(0)
    centres = random.standard_normal((5 * k, dimensions)).astype(np.float32)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    share = 1 / np.arange(1, 5 * k + 1)
    file = np.lib.format.open_memmap(path, "w+", np.float16, (count, dimensions))
    for start in range(0, count, _BLOCK):
        size = min(_BLOCK, count - start)
        vectors = centres[random.choice(5 * k, size, p=share / share.sum())]
        vectors = vectors + np.float32(1.5 / dimensions**0.5) * random.standard_normal(vectors.shape, dtype=np.float32)
        copies = size // 100
        noise = np.float32(0.35 / dimensions**0.5) * random.standard_normal((copies, dimensions), dtype=np.float32)
        vectors[:copies] = vectors[-copies:] + noise
        near = round(crowd * size)
        noise = np.float32(0.14 / dimensions**0.5) * random.standard_normal((near, dimensions), dtype=np.float32)
        vectors[copies : copies + near] = centres[0] + noise
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        file[start : start + size] = random.permutation(vectors)
    file.flush()


class Peak(threading.Thread):
    """Watches this process's own memory, without pages of mapped files."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.gigabytes = 0.0
        self.ended = threading.Event()

    def run(self) -> None:
        """Look until it is over."""
        while not self.ended.wait(0.05):
            status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
            self.gigabytes = max(self.gigabytes, int(status["RssAnon"].split()[0]) / 2**20)


def directly(vectors: Any, k: int) -> str:
    """As one calls faiss from its wiki."""
    import faiss

    whole = np.asarray(vectors, dtype=np.float32)
    kmeans = faiss.Kmeans(whole.shape[1], k, niter=25, seed=0, spherical=True)
    kmeans.train(whole)
    distance, _ = kmeans.assign(whole)
    return f"mean cosine {float(np.mean(distance)):.4f}"


def ours(vectors: Any, k: int) -> str:
    """The same by prx_data."""
    return f"mean cosine {float(find_clusters(vectors, k).similarity.mean()):.4f}"


def balanced(vectors: Any, k: int) -> str:
    """A tenth, drawn from two levels."""
    levels = find_hierarchy(vectors, level_sizes(k, 2))
    shares = leaf_shares(levels, len(vectors) // 10)
    mask = drawn(levels[0].labels, shares, np.random.default_rng(0).permutation(len(vectors)))
    before, after = levels[0].sizes, np.bincount(levels[0].labels[mask], minlength=len(shares))
    uneven = [float(sizes.max() / sizes.mean()) for sizes in (before, after)]
    return f"{mask.sum():,} drawn; the largest cluster had {uneven[0]:.1f} times the mean, and has {uneven[1]:.1f}"


def duplicates(vectors: Any, k: int, *, across: bool, alike: Alike | None = None) -> str:
    """What is dropped, and the share of those of some vectors that comparing with all that are kept drops."""
    clusters = find_clusters(vectors, k)
    begin = time.process_time()
    found = semantic_duplicates(vectors, clusters, LEAST, alike=alike, across=across)
    seconds = time.process_time() - begin
    is_kept = np.ones(len(vectors), dtype=bool)
    is_kept[found.position] = False
    some = np.sort(np.random.default_rng(1).choice(len(vectors), min(_CHECKED, len(vectors)), replace=False))
    reached = np.zeros(len(some), dtype=bool)
    wanted = np.asarray(vectors[some], dtype=np.float32)
    for start in range(0, len(vectors), _BLOCK):
        better = start + np.flatnonzero(is_kept[start : start + _BLOCK])
        near = wanted @ np.asarray(vectors[better], dtype=np.float32).T >= LEAST + 1e-4
        row, column = np.nonzero(near & (better < some[:, None]))
        reached[row if alike is None else row[alike(some[row], better[column])]] = True
    return (
        f"{len(found.position):,} dropped in {seconds:.1f} CPU s after clustering; "
        f"{np.count_nonzero(reached & ~is_kept[some])} of {reached.sum()} that all with all drops"
    )


def crowded(vectors: Any, k: int) -> str:
    """With a twentieth that are near each other, each in one of some colours."""
    random = np.random.default_rng(2)
    lab = (random.uniform((10, -80, -80), (90, 80, 80), (_COLORS, 3))[random.integers(0, _COLORS, len(vectors))])[
        :, None
    ]
    palettes = Palettes(lab=lab.astype(np.float32), main=np.ones((len(vectors), 1), dtype=bool))
    return duplicates(vectors, k, across=True, alike=lambda left, right: same_colors(palettes, left, right))


ROWS: dict[str, tuple[Callable[[Any, int], str], str]] = {
    "faiss directly": (directly, PLAIN),
    "find_clusters": (ours, PLAIN),
    "a balanced tenth": (balanced, PLAIN),
    "duplicates inside clusters": (lambda vectors, k: duplicates(vectors, k, across=False), PLAIN),
    "duplicates across borders": (lambda vectors, k: duplicates(vectors, k, across=True), PLAIN),
    "duplicates with a crowd": (crowded, CROWDED),
}


def run(what: str, path: str, k: int) -> None:
    """One row's numbers on one line."""
    vectors = np.load(path, mmap_mode="r")
    peak = Peak()
    peak.start()
    start, begin = time.perf_counter(), time.process_time()
    told = ROWS[what][0](vectors, k)
    seconds, cpu = time.perf_counter() - start, time.process_time() - begin
    peak.ended.set()
    print(seconds, cpu, peak.gigabytes, told)


def main(count: int, dimensions: int, k: int) -> None:
    """Run the rows and print the table."""
    print(f"{count:,} x {dimensions} float16, k = {k:,}\n")
    print("| what | seconds | CPU seconds | of faiss | peak GB | what came of it |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        write_vectors(Path(temporary) / PLAIN, count, dimensions, k, crowd=0)
        write_vectors(Path(temporary) / CROWDED, count, dimensions, k, crowd=1 / 20)
        peer = 0.0
        for what, (_, name) in ROWS.items():
            path = Path(temporary) / name
            command = [sys.executable, str(Path(__file__)), "--row", what, str(path), str(k)]
            line = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            seconds, cpu, peak, told = line.strip().split(maxsplit=3)
            peer = peer or float(cpu)
            print(
                f"| {what} | {float(seconds):.1f} | {float(cpu):.1f} | {float(cpu) / peer:.2f} | {float(peak):.2f} |"
                f" {told} |",
                flush=True,
            )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--row"]:
        run(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        sizes = [int(one.replace(",", "")) for one in sys.argv[1:]]
        main(*sizes, *(100_000, 512, 300)[len(sizes) :])
