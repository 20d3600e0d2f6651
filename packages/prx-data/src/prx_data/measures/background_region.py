"""Where the background is: bars and frames cut off, a smooth surface fitted, the subject in front of it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from prx_data.kernels import ground, masks, texture
from prx_data.kernels.ground import TOLERANCE
from prx_data.kernels.lab import halved, srgb_to_lab
from prx_data.kernels.luma import grain
from prx_data.kernels.straight import row_steps
from prx_data.measures.background_maps import DETAIL_SIDE, Floats, Lab, fitted, middle, positions, ring, ring_places
from prx_data.measures.borders import bars as bars_of
from prx_data.measures.inset import FRAMED, inset
from prx_data.measures.lines import Side
from prx_data.measures.masks import Mask, opened
from prx_data.picture import Picture, Pixels
from prx_data.picture import halved as halved_pixels

LEAST_SHARE = 0.02
"""Of the frame: a smaller region is no background."""

STUDIO = 0.5
"""Of the border: a ground that flat is a studio's, and has no lines of its own."""
EVEN = 1.2
"""ΔE: median departure of a studio's ground from its smooth surface, noise included, at most."""

_FLAT_RING = 0.06  # the border in which a studio's ground is looked for, in parts of the shorter side
_FAINT_TOLERANCE = 3.0  # ΔE where nothing stands out at the first: white on white
_FAINT_FILL = 0.01
_FAINT_RIM = 0.12  # width of the border that is asked then, in parts of the shorter side
_MOSTLY_FLAT = 0.5  # of the border: a ground on which something pale would be seen
_PALE_GROWTH = 1.25  # times the subject that was found at first
_ALL_FLAT = 0.75  # of the border: more than a photo padded on two sides has
_PALE_MORE, _PALE_PART = 1.03, 0.002  # times the subject from which on parts are looked for; of the frame, of one
# ΔE of a ground before a sharp outline, and how much of that is clear: of composites with a soft shadow 0.31 at most,
# and 0.73 at least of 23 white shirts and cartons.
_CLEAR, _SHARP = 1.5, 0.5
_STRONG = 15.0  # ΔE from it that no shadow's rim reaches
_SETTLED = 0.002  # of the frame: where the mask moves by less, the surface is found
# What a subject encloses and is no farther from the surface than the ground is, or than these ΔE at least and at most,
# is ground: of 521 packshots what shows between an arm and a body is off by 0.9 at most, white cloth by 1.5 at least.
_THROUGH = (1.0, 2.0)
_AS_GROUND = 1.5  # times as far from the surface as the ground
_LEAST_HOLE = 1e-3  # of the frame
_FITS = 8  # rounds at most: a spot's light on a backdrop is followed step by step; a horizon is not
_SLACK = 1.5  # factor by which the tolerance is moved to see how sure the mask is


@dataclass(frozen=True, kw_only=True)
class Region:
    """A picture at its working size, divided; every array is of the inner picture, without bars."""

    light: npt.NDArray[np.uint8]
    """Luma at twice the working size."""
    lab: Lab
    """Shape (3, height, width)."""
    mask: Mask
    """True where the ground shows, through a subject as well: between an arm and a body, inside a ring."""
    surface: Lab
    """The ground's smooth colour, everywhere; shape (3, height, width)."""
    off: Floats
    """ΔE of `lab` from `surface`."""
    subject: Mask
    """The main thing in front of the ground, its holes filled."""
    detail: Floats
    """What a median of 3x3 takes away from the luma, in L, ≥ 0: means over patches of half the working size."""
    coarse: Floats
    """The same of the luma at the working size."""
    studio: float
    """Share of the border zone that is one flat colour, as only a studio or a pair of scissors makes it, in [0, 1]."""
    steps: tuple[Mask, Mask]
    """Where colour steps between rows, and, turned, between columns; see `row_steps`."""
    doubt: float
    """1 - intersection over union of what is not ground at two thirds and at three halves of the tolerance."""
    shape: tuple[int, int]
    """Height and width of the picture with its bars."""
    inner: tuple[slice, slice]
    """Where in it the inner picture lies."""
    inset: bool
    """Whether it is a photo set into a plain frame, which shows what is pictured there."""
    frame: float
    """Share of the frame that bars cover, in [0, 1); see `bars`."""

    def framed(self, inner: Mask, *, outside: bool) -> Mask:
        """A mask of the inner picture put back into the frame."""
        if inner.shape == self.shape:
            return inner
        whole = np.full(self.shape, outside)
        whole[self.inner] = inner
        return whole


