"""How far the perceptual hash moves when it is taken from less than the whole picture: prints one table.

    python benchmarks/phash_drift.py PHOTOS [EVERY]

PHOTOS holds `catalogue`, `phone` and `grocery`; EVERY takes each so many-th photo (default 4). `pyramid` is what the
measure takes: the whole picture, halved until its longer side is the last one of at least so many pixels; `scaled` is a
JPEG that is decoded at a half, a quarter or an eighth as long as it keeps so many. Counts are photos by the Hamming
distance of the two hashes, of 64 bits; a distance is even as long as no two frequencies are equal, as half of the bits
are always set.
"""

import sys
from collections import Counter
from pathlib import Path

from prx_data.decoding import decode
from prx_data.measures.perceptual import phash, reduced_hash

SIDES = (512, 256, 128, 64)
FOLDERS = ("catalogue", "phone", "grocery")


def main() -> None:
    """Print the table."""
    root, every = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 4
    distances: dict[tuple[str, int], Counter[int]] = {}
    number = 0
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.jpg"))[::every]:
            data = path.read_bytes()
            picture = decode(data).picture
            if picture is None:
                continue
            number += 1
            whole = phash(picture.pixels)
            for side in SIDES:
                scaled = decode(data, at_least=side).pixels
                assert scaled is not None
                for way, code in (("pyramid", reduced_hash(picture.grey_level(side))[0]), ("scaled", phash(scaled))):
                    away = (code ^ whole).bit_count()
                    distances.setdefault((way, side), Counter())[away] += 1
    most = max(max(one) for one in distances.values())
    shown = range(0, most + 1, 2)
    print(f"{number} photos     " + "".join(f"{away:>7}" for away in shown) + "   at most 2")
    for (way, side), counts in sorted(distances.items(), key=lambda one: (one[0][0], -one[0][1])):
        row = "".join(f"{counts[away] + counts[away + 1]:>7}" for away in shown)
        near = sum(count for away, count in counts.items() if away <= 2) / number
        print(f"{way:<9} {side:>4} px {row} {near:>11.2%}")


if __name__ == "__main__":
    main()
