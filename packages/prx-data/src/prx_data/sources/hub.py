"""A dataset of the Hugging Face hub: its files where they can be read at random, else what `datasets` streams."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from itertools import chain
from typing import Any

from prx_data.errors import SourceError
from prx_data.features import plain
from prx_data.files import as_os_error
from prx_data.reading import read
from prx_data.records import PhotoFile, Status
from prx_data.sources.columns import is_list, picture_column
from prx_data.sources.extras import load_datasets
from prx_data.sources.folder import Folder
from prx_data.sources.found import NOTHING, Earlier, Findings
from prx_data.sources.locations import walk
from prx_data.sources.tables import POSITION, left_out_note, split_features, with_position

PREFIX = "hf://datasets/"


class Hub:
    """Pictures, Parquet files, tars and zips in the repository; if there are none, the rows that `datasets` streams."""

    def __init__(self, location: str, image_column: str | None = None) -> None:
        self.name = location
        self._image_column = image_column

    @property
    def revision(self) -> str:
        """The commit that the dataset stands at, and the column; empty if the hub does not tell."""
        identifier, _, revision = self.name.removeprefix(PREFIX).partition("@")
        try:
            found = import_module("huggingface_hub").HfApi().dataset_info(identifier, revision=revision or None)
        except Exception:  # no network, no such dataset: then there is nothing to compare
            return ""
        return f"{found.sha}-{self._image_column}" if found.sha and self._image_column else str(found.sha or "")

    def photos(self, findings: Findings, earlier: Earlier = NOTHING) -> Iterator[PhotoFile]:
        """Every photo; those that were streamed bring their bytes."""
        try:
            files = list(walk(self.name))
        except Exception as error:  # the network raises nearly anything
            identifier = self.name.removeprefix(PREFIX)
            raise SourceError(
                f"photos = {identifier!r} is no local path, and no dataset of the hub could be read: {_reason(error)}."
            ) from error
        found = Folder(self.name, lambda: files, image_column=self._image_column).photos(findings, earlier)
        first = None
        try:
            first = next(found)
        except SourceError as error:
            if isinstance(error.__cause__, OSError):  # a file that could not be fetched: streaming asks for it, too
                raise SourceError(f"{str(error).rstrip('.')}{_log_in(error)}.") from error
        yield from chain([first], found) if first is not None else self._streamed(findings)

    def _streamed(self, findings: Findings) -> Iterator[PhotoFile]:
        identifier, _, revision = self.name.removeprefix(PREFIX).partition("@")
        datasets = load_datasets()
        try:
            splits = datasets.load_dataset(identifier, revision=revision or None, streaming=True)
        except Exception as error:  # `datasets` raises nearly anything on a repository that it cannot read
            told = f"photos = {identifier!r} is no dataset that can be streamed: {_reason(error)}."
            raise SourceError(told) from error
        yield from streamed_photos(splits, findings, name=self.name, wanted=self._image_column)


_CLOSED = ("GatedRepoError", "RepositoryNotFoundError", "DatasetNotFoundError")
_REFUSALS = (401, 403)


def _reason(error: Exception) -> str:
    """The first sentence of what the hub says, and what to do if it lets not everybody in."""
    said = next(iter(str(error).splitlines()), "").split(". ")[0].rstrip(".")
    told = said if said and isinstance(error, OSError) else f"{type(error).__name__}: {said}"
    return told + _log_in(error)


def _log_in(error: BaseException | None) -> str:
    """How to get in, if that may be what keeps us out: the hub does not tell what is private from what is not there."""
    while error is not None:
        status = getattr(getattr(error, "response", None), "status_code", None)
        if type(error).__name__ in _CLOSED or status in _REFUSALS:
            return "; if it is private or gated, ask for access and log in: `hf auth login`, or a token in HF_TOKEN"
        error = error.__cause__ or error.__context__
    return ""


def streamed_photos(
    splits: Mapping[str, Any], findings: Findings, *, name: str, wanted: str | None = None
) -> Iterator[PhotoFile]:
    """One photo per row of iterable datasets, with its bytes; its origin is the split and the row's number, from 0.

    A split that breaks off gives the rows before, and a row of its own that says so. Whose fault it was nobody knows:
    where the network fails, `datasets` tries the file as another format, and that one's complaint is what comes.

    Args:
        splits: `datasets.IterableDataset` by split.
        findings: Filled.
        name: The source's, for messages.
        wanted: The column that holds the pictures; recognised if None.
    """
    for split, rows in splits.items():
        done = 0
        try:
            for photos in _streamed_rows(split, rows, findings, name=name, wanted=wanted):
                yield from photos
                done += 1
        except SourceError:
            raise
        except Exception as error:  # the network raises nearly anything
            findings.unread.append(f"{split} from row {done} on")
            told = as_os_error(error)
            why = f"{told.strerror or told}{_log_in(error)}"
            problem = (Status.UNREADABLE, f"the rows from {done} on cannot be read: {why}")
            yield PhotoFile(origin=split, locator="", problem=problem)


def _streamed_rows(
    split: str, rows: Any, findings: Findings, *, name: str, wanted: str | None
) -> Iterator[list[PhotoFile]]:
    """The photos of each row of a split."""
    resolved = rows._resolve_features() if rows.features is None else rows
    schema = resolved.features.arrow_schema
    undecoded = resolved.decode(False)

    def cells(one: str) -> Iterator[Any]:
        return (row[one] for row in undecoded)

    column = picture_column(schema, cells, location=f"{name}, {split},", wanted=wanted)
    if column is None:
        raise SourceError(f"photos = {name!r} has no column of pictures; it has {schema.names}.")
    features, left_out = split_features(schema, column)
    findings.add_features(with_position(features, listed=is_list(schema.field(column).type)))
    findings.notes.extend(left_out_note(f"{name}, {split}", left_out))
    for number, row in enumerate(undecoded):
        described = {name: plain(row[name], one) for name, one in features.items() if row.get(name) is not None}
        yield list(_streamed_row(f"{split}/{number}", row[column], described))


def _streamed_row(origin: str, cell: Any, metadata: Mapping[str, Any]) -> Iterator[PhotoFile]:
    """The photo of a row, or each of its list; a row with an empty list is a photo that is missing."""
    if not isinstance(cell, list) or not cell:
        yield _streamed_photo(origin, cell or {}, metadata)
        return
    for position, one in enumerate(cell):
        yield _streamed_photo(f"{origin}/{position}", one or {}, {**metadata, POSITION: position})


def _streamed_photo(origin: str, cell: bytes | Mapping[str, Any], metadata: Mapping[str, Any]) -> PhotoFile:
    cell = {"bytes": cell} if isinstance(cell, bytes) else cell
    content: bytes | None = cell.get("bytes")
    problem = None
    if content is None:
        try:
            content = read(cell["path"]) if cell.get("path") else None
            problem = None if content is not None else (Status.MISSING, "the row holds no picture")
        except FileNotFoundError:
            problem = (Status.MISSING, "no such file")
        except OSError as error:
            problem = (Status.UNREADABLE, error.strerror or str(error))
    return PhotoFile(origin=origin, locator="", stamp="", metadata=metadata, problem=problem, content=content)
