"""What can be seen on a ground: grain, lines, second surfaces, things lying about; and the one number made of them.

Grain, floor and departure are means over the border zone that weigh its corners most, subject or not: a product, even
one that the frame cuts off, rarely covers a corner, and a shelf always does. So no decision about what the subject is
can forgive clutter.
"""

import math
from functools import lru_cache
from typing import TypedDict

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from prx_data.measures.background_region import Region, mode, ring
from prx_data.measures.color import delta_e
from prx_data.measures.masks import Mask, grown, opened

Floats = npt.NDArray[np.float32]

_ZONE = 0.12  # width of the border zone, in parts of the shorter side
_SIDE_WEIGHT = 0.02  # of the middle of a side, where a corner weighs 1.02
_CORNER = (0.7, 0.15)  # where corners begin, in halves of the side from the middle, and over how much they do
_LEVEL = 3  # pixels over which a straight end may tilt
_TOGETHER, _COVERED = 0.4, 0.8  # shares: of the columns that end there, and of each line before
_EVEN = 1.2  # ΔE: median departure of a studio's ground from its smooth surface, noise included
_FEW, _ALIKE = 16, 15.0  # pixels of the border; ΔE of what is of one colour
_DEEPEST = 0.7  # of the frame: what covers more and ends straight is a close-up as often
_LITTLE_GROUND = 0.2  # of the border: half of what is so little that everything else counts as a surface
_GRAIN_CAP, _DEPARTURE_CAP = 8.0, 20.0  # beyond it is seen, and more would only drown the rest
_LEAST_RUN = 6  # pixels
_PATCH = 7  # pixels: grain is averaged over patches for its floor
# Slopes weaker than the first, in L per pixel, are noise and have no direction; stronger than the second count no more.
_NOISE, _STRONG = 0.3, 6.0


class Clutter(TypedDict):
    """The components of clutter; each ≥ 0, and 0 on a perfectly plain ground."""

    grain: float
    grain_floor: float
    lines: float
    departure: float
    surfaces: float
    clutter: float
    border_things: float


WEIGHTS: dict[str, float] = {
    "grain": 1.6,
    "grain_floor": 2.2,
    "lines": 11.0,
    "departure": 0.5,
    "surfaces": 7.0,
    "clutter": 1.0,
    "border_things": 0.35,
}
"""Of log(x + 0.1) of grain, floor and departure, and of lines and clutter as they are."""
_ONE = -0.7
_FEW_THINGS, _MANY_THINGS = 5, 8
"""Runs along the border that a person cut off by the frame may make; how many more count."""
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
    logit -= WEIGHTS["grain"] * math.log(components["grain"] + 0.1)
    logit -= WEIGHTS["grain_floor"] * math.log(components["grain_floor"] + 0.1)
    logit -= WEIGHTS["departure"] * math.log(components["departure"] + 0.1)
    return 1 / (1 + math.exp(-logit))


def clutter_components(region: Region) -> Clutter:
    """Everything that tells against a ground."""
    light = np.ascontiguousarray(region.lab[:, :, 0])
    detail = np.abs(light - median_of_9(light))
    mixed = _mixed(region)
    zone, weight = _zone((light.shape[0], light.shape[1]))
    return {
        "grain": float(weight @ np.minimum(detail[zone], _GRAIN_CAP)),
        "grain_floor": _weighted_median(ndimage.uniform_filter(detail, _PATCH)[zone], weight),
        "lines": _lines(light, _open_ground(region)),
        "departure": float(weight @ np.minimum(region.off[zone], _DEPARTURE_CAP)),
        "surfaces": mixed * _surfaces(region),
        "clutter": _things(region.mask, region.subject),
        "border_things": mixed * _cut_by_border(region.mask),
    }


@lru_cache(maxsize=16)
def _zone(shape: tuple[int, int]) -> tuple[Mask, Floats]:
    """The border zone, and weights of its pixels that add up to 1; flat, in the order of the mask."""
    depth = max(2, round(_ZONE * min(shape)))
    zone = np.ones(shape, dtype=bool)
    zone[depth:-depth, depth:-depth] = False
    y, x = (np.abs(np.linspace(-1, 1, side)) for side in shape)
    corner = np.minimum(y[:, None], x[None])[zone]
    weight = _SIDE_WEIGHT + np.clip((corner - _CORNER[0]) / _CORNER[1], 0, 1)
    return zone, np.asarray(weight / weight.sum(), dtype=np.float32)


def _mixed(region: Region) -> float:
    """How many-coloured what is not ground is along the border, in [0, 1]; 0 if all is of one colour.

    A shirt seen from near fills the border too, and folds break it into many pieces, but of one colour.
    """
    mask = region.mask
    colors = region.lab[ring((mask.shape[0], mask.shape[1])) & ~mask]
    if len(colors) < _FEW:
        return 0.0
    return _ramp(2 * (1 - float((delta_e(colors, mode(colors)) < _ALIKE).mean())))


