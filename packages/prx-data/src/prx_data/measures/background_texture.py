"""What can be seen on a ground: grain, lines, second surfaces, things lying about; and the one number made of them.

Grain, floor and departure are means over the border zone that weigh its corners most, subject or not: a product, even
one that the frame cuts off, rarely covers a corner, and a shelf always does. So no decision about what the subject is
can forgive clutter, but for one: where a part of the border is as flat as only a studio makes it, what covers the rest
in one piece is a subject that the frame cuts off, unless it ends in a straight line.
"""

import math
from functools import lru_cache
from typing import TypedDict

import cv2
import numpy as np
import numpy.typing as npt

from prx_data.measures.background_maps import (
    Floats,
    colors_at,
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
_GRAIN_CAP, _DEPARTURE_CAP = 8.0, 20.0  # beyond it is seen, and more would only drown the rest
_LEAST_RUN = 4  # pixels
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
_BLACK = np.array([16, 0, 0], dtype=np.float32)  # to (L + 16, a, b)


class Clutter(TypedDict):
    """The components of clutter; each ≥ 0, and 0 on a perfectly plain ground."""

    grain: float
    grain_floor: float
    lines: float
    tint: float
    departure: float
    divided: float
    surfaces: float
    clutter: float
    border_things: float


WEIGHTS: dict[str, float] = {
    "grain": 1.2,
    "grain_floor": 1.7,
    "lines": 9.3,
    "tint": 1.15,
    "departure": 0.5,
    "divided": 10.0,
    "surfaces": 3.0,
    "clutter": 1.0,
    "border_things": 0.35,
}
"""Of log(x + 0.1) of grain, floor, tint and departure, and of lines and clutter as they are."""
_ONE = -0.6
_FEW_THINGS, _MANY_THINGS = 5, 8
"""Runs along the border that a person cut off by the frame may make; how many more count."""
_DIVIDED = 0.1
"""Share of the border beyond a straight line from which it cannot get worse."""
_SURFACE = 0.3
"""Share of the border under second surfaces from which it cannot get worse."""


def cleanliness(components: Clutter) -> float:
    """Cleanliness in [0, 1]: falls with each component.

    A logistic fit to photos labelled by eye, to catalogue, iconic and shelf pictures and to composites;
    `benchmarks/background_auc.py` prints what it is worth. The tenth keeps the logarithm of a flat ground finite.
    """
    logit = _ONE - WEIGHTS["lines"] * components["lines"] - WEIGHTS["clutter"] * components["clutter"]
    logit -= WEIGHTS["border_things"] * min(max(components["border_things"] - _FEW_THINGS, 0), _MANY_THINGS)
    logit -= WEIGHTS["surfaces"] * min(components["surfaces"] / _SURFACE, 1)
    logit -= WEIGHTS["divided"] * min(components["divided"] / _DIVIDED, 1)
    logit -= WEIGHTS["grain"] * math.log(components["grain"] + 0.1)
    logit -= WEIGHTS["grain_floor"] * math.log(components["grain_floor"] + 0.1)
    logit -= WEIGHTS["tint"] * math.log(components["tint"] + 0.1)
    logit -= WEIGHTS["departure"] * math.log(components["departure"] + 0.1)
    return 1 / (1 + math.exp(-logit))


def clutter_components(region: Region) -> Clutter:
    """Everything that tells against a ground."""
    detail = region.detail
    weight = _corners((detail.shape[0], detail.shape[1]))
    divided = max(_divided(region.steps[0], region.mask), _divided(region.steps[1], region.mask.T))
    in_front = 0.0 if divided else _studio_subject(region)
    if in_front:
        open_weight = weight * (1 - in_front * halved(region.subject.view(np.uint8).astype(np.float32)))
        weight = open_weight / open_weight.sum() if open_weight.sum() > _LEAST_WEIGHT else weight
    mixed = _mixed(region)
    return {
        "grain": _weighted_mean(detail, weight, _GRAIN_CAP),
        "grain_floor": _weighted_median(detail, weight),
        "lines": _lines(region.light, _open_ground(region)),
        "tint": _tint(region),
        "departure": _weighted_mean(halved(region.off), weight, _DEPARTURE_CAP),
        "divided": divided,
        "surfaces": mixed * _surfaces(region) if mixed else 0.0,
        "clutter": _things(region.mask, region.subject),
        "border_things": mixed * _cut_by_border(region.mask) if mixed else 0.0,
    }


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


def _weighted_median(values: Floats, weight: Floats) -> float:
    inside = weight > 0
    some, weight = values[inside], weight[inside]
    order = np.argsort(some)
    total = np.cumsum(weight[order])
    return float(some[order[np.searchsorted(total, total[-1] / 2)]])


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


def _tint(region: Region) -> float:
    """Lower quartile of the ground's ΔE from its smooth colour across the direction in which light and shade move it.

    Shade scales a colour's linear RGB, and with it (L + 16, a, b) as a whole.
    """
    ground = some(region.mask[::2, ::2], _ENOUGH)
    if not len(ground):
        return 0.0
    own = colors_at(halved(region.surface), ground)
    apart = colors_at(halved(region.lab), ground) - own
    own += _BLACK
    along = np.einsum("ij,ij->i", apart, own) ** 2 / np.maximum(np.einsum("ij,ij->i", own, own), 1)
    across = np.maximum(np.einsum("ij,ij->i", apart, apart) - along, 0)
    return math.sqrt(float(np.partition(across, len(across) // 4)[len(across) // 4]))


def _cut_by_border(mask: Mask) -> int:
    """How many runs of at least 4 px along the frame's edge are not ground: a crop makes few, a crowded table many."""
    other = ~mask
    edge = np.concatenate([[False], other[1], other[:, -2], other[-2, ::-1], other[::-1, 1], [False]])
    changes = np.flatnonzero(edge[1:] != edge[:-1])
    return int((changes[1::2] - changes[::2] >= _LEAST_RUN).sum())


def _things(mask: Mask, subject: Mask) -> float:
    """Share of the frame's outer quarter that is neither ground nor subject, in [0, 1]."""
    near = _outer((mask.shape[0], mask.shape[1]))
    other = near & ~mask & ~grown(subject, 2)
    return float(np.count_nonzero(other) / np.count_nonzero(near))


@lru_cache(maxsize=16)
def _outer(shape: tuple[int, int]) -> Mask:
    """The frame's outer quarter."""
    found = np.ones(shape, dtype=bool)
    margin = [max(1, round(0.067 * side)) for side in shape]
    found[margin[0] : -margin[0], margin[1] : -margin[1]] = False
    return found
