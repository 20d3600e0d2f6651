"""What the radius join costs: prints one table.

    python benchmarks/join.py [CODES]

CODES is the size of the large rows, 10,000,000 unless given. Every row runs in a process of its own, so that the peak
memory is its own. A tenth of the codes are near copies of others, with up to four bits flipped; in the skewed rows a
tenth are one code, a fifth lie in one bucket (24 bits alike), and the bits are biased; in the dense row all lie within
three bits of one of a thousand centres. `groups` is `near_duplicates`, which names a keeper for each code; `pairs` is
`hamming_join`, which lists the near pairs of distinct codes. The peer is faiss' `IndexBinaryFlat`, which compares
every pair: it is timed on a sample of the queries, and that is extrapolated linearly. Its `range_search` takes codes
strictly below the radius, so it is asked for radius 5. CPU time is quoted because a busy machine stretches the clock.
"""

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from prx_data import hamming_join, near_duplicates

Codes = npt.NDArray[np.uint64]
RADIUS = 4
SAMPLE = 2000


def flipped(codes: Codes, flips: int, random: np.random.Generator) -> Codes:
    """Copies with up to `flips` random bits flipped."""
    for _ in range(flips):
        bit = np.uint64(1) << random.integers(0, 64, len(codes)).astype(np.uint64)
        codes = codes ^ np.where(random.random(len(codes)) < 0.8, bit, np.uint64(0))
    return codes


def planted(count: int) -> Codes:
    """Random codes, a tenth of them near copies of others."""
    random = np.random.default_rng(1)
    codes = random.integers(0, 2**64, count, dtype=np.uint64)
    copies = count // 10
    codes[:copies] = flipped(codes[random.integers(copies, count, copies)], RADIUS, random)
    return random.permutation(codes)


def skewed(count: int) -> Codes:
    """Biased bits; one code a tenth of the time, one bucket a fifth of the time, near copies a tenth."""
    random = np.random.default_rng(2)
    codes = np.zeros(count, dtype=np.uint64)
    for bit, share in enumerate(np.linspace(0.15, 0.85, 64)):
        codes |= np.where(random.random(count) < share, np.uint64(1 << bit), np.uint64(0))
    tenth = count // 10
    codes[:tenth] = codes[0]
    codes[tenth : 3 * tenth] = codes[tenth : 3 * tenth] & np.uint64(2**40 - 1) | np.uint64(0xABCDEF << 40)
    codes[3 * tenth : 4 * tenth] = flipped(codes[random.integers(tenth, count, tenth)], RADIUS, random)
    return random.permutation(codes)


def dense(count: int) -> Codes:
    """A thousand centres, everything within three bits of one: about a tenth of the pairs of a centre are near."""
    random = np.random.default_rng(3)
    return flipped(random.integers(0, 2**64, 1000, dtype=np.uint64)[random.integers(0, 1000, count)], 3, random)


CODES: dict[str, Callable[[int], Codes]] = {"planted": planted, "skewed": skewed, "dense": dense}


def run(kind: str, what: str, count: int) -> None:
    """One row's numbers on one line: what was found, seconds, seconds of CPU, peak gigabytes."""
    codes = CODES[kind](count)
    start, begin = time.perf_counter(), time.process_time()
    if what == "groups":
        found = len(np.unique(near_duplicates(codes, RADIUS)))
    elif what == "pairs":
        found = len(hamming_join(codes, RADIUS).left)
    else:
        found = flat(codes)
    seconds, cpu = time.perf_counter() - start, time.process_time() - begin
    factor = count / SAMPLE if what == "faiss" else 1
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(found, seconds * factor, cpu * factor, peak)


def flat(codes: Codes) -> int:
    """Range search of a sample of the codes among all, by faiss."""
    import faiss

    index = faiss.IndexBinaryFlat(64)
    octets = codes.astype(">u8").view(np.uint8).reshape(-1, 8)
    index.add(octets)
    limits, _, _ = index.range_search(octets[:SAMPLE], RADIUS + 1)
    return int(limits[-1])


def main(count: int) -> None:
    """Run the rows and print the table."""
    rows = [
        ("planted", "groups", count),
        ("planted", "pairs", count),
        ("skewed", "groups", count),
        ("dense", "groups", count // 10),
        ("planted", "pairs", 1_000_000),
        ("planted", "faiss", 1_000_000),
    ]
    print("| codes | kind | answer | found | seconds | CPU seconds | peak GB |")
    print("|---|---|---|---|---|---|---|")
    cpu = {}
    for kind, what, size in rows:
        command = [sys.executable, str(Path(__file__)), kind, what, str(size)]
        line = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        cpu[what, size] = float(line[2])
        name = "IndexBinaryFlat, extrapolated" if what == "faiss" else what
        found = "" if what == "faiss" else f"{int(line[0]):,}"
        print(
            f"| {size:,} | {kind} | {name} | {found} | {float(line[1]):,.1f} | {float(line[2]):,.1f}"
            f" | {float(line[3]):.2f} |",
            flush=True,
        )
    ratio = cpu["faiss", 1_000_000] / cpu["pairs", 1_000_000]
    print(f"\nOne million codes: {ratio:,.0f} times as fast as IndexBinaryFlat, in CPU time.")


if __name__ == "__main__":
    if len(sys.argv) == 4:
        run(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    else:
        main(int(sys.argv[1].replace(",", "")) if len(sys.argv) > 1 else 10_000_000)