def _surfaces(region: Region) -> float:
    """Share of the border ring under surfaces other than the ground, in [0, 1].

    One that covers a side and ends in a straight line: a shelf, a wall behind a table. Where little of the border is
    ground, and that is uneven, there is no telling what is in front, and all that is not ground comes to count.
    """
    mask = region.mask
    edge = ring((mask.shape[0], mask.shape[1]))
    other = ~mask
    found = np.zeros_like(mask)
    for side, covered in (
        (other, found),
        (other[::-1], found[::-1]),
        (other.T, found.T),
        (other.T[::-1], found.T[::-1]),
    ):
        covered[: _straight_end(side)] = True
    share = float(found[edge].mean())
    ground = float(mask[edge].mean())
    uneven = float(np.median(region.off[mask])) if mask.any() else np.inf
    little = _ramp(2 - ground / _LITTLE_GROUND) * _ramp((uneven - _EVEN) / _EVEN)
    return max(share, (1 - ground) * little)


def _ramp(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def _straight_end(other: Mask) -> int:
    """Rows from the first that a surface covers: up to the last that half of the columns leave together."""
    ends = (other[:-_LEVEL] & ~other[_LEVEL:]).mean(axis=1)
    filled = np.minimum.accumulate(other.mean(axis=1)) >= _COVERED
    rows = np.flatnonzero((ends >= _TOGETHER) & filled[:-_LEVEL])
    rows = rows[rows < _DEEPEST * len(other)]
    return int(rows[-1]) + 1 if len(rows) else 0


def median_of_9(values: Floats) -> Floats:
    """Median over 3x3 pixels, the border repeated: a sorting network on shifted copies.

    Steps and folds pass a median filter unchanged, points and thin lines do not: what it takes away is grain.
    Source: Smith 1996, "Implementing median filters in XC4000E FPGAs".
    """
    padded = np.pad(values, 1, mode="edge")
    height, width = values.shape
    p = [padded[row : row + height, column : column + width] for row in range(3) for column in range(3)]
    for a, b in _NETWORK:
        p[a], p[b] = np.minimum(p[a], p[b]), np.maximum(p[a], p[b])
    return p[4]


_NETWORK = (
    *((1, 2), (4, 5), (7, 8), (0, 1), (3, 4), (6, 7), (1, 2), (4, 5), (7, 8), (0, 3)),
    *((5, 8), (4, 7), (3, 6), (1, 4), (2, 5), (4, 7), (4, 2), (6, 4), (4, 2)),
)


def _weighted_median(values: Floats, weight: Floats) -> float:
    order = np.argsort(values)
    total = np.cumsum(weight[order])
    return float(values[order[np.searchsorted(total, total[-1] / 2)]])


def _open_ground(region: Region) -> Mask:
    """Everything but the subject and other things that have a body: the gap between two planks has none."""
    return ~grown(opened(~region.mask, 2) | region.subject, 3)


def _lines(light: Floats, where: Mask) -> float:
    """|Σ m exp(4iθ)| / Σ m over slopes of magnitude m and angle θ, in [0, 1].

    The factor of four makes opposite and perpendicular directions one, so that a grid counts like parallel planks. What
    lies on a plain ground, folds of a sheet for one, has edges of all directions, which cancel.
    """
    if not where.any():
        return 0.0
    down, right = (
        np.asarray(slope, dtype=np.float32)[where] for slope in np.gradient(ndimage.gaussian_filter(light, 0.7))
    )
    strength = np.hypot(down, right)
    weight = np.clip(strength - _NOISE, 0, _STRONG)
    # (x + iy)² = m² exp(2iθ), and squared again exp(4iθ): cheaper than an angle and its cosine.
    squared = ((right + 1j * down) / np.maximum(strength, 1e-6)) ** 2
    return float(abs((weight * squared * squared).sum()) / (weight.sum() + 0.1 * len(weight)))


def _cut_by_border(mask: Mask) -> int:
    """How many runs of at least 6 px along the frame's edge are not ground: a crop makes few, a crowded table many."""
    other = ~mask
    edge = np.concatenate([[False], other[1], other[:, -2], other[-2, ::-1], other[::-1, 1], [False]])
    changes = np.flatnonzero(edge[1:] != edge[:-1])
    return int((changes[1::2] - changes[::2] >= _LEAST_RUN).sum())


def _things(mask: Mask, subject: Mask) -> float:
    """Share of the frame's outer quarter that is neither ground nor subject, in [0, 1]."""
    near = np.ones_like(mask)
    margin = [max(1, round(0.067 * side)) for side in mask.shape]
    near[margin[0] : -margin[0], margin[1] : -margin[1]] = False
    other = near & ~mask & ~grown(subject, 2)
    return float(other.sum() / near.sum())
