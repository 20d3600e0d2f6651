"""Where the subject stands in the frame."""

from typing import TypedDict

from prx_data.kernels import straight
from prx_data.measures.masks import Mask


class Framing(TypedDict):
    """Shares of the frame; see `Background` for each."""

    fill: float
    fill_side: float
    center_x: float
    center_y: float
    margin_left: float
    margin_top: float
    margin_right: float
    margin_bottom: float
    sides_touched: int


def framing(subject: Mask, inner: tuple[slice, slice]) -> Framing:
    """Measure a subject's place.

    Args:
        subject: Of the whole frame, bars and all.
        inner: The part inside bars: a subject touches a side where it ends there.
    """
    height, width = subject.shape
    number, top, bottom, left, right = straight.box(subject)
    if not number:
        return {
            "fill": 0.0,
            "fill_side": 0.0,
            "center_x": 0.0,
            "center_y": 0.0,
            "sides_touched": 0,
            "margin_left": 0.5,
            "margin_top": 0.5,
            "margin_right": 0.5,
            "margin_bottom": 0.5,
        }
    down, across = inner
    touched = (top <= down.start + 1, bottom >= down.stop - 1, left <= across.start + 1, right >= across.stop - 1)
    return {
        "fill": number / subject.size,
        "fill_side": max((bottom - top) / height, (right - left) / width),
        "center_x": (left + right) / 2 / width - 0.5,
        "center_y": (top + bottom) / 2 / height - 0.5,
        "margin_left": left / width,
        "margin_top": top / height,
        "margin_right": 1 - right / width,
        "margin_bottom": 1 - bottom / height,
        "sides_touched": sum(touched),
    }
