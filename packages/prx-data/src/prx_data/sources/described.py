"""What metadata files say of photos: which file each row means, and what it says."""

import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from prx_data.sources.tables import Row, Table


def spellings(name: str) -> Iterator[str]:
    """What a name in a metadata file may mean, most literal first: exporters escape and normalise names."""
    seen = set()
    for one in (name, name.strip(), name.replace("\\", "/"), unquote(name), unquote(name.replace("\\", "/"))):
        for form in (one, unicodedata.normalize("NFC", one), unicodedata.normalize("NFD", one)):
            if form and form not in seen:
                seen.add(form)
                yield form


def meant(name: str, exists: Callable[[str], bool]) -> str:
    """The first spelling that exists; the name with `/` if none does."""
    return next((one for one in spellings(name) if exists(one)), name.strip().replace("\\", "/"))


@dataclass(frozen=True, kw_only=True)
class Described:
    """What the first row about a photo says."""

    metadata: dict[str, Any]
    table: str
    line: int
    broken: str = ""
    """See `prx_data.sources.tables.Row`."""


class Descriptions:
    """Rows by origin. A photo that is described again keeps what its first row says; differing rows are counted."""

    def __init__(self) -> None:
        self.by_origin: dict[str, Described] = {}
        self._again: dict[str, list[tuple[int, str]]] = {}

    def add(self, origin: str, table: Table, row: Row) -> bool:
        """Take a row; False if the photo is known already."""
        new = Described(metadata=row.metadata, table=table.location, line=row.line, broken=row.broken)
        first = self.by_origin.setdefault(origin, new)
        if first is not new and first.metadata != row.metadata:
            self._again.setdefault(table.location, []).append((row.line, origin))
        return first is new

    def notes(self) -> list[str]:
        """A sentence for each file that describes photos twice in different words."""
        return [
            f"{location}: rows that describe a photo otherwise than an earlier one: {len(rows):,}, "
            f"the first of them in line {rows[0][0]} ({rows[0][1]}); the earlier row counts."
            for location, rows in self._again.items()
        ]
