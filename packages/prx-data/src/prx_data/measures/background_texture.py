"""What can be seen on a ground: grain, mottle, lines, second surfaces; and the one number made of them.

Grain is a mean over the border zone that weighs its corners most, subject or not: a product, even one that the frame
cuts off, rarely covers a corner, and a shelf always does. So no decision about what the subject is can forgive clutter,
but for one: where a part of the border is as flat as only a studio makes it, what covers the rest in one piece is a
subject that the frame cuts off, unless it ends in a straight line. Light and shade are forgiven everywhere: a fold in a
sheet moves a colour towards black, and whatever else lies there moves it aside.
"""

import math
from functools import lru_cache
from typing import TypedDict

import cv2
import numpy as np
import numpy.typing as npt

from prx_data.measures.background_maps import (
    Floats,
    Lab,
    halved,
    middle,
    mode,
    near,
    on_ring,
    ring,
    row_means,
    some,
)
from prx_data.measures.background_region import LEAST_STUDIO, LIGHT, Region
from prx_data.measures.masks import Mask, grown, opened

WEIGHTS: dict[str, float] = {
    "grain": -2.4,
    "mottle": -1.5,
    "lines": -9.3,
    "hues": -0.6,
    "divided": -4.5,
    "surfaces": -2.2,
    "chroma": 0.086,
}
"""Of the evidence; printed by `benchmarks/background_fit.py` and rounded."""
_ONE = -2.87
_SURFACE = 0.3  # share of the border under second surfaces from which it cannot get worse
_SATURATED = 60.0  # ΔE from grey from which a ground cannot be more of a backdrop

_ZONE = 0.12  # width of the border zone, in parts of the shorter side
_LEAST_WEIGHT = 0.01  # of the border zone, in front of which a subject may stand
_SIDE_WEIGHT = 0.02  # of the middle of a side, where a corner weighs 1.02
_CORNER = (0.7, 0.15)  # where corners begin, in halves of the side from the middle, and over how much they do
_LEVEL = 2  # pixels over which a straight end may tilt
_TOGETHER, _COVERED = 0.4, 0.8  # shares: of the columns that end there, and of each line before
_EVEN = 1.2  # ΔE: median departure of a studio's ground from its smooth surface, noise included
_FEW, _ALIKE = 8, 15.0  # every other pixel of the border; ΔE of what is of one colour
_DEEPEST = 0.7  # of the frame: what covers more and ends straight is a close-up as often
_LITTLE_GROUND = 0.2  # of the border: half of what is so little that everything else counts as a surface
_GRAIN_CAP, _HUES_CAP = 8.0, 20.0  # beyond it is seen, and more would only drown the rest
_HUES_RING = 0.08  # of the shorter side
_MIDDLE_LIGHT = 60.0  # L + 16
_LINE_SHARE = 0.5  # of a row that steps, where a line runs from side to side
_LINE_MARGIN, _LINE_ENDS = 0.12, 0.7  # parts of the row at both its ends, and the share of them that steps
_BARE = 0.6  # of the border beyond such a line: more ground than that, and it is no other surface
_STRAIGHT = 0.2  # of the side: a body that ends in one straight line as long as that is a shelf rather than a subject
_ENOUGH, _ENOUGH_SLOPES = 1000, 3000  # pixels for a quartile; slopes for their direction
_REST = 0.3  # of what is not ground along the border: more than that beside the subject, and it is not one subject
# Slopes weaker than the first, in L per pixel, are noise and have no direction; stronger than the second count no more.
_NOISE, _STRONG = 0.15, 6.0
_FOLD = 1.4  # standard deviation in working pixels of the mean of slopes: what it leaves is finer than folds
_FEW_OPEN = 0.03  # of the frame: less open ground shows too little of its lines


class Clutter(TypedDict):
    """What tells for or against a ground; each ≥ 0, and all but the last two 0 on a perfectly plain one."""

    grain: float
    mottle: float
    lines: float
    hues: float
    divided: float
    surfaces: float
    chroma: float
    border_share: float


def cleanliness(components: Clutter) -> float:
    """Cleanliness in [0, 1]: falls with each component but chroma, and rises with that where the border is ground.

    A saturated ground is a backdrop that somebody chose, and the same noise measures more ΔE on it. The weights are a
    logistic fit to photos labelled by eye, to catalogue, iconic and shelf pictures and to composites, by
    `benchmarks/background_fit.py`; `benchmarks/background_auc.py` prints what they are worth.
    """
    logit = _ONE + sum(WEIGHTS[name] * value for name, value in evidence(components).items())
    return 1 / (1 + math.exp(-logit))


