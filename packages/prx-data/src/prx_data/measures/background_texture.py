"""What can be seen on a ground: grain, mottle, lines, second surfaces; and the one number made of them.

Grain is a mean over the border zone that weighs its corners most, subject or not: a product, even one that the frame
cuts off, rarely covers a corner, and a shelf always does. So no decision about what the subject is can forgive clutter,
but for one: where a part of the border is as flat as only a studio makes it, what covers the rest in one piece is a
subject, unless it reaches the frame and ends in a straight line, or is a photo set into a plain frame. Light and shade
are forgiven everywhere: a fold in a sheet moves a colour towards black, and whatever else lies there moves it aside.
So are creases: between them cloth is smooth, and a texture is the same everywhere; but never more than a part of grain,
as a shelf may begin beside what is smooth.

What a photo cannot show is no evidence: a soft one shows little grain, whatever is in it, and one without colours no
noise of colours.
"""

import math
from functools import lru_cache
from typing import TypedDict

import cv2
import numpy as np

from prx_data.kernels import ground, masks, straight, texture
from prx_data.kernels.ground import LEAST_STUDIO
from prx_data.kernels.lab import halved
from prx_data.measures.background_maps import Floats, between, middle, ring_depth, ring_places
from prx_data.measures.background_region import EVEN, Region, whole
from prx_data.measures.masks import Mask

WEIGHTS: dict[str, float] = {
    "grain": -0.76,
    "texture": -2.0,
    "mottle": -1.12,
    "lines": -10.1,
    "hues": -0.78,
    "divided": -4.9,
    "surfaces": -2.3,
    "chroma": 0.088,
}
"""Of the evidence; printed by `benchmarks/background_fit.py` and rounded."""
_ONE = -3.6
_HERE_AND_THERE = 0.25  # of grain counts as texture whatever is smooth between: there may be a shelf
_SURFACE = 0.3  # share of the border under second surfaces from which it cannot get worse
_SATURATED = 60.0  # ΔE from grey from which a ground cannot be more of a backdrop
_NO_COLORS, _COLORS = 2.0, 4.0  # ΔE: colourfulness of a black and white photo; from which on colours are evidence
_NEUTRAL = {"mottle": 0.26, "hues": 4.2, "chroma": 30.0}  # tells neither for nor against a ground; chosen on `tune`
_MOST, _TINY = 0.95, 1e-3  # quantile of detail and of colour; L of detail
# A sharp photo has more than the first part of the detail that it has at half the size, and more L where it has most
# than the second: chosen on `tune`. The grain that a blur takes away goes about with the power of the first.
_FINE, _SHARP, _SOFT_POWER, _SOFTEST = 0.58, 1.5, 3, 3.5

_ZONE = 0.12  # width of the border zone, in parts of the shorter side
_LEAST_WEIGHT = 0.01  # of the border zone, in front of which a subject may stand
_SIDE_WEIGHT = 0.02  # of the middle of a side, where a corner weighs 1.02
_CORNER = (0.7, 0.15)  # where corners begin, in halves of the side from the middle, and over how much they do
_FEW, _ALIKE = 8, 15.0  # every other pixel of the border; ΔE of what is of one colour
# Of the rim that is out of focus: half of 269 photos of plain grounds have less than 0.2, 3 in 100 more than the first.
_OUT_OF_FOCUS = (0.4, 0.6)
_ONE_GROUND = (0.75, 0.95)  # of the border: with more, what is blurred is a ground nevertheless
_MANY_GROUNDS = (0.3, 0.5)  # of the border: with less, what is of many colours is no ground, and rarely a subject
_HALF = (0.45, 0.55)  # of the border: with less, it is of many colours rather than one ground
_HALF_BLURRED = ((0.3, 0.5), (0.5, 0.65))  # of the rim; of the border, which is less than one ground if that is so soft
_NO_STUDIO = (0.03, 0.06)  # of the border
_SCENERY = 0.97  # of cleanliness is lost
_LITTLE_GROUND = 0.2  # of the border: half of what is so little that everything else counts as a surface
_GRAIN_CAP = 8.0  # beyond it is seen, and more would only drown the rest
_HUES_RING = 0.08  # of the shorter side
# Of the side: a body that ends in a straight line longer than that is a shelf rather than a subject, if of few colours
# and if of many; and what that is. Of 414 studio photos cut off by the frame nine tenths are below 0.7, and shelves
# that cover a part of one above 0.9.
_STRAIGHT = (0.5, 0.2)
_MANY_COLORS = (0.6, 0.9)
_REST = 0.3  # of what is not ground along the border: more than that beside the subject, and it is not one subject
_CROWDED = 0.15  # `crowding` that halves it: of ten things laid about, the first four or five
# Of `strewn`: more than the first have 1 in 100 photos of plain grounds, and that and the second halve it.
_STREWN = (0.04, 0.015)
# Of `lines`: more than the first have 2 of 253 photos of plain grounds and 1 in 7 of others, and that and the second
# halve it: joints of tiles on a ground of a strong colour, which without them is a backdrop.
_GRID = (0.4, 0.15)
_BODY = 0.06  # of the shorter side: half as wide as what is a product's body, where anything is that wide
_SMALL = 1 / 3  # of the largest body: what is thinner or smaller is none
_CELL = 12  # working pixels
_EDGE, _FULL = 15.0, 0.1  # ΔE from a pixel to the next; share of edges in a cell that is full
_AROUND, _MORE = 3, 2  # pixels around a thing that show its edge rather than the ground; and more before a studio's
_INSET_AROUND = 2  # around a photo in a frame, whose straight sides are to be seen
_FEW_OPEN = 0.03  # of the frame: less open ground shows too little of its lines


