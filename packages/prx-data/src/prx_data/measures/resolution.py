"""Whether a picture holds the detail that its size promises: upscaled pictures have no high frequencies."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy import fft

from prx_data.picture import GreyPixels, Picture

TILE = 128
_TILES = 6
_LEAST_TILE = 48
_FLOOR = 0.05
_REFERENCE = (0.12, 0.3)


def effective_resolution(picture: Picture) -> float | None:
    """The share of the nominal resolution, per side, up to which the picture holds detail, in [0, 1]; 1 is all of it.

    A picture enlarged s times holds detail up to 1/s. Natural pictures have a power spectrum of about 1/f² (Field 1987,
    "Relations between the statistics of natural images"), so f² times the power is level; it is taken along rows and
    columns of the most detailed tiles, and the answer is the frequency from which on it stays below a part of its level
    at low frequencies. None for a picture whose shorter side has less than 48 pixels, or that shows nothing.
    """
    tiles = _detailed_tiles(picture)
    if not len(tiles):
        return None
    return max(_cutoff(_spectrum(tiles)), _cutoff(_spectrum(tiles.transpose(0, 2, 1))))


def _detailed_tiles(picture: Picture) -> npt.NDArray[np.float32]:
    """The tiles of the full-size luma with the strongest gradients; shape (n, side, side)."""
    width, height = picture.image.size
    side = min(TILE, width, height)
    if side < _LEAST_TILE:
        return np.empty((0, side, side), dtype=np.float32)
    columns, rows = width // side, height // side
    left, top = (width - columns * side) // 2, (height - rows * side) // 2
    energy = _energy(picture, rows, columns)
    chosen = np.argsort(-energy.ravel(), kind="stable")[:_TILES]
    tiles = []
    for row, column in zip(*np.unravel_index(chosen, energy.shape), strict=True):
        x, y = left + int(column) * side, top + int(row) * side
        tiles.append(np.asarray(picture.image.crop((x, y, x + side, y + side)).convert("L"), dtype=np.float32))
    found = np.stack(tiles)
    return found[found.std(axis=(1, 2)) > 2]


def _energy(picture: Picture, rows: int, columns: int) -> npt.NDArray[np.float64]:
    """How much changes within each of rows x columns parts, from a small picture."""
    grey: GreyPixels = picture.grey(512)
    change = np.abs(np.diff(grey.astype(np.int16), axis=1))
    down = np.arange(rows) * grey.shape[0] // rows
    right = np.arange(columns) * change.shape[1] // columns
    return np.asarray(np.add.reduceat(np.add.reduceat(change, down, axis=0, dtype=np.int64), right, axis=1), dtype=np.float64)


def _spectrum(tiles: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    side = tiles.shape[2]
    window = np.hanning(side).astype(np.float32)
    power = np.abs(fft.rfft((tiles - tiles.mean(axis=2, keepdims=True)) * window, axis=2)) ** 2
    # The strongest rows of each tile speak for it.
    return np.asarray(power.mean(axis=(0, 1)), dtype=np.float32)


def _cutoff(power: npt.NDArray[np.float32]) -> float:
    frequency = np.linspace(0, 0.5, len(power))
    level = power * frequency**2
    smooth = np.convolve(np.log(level[1:] + 1e-6), np.ones(5) / 5, mode="same")
    f = frequency[1:]
    reference = np.median(smooth[(f >= _REFERENCE[0] / 2) & (f <= _REFERENCE[1] / 2)])
    above = np.flatnonzero(smooth > reference + np.log(_FLOOR))
    return float(2 * f[above[-1]]) if len(above) else 0.0


@dataclass(frozen=True, kw_only=True)
class Resolution:
    name: str = "resolution"
    version: str = "1"

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([("effective_resolution", pa.float32())])

    def __call__(self, picture: Picture) -> Mapping[str, Any]:
        return {"effective_resolution": effective_resolution(picture)}
