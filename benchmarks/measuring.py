"""The whole measuring pass against decoding alone and against peers: prints one table of ratios from one run.

    python benchmarks/measuring.py PHOTOS [EVERY] [--only FOLDER] [--copies N]

PHOTOS holds `catalogue` and `phone`, of 1.8 and 0.2 megapixels on average: a larger photo takes longer to decode, and
most measures do not, so that `--only` of either prints other ratios than both. EVERY takes each so many-th photo
(default 1). N takes each of those so many times (default 1), with other bytes behind its end, so that each is a photo
of its own: processes start once, and what a run of more copies takes longer is the rate alone. The pass reads, hashes
and decodes every photo, takes all standard measures and writes their columns; decoding alone is Pillow's, of the whole
picture, in the same processes, and beside it that of prx_data, to an array. Times are wall-clock, start of processes
included, and processor time, which others on the machine disturb less. A ratio is the other's time by the pass's:
above 1 the pass is the faster one. It is taken in each of three rounds and the median stands, as a machine that others
use too may be a fifth faster a minute later. The second table is the same with `decode_side`, where decoding alone is
at the same size by the same decoder.

The peers are imagededup (perceptual hashes alone) and cleanvision (its standard checks):
pip install imagededup cleanvision
"""

import argparse
import contextlib
import hashlib
import importlib.util
import logging
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path
from statistics import median

import cv2
from PIL import Image

from prx_data import Workspace
from prx_data.decoding import decode
from prx_data.kernels import load_all
from prx_data.measures import standard_measures
from prx_data.processes import Job

FOLDERS = ("catalogue", "phone")
WORKERS = 2
ROUNDS = 3
DECODE_SIDE = 512
MEASURING = "the measuring pass"
_IN_DETAIL = 60


def load(paths: list[Path]) -> int:
    """Decoding alone, by Pillow."""
    for path in paths:
        with Image.open(BytesIO(path.read_bytes())) as image:
            image.load()
    return len(paths)


def load_array(paths: list[Path], side: int | None = None) -> int:
    """Decoding alone, by prx_data."""
    for path in paths:
        decode(path.read_bytes(), at_least=side)
    return len(paths)


def in_processes(run: Callable[[list[Path]], int], photos: Path) -> None:
    """In the processes of the pass."""
    paths = sorted(photos.iterdir())
    tasks = [paths[start : start + 64] for start in range(0, len(paths), 64)]
    list(Job(run, halves=lambda _: (), blame=lambda _task, _death: 0)(tasks, WORKERS))


def the_pass(photos: Path, workspaces: Path, side: int | None = None) -> Callable[[], object]:
    """Measuring, in a new workspace whose photos are known."""
    workspace = Workspace(tempfile.mkdtemp(dir=workspaces), decode_side=side)
    workspace.add(photos)
    return lambda: workspace.measure(workers=WORKERS)


def imagededup(photos: Path) -> None:
    """Perceptual hashes alone."""
    from imagededup.methods import PHash  # type: ignore[import-not-found]

    PHash(verbose=False).encode_images(str(photos), num_enc_workers=WORKERS)


def cleanvision(photos: Path) -> None:
    """Its standard checks: light, dark, odd size and aspect ratio, low information, blurry, greyscale, duplicates."""
    from cleanvision import Imagelab  # type: ignore[import-not-found]

    Imagelab(data_path=str(photos)).find_issues(n_jobs=WORKERS, verbose=False)


def seconds(action: Callable[[], object]) -> tuple[float, float]:
    """Of wall-clock time, and of processor time of this process and those it ended, with nothing printed."""
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):  # noqa: PTH123
        begin, start = time.perf_counter(), os.times()
        action()
        end = os.times()
        return time.perf_counter() - begin, sum(end[:4]) - sum(start[:4])


def choose(root: Path, folders: Sequence[str], every: int, copies: int, into: Path) -> Path:
    """A folder of links to the photos, and of their copies."""
    into.mkdir()
    for folder in folders:
        for path in sorted((root / folder).rglob("*.jpg"))[::every]:
            (into / f"{folder}-{path.name}").symlink_to(path.resolve())
            for one in range(1, copies):
                (into / f"{folder}-{path.stem}-{one}.jpg").write_bytes(path.read_bytes() + one.to_bytes(8, "big"))
    return into