def divide(picture: Picture) -> Region:
    """Divide one picture into bars, ground, subject and the rest."""
    bars, detail = bars_of(picture), fitted(picture.level(DETAIL_SIDE))
    shape = (detail.shape[0] // 2, detail.shape[1] // 2)
    inner = _inside(bars, shape)
    if any(bars.values()):
        detail = np.ascontiguousarray(detail[tuple(slice(2 * one.start, 2 * one.stop) for one in inner)])
    light = np.asarray(cv2.cvtColor(detail, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    grains = grain(light)
    working = halved_pixels(detail)
    lab = _planes(working)
    half = halved(lab)
    sides = (half.shape[1], half.shape[2])
    flat, color = ground.first_color(half, grains, ring_places(sides, _FLAT_RING), ring_places(sides))
    mask, surface, squares = _ground(lab, color)
    subject = masks.subject_of(mask)
    if np.count_nonzero(subject) < _FAINT_FILL * mask.size and np.count_nonzero(mask) >= LEAST_SHARE * mask.size:
        mask, subject, surface, squares = _faint(lab, mask) or (mask, subject, surface, squares)
    elif flat >= _MOSTLY_FLAT and _more_than(subject, half, color):
        pale = _pale(lab, mask, subject, parts_too=flat >= _ALL_FLAT)
        mask, subject, surface, squares = pale or (mask, subject, surface, squares)
    off = np.sqrt(squares)
    mask = mask | _holes(mask, off)
    return Region(
        light=light,
        detail=grains,
        coarse=grain(np.asarray(cv2.cvtColor(working, cv2.COLOR_RGB2GRAY), dtype=np.uint8)),
        studio=flat,
        steps=(row_steps(lab), row_steps(np.ascontiguousarray(lab.transpose(0, 2, 1)))),
        lab=lab,
        mask=mask,
        surface=surface,
        off=off,
        subject=subject,
        doubt=masks.doubt(np.ascontiguousarray(off[::2, ::2]), TOLERANCE / _SLACK, TOLERANCE * _SLACK),
        shape=shape,
        inner=inner,
        inset=inset(picture).score > FRAMED,
        frame=1 - (1 - bars["left"] - bars["right"]) * (1 - bars["top"] - bars["bottom"]),
    )


def soft_rim(region: Region) -> float:
    """Share of the subject's rim that is out of focus, in [0, 1]; see `texture.soft_rim`.

    A product is in focus; what is taken for one in a blurred room is not. 0 before a studio's ground, where pale
    products have soft rims.
    """
    return 0.0 if region.studio >= STUDIO else texture.soft_rim(region.lab, region.subject, region.mask)


def whole(region: Region) -> Mask:
    """The subject with its chains, cables and straps, which on a studio's ground are nothing else."""
    if region.studio < STUDIO:
        return region.subject
    return masks.with_thin_parts(region.subject, region.off, _STRONG)


def in_shade(region: Region) -> float:
    """Share of the subject that may as well be the ground in its shadow, in [0, 1]; see `ground.in_shade`.

    A smooth grey product before white is like that, too.
    """
    subject = np.ascontiguousarray((region.subject & ~region.mask)[::2, ::2])
    shade = opened(ground.in_shade(region.lab, region.surface, subject))
    return float(shade.sum() / max(int(subject.sum()), 1))


def _planes(pixels: Pixels) -> Lab:
    height, width = pixels.shape[:2]
    return srgb_to_lab(pixels.reshape(-1, 3)).reshape(3, height, width)


def _faint(lab: Lab, mask: Mask) -> tuple[Mask, Mask, Lab, Floats] | None:
    """White on white: mask, subject, surface and squared ΔE from it, at a finer tolerance; None if that finds nothing.

    What is faint was taken for ground and drew the surface to itself, so that the border's own colour is asked.
    """
    surface, squares = _of_border(lab, mask)
    near = masks.border_connected_below(squares, _FAINT_TOLERANCE**2)
    found = masks.subject_of(near)
    return (near, found, surface, squares) if _FAINT_FILL <= found.mean() < 0.9 else None


def _more_than(subject: Mask, half: Lab, color: tuple[float, float, float]) -> bool:
    """Whether more than a subject stands out from the ground's first colour at the finer tolerance; see `_pale`."""
    off = half - np.array(color, dtype=np.float32)[:, None, None]
    seen = np.count_nonzero(np.einsum("cyx,cyx->yx", off, off) > _FAINT_TOLERANCE**2)
    return bool(4 * seen >= _PALE_MORE * np.count_nonzero(subject))


def _pale(lab: Lab, mask: Mask, subject: Mask, *, parts_too: bool) -> tuple[Mask, Mask, Lab, Floats] | None:
    """The same of what was found in part: a white mug of which only the handle and the shadow stand out.

    At the finer tolerance soft shadows stand out too; but a product begins sharply, with nothing to be seen before. So
    does each further part of one: white shoes below trousers.
    """
    surface, squares = _of_border(lab, mask)
    near = masks.border_connected_below(squares, _FAINT_TOLERANCE**2)
    found = masks.subject_of(near)
    more = _PALE_GROWTH * np.count_nonzero(subject) <= np.count_nonzero(found) < 0.9 * found.size
    if more and _sharp(found, squares):
        return near, found, surface, squares
    if not parts_too:
        return None
    beside = masks.grown(subject, 2)
    rest = opened(~near & ~masks.grown(subject, 1))
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(rest.view(np.uint8), connectivity=4)
    parts = np.zeros_like(mask)
    for number in np.flatnonzero(boxes[1:, cv2.CC_STAT_AREA] >= _PALE_PART * mask.size) + 1:
        part = labels == number
        if (part & beside).any() and _sharp(part, squares, near):
            parts |= part
    if not parts.any():
        return None
    parts = masks.grown(parts, 2) & ~near
    return mask & ~parts, masks.subject_of(mask & ~parts), surface, squares


def _sharp(part: Mask, squares: Floats, near: Mask | None = None) -> bool:
    """Whether the ground (`near`) is clear where a part begins."""
    before = masks.grown(part, 2) & ~masks.grown(part, 1)
    before = before if near is None else before & near
    return bool(np.count_nonzero(before & (squares < _CLEAR**2)) > _SHARP * np.count_nonzero(before))


def _holes(mask: Mask, off: Floats) -> Mask:
    """Where the ground shows through what is in front of it.

    A white label on a bottle before white is enclosed too, but what was photographed is never quite the ground's white.
    """
    found = np.zeros_like(mask)
    enclosed = ~mask & (off < _FAINT_TOLERANCE)
    least = max(4, _LEAST_HOLE * mask.size)
    if np.count_nonzero(enclosed) < least or not mask.any():
        return found
    limit = min(max(_AS_GROUND * middle(off[mask]), _THROUGH[0]), _THROUGH[1])
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(enclosed.view(np.uint8), connectivity=4)
    for part in np.flatnonzero(boxes[1:, cv2.CC_STAT_AREA] >= least) + 1:
        hole = labels == part
        if middle(off[hole]) <= limit:
            found |= hole
    return masks.grown(found, 1) & ~mask & (off < TOLERANCE) if found.any() else found


def _of_border(lab: Lab, mask: Mask) -> tuple[Lab, Floats]:
    """The colour of the ground near the frame as a surface, and the squared ΔE from it."""
    rim = mask & ring((mask.shape[0], mask.shape[1]), _FAINT_RIM)
    weights = np.zeros((6, 3))
    weights[0] = np.median(lab[:, rim if rim.any() else mask], axis=1).astype(np.float32)
    return ground.departures(lab, weights, *positions((mask.shape[0], mask.shape[1]), 1))


def _inside(bars: Mapping[Side, float], shape: tuple[int, int]) -> tuple[slice, slice]:
    """The rows and columns inside bars, in even numbers, without the line that the reduction may have blurred."""
    height, width = shape
    top, bottom = _cut(bars["top"], height), _cut(bars["bottom"], height)
    left, right = _cut(bars["left"], width), _cut(bars["right"], width)
    return slice(top, height - bottom), slice(left, width - right)


def _cut(share: float, side: int) -> int:
    return 2 * math.ceil((share * side + 0.5) / 2) if share else 0


def _ground(lab: Lab, color: tuple[float, float, float]) -> tuple[Mask, Lab, Floats]:
    """The background's mask, its smooth surface, and the squared ΔE of the picture from that.

    Starts from a colour, then in turn fits a quadratic surface to the background
    found so far and takes in what is near it and connected to the border.
    """
    shape = (lab.shape[1], lab.shape[2])
    # The surface has six numbers a channel, and a quarter of the pixels speaks for them. Means of four would do that
    # too, but a texture shows in single pixels.
    half, places = np.ascontiguousarray(lab[:, ::2, ::2]), positions(shape, 2)
    weights = np.zeros((6, 3))
    weights[0] = color
    mask = np.zeros(half.shape[1:], dtype=bool)
    least, moved = LEAST_SHARE * mask.size, _SETTLED * mask.size
    for _ in range(_FITS):
        _, squares = ground.departures(half, weights, *places)
        before, mask = mask, masks.border_connected_below(squares, TOLERANCE**2)
        if np.count_nonzero(mask) < least or np.count_nonzero(mask != before) < moved:
            break
        ground.fit(half, mask, weights, *places)
    surface, squares = ground.departures(lab, weights, *positions(shape, 1))
    return masks.border_connected_below(squares, TOLERANCE**2), surface, squares
