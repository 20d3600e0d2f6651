"""Finding files: below a folder, local or remote, or by a pattern."""

import glob
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from prx_data.errors import SourceError
from prx_data.features import printable
from prx_data.files import (
    as_os_error,
    filesystem,
    is_url,
    listed_anew,
    local_path,
    read_stretch,
    stamp_of,
    stamp_of_info,
)
from prx_data.reading import Locator
from prx_data.sources.pictures import suffix_of

_BRACES = re.compile(r"\{([^{}]*(?:,|\.\.)[^{}]*)\}")
_MAGIC = re.compile(r"[*?\[]")
_HEAD_BYTES = 512
MANIFEST = "curation.json"
"""The file that makes a folder a dataset of ours."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundFile:
    """A file of a source."""

    location: str
    name: str
    """Path relative to the source, with `/`."""
    stamp: str | None = None
    """As `reading.stamp_of`; None if nobody asked yet."""
    problem: str = ""
    """Why this is a folder that cannot be listed, and not a file."""

    @property
    def locator(self) -> str:
        """The whole file."""
        return str(Locator(location=self.location))

    @property
    def suffix(self) -> str:
        """Lower case, with the dot."""
        return suffix_of(self.name)

    @property
    def folder(self) -> str:
        """The name's folder; empty at the top."""
        return self.name.rpartition("/")[0]

    @property
    def last(self) -> str:
        """The name without its folder."""
        return self.name.rpartition("/")[2]

    def head(self) -> bytes:
        """The first bytes; empty if they cannot be read."""
        try:
            return read_stretch(self.location, 0, _HEAD_BYTES)
        except Exception:  # an unreadable file is not known to be a photo; if metadata names it, it gets its status
            return b""

    def stamped(self) -> str:
        """The stamp; asked for if it is not known. Empty if the file is gone."""
        try:
            return stamp_of(self.location) if self.stamp is None else self.stamp
        except Exception:  # remote systems raise nearly anything
            return ""


def as_location(photos: str | os.PathLike[str]) -> str:
    """What a user names, as a location: an absolute path, or a URL without a final slash."""
    text = os.fspath(photos)
    text = local_path(text) if is_url(text) else text
    if is_url(text):
        return text.rstrip("/") if not text.endswith("://") and "::" not in text else text
    return os.path.normpath(Path(text).expanduser().absolute())


def is_pattern(location: str) -> bool:
    """Whether a location names several files by `*`, `?`, `[...]`, `{a,b}` or `{000..099}`; web addresses never do."""
    if location.startswith(("http://", "https://")):
        return False
    return bool(_MAGIC.search(location.partition("::")[0]) or _BRACES.search(location))


def walk(root: str) -> Iterator[FoundFile]:
    """Visible files below a folder, in order of their names."""
    return _walk_remote(root) if is_url(root) else _walk_local(Path(root))


def unpacked(file: FoundFile) -> list[FoundFile]:
    """What is in a zip, as files below its name; any other file, and a zip that cannot be opened, as it is."""
    if file.suffix != ".zip":
        return [file]
    inside = f"zip://::{file.location}"
    from fsspec import get_filesystem_class

    try:
        # fsspec keeps the directory of a zip that it opened before, and the zip may be another one by now.
        get_filesystem_class("zip").clear_instance_cache()
        found = list(_walk_remote(inside))
    except Exception:  # a damaged zip raises nearly anything; it is a row of its own
        return [file]
    return [FoundFile(location=one.location, name=f"{file.name}/{one.name}", stamp=one.stamp) for one in found]


