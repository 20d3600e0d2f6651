"""Masks of up to a few hundred pixels a side: what the border reaches, growing and shrinking.

A row of a mask is held in words of 64 bits, a pixel a bit, so that one instruction moves 64 pixels.
"""

import numpy as np
import numpy.typing as npt

from prx_data.kernels.compiled import kernel

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]
Bits = npt.NDArray[np.uint64]

_ONE, _LAST = np.uint64(1), np.uint64(63)


@kernel("uint64[:, ::1](Array(boolean, 2, 'A', readonly=True))")
def _packed(mask: Mask) -> Bits:
    height, width = mask.shape
    bits = np.zeros((height, (width + 63) // 64), dtype=np.uint64)
    for y in range(height):
        for word in range(bits.shape[1]):
            some = np.uint64(0)
            for place in range(min(64, width - 64 * word)):
                some |= np.uint64(mask[y, 64 * word + place]) << np.uint64(place)
            bits[y, word] = some
    return bits


@kernel("uint64[:, ::1](float32[:, ::1], float32)")
def _below(values: Floats, limit: float) -> Bits:
    """Where values are below a limit."""
    height, width = values.shape
    bits = np.zeros((height, (width + 63) // 64), dtype=np.uint64)
    for y in range(height):
        for word in range(bits.shape[1]):
            some = np.uint64(0)
            for place in range(min(64, width - 64 * word)):
                some |= np.uint64(values[y, 64 * word + place] < limit) << np.uint64(place)
            bits[y, word] = some
    return bits


@kernel("boolean[:, ::1](uint64[:, ::1], int64)")
def _unpacked(bits: Bits, width: int) -> Mask:
    mask = np.empty((bits.shape[0], width), dtype=np.bool_)
    for y in range(bits.shape[0]):
        for x in range(width):
            mask[y, x] = (bits[y, x >> 6] >> np.uint64(x & 63)) & _ONE
    return mask


@kernel("uint64(uint64, uint64)")
def _filled(seed: np.uint64, free: np.uint64) -> np.uint64:
    """The runs of free bits that hold a seed: towards both ends by 1, 2, 4, ... bits (Kogge and Stone 1973)."""
    up, down, above, below = seed, seed, free, free
    for step in (1, 2, 4, 8, 16, 32):
        shift = np.uint64(step)
        up |= above & (up << shift)
        above &= above << shift
        down |= below & (down >> shift)
        below &= below >> shift
    return up | down


@kernel("boolean(uint64[::1], uint64[::1])")
def _fill_row(row: Bits, free: Bits) -> bool:
    """Fill a row's runs of free bits that hold a set one; whether that set any."""
    changed = False
    words = len(row)
    for word in range(words):
        if row[word]:
            found = _filled(row[word], free[word])
            changed |= found != row[word]
            row[word] = found
        if word + 1 < words:
            row[word + 1] |= (row[word] >> _LAST) & free[word + 1] & _ONE
    for word in range(words - 2, -1, -1):
        entered = ((row[word + 1] & _ONE) << _LAST) & free[word]
        if entered & ~row[word]:
            row[word] = _filled(row[word] | entered, free[word])
            changed = True
    return changed


@kernel("UniTuple(int64, 2)(uint64[:, ::1], uint64[:, ::1], int64, int64)")
def _flood(found: Bits, free: Bits, top: int, bottom: int) -> tuple[int, int]:
    """Add to what is found all free bits that are 4-connected to it: sweeps down and up until nothing changes.

    Args:
        found: Runs of free bits, filled to their ends; written to.
        free: Of the same shape.
        top: The first row that holds any that are found.
        bottom: The last one.

    Returns:
        The same two afterwards.
    """
    height, words = free.shape
    changed = True
    while changed:
        changed = False
        for way in (1, -1):
            y = top + 1 if way == 1 else bottom - 1
            while 0 <= y < height and top - 1 <= y <= bottom + 1:
                entered = np.uint64(0)
                for word in range(words):
                    more = found[y - way, word] & free[y, word] & ~found[y, word]
                    found[y, word] |= more
                    entered |= more
                if entered:
                    _fill_row(found[y], free[y])
                    top, bottom, changed = min(top, y), max(bottom, y), True
                y += way
    return top, bottom


@kernel("uint64[:, ::1](uint64[:, ::1], int64)")
def _reached(free: Bits, width: int) -> Bits:
    """The part of free bits that is 4-connected to the frame."""
    height, words = free.shape
    found = np.zeros_like(free)
    last = np.uint64((width - 1) & 63)
    for y in range(height):
        if y == 0 or y == height - 1:
            for word in range(words):
                found[y, word] = free[y, word]
        found[y, 0] |= free[y, 0] & _ONE
        found[y, words - 1] |= free[y, words - 1] & (_ONE << last)
        _fill_row(found[y], free[y])
    _flood(found, free, 0, height - 1)
    return found


@kernel("boolean[:, ::1](Array(boolean, 2, 'A', readonly=True))")
def border_connected(mask: Mask) -> Mask:
    """The part of a mask that is 4-connected to the frame."""
    return _unpacked(_reached(_packed(mask), mask.shape[1]), mask.shape[1])


@kernel("boolean[:, ::1](float32[:, ::1], float32)")
def border_connected_below(values: Floats, limit: float) -> Mask:
    """The part of what lies below a limit that is 4-connected to the frame."""
    return _unpacked(_reached(_below(values, limit), values.shape[1]), values.shape[1])


@kernel("int64(uint64)")
def _ones(word: np.uint64) -> int:
    number = 0
    while word:
        word &= word - _ONE
        number += 1
    return number


@kernel("float64(float32[:, ::1], float32, float32)")
def doubt(off: Floats, strict: float, loose: float) -> float:
    """1 - intersection over union of what the frame does not reach under two limits; 0 if that is nothing."""
    height, width = off.shape
    wide, narrow = _reached(_below(off, strict), width), _reached(_below(off, loose), width)
    both = either = height * width
    for y in range(height):
        for word in range(wide.shape[1]):
            both -= _ones(wide[y, word] | narrow[y, word])
            either -= _ones(wide[y, word] & narrow[y, word])
    return 1 - both / either if either else 0.0


@kernel("uint64[:, ::1](uint64[:, ::1], int64, int64)")
def _grown(bits: Bits, width: int, times: int) -> Bits:
    """Binary dilation by a cross of five pixels; nothing grows in from outside the frame."""
    height, words = bits.shape
    last = ~np.uint64(0) >> np.uint64(64 * words - width)
    for _ in range(times):
        found = np.empty_like(bits)
        for y in range(height):
            for word in range(words):
                here = bits[y, word]
                more = here | (here << _ONE) | (here >> _ONE)
                if word > 0:
                    more |= bits[y, word - 1] >> _LAST
                if word < words - 1:
                    more |= bits[y, word + 1] << _LAST
                else:
                    more &= last
                if y > 0:
                    more |= bits[y - 1, word]
                if y < height - 1:
                    more |= bits[y + 1, word]
                found[y, word] = more
        bits = found
    return bits


@kernel("uint64[:, ::1](uint64[:, ::1], int64)")
def _others(bits: Bits, width: int) -> Bits:
    """Every pixel that is not set."""
    found = np.empty_like(bits)
    words = bits.shape[1]
    last = ~np.uint64(0) >> np.uint64(64 * words - width)
    for y in range(len(bits)):
        for word in range(words):
            found[y, word] = ~bits[y, word] & (last if word == words - 1 else ~np.uint64(0))
    return found


@kernel("uint64[:, ::1](uint64[:, ::1], int64)")
def _opened(bits: Bits, width: int) -> Bits:
    """Without parts thinner than about two pixels."""
    return _grown(_others(_grown(_others(bits, width), width, 1), width), width, 1)


@kernel("boolean[:, ::1](boolean[:, ::1], boolean[:, ::1], int64)")
def open_ground(mask: Mask, subject: Mask, around: int) -> Mask:
    """Everything but the subject and other things that have a body, with some pixels around them."""
    width = mask.shape[1]
    things, covered = _opened(_others(_packed(mask), width), width), _packed(subject)
    for y in range(things.shape[0]):
        for word in range(things.shape[1]):
            things[y, word] |= covered[y, word]
    return _unpacked(_others(_grown(things, width, around), width), width)


@kernel("boolean[:, ::1](boolean[:, ::1], int64)")
def grown(mask: Mask, times: int) -> Mask:
    """Binary dilation by a cross of five pixels, `times` over; nothing grows in from outside the frame."""
    return _unpacked(_grown(_packed(mask), mask.shape[1], times), mask.shape[1])


@kernel("boolean[:, ::1](boolean[:, ::1], int64)")
def shrunk(mask: Mask, times: int) -> Mask:
    """Binary erosion by the same cross; the frame's edge does not eat into the mask."""
    width = mask.shape[1]
    return _unpacked(_others(_grown(_others(_packed(mask), width), width, times), width), width)


@kernel("float64[::1](int64)")
def _central(side: int) -> npt.NDArray[np.float64]:
    """What a pixel counts by its place along a side, most in the middle."""
    weights = np.empty(side)
    for place in range(side):
        weights[place] = np.exp(-2 * (2 * place / max(side - 1, 1) - 1) ** 2)
    return weights


@kernel("float64(uint64[:, ::1], float64[::1], float64[::1], int64, int64)")
def _weight(
    part: Bits, rows: npt.NDArray[np.float64], columns: npt.NDArray[np.float64], top: int, bottom: int
) -> float:
    """What a part of a mask counts; every other row and column speaks for it."""
    total = 0.0
    for y in range(top + top % 2, bottom + 1, 2):
        row, number = 0.0, 0
        for x in range(0, len(columns), 2):
            if (part[y, x >> 6] >> np.uint64(x & 63)) & _ONE:
                row += columns[x]
                number += 1
        total += rows[y] * row + 0.05 * number
    return total


@kernel("boolean[:, ::1](Array(boolean, 2, 'A', readonly=True))")
def subject_of(mask: Mask) -> Mask:
    """The main thing in front of a background: the part with most pixels, central ones counting more; its holes filled.

    Parts are 4-connected; what is thinner than two pixels is no part of any.
    """
    height, width = mask.shape
    left = _opened(_others(_packed(mask), width), width)
    best, most = np.zeros_like(left), -1.0
    rows, columns = _central(height), _central(width)
    for y in range(height):
        for word in range(left.shape[1]):
            while left[y, word]:
                part = np.zeros_like(left)
                part[y, word] = left[y, word] & (~left[y, word] + _ONE)  # the lowest bit
                _fill_row(part[y], left[y])
                top, bottom = _flood(part, left, y, y)
                for row in range(top, bottom + 1):
                    for one in range(left.shape[1]):
                        left[row, one] &= ~part[row, one]
                weight = _weight(part, rows, columns, top, bottom)
                if weight > most:
                    best, most = part, weight
    # What the frame cannot reach from outside is a hole in it, or it.
    return _unpacked(_others(_reached(_others(best, width), width), width), width)


@kernel("boolean[:, ::1](boolean[:, ::1], float32[:, ::1], float32)")
def with_thin_parts(subject: Mask, off: Floats, strong: float) -> Mask:
    """A subject and what is 4-connected to it by what is farther than a ΔE from the ground: chains, cables, straps."""
    height, width = subject.shape
    found = _packed(subject)
    inside = _others(_below(off, np.nextafter(strong, np.float32(np.inf))), width)
    for y in range(height):
        for word in range(found.shape[1]):
            inside[y, word] |= found[y, word]
        _fill_row(found[y], inside[y])
    _flood(found, inside, 0, height - 1)
    return _unpacked(found, width)


@kernel("Tuple((int64, boolean))(boolean[:, ::1], boolean[:, ::1], float32[:, ::1], float32, float32)")
def apart(mask: Mask, subject: Mask, off: Floats, seen: float, peak: float) -> tuple[int, bool]:
    """Whether straight strips of empty ground divide what is seen, and whether something strong may be apart.

    Args:
        mask: Where the ground shows; what is not ground is seen.
        subject: Where the subject is.
        off: ΔE from the ground.
        seen: From which on something is.
        peak: And from which on it is strong.

    Returns:
        The larger number of runs of rows, and of columns, that are not empty; and whether anything strong is not
        4-connected to the subject by what is seen.
    """
    height, width = mask.shape
    visible, things, found = _below(off, np.nextafter(seen, np.float32(np.inf))), _packed(mask), _packed(subject)
    words = visible.shape[1]
    columns, down, across, before, top, bottom = np.zeros(words, dtype=np.uint64), 0, 0, False, height, -1
    visible, things = _others(visible, width), _others(things, width)
    for y in range(height):
        some = False
        for word in range(words):
            visible[y, word] |= things[y, word]
            columns[word] |= visible[y, word]
            found[y, word] &= visible[y, word]
            some |= visible[y, word] != 0
            if found[y, word]:
                top, bottom = min(top, y), y
        down += some and not before
        before = some
    for word in range(words):
        across += _ones(columns[word] & ~(columns[word] << _ONE))
        across -= word > 0 and bool(columns[word] & _ONE) and bool(columns[word - 1] >> _LAST)
    for y in range(top, bottom + 1):
        _fill_row(found[y], visible[y])
    if bottom >= 0:
        _flood(found, visible, top, bottom)
    strong = _others(_below(off, np.nextafter(peak, np.float32(np.inf))), width)
    left = False
    for y in range(height):
        for word in range(words):
            left |= (strong[y, word] & visible[y, word] & ~found[y, word]) != 0
    return max(down, across), left
