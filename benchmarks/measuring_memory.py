"""The peak memory of a measuring pass does not grow with the number of photos: prints one table.

    python benchmarks/measuring_memory.py PHOTOS [MANY]

One photo of PHOTOS, made small, is repeated 2,000 and MANY (default 20,000) times with other bytes behind its end, so
that each has a key of its own. Peak memory is that of the largest process, as the system counts it. Exits with 1 if
either peak of the many is more than 1.15 times that of the few.
"""

import json
import subprocess
import sys
import tempfile
from io import BytesIO
from pathlib import Path

from PIL import Image

FEW, MANY = 2_000, 20_000
MOST = 1.15
"""By which a peak may be larger: allocators and batches of columns vary by a few hundredths."""

MEASURE = """
import json, resource, sys, time
from prx_data.engine import measure
from prx_data.measures import standard_measures
from prx_data.workspace import WorkspaceStore
store = WorkspaceStore(sys.argv[1])
start = time.perf_counter()
measure(store, standard_measures(), workers=2)
peaks = [resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
print(json.dumps([*peaks, time.perf_counter() - start]))
"""
COMPILE = "from prx_data.kernels import compile_all; compile_all()"
INDEX = "import sys; from prx_data.workspace import WorkspaceStore; WorkspaceStore(sys.argv[1]).add(sys.argv[2])"


def small_jpeg(root: Path) -> bytes:
    """The first photo of the folder `phone`, 150 px wide."""
    with Image.open(min((root / "phone").rglob("*.jpg"))) as image:
        small = image.convert("RGB").resize((150, 200))
    buffer = BytesIO()
    small.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


def run(data: bytes, number: int) -> tuple[float, float, float]:
    """Peak megabytes of the process that leads and of the largest that measures, and seconds."""
    with tempfile.TemporaryDirectory() as name:
        photos = Path(name) / "photos"
        photos.mkdir()
        for one in range(number):
            (photos / f"{one:06}.jpg").write_bytes(data + one.to_bytes(8, "big"))
        work = str(Path(name) / "work")
        # Each in a process of its own: a peak is never forgotten.
        subprocess.run([sys.executable, "-c", INDEX, work, str(photos)], check=True)
        measured = subprocess.run([sys.executable, "-c", MEASURE, work], check=True, capture_output=True, text=True)
    lead, worker, took = json.loads(measured.stdout)
    return lead, worker, took


def main() -> int:
    """Print the table; 1 if memory grows with the number of photos."""
    data = small_jpeg(Path(sys.argv[1]))
    many = int(sys.argv[2]) if len(sys.argv) > 2 else MANY
    subprocess.run([sys.executable, "-c", COMPILE], check=True)  # once on a machine: it takes more than measuring does
    print("  photos   leads, MB   measures, MB   seconds")
    peaks = []
    for number in (FEW, many):
        lead, worker, took = run(data, number)
        peaks.append((lead, worker))
        print(f"{number:8,} {lead:11.0f} {worker:14.0f} {took:9.0f}", flush=True)
    ratios = [after / before for before, after in zip(*peaks, strict=True)]
    print("   ratio {:11.2f} {:14.2f}".format(*ratios))
    grows = max(ratios) > MOST
    print(f"{'FAILS' if grows else 'passes'}: a peak of {many:,} photos is at most {MOST} times that of {FEW:,}")
    return int(grows)


if __name__ == "__main__":
    sys.exit(main())
