"""What the background measure is worth: prints its tables.

    python benchmarks/background_auc.py PHOTOS [--step N]

PHOTOS holds `grocery`, `phone` and `catalogue`, each with a `metadata.csv`. Nothing is written. AUC is the chance that
a clean picture scores above a cluttered one. Beside it stands the simplest thing that works: minus the mean gradient of
the grey picture in a border ring. `phone_background_labels.csv` says which grounds are plain to the eye: one surface of
one colour, folds and a change of light allowed; a pattern, planks, tiles, a carpet's pile, a second surface or things
lying about are clutter. `sure` says whether the eye was sure: no for quilted or knitted covers, hooks or rails on a
wall, a door's edge, a sheet's end. The measure was developed on the splits `tune`, `held_out` and `check`; `last` was
labelled before any of its photos were scored, and no weight was fitted to it; what is neutral in a photo that is soft
or has no colours was chosen on copies of `tune`, with an eye on those of `last`. `background_fit.py` fits the weights,
and shows cross-validation by sender.
"""

import argparse
import csv
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.stats import rankdata

from prx_data.decoding import decode
from prx_data.measures.background import Background, background, background_mask
from prx_data.measures.background_columns import BackgroundColumns
from prx_data.measures.background_maps import DETAIL_SIDE
from prx_data.measures.color_names import sure_name
from prx_data.picture import Picture

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from tests.prx_data import composites as made  # noqa: E402

Pixels = npt.NDArray[np.uint8]

COMPOSITES = 40
_SAME = {("blue", "navy"), ("blue", "teal"), ("green", "teal"), ("lavender", "purple")}


LABELLED: dict[str, Callable[[dict[str, str]], str | None]] = {
    "sure": lambda row: row["label"] if row["sure"] == "yes" else None,
    "agreed": lambda row: row["label"] if row["blind"] == {"plain": "3", "cluttered": "0"}[row["label"]] else None,
    "all": lambda row: row["label"],
    "blind": lambda row: "plain" if row["blind"] in "23" else "cluttered",
}
"""What a row of the labels says, `plain` or `cluttered`; None if it is left out."""


class Measured:
    """One photo's measures."""

    def __init__(self, pixels: Pixels) -> None:
        self.background: Background = background(pixels)
        self.scores = (self.background.cleanliness, -ring_gradient(pixels))


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


def compare(name: str, clean: Iterable[Measured], cluttered: Iterable[Measured]) -> None:
    """Print one row: AUC of the measure and of the baseline, and how many are on the right side of 0.5."""
    good, bad = [one.scores for one in clean], [one.scores for one in cluttered]
    values = [auc([row[i] for row in good], [row[i] for row in bad]) for i in (0, 1)]
    right = (np.mean([row[0] >= 0.5 for row in good]), np.mean([row[0] < 0.5 for row in bad]))
    print(
        f"| {name} | {len(good)} / {len(bad)} | {values[0]:.4f} | {values[1]:.4f} | {right[0]:.1%} | {right[1]:.1%} |"
    )


def framing(pictures: Sequence[made.Composite]) -> None:
    """Print one row for each clean kind: IoU of the mask, errors of fill and centre, and what doubt tells."""
    print(
        "\n| framing of composites | pictures | IoU: median, worst 5 % | fill error: 95th percentile, within 3 %",
        end="",
    )
    print(" | centre error: 95th percentile, within 3 % | fill wrong by more than 3 %: doubt > 0.2, <= 0.2 |")
    print("|---|---|---|---|---|---|")
    for kind in (*made.CLEAN, *made.STUDIO):
        rows = []
        for one in (one for one in pictures if one.kind == kind):
            found, mask = background(one.pixels), background_mask(one.pixels)
            truth = np.asarray(Image.fromarray(one.mask).resize(mask.shape[::-1], Image.Resampling.NEAREST))
            offset = max(abs(found.center_x - one.center[0]), abs(found.center_y - one.center[1]))
            rows.append(((mask & truth).sum() / (mask | truth).sum(), abs(found.fill - one.fill), offset, found.doubt))
        overlap, fill, centre, doubt = np.array(rows).T
        print(f"| {kind} | {len(rows)} | {np.median(overlap):.3f}, {np.quantile(overlap, 0.05):.3f}", end="")
        for error in (fill, centre):
            print(f" | {np.quantile(error, 0.95):.3f}, {np.mean(error <= 0.03):.1%}", end="")
        print(f" | {np.sum((fill > 0.03) & (doubt > 0.2))}, {np.sum((fill > 0.03) & (doubt <= 0.2))} |")


