"""What a source is, and what it tells beside its photos."""

import json
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from prx_data.features import Feature, unify
from prx_data.records import PhotoFile


@dataclass(kw_only=True)
class Findings:
    """Filled while a source lists its photos."""

    ignored: int = 0
    """Files that are neither photos nor metadata."""
    notes: list[str] = field(default_factory=list)
    """Sentences about what was assumed or left out."""
    unread: list[str] = field(default_factory=list)
    """Names of folders and of files with many photos that could not be read, or not to their ends, for a reason that is
    not in them, such as no permission or no network."""
    features: dict[str, Feature] = field(default_factory=dict)
    """The type of every metadata column."""
    tars: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By name: the `stamp` that a tar had when it was listed, and what was `ignored` in it and its `features`."""

    def add_features(self, features: dict[str, Feature]) -> None:
        """Columns of one more file; a column of two types gets one that holds both."""
        for name, feature in features.items():
            self.features[name] = unify(self.features[name], feature) if name in self.features else feature

    def add_tar(self, name: str, facts: dict[str, Any]) -> None:
        """A tar has been listed."""
        self.ignored += facts["ignored"]
        self.add_features(facts["features"])
        self.tars[name] = facts


@dataclass(frozen=True, kw_only=True)
class Earlier:
    """What was found when the source was looked at before."""

    rows: Mapping[str, Mapping[str, Any]]
    """Rows of `prx_data.index.PHOTOS_SCHEMA` by origin, in its order."""
    tars: Mapping[str, dict[str, Any]]
    """As in `Findings`."""

    def listing(self, name: str, stamp: str) -> dict[str, Any] | None:
        """What is known of a tar, if it is the same as then."""
        facts = self.tars.get(name)
        return facts if facts is not None and stamp and facts["stamp"] == stamp else None

    def photos_below(self, name: str, stamp: str) -> Iterator[PhotoFile]:
        """The photos of a tar."""
        origins = self._origins
        first, end = (bisect_left(origins, f"{name}{sign}") for sign in "/0")  # 0 comes after /
        for origin in origins[first:end]:
            row = self.rows[origin]
            metadata = json.loads(row["metadata"])
            yield PhotoFile(origin=origin, locator=row["locator"], stamp=stamp, metadata=metadata)

    @cached_property
    def _origins(self) -> list[str]:
        return sorted(self.rows)


NOTHING = Earlier(rows={}, tars={})


class Source(Protocol):
    """A pile of photos."""

    @property
    def revision(self) -> str:
        """Not empty if equal revisions hold equal photos, so that there is nothing to look at again."""
        ...

    def photos(self, findings: Findings, earlier: Earlier = NOTHING) -> Iterator[PhotoFile]:
        """Every photo once, in any order.

        Args:
            findings: Filled on the way.
            earlier: Spares looking into what has not changed.

        Raises:
            SourceError: The source cannot be read as a whole, or holds no photo.
        """
        ...
