"""How clean a product photo's background is, and where the product stands in front of it.

The background is the border-connected region of the colours that prevail along the border, in CIE Lab, allowing for a
smooth change of light. Clean is not white: a plain blue backdrop is clean. A model cut off by the frame in front of
white is clean too. What counts against a background is what can be seen on it: texture, lines, second surfaces, things
lying about.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from prx_data.measures.color import delta_e, hex_color, lightness, srgb_to_lab
from prx_data.picture import Pixels

VERSION = "2"
WORKING_SIDE = 192
"""Long side in pixels at which regions are found."""
FINE_SIDE = 384
"""Long side in pixels at which fine texture is measured; smaller photos are not enlarged for it."""

_RING = 0.035  # width of the border ring, in parts of the shorter side
_TOLERANCE = 9.0  # ΔE from the fitted surface that still is background
_FITS = 4
_RIM = 0.05  # width of the border in which texture is judged, in parts of the shorter side
_ZONE = 0.12  # and of that in which lines are: they need room
_PURE = 5.0  # ΔE from the fitted surface that counts as the background's own colour
_LEAST_SHARE = 0.02  # of the frame: a smaller region is no background
# Edges weaker than this, in L per pixel, have no direction to speak of; stronger than the second count no more.
_FAINT, _STRONG = 0.3, 6.0
# Rounded from the fit; `one` is raised by ln(120 / 80) so that 0.5 does not lean towards the commoner label.
_WEIGHTS = {"fine_texture": -1.8, "texture": -1.9, "lines": -7.8, "one": -0.4}

Mask = npt.NDArray[np.bool_]
Lab = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Background:
    """A background's components. Shares and distances are of the frame; ΔE is CIE76 in Lab."""

    cleanliness: float
    """In [0, 1]; 1 is clean, 0.5 the boundary between plain and cluttered."""
    share: float
    """Share of the frame that is background, in [0, 1]."""
    border_share: float
    """Share of the border ring that is background, in [0, 1]."""
    purity: float
    """Share of the border ring, the subject left out, within ΔE 5 of the background's smooth surface, in [0, 1]."""
    uniformity: float
    """Median ΔE of the background from its smooth surface, ≥ 0; 0 is even, 1 to 2 a camera's noise."""
    fine_texture: float
    """Mean detail finer than a Gaussian of 1 px, in L units at a long side of 384, of the border, ≥ 0."""
    texture: float
    """Median ΔE between Gaussians of 1 and 2 px at a long side of 192, of background and border, ≥ 0."""
    lines: float
    """How far the border zone's edges agree on one direction and its perpendicular, in [0, 1]: planks, tiles."""
    clutter: float
    """Share of the border-near quarter of the frame that is neither background nor the main subject, in [0, 1]."""
    unevenness: float
    """Largest change of the background's smooth part across the frame, in ΔE, ≥ 0: shadow or gradient."""
    whiteness: float
    """ΔE of the background's own colour from white, ≥ 0; 0 is white."""
    color: str
    """The background's own colour, `#rrggbb` in sRGB."""
    subject_color: str
    """The subject's dominant colour, `#rrggbb`; empty if there is no subject."""
    fill: float
    """Share of the frame that the subject covers, in [0, 1]."""
    fill_side: float
    """Longer side of the subject's box as a share of the frame's side in that direction, in [0, 1]."""
    center_x: float
    """Offset of the subject's box from the frame's centre, in [-0.5, 0.5]; right is positive."""
    center_y: float
    """The same downwards."""
    margin_left: float
    """Distance of the subject's box from the left edge, as a share of the width, in [0, 1]."""
    margin_top: float
    """The same from the top edge, as a share of the height."""
    margin_right: float
    """The same from the right edge, as a share of the width."""
    margin_bottom: float
    """The same from the bottom edge, as a share of the height."""
    sides_touched: int
    """Sides of the frame that the subject touches, 0 to 4; those whose margin is at most one working pixel."""

    @property
    def has_background(self) -> bool:
        """False if the border shows no common ground: a close-up, or clutter everywhere."""
        return self.share >= _LEAST_SHARE


def background(pixels: Pixels) -> Background:
    """Measure the background of one photo.

    Args:
        pixels: Upright sRGB, uint8 of shape (height, width, 3).
    """
    fine = _reduced(pixels, min(FINE_SIDE, max(pixels.shape[:2])))
    lab = srgb_to_lab(_reduced(fine, WORKING_SIDE))
    mask, surface = _region(lab)
    subject = _subject(mask)
    ring = _ring(mask.shape)
    rim = _ring(mask.shape, _RIM)
    smooth = ndimage.gaussian_filter(lab, (1, 1, 0))
    components: dict[str, Any] = {
        # The subject stays in: what covers much of the border may be clutter taken for a subject.
        "fine_texture": _fine_texture(fine, rim),
        "texture": _texture(smooth, rim | _inside(mask)),
        "lines": _lines(smooth[:, :, 0], _judged(_ring(mask.shape, _ZONE), subject)),
    }
    own = np.median(surface[mask], axis=0) if mask.any() else np.median(lab.reshape(-1, 3), axis=0)
    spread = surface[mask].max(axis=0) - surface[mask].min(axis=0) if mask.any() else np.zeros(3)
    off = delta_e(lab, surface)
    return Background(
        cleanliness=cleanliness(**components),
        share=float(mask.mean()),
        border_share=float(mask[ring].mean()),
        purity=float((off[_judged(ring, subject)] < _PURE).mean()),
        uniformity=float(np.median(off[mask])) if mask.any() else float(np.median(off)),
        **components,
        clutter=_clutter(mask, subject),
        unevenness=float(np.linalg.norm(spread)),
        whiteness=float(delta_e(own, np.array([100.0, 0.0, 0.0], dtype=np.float32))),
        color=hex_color(own),
        subject_color=_dominant(lab, subject),
        **_framing(subject),
    )


