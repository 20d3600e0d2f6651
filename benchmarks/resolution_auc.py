"""Whether upscaled photos are told from native ones: prints one table.

    python benchmarks/resolution_auc.py PHOTOS [EVERY]

Every EVERY-th photo (default 12) of `catalogue` and `phone` is enlarged with three kernels and saved as JPEG. AUC is
the chance that a native photo has a higher `effective_resolution` than an enlarged one; beside it the median of what
is measured, of which 1 / factor is the truth. Photos that were soft to begin with are part of the natives.
"""

import sys
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.stats import rankdata

from prx_data.decoding import decode
from prx_data.measures.resolution import effective_resolution
from prx_data.picture import Picture

KERNELS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
FACTORS = (1.5, 2.0, 3.0)
QUALITIES = (95, 85)


def auc(high: Sequence[float], low: Sequence[float]) -> float:
    """Area under the ROC curve, from the rank sum."""
    ranks = rankdata([*high, *low])[: len(high)]
    return float((ranks.sum() - len(high) * (len(high) + 1) / 2) / (len(high) * len(low)))


def enlarged(image: Image.Image, factor: float, kernel: Image.Resampling, quality: int) -> Picture:
    """The picture as someone would upload it."""
    buffer = BytesIO()
    size = (round(image.width * factor), round(image.height * factor))
    image.resize(size, kernel).save(buffer, "JPEG", quality=quality)
    picture = decode(buffer.getvalue()).picture
    assert picture is not None
    return picture


def main() -> None:
    """Print the table."""
    root, every = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 12
    for folder in ("catalogue", "phone"):
        decoded = [decode(path.read_bytes()).picture for path in sorted((root / folder).rglob("*.jpg"))[::every]]
        natives = [one for one in decoded if one is not None]
        native = [share for one in natives if (share := effective_resolution(one)) is not None]
        low = np.quantile(native, 0.1)
        print(f"{folder}: {len(native)} photos, median {np.median(native):.2f}, lowest tenth {low:.2f}")
        print("  factor, quality  " + "".join(f"{kernel:>18}" for kernel in KERNELS))
        for factor in FACTORS:
            for quality in QUALITIES:
                row = ""
                for kernel in KERNELS.values():
                    shares = [
                        effective_resolution(enlarged(Image.fromarray(one.pixels), factor, kernel, quality))
                        for one in natives
                    ]
                    told = [share for share in shares if share is not None]
                    row += f"      {auc(native, told):.3f} ({np.median(told):.2f})"
                print(f"  {factor:<6} {quality:>8}  {row}", flush=True)


if __name__ == "__main__":
    main()