class Clutter(TypedDict):
    """What tells for or against a ground, each ≥ 0, and what the photo can show of it; see `Background` for each."""

    grain: float
    texture: float
    mottle: float
    lines: float
    hues: float
    divided: float
    surfaces: float
    chroma: float
    strewn: float
    scenery: float
    motley: float
    border_share: float
    softness: float
    colorfulness: float


def cleanliness(components: Clutter, crowding: float = 0.0) -> float:
    """Cleanliness in [0, 1]: falls with each component but chroma, and rises with that where the border is ground.

    It falls with the things that lie about the subject, too, by a few per cent for one and to a half for four or five,
    where all around it is full of edges or these all have one direction, and before a scene instead of a ground. Few of
    the photos that the weights were fitted to have any to speak of, so that this is set. Where most of the border is of
    many colours, that alone says how clean it is at most, however smooth a blur made them.

    A saturated ground is a backdrop that somebody chose, and the same noise measures more ΔE on it. In a soft photo
    grain counts for more, and in one without colours what speaks of colours is taken as neutral. The weights are a
    logistic fit to photos labelled by eye, to catalogue, iconic and shelf pictures and to composites, by
    `benchmarks/background_fit.py`; `benchmarks/background_auc.py` prints what they are worth.
    """
    logit = _ONE + sum(WEIGHTS[name] * value for name, value in evidence(components).items())
    strewn = max(components["strewn"] - _STREWN[0], 0.0) / _STREWN[1]
    ground = 1 - _SCENERY * components["scenery"]
    grid = max(components["lines"] - _GRID[0], 0.0) / _GRID[1]
    crowded = crowding / _CROWDED
    found = ground / (1 + math.exp(-logit)) / (1 + crowded**2) / (1 + strewn**2) / (1 + grid**2)
    return min(found, 1 - _SCENERY * components["motley"])


def evidence(components: Clutter) -> dict[str, float]:
    """Each component on the scale on which it is weighed. What is added keeps logarithms of a flat ground finite."""
    everywhere = max(components["texture"], _HERE_AND_THERE * components["grain"])
    colored = _ramp((components["colorfulness"] - _NO_COLORS) / (_COLORS - _NO_COLORS))
    mottle, hues, chroma = (colored * components[name] + (1 - colored) * _NEUTRAL[name] for name in _NEUTRAL)  # type: ignore[literal-required]
    return {
        "grain": math.log(components["grain"] * components["softness"] + 0.1),
        "texture": math.log(everywhere * components["softness"] + 0.1),
        "mottle": math.log(mottle + 0.1),
        "lines": components["lines"],
        "hues": math.log(hues + 0.3),
        "divided": components["divided"],
        "surfaces": min(max(components["surfaces"], components["divided"]) / _SURFACE, 1),
        "chroma": min(chroma, _SATURATED) * components["border_share"],
    }


