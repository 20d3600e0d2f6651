"""The vocabulary: what a photo, a status and a reason are called. Imports nothing of this package.

A *photo* is one input file, named by its `origin`; its content is named by its `key`. Two photos with the same bytes
have one key. Statuses say what came of decoding; reasons say what came of the decisions.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """What came of reading and decoding one photo."""

    OK = "ok"
    MISSING = "missing"
    UNREADABLE = "unreadable"
    EMPTY = "empty"
    NOT_AN_IMAGE = "not_an_image"
    TRUNCATED = "truncated"
    DECOMPRESSION_BOMB = "decompression_bomb"
    UNSUPPORTED = "unsupported"
    DECODER_CRASH = "decoder_crash"
    DECODER_TIMEOUT = "decoder_timeout"
    MEASURE_FAILED = "measure_failed"


class Reason(StrEnum):
    """Why a photo was dropped although it could be read, in the order in which the reasons are tried."""

    KEPT = "kept"
    EXACT_DUPLICATE = "exact_duplicate"
    TOO_SMALL = "too_small"
    EXTREME_ASPECT_RATIO = "extreme_aspect_ratio"
    BLANK = "blank"
    TOO_DARK = "too_dark"
    TOO_BRIGHT = "too_bright"
    BLURRED = "blurred"
    CLUTTERED_BACKGROUND = "cluttered_background"
    TEXT = "text"
    NSFW = "nsfw"
    AESTHETIC = "aesthetic"
    PROFILE = "profile"
    LEAK = "leak"
    NEAR_DUPLICATE = "near_duplicate"
    COLOR_VARIANT = "color_variant"
    SEMANTIC_DUPLICATE = "semantic_duplicate"
    BALANCE = "balance"


EXPLANATIONS: Mapping[str, str] = {
    Status.MISSING: "The metadata names a file that is not there.",
    Status.UNREADABLE: "The file or its line in a list could not be read, or its picture data is damaged.",
    Status.EMPTY: "The file has no bytes.",
    Status.NOT_AN_IMAGE: "The file is not a picture, whatever its name says.",
    Status.TRUNCATED: "The picture ends before its last line.",
    Status.DECOMPRESSION_BOMB: "The picture claims more pixels than can be opened safely.",
    Status.UNSUPPORTED: "The picture's format or colour model is not supported.",
    Status.DECODER_CRASH: "Decoding the file ended the process that tried.",
    Status.DECODER_TIMEOUT: "Decoding and measuring the file took too long.",
    Status.MEASURE_FAILED: "The picture opened, but a measure failed on it.",
    Reason.KEPT: "In the dataset.",
    Reason.EXACT_DUPLICATE: "Another photo has the same bytes or the same pixels; one of them is kept.",
    Reason.NEAR_DUPLICATE: "Another photo shows the same picture in the same colours; the better one is kept.",
    Reason.LEAK: "The set that this one must not overlap shows the same picture.",
    Reason.COLOR_VARIANT: "Another photo shows the same shape in other colours; one of each family is kept.",
    Reason.SEMANTIC_DUPLICATE: "Another photo shows the same thing in the same colours; the better one is kept.",
    Reason.BALANCE: "There are many photos like it, and a balanced set takes a share of them.",
    Reason.TOO_SMALL: "The shorter side has too few pixels.",
    Reason.EXTREME_ASPECT_RATIO: "The picture is too wide or too tall to be used without cutting the product.",
    Reason.BLANK: "The picture shows nothing: hardly any difference in brightness or colour.",
    Reason.TOO_DARK: "The picture is almost black.",
    Reason.TOO_BRIGHT: "The picture is almost white all over, product included.",
    Reason.BLURRED: "There is hardly any fine detail.",
    Reason.CLUTTERED_BACKGROUND: "The background is not plain.",
    Reason.TEXT: "Writing covers too much of the picture.",
    Reason.NSFW: "The picture is probably not safe for work.",
    Reason.AESTHETIC: "The picture's aesthetic score is low.",
    Reason.PROFILE: "The picture fails a check of the profile that is required.",
}
"""One sentence per status and reason, for reports."""

FAILED: frozenset[str] = frozenset(Status) - {Status.OK}
"""Reasons that mean that there were no pixels to judge."""


SAMPLES = "samples.png"
"""The picture of samples beside a dataset's card; it is no photo when the dataset is read again."""


@dataclass(frozen=True, kw_only=True)
class PhotoFile:
    """One input photo as its source found it, before its bytes are read."""

    origin: str
    """Path relative to the source, with `/`; unique in a source."""
    locator: str
    """Where to read its bytes, see `prx_data.reading`."""
    stamp: str | None = None
    """Changes when the bytes may have; empty if nobody can tell, None if nobody asked yet."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """The columns that the source's metadata gives for it, untouched; those that it does not have are absent."""
    problem: tuple[Status, str] | None = None
    """Why there is nothing to read, if that is known already."""
    content: bytes | None = None
    """The bytes, where they cannot be read again."""
    spool: bool = False
    """Whether reading single photos again would cost too much, so that the bytes are better kept."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What was decided about one photo, and why."""

    key: str | None
    """SHA-256 of the file's bytes in hex; None if it could not be read at all."""
    origin: str
    kept: bool
    reason: str
    """A `Reason` or a failed `Status`."""
    detail: str
    """One sentence with the numbers behind the reason."""