def evidence(components: Clutter) -> dict[str, float]:
    """Each component on the scale on which it is weighed. What is added keeps logarithms of a flat ground finite."""
    return {
        "grain": math.log(components["grain"] + 0.1),
        "mottle": math.log(components["mottle"] + 0.1),
        "lines": components["lines"],
        "hues": math.log(components["hues"] + 0.3),
        "divided": components["divided"],
        "surfaces": min(max(components["surfaces"], components["divided"]) / _SURFACE, 1),
        "chroma": min(components["chroma"], _SATURATED) * components["border_share"],
    }


def clutter_components(region: Region, own: Lab) -> Clutter:
    """Everything that tells for or against a ground.

    Args:
        region: The picture, divided.
        own: The ground's own colour, shape (3,).
    """
    detail = region.detail
    weight = _corners((detail.shape[0], detail.shape[1]))
    divided = max(_divided(region.steps[0], region.mask), _divided(region.steps[1], region.mask.T))
    in_front = 0.0 if divided else _studio_subject(region)
    if in_front:
        open_weight = weight * (1 - in_front * halved(region.subject.view(np.uint8).astype(np.float32)))
        weight = open_weight / open_weight.sum() if open_weight.sum() > _LEAST_WEIGHT else weight
    mixed = _mixed(region)
    open_ground = _open_ground(region)
    return {
        "grain": _weighted_mean(detail, weight, _GRAIN_CAP),
        "mottle": _mottle(region, open_ground),
        "lines": _lines(region.light, open_ground),
        "hues": _hues(region, own, in_front),
        "divided": divided,
        "surfaces": mixed * _surfaces(region) if mixed else 0.0,
        "chroma": math.hypot(*own[1:].tolist()),
        "border_share": float(on_ring(region.mask).mean()),
    }


