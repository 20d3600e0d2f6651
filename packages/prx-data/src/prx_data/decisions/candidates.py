"""Photos on their way through the decisions, and what has been decided so far."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from prx_data.decisions.keep import Preference, rank
from prx_data.records import Reason, Verdict


@dataclass(frozen=True, kw_only=True)
class Known:
    """Photos of another set, such as those of an evaluation, that none to be kept may show again."""

    origins: tuple[str, ...]
    columns: pa.Table
    """One row for each origin: `key`, `pixel_digest`, `width`, `height` and `prx_data.decisions.duplicates.COLUMNS`."""


@dataclass(frozen=True, kw_only=True, order=True)
class Leak:
    """A photo that was dropped because another set shows the same."""

    origin: str
    known: str
    """Origin of the other set's photo."""
    known_key: str
    how: str
    """How that was found, with the numbers."""


@dataclass(kw_only=True)
class Candidate:
    """One distinct content on its way through the decisions."""

    key: str
    origin: str
    row: int
    metadata: dict[str, Any]
    bytes: int
    columns: dict[str, Any]
    product: str | None = None

    @property
    def facts(self) -> dict[str, Any]:
        """What the preferences among copies look at."""
        return {**self.columns, "bytes": self.bytes, "has_metadata": bool(self.metadata)}

    def preference(self, keep: Sequence[Preference]) -> tuple[Any, ...]:
        """Sorts the better photo first."""
        return rank(self.facts, keep), self.key


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What has been decided so far."""

    verdicts: dict[str, Verdict] = field(default_factory=dict)
    duplicates: list[tuple[str, str]] = field(default_factory=list)
    variants: list[tuple[Candidate, Candidate]] = field(default_factory=list)
    leaks: list[Leak] = field(default_factory=list)
    heads: list[tuple[str, str]] = field(default_factory=list)
    """Origins of dropped colour variants, each with that of its family's best."""

    def fail(self, key: str | None, origin: str, status: str, message: str) -> None:
        """There are no pixels to judge."""
        detail = f"{message[:1].upper()}{message[1:]}."
        self.verdicts[origin] = Verdict(key=key, origin=origin, kept=False, reason=str(status), detail=detail)

    def drop(self, key: str, origin: str, reason: Reason, detail: str, *, duplicate_of: str | None = None) -> None:
        """Something tells against it; `duplicate_of` is the origin that stands for it."""
        self.verdicts[origin] = Verdict(key=key, origin=origin, kept=False, reason=reason, detail=detail)
        if duplicate_of is not None:
            self.duplicates.append((origin, duplicate_of))
