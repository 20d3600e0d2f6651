"""Where the background is: bars and frames cut off, a smooth surface fitted, the subject in front of it."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from prx_data.measures.color import delta_e, srgb_to_lab
from prx_data.measures.masks import Mask, opened
from prx_data.picture import Pixels

WORKING_SIDE = 192
"""Long side in pixels at which everything is measured, whatever the photo's size: one scale for all."""
LEAST_SHARE = 0.02
"""Of the frame: a smaller region is no background."""

_RING = 0.035  # width of the border ring, in parts of the shorter side
_TOLERANCE = 9.0  # ΔE from the fitted surface that still is background
_FAINT_TOLERANCE = 3.0  # the same where nothing stands out at the first: white on white
_FAINT_FILL = 0.01
_FAINT_RIM = 0.12  # width of the border that is asked then, in parts of the shorter side
_FITS = 4
_SLACK = 1.5  # factor by which the tolerance is moved to see how sure the mask is
_BAR_FLAT, _BAR_STEP = 3.0, 5.0  # ΔE within a bar's line; ΔE between a bar and what it frames
_BAR_DEEPEST = 0.3  # of the side
_STEP_SHARE, _PAIR_SHARE = 0.98, 0.85  # of the line after a bar that differs from it
_WHITE = 95.0  # L

Lab = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Region:
    """A picture at its working size, divided; every array has the shape of the inner picture, without bars."""

    lab: Lab
    mask: Mask
    """True where the ground shows."""
    surface: Lab
    """The ground's smooth colour, everywhere."""
    off: npt.NDArray[np.float32]
    """ΔE of `lab` from `surface`."""
    subject: Mask
    """The main thing in front of the ground, its holes filled."""
    doubt: float
    """1 - intersection over union of what is not ground at two thirds and at three halves of the tolerance."""
    shape: tuple[int, int]
    """Height and width of the picture with its bars."""
    inner: tuple[slice, slice]
    """Where in it the inner picture lies."""

    @property
    def bars(self) -> float:
        """Share of the frame that bars cover, in [0, 1)."""
        return 1 - self.mask.size / (self.shape[0] * self.shape[1])

    def framed(self, inner: Mask, *, outside: bool) -> Mask:
        """A mask of the inner picture put back into the frame."""
        whole = np.full(self.shape, outside)
        whole[self.inner] = inner
        return whole


def reduced(pixels: Pixels, side: int = WORKING_SIDE) -> Pixels:
    """The picture at a long side of `side` pixels, smaller pictures enlarged.

    A triangle filter, as a box one would give photos a little over the working size uneven pixels.
    """
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0))


def divide(pixels: Pixels) -> Region:
    """Divide one picture into bars, ground, subject and the rest.

    Args:
        pixels: Upright sRGB, uint8 of shape (height, width, 3).
    """
    whole = srgb_to_lab(reduced(pixels))
    inner = without_bars(whole)
    lab = np.ascontiguousarray(whole[inner])
    mask, surface = _ground(lab)
    subject = subject_of(mask)
    if subject.mean() < _FAINT_FILL and mask.mean() >= LEAST_SHARE:
        mask, subject, surface = _faint(lab, mask, subject, surface)
    off = delta_e(lab, surface)
    wide, narrow = (~border_connected(off < _TOLERANCE * factor) for factor in (1 / _SLACK, _SLACK))
    either = int((wide | narrow).sum())
    return Region(
        lab=lab,
        mask=mask,
        surface=surface,
        off=off,
        subject=subject,
        doubt=1 - int((wide & narrow).sum()) / either if either else 0.0,
        shape=(whole.shape[0], whole.shape[1]),
        inner=inner,
    )


def _faint(lab: Lab, mask: Mask, subject: Mask, surface: Lab) -> tuple[Mask, Mask, Lab]:
    """White on white: mask, subject and surface at a finer tolerance, or as they were if that finds nothing.

    What is faint was taken for ground and drew the surface to itself, so that the border's own colour is asked.
    """
    rim = mask & ring(mask.shape, _FAINT_RIM)
    level = np.broadcast_to(np.median(lab[rim if rim.any() else mask], axis=0), lab.shape).astype(np.float32)
    near = border_connected(delta_e(lab, level) < _FAINT_TOLERANCE)
    found = subject_of(near)
    return (near, found, level) if _FAINT_FILL <= found.mean() < 0.9 else (mask, subject, surface)


