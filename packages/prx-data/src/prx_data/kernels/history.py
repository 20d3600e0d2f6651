"""Traces of a JPEG's blocks in pixels: where their edges are, and which steps their coefficients keep to."""

import numpy as np
import numpy.typing as npt

from prx_data.kernels.compiled import kernel

Tiles = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Counts = npt.NDArray[np.int32]
Grids = npt.NDArray[np.int64]

BLOCK = 8
SIZES = 256
"""Of a coefficient, from 0; larger ones are left out."""
PLACES = ((0, 1), (0, 2), (0, 3), (1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (3, 0))
"""(v, u) of the coefficients that are looked at."""
LEAST_FIT = 0.35
"""Mean of cos(2π c / step) over the coefficients c, from which on they keep to multiples of the steps.

It is 1 for exact multiples and about 0 for what was not quantised on these blocks. On phone and studio photos it was
0.6 to 0.99 for one compression, also below a second of quality 90 and more, and up to 0.19 for none.
"""

_LEAST_COUNT = 200  # coefficients that are not rounded to nothing
_COUNTED = 2  # tiles: of 128 pixels these are 450 blocks or more
_CLIP = 4  # grey levels: an edge of a block counts no more than that, so that edges of what is shown do not
_FREQUENCIES = 4
_BASIS = (
    np.cos(np.pi * np.arange(_FREQUENCIES)[:, None] * (np.arange(BLOCK) + 0.5) / BLOCK)
    * np.where(np.arange(_FREQUENCIES)[:, None], 0.5, np.sqrt(1 / 8))
).astype(np.float32)  # the orthonormal DCT-II


@kernel("UniTuple(int64, 2)(uint8[:, :, ::1])")
def grid(tiles: Tiles) -> tuple[int, int]:
    """Where blocks begin, top and left, each in [0, 8): where steps between lines stand out from those beside them."""
    number, side = tiles.shape[:2]
    rows, columns = np.zeros(side, dtype=np.int64), np.zeros(side, dtype=np.int32)
    steps = np.empty((3, side), dtype=np.int16)
    for one in range(number):
        for y in range(side):
            here = tiles[one, y]
            across = steps[0]
            for x in range(side - 1):
                across[x] = abs(np.int16(here[x + 1]) - np.int16(here[x]))
            for x in range(1, side - 2):
                out = 2 * across[x] - across[x - 1] - across[x + 1]
                columns[x] += np.int32(min(max(out, -_CLIP), _CLIP))
        # Three rows of steps are held: the last one that is known, and those above it.
        for y in range(side - 1):
            here, below, down = tiles[one, y], tiles[one, y + 1], steps[y % 3]
            for x in range(side):
                down[x] = abs(np.int16(below[x]) - np.int16(here[x]))
            if y < 2:
                continue
            above, middle, total = steps[(y - 2) % 3], steps[(y - 1) % 3], np.int32(0)
            for x in range(side):
                out = 2 * middle[x] - above[x] - down[x]
                total = np.int32(total + np.int32(min(max(out, -_CLIP), _CLIP)))
            rows[y - 1] += total
    return _strongest(rows), _strongest(columns.astype(np.int64))


@kernel("int64(int64[::1])")
def _strongest(lines: Grids) -> int:
    """Of the eight places where blocks may begin, that before which lines change most; line k changes to line k + 1."""
    best, most = 0, -np.inf
    for place in range(BLOCK):
        total, number = 0, 0
        for line in range(1, len(lines) - 2):
            if (line + 1) % BLOCK == place:
                total, number = total + lines[line], number + 1
        mean = total / number
        if mean > most:
            best, most = place, mean
    return best


@kernel("void(uint8[:, :, ::1], int64, int64, int32[:, ::1])")
def sizes(tiles: Tiles, top: int, left: int, counts: Counts) -> None:
    """How often each coefficient has each size, of the blocks from a place in the tiles on.

    Args:
        tiles: Luma, shape (n, side, side).
        top: Row of the first block.
        left: Its column.
        counts: Written to; shape (places, sizes). A size of 0 counts what is too large too.
    """
    number, side = tiles.shape[:2]
    down, across = (side - top) // BLOCK, (side - left) // BLOCK
    columns = np.empty((_FREQUENCIES, across * BLOCK), dtype=np.float32)
    counts[:] = 0
    for one in range(number):
        for row in range(down):
            columns[:] = 0
            for y in range(BLOCK):
                line = tiles[one, top + row * BLOCK + y, left : left + across * BLOCK]
                for v in range(_FREQUENCIES):
                    weight, sums = _BASIS[v, y], columns[v]
                    for x in range(len(line)):
                        sums[x] += weight * np.float32(line[x])
            for place in range(len(PLACES)):
                v, u = PLACES[place]
                for block in range(across):
                    total = np.float32(0)
                    for x in range(BLOCK):
                        total += _BASIS[u, x] * columns[v, block * BLOCK + x]
                    size = np.int64(np.rint(abs(total)))
                    counts[place, size if size < SIZES else 0] += 1


@kernel("int64(uint8[:, :, ::1], int64[:, ::1], float32[:, :, ::1], int64[:, ::1])")
def coarsest(tiles: Tiles, grids: Grids, cosines: Floats, first: Grids) -> int:
    """The first of some qualities whose steps the coefficients keep to, of the coarsest compression; -1 for none.

    Args:
        tiles: Luma, shape (n, side, side), of which the first two are looked at.
        grids: Where blocks may begin, (top, left); shape (grids, 2).
        cosines: cos(2π size / step), 0 where it is not looked at; shape (places, sizes, qualities).
        first: From which size on it is, or the number of sizes; shape (places, qualities).
    """
    places, qualities, found = len(first), first.shape[1], -1
    counts, beyond = np.empty((places, SIZES), dtype=np.int32), np.zeros(SIZES + 1, dtype=np.int64)
    fit, number = np.empty(qualities, dtype=np.float32), np.empty(qualities, dtype=np.int64)
    for one in range(len(grids)):
        sizes(tiles[:_COUNTED], grids[one, 0], grids[one, 1], counts)
        fit[:], number[:] = 0, 0
        for place in range(places):
            for size in range(SIZES - 1, 0, -1):
                count = counts[place, size]
                beyond[size] = beyond[size + 1] + count
                if count:
                    times, cosine = np.float32(count), cosines[place, size]
                    for quality in range(qualities):
                        fit[quality] += times * cosine[quality]
            for quality in range(qualities):
                number[quality] += beyond[first[place, quality]]
        best, most = -1, np.float32(LEAST_FIT)
        for quality in range(qualities):
            mean = fit[quality] / np.float32(max(number[quality], 1))
            if number[quality] >= _LEAST_COUNT and (mean > most or (best < 0 and mean >= most)):
                best, most = quality, mean
        if best >= 0 and (found < 0 or best < found):
            found = best
    return found
