"""Fit the weights of cleanliness: prints what `prx_data.measures.background_texture` holds, rounded, and its AUC.

    python benchmarks/background_fit.py PHOTOS

PHOTOS holds `grocery`, `phone` and `catalogue`. Fitted to phone photos labelled by eye in
`phone_background_labels.csv` (all splits but `last`; those of which the eye was not sure count 0.4), catalogue and
iconic pictures as clean, shelves as cluttered, composites, and clean pictures of which a shelf covers a part as
cluttered. Weights of what tells against a ground are held at or below zero, and that of chroma at or above, so that
no accident of the labels makes clutter a merit. Cross-validation leaves out all photos of a sender at once, as a sender
photographs everything on the same sheet.
"""

import csv
import hashlib
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.optimize import minimize

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from benchmarks.background_auc import auc  # noqa: E402
from tests.prx_data import composites as made  # noqa: E402

from prx_data.measures.background import background  # noqa: E402
from prx_data.measures.background_texture import WEIGHTS, evidence  # noqa: E402

Pixels = npt.NDArray[np.uint8]
Array = npt.NDArray[np.float64]

UNSURE = 0.4
FOLDS = 5
_RIDGE = 1.0
_PRODUCTS = 12
TOTALS = {
    "catalogue": (1, 60), "iconic": (1, 30), "natural": (0, 60), "made plain": (1, 20), "made gradient": (1, 20),
    "made shadowed": (1, 20), "made natural": (0, 25), "made carpet": (0, 25), "made textured": (0, 25),
    "shelf 20 %": (0, 20), "shelf 35 %": (0, 20), "shelf 60 %": (0, 20),
}  # fmt: skip
"""Label and total weight of each other set; each labelled phone photo weighs 1."""


def row(source: Path | Pixels) -> list[float]:
    """The evidence of one picture."""
    found = background(made.read(source) if isinstance(source, Path) else source)
    return list(evidence(vars(found)).values())  # type: ignore[arg-type]


def shelves(clean: Sequence[Pixels], shelf: Sequence[Path]) -> dict[str, list[Pixels]]:
    """Clean pictures of which a shelf covers a share from each side."""
    found: dict[str, list[Pixels]] = {}
    for number, pixels in enumerate(clean):
        for turn in range(4):
            turned = np.rot90(pixels, turn)
            patch = made.read(shelf[(number * 11 + turn * 5) * 2 % len(shelf)])
            patch = np.asarray(Image.fromarray(patch).resize(turned.shape[1::-1]))
            for share in (0.2, 0.35, 0.6):
                height = round(share * len(turned))
                covered = np.rot90(np.concatenate([patch[:height], turned[height:]]), -turn)
                found.setdefault(f"shelf {share:.0%}".replace("%", " %"), []).append(np.ascontiguousarray(covered))
    return found


def fit(rows: Array, labels: Array, weights: Array) -> Array:
    """Signed ridge logistic regression; the weights of the evidence, and the constant last."""
    mean, spread = rows.mean(axis=0), rows.std(axis=0) + 1e-6
    scaled = (rows - mean) / spread

    def loss(vector: Array) -> tuple[float, Array]:
        logit = scaled @ vector[:-1] + vector[-1]
        wrong = weights * (1 / (1 + np.exp(-logit)) - labels)
        value = weights @ np.logaddexp(0, np.where(labels > 0, -logit, logit)) + _RIDGE * (vector[:-1] ** 2).sum()
        return float(value), np.append(scaled.T @ wrong + 2 * _RIDGE * vector[:-1], wrong.sum())

    bounds = [(0, None) if name == "chroma" else (None, 0) for name in WEIGHTS]
    found = minimize(loss, np.zeros(rows.shape[1] + 1), jac=True, method="L-BFGS-B", bounds=[*bounds, (None, None)]).x
    slopes = found[:-1] / spread
    return np.asarray(np.append(slopes, found[-1] - slopes @ mean))


