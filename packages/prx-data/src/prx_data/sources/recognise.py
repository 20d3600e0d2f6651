"""What the user named, recognised from what it is."""

import os
import re
from pathlib import Path

from prx_data.errors import SourceError
from prx_data.features import printable
from prx_data.files import as_os_error, is_url, listed_anew
from prx_data.sources.cells import parquet_columns
from prx_data.sources.columns import is_text
from prx_data.sources.extras import check_protocols
from prx_data.sources.folder import Folder
from prx_data.sources.found import Source
from prx_data.sources.hub import PREFIX, Hub
from prx_data.sources.locations import FoundFile, as_location, is_pattern, match, walk
from prx_data.sources.manifest import Manifest
from prx_data.sources.pictures import begins_like_a_picture, named_like_a_picture
from prx_data.sources.tables import CSV_SUFFIXES, JSONL_SUFFIXES
from prx_data.sources.tars import PACKED_SUFFIXES, is_packed_tar, is_tar

_HUB_PAGE = re.compile(
    r"https?://(?:www\.)?(?:huggingface\.co|hf\.co)/datasets/([^/?#]+/[^/?#]+)(?:/tree/([^/?#]+))?/?"
)
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+(@[\w./-]+)?")
_KINDS = (
    "a folder, a CSV, JSONL or Parquet manifest, a dataset saved by `datasets`, a WebDataset tar, a zip, "
    "a pattern such as 'shards/{000..099}.tar', or a dataset of the Hugging Face hub"
)

Photos = str | os.PathLike[str]
"""What names a source: a path, an fsspec URL, a pattern, or `owner/name` on the hub."""


def source_name(photos: Photos, setting: str = "photos") -> str:
    """The location that a source is known by: the same pile has the same name.

    Args:
        photos: What names it.
        setting: What the user calls it, for the message.

    Raises:
        SourceError: There is nothing of that name, or it is no name.
    """
    if not isinstance(photos, str | os.PathLike) or not os.fspath(photos):
        several = "; of several piles, add one after the other" if isinstance(photos, list | tuple) else ""
        raise SourceError(f"{setting} = {photos!r} is no path or URL{several}.")
    text = os.fspath(photos)
    if page := _HUB_PAGE.fullmatch(text):
        return PREFIX + "@".join(filter(None, page.groups()))
    location = as_location(text)
    if is_url(location) or _exists(location) or is_pattern(location):
        return location
    if _HUB_ID.fullmatch(text) and not Path(text.split("/")[0]).exists():
        return PREFIX + text
    raise SourceError(f"{setting} = {text!r} does not exist.")


def open_source(photos: Photos, metadata: Photos | None = None, image_column: str | None = None) -> Source:
    """Recognise a source; its photos are read when they are asked for.

    Args:
        photos: What names it.
        metadata: For a folder: a CSV, JSONL or Parquet file whose names are relative to the folder.
        image_column: Of tables: the column that holds the pictures or names them; recognised if None.

    Raises:
        SourceError: It does not exist, is of no known kind, or needs a package that is missing.
    """
    name = source_name(photos)
    about = None if metadata is None else as_location(metadata)
    try:
        check_protocols(one for one in (name, about) if one)
    except SourceError:
        if is_url(os.fspath(photos)) or not name.startswith(PREFIX):
            raise
        told = "does not exist, unless it is a dataset of the Hugging Face hub: for these, pip install 'prx-data[hub]'"
        raise SourceError(f"photos = {os.fspath(photos)!r} {told}.") from None
    source = _open(name, about, image_column)
    if about is not None and not isinstance(source, Folder):
        raise SourceError(f"metadata = {str(metadata)!r} goes with a folder; photos = {name!r} has its own.")
    return source


def _open(name: str, metadata: str | None, column: str | None) -> Source:
    if re.fullmatch(re.escape(PREFIX) + r"[^/]+/[^/]+", name):
        return Hub(name, column)
    if is_pattern(name) and not (not is_url(name) and _exists(name)):
        return Folder(name, lambda: match(name), metadata, column)
    if _is_folder(name):
        return Folder(name, lambda: list(walk(name)), metadata, column)
    return _open_file(name, metadata, column)


def _exists(path: str) -> bool:
    return os.path.lexists(path)


def _is_folder(location: str) -> bool:
    if not is_url(location):
        return Path(location).is_dir()
    try:
        system, path = listed_anew(location)
        if system.isdir(path):
            return True
        if not system.exists(path):
            raise SourceError(f"photos = {location!r} does not exist.")
    except SourceError:
        raise
    except Exception as error:  # remote systems raise nearly anything
        raise SourceError(f"photos = {location!r} cannot be read: {as_os_error(error)}.") from error
    return False


def _open_file(name: str, metadata: str | None, column: str | None) -> Source:
    file = FoundFile(location=name, name=_last_part(name))
    head = file.head()
    if file.suffix in CSV_SUFFIXES | JSONL_SUFFIXES:
        return Manifest(name, file.suffix, column)
    if file.suffix == ".parquet" or head.startswith(b"PAR1"):
        return _open_parquet(file, metadata, column)
    if is_tar(head):
        return Folder(name, lambda: [_named(file, ".tar")], metadata, column)
    if is_packed_tar(head):
        packed = file if file.last.endswith(PACKED_SUFFIXES) else _named(file, ".tgz")
        return Folder(name, lambda: [packed], metadata, column)
    if head.startswith(b"PK\x03\x04"):
        return Folder(name, lambda: [_named(file, ".zip")], metadata, column)
    if named_like_a_picture(name) or begins_like_a_picture(head):
        raise SourceError(f"photos = {name!r} is one picture; name the folder that it lies in.")
    raise SourceError(f"photos = {name!r} is a file, not a folder, and of no known kind; give {_KINDS}.")


def _open_parquet(file: FoundFile, metadata: str | None, wanted: str | None) -> Source:
    found = parquet_columns(file.location, wanted)
    if isinstance(found, OSError):
        raise SourceError(f"photos = {file.location!r} is not Parquet: {found}.")
    schema, column = found
    if column is not None:
        return Folder(file.location, lambda: [_named(file, ".parquet")], metadata, wanted)
    if wanted in schema.names and not is_text(schema.field(wanted).type):
        kind = schema.field(wanted).type
        raise SourceError(f"image_column = {wanted!r} of {file.location} is {kind}, neither pictures nor names.")
    return Manifest(file.location, ".parquet", wanted)


def _named(file: FoundFile, suffix: str) -> FoundFile:
    """The file under a name that says what it is."""
    name = file.name if file.suffix == suffix else file.name + suffix
    return FoundFile(location=file.location, name=name, stamp=file.stamp)


def _last_part(location: str) -> str:
    inner = location.partition("::")[0]
    if inner.startswith(("http://", "https://")):
        inner = inner.partition("?")[0]
    return printable(inner.rstrip("/").rpartition("/")[2])
