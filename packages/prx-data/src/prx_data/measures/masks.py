"""Growing and shrinking masks by shifts: a few microseconds where a general morphology takes a millisecond."""

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]


def grown(mask: Mask, times: int = 1) -> Mask:
    """Binary dilation by a cross of five pixels, `times` over; nothing grows in from outside the frame."""
    for _ in range(times):
        wider = mask.copy()
        wider[1:] |= mask[:-1]
        wider[:-1] |= mask[1:]
        wider[:, 1:] |= mask[:, :-1]
        wider[:, :-1] |= mask[:, 1:]
        mask = wider
    return mask


def shrunk(mask: Mask, times: int = 1) -> Mask:
    """Binary erosion by the same cross; the frame's edge does not eat into the mask."""
    return ~grown(~mask, times)


def opened(mask: Mask, times: int = 1) -> Mask:
    """What is left of a mask without its parts thinner than about two pixels for each time."""
    return grown(shrunk(mask, times), times)
