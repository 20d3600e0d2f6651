"""What a source is, and what it tells beside its photos."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from prx_data.features import Feature, unify
from prx_data.records import PhotoFile


@dataclass(kw_only=True)
class Findings:
    """Filled while a source lists its photos."""

    ignored: int = 0
    """Files that are neither photos nor metadata."""
    notes: list[str] = field(default_factory=list)
    """Sentences about what was assumed or left out."""
    features: dict[str, Feature] = field(default_factory=dict)
    """The type of every metadata column."""

    def add_features(self, features: dict[str, Feature]) -> None:
        """Columns of one more file; a column of two types gets one that holds both."""
        for name, feature in features.items():
            self.features[name] = unify(self.features[name], feature) if name in self.features else feature


class Source(Protocol):
    """A pile of photos."""

    @property
    def revision(self) -> str:
        """Not empty if equal revisions hold equal photos, so that there is nothing to look at again."""
        ...

    def photos(self, findings: Findings) -> Iterator[PhotoFile]:
        """Every photo once, in any order.

        Raises:
            SourceError: The source cannot be read as a whole, or holds no photo.
        """
        ...
