"""What stands in front of the ground in several pieces: sheets of packshots on one white, and things beside a product.

All ask for ground on which nothing at all can be seen between the pieces, so that a white shirt, of which head and
trousers stand out, holds its model together. `benchmarks/parts.py` prints how often they are right.
"""

import math
from typing import TypedDict

import cv2
import numpy as np
import numpy.typing as npt

from prx_data.kernels import masks, texture
from prx_data.measures.background_maps import between
from prx_data.measures.background_region import EVEN, STUDIO, Region
from prx_data.measures.masks import Mask

SEEN = 2.0
"""ΔE from the ground from which on something is there."""
_PART = (0.01, 0.1)  # the least that is a part, of the picture and of all that stands in front of the ground
_PEAK = 20.0  # ΔE from the ground that a thing reaches somewhere: shadows do not
_SMALL, _LARGE = 1 / 3, 1 / 2  # of the subject: what is larger begins to be another product, and is one
_LEAST_THING = 3  # pixels
_ALIKE = (1.6, 1.6, 1.25)  # times as long, as broad and as full as the subject at most: the other shoe
_REACH = 0.06  # of the shorter side: what is nearer to a thing is no open ground
_NECKS = (0.03, 0.06)  # of the shorter side: half as wide as what joins things to a product or to each other
_ACCESSORY = 0.05  # of the open ground, which one thing takes at most, however large
_OTHER, _OTHERS = 0.015, 3  # of the open ground, which each product of another form takes, and how many of a set do
# Unless it may be several that touch: so many times as long as broad, or filling so little of its convex hull; and how
# much of the ground the latter counts for, as a single thing may be bent.
_ROW, _NOTCHED, _HEAPED_UP = (3.0, 4.0), (0.95, 0.85), 0.25
# In shorter sides: how much longer an outline is than that of a square as large, where products have less; and how much
# of the open ground one more takes: ten things laid about take a quarter of it and are 2.7 shorter sides round.
_OUTLINE = (0.5, 0.125)
_JOINED = 1.5  # times what is apart: more than that is not taken to be things, but parts of a product
# In nats, between which the colours of a subject and of its outline become those of a heap: of 440 studio photos none
# has more than 5.1, of 81 packshots of groceries one more than 5.8 and of 929 phone photos 1 in 100 more than 5.9.
_HEAP = (5.9, 6.5)
# Of the open ground: sets of four products are as colourful as heaps, so that this alone never makes a ground
# cluttered; but what the outline is longer than that of 97 in 100 packshots, in shorter sides.
_HEAPED, _JUMBLED, _LONG = 0.12, 0.1, 4.0
_VARIED = 2.4  # of the outline: with less it is no heap, whatever is within
_CELLS, _BLOCK = np.array([[20.0], [16.0], [16.0]], dtype=np.float32), 4  # of L, a and b; working pixels
_FULL = (0.97, 0.92)  # of its convex hull: what fills more is one thing, a carton or a poster, however it is printed


class Pieces(TypedDict):
    """See `Background` for each."""

    parts: int
    things: int
    detached: float
    crowding: float


def pieces(region: Region) -> Pieces:
    """What a photo shows in several pieces.

    `parts`: how many large things straight strips of empty ground divide, from side to side; 0 if there is none. The
    picture is cut along empty rows and columns, and each piece again (the XY cut of documents, Nagy and Seth 1984,
    "Hierarchical representation of optically scanned documents"). Not told apart are a sheet of packshots and one photo
    of several things, such as a pair of shoes that stand apart.

    `detached`: share of the inner picture, in [0, 1), under what stands on the ground and nothing joins to the subject.
    What reaches the frame on a side that the subject reaches too goes on outside it, and does not count. `things`: how
    many of these are less than a third as large as the subject: what is as large is another product of a set.
    `crowding`: see `_crowding`.
    """
    things = ~region.mask | region.subject
    number = np.count_nonzero(things)
    runs, apart = masks.apart(~things, region.subject, region.off, SEEN, _PEAK)
    least = max(_PART[0] * things.size, _PART[1] * number)
    seen = things | (region.off > SEEN) if runs > 1 or apart else None
    count, share, lying = 0, 0.0, None
    if seen is not None and apart and region.subject.any():
        count, share, lying = _detached(region, seen)
    return {
        "parts": int(number >= least) if seen is None or runs <= 1 else _cut(things, seen, least),
        "things": count,
        "detached": share,
        "crowding": _crowding(region, things, lying if share else None),
    }


