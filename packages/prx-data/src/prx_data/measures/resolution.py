"""Whether a picture holds the detail that its size promises: upscaled pictures have no high frequencies."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from prx_data.picture import GreyPixels, Picture

TILE = 128
_TILES = 4
_LEAST_TILE = 48
_LEAST_DEVIATION = 2.0  # grey levels
_ENERGY_SIDE = 384
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
    """The tiles of the full-size luma with the strongest gradients, each of mean 0; shape (n, side, side)."""
    height, width = picture.pixels.shape[:2]
    side = min(TILE, width, height)
    if side < _LEAST_TILE:
        return np.empty((0, side, side), dtype=np.float32)
    columns, rows = width // side, height // side
    left, top = (width - columns * side) // 2, (height - rows * side) // 2
    energy = _energy(picture.grey(_ENERGY_SIDE), rows, columns)
    chosen = np.argsort(-energy.ravel(), kind="stable")[:_TILES]
    tiles = []
    for row, column in zip(*np.unravel_index(chosen, energy.shape), strict=True):
        x, y = left + int(column) * side, top + int(row) * side
        tile = cv2.cvtColor(picture.pixels[y : y + side, x : x + side], cv2.COLOR_RGB2GRAY)
        mean, deviation = cv2.meanStdDev(tile)
        if deviation[0, 0] > _LEAST_DEVIATION:
            tiles.append(tile.astype(np.float32) - np.float32(mean[0, 0]))
    return np.stack(tiles) if tiles else np.empty((0, side, side), dtype=np.float32)


def _energy(grey: GreyPixels, rows: int, columns: int) -> npt.NDArray[np.int32]:
    """How much changes from left to right within each of rows x columns parts."""
    sums = cv2.integral(cv2.absdiff(grey[:, 1:], grey[:, :-1]))
    down = np.arange(rows + 1) * (sums.shape[0] - 1) // rows
    right = np.arange(columns + 1) * (sums.shape[1] - 1) // columns
    return np.asarray(np.diff(np.diff(sums[np.ix_(down, right)], axis=0), axis=1))


def _spectrum(tiles: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Mean power along rows and columns; length side // 2 + 1, from frequency 0 to Nyquist's."""
    side = tiles.shape[2]
    window = _window(side)
    # Neighbouring lines are much alike: every fourth one tells as much.
    rows = np.concatenate([tiles[:, ::4], tiles.transpose(0, 2, 1)[:, ::4]]).reshape(-1, side) * window
    # OpenCV packs a row as Re 0, Re 1, Im 1, Re 2, ...; an even one ends with Nyquist's frequency, which is real.
    waves = cv2.dft(rows, flags=cv2.DFT_ROWS)
    packed = np.einsum("ij,ij->j", waves, waves) / len(rows)
    pairs = np.append(packed[1:], np.zeros(1 - side % 2)).reshape(-1, 2)
    return np.concatenate([packed[:1], pairs.sum(axis=1)])


@lru_cache(maxsize=8)
def _window(side: int) -> npt.NDArray[np.float32]:
    return np.hanning(side).astype(np.float32)


def _cutoff(power: npt.NDArray[np.float64]) -> float:
    """The first frequency, as a share of Nyquist's, at which f² times the power is below a part of its level."""
    frequency = np.arange(1, len(power)) / (len(power) - 1)
    level = np.log(power[1:] * frequency**2 + 1e-6)
    ends = np.repeat(level[[0, -1]], _SMOOTH // 2)
    around = np.concatenate([ends[: _SMOOTH // 2], level, ends[_SMOOTH // 2 :]])
    smooth = np.convolve(around, np.full(_SMOOTH, 1 / _SMOOTH), mode="valid")
    band = np.sort(smooth[(frequency >= _REFERENCE[0]) & (frequency <= _REFERENCE[1])])
    reference = (band[(len(band) - 1) // 2] + band[len(band) // 2]) / 2
    below = (smooth < reference + math.log(_DROP)) & (frequency > _REFERENCE[1])
    return float(frequency[np.argmax(below)]) if below.any() else 1.0


@dataclass(frozen=True, kw_only=True)
class Resolution:
    """`effective_resolution`, a share in [0, 1]; null where it cannot be told, as of a picture that is not whole."""

    name: str = "resolution"
    version: str = "3"

    @property
    def schema(self) -> pa.Schema:
        """See `effective_resolution`."""
        return pa.schema([("effective_resolution", pa.float32())])

    def __call__(self, picture: Picture) -> Mapping[str, Any]:
        """See `effective_resolution`."""
        return {"effective_resolution": effective_resolution(picture) if picture.whole else None}
