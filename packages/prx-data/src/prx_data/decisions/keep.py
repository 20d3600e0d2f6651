"""Which of several copies is kept: a list of preferences, each compared in steps that one can see.

Steps make the order one of numbers, the same for any other photos around, and wider than what encoding a picture again
moves a measure by; a value near the border of two steps may still fall on either side.
"""

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from prx_data.told import counted

ENLARGED = 0.66
"""Share of the nominal resolution (`effective_resolution`) below which a picture counts as enlarged, and its pixels as
those that it was enlarged from; above it the share says more of the subject's texture than of a resize."""
_OVERSTATED = 0.8  # of that share, as what is just beyond the detail's end counts as detail too
UNKNOWN_QUALITY = 60
"""What is lossy and does not tell how much, such as WebP, AVIF or a palette, counts as a JPEG of this quality."""
_LOSSLESS = ("PNG", "BMP", "TIFF")
_NO_TRACE = 90  # the quality from which on a compression hardly shows
_OFF = 3
_EVEN = 1.0  # ΔE of a ground from its smooth surface (`uniformity`), from which on it is a camera's noise


class Preference(StrEnum):
    """What makes one copy better than another."""

    NOTHING_ADDED = "nothing_added"
    """No line of writing that another copy in the same frame is without, on any ground; and nothing laid over an even
    ground: no line of writing (`overlay`), no small thing apart from the product (`things`), as a shop's name in a
    corner is. Of uneven grounds a photo by itself says nothing: one copy may show a shadow as a thing, and another
    not."""
    RESOLUTION = "resolution"
    """More pixels of content, without plain margins, in steps of a tenth; of copies in one frame content is what all
    have as such, so that a word in a margin is none. Those of an enlarged picture count as before it was enlarged, and
    of two in one step the picture that was not is better. Enlarged is what holds less than 0.66 of the detail that its
    size promises, or no more than a smaller copy does."""
    LEAST_COMPRESSED = "least_compressed"
    """Higher quality of the worst JPEG that the file is or its pixels show traces of, in steps of 10 up to 90, as which
    a file without loss counts: often it holds what was a JPEG, and of better ones pixels show no trace."""
    CLEANEST_BACKGROUND = "cleanest_background"
    """Higher background cleanliness, in steps of 0.2."""
    SHARPEST = "sharpest"
    """Stronger gradients, in steps of a quarter. Compressing again can make them stronger, too."""
    AESTHETIC = "aesthetic"
    """Higher aesthetic score, in steps of 0.1 of its scale, see `prx_data.measures.aesthetic`."""
    HAS_METADATA = "has_metadata"
    """The metadata says something about it."""
    SMALLEST_FILE = "smallest_file"
    """Fewer bytes; before that, bytes that can go into the dataset as they are."""


DEFAULT_KEEP = (
    Preference.NOTHING_ADDED,
    Preference.RESOLUTION,
    Preference.LEAST_COMPRESSED,
    Preference.CLEANEST_BACKGROUND,
    Preference.HAS_METADATA,
    Preference.SMALLEST_FILE,
)


def rank(photo: Mapping[str, Any], keep: Sequence[Preference]) -> tuple[tuple[int, ...], ...]:
    """Sorts the better photo first, as far as the preferences tell.

    Args:
        photo: `width`, `height`, `format`, `mode`, `jpeg_quality`, `as_is`, `content_box`, `cleanliness`, `overlay`,
            `things`, `uniformity`, `detail`, `bytes`, `has_metadata`; `effective_resolution` and `past_quality`, if
            they were measured; `written_over` and `resampled`, if it was compared, see
            `prx_data.decisions.side_by_side`; and `aesthetic`, if that is preferred.
        keep: The preferences, the most important first.
    """
    return tuple(tuple(-step for step in _steps(photo, one)) for one in keep)


def why_better(winner: Mapping[str, Any], loser: Mapping[str, Any], keep: Sequence[Preference]) -> str:
    """The first preference by which the winner is better, with the numbers."""
    for one in keep:
        if _steps(winner, one) > _steps(loser, one):
            return f"{one.replace('_', ' ')} ({_told(winner, one)} against {_told(loser, one)})"
    return "its key alone, as they are equally good"