def _cut(things: Mask, seen: Mask, least: float) -> int:
    if np.count_nonzero(things) < least:
        return 0
    for across, visible in ((things, seen), (things.T, seen.T)):
        ends = np.flatnonzero(np.diff(visible.any(axis=1), prepend=False, append=False)).reshape(-1, 2).tolist()
        if len(ends) > 1:
            return max(1, sum(_cut(across[begin:end], visible[begin:end], least) for begin, end in ends))
    return 1


def _detached(region: Region, seen: Mask) -> tuple[int, float, Mask]:
    """How many small things there are, the share of all, and where they are."""
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(seen.view(np.uint8), connectivity=8)
    own = np.bincount(labels[region.subject], minlength=count) > 0
    strong = np.bincount(labels[region.off > _PEAK], minlength=count) > 0
    own[0] = strong[0] = False
    apart = strong & ~own & (boxes[:, cv2.CC_STAT_AREA] >= _LEAST_THING)
    for edge in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        if own[edge].any():
            apart[edge] = False
    small = boxes[apart, cv2.CC_STAT_AREA] < _SMALL * np.count_nonzero(region.subject)
    share = float(boxes[apart, cv2.CC_STAT_AREA].sum() / seen.size)
    return int(np.count_nonzero(small)), share, apart[labels]


def _crowding(region: Region, things: Mask, apart: Mask | None) -> float:
    """How much of the open ground is on or near what lies about on it, about, ≥ 0; near 0 for a set of products.

    The ground near things shrinks with each, and no less where they overlap or grow together: things are counted by
    area, outline and number at once, as Steiner's formula has it; but one thing, an accessory, for no more than a part.
    What is at least a third as large as the subject is another product of a set: nothing to it if it is of about the
    same form, and else next to nothing.

    Before an even ground, what a neck joins to the subject counts as well, where anything lies apart. What joins it
    broadly cannot be told from a part of it; but it makes the outline longer, and with other things about that is taken
    for one more; and where the subject is of as many colours as only a heap is, see `_heap`.
    """
    subject, short = region.subject, min(things.shape)
    crowding = 0.0 if apart is None else _taken(apart, subject, short)
    if region.studio < STUDIO and (not region.mask.any() or texture.median(region.off, region.mask) >= EVEN):
        return crowding
    if apart is not None and crowding:
        joined = np.zeros_like(things)
        for neck in _NECKS:
            joined |= _beyond_necks(things, subject, neck * short)
        crowding = _taken(apart | joined, subject & ~joined, short)
    edges = np.count_nonzero(things[1:] != things[:-1]) + np.count_nonzero(things[:, 1:] != things[:, :-1])
    longer = (edges - 4 * math.sqrt(np.count_nonzero(things))) / short
    crowding = max(crowding, min(_OUTLINE[1] * (longer - _OUTLINE[0]), _JOINED * crowding))
    return float(crowding + (_HEAPED + _JUMBLED * max(longer - _LONG, 0.0)) * _heap(region))