def without_bars(lab: Lab) -> tuple[slice, slice]:
    """The rows and columns inside bars and frames: lines of one colour that end in a straight step.

    Bars lie on one side or on two that face each other, and what they leave reaches the other two sides. A frame goes
    all round, equally wide, and is not white: a box on a white ground looks like a picture in a white frame, and the
    box is far more common.
    """
    turned = lab.transpose(1, 0, 2)
    sides = (lab, lab[::-1], turned, turned[::-1])
    bands = [_flat_lines(side) for side in sides]
    framed = min(bands) > 0 and max(bands) - min(bands) <= max(2, 0.2 * max(bands)) and lab[0, 0, 0] < _WHITE
    if not framed and max(bands[:2]) > 0 and max(bands[2:]) > 0:
        return slice(0, lab.shape[0]), slice(0, lab.shape[1])
    along = (slice(bands[2], lab.shape[1] - bands[3]), slice(bands[0], lab.shape[0] - bands[1]))
    shares = [_step_share(side, band, along[n // 2]) for n, (side, band) in enumerate(zip(sides, bands, strict=True))]
    steps = [share >= _STEP_SHARE for share in shares]
    for pair in ((0, 1), (2, 3)):
        # Two bars of one width are a sign of their own, so that less of a step will do.
        if bands[pair[0]] > 0 and abs(bands[pair[0]] - bands[pair[1]]) <= 1:
            both = min(shares[pair[0]], shares[pair[1]]) >= _PAIR_SHARE
            steps[pair[0]] = steps[pair[1]] = both
    if framed and not all(steps):
        return slice(0, lab.shape[0]), slice(0, lab.shape[1])
    # The line after a band may hold the step, smeared by the reduction.
    top, bottom, left, right = (band + 1 if step else 0 for band, step in zip(bands, steps, strict=True))
    return slice(top, lab.shape[0] - bottom), slice(left, lab.shape[1] - right)


def _flat_lines(lab: Lab) -> int:
    """How many lines from the first one share one colour; 0 if so many that they are the ground itself."""
    deepest = int(_BAR_DEEPEST * len(lab))
    flat = (delta_e(lab[: deepest + 1], np.median(lab[0], axis=0)) < _BAR_FLAT).mean(axis=1) >= 0.98
    return 0 if flat.all() else int(np.argmin(flat))


def _step_share(lab: Lab, band: int, along: slice) -> float:
    """How much of the second line after a band differs from it; the first may hold half of each."""
    own = np.median(lab[0], axis=0)
    return float((delta_e(lab[band + 1, along], own) > _BAR_STEP).mean()) if band else 0.0


def ring(shape: tuple[int, int], part: float = _RING) -> Mask:
    """The frame's border, `part` of the shorter side wide."""
    width = max(2, round(part * min(shape)))
    found = np.ones(shape, dtype=bool)
    found[width:-width, width:-width] = False
    return found


def _ground(lab: Lab) -> tuple[Mask, Lab]:
    """The background's mask and its smooth surface, float32 of the shape of `lab`.

    Starts from the colour that most of the border ring shares, then in turn fits a quadratic surface to the background
    found so far and takes in what is near it and connected to the border.
    """
    basis = _basis((lab.shape[0], lab.shape[1]))
    weights = np.zeros((6, 3), dtype=np.float32)
    weights[0] = mode(lab[ring((lab.shape[0], lab.shape[1]))])
    # The surface has six numbers a channel, and a quarter of the pixels speaks for them.
    half = (lab[::2, ::2], basis[::2, ::2])
    for _ in range(_FITS):
        mask = _near(half[0], half[1] @ weights)
        if mask.mean() < LEAST_SHARE:
            break
        weights = _fit(half[0][mask], half[1][mask])
    surface = np.asarray(basis @ weights, dtype=np.float32)
    return _near(lab, surface), surface


def _near(lab: Lab, surface: Lab) -> Mask:
    # Three planes added up are several times as fast as a sum over an axis of length three.
    off = (lab - surface) ** 2
    return border_connected(off[:, :, 0] + off[:, :, 1] + off[:, :, 2] < _TOLERANCE**2)


def mode(colors: Lab) -> Lab:
    """The colour that most of the pixels are near: mean shift with a ball of ΔE 12 from the densest of coarse cells."""
    # Cells of ΔE 10, numbered by digits of base 32: Lab spans fewer than 32 cells in each direction.
    cells = (np.floor(colors / 10).astype(np.int64) + 12) @ np.array([1024, 32, 1])
    found: Lab = colors[cells == np.bincount(cells).argmax()].mean(axis=0)
    for _ in range(5):
        off = colors - found
        found = colors[np.einsum("ij,ij->i", off, off) < 144].mean(axis=0)
    return found


@lru_cache(maxsize=16)
def _basis(shape: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Quadratic polynomials of position in [-1, 1]²; shape (height, width, 6)."""
    y, x = np.meshgrid(np.linspace(-1, 1, shape[0]), np.linspace(-1, 1, shape[1]), indexing="ij")
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=2).astype(np.float32)


def _fit(colors: Lab, basis: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Ridge fit of the surface, shape (6, 3); the ridge keeps it from swinging where there is no background."""
    weights = np.zeros((6, 3), dtype=np.float32)
    if len(colors) < 64:
        weights[0] = np.median(colors, axis=0)
        return weights
    ridge = np.diag([0.0, *([0.02 * len(basis)] * 5)]).astype(np.float32)
    weights[:] = np.linalg.solve(basis.T @ basis + ridge, basis.T @ colors)
    return weights


def border_connected(near: Mask) -> Mask:
    """The part of a mask that is connected to the frame."""
    labels, count = ndimage.label(near)
    touching = np.zeros(count + 1, dtype=bool)
    for edge in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        touching[edge] = True
    touching[0] = False
    return np.asarray(touching[labels], dtype=bool)


@lru_cache(maxsize=16)
def _central(shape: tuple[int, int]) -> npt.NDArray[np.float64]:
    """What a pixel counts when the subject is chosen, flat: most in the middle."""
    y, x = (np.linspace(-1, 1, side) for side in shape)
    return np.asarray(np.exp(-2 * (y[:, None] ** 2 + x[None] ** 2)) + 0.05).ravel()


def subject_of(mask: Mask) -> Mask:
    """The main thing in front of the background: the component with most pixels, central ones counting more."""
    labels, count = ndimage.label(opened(~mask))
    if count == 0:
        return np.zeros_like(mask)
    sums = np.bincount(labels.ravel(), _central((mask.shape[0], mask.shape[1])))
    # What the frame cannot reach from outside is a hole in it, or it.
    return ~border_connected(labels != 1 + int(np.argmax(sums[1:])))
