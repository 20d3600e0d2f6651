"""Files wherever they lie: local, or in any file system that fsspec knows.

A *location* is an absolute local path or an fsspec URL, chains included.
"""

import os
import re
import stat
import tarfile
import zlib
from io import BufferedReader
from pathlib import Path
from typing import Any

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_CONNECT_SECONDS = 20
_READ_SECONDS = 60
_LONGEST = 400
"""Characters of an error that are told: servers answer with pages."""


def is_url(location: str) -> bool:
    """Whether a location is an fsspec URL and not a local path."""
    return bool(_URL.match(location))


def only_here(location: str) -> bool:
    """Whether no other process can read it: fsspec's `memory://` is this process's own."""
    return "memory://" in location


def as_os_error(error: Exception) -> OSError:
    """The error of a file system or a format as the one kind that callers know, told in one line."""
    told = " ".join(str(error).split()).rstrip(". ")
    if isinstance(error, OSError) and (error.strerror or (told == str(error) and len(told) <= _LONGEST)):
        return error
    missing = isinstance(error, FileNotFoundError | NotADirectoryError)
    told = told if isinstance(error, OSError) else f"{type(error).__name__}: {told}"
    found = (FileNotFoundError if missing else OSError)(told[:_LONGEST])
    found.__cause__ = error
    return found


def filesystem(location: str) -> tuple[Any, str]:
    """The fsspec file system of a URL, and the path in it."""
    from fsspec.core import url_to_fs

    found: tuple[Any, str] = url_to_fs(location, **_web_options(location))
    return found


def fault_of(location: str) -> str:
    """What is wrong with a file that opening it failed: of a remote one, nobody knows whether it was the network."""
    return "cannot be read" if is_url(location) else "is damaged"


def unread(error: Exception, location: str) -> bool:
    """Whether a file could not be read for a reason that is not in it, such as no permission or no network."""
    original = error.__cause__ if isinstance(error.__cause__, Exception) else error
    if isinstance(original, OSError) and original.errno is not None:
        return True
    if not is_url(location) or isinstance(original, ValueError | EOFError | tarfile.TarError | zlib.error):
        return False
    # Formats and file systems both raise it bare, and the first byte tells them apart.
    return type(original) is not OSError or unreadable(location) is not None


def unreadable(location: str) -> OSError | None:
    """Why not even the first byte of a file can be read; None if it can, or if there is none."""
    try:
        read_stretch(location, 0, 1)
    except Exception as error:  # remote systems raise nearly anything
        return as_os_error(error)
    return None


def listed_anew(location: str) -> tuple[Any, str]:
    """As `filesystem`, without the listings that it remembers from earlier calls, which may be out of date."""
    system, path = filesystem(location)
    system.invalidate_cache()
    return system, path


def _web_options(location: str) -> dict[str, Any]:
    """Patience with web servers: without it one that says nothing holds a run up for five minutes a photo."""
    if not location.startswith(("http://", "https://")):
        return {}
    import aiohttp

    return {"client_kwargs": {"timeout": aiohttp.ClientTimeout(sock_connect=_CONNECT_SECONDS, sock_read=_READ_SECONDS)}}


def open_local(path: str) -> BufferedReader:
    """A regular file; anything else, such as a pipe that nobody writes to, is an error and not a wait."""
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))  # noqa: SIM115
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    raise OSError("it is not a regular file")


def open_binary(location: str) -> Any:
    """A seekable file of bytes, to be closed."""
    if not is_url(location):
        return open_local(location)
    system, path = filesystem(location)
    return system.open(path, "rb")


def read_stretch(location: str, offset: int, size: int) -> bytes:
    """At most `size` bytes of a file; fewer where it ends."""
    if size == 0:  # a request for no bytes is not one that servers answer
        return b""
    if not is_url(location):
        with open_local(location) as file:
            file.seek(offset)
            return file.read(size)
    system, path = filesystem(location)
    data: bytes = system.cat_file(path, start=offset, end=offset + size)
    return data


_TAGS = (
    *("etag", "ETag", "blob_id", "md5Hash", "contentHash", "Content-MD5", "Digest", "CRC"),
    *("mtime", "LastModified", "last_modified", "Last-Modified", "date_time", "created"),
)
"""What file systems of fsspec call the content's tag and the time of its last change."""


def stamp_of(location: str) -> str:
    """Changes when a file may have: size and time of change, or a remote system's tag; empty if it tells neither."""
    if not is_url(location):
        status = Path(location).stat()
        return f"{status.st_size}-{status.st_mtime_ns}"
    system, path = filesystem(location)
    return stamp_of_info(system.info(path))


def stamp_of_info(info: dict[str, Any]) -> str:
    """As `stamp_of`, from what an fsspec system tells of a file."""
    tags = [f"{name}={info[name]}" for name in _TAGS if info.get(name)]
    return "-".join([str(info.get("size")), *tags]) if tags else ""


def beside(location: str, name: str) -> str:
    """The location of a file that is named relative to the folder that another lies in."""
    if is_url(name):
        return local_path(name)
    if is_url(location) and not Path(name).is_absolute():
        inner, separator, outer = location.partition("::")
        return f"{inner.rpartition('/')[0]}/{name}{separator}{outer}"
    return os.path.normpath(Path(location).parent / name)


def local_path(location: str) -> str:
    """A `file://` URL as the local path that it is; any other location unchanged."""
    if "::" in location or not location.startswith(("file://", "local://")):
        return location
    return str(filesystem(location)[1])