def background_mask(pixels: Pixels) -> Mask:
    """Which pixels are background: bool of the working size (long side 192, aspect ratio kept)."""
    fine = _reduced(pixels, min(FINE_SIDE, max(pixels.shape[:2])))
    return _region(srgb_to_lab(_reduced(fine, WORKING_SIDE)))[0]


def cleanliness(*, fine_texture: float, texture: float, lines: float) -> float:
    """Cleanliness in [0, 1] from a background's components; falls with each of them.

    A logistic fit to photos labelled by eye and to iconic and shelf pictures; `benchmarks/background_auc.py` prints
    what it is worth. The tenth that is added keeps the logarithm of a perfectly flat ground finite.
    """
    logit = (
        _WEIGHTS["fine_texture"] * math.log(fine_texture + 0.1)
        + _WEIGHTS["texture"] * math.log(texture + 0.1)
        + _WEIGHTS["lines"] * lines
        + _WEIGHTS["one"]
    )
    return 1 / (1 + math.exp(-logit))


def _reduced(pixels: Pixels, side: int) -> Pixels:
    """The picture at a long side of `side` pixels."""
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))


def _ring(shape: tuple[int, int], part: float = _RING) -> Mask:
    width = max(2, round(part * min(shape)))
    ring = np.ones(shape, dtype=bool)
    ring[width:-width, width:-width] = False
    return ring


def _region(lab: Lab) -> tuple[Mask, Lab]:
    """The background's mask and its smooth surface, float32 of the shape of `lab`.

    Starts from the colour that most of the border ring shares, then in turn fits a quadratic surface to the background
    found so far and takes in what is near it and connected to the border.
    """
    ring = _ring(lab.shape[:2])
    own = _mode(lab[ring])
    surface = np.broadcast_to(own, lab.shape)
    basis = _basis(lab.shape[:2])
    mask = np.zeros(lab.shape[:2], dtype=bool)
    for _ in range(_FITS):
        # Three planes added up are several times as fast as a sum over an axis of length three.
        off = (lab - surface) ** 2
        near = off[:, :, 0] + off[:, :, 1] + off[:, :, 2] < _TOLERANCE**2
        mask = _border_connected(near)
        if mask.mean() < _LEAST_SHARE:
            break
        surface = _fit(lab, mask, basis)
    return mask, surface.astype(np.float32)


def _mode(colors: Lab) -> Lab:
    """The colour that most of the pixels are near: mean shift with a ball of ΔE 12 from the densest of coarse cells."""
    # Cells of ΔE 10, numbered by digits of base 32: Lab spans fewer than 32 cells in each direction.
    cells = (np.floor(colors / 10).astype(np.int64) + 12) @ np.array([1024, 32, 1])
    mode: Lab = colors[cells == np.bincount(cells).argmax()].mean(axis=0)
    for _ in range(5):
        off = colors - mode
        mode = colors[np.einsum("ij,ij->i", off, off) < 144].mean(axis=0)
    return mode