def logits(rows: Array, vector: Array) -> Array:
    """Of cleanliness."""
    return np.asarray(rows @ vector[:-1] + vector[-1])


def show(name: str, scores: Array, plain: npt.NDArray[np.bool_], chosen: npt.NDArray[np.bool_]) -> None:
    """Print one row."""
    print(f"| {name} | {chosen.sum()} | {auc(scores[chosen & plain].tolist(), scores[chosen & ~plain].tolist()):.4f} |")


def main(photos: Path) -> None:
    """Measure everything, fit, print."""
    labels = list(csv.DictReader((HERE / "phone_background_labels.csv").open()))
    senders = {one["file_name"]: one["sender"] for one in csv.DictReader((photos / "phone" / "metadata.csv").open())}
    phone = [photos / "phone" / one["file_name"] for one in labels]
    carpets = [
        path for path, one in zip(phone, labels, strict=True) if one["label"] == "cluttered" and one["split"] != "last"
    ]
    sets: dict[str, Sequence[Path | Pixels]] = {
        "catalogue": sorted((photos / "catalogue").rglob("*.jpg")),
        "iconic": sorted((photos / "grocery").glob("iconic-*")),
        "natural": sorted((photos / "grocery").glob("natural-*")),
    }
    for one in made.composites(photos, 60, carpets):
        sets[f"made {one.kind}"] = [*sets.get(f"made {one.kind}", []), one.pixels]
    step = len(sets["catalogue"]) // _PRODUCTS
    clean = [made.read(path) for path in (*sets["iconic"][::8], *sets["catalogue"][::step]) if isinstance(path, Path)]
    clean += [path for path in sets["made plain"][::6] if not isinstance(path, Path)]
    sets |= shelves(clean, [path for path in sets["natural"] if isinstance(path, Path)])
    with ProcessPoolExecutor(2) as pool:
        rows = np.array(list(pool.map(row, phone, chunksize=16)))
        found = {name: np.array(list(pool.map(row, some, chunksize=16))) for name, some in sets.items()}
    plain = np.array([one["label"] == "plain" for one in labels])
    sure = np.array([one["sure"] == "yes" for one in labels])
    last = np.array([one["split"] == "last" for one in labels])
    others = np.concatenate([found[name] for name in TOTALS])
    other_labels = np.concatenate([np.full(len(found[name]), label) for name, (label, _) in TOTALS.items()])
    shares = [np.full(len(found[name]), total / len(found[name])) for name, (_, total) in TOTALS.items()]
    other_weights = np.concatenate(shares)
    weights = np.where(sure, 1.0, UNSURE)

    def fitted(chosen: npt.NDArray[np.bool_]) -> Array:
        return fit(
            np.concatenate([rows[chosen], others]),
            np.concatenate([plain[chosen], other_labels]).astype(float),
            np.concatenate([weights[chosen], other_weights]),
        )

    vector = fitted(~last)
    print({name: round(float(value), 3) for name, value in zip([*WEIGHTS, "one"], vector, strict=True)})
    # Senders in an order that has nothing to do with their photos, dealt out to the folds.
    fold = np.array([hash_of(senders[one["file_name"]]) % FOLDS for one in labels])
    crossed = np.zeros(len(labels))
    for number in range(FOLDS):
        crossed[fold == number] = logits(rows[fold == number], fitted(~last & (fold != number)))
    print("\n| phone photos | photos | AUC |\n|---|---|---|")
    for kind, chosen in (("sure", sure), ("all", np.ones_like(sure))):
        show(f"senders left out, {kind}", crossed, plain, chosen & ~last)
        show(f"last, {kind}", logits(rows, vector), plain, chosen & last)
    for name, some in found.items():
        print(f"{name}: {np.mean(logits(some, vector) > 0):.1%} of {len(some)} clean")


def hash_of(sender: str) -> int:
    """The same everywhere."""
    return int(hashlib.sha256(sender.encode()).hexdigest(), 16)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
