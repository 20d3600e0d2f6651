"""A CSV, JSONL or Parquet file that names photos."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from prx_data.errors import SourceError
from prx_data.features import printable
from prx_data.files import beside, is_url
from prx_data.reading import Locator
from prx_data.records import PhotoFile, Status
from prx_data.sources.described import Descriptions, meant
from prx_data.sources.extras import check_protocols
from prx_data.sources.found import NOTHING, Earlier, Findings
from prx_data.sources.locations import FoundFile
from prx_data.sources.tables import Row, read_table


def _exists(path: str) -> bool:
    try:
        Path(path).stat()
    except (OSError, ValueError):  # a name may be too long, or hold a null byte
        return False
    return True


class Manifest:
    """Photos are what its rows name: paths relative to its folder, absolute paths, or URLs."""

    revision = ""

    def __init__(self, location: str, suffix: str, image_column: str | None = None) -> None:
        self.name = location
        self._suffix = suffix
        self._image_column = image_column

    def photos(self, findings: Findings, earlier: Earlier = NOTHING) -> Iterator[PhotoFile]:
        """A photo for each file that a row names, and one without a file for a row that names none or is broken."""
        table = read_table(self.name, self._suffix, self._image_column)
        if not table.rows:
            raise SourceError(f"photos = {self.name!r} has no rows.")
        check_protocols(row.name for row in table.rows if row.name)
        findings.add_features(table.features)
        findings.notes.extend(table.notes)
        described, stamp = Descriptions(), FoundFile(location=self.name, name="").stamped()
        if self._image_column and stamp:  # what is kept of a row is that of one column
            stamp = f"{stamp}-{self._image_column}"
        for row in table.rows:
            if not row.name:
                yield self._unnamed(row, stamp)
                continue
            location = self._location(row.name)
            origin = printable(self._origin(location))
            if described.add(origin, table, row):
                yield PhotoFile(origin=origin, locator=str(Locator(location=location)), metadata=row.metadata)
        findings.notes.extend(described.notes())

    def _unnamed(self, row: Row, stamp: str) -> PhotoFile:
        """A row that holds its photo itself, or has none, or is broken: under the manifest's name and its number."""
        origin = f"{Path(self.name).name}/{row.line}" + (f"/{row.position}" if row.position is not None else "")
        photo = PhotoFile(origin=origin, locator="", stamp=stamp, metadata=row.metadata)
        if row.content is not None:
            return replace(photo, content=row.content, spool=True)
        told = f"line {row.line} of the list is broken: {row.broken}" if row.broken else row.damage
        problem = (Status.UNREADABLE, told) if told else (Status.MISSING, "names no file")
        return replace(photo, stamp=None, problem=problem)

    def _location(self, name: str) -> str:
        if is_url(name) or is_url(self.name):
            return beside(self.name, name)
        return beside(self.name, meant(name, lambda one: _exists(beside(self.name, one))))

    def _origin(self, location: str) -> str:
        """Relative to the manifest's folder where the photo lies below it, else as it is."""
        if is_url(location):
            return location.removeprefix(self.name.rpartition("/")[0] + "/")
        path, folder = Path(location), Path(self.name).parent
        return (path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix()
