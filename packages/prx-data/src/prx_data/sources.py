"""Where photos come from: a folder, with the `metadata.csv` files that lie in it.

A *photo* is a file whose name or whose first bytes say that it is a picture, or that a `metadata.csv` names. Anything
else in the folder is counted and left alone. Hidden files and folders are skipped.
"""

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prx_data.errors import SourceError
from prx_data.records import PhotoFile

IMAGE_SUFFIXES = frozenset(
    [
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".png",
        ".webp",
        ".gif",
        ".bmp",
        ".tif",
        ".tiff",
        ".avif",
        ".heic",
        ".heif",
        ".mpo",
        ".jp2",
        ".ppm",
        ".tga",
        ".ico",
    ]
)
METADATA_NAME = "metadata.csv"
FILE_NAME_COLUMN = "file_name"

_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8", b"BM", b"II*\x00", b"MM\x00*")


@dataclass(frozen=True, kw_only=True)
class Folder:
    """What was found in a folder."""

    root: Path
    photos: tuple[PhotoFile, ...]
    """Ordered by origin."""
    ignored: int
    """Files that are neither photos nor metadata."""


def scan_folder(root: Path, metadata: Path | None = None) -> Folder:
    """Find the photos below a folder and their metadata.

    Args:
        root: The folder; searched recursively, symbolic links to folders are followed once.
        metadata: A CSV with a `file_name` column relative to `root`; by default every `metadata.csv` below `root`,
            with `file_name` relative to the folder that it lies in.

    Raises:
        SourceError: The folder is missing or holds no photo, or a metadata file is unusable.
    """
    if not root.is_dir():
        what = "is a file, not a folder" if root.exists() else "does not exist"
        raise SourceError(f"photos = {str(root)!r} {what}.")
    files = list(_walk(root))
    described = _read_all_metadata(root, metadata, files)
    photos: dict[str, PhotoFile] = {}
    ignored = 0
    for path in files:
        origin = path.relative_to(root).as_posix()
        if origin in described or _looks_like_image(path):
            photos[origin] = PhotoFile(origin=origin, path=str(path.absolute()), metadata=described.get(origin, {}))
        elif path.name != METADATA_NAME:
            ignored += 1
    for origin in described.keys() - photos.keys():
        photos[origin] = PhotoFile(origin=origin, path=str((root / origin).absolute()), metadata=described[origin])
    if not photos:
        held = "is empty" if not files else f"holds {len(files)} files, and none of them is a picture"
        raise SourceError(f"photos = {str(root)!r} {held}.")
    return Folder(root=root, photos=tuple(photos[origin] for origin in sorted(photos)), ignored=ignored)


def _walk(root: Path) -> Iterator[Path]:
    """Visible files below `root`; each real folder is entered once, so that link loops end."""
    entered: set[tuple[int, int]] = set()
    for folder, subfolders, names in os.walk(root, followlinks=True):
        status = Path(folder).stat()
        if (status.st_dev, status.st_ino) in entered:
            subfolders.clear()
            continue
        entered.add((status.st_dev, status.st_ino))
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        yield from (Path(folder, name) for name in sorted(names) if not name.startswith("."))


def _looks_like_image(path: Path) -> bool:
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return True
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError:
        return False
    return head.startswith(_SIGNATURES) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP") or head[4:8] == b"ftyp"


def _read_all_metadata(root: Path, metadata: Path | None, files: list[Path]) -> dict[str, dict[str, str]]:
    if metadata is not None:
        return _read_metadata(metadata, root, root)
    described: dict[str, dict[str, str]] = {}
    for path in files:
        if path.name == METADATA_NAME:
            described |= _read_metadata(path, path.parent, root)
    return described


def _read_metadata(path: Path, base: Path, root: Path) -> dict[str, dict[str, str]]:
    """Rows of one CSV by origin, without the file name column."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if FILE_NAME_COLUMN not in (reader.fieldnames or ()):
                raise SourceError(f"{path} has no column {FILE_NAME_COLUMN!r}; it has {reader.fieldnames}.")
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"The metadata {path} cannot be read: {error}.") from error
    described: dict[str, dict[str, str]] = {}
    for number, row in enumerate(rows, start=2):
        name = row.pop(FILE_NAME_COLUMN)
        located = os.path.relpath(base / name, root) if name else ".."
        if located.startswith(".."):
            raise SourceError(f"{path}, line {number}: file_name = {name!r} is not a path below {root}.")
        described[Path(located).as_posix()] = {
            column: value for column, value in row.items() if isinstance(column, str) and isinstance(value, str)
        }
    return described