def _mottle(region: Region, where: Mask) -> float:
    """How much a and b change from pixel to pixel on the ground's smoothest tenth, as a mean ΔE over 9x9, ≥ 0."""
    places = some(where, _ENOUGH)
    if not len(places):
        return 0.0
    ab = np.ascontiguousarray(region.lab[:, :, 1:])
    ab -= cv2.GaussianBlur(ab, (0, 0), 1.0)
    local = cv2.blur(cv2.magnitude(ab[:, :, 0].copy(), ab[:, :, 1].copy()), (9, 9)).take(places)
    return float(np.partition(local, len(local) // 10)[len(local) // 10])


def _hues(region: Region, own: Lab, in_front: float) -> float:
    """Mean difference of the border zone from the ground's own colour, light and shade left out, in [0, 20].

    Shade scales a colour's linear RGB, and with it (L + 16, a, b) as a whole: so a / (L + 16) and b / (L + 16) are
    compared, in units of ΔE at L = 44.
    """
    lab = halved(region.lab)
    scale = np.float32(_MIDDLE_LIGHT) / (np.maximum(lab[:, :, :1], 0) + 16)
    apart = lab[:, :, 1:] * scale - own[1:] * np.float32(_MIDDLE_LIGHT / (max(float(own[0]), 0.0) + 16))
    off = np.minimum(np.sqrt(np.einsum("ijk,ijk->ij", apart, apart)), _HUES_CAP)
    weight = ring((off.shape[0], off.shape[1]), _HUES_RING) * (1 - in_front * halved(region.subject.view(np.uint8)))
    return float(np.vdot(off, weight) / max(float(weight.sum()), 1.0))


def _studio_subject(region: Region) -> float:
    """How sure it is that what the frame cuts off is one subject in front of a studio's ground, in [0, 1]."""
    if region.studio < LEAST_STUDIO:
        return 0.0
    other = ~on_ring(region.mask)
    rest = float((other & ~on_ring(region.subject)).sum() / max(float(other.sum()), 1.0))
    straight = max(_longest_end(side) for side in (~region.mask, ~region.mask.T))
    return _ramp(region.studio / LEAST_STUDIO - 1) * _ramp(1 - rest / _REST) * _ramp(2 - straight / _STRAIGHT)


def _longest_end(other: Mask) -> float:
    """The largest share of columns in which what is not ground ends in one and the same row, upwards or downwards."""
    before, after = other[:-_LEVEL], other[_LEVEL:]
    return float(max(row_means(before & ~after).max(), row_means(after & ~before).max()))


def _divided(steps: Mask, mask: Mask) -> float:
    """Share of the border beyond the straightest line of steps from the left side to the right one; 0 if there is none.

    Beyond is where the border is not ground. The line need not be seen in the middle, where a product may hide it.
    """
    margin = max(2, round(_LINE_MARGIN * steps.shape[1]))
    ends = np.minimum(row_means(steps[:, :margin]), row_means(steps[:, -margin:])) >= _LINE_ENDS
    rows = np.flatnonzero(ends & (row_means(steps) >= _LINE_SHARE))
    if not len(rows):
        return 0.0
    edge = ring((mask.shape[0], mask.shape[1]))
    ground, border = row_means(mask & edge), row_means(edge)
    found = 0.0
    for part in (part for row in rows for part in (slice(row), slice(row, None))):
        share = float(border[part].sum())
        if float(ground[part].sum()) < _BARE * share:
            found = max(found, share)
    return found / float(border.sum())


@lru_cache(maxsize=16)
def _corners(shape: tuple[int, int]) -> Floats:
    """What each patch of the border zone counts, most in corners; adds up to 1."""
    depth = max(1, round(_ZONE * min(shape)))
    zone = np.ones(shape, dtype=bool)
    zone[depth:-depth, depth:-depth] = False
    y, x = (np.abs(np.linspace(-1, 1, side)) for side in shape)
    corner = np.minimum(y[:, None], x[None])
    weight = zone * (_SIDE_WEIGHT + np.clip((corner - _CORNER[0]) / _CORNER[1], 0, 1))
    return np.asarray(weight / weight.sum(), dtype=np.float32)


def _weighted_mean(values: Floats, weight: Floats, cap: float) -> float:
    return float(np.vdot(np.minimum(values, cap), weight))


def _mixed(region: Region) -> float:
    """How many-coloured what is not ground is along the border, in [0, 1]; 0 if all is of one colour.

    A shirt seen from near fills the border too, and folds break it into many pieces, but of one colour.
    """
    colors = on_ring(region.lab)[~on_ring(region.mask)][::2]
    if len(colors) < _FEW:
        return 0.0
    return _ramp(2 * (1 - float(near(colors, mode(colors), _ALIKE).mean())))


def _surfaces(region: Region) -> float:
    """Share of the border ring under surfaces other than the ground, in [0, 1].

    One that covers a side and ends in a straight line: a shelf, a wall behind a table. Where little of the border is
    ground, and that is uneven, there is no telling what is in front, and all that is not ground comes to count.
    """
    mask = region.mask
    other = ~mask
    found = np.zeros_like(mask)
    for side, covered in (
        (other, found),
        (other[::-1], found[::-1]),
        (other.T, found.T),
        (other.T[::-1], found.T[::-1]),
    ):
        covered[: _straight_end(side)] = True
    share = float(on_ring(found).mean())
    ground = float(on_ring(mask).mean())
    little = _ramp(2 - ground / _LITTLE_GROUND)
    if little:
        uneven = middle(region.off[mask]) if mask.any() else math.inf
        little *= _ramp((uneven - _EVEN) / _EVEN)
    return max(share, (1 - ground) * little)


def _ramp(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def _straight_end(other: Mask) -> int:
    """Rows from the first that a surface covers: up to the last that half of the columns leave together."""
    rows = np.flatnonzero(row_means(other[:-_LEVEL] & ~other[_LEVEL:]) >= _TOGETHER)
    rows = rows[rows < _DEEPEST * len(other)]
    if not len(rows):
        return 0
    filled = np.minimum.accumulate(row_means(other)) >= _COVERED
    return int(rows[filled[rows]].max(initial=-1)) + 1


def _open_ground(region: Region) -> Mask:
    """Everything but the subject and other things that have a body: the gap between two planks has none."""
    return ~grown(opened(~region.mask) | region.subject, 2)


def _lines(light: npt.NDArray[np.uint8], where: Mask) -> float:
    """|Σ m exp(4iθ)| / Σ m over slopes of magnitude m and angle θ, in [0, 1].

    The factor of four makes opposite and perpendicular directions one, so that a grid counts like parallel planks. What
    lies on a plain ground has edges of all directions, which cancel; slopes that go on over many pixels, as those of
    the folds of a sheet do, are taken off.
    """
    places = some(where, _ENOUGH_SLOPES)
    if not len(places):
        return 0.0
    # Every other row and column of slopes smoothed over three pixels.
    right, down = (cv2.Scharr(light, cv2.CV_16S, *order)[::2, ::2].astype(np.float32) for order in ((1, 0), (0, 1)))
    right, down = (
        (slope - cv2.GaussianBlur(slope, (5, 5), _FOLD)).take(places) * np.float32(LIGHT / 32)
        for slope in (right, down)
    )
    square, twist = right * right - down * down, 2 * right * down
    energy = right * right + down * down
    # (x + iy)² = m² exp(2iθ), and squared again m⁴ exp(4iθ): cheaper than an angle and its cosine.
    weight = np.minimum(np.maximum(np.sqrt(energy) - _NOISE, 0), _STRONG)
    each = weight / np.maximum(energy * energy, 1e-9)
    real, imaginary = float(each @ (square * square - twist * twist)), 2 * float(each @ (square * twist))
    agreed = math.hypot(real, imaginary) / (float(weight.sum()) + 0.1 * len(weight))
    return agreed * _ramp(np.count_nonzero(where) / (_FEW_OPEN * where.size))