def _walk_local(root: Path) -> Iterator[FoundFile]:
    """Each real folder is entered once, so that link loops end; workspaces and datasets of ours are not entered."""
    entered: set[tuple[int, int]] = set()
    closed: list[OSError] = []
    for folder, subfolders, names in os.walk(root, followlinks=True, onerror=closed.append):
        status = Path(folder).stat()
        ours = MANIFEST in names or ("ledger.jsonl" in names and "sources" in subfolders)
        if (status.st_dev, status.st_ino) in entered or (ours and folder != str(root)):
            subfolders.clear()
            continue
        entered.add((status.st_dev, status.st_ino))
        subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                path = Path(folder, name)
                yield FoundFile(location=str(path), name=printable(path.relative_to(root).as_posix()))
    for error in closed:
        name = printable(os.path.relpath(error.filename, root))
        yield FoundFile(location=error.filename, name=name, problem=f"the folder cannot be listed: {error.strerror}")


def _walk_remote(root: str) -> Iterator[FoundFile]:
    system, base = listed_anew(root)
    yield from _remote_files(root, base, system.find(base, detail=True))


def _remote_files(root: str, base: str, found: Mapping[str, Mapping[str, Any]]) -> Iterator[FoundFile]:
    """Files that a remote system lists, with their stamps."""
    for path in sorted(found):
        name = path.removeprefix(base).lstrip("/")
        info = dict(found[path])
        if info.get("type") == "file" and not any(part.startswith(".") for part in name.split("/")):
            yield FoundFile(location=_same_system(root, path), name=name, stamp=stamp_of_info(info))


def _same_system(root: str, path: str) -> str:
    """The URL of a path in the file system of `root`, chain included."""
    inner, separator, outer = root.partition("::")
    if not separator:
        return str(filesystem(root)[0].unstrip_protocol(path))
    return f"{inner.partition('://')[0]}://{path}{separator}{outer}"


def match(pattern: str) -> list[FoundFile]:
    """The files of a pattern; names count from the last folder before its first `*`, `?`, `[` or `{`.

    Raises:
        SourceError: A file that braces name is not there, or there is none at all.
    """
    base = re.split(r"[*?\[{]", pattern, maxsplit=1)[0].rpartition("/")[0]
    found: dict[str, FoundFile] = {}
    for one in expand_braces(pattern):
        files = _glob(one, base)
        if not files and not _MAGIC.search(one):
            raise SourceError(f"photos = {pattern!r} names {one}, which does not exist.")
        found |= {file.location: file for file in files}
    if not found:
        raise SourceError(f"photos = {pattern!r} matches no file.")
    return [found[location] for location in sorted(found)]


def _glob(pattern: str, base: str) -> list[FoundFile]:
    if not is_url(pattern):
        paths = [Path(path) for path in glob.glob(pattern, recursive=True)]  # noqa: PTH207
        files = [file for path in paths if path.is_dir() for file in _walk_local(path)]
        locations = [str(path) for path in paths if path.is_file()] + [file.location for file in files]
        return [FoundFile(location=one, name=printable(os.path.relpath(one, base or "/"))) for one in locations]
    try:
        system, path = listed_anew(pattern)
        found = system.glob(path, detail=True)
    except Exception as error:  # file systems raise nearly anything
        raise SourceError(f"photos = {pattern!r} cannot be listed: {as_os_error(error)}.") from error
    root = base if "::" not in pattern else f"{base}::{pattern.partition('::')[2]}"
    return list(_remote_files(root, _inner(base), found))


def _inner(base: str) -> str:
    """The path that a URL's file system calls the base folder."""
    if base.endswith(":/"):  # the root of a file system
        return ""
    return str(filesystem(base)[1]) if not base.startswith("zip://") else base.removeprefix("zip://")


def expand_braces(pattern: str) -> list[str]:
    """`a{1,2}b{00..02}` as the six names that it stands for; a range keeps its leading zeros."""
    parts = _BRACES.split(pattern)
    choices = [[part] if number % 2 == 0 else _choices(part) for number, part in enumerate(parts)]
    return ["".join(one) for one in product(*choices)]


def _choices(inside: str) -> list[str]:
    if bounds := re.fullmatch(r"(\d+)\.\.(\d+)", inside):
        first, last = bounds.groups()
        return [str(number).zfill(len(first)) for number in range(int(first), int(last) + 1)]
    return inside.split(",")
