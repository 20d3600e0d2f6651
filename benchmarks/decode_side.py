"""How far measures move when they are taken from less than the whole picture: prints two tables.

    python benchmarks/decode_side.py PHOTOS [EVERY]

PHOTOS holds `catalogue`, `phone` and `grocery`; EVERY takes each so many-th photo (default 4).

The first is about the perceptual hash. `pyramid` is what the measure takes: the whole picture, halved until its longer
side is the last one of at least so many pixels; `scaled` is `phash` of a JPEG that is decoded at a half, a quarter or
an eighth as long as it keeps so many; `decode_side` is the measure of that, which is what a curation with this setting
compares. Counts are photos by the Hamming distance from `phash` of the whole picture, of 64 bits; a distance is even as
long as no two frequencies are equal, as half of the bits are always set.

The second is about the other measures under `decode_side`, over the photos that it makes smaller: medians and 99th
percentiles of how far each column moves from that of the whole picture, and how many of these photos the default rules
judge otherwise.
"""

import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from prx_data.decisions.rules import Rules
from prx_data.decoding import Decoded, decode
from prx_data.measures import standard_measures
from prx_data.measures.perceptual import REDUCED_SIDE, phash, reduced_hash

SIDES = (512, 256, 128, 64)
DECODE_SIDES = (512, 384)
FOLDERS = ("catalogue", "phone", "grocery")
COLUMNS = ("sharpness", "detail", "brightness", "spread", "cleanliness", "fill", "whiteness")


def hashes(data: bytes, whole: Decoded) -> dict[tuple[str, int], int]:
    """The hash of one photo by each way and side."""
    assert whole.picture is not None
    found = {}
    for side in SIDES:
        found["pyramid", side] = reduced_hash(whole.picture.grey_level(side))[0]
        scaled = decode(data, at_least=side).pixels
        assert scaled is not None
        found["scaled", side] = phash(scaled)
    for side in DECODE_SIDES:
        picture = decode(data, at_least=side).picture
        assert picture is not None
        found["decode_side", side] = reduced_hash(picture.grey_level(REDUCED_SIDE))[0]
    return found


def columns(decoded: Decoded) -> dict[str, Any]:
    """What the rules look at, and more."""
    assert decoded.picture is not None
    found: dict[str, Any] = {"width": decoded.width, "height": decoded.height}
    for one in standard_measures():
        found |= one(decoded.picture)
    return found


def print_hashes(distances: Mapping[tuple[str, int], Counter[int]], number: int) -> None:
    """The first table."""
    shown = range(0, max(max(one) for one in distances.values()) + 1, 2)
    print(f"{number} photos         " + "".join(f"{away:>7}" for away in shown) + "   at most 2")
    for (way, side), counts in sorted(distances.items(), key=lambda one: (one[0][0], -one[0][1])):
        row = "".join(f"{counts[away] + counts[away + 1]:>7}" for away in shown)
        near = sum(count for away, count in counts.items() if away <= 2) / number
        print(f"{way:<12} {side:>5} px {row} {near:>11.2%}")


def print_columns(moved: Mapping[int, list[dict[str, float]]], judged: Mapping[int, int]) -> None:
    """The second table."""
    print("\ndecode_side  photos" + "".join(f"{name:>19}" for name in COLUMNS) + "   judged otherwise")
    for side, rows in moved.items():
        cells = ""
        for name in COLUMNS:
            away = np.abs([one[name] for one in rows])
            cells += f"{np.median(away):>10.3g} {np.quantile(away, 0.99):>8.3g}"
        print(f"{side:>8} px {len(rows):>8}{cells} {judged[side]:>18}")


def main() -> None:
    """Print the tables."""
    root, every = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 4
    distances: dict[tuple[str, int], Counter[int]] = {}
    moved: dict[int, list[dict[str, float]]] = {side: [] for side in DECODE_SIDES}
    judged, number, rules = Counter[int](), 0, Rules()
    for path in (path for folder in FOLDERS for path in sorted((root / folder).rglob("*.jpg"))[::every]):
        data = path.read_bytes()
        whole = decode(data)
        if whole.picture is None:
            continue
        number += 1
        exact, known = phash(whole.picture.pixels), columns(whole)
        for what, code in hashes(data, whole).items():
            distances.setdefault(what, Counter())[(code ^ exact).bit_count()] += 1
        for side in DECODE_SIDES:
            scaled = decode(data, at_least=side)
            if scaled.picture is not None and not scaled.picture.whole:
                found = columns(scaled)
                moved[side].append({name: found[name] - known[name] for name in COLUMNS})
                judged[side] += rules.judge(found)[0] != rules.judge(known)[0]
    print_hashes(distances, number)
    print_columns(moved, judged)


if __name__ == "__main__":
    main()