def in_detail(photos: Path) -> None:
    """Where the time goes, in this one process; rows and their files are left out."""
    cv2.setNumThreads(1)
    load_all()
    paths = sorted(photos.iterdir())
    chosen = paths[:: max(1, len(paths) // _IN_DETAIL)]
    spent: dict[str, float] = {}
    for path in chosen:
        start = time.process_time()
        data = path.read_bytes()
        hashlib.sha256(data).hexdigest()
        spent["reading, hashing"] = spent.get("reading, hashing", 0) + time.process_time() - start
        start = time.process_time()
        picture = decode(data).picture
        spent["decoding"] = spent.get("decoding", 0) + time.process_time() - start
        if picture is None:
            continue
        for one in standard_measures():
            start = time.process_time()
            one(picture)
            spent[one.name] = spent.get(one.name, 0) + time.process_time() - start
    print("\nmilliseconds of processor time a photo, in one process")
    for name, total in spent.items():
        print(f"  {name:<34} {1000 * total / len(chosen):7.2f}")


Times = list[tuple[float, float]]
"""Seconds of wall-clock and of processor time, by round."""


def timed(make: Mapping[str, Callable[[], Callable[[], object]]]) -> dict[str, Times]:
    """What each took in every round."""
    times: dict[str, Times] = {what: [] for what in make}
    for _ in range(ROUNDS):
        for what, made in make.items():
            times[what].append(seconds(made()))
    return times


def show(title: str, number: int, times: Mapping[str, Times], one: str) -> None:
    """A table of ratios to `one`: medians over the rounds, of times and of each round's ratio."""
    print(f"{title:<38} seconds  photos/s  ratio   processor s  ratio")
    for what, rounds in times.items():
        took, worked = (median(one_round[clock] for one_round in rounds) for clock in (0, 1))
        wall, processor = (
            median(mine[clock] / base[clock] for mine, base in zip(rounds, times[one], strict=True)) for clock in (0, 1)
        )
        row = f"  {what:<36} {took:7.1f} {number / took:9.1f} {wall:6.2f}"
        print(f"{row}   {worked:11.1f} {processor:6.2f}")


def main() -> None:
    """Print the table."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    parser = argparse.ArgumentParser()
    parser.add_argument("photos", type=Path, metavar="PHOTOS")
    parser.add_argument("every", type=int, nargs="?", default=1, metavar="EVERY")
    parser.add_argument("--only", choices=FOLDERS)
    parser.add_argument("--copies", type=int, default=1, metavar="N")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        photos = choose(
            given.photos, [given.only] if given.only else FOLDERS, given.every, given.copies, Path(name) / "photos"
        )
        number = sum(1 for _ in photos.iterdir())
        peers: dict[str, Callable[[], Callable[[], object]]] = {}
        for peer, action in (("imagededup", imagededup), ("cleanvision", cleanvision)):
            if importlib.util.find_spec(peer) is None:
                print(f"{peer} is not installed; pip install imagededup cleanvision for its row.")
            else:
                peers[peer] = lambda action=action: lambda: action(photos)  # type: ignore[misc]
        at_side = partial(load_array, side=DECODE_SIDE)
        times = timed(
            {
                "decoding alone, by Pillow": lambda: lambda: in_processes(load, photos),
                "decoding alone, by prx_data": lambda: lambda: in_processes(load_array, photos),
                MEASURING: lambda: the_pass(photos, Path(name)),
                f"decoding alone, decode_side = {DECODE_SIDE}": lambda: lambda: in_processes(at_side, photos),
                f"{MEASURING}, decode_side = {DECODE_SIDE}": lambda: the_pass(photos, Path(name), DECODE_SIDE),
                **peers,
            }
        )
        others = {what: took for what, took in times.items() if "decode_side" not in what}
        show(f"{number} photos, {WORKERS} processes", number, others, MEASURING)
        scaled = {what: took for what, took in times.items() if "decode_side" in what or what in peers}
        show(f"the same, decode_side = {DECODE_SIDE}", number, scaled, f"{MEASURING}, decode_side = {DECODE_SIDE}")
        in_detail(photos)


if __name__ == "__main__":
    main()
