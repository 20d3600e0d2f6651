"""Where the background is: bars and frames cut off, a smooth surface fitted, the subject in front of it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from prx_data.measures.background_maps import (
    Floats,
    Lab,
    colors_at,
    fitted,
    halved,
    level,
    mode,
    near,
    on_ring,
    ring,
    row_steps,
    some,
    squares,
)
from prx_data.measures.borders import borders
from prx_data.measures.color import srgb_to_lab
from prx_data.measures.lines import Side
from prx_data.measures.masks import Mask, border_connected, components, opened
from prx_data.picture import Pixels

LEAST_SHARE = 0.02
"""Of the frame: a smaller region is no background."""

_TOLERANCE = 9.0  # ΔE from the fitted surface that still is background
_FLAT_RING = 0.06  # the border in which a studio's ground is looked for, in parts of the shorter side
_FLAT_DETAIL, _FLAT_SPREAD, _FLAT_REACH = 0.08, 1.0, 2.0  # L of detail; of 3x3 patches; ΔE from their one colour
_LEAST_LIGHT = 20.0  # L: what is too dark to be seen is flat as well
LEAST_STUDIO = 0.04
"""Share of the border that has to be flat for it to be taken for a studio's ground, whatever else is there."""
_FAINT_TOLERANCE = 3.0  # the same where nothing stands out at the first: white on white
_FAINT_FILL = 0.01
_FAINT_RIM = 0.12  # width of the border that is asked then, in parts of the shorter side
_SETTLED = 0.002  # of the frame: where the mask moves by less, the surface is found
_FITS, _LEAST_FIT, _ENOUGH_TO_FIT = 4, 64, 1000  # rounds; pixels that a fit takes at least, and about at most
_SLACK = 1.5  # factor by which the tolerance is moved to see how sure the mask is
_SQUARE = np.ones((3, 3), dtype=np.uint8)
LIGHT = 100 / 255
"""From luma to L, nearly: both are about a cube root of luminance."""


@dataclass(frozen=True, kw_only=True)
class Region:
    """A picture at its working size, divided; every array has the shape of the inner picture, without bars."""

    light: npt.NDArray[np.uint8]
    """Luma at twice the working size."""
    lab: Lab
    mask: Mask
    """True where the ground shows."""
    surface: Lab
    """The ground's smooth colour, everywhere."""
    off: Floats
    """ΔE of `lab` from `surface`."""
    subject: Mask
    """The main thing in front of the ground, its holes filled."""
    detail: Floats
    """What a median of 3x3 takes away from the luma, in L, ≥ 0: means over patches of half the working size."""
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

    frame: float
    """Share of the frame that bars cover, in [0, 1); see `borders`."""

    def framed(self, inner: Mask, *, outside: bool) -> Mask:
        """A mask of the inner picture put back into the frame."""
        if inner.shape == self.shape:
            return inner
        whole = np.full(self.shape, outside)
        whole[self.inner] = inner
        return whole


