"""What a captioner is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class PhotoFacts:
    """What is known of a photo before anybody looks at it."""

    key: str
    metadata: Mapping[str, str]
    """The user's columns."""
    color: str
    """Measured dominant colour of the subject, in words; may be empty."""
    background: str
    """Measured background, in words; may be empty."""


class Captioner(Protocol):
    """Writes one caption for a photo."""

    def __call__(self, photo: PhotoFacts) -> tuple[str, str]:
        """The caption and what wrote it, e.g. `template`."""
        ...