def _heap(region: Region) -> float:
    """How far a subject looks like things that overlap rather than one, in [0, 1].

    Its outline goes from one thing to the next, and each was made without the others: so both are of more colours than
    a product's, or those of somebody in clothes.
    """
    subject = region.subject
    outline = np.flatnonzero(masks.shrunk(subject, 1) & ~masks.shrunk(subject, 3))[::2]
    around = _variety(region.lab.reshape(3, -1)[:, outline])
    if around < _VARIED:
        return 0.0
    rows, columns = (side // _BLOCK for side in subject.shape)
    blocks, whole = (rows, _BLOCK, columns, _BLOCK), (slice(rows * _BLOCK), slice(columns * _BLOCK))
    means = region.lab[:, *whole].reshape(3, *blocks).mean(axis=(2, 4))  # a texture's colours become one
    within = _variety(means[:, subject[whole].reshape(blocks).all(axis=(1, 3))])
    return between(_fullness(subject), _FULL) * between(around + within, _HEAP)


def _variety(colors: npt.NDArray[np.float32]) -> float:
    """Entropy of some colours in nats, ≥ 0, over cells of ΔE 20 or 16 a side; shape (3, colours)."""
    light, a, b = np.floor(colors / _CELLS).astype(np.int64) + 8
    counts = np.bincount((light * 16 + a) * 16 + b)
    shares = counts[counts > 0] / max(colors.shape[1], 1)
    return float(-(shares * np.log(shares)).sum())


def _taken(things: Mask, subject: Mask, short: int) -> float:
    """Share of the picture beside the subject that is on or near small things, and what larger ones add to it."""
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(things.view(np.uint8), connectivity=8)
    covered = max(int(np.count_nonzero(subject)), 1)
    large = boxes[:, cv2.CC_STAT_AREA] / covered
    small = large < _SMALL
    small[0] = False
    others = [one for one in range(1, count) if not small[one] and not _alike(labels == one, subject)]
    small[[one for one in others if large[one] < _LARGE]] = True
    taken = _OTHER * min(len(others), _OTHERS)
    if not small.any():
        return taken
    lying, open_ground = small[labels], max(int(subject.size - np.count_nonzero(subject)), 1)
    far, nearest = cv2.distanceTransformWithLabels(
        (~lying).view(np.uint8), cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_CCOMP
    )
    areas = np.bincount(nearest[(far <= _REACH * short) & ~subject])
    for number in np.flatnonzero(areas).tolist():
        share, thing = int(areas[number]) / open_ground, lying & (nearest == number)
        several = _several(thing) if share > _ACCESSORY else 1.0
        weight = between(int(np.count_nonzero(thing)) / covered, (_LARGE, _SMALL))
        taken += weight * min(share, _ACCESSORY + several * (share - _ACCESSORY))
    return taken


def _several(thing: Mask) -> float:
    """How likely what looks like one thing is several that touch, in [0, 1]: in a row, or in a heap with notches."""
    length, breadth, _ = _form(thing)
    return max(between(length / breadth, _ROW), _HEAPED_UP * between(_fullness(thing), _NOTCHED))


def _fullness(mask: Mask) -> float:
    """How much of its convex hull a mask fills, about 1 at most."""
    contours, _ = cv2.findContours(mask.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    hull = float(cv2.contourArea(cv2.convexHull(np.concatenate(contours))))
    return float(np.count_nonzero(mask)) / max(hull, 1.0)


def _alike(thing: Mask, subject: Mask) -> bool:
    """Whether two are about as long and as broad, however they are turned, and fill as much of that."""
    forms = zip(_form(thing), _form(subject), _ALIKE, strict=True)
    return all(1 / most <= one / other <= most for one, other, most in forms)


def _form(thing: Mask) -> tuple[float, float, float]:
    """Length and breadth of the smallest rectangle around a thing, and how much of it the thing fills."""
    _, (side, other), _ = cv2.minAreaRect(np.argwhere(thing).astype(np.float32))
    length, breadth = max(side, other) + 1.0, min(side, other) + 1.0
    return length, breadth, np.count_nonzero(thing) / (length * breadth)


def _beyond_necks(things: Mask, subject: Mask, reach: float) -> Mask:
    """What comes off the subject's thickest part as all is made thinner, without what that takes away: straps, legs."""
    core = cv2.distanceTransform(things.view(np.uint8), cv2.DIST_L2, 3) > reach
    count, labels = cv2.connectedComponents(core.view(np.uint8), connectivity=4)
    if count <= 2:
        return np.zeros_like(things)
    in_subject = np.bincount(labels[subject], minlength=count)
    in_subject[0] = 0
    off = core & (labels != in_subject.argmax())
    return np.asarray((cv2.distanceTransform((~off).view(np.uint8), cv2.DIST_L2, 3) <= reach) & things)
