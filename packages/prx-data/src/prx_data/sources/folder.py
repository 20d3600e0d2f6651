"""A folder, or a set of files: every photo that is in it, however it is kept.

Pictures are photos; so are the pictures in zips and in WebDataset tars, the rows of Parquet files with a picture
column, and the rows of datasets that `save_to_disk` wrote. A *picture* is a file whose name or whose first bytes say
so, or that metadata names. Anything else is counted and left alone. Hidden files and folders are skipped.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from prx_data.errors import SourceError
from prx_data.features import printable
from prx_data.files import as_os_error, beside, is_url, unreadable
from prx_data.reading import Locator
from prx_data.records import SAMPLES, PhotoFile, Status
from prx_data.sources.cells import arrow_photos, damaged, parquet_columns, parquet_photos
from prx_data.sources.described import Descriptions, meant
from prx_data.sources.found import NOTHING, Earlier, Findings
from prx_data.sources.locations import MANIFEST, FoundFile, unpacked
from prx_data.sources.pictures import begins_like_a_picture, named_like_a_picture, suffix_of
from prx_data.sources.tables import TABLE_SUFFIXES, Table, read_table
from prx_data.sources.tars import PACKED_SUFFIXES, tar_photos
from prx_data.told import counted

METADATA_NAMES = frozenset({"metadata.csv", "metadata.jsonl", "metadata.parquet"})

_SAVED = "state.json"
_OF_DATASETS = frozenset({_SAVED, "dataset_info.json", "dataset_dict.json"})


class Folder:
    """Photos below a folder or among named files, with what metadata files say of them."""

    revision = ""

    def __init__(
        self,
        name: str,
        files: Callable[[], Sequence[FoundFile]],
        metadata: str | None = None,
        image_column: str | None = None,
    ) -> None:
        """A folder.

        Args:
            name: Its location.
            files: Lists what is in it.
            metadata: A CSV, JSONL or Parquet file that names files relative to the folder; by default every
                `metadata.csv`, `.jsonl` and `.parquet` in it, which name files relative to where they lie.
            image_column: The column that holds pictures in its Parquet and Arrow files; recognised if None.
        """
        self.name = name
        self._files = files
        self._metadata = metadata
        self._image_column = image_column

    def photos(self, findings: Findings, earlier: Earlier = NOTHING) -> Iterator[PhotoFile]:
        """Every photo, then those that metadata names and that are not there."""
        try:
            files = [inner for file in self._files() for inner in unpacked(file)]
        except SourceError:
            raise
        except Exception as error:  # remote systems raise nearly anything
            raise SourceError(f"photos = {self.name!r} cannot be listed: {as_os_error(error)}.") from error
        curated = {file.folder for file in files if file.last == MANIFEST}
        files = [file for file in files if file.last != SAMPLES or file.folder not in curated]
        described = self._descriptions(files, findings)
        saved = {file.folder for file in files if file.last == _SAVED}
        missing, any_photo = set(described.by_origin), bool(described.by_origin)
        for file in files:
            for photo in self._photos_of(file, saved, described, findings, earlier):
                any_photo = True
                missing.discard(photo.origin)
                about = described.by_origin.get(photo.origin)
                yield photo if about is None else _with(photo, {**photo.metadata, **about.metadata})
        for origin in missing:
            about = described.by_origin[origin]
            if about.broken:
                problem = (Status.UNREADABLE, f"line {about.line} of the metadata is broken: {about.broken}")
                yield PhotoFile(origin=printable(origin), locator="", problem=problem)
                continue
            locator = str(Locator(location=self._location(origin)))
            yield PhotoFile(origin=printable(origin), locator=locator, metadata=about.metadata)
        if not any_photo:
            single = len(files) == 1 and files[0].location == self.name  # a table or an archive
            held = f"holds {counted(len(files), 'file')} and no picture" if files else "is empty"
            held = "holds no pictures" if single else held
            lists = [file.name for file in files if file.suffix in TABLE_SUFFIXES and file.last not in METADATA_NAMES]
            if lists and not single:
                held += f"; if {lists[0]} is a list of photos, name it itself"
            if self._image_column:
                held += f"; no table in it holds pictures in a column image_column = {self._image_column!r}"
            raise SourceError(f"photos = {self.name!r} {held}.")

    def _photos_of(
        self, file: FoundFile, saved: set[str], described: Descriptions, findings: Findings, earlier: Earlier
    ) -> Iterator[PhotoFile]:
        if file.problem:
            findings.unread.append(file.name)
            yield PhotoFile(origin=file.name, locator=file.locator, problem=(Status.UNREADABLE, file.problem))
        elif file.name in described.by_origin or named_like_a_picture(file.name):
            yield PhotoFile(origin=file.name, locator=file.locator, stamp=file.stamp)
        elif file.last in METADATA_NAMES | _OF_DATASETS or file.location == self._metadata:
            return
        elif file.suffix == ".tar" or file.last.endswith(PACKED_SUFFIXES):
            # What metadata files add is not the tar's, so that with such files a tar is always looked at again.
            yield from tar_photos(file, findings, NOTHING if described.by_origin else earlier)
        elif file.suffix == ".zip":
            yield damaged(file, "zip", findings, unreadable(file.location))
        elif file.suffix == ".parquet":
            yield from _parquet(file, findings, self._image_column)
        elif file.suffix == ".arrow" and file.folder in saved:
            yield from arrow_photos(file, findings, self._image_column)
        elif begins_like_a_picture(file.head()):
            yield PhotoFile(origin=file.name, locator=file.locator, stamp=file.stamp)
        else:
            findings.ignored += 1

    def _descriptions(self, files: Sequence[FoundFile], findings: Findings) -> Descriptions:
        described, known = Descriptions(), {file.name for file in files}
        if self._metadata is not None:
            suffix = suffix_of(self._metadata)
            if suffix not in TABLE_SUFFIXES:
                raise SourceError(f"metadata = {self._metadata!r} is not a CSV, JSONL or Parquet file by its name.")
            self._describe(read_table(self._metadata, suffix), "", known, described, findings)
        else:
            for file in files:
                if file.last in METADATA_NAMES:
                    table = read_table(file.location, file.suffix)
                    self._describe(table, file.folder, known, described, findings)
        findings.notes.extend(described.notes())
        return described

    def _describe(self, table: Table, base: str, known: set[str], described: Descriptions, findings: Findings) -> None:
        findings.add_features(table.features)
        findings.notes.extend(table.notes)
        for row in table.rows:
            place = f"{table.location}, line {row.line}"
            if row.content is not None or row.damage:
                told = "holds a picture and names none; name the file itself as photos"
                raise SourceError(f"{place}: {told}, if it is a list of photos.")
            # A row that names nothing is a photo that is missing, under the row's own name.
            origin = self._origin(row.name or f"{table.location.rpartition('/')[2]}/{row.line}", base, known)
            if origin.startswith(".."):
                raise SourceError(f"{place}: file_name = {row.name!r} is not a path below {self.name}.")
            described.add(origin, table, row)

    def _origin(self, name: str, base: str, known: set[str]) -> str:
        """The name relative to the folder; begins with `..` if it is not below it."""

        def relative(one: str) -> str:
            if not is_url(self.name) and Path(one).is_absolute():
                return Path(os.path.relpath(one, self.name)).as_posix()
            return Path(os.path.normpath(f"{base}/{one}" if base else one)).as_posix()

        return relative(meant(name, lambda one: relative(one) in known))

    def _location(self, origin: str) -> str:
        inner, separator, outer = self.name.partition("::")
        return beside(f"{inner}/-{separator}{outer}", origin)


def _with(photo: PhotoFile, metadata: dict[str, object]) -> PhotoFile:
    return PhotoFile(**{**vars(photo), "metadata": metadata})


def _parquet(file: FoundFile, findings: Findings, wanted: str | None) -> Iterator[PhotoFile]:
    found = parquet_columns(file.location, wanted)
    if isinstance(found, OSError):
        yield damaged(file, "Parquet file", findings, found)
    elif found[1] is None:
        findings.ignored += 1
    else:
        try:
            yield from parquet_photos(file, found[1], findings)
        except Exception as error:  # damaged metadata columns, remote systems: this file's status
            yield damaged(file, "Parquet file", findings, as_os_error(error))
