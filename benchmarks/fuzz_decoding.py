"""Mutated real files through a whole pass: no crash, no hang, no lost row. Prints one table.

    python benchmarks/fuzz_decoding.py PHOTOS [MUTATIONS]

Takes photos of PHOTOS as they are and as PNG, WebP, GIF, TIFF, BMP and AVIF, damages each of MUTATIONS (default 10,000)
copies somewhere, and indexes and measures them all as a user would. Exits with 1 unless every file has one verdict, no
photo took its process down or its time, and no measure failed.
"""

import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from prx_data import Workspace
from prx_data.records import Status

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.prx_data.conftest import encode
from tests.prx_data.test_bad_files import mutated

FORMATS = ("PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF")
NEVER = (Status.DECODER_CRASH, Status.DECODER_TIMEOUT, Status.MEASURE_FAILED)


def seeds(root: Path) -> list[tuple[str, bytes]]:
    """Whole files by format."""
    found = []
    for folder in ("phone", "catalogue", "grocery"):
        for path in sorted((root / folder).rglob("*.jpg"))[::60]:
            found.append(("JPEG", path.read_bytes()))
            with Image.open(path) as image:
                small = image.convert("RGB")
            small.thumbnail((240, 240))
            found += [(format_, encode(small, format_)) for format_ in FORMATS]
    return found


def main() -> int:
    """Print the table; 1 if anything went wrong."""
    root, number = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
    random = np.random.default_rng(1)
    real = seeds(root)
    with tempfile.TemporaryDirectory() as name:
        photos = Path(name) / "photos"
        photos.mkdir()
        for one in range(number):
            format_, data = real[one % len(real)]
            (photos / f"{one:05}-{format_}.jpg").write_bytes(mutated(data, random))
        start = time.perf_counter()
        workspace = Workspace(Path(name) / "work")
        workspace.add(photos)
        workspace.measure()
        took = time.perf_counter() - start
        verdicts = workspace.select().verdicts.to_pylist()
    counts: dict[str, Counter[str]] = {}
    for one in verdicts:
        reason = one["reason"] if one["reason"] in set(Status) else "has pixels"
        counts.setdefault(reason, Counter())[one["origin"][6:-4]] += 1
    print(f"{number} files, {took:.0f} s".ljust(24) + "".join(f"{format_:>7}" for format_ in ("JPEG", *FORMATS)))
    for reason, formats in sorted(counts.items()):
        print(f"{reason:<24}" + "".join(f"{formats[format_]:>7}" for format_ in ("JPEG", *FORMATS)))
    lost = number - len({one["origin"] for one in verdicts})
    bad = sum(sum(counts.get(status, Counter()).values()) for status in NEVER)
    print(f"rows lost: {lost}; crashes, time-outs and failed measures: {bad}")
    return int(lost > 0 or bad > 0)


if __name__ == "__main__":
    sys.exit(main())
