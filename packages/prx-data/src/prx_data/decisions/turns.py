"""The eight ways to turn and mirror a picture, and what they do to its frequencies.

A *turn* is a number in [0, 8): 4 swaps rows and columns, then 2 turns the rows' order round, then 1 the columns'. So 0
leaves a picture as it is, 1 mirrors it, and 3 turns it by 180°.
"""

import numpy as np
import numpy.typing as npt

Turns = npt.NDArray[np.uint8]

TURNS = range(8)
WORDS = (
    "",
    "mirrored",
    "mirrored and turned by 180°",
    "turned by 180°",
    "mirrored and turned by 90°",
    "turned by 90° to the left",
    "turned by 90° to the right",
    "mirrored and turned by 90°",
)
"""How a picture stands that has to be turned so to look like another one."""


def turned(pictures: npt.NDArray[np.generic], turn: int) -> npt.NDArray[np.generic]:
    """Pictures of shape (n, side, side, ...), all by one turn; a view."""
    seen = pictures.swapaxes(1, 2) if turn & 4 else pictures
    return seen[:, :: -1 if turn & 2 else 1, :: -1 if turn & 1 else 1]


def back(turns: Turns) -> Turns:
    """The turns that undo these: after rows and columns were swapped, each order is the other's."""
    swapped = (turns & 4) | ((turns & 1) << 1) | ((turns & 2) >> 1)
    return np.where(turns & 4, swapped, turns).astype(np.uint8)


def composed(first: Turns, second: Turns) -> Turns:
    """The turns that do what the first and then the second do."""
    swapped = (first & 4) | ((first & 1) << 1) | ((first & 2) >> 1)
    return (np.where(second & 4, swapped, first) ^ second).astype(np.uint8)


def turned_boxes(boxes: npt.NDArray[np.float32], turns: Turns) -> npt.NDArray[np.float32]:
    """Where boxes (left, top, width, height), in shares of the sides, come to lie in turned pictures; shape (n, 4)."""
    left, top, width, height = np.where((turns & 4)[:, None], boxes[:, [1, 0, 3, 2]], boxes).T
    left, top = np.where(turns & 1, 1 - left - width, left), np.where(turns & 2, 1 - top - height, top)
    return np.stack([left, top, width, height], axis=1).astype(np.float32)


def turned_frequencies(side: int, turn: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """What a turn does to the flattened DCT of a square: which coefficient comes to each place, with which sign."""
    place = np.arange(side * side).reshape(side, side)
    odd = (-1.0) ** np.arange(side)
    signs = (odd[:, None] if turn & 2 else 1.0) * (odd[None, :] if turn & 1 else 1.0) * np.ones((side, side))
    return (place.T if turn & 4 else place).ravel(), signs.astype(np.float32).ravel()
