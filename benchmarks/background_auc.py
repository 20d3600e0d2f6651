"""What the background measure is worth: prints one table.

    python benchmarks/background_auc.py PHOTOS

PHOTOS holds `grocery`, `phone` and `catalogue`, each with a `metadata.csv`. Nothing is written. AUC is the chance that
a clean picture scores above a cluttered one. Beside it stands the simplest thing that works: minus the mean gradient of
the grey picture in a border ring. `phone_background_labels.csv` says which grounds are plain to the eye. Features and
weights were chosen on its splits `tune` and `held_out`; `check`, where there is one, was only ever scored.
"""

import csv
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.stats import rankdata

from prx_data.measures.background import Background, background, background_mask
from prx_data.measures.color import color_name

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from tests.prx_data import composites as made  # noqa: E402

Pixels = npt.NDArray[np.uint8]
Row = tuple[float, float]  # cleanliness, baseline

COMPOSITES = 40
_SAME = {("blue", "navy"), ("blue", "teal"), ("green", "teal")}


def auc(clean: Sequence[float], cluttered: Sequence[float]) -> float:
    """Area under the ROC curve, from the rank sum."""
    ranks = rankdata([*clean, *cluttered])[: len(clean)]
    return float((ranks.sum() - len(clean) * (len(clean) + 1) / 2) / (len(clean) * len(cluttered)))


def ring_gradient(pixels: Pixels) -> float:
    """The baseline: mean |∇| of the grey picture within 8 % of the border, long side 256."""
    image = Image.fromarray(pixels).convert("L")
    image.thumbnail((256, 256), Image.Resampling.BOX)
    down, right = np.gradient(np.asarray(image, dtype=np.float32))
    slope = np.hypot(down, right)
    width = max(2, round(0.08 * min(slope.shape)))
    inner = slope[width:-width, width:-width]
    return float((slope.sum() - inner.sum()) / (slope.size - inner.size))


def score(pixels: Pixels) -> tuple[Background, Row]:
    """The measure, with its cleanliness beside the baseline's."""
    found = background(pixels)
    return found, (found.cleanliness, -ring_gradient(pixels))


def compare(name: str, clean: Iterable[Row], cluttered: Iterable[Row]) -> None:
    """Print one row: AUC of the measure and of the baseline, and how many are on the right side of 0.5."""
    good, bad = list(clean), list(cluttered)
    values = [auc([row[i] for row in good], [row[i] for row in bad]) for i in (0, 1)]
    right = (np.mean([row[0] >= 0.5 for row in good]), np.mean([row[0] < 0.5 for row in bad]))
    print(
        f"| {name} | {len(good)} / {len(bad)} | {values[0]:.4f} | {values[1]:.4f} | {right[0]:.1%} | {right[1]:.1%} |"
    )


def agreement(named: Sequence[tuple[str, str]]) -> tuple[float, float]:
    """Share of catalogue photos whose subject colour bears the metadata's name; and with close names let pass."""
    exact = [colour == word for colour, word in named]
    close = [colour == word or (colour, word) in _SAME for colour, word in named]
    return float(np.mean(exact)), float(np.mean(close))


def framing(pictures: Iterable[made.Composite]) -> npt.NDArray[np.float64]:
    """IoU of the mask, error of fill, error of the centre; one row for each picture."""
    rows = []
    for one in pictures:
        found, mask = background(one.pixels), background_mask(one.pixels)
        truth = np.asarray(Image.fromarray(one.mask).resize(mask.shape[::-1], Image.Resampling.NEAREST))
        offset = np.hypot(found.center_x - one.center[0], found.center_y - one.center[1])
        rows.append(((mask & truth).sum() / (mask | truth).sum(), abs(found.fill - one.fill), offset))
    return np.array(rows)


def main(photos: Path) -> None:
    """Measure everything once, then print."""
    labels = list(csv.DictReader((HERE / "phone_background_labels.csv").open()))
    catalogue = list(csv.DictReader((photos / "catalogue" / "metadata.csv").open()))
    rows: dict[str, Row] = {}
    named, seconds = [], []
    for kind in ("iconic", "natural"):
        rows |= {path.name: score(made.read(path))[1] for path in sorted((photos / "grocery").glob(f"{kind}-*"))}
    rows |= {one["file_name"]: score(made.read(photos / "phone" / one["file_name"]))[1] for one in labels}
    for one in catalogue:
        pixels = made.read(photos / "catalogue" / one["file_name"])
        start = time.perf_counter()
        background(pixels)
        seconds.append(time.perf_counter() - start)
        found, rows[one["file_name"]] = score(pixels)
        named.append((one["color"].lower(), color_name(found.subject_color)))
    carpets = [photos / "phone" / one["file_name"] for one in labels if one["label"] == "cluttered"]
    pictures = made.composites(photos, COMPOSITES, carpets)
    kinds = {kind: [score(one.pixels)[1] for one in pictures if one.kind == kind] for kind in made.KINDS}

    print("| clean / cluttered | photos | AUC | AUC of border gradient | clean >= 0.5 | cluttered < 0.5 |")
    print("|---|---|---|---|---|---|")
    natural = [row for name, row in rows.items() if name.startswith("natural-")]
    compare("grocery: iconic / natural", [row for name, row in rows.items() if name.startswith("iconic-")], natural)
    compare("catalogue / grocery natural", [rows[one["file_name"]] for one in catalogue], natural)
    for split in sorted({one["split"] for one in labels}, reverse=True):
        part = {
            label: [rows[one["file_name"]] for one in labels if (one["label"], one["split"]) == (label, split)]
            for label in ("plain", "cluttered")
        }
        compare(f"phone, {split}", part["plain"], part["cluttered"])
    clean = [row for kind in made.CLEAN for row in kinds[kind]]
    compare("composites: plain, gradient, shadowed / clutter", clean, [row for k in made.CLUTTERED for row in kinds[k]])
    compare("composites: the same / texture", clean, kinds["textured"])
    for kind in made.CLEAN:
        error = framing(one for one in pictures if one.kind == kind)
        median, worst = (
            np.median(error, axis=0),
            [np.quantile(error[:, 0], 0.1), *np.quantile(error[:, 1:], 0.9, axis=0)],
        )
        print(
            f"| framing, {kind}: median (worst tenth) | {len(error)} | IoU {median[0]:.3f} ({worst[0]:.3f})"
            f" | fill error {median[1]:.3f} ({worst[1]:.3f}) | centre error {median[2]:.3f} ({worst[2]:.3f}) | |"
        )
    exact, close = agreement(named)
    print(f"| colour named as in the catalogue | {len(named)} | {exact:.1%} | close names too: {close:.1%} | | |")
    print(f"| milliseconds a catalogue photo, median | {len(seconds)} | {1e3 * np.median(seconds):.1f} | | | |")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
