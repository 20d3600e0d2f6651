"""Where one small picture lies in another: an exhaustive coarse search, then Gauss-Newton; on stored thumbnails."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Index = npt.NDArray[np.int64]

_SHARES = (1.0, 0.94, 0.88, 0.82, 0.76, 0.7)
"""Sides of the coarse windows as shares of the outer picture's; between them they are a step apart."""
_STEP = 0.06
_COARSE = 8
_FINE = 32
_ROUNDS = 12
_LAST_ROUNDS = 4
_ASPECT_TOLERANCE = 0.13
_PAIRS = 512


def _intervals() -> list[tuple[float, float]]:
    found = []
    for share in _SHARES:
        count = round((1 - share) / _STEP)
        found += [(share, (1 - share) * number / max(count, 1)) for number in range(count + 1)]
    return found


_INTERVALS = np.array(_intervals(), dtype=np.float32)  # share, start


def box_matrix(side: int, starts: npt.ArrayLike, shares: npt.ArrayLike, cells: int) -> Floats:
    """Box averages of `side` cells over intervals cut into `cells`; shape (intervals * cells, side)."""
    rows = []
    for start, share in zip(np.atleast_1d(starts), np.atleast_1d(shares), strict=True):
        edges = (start + share * np.arange(cells + 1) / cells) * side
        low = np.maximum(edges[:-1, None], np.arange(side))
        high = np.minimum(edges[1:, None], np.arange(side) + 1)
        rows.append(np.maximum(high - low, 0) / (edges[1] - edges[0]))
    return np.concatenate(rows).astype(np.float32)


def coarse_windows(outer: Floats, inner: Floats, left: Index, right: Index, stretch: Floats) -> tuple[Floats, Floats]:
    """The window of each outer picture that looks most like the inner one, of some hundred.

    Args:
        outer: Lightness of pictures stretched to a square, shape (n, side, side).
        inner: The same of shape (k, side, side).
        left: Positions of the pairs' outer pictures, ascending; shape (p,).
        right: Positions of their inner ones.
        stretch: (width / height of the inner picture) / (width / height of the outer), shape (p,): a window as wide as
            this many times its height, in shares, has the inner picture's proportions.

    Returns:
        Windows as (left, top, width, height) in shares of the outer picture, shape (p, 4); and their normalised
        correlation with the inner picture at 8x8 cells, in [-1, 1].
    """
    windows = np.empty((len(left), 4), dtype=np.float32)
    fits = np.empty(len(left), dtype=np.float32)
    matrix = box_matrix(outer.shape[1], _INTERVALS[:, 1], _INTERVALS[:, 0], _COARSE)
    targets = _normalised(shrink(inner, _COARSE).reshape(len(inner), _COARSE * _COARSE))
    for start in range(0, len(left), _PAIRS):
        part = slice(start, start + _PAIRS)
        pictures, which = np.unique(left[part], return_inverse=True)
        seen = _all_windows(outer[pictures], matrix)
        for picture in range(len(pictures)):
            pairs = np.flatnonzero(which == picture) + start
            fit = (targets[right[pairs]] @ seen[picture].T).reshape(len(pairs), len(_INTERVALS), -1)
            windows[pairs], fits[pairs] = _best_window(fit, stretch[pairs])
    return windows, fits


def _all_windows(outer: Floats, matrix: Floats) -> Floats:
    """Every window of every picture at 8x8 cells, normalised: shape (n, intervals², 64)."""
    count, k = len(outer), len(_INTERVALS)
    every = np.asarray(matrix @ outer @ matrix.T, dtype=np.float32)
    seen = every.reshape(count, k, _COARSE, k, _COARSE).transpose(0, 1, 3, 2, 4)
    return _normalised(seen.reshape(count, k * k, _COARSE * _COARSE))


def _normalised(vectors: Floats) -> Floats:
    centred = vectors - vectors.mean(axis=-1, keepdims=True)
    result: Floats = centred / (np.linalg.norm(centred, axis=-1, keepdims=True) + 1e-3)
    return result


