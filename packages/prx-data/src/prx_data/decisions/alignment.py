"""Where one small picture lies in another, given about where: Gauss-Newton on stored thumbnails."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


def box_matrix(side: int, starts: npt.ArrayLike, shares: npt.ArrayLike, cells: int) -> Floats:
    """Box averages of `side` cells over intervals cut into `cells`; shape (intervals * cells, side)."""
    rows = []
    for start, share in zip(np.atleast_1d(starts), np.atleast_1d(shares), strict=True):
        edges = (start + share * np.arange(cells + 1) / cells) * side
        low = np.maximum(edges[:-1, None], np.arange(side))
        high = np.minimum(edges[1:, None], np.arange(side) + 1)
        rows.append(np.maximum(high - low, 0) / (edges[1] - edges[0]))
    return np.concatenate(rows).astype(np.float32)


def refine_windows(outer: Floats, inner: Floats, windows: Floats, rounds: int) -> Floats:
    """Improve windows by Gauss-Newton on the squared difference of lightness, with free gain and offset.

    Args:
        outer: Lightness of pictures stretched to a square, shape (p, side, side).
        inner: What is to be found in each.
        windows: Where about: (left, top, width, height) in shares of the outer picture, shape (p, 4).
        rounds: Steps, each of at most a twentieth of a side.
    """
    side = outer.shape[1]
    centre = (np.arange(side, dtype=np.float32) + 0.5) / side
    right, down = np.gradient(outer, axis=2) * side, np.gradient(outer, axis=1) * side
    planes = np.stack([outer, right, down], axis=1)
    design = np.empty((len(outer), 6, side, side), dtype=np.float32)
    params = windows.copy()
    for _ in range(rounds):
        seen, inside = sample(planes, params)
        design[:, 0], design[:, 1], design[:, 4] = seen[:, 1], seen[:, 2], seen[:, 0]
        design[:, 2], design[:, 3], design[:, 5] = seen[:, 1] * centre, seen[:, 2] * centre[:, None], 1
        design *= inside[:, None]
        steps = design.reshape(len(outer), 6, side * side)
        target = ((inner - seen[:, 0]) * inside).reshape(len(outer), side * side)
        normal = steps @ steps.transpose(0, 2, 1)
        normal += np.eye(6, dtype=np.float32) * (1e-3 * np.einsum("nii->ni", normal)[:, :, None] + 1e-3)
        change = np.linalg.solve(normal, steps @ target[:, :, None])[:, :4, 0]
        params += np.clip(change, -0.05, 0.05).astype(np.float32)
        params[:, 2:] = np.clip(params[:, 2:], 0.55, 1.25)
    return params


def shrink(pictures: Floats, side: int) -> Floats:
    """Box averages: shape (n, size, size) to (n, side, side); `size` is a multiple of `side`."""
    count, size = pictures.shape[:2]
    factor = size // side
    rows = pictures.reshape(count, side, factor, size).mean(axis=2)
    small: Floats = rows.reshape(count, side, side, factor).mean(axis=3)
    return small


def sample(planes: Floats, windows: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Planes of shape (n, ..., side, side) seen through windows (n, 4), bilinearly; and which cells lie in them."""
    side = planes.shape[-1]
    centre = (np.arange(side, dtype=np.float32) + 0.5) / side
    x = windows[:, 0:1] + windows[:, 2:3] * centre
    y = windows[:, 1:2] + windows[:, 3:4] * centre
    rows, columns = _bilinear(y * side - 0.5, side), _bilinear(x * side - 0.5, side)
    between = (slice(None), *(None,) * (planes.ndim - 3))
    seen = np.asarray(rows[between] @ planes @ columns[between].swapaxes(-1, -2), dtype=np.float32)
    edge = 0.5 / side
    inside = ((y > -edge) & (y < 1 + edge))[:, :, None] & ((x > -edge) & (x < 1 + edge))[:, None, :]
    return seen, inside


def _bilinear(at: Floats, side: int) -> Floats:
    """Weights of cells along one axis, shape (n, side, side): each row interpolates at one place."""
    far = np.abs(np.clip(at, 0, side - 1)[:, :, None] - np.arange(side, dtype=np.float32))
    return np.asarray(np.maximum(0, 1 - far), dtype=np.float32)


def correlation(a: Floats, b: Floats, inside: npt.NDArray[np.bool_]) -> Floats:
    """Normalised correlation of pictures of shape (p, side, side) where `inside` holds, in [-1, 1]."""
    count = np.maximum(inside.sum(axis=(1, 2), keepdims=True), 1)
    x = np.where(inside, a - np.where(inside, a, 0).sum(axis=(1, 2), keepdims=True) / count, 0)
    y = np.where(inside, b - np.where(inside, b, 0).sum(axis=(1, 2), keepdims=True) / count, 0)
    power = np.sqrt((x * x).sum(axis=(1, 2)) * (y * y).sum(axis=(1, 2)))
    result: Floats = (x * y).sum(axis=(1, 2)) / np.maximum(power, 1e-6)
    return result
