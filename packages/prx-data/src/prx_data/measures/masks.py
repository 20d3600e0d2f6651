"""Growing, shrinking and following masks."""

import cv2
import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
Labels = npt.NDArray[np.int32]

_CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], dtype=np.uint8)


def _bytes(mask: Mask) -> npt.NDArray[np.uint8]:
    return np.ascontiguousarray(mask).view(np.uint8)


def grown(mask: Mask, times: int = 1) -> Mask:
    """Binary dilation by a cross of five pixels, `times` over; nothing grows in from outside the frame."""
    return np.asarray(cv2.dilate(_bytes(mask), _CROSS, iterations=times).view(np.bool_))


def shrunk(mask: Mask, times: int = 1) -> Mask:
    """Binary erosion by the same cross; the frame's edge does not eat into the mask."""
    return np.asarray(cv2.erode(_bytes(mask), _CROSS, iterations=times).view(np.bool_))


def opened(mask: Mask, times: int = 1) -> Mask:
    """What is left of a mask without its parts thinner than about two pixels for each time."""
    return grown(shrunk(mask, times), times)


def components(mask: Mask) -> tuple[Labels, int]:
    """Numbers of the 4-connected parts of a mask from 1, 0 outside; and how many there are."""
    count, labels = cv2.connectedComponents(_bytes(mask), connectivity=4, ltype=cv2.CV_32S)
    return np.asarray(labels, dtype=np.int32), count - 1


def border_connected(mask: Mask) -> Mask:
    """The part of a mask that is 4-connected to the frame."""
    # A ring around the mask joins all that touches the frame; it is filled from one of its corners.
    ringed = cv2.copyMakeBorder(_bytes(mask), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1)
    cv2.floodFill(ringed, None, (0, 0), 2)
    return np.asarray(ringed[1:-1, 1:-1] == 2)