def _jpeg(quality: int, pixels: Pixels) -> Pixels:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return made.read(buffer)


def _scaled(factor: float, pixels: Pixels) -> Pixels:
    size = (round(pixels.shape[1] * factor), round(pixels.shape[0] * factor))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))


def _grey(pixels: Pixels) -> Pixels:
    return np.asarray(Image.fromarray(pixels).convert("L"))[:, :, None].repeat(3, axis=2)


def _soft(sigma: float, pixels: Pixels) -> Pixels:
    """Sigma in pixels of a photo whose shorter side is 400 pixels, as those from phones are."""
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), sigma * min(pixels.shape[:2]) / 400), dtype=np.uint8)


def _square(pixels: Pixels) -> Pixels:
    side = max(pixels.shape[:2])
    square = np.full((side, side, 3), 255, dtype=np.uint8)
    top, left = ((side - length) // 2 for length in pixels.shape[:2])
    square[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    return square


CHANGES: dict[str, Callable[[Pixels], Pixels]] = {
    "JPEG quality 40": partial(_jpeg, 40),
    "JPEG quality 15": partial(_jpeg, 15),
    "without colours": _grey,
    "blurred, sigma 1 of 400 pixels": partial(_soft, 1.0),
    "blurred, sigma 2 of 400 pixels": partial(_soft, 2.0),
    "median of 3x3 pixels": lambda pixels: np.asarray(cv2.medianBlur(pixels, 3), dtype=np.uint8),
    "half the size": partial(_scaled, 0.5),
    "twice the size": partial(_scaled, 2.0),
    "padded to a white square": _square,
    "turned by 90°": lambda pixels: np.ascontiguousarray(np.rot90(pixels)),
    "mirrored": lambda pixels: np.ascontiguousarray(pixels[:, ::-1]),
}


def robustness(photos: Sequence[Pixels]) -> None:
    """Print one row for each change: how far the score moves, and how often to the other side of 0.5."""
    print("\n| the same photo | photos | score moves: mean | 95 % | other side of 0.5 |\n|---|---|---|---|---|")
    before = np.array([background(pixels).cleanliness for pixels in photos])
    for name, change in CHANGES.items():
        after = np.array([background(change(pixels)).cleanliness for pixels in photos])
        moved = np.abs(after - before)
        sides = np.mean((after >= 0.5) != (before >= 0.5))
        print(f"| {name} | {len(photos)} | {moved.mean():.3f} | {np.quantile(moved, 0.95):.3f} | {sides:.1%} |")


def calibration(labelled: Sequence[tuple[str, Pixels]]) -> None:
    """Print one row for each change: AUC of changed photos, and how many are on the wrong side of 0.5."""
    print(
        "\n| phone, every second of last, sure | photos | AUC | cluttered >= 0.5 | clean < 0.5 |\n|---|---|---|---|---|"
    )
    changes = {"as it is": lambda pixels: pixels, **CHANGES}
    for name, change in changes.items():
        scores: dict[str, list[float]] = {"plain": [], "cluttered": []}
        for label, pixels in labelled:
            scores[label].append(background(change(pixels)).cleanliness)
        clean, cluttered = np.array(scores["plain"]), np.array(scores["cluttered"])
        print(f"| {name} | {len(clean)} / {len(cluttered)} | {auc(scores['plain'], scores['cluttered']):.4f}", end="")
        print(f" | {np.mean(cluttered >= 0.5):.1%} | {np.mean(clean < 0.5):.1%} |")


COVERED = (0.0, 0.15, 0.3, 0.6, 1.0)


def shelves(photos: Path, grounds: dict[str, Sequence[Pixels]]) -> None:
    """Print one row for each kind of ground: how often a shelf that covers more of it is not told from less clutter."""
    print("\n| a shelf covers 15, 30, 60 and 100 % | cases | somewhere clean | rises by more than 0.02 |", end="")
    print(" crosses 0.5 upwards |\n|---|---|---|---|---|")
    patches = [made.read(path) for path in sorted((photos / "grocery").glob("natural-*"))[3::37]]
    for name, clean in grounds.items():
        rows = np.array([_covered(pixels, patch) for pixels in clean for patch in patches])
        rises = np.diff(rows, axis=1)
        crosses = ((rows[:, :-1] < 0.5) & (rows[:, 1:] >= 0.5)).any(axis=1)
        counts = ((rows[:, 1:] >= 0.5).any(axis=1).sum(), (rises > 0.02).any(axis=1).sum(), crosses.sum())
        print(f"| {name} | {len(rows)} | {counts[0]} | {counts[1]} | {counts[2]} |")


def _covered(pixels: Pixels, shelf: Pixels) -> list[float]:
    patch = np.asarray(Image.fromarray(shelf).resize(pixels.shape[1::-1]))
    scores = []
    for share in COVERED:
        height = round(share * len(pixels))
        scores.append(background(np.concatenate([patch[:height], pixels[height:]])).cleanliness)
    return scores


def flags(groups: dict[str, Sequence[Measured]]) -> None:
    """Print one row for each set: how often flags speak on photos that have no bars, seams or writing laid over."""
    print("\n| false alarms | photos | frame > 0 | collage > 0.95 | overlay > 0 |\n|---|---|---|---|---|")
    for name, group in groups.items():
        found = [one.background for one in group]
        alarms = [
            sum(one.frame > 0 for one in found),
            sum(one.collage > 0.95 for one in found),
            sum(one.overlay > 0 for one in found),
        ]
        print(f"| {name} | {len(found)} | {alarms[0]} | {alarms[1]} | {alarms[2]} |")


def colors(named: Sequence[tuple[str, str]]) -> None:
    """Print how often a subject's colour gets a word, and how often that is the catalogue's."""
    told = [(color, word) for color, word in named if word]
    exact = np.mean([color == word for color, word in told])
    close = np.mean([color == word or (color, word) in _SAME for color, word in told])
    print("\n| colour in a word | photos | with a word | the catalogue's | or its shade |\n|---|---|---|---|---|")
    print(f"| catalogue | {len(named)} | {len(told) / len(named):.1%} | {exact:.1%} | {close:.1%} |")


def speed(paths: Sequence[Path]) -> None:
    """Print what the measure costs beside decoding the same files, in one process; processor time.

    The reduction that all measures of a photo share is made beforehand.
    """
    files = [path.read_bytes() for path in paths]
    pictures = [Picture(made.read(path)) for path in paths]
    for picture in pictures:
        picture.level(DETAIL_SIDE)
    times = []
    jobs: tuple[tuple[Callable[..., object], Sequence[object]], ...] = (
        (decode, files),
        (BackgroundColumns(), pictures),
    )
    for function, inputs in jobs:
        function(inputs[0])
        start = time.process_time()
        for one in inputs:
            function(one)
        times.append((time.process_time() - start) / len(inputs))
    print("\n| milliseconds a catalogue photo | photos | decoding | background | ratio |\n|---|---|---|---|---|")
    print(f"| | {len(paths)} | {1e3 * times[0]:.1f} | {1e3 * times[1]:.1f} | {times[1] / times[0]:.2f} |")


def compare_all(labels: Sequence[dict[str, str]], groups: dict[str, list[Measured]]) -> None:
    """Print the AUC table."""
    print("| clean / cluttered | photos | AUC | AUC of border gradient | clean >= 0.5 | cluttered < 0.5 |")
    print("|---|---|---|---|---|---|")
    compare("grocery: iconic / natural", groups["iconic"], groups["natural"])
    compare("catalogue / grocery natural", groups["catalogue"], groups["natural"])
    phone = list(zip(labels, groups["phone"], strict=True))
    for name, labelled in LABELLED.items():
        for split in ("tune", "held_out", "check", "last"):
            chosen = [(labelled(row), one) for row, one in phone if row["split"] == split]
            plain, cluttered = ([one for label, one in chosen if label == kind] for kind in ("plain", "cluttered"))
            compare(f"phone, {split}, {name}", plain, cluttered)
    clean = [one for kind in made.CLEAN for one in groups[f"made {kind}"]]
    cluttered = [one for kind in made.CLUTTERED for one in groups[f"made {kind}"]]
    compare("composites: plain, gradient, shadowed / clutter", clean, cluttered)
    compare("composites: the same / texture", clean, groups["made textured"])
    compare(
        "composites: steep, horizon / clutter",
        [one for kind in made.STUDIO for one in groups[f"made {kind}"]],
        cluttered,
    )


def agreement(labels: Sequence[dict[str, str]], measured: Sequence[Measured]) -> None:
    """Print how well the votes of three others foretell the first labels, beside the measure: the same photos."""
    print("\n| phone, all first labels | AUC of three others' votes | AUC of the measure |\n|---|---|---|")
    for split in ("tune", "held_out", "check", "last"):
        chosen = [(row, one) for row, one in zip(labels, measured, strict=True) if row["split"] == split]
        scores = [(row["label"], (float(row["blind"]), one.scores[0])) for row, one in chosen]
        plain, cluttered = ([score for label, score in scores if label == kind] for kind in ("plain", "cluttered"))
        votes, found = (auc([one[i] for one in plain], [one[i] for one in cluttered]) for i in (0, 1))
        print(f"| {split} | {votes:.4f} | {found:.4f} |")


def main(photos: Path, step: int) -> None:
    """Measure everything once, then print."""
    labels = list(csv.DictReader((HERE / "phone_background_labels.csv").open()))
    catalogue = list(csv.DictReader((photos / "catalogue" / "metadata.csv").open()))[::step]
    paths = {
        "iconic": sorted((photos / "grocery").glob("iconic-*")),
        "natural": sorted((photos / "grocery").glob("natural-*"))[::step],
        "catalogue": [photos / "catalogue" / one["file_name"] for one in catalogue],
        "phone": [photos / "phone" / one["file_name"] for one in labels],
    }
    groups = {name: [Measured(made.read(path)) for path in found] for name, found in paths.items()}
    real = dict(groups)
    carpets = [photos / "phone" / one["file_name"] for one in labels if one["label"] == "cluttered"]
    pictures = [*made.composites(photos, COMPOSITES, carpets), *made.studio_composites(photos, COMPOSITES)]
    for one in pictures:
        groups.setdefault(f"made {one.kind}", []).append(Measured(one.pixels))
    compare_all(labels, groups)
    agreement(labels, groups["phone"])
    framing(pictures)
    robustness([made.read(path) for found in paths.values() for path in found[:: max(1, len(found) // 20)]])
    last = [one for one in labels if one["split"] == "last"][::2]
    calibration(
        [(one["label"], made.read(photos / "phone" / one["file_name"])) for one in last if one["sure"] == "yes"]
    )
    plain = [one.pixels for one in pictures if one.kind in made.CLEAN][::4]
    white = [made.read(path) for name in ("iconic", "catalogue") for path in paths[name][:: len(paths[name]) // 8 + 1]]
    turned = [np.ascontiguousarray(np.rot90(pixels)) for pixels in white]
    shelves(photos, {"composites": plain, "packshots on white": white, "the same, turned": turned})
    flags(dict(real))
    named = zip(catalogue, groups["catalogue"], strict=True)
    colors([(row["color"].lower(), sure_name(one.background.subject_colors)) for row, one in named])
    speed(paths["catalogue"][:: max(1, len(paths["catalogue"]) // 40)])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="What the background measure is worth.")
    parser.add_argument("photos", type=Path)
    parser.add_argument("--step", type=int, default=1, help="take every Nth catalogue and shelf photo")
    given = parser.parse_args()
    main(given.photos, given.step)
