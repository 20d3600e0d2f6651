"""Which of several copies is kept: a list of preferences, each compared in steps that one can see."""

import math
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any


class Preference(StrEnum):
    """What makes one copy better than another."""

    RESOLUTION = "resolution"
    """More pixels of content, without plain margins, in steps of a quarter."""
    CLEANEST_BACKGROUND = "cleanest_background"
    """Higher background cleanliness, in steps of 0.1."""
    LEAST_COMPRESSED = "least_compressed"
    """More bytes for a pixel, in steps of a quarter."""
    SHARPEST = "sharpest"
    """Stronger gradients, in steps of a quarter."""
    AESTHETIC = "aesthetic"
    """Higher aesthetic score, in steps of 0.1 of its scale, see `prx_data.measures.aesthetic`."""
    HAS_METADATA = "has_metadata"
    """The metadata says something about it."""


DEFAULT_KEEP = (
    Preference.RESOLUTION,
    Preference.CLEANEST_BACKGROUND,
    Preference.LEAST_COMPRESSED,
    Preference.HAS_METADATA,
)


def rank(photo: Mapping[str, Any], keep: Sequence[Preference]) -> tuple[int, ...]:
    """Sorts the better photo first, as far as the preferences tell.

    Args:
        photo: `width`, `height`, `content_box`, `cleanliness`, `detail`, `bytes`, `has_metadata`;
            and `aesthetic`, if that is preferred.
        keep: The preferences, the most important first.
    """
    return tuple(-_step(photo, one) for one in keep)


def why_better(winner: Mapping[str, Any], loser: Mapping[str, Any], keep: Sequence[Preference]) -> str:
    """The first preference by which the winner is better, with the numbers."""
    for one in keep:
        if _step(winner, one) > _step(loser, one):
            return f"{one.replace('_', ' ')} ({_told(winner, one)} against {_told(loser, one)})"
    return "its key alone, as they are equally good"


def _step(photo: Mapping[str, Any], preference: Preference) -> int:
    """The value in the preference's steps; more is better."""
    match preference:
        case Preference.RESOLUTION:
            return _quarters(_content_pixels(photo))
        case Preference.CLEANEST_BACKGROUND:
            return round(10 * float(photo["cleanliness"]))
        case Preference.LEAST_COMPRESSED:
            return _quarters(_density(photo))
        case Preference.SHARPEST:
            return _quarters(photo["detail"])
        case Preference.AESTHETIC:
            return round(10 * float(photo["aesthetic"]))
        case Preference.HAS_METADATA:
            return 1 if photo["has_metadata"] else 0


def _quarters(value: float) -> int:
    return round(math.log(max(value, 1e-6)) / math.log(1.25))


def _content_pixels(photo: Mapping[str, Any]) -> float:
    left, top, right, bottom = photo["content_box"]
    return float(photo["width"] * photo["height"] * (right - left) * (bottom - top))


def _density(photo: Mapping[str, Any]) -> float:
    return float(photo["bytes"] / (photo["width"] * photo["height"]))


def _told(photo: Mapping[str, Any], preference: Preference) -> str:
    match preference:
        case Preference.RESOLUTION:
            left, top, right, bottom = photo["content_box"]
            width, height = photo["width"] * (right - left), photo["height"] * (bottom - top)
            return f"{width:.0f}×{height:.0f} px of content"
        case Preference.CLEANEST_BACKGROUND:
            return f"{photo['cleanliness']:.2f}"
        case Preference.LEAST_COMPRESSED:
            return f"{_density(photo):.2f} bytes a pixel"
        case Preference.SHARPEST:
            return f"gradients of {photo['detail']:.0f} grey levels"
        case Preference.AESTHETIC:
            return f"a score of {photo['aesthetic']:.2f}"
        case Preference.HAS_METADATA:
            return "metadata" if photo["has_metadata"] else "none"