def _basis(shape: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Quadratic polynomials of position in [-1, 1]²; shape (height, width, 6)."""
    y, x = np.meshgrid(np.linspace(-1, 1, shape[0]), np.linspace(-1, 1, shape[1]), indexing="ij")
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=2).astype(np.float32)


def _fit(lab: Lab, mask: Mask, basis: npt.NDArray[np.float32]) -> Lab:
    """Ridge fit of the surface; the ridge keeps it from swinging where there is no background."""
    # Every other row and column: the surface has six numbers a channel, and thousands of pixels speak for them.
    chosen = mask[::2, ::2]
    if chosen.sum() < 64:
        return np.broadcast_to(np.median(lab[mask], axis=0), lab.shape).astype(np.float32)
    inside = basis[::2, ::2][chosen]
    ridge = np.diag([0.0, *([0.02 * len(inside)] * 5)]).astype(np.float32)
    weights = np.linalg.solve(inside.T @ inside + ridge, inside.T @ lab[::2, ::2][chosen])
    return np.asarray(basis @ weights, dtype=np.float32)


def _border_connected(near: Mask) -> Mask:
    labels, _ = ndimage.label(near)
    edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    touching = np.unique(edge[edge > 0])
    return np.asarray(np.isin(labels, touching), dtype=bool)


def _subject(mask: Mask) -> Mask:
    """The main thing in front of the background: the component with most pixels, central ones counting more."""
    labels, count = ndimage.label(ndimage.binary_opening(~mask, iterations=1))
    if count == 0:
        return np.zeros_like(mask)
    y, x = np.meshgrid(np.linspace(-1, 1, mask.shape[0]), np.linspace(-1, 1, mask.shape[1]), indexing="ij")
    weight = np.exp(-2 * (x * x + y * y)) + 0.05
    sums = ndimage.sum_labels(weight, labels, np.arange(1, count + 1))
    return np.asarray(ndimage.binary_fill_holes(labels == 1 + int(np.argmax(sums))), dtype=bool)


def _inside(mask: Mask) -> Mask:
    """The background two pixels off its rim, so that the product's own edge is no texture of the background."""
    return np.asarray(ndimage.binary_erosion(mask, iterations=2, border_value=1), dtype=bool)


def _judged(where: Mask, subject: Mask) -> Mask:
    """`where` without the subject; the border ring if the subject covers nearly all of it."""
    left: Mask = np.asarray(where & ~ndimage.binary_dilation(subject, iterations=3), dtype=bool)
    if left.mean() > 0.005:
        return left
    ring = _ring(where.shape)
    return ring if ring.any() else np.ones_like(where)


def _texture(smooth: Lab, where: Mask) -> float:
    """Median |G₁ * Lab - G₂ * Lab| in ΔE; `smooth` is G₁ * Lab, and a further √3 makes G₂ of it."""
    coarse = ndimage.gaussian_filter(smooth, (math.sqrt(3), math.sqrt(3), 0))
    return float(np.median(delta_e(smooth[where], coarse[where])))


def _fine_texture(fine: Pixels, where: Mask) -> float:
    """Mean |L - G₁ * L|: carpets, grain, printed patterns, seams."""
    light = lightness(fine)
    detail: npt.NDArray[np.float32] = np.abs(np.asarray(light - ndimage.gaussian_filter(light, 1.0), dtype=np.float32))
    return float(detail[_enlarged(where, light.shape)].mean())


def _lines(light: npt.NDArray[np.float32], where: Mask) -> float:
    """|Σ m exp(4iθ)| / Σ m over gradients of magnitude m and angle θ.

    The factor of four makes opposite and perpendicular directions one, so that a grid counts like parallel planks. What
    lies on a plain ground, folds of a sheet for one, has edges of all directions, which cancel.
    """
    down, right = (np.asarray(slope)[where] for slope in np.gradient(light))
    strength = np.hypot(down, right)
    weight = np.minimum(strength, _STRONG)
    # (x + iy)² = m² exp(2iθ), and squared again exp(4iθ): cheaper than an angle and its cosine.
    unit = ((right + 1j * down) / np.maximum(strength, 1e-6)) ** 4
    return float(abs((weight * unit).sum()) / (weight.sum() + _FAINT * len(weight)))


def _enlarged(mask: Mask, shape: tuple[int, int]) -> Mask:
    """Nearest neighbours of a mask at another size."""
    rows = (np.arange(shape[0]) * mask.shape[0]) // shape[0]
    columns = (np.arange(shape[1]) * mask.shape[1]) // shape[1]
    return np.asarray(mask[rows[:, None], columns], dtype=bool)


def _clutter(mask: Mask, subject: Mask) -> float:
    """Share of the frame's outer quarter that is neither background nor subject."""
    near = np.ones_like(mask)
    margin = [max(1, round(0.067 * side)) for side in mask.shape]
    near[margin[0] : -margin[0], margin[1] : -margin[1]] = False
    other = near & ~mask & ~ndimage.binary_dilation(subject, iterations=2)
    return float(other.sum() / near.sum())


def _dominant(lab: Lab, subject: Mask) -> str:
    """Mode of the subject's colours, its rim left out."""
    inner = ndimage.binary_erosion(subject, iterations=2)
    chosen = lab[inner if inner.sum() >= 16 else subject]
    chosen = chosen[:: max(1, len(chosen) // 4000)]
    return hex_color(_mode(chosen)) if len(chosen) else ""


def _framing(subject: Mask) -> dict[str, Any]:
    height, width = subject.shape
    if not subject.any():
        names = ("fill", "fill_side", "center_x", "center_y", "sides_touched")
        return dict.fromkeys(names, 0) | {f"margin_{side}": 0.5 for side in ("left", "top", "right", "bottom")}
    rows, columns = np.flatnonzero(subject.any(axis=1)), np.flatnonzero(subject.any(axis=0))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    touched = (top <= 1, bottom >= height - 1, left <= 1, right >= width - 1)
    return {
        "fill": float(subject.mean()),
        "fill_side": float(max((bottom - top) / height, (right - left) / width)),
        "center_x": float((left + right) / 2 / width - 0.5),
        "center_y": float((top + bottom) / 2 / height - 0.5),
        "margin_left": float(left / width),
        "margin_top": float(top / height),
        "margin_right": float(1 - right / width),
        "margin_bottom": float(1 - bottom / height),
        "sides_touched": int(sum(touched)),
    }
