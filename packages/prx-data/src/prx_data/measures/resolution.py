"""Whether a picture holds the detail that its size promises: upscaled pictures have no high frequencies."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy import fft

from prx_data.picture import GreyPixels, Picture

TILE = 128
_TILES = 4
_LEAST_TILE = 48
# `benchmarks/resolution_auc.py` prints what these are worth.
_REFERENCE = (0.1, 0.2)  # frequencies, as shares of Nyquist's, that even a picture enlarged four times holds
_DROP = 0.16  # part of the level there, below which there is no detail
_SMOOTH = 5  # frequencies


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
    return _cutoff(_spectrum(tiles))


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
    return np.asarray(found[found.std(axis=(1, 2)) > 2])


def _energy(picture: Picture, rows: int, columns: int) -> npt.NDArray[np.float64]:
    """How much changes within each of rows x columns parts, from a small picture."""
    grey: GreyPixels = picture.grey(384)
    change = np.abs(np.diff(grey.astype(np.int16), axis=1))
    down = np.arange(rows) * grey.shape[0] // rows
    right = np.arange(columns) * change.shape[1] // columns
    return np.asarray(
        np.add.reduceat(np.add.reduceat(change, down, axis=0, dtype=np.int64), right, axis=1), dtype=np.float64
    )


def _spectrum(tiles: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Mean power along rows and columns; length side // 2 + 1, from frequency 0 to Nyquist's."""
    side = tiles.shape[2]
    window = np.hanning(side).astype(np.float32)
    centred = tiles - tiles.mean(axis=(1, 2), keepdims=True)
    power = np.zeros(side // 2 + 1)
    for turned in (centred, centred.transpose(0, 2, 1)):
        waves = fft.rfft(turned * window, axis=2)
        power += (waves.real**2 + waves.imag**2).mean(axis=(0, 1), dtype=np.float64)
    return power


def _cutoff(power: npt.NDArray[np.float64]) -> float:
    """The first frequency, as a share of Nyquist's, at which f² times the power is below a part of its level."""
    frequency = np.linspace(0, 1, len(power))[1:]
    level = np.log(power[1:] * frequency**2 + 1e-6)
    smooth = np.convolve(np.pad(level, _SMOOTH // 2, mode="edge"), np.ones(_SMOOTH) / _SMOOTH, mode="valid")
    reference = np.median(smooth[(frequency >= _REFERENCE[0]) & (frequency <= _REFERENCE[1])])
    below = np.flatnonzero((smooth < reference + math.log(_DROP)) & (frequency > _REFERENCE[1]))
    return float(frequency[below[0]]) if len(below) else 1.0


@dataclass(frozen=True, kw_only=True)
class Resolution:
    """`effective_resolution`, a share in [0, 1]; null where it cannot be told."""

    name: str = "resolution"
    version: str = "1"

    @property
    def schema(self) -> pa.Schema:
        """See `effective_resolution`."""
        return pa.schema([("effective_resolution", pa.float32())])

    def __call__(self, picture: Picture) -> Mapping[str, Any]:
        """See `effective_resolution`."""
        return {"effective_resolution": effective_resolution(picture)}