def divide(pixels: Pixels, bars: Mapping[Side, float] | None = None) -> Region:
    """Divide one picture into bars, ground, subject and the rest.

    Args:
        pixels: Upright sRGB, uint8 of shape (height, width, 3).
        bars: What `borders` found in it; None to look for them here.
    """
    reduced = level(pixels)
    bars = borders(reduced) if bars is None else bars
    detail = fitted(reduced)
    shape = (detail.shape[0] // 2, detail.shape[1] // 2)
    inner = _inside(bars, shape)
    if any(bars.values()):
        detail = np.ascontiguousarray(detail[tuple(slice(2 * one.start, 2 * one.stop) for one in inner)])
    lab = srgb_to_lab(halved(detail))
    light = np.asarray(cv2.cvtColor(detail, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    grain = _grain(light)
    half = halved(lab)
    flat, color = _flat(half, grain)
    mask, surface = _ground(lab, color if flat >= LEAST_STUDIO else mode(on_ring(half)))
    subject = subject_of(mask)
    if np.count_nonzero(subject) < _FAINT_FILL * mask.size and np.count_nonzero(mask) >= LEAST_SHARE * mask.size:
        mask, subject, surface = _faint(lab, mask, subject, surface)
    off = np.sqrt(squares(lab, surface))
    return Region(
        light=light,
        detail=grain,
        studio=flat,
        steps=(row_steps(lab), row_steps(np.asarray(cv2.transpose(lab), dtype=np.float32))),
        lab=lab,
        mask=mask,
        surface=surface,
        off=off,
        subject=subject,
        doubt=_doubt(off[::2, ::2]),
        shape=shape,
        inner=inner,
        frame=1 - (1 - bars["left"] - bars["right"]) * (1 - bars["top"] - bars["bottom"]),
    )


def _grain(light: npt.NDArray[np.uint8]) -> Floats:
    """What a median of 3x3 pixels takes away, in L: means over 4x4 pixels.

    Steps and folds pass a median filter unchanged, points and thin lines do not: what it takes away is grain.
    """
    detail = cv2.absdiff(light, cv2.medianBlur(light, 3))
    return halved(halved(detail.astype(np.float32))) * np.float32(LIGHT)


def _flat(half: Lab, grain: Floats) -> tuple[float, Lab]:
    """How much of the border is one perfectly flat colour, in [0, 1], and that colour."""
    light = half[:, :, 0].copy()
    spread = cv2.dilate(light, _SQUARE) - cv2.erode(light, _SQUARE)
    flat = on_ring((grain < _FLAT_DETAIL) & (spread < _FLAT_SPREAD) & (light > _LEAST_LIGHT), _FLAT_RING)
    colors = on_ring(half, _FLAT_RING)[flat]
    if len(colors) < LEAST_STUDIO * len(flat):
        return 0.0, half[0, 0]
    color = mode(colors)
    return float(np.count_nonzero(near(colors, color, _FLAT_REACH)) / len(flat)), color


def _doubt(off: Floats) -> float:
    wide, narrow = (~border_connected(off < _TOLERANCE * factor) for factor in (1 / _SLACK, _SLACK))
    either = int(np.count_nonzero(wide | narrow))
    return 1 - int(np.count_nonzero(wide & narrow)) / either if either else 0.0


def _faint(lab: Lab, mask: Mask, subject: Mask, surface: Lab) -> tuple[Mask, Mask, Lab]:
    """White on white: mask, subject and surface at a finer tolerance, or as they were if that finds nothing.

    What is faint was taken for ground and drew the surface to itself, so that the border's own colour is asked.
    """
    rim = mask & ring((mask.shape[0], mask.shape[1]), _FAINT_RIM)
    own = np.median(lab[rim if rim.any() else mask], axis=0).astype(np.float32)
    level = np.broadcast_to(own, lab.shape)
    near = border_connected(squares(lab, level) < _FAINT_TOLERANCE**2)
    found = subject_of(near)
    return (near, found, level) if _FAINT_FILL <= found.mean() < 0.9 else (mask, subject, surface)


def _inside(bars: Mapping[Side, float], shape: tuple[int, int]) -> tuple[slice, slice]:
    """The rows and columns inside bars, in even numbers, without the line that the reduction may have blurred."""
    height, width = shape
    top, bottom = _cut(bars["top"], height), _cut(bars["bottom"], height)
    left, right = _cut(bars["left"], width), _cut(bars["right"], width)
    return slice(top, height - bottom), slice(left, width - right)


def _cut(share: float, side: int) -> int:
    return 2 * math.ceil((share * side + 0.5) / 2) if share else 0


def _ground(lab: Lab, color: Lab) -> tuple[Mask, Lab]:
    """The background's mask and its smooth surface, float32 of the shape of `lab`.

    Starts from a colour, then in turn fits a quadratic surface to the background
    found so far and takes in what is near it and connected to the border.
    """
    shape = (lab.shape[0], lab.shape[1])
    basis = _basis(shape, 2)
    # The surface has six numbers a channel, and a quarter of the pixels speaks for them. Means of four would do that
    # too, but a texture shows in single pixels.
    half = np.ascontiguousarray(lab[::2, ::2])
    weights = np.zeros((6, 3), dtype=np.float32)
    weights[0] = color
    mask = np.zeros(half.shape[:2], dtype=bool)
    least, moved = LEAST_SHARE * mask.size, _SETTLED * mask.size
    for _ in range(_FITS):
        before, mask = mask, _near(half, _surface(weights, shape, 2))
        if np.count_nonzero(mask) < least or np.count_nonzero(mask != before) < moved:
            break
        weights = _fit(half, basis, mask, weights)
    surface = _surface(weights, shape)
    return _near(lab, surface), surface


def _near(lab: Lab, surface: Lab) -> Mask:
    return border_connected(squares(lab, surface) < _TOLERANCE**2)


@lru_cache(maxsize=32)
def _basis(shape: tuple[int, int], every: int = 1) -> Floats:
    """Quadratic polynomials of position in [-1, 1]² at every nth row and column; shape (height, width, 6)."""
    y, x = np.meshgrid(*(_powers(side, every)[:, 1] for side in shape), indexing="ij")
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=2).astype(np.float32)


@lru_cache(maxsize=32)
def _powers(side: int, every: int) -> npt.NDArray[np.float64]:
    """1, t and t² at every nth place t of a side in [-1, 1]; shape (places, 3)."""
    return np.linspace(-1, 1, side)[::every, None] ** np.arange(3)


_NUMBERS = np.array([[0, 1, 3], [2, 4, 6], [5, 6, 6]])  # of the polynomial with a power of y and one of x; 6 for none


def _surface(weights: Floats, shape: tuple[int, int], every: int = 1) -> Lab:
    """The surface at every nth row and column: `_basis(shape, every) @ weights`, power by power, in small products."""
    by_powers = np.concatenate([weights, np.zeros((1, 3), dtype=np.float32)]).take(_NUMBERS, axis=0)
    y, x = (_powers(side, every).astype(np.float32) for side in shape)
    return np.asarray((y @ (x @ by_powers).reshape(3, -1)).reshape(len(y), len(x), 3), dtype=np.float32)


def _fit(colors: Lab, basis: Floats, mask: Mask, before: Floats) -> Floats:
    """Ridge fit of the surface to the pixels of a mask, shape (6, 3); `before` if they are too few.

    The ridge keeps it from swinging where there is no background.
    """
    places = some(mask, _ENOUGH_TO_FIT)
    if len(places) < _LEAST_FIT:
        return before
    basis, colors = basis.reshape(-1, 6).take(places, axis=0), colors_at(colors, places)
    normal = basis.T @ basis
    normal.ravel()[7::7] += np.float32(0.02 * len(basis))  # the diagonal, but for the constant
    solved, weights = cv2.solve(normal, basis.T @ colors, flags=cv2.DECOMP_CHOLESKY)
    return np.asarray(weights, dtype=np.float32) if solved else before


@lru_cache(maxsize=16)
def _central(shape: tuple[int, int]) -> npt.NDArray[np.float64]:
    """What a pixel counts when the subject is chosen: most in the middle."""
    y, x = (np.linspace(-1, 1, side) for side in shape)
    return np.asarray(np.exp(-2 * (y[:, None] ** 2 + x[None] ** 2)) + 0.05)


def subject_of(mask: Mask) -> Mask:
    """The main thing in front of the background: the component with most pixels, central ones counting more."""
    labels, count = components(opened(~mask))
    if count == 0:
        return np.zeros_like(mask)
    # Every other row and column weighs as much as all of them.
    some = np.ascontiguousarray(labels[::2, ::2]).ravel()
    sums = np.bincount(
        some, np.ascontiguousarray(_central((mask.shape[0], mask.shape[1]))[::2, ::2]).ravel(), count + 1
    )
    # What the frame cannot reach from outside is a hole in it, or it.
    return ~border_connected(labels != 1 + int(np.argmax(sums[1:])))
