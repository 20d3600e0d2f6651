"""How well photos that are set into a plain frame are told from photos that are not: prints its tables.

    python benchmarks/frames.py PHOTOS [--step N] [--sheet FILE.jpg]

PHOTOS holds `grocery`, `phone` and `catalogue`. Nothing is written but the sheet: every unframed photo that is flagged.
Limits were chosen on every other photo (the even ones); the odd ones are held out. A frame is 3 to 25 % of a side wide,
of one width or of four, stored as JPEG of quality 60 to 95, and in one of two pictures resized to 0.5 to 1.5 times and
stored again. A studio photo on white in a white frame has no edge that anybody could see, so that those are framed in
other colours alone. Boxes are the opposite: a photo is the printed front of a carton on white, whose corners are
off a rectangle by a share of its longer side, as those of a box before a camera are, or which throws a soft shadow.
The third table is of such boxes on other grounds: whether these are cut off as if they were frames, by their outlines
in the reduced picture alone and by all that the measure looks at.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from prx_data.decoding import decode
from prx_data.measures import standard_measures
from prx_data.measures.borders import bars, borders
from prx_data.measures.inset import FRAMED, WORKING_SIDE, Inset, inset
from prx_data.measures.lines import SIDES
from prx_data.picture import Picture

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.prx_data.composites import read
from tests.prx_data.frames import FRAMES, boxed, framed

Pixels = npt.NDArray[np.uint8]

TILTS = (0.0005, 0.001, 0.0025, 0.005)
HALVES = (("even", 0), ("odd, held out", 1))


def score(pixels: Pixels) -> Inset:
    """What the measure gives."""
    return inset(Picture(pixels))


def recall(folder: str, paths: Sequence[Path], colors: Iterable[str], step: int) -> None:
    """Print one row for each colour and half: how many frames are flagged, and how exact their widths are."""
    for number, color in enumerate(colors):
        for half, begin in HALVES:
            found, off = [], []
            random = np.random.default_rng(number)
            for path in paths[begin :: 2 * step]:
                # Studio photos are large, and half of their size shows the same.
                pixels, widths = framed(read(path, 2 if folder == "catalogue" else 1), FRAMES[color], random)
                one = score(pixels)
                found.append(one.score > FRAMED)
                if found[-1]:
                    off.append(max(abs(one.widths[side] - widths[side]) for side in SIDES))
            exact = f"{np.quantile(off, 0.95):.4f}" if off else "-"
            print(f"| {folder} | {color} | {half} | {len(found)} | {np.mean(found):.1%} | {exact} |")


def alarms(
    name: str, paths: Sequence[Path], change: Callable[[Pixels], Pixels] | None = None, step: int = 1
) -> list[Path]:
    """Print one row for each half: how many photos without a frame are flagged; give them back."""
    flagged = []
    for half, begin in HALVES:
        chosen = paths[begin :: 2 * step]
        scores = []
        for path in chosen:
            pixels = read(path)
            scores.append(score(change(pixels) if change else pixels).score)
        flagged += [path for path, value in zip(chosen, scores, strict=True) if value > FRAMED]
        counts = f"{sum(value > 0 for value in scores)} | {sum(value > FRAMED for value in scores)}"
        print(f"| {name} | {half} | {len(chosen)} | {counts} |")
    return flagged


def cuts(fronts: Sequence[Path]) -> None:
    """Print one row for each ground and tilt: of how many boxes the ground is cut off as a frame."""
    print("\n| boxes on | corners off by | boxes | cut off by outlines alone | cut off |\n|---|---|---|---|---|")
    for name in ("off-white", "light gray", "blue"):
        for tilt in (0.0, *TILTS):
            random = np.random.default_rng(round(1e4 * tilt))
            pictures = [Picture(boxed(read(path), random, tilt=tilt, color=FRAMES[name])) for path in fronts]
            outlines = sum(all(one.of_level(borders, WORKING_SIDE).values()) for one in pictures)
            off = sum(any(bars(one).values()) for one in pictures)
            print(f"| {name} | {tilt:.2%} | {len(pictures)} | {outlines} | {off} |")


def speed(paths: Sequence[Path]) -> None:
    """Print what the measure costs beside all standard ones, in processor time; the reduced pictures are there."""
    pictures = [one for path in paths if (one := decode(path.read_bytes()).picture) is not None]
    measures = standard_measures()
    for picture in pictures:
        picture.level(WORKING_SIDE)
    times = []
    for job in (lambda one: inset(one), lambda one: [measure(one) for measure in measures]):
        job(pictures[0])
        start = time.process_time()
        for picture in pictures:
            job(picture)
        times.append((time.process_time() - start) / len(pictures))
    print("\n| milliseconds a photo | photos | frames | all standard measures | ratio |\n|---|---|---|---|---|")
    print(f"| unframed | {len(pictures)} | {1e3 * times[0]:.4f} | {1e3 * times[1]:.2f} | {times[0] / times[1]:.4f} |")


def sheet(paths: Sequence[Path], out: Path, side: int = 256) -> None:
    """Write photos as tiles, eight in a row."""
    rows = max(1, -(-len(paths) // 8))
    page = Image.new("RGB", (8 * (side + 8), rows * (side + 8)), (255, 0, 200))
    for number, path in enumerate(paths):
        with Image.open(path) as image:
            tile = image.convert("RGB")
        tile.thumbnail((side, side))
        page.paste(tile, (number % 8 * (side + 8), number // 8 * (side + 8)))
    page.save(out)


def main(photos: Path, step: int, out: Path | None) -> None:
    """Measure and print."""
    everything = {name: sorted((photos / name).glob("*.jpg")) for name in ("phone", "catalogue", "grocery")}
    print("| framed photos of | frame | half | photos | flagged | a width is off by, 95 % |\n|---|---|---|---|---|---|")
    recall("phone", everything["phone"], FRAMES, step)
    recall("catalogue", everything["catalogue"], [one for one in FRAMES if "white" not in one], step)
    print("\n| photos without a frame | half | photos | score > 0 | flagged |\n|---|---|---|---|---|")
    flagged = [one for name, paths in everything.items() for one in alarms(name, paths)]
    fronts = [*everything["phone"], *sorted((photos / "grocery").glob("natural-*"))]
    for tilt in TILTS:
        random = np.random.default_rng(round(1e4 * tilt))
        box = partial(boxed, random=random, tilt=tilt)
        alarms(f"box on white, corners off by {tilt:.2%}", fronts, box, 2 * step)
    box = partial(boxed, random=np.random.default_rng(3), tilt=0, shadow=0.25)
    alarms("box on white, exactly upright, with a shadow", fronts, box, 2 * step)
    cuts(fronts[:: 2 * step])
    speed([*everything["phone"][:: 4 * step], *everything["catalogue"][:: 4 * step]])
    if out is not None:
        sheet(flagged, out)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="How well framed photos are told.")
    parser.add_argument("photos", type=Path)
    parser.add_argument("--step", type=int, default=1, help="frame every Nth photo of each half")
    parser.add_argument("--sheet", type=Path, help="write the unframed photos that are flagged here")
    given = parser.parse_args()
    main(given.photos, given.step, given.sheet)