def clutter_components(region: Region, own: Floats, ground_share: float, rest: float, soft: float) -> Clutter:
    """Everything that tells for or against a ground.

    Args:
        region: The picture, divided.
        own: The ground's own colour, shape (3,).
        ground_share: Of the border ring.
        rest: Share of the rest of it that is not the subject.
        soft: Share of the subject's rim that is out of focus.
    """
    detail, mask = region.detail, region.mask
    weight = _corners((detail.shape[0], detail.shape[1]))
    depth, half = ring_depth((mask.shape[0], mask.shape[1])), (mask.shape[0] // 2, mask.shape[1] // 2)
    free = not region.inset and region.studio >= LEAST_STUDIO and rest < _REST and _stands_free(region.subject)
    steps = () if free else ((region.steps[0], mask), (region.steps[1], mask.T))
    divided = max((straight.divided(lines, seen, depth) for lines, seen in steps), default=0.0)
    mixed = _mixed(region)
    in_front = 0.0 if divided else _studio_subject(region, rest, free, mixed)
    if in_front:
        open_weight = weight * (1 - in_front * halved(region.subject[None].astype(np.float32))[0])
        weight = open_weight / open_weight.sum() if open_weight.sum() > _LEAST_WEIGHT else weight
    body = whole(region) if free else region.subject  # legs of a chair are no lines of the ground; joints of tiles are
    body = body if _stands_free(body) else region.subject
    around = _INSET_AROUND if region.inset else _AROUND + round(in_front * _MORE)
    open_ground = masks.open_ground(mask, body, around)
    enough = _ramp(np.count_nonzero(open_ground) / (_FEW_OPEN * open_ground.size))
    return {
        "grain": _weighted_mean(detail, weight, _GRAIN_CAP),
        "texture": texture.calmest(detail, region.subject, _zone_depth((detail.shape[0], detail.shape[1]))),
        "mottle": (enough if free else 1) * texture.mottle(region.lab, open_ground),
        "lines": enough * texture.directions(region.light, open_ground),
        "hues": texture.hues(region.lab, region.subject, own, in_front, ring_depth(half, _HUES_RING)),
        "divided": divided,
        "surfaces": mixed * _surfaces(region, ground_share) if mixed else 0.0,
        "chroma": math.hypot(*own[1:].tolist()),
        "strewn": texture.strewn(region.lab, ~_bodies((~mask | region.subject)[::2, ::2]), _CELL, _EDGE, _FULL),
        **_scenery(ground_share, soft, mixed, region.studio),
        "border_share": ground_share,
        "softness": softness(detail, region.coarse),
        "colorfulness": _quantile(np.hypot(region.lab[1, ::2, ::2], region.lab[2, ::2, ::2]), _MOST),
    }


def softness(detail: Floats, coarse: Floats) -> float:
    """How many times more grain a photo would show if it were sharp, about, in [1, 3.5].

    A soft photo shows little detail even where it shows most, and less of it than at half its size. A smooth product in
    front of a studio's ground shows little as well, but no less than at half the size; and noise tells that a photo is
    as sharp as it can be: so both where a photo shows most and at its median detail is compared.

    Args:
        detail: Of the photo, see `Region`; any shape.
        coarse: The same of the photo at half the size; any shape.
    """
    if not detail.size or not coarse.size:
        return 1.0
    most, half_most = _quantile(detail, _MOST), _quantile(coarse, _MOST)
    found = min((_FINE * half_most / max(most, _TINY)) ** _SOFT_POWER, _SHARP / max(most, _TINY), _SOFTEST)
    median = middle(detail)
    if median > 0:
        found = min(found, (_FINE * middle(coarse) / median) ** _SOFT_POWER)
    return max(found, 1.0)


def _studio_subject(region: Region, rest: float, free: bool, mixed: float) -> float:
    """How sure it is that what covers the border is one subject in front of a studio's ground, in [0, 1].

    `free` says that the frame does not cut it off, `mixed` how many-coloured it is: a sleeve and a trouser leg are
    straight for half of a side, but of few colours, and shelves are of many.
    """
    if region.studio < LEAST_STUDIO or region.inset:
        return 0.0
    ends = 0.0 if free else max(straight.longest_end(region.mask), straight.longest_end(region.mask.T))
    few, many = _STRAIGHT
    limit = few + (many - few) * between(mixed, _MANY_COLORS)
    return _ramp(region.studio / LEAST_STUDIO - 1) * _ramp(1 - rest / _REST) * _ramp(2 - ends / limit)


def _bodies(things: Mask) -> Mask:
    """The thick parts of what stands in front of the ground, but for the small ones, and a pixel around each.

    Legs and straps are outside of it; other products of a set are not, nor are pencils where nothing is thicker.
    """
    far = cv2.distanceTransform(np.ascontiguousarray(things).view(np.uint8), cv2.DIST_L2, 3)
    reach = min(_BODY * min(things.shape), far.max() / 2)
    _, labels, boxes, _ = cv2.connectedComponentsWithStats((far > reach).view(np.uint8), connectivity=4)
    boxes[0] = 0
    bodies = boxes[:, cv2.CC_STAT_AREA] > _SMALL * boxes[:, cv2.CC_STAT_AREA].max()
    away = cv2.distanceTransform((~bodies[labels]).view(np.uint8), cv2.DIST_L2, 3)
    return np.asarray(away <= reach + 1)


def _stands_free(subject: Mask) -> bool:
    """Whether ground shows on all sides of a subject: a box, and no shelf, whatever its edges."""
    return not (subject[0].any() or subject[-1].any() or subject[:, 0].any() or subject[:, -1].any())


def _zone_depth(shape: tuple[int, int]) -> int:
    return max(1, round(_ZONE * min(shape)))


@lru_cache(maxsize=16)
def _corners(shape: tuple[int, int]) -> Floats:
    """What each patch of the border zone counts, most in corners; adds up to 1."""
    depth = _zone_depth(shape)
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
    places = ring_places((region.mask.shape[0], region.mask.shape[1]))
    places = places[~region.mask.ravel().take(places)][::2].copy()
    if len(places) < _FEW:
        return 0.0
    return _ramp(2 * ground.unlike(region.lab.reshape(3, -1), places, _ALIKE))


class _Scene(TypedDict):
    scenery: float
    motley: float


def _scenery(ground_share: float, soft: float, mixed: float, studio: float) -> _Scene:
    """How sure it is that a scene surrounds the subject and no ground, in [0, 1], and that no one ground prevails.

    A blurred room around what is sharp, or things along nearly all of the border, but in a studio: there they are a
    subject that fills the frame. Of many colours either way: a soft horizon divides two grounds of one. `motley` says
    so of half of the border already, and each of the two adds to the other, so that neither is missed as a blur goes.
    """
    indoors = 1 - between(studio, _NO_STUDIO)
    blurred = between(soft, _OUT_OF_FOCUS) * (1 - between(ground_share, _ONE_GROUND))
    crowded = indoors * (1 - between(ground_share, _MANY_GROUNDS))
    no_blur = 1 - between(soft, _HALF_BLURRED[0]) * (1 - between(ground_share, _HALF_BLURRED[1]))
    no_crowd = 1 - indoors * (1 - between(ground_share, _HALF))
    return {"scenery": mixed * max(blurred, crowded), "motley": mixed * (1 - no_blur * no_crowd)}


def _surfaces(region: Region, ground_share: float) -> float:
    """Share of the border ring under surfaces other than the ground, in [0, 1].

    One that covers a side and ends in a straight line: a shelf, a wall behind a table. Where little of the border is
    ground, and that is uneven, there is no telling what is in front, and all that is not ground comes to count.
    """
    mask = region.mask
    share = straight.surfaces(mask, ring_depth((mask.shape[0], mask.shape[1])))
    little = _ramp(2 - ground_share / _LITTLE_GROUND)
    if little:
        uneven = middle(region.off[mask]) if mask.any() else math.inf
        little *= _ramp((uneven - EVEN) / EVEN)
    return max(share, (1 - ground_share) * little)


def _quantile(values: Floats, part: float) -> float:
    place = int(part * (values.size - 1))
    return float(np.partition(values.ravel(), place)[place])


def _ramp(value: float) -> float:
    return min(max(value, 0.0), 1.0)
