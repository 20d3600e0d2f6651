"""The background measure in whole arrays: slow and obvious, what the compiled kernels are held to.

Pictures in Lab have the shape (height, width, 3) here.
"""

import math

import cv2
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from prx_data.measures.background_maps import ring
from prx_data.measures.color import delta_e

Mask = npt.NDArray[np.bool_]
Lab = npt.NDArray[np.float32]
Floats = npt.NDArray[np.floating]
Grey = npt.NDArray[np.uint8]


def some(mask: Mask, most: int) -> npt.NDArray[np.intp]:
    """Flat places where a mask is True: all, or every nth so that they are fewer than twice `most`."""
    found = np.flatnonzero(mask)
    return found[:: 1 + len(found) // most]


def upper_median(values: Floats) -> float:
    return float(np.sort(values, axis=None)[values.size // 2])


def border_connected(mask: Mask) -> Mask:
    labels, _ = ndimage.label(mask)
    rim = np.ones_like(mask)
    rim[1:-1, 1:-1] = False
    return np.isin(labels, np.setdiff1d(labels[rim], [0]))


def grown(mask: Mask, times: int) -> Mask:
    return np.asarray(ndimage.binary_dilation(mask, iterations=times))


def shrunk(mask: Mask, times: int) -> Mask:
    return np.asarray(ndimage.binary_erosion(mask, iterations=times, border_value=1))


def parts_of(mask: Mask) -> tuple[npt.NDArray[np.int32], Floats]:
    """Numbers of the parts that are not ground, from 1, and what each weighs."""
    labels, count = ndimage.label(grown(shrunk(~mask, 1), 1))
    y, x = (np.linspace(-1, 1, side) if side > 1 else np.array([-1.0]) for side in mask.shape)
    central = (np.exp(-2 * (y[:, None] ** 2 + x[None] ** 2)) + 0.05)[::2, ::2]
    return labels, np.asarray(ndimage.sum_labels(central, labels[::2, ::2], np.arange(1, count + 1)))


def subject_of(mask: Mask) -> Mask:
    labels, sums = parts_of(mask)
    if not len(sums):
        return np.zeros_like(mask)
    return ~border_connected(labels != 1 + int(np.argmax(sums)))


def doubt(off: Floats, strict: float, loose: float) -> float:
    wide, narrow = ~border_connected(off < strict), ~border_connected(off < loose)
    return 1 - float((wide & narrow).sum() / (wide | narrow).sum()) if (wide | narrow).any() else 0.0


def in_shade(lab: Lab, surface: Lab, subject: Mask) -> Mask:
    lab, surface = lab[::2, ::2], surface[::2, ::2]
    ratio = (lab[..., 0] + 16) / np.maximum(surface[..., 0] + 16, 1)
    off = np.linalg.norm(lab[..., 1:] - ratio[..., None] * surface[..., 1:], axis=-1)
    light = np.pad(lab[..., 0], ((0, 1), (0, 1)), mode="edge")
    slope = np.abs(np.diff(light, axis=0)[:, :-1]) + np.abs(np.diff(light, axis=1)[:-1])
    return np.asarray(subject & (ratio > 0.53) & (ratio < 0.98) & (off < 4) & (slope < 3))


def soft_rim(lab: Lab, subject: Mask, mask: Mask) -> float:
    inner = np.zeros_like(mask)
    inner[1:-1, 1:-1] = True
    y, x = np.indices(mask.shape)
    beside = ndimage.binary_dilation(subject & inner, np.ones((3, 3)))
    rim = beside & mask & ~subject & inner & ((x + y) % 2 == 1)

    def span(side: int) -> Floats:
        size = (side, side, 1)
        spans = ndimage.maximum_filter(lab, size) - ndimage.minimum_filter(lab, size)
        return np.asarray(np.square(spans.astype(np.float64)).sum(axis=2))

    return float((span(5) < span(15) / 4)[rim].mean()) if rim.sum() >= 8 else 0.0


def mode(colors: Lab) -> Lab:
    cells = (colors * np.float32(0.1) + np.array([0, 12, 12], dtype=np.float32)).astype(int) @ [576, 24, 1]
    found: Lab = colors[cells == np.bincount(cells).argmax()].mean(axis=0)
    for _ in range(5):
        before, found = found, colors[delta_e(colors, found) < 12].mean(axis=0)
        if np.abs(found - before).max() < 0.3:
            break
    return found


def first_color(half: Lab, grain: Floats) -> tuple[float, Lab]:
    spread = ndimage.maximum_filter(half[..., 0], 3) - ndimage.minimum_filter(half[..., 0], 3)
    outermost = np.concatenate([half[0], half[-1], half[1:-1, 0], half[1:-1, -1]])
    color = mode(outermost)
    same = float((delta_e(outermost, color) < 2).mean())
    if same >= 0.97 and color[0] > 20:
        return same, color
    border = ring((half.shape[0], half.shape[1]), 0.06)
    flat = half[border & (grain < 0.08) & (spread < 1) & (half[..., 0] > 20)]
    share = 0.0
    if len(flat) and len(flat) >= 0.04 * border.sum():
        color = mode(flat)
        share = float((delta_e(flat, color) < 2).sum() / border.sum())
        if share >= 0.04:
            return share, color
    return share, mode(half[ring((half.shape[0], half.shape[1]))])


def ground(lab: Lab, color: Lab) -> tuple[Mask, Lab]:
    """The mask and the surface."""
    y, x = np.meshgrid(*(np.linspace(-1, 1, side) for side in lab.shape[:2]), indexing="ij")
    basis = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=2)
    weights: Floats = np.zeros((6, 3))
    weights[0] = color
    half, half_basis = lab[::2, ::2], basis[::2, ::2]
    mask = np.zeros(half.shape[:2], dtype=bool)
    for _ in range(8):
        before, mask = mask, border_connected(delta_e(half, half_basis @ weights) < 9)
        if mask.mean() < 0.02 or (mask != before).mean() < 0.002:
            break
        places = some(mask, 1000)
        if len(places) >= 64:
            terms, colors = half_basis.reshape(-1, 6)[places], half.reshape(-1, 3)[places]
            ridge = 0.02 * len(places) * np.diag([0, 1, 1, 1, 1, 1])
            weights = np.linalg.solve(terms.T @ terms + ridge, terms.T @ colors)
    surface = (basis @ weights).astype(np.float32)
    return border_connected(delta_e(lab, surface) < 9), surface


def calmest(detail: Floats, subject: Mask, depth: int) -> float:
    border = np.ones(detail.shape, dtype=bool)
    border[depth:-depth, depth:-depth] = False
    height, width = detail.shape
    covered = subject[: 2 * height, : 2 * width].reshape(height, 2, width, 2).sum(axis=(1, 3)) >= 2
    beside = border & ~covered
    found = np.sort(detail[beside if beside.sum() > 0.05 * border.sum() else border])
    return float(found[len(found) // 5])


def mottle(lab: Lab, where: Mask) -> float:
    ab = lab[..., 1:]
    # A window of nine pixels, as OpenCV takes for this standard deviation.
    smooth = np.stack([ndimage.gaussian_filter(ab[..., one], 1, mode="mirror", truncate=4) for one in (0, 1)], axis=-1)
    change = np.hypot(*np.moveaxis(ab - smooth, -1, 0))
    local = ndimage.uniform_filter(change, 9, mode="mirror").ravel()[some(where, 1000)]
    return float(np.sort(local)[len(local) // 10]) if len(local) else 0.0


def directions(light: Grey, where: Mask) -> float:
    places = some(where, 3000)
    if not len(places):
        return 0.0
    slopes = []
    for order in ((1, 0), (0, 1)):
        slope = cv2.Scharr(light, cv2.CV_32F, *order)[::2, ::2]
        fine = (slope - cv2.GaussianBlur(slope, (5, 5), 1.4)).ravel()[places]
        slopes.append(fine.astype(np.float64) * 100 / 255 / 32)
    size = np.hypot(*slopes)
    weight = np.clip(size - 0.15, 0, 6)
    waves = weight * np.exp(4j * np.arctan2(slopes[1], slopes[0]))
    return float(abs(waves.sum()) / (weight.sum() + 0.1 * len(places)))


def halved(values: Floats) -> Floats:
    height, width = values.shape[0] // 2, values.shape[1] // 2
    return np.asarray(values.reshape(height, 2, width, 2, *values.shape[2:]).mean(axis=(1, 3)))


def hues(lab: Lab, subject: Mask, own: Lab, in_front: float) -> float:
    half = halved(lab)
    shaded = half[..., 1:] * 60 / (np.maximum(half[..., :1], 0) + 16)
    off = np.minimum(np.linalg.norm(shaded - own[1:] * 60 / (max(float(own[0]), 0) + 16), axis=-1), 20)
    border = ring((half.shape[0], half.shape[1]), 0.08)
    weight = border * (1 - in_front * (halved(subject.astype(np.float64)) >= 0.5))
    return float((off * weight).sum() / max(float(weight.sum()), 1))


def row_steps(lab: Lab) -> Mask:
    wanted = np.zeros(lab.shape[:2], dtype=bool)
    change = {row: delta_e(lab[row - 1], lab[row + 1]) ** 2 for row in range(1, len(lab) - 1)}
    for row in range(3, len(lab) - 3):
        calm = np.minimum(change[row - 2], change[row + 2])
        wanted[row] = (change[row] > 64) & (change[row] > 4 * calm)
    return wanted


def seam(steps: Mask, mask: Mask) -> float:
    margin = max(2, round(0.15 * len(steps)))
    rows = [row for row in range(margin, len(steps) - margin) if not mask[row - 2 : row + 3, [0, -1]].all()]
    return float(steps[rows].mean(axis=1).max()) if rows else 0.0


def divided(steps: Mask, mask: Mask) -> float:
    margin = max(2, round(0.12 * steps.shape[1]))
    ends = np.minimum(steps[:, :margin].mean(axis=1), steps[:, -margin:].mean(axis=1)) >= 0.7
    edge, found = ring((mask.shape[0], mask.shape[1])), 0
    for row in np.flatnonzero(ends & (steps.mean(axis=1) >= 0.5)):
        for part in (slice(row), slice(row, None)):
            if (mask & edge)[part].sum() < 0.6 * edge[part].sum():
                found = max(found, int(edge[part].sum()))
    return float(found / edge.sum())


def longest_end(mask: Mask) -> float:
    before, after = mask[:-2], mask[2:]
    both = [(before & ~after).mean(axis=1).max(), (after & ~before).mean(axis=1).max()] if len(before) else [0.0]
    return float(max(both))


def straight_end(mask: Mask) -> int:
    other, found = ~mask, 0
    for row in range(len(mask) - 2):
        covered = all(line.mean() >= 0.8 for line in other[: row + 1])
        if covered and row < 0.7 * len(mask) and (other[row] & ~other[row + 2]).mean() >= 0.4:
            found = row + 1
    return found


def surfaces(mask: Mask) -> float:
    found = np.zeros_like(mask)
    for side, covered in ((mask, found), (mask[::-1], found[::-1]), (mask.T, found.T), (mask.T[::-1], found.T[::-1])):
        covered[: straight_end(side)] = True
    return float(found[ring((mask.shape[0], mask.shape[1]))].mean())


def strewn(lab: Floats, outside: Mask, side: int, edge: float, most: float) -> float:
    """`lab` of shape (height, width, 3), `outside` of half of that."""
    outside = outside.repeat(2, axis=0).repeat(2, axis=1)
    changes = np.zeros(outside.shape)
    changes[1:] = np.linalg.norm(np.diff(lab, axis=0), axis=2)
    changes[:, 1:] = np.maximum(changes[:, 1:], np.linalg.norm(np.diff(lab, axis=1), axis=2))
    number = tuple(max(1, length // side) for length in outside.shape)
    shares = []
    for row in range(number[0]):
        for column in range(number[1]):
            cell = tuple(
                slice(one * length // of, (one + 1) * length // of)
                for one, length, of in zip((row, column), outside.shape, number, strict=True)
            )
            if outside[cell].mean() >= 0.5:
                shares.append(min((changes[cell][outside[cell]] > edge).mean(), most))
    return float(sum(shares) / max(len(shares), math.prod(number) / 5))