def _steps(photo: Mapping[str, Any], preference: Preference) -> tuple[int, ...]:
    """The value in the preference's steps; more is better."""
    match preference:
        case Preference.NOTHING_ADDED:
            laid = _even_ground(photo) and (photo["overlay"] or photo["things"])
            return (int(not (photo.get("written_over") or laid)),)
        case Preference.RESOLUTION:
            return _in_steps(_content_pixels(photo), 1.1), int(not _enlarged(photo))
        case Preference.LEAST_COMPRESSED:
            return (_quality_steps(photo),)
        case Preference.CLEANEST_BACKGROUND:
            return (round(5 * float(photo["cleanliness"])),)
        case Preference.SHARPEST:
            return (_in_steps(photo["detail"], 1.25),)
        case Preference.AESTHETIC:
            return (round(10 * float(photo["aesthetic"])),)
        case Preference.HAS_METADATA:
            return (1 if photo["has_metadata"] else 0,)
        case Preference.SMALLEST_FILE:
            return int(photo["as_is"]), -photo["bytes"]


def _in_steps(value: float, ratio: float) -> int:
    return round(math.log(max(value, 1e-6)) / math.log(ratio))


def _enlarged(photo: Mapping[str, Any]) -> bool:
    share = photo.get("effective_resolution")
    return share is not None and (share < ENLARGED or bool(photo.get("resampled")))


def _content_sides(photo: Mapping[str, Any]) -> tuple[float, float]:
    left, top, right, bottom = photo["content_box"]
    return photo["width"] * (right - left), photo["height"] * (bottom - top)


def _content_pixels(photo: Mapping[str, Any]) -> float:
    width, height = _content_sides(photo)
    return float(width * height * ((_OVERSTATED * photo["effective_resolution"]) ** 2 if _enlarged(photo) else 1))


def _lossless(photo: Mapping[str, Any]) -> bool:
    return photo["format"] in _LOSSLESS and photo["mode"] != "P"


def _file_quality(photo: Mapping[str, Any]) -> int:
    """Of the file alone: 100 without a loss."""
    if _lossless(photo):
        return 100
    return int(photo["jpeg_quality"] or UNKNOWN_QUALITY)


def _past_quality(photo: Mapping[str, Any]) -> int | None:
    """Of a worse compression before the file's own, whose trace is found a little off at times."""
    past = photo.get("past_quality")
    return past if past is not None and past < _file_quality(photo) - _OFF else None


def _quality_steps(photo: Mapping[str, Any]) -> int:
    past = _past_quality(photo)
    return (min(_file_quality(photo) if past is None else past, _NO_TRACE) + 5) // 10


def _told(photo: Mapping[str, Any], preference: Preference) -> str:
    match preference:
        case Preference.NOTHING_ADDED:
            return _told_additions(photo)
        case Preference.RESOLUTION:
            return _told_resolution(photo)
        case Preference.LEAST_COMPRESSED:
            return _told_compression(photo)
        case Preference.CLEANEST_BACKGROUND:
            return f"{photo['cleanliness']:.2f}"
        case Preference.SHARPEST:
            return f"gradients of {photo['detail']:.0f} grey levels"
        case Preference.AESTHETIC:
            return f"a score of {photo['aesthetic']:.2f}"
        case Preference.HAS_METADATA:
            return "metadata" if photo["has_metadata"] else "none"
        case Preference.SMALLEST_FILE:
            return f"{counted(photo['bytes'], 'byte')}" + ("" if photo["as_is"] else " that have to be encoded again")


def _even_ground(photo: Mapping[str, Any]) -> bool:
    return bool(photo["uniformity"] < _EVEN)


def _told_additions(photo: Mapping[str, Any]) -> str:
    if photo.get("written_over"):
        return "writing over it that another copy is without"
    if not _even_ground(photo):
        return "no such writing on its uneven ground"
    if photo["overlay"]:
        return f"writing over {photo['overlay']:.1%} of it"
    things = photo["things"]
    return f"{things} small thing{'s' if things > 1 else ''} beside the product" if things else "an empty ground"


def _told_resolution(photo: Mapping[str, Any]) -> str:
    width, height = _content_sides(photo)
    told = f"{width:.0f}×{height:.0f} px of content"
    if not _enlarged(photo):
        return told
    if photo["effective_resolution"] >= ENLARGED:
        return f"{told}, with no more detail than a smaller copy"
    share = _OVERSTATED * photo["effective_resolution"]
    return f"{told}, enlarged from about {width * share:.0f}×{height * share:.0f}"


def _told_compression(photo: Mapping[str, Any]) -> str:
    past, quality = _past_quality(photo), photo["jpeg_quality"]
    if past is not None:
        return f"a {photo['format']} of pixels that were once a JPEG of quality {past}"
    if quality is not None:
        return f"a JPEG of quality {quality}"
    return f"a {photo['format']} {'without loss' if _lossless(photo) else 'of unknown loss'}"
