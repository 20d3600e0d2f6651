"""How well sheets of packshots on one white, and words beside a product, are told from plain packshots: prints tables.

    python benchmarks/parts.py PHOTOS [--count N] [--alarms FILE.jpg]

PHOTOS holds `grocery`, `phone` and `catalogue`. Nothing is written but the sheet of alarms: every photo as it is that
`parts` or `detached` speaks on. Limits were chosen on every other photo (the even ones); the odd ones are held out, and
a sheet holds photos of one half.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from prx_data.measures.background import background

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.frames import HALVES
from benchmarks.frames import sheet as contact_sheet
from tests.prx_data.composites import read
from tests.prx_data.sheets import main_picture, sheet, written

Pixels = npt.NDArray[np.uint8]

LAYOUTS = ((1, 2), (2, 1), (2, 2))  # rows and columns
COLORS = {"black": (0, 0, 0), "red": (220, 0, 0), "grey": (150, 150, 150), "yellow": (255, 200, 0)}
HEIGHTS = (20, 30, 45, 60, 120)


def packshot(path: Path) -> Pixels:
    """Studio photos are large, and half of their size shows the same."""
    return read(path, 2 if "catalogue" in str(path) else 1)


def sheets(name: str, paths: Sequence[Path], count: int) -> None:
    """Print one row for each layout and half: how often more than one part is seen, more than two, and all."""
    random = np.random.default_rng(0)
    for rows, columns in LAYOUTS:
        for half, begin in HALVES:
            found = []
            for _ in range(count):
                chosen = random.choice(np.arange(begin, len(paths), 2), rows * columns, replace=False)
                found.append(background(sheet([packshot(paths[one]) for one in chosen], columns)).parts)
            shares = [np.mean([one >= least for one in found]) for least in (2, 3, rows * columns)]
            print(
                f"| {name} | {rows}x{columns} | {half} | {count} | " + " | ".join(f"{one:.1%}" for one in shares) + " |"
            )


def words(paths: Sequence[Path], count: int) -> None:
    """Print one row for each colour and height: how often a word in a corner of a packshot is seen, and by what."""
    pages = [main_picture(packshot(path)) for path in paths[1::2][:count]]
    plain = [background(np.asarray(page)) for page in pages]
    counts = f"{sum(one.detached > 0 for one in plain)} | {sum(one.overlay > 0 for one in plain)}"
    print(f"| none | - | {len(pages)} | {counts} |")
    for color, rgb in COLORS.items():
        for height in HEIGHTS:
            found = [background(np.asarray(written(page, "New!", height, rgb))) for page in pages]
            counts = f"{sum(one.detached > 0 for one in found)} | {sum(one.overlay > 0 for one in found)}"
            print(f"| {color} | {height} | {len(found)} | {counts} |")


def alarms(name: str, paths: Sequence[Path]) -> list[Path]:
    """Print one row for each half: how many photos as they are are flagged; give these back."""
    flagged = []
    for half, begin in HALVES:
        found = [background(packshot(path)) for path in paths[begin::2]]
        counts = [sum(one.parts > most for one in found) for most in (1, 2)]
        print(
            f"| {name} | {half} | {len(found)} | {counts[0]} | {counts[1]} | {sum(one.detached > 0 for one in found)} |"
        )
        flagged += [path for path, one in zip(paths[begin::2], found, strict=True) if one.parts > 1 or one.detached > 0]
    return flagged


def main(photos: Path, count: int, out: Path | None) -> None:
    """Measure and print."""
    everything = {
        "catalogue": sorted((photos / "catalogue").glob("*.jpg")),
        "iconic": sorted((photos / "grocery").glob("iconic-*")),
        "phone": sorted((photos / "phone").glob("*.jpg")),
    }
    print("| sheets of | layout | half | sheets | parts > 1 | parts > 2 | all parts |\n|---|---|---|---|---|---|---|")
    for name in ("catalogue", "iconic"):
        sheets(name, everything[name], count)
    print(
        '\n| "New!" on iconic photos at 1400 px | height | photos | detached > 0 | overlay > 0 |\n|---|---|---|---|---|'
    )
    words(everything["iconic"], count)
    print("\n| photos as they are | half | photos | parts > 1 | parts > 2 | detached > 0 |\n|---|---|---|---|---|---|")
    flagged = [one for name, paths in everything.items() for one in alarms(name, paths)]
    if out is not None:
        contact_sheet(flagged, out)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="How well sheets of packshots and words beside a product are told.")
    parser.add_argument("photos", type=Path)
    parser.add_argument("--count", type=int, default=30, help="sheets of each kind, and photos with words")
    parser.add_argument("--alarms", type=Path, help="write the photos that are flagged as they are here")
    given = parser.parse_args()
    main(given.photos, given.count, given.alarms)