def _best_window(fit: Floats, stretch: Floats) -> tuple[Floats, Floats]:
    """The best of all windows of about the right proportions; `fit` has shape (p, rows, columns)."""
    shares = np.log(_INTERVALS[:, 0])
    off = np.abs(shares[None, None, :] - shares[None, :, None] - np.log(stretch)[:, None, None])
    fit[off > np.maximum(_ASPECT_TOLERANCE, off.min(axis=(1, 2), keepdims=True) + 1e-6)] = -1
    flat = fit.reshape(len(fit), -1)
    best = flat.argmax(axis=1)
    y, x = _INTERVALS[best // len(_INTERVALS)], _INTERVALS[best % len(_INTERVALS)]
    return np.stack([x[:, 1], y[:, 1], x[:, 0], y[:, 0]], axis=1), flat[np.arange(len(flat)), best]


def refine_windows(outer: Floats, inner: Floats, windows: Floats) -> Floats:
    """Improve windows to a fraction of a cell; `outer` and `inner` have shape (p, side, side), one for each window."""
    windows = _refine(shrink(outer, _FINE), shrink(inner, _FINE), windows, _ROUNDS)
    return _refine(outer, inner, windows, _LAST_ROUNDS)


def shrink(pictures: Floats, side: int) -> Floats:
    """Box averages: shape (n, size, size) to (n, side, side); `size` is a multiple of `side`."""
    count, size = pictures.shape[:2]
    factor = size // side
    small: Floats = pictures.reshape(count, side, factor, side, factor).mean(axis=(2, 4))
    return small


def sample(outer: npt.NDArray[np.float32], params: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """The outer pictures (n, side, side, ...) seen through windows, bilinearly; and which cells lie in them."""
    side = outer.shape[1]
    centre = (np.arange(side, dtype=np.float32) + 0.5) / side
    x = params[:, 0:1] + params[:, 2:3] * centre
    y = params[:, 1:2] + params[:, 3:4] * centre
    rows = _bilinear(y * side - 0.5, side)
    columns = _bilinear(x * side - 0.5, side)
    if outer.ndim == 3:
        seen = rows @ outer @ columns.transpose(0, 2, 1)
    else:
        seen = np.stack([rows @ outer[..., c] @ columns.transpose(0, 2, 1) for c in range(outer.shape[3])], axis=3)
    edge = 0.5 / side
    inside = ((y > -edge) & (y < 1 + edge))[:, :, None] & ((x > -edge) & (x < 1 + edge))[:, None, :]
    return np.asarray(seen, dtype=np.float32), inside


def _bilinear(at: Floats, side: int) -> Floats:
    """Weights of cells along one axis, shape (n, side, side): each row interpolates at one place."""
    far = np.abs(np.clip(at, 0, side - 1)[:, :, None] - np.arange(side, dtype=np.float32))
    return np.asarray(np.maximum(0, 1 - far), dtype=np.float32)


def _refine(outer: Floats, inner: Floats, params: Floats, rounds: int) -> Floats:
    """Gauss-Newton on the squared difference of lightness, with free gain and offset."""
    side = outer.shape[1]
    centre = (np.arange(side, dtype=np.float32) + 0.5) / side
    down, right = np.gradient(outer, axis=1) * side, np.gradient(outer, axis=2) * side
    params = params.copy()
    for _ in range(rounds):
        seen, inside = sample(outer, params)
        gx, _ = sample(right, params)
        gy, _ = sample(down, params)
        weight = inside.astype(np.float32)
        steps = np.stack([gx, gy, gx * centre, gy * centre[:, None], seen, np.ones_like(seen)], axis=1)
        design = (steps * weight[:, None]).reshape(len(outer), 6, side * side)
        target = ((inner - seen) * weight).reshape(len(outer), side * side)
        normal = design @ design.transpose(0, 2, 1)
        normal += np.eye(6, dtype=np.float32) * (1e-3 * np.einsum("nii->ni", normal)[:, :, None] + 1e-3)
        change = np.linalg.solve(normal, (design @ target[:, :, None]))[:, :4, 0]
        params += np.clip(change, -0.05, 0.05)
        params[:, 2:] = np.clip(params[:, 2:], 0.55, 1.25)
    return params


def correlation(a: Floats, b: Floats, inside: npt.NDArray[np.bool_]) -> Floats:
    """Normalised correlation of pictures of shape (p, side, side) where `inside` holds, in [-1, 1]."""
    count = np.maximum(inside.sum(axis=(1, 2), keepdims=True), 1)
    x = np.where(inside, a - np.where(inside, a, 0).sum(axis=(1, 2), keepdims=True) / count, 0)
    y = np.where(inside, b - np.where(inside, b, 0).sum(axis=(1, 2), keepdims=True) / count, 0)
    power = np.sqrt((x * x).sum(axis=(1, 2)) * (y * y).sum(axis=(1, 2)))
    result: Floats = (x * y).sum(axis=(1, 2)) / np.maximum(power, 1e-6)
    return result
