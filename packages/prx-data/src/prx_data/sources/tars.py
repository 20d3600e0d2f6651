"""WebDataset: tars in which the members of one key are one sample; plain, or compressed by gzip."""

import json
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prx_data.features import printable
from prx_data.files import as_os_error, fault_of, open_binary, unread
from prx_data.reading import Locator
from prx_data.records import PhotoFile, Status
from prx_data.sources.found import NOTHING, Earlier, Findings
from prx_data.sources.locations import FoundFile
from prx_data.sources.pictures import begins_like_a_picture, named_like_a_picture
from prx_data.sources.tables import infer_columns, typed

_TEXTS = frozenset({"json", "txt", "cls"})
PACKED_SUFFIXES = (".tgz", ".tar.gz")
_GZIP = b"\x1f\x8b"
_MAGIC = b"ustar"
_MAGIC_OFFSET = 257


def is_tar(head: bytes) -> bool:
    """Whether the first 512 bytes are the header of a tar."""
    return head[_MAGIC_OFFSET : _MAGIC_OFFSET + len(_MAGIC)] == _MAGIC


def is_packed_tar(head: bytes) -> bool:
    """Whether the first bytes of a file are those of a tar that gzip has compressed."""
    if not head.startswith(_GZIP):
        return False
    try:
        return is_tar(zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(head))
    except zlib.error:
        return False


@dataclass(kw_only=True)
class _Shard:
    """What lies in one tar."""

    pictures: dict[str, Locator] = field(default_factory=dict)
    texts: dict[str, dict[str, str]] = field(default_factory=dict)
    """Members' texts by key and by what follows the key: `json`, `txt`, `cls`."""
    ignored: int = 0
    problem: str = ""
    """Why the tar could not be read to its end."""
    unread: bool = False
    """Whether that is not the tar's own fault."""


def tar_photos(file: FoundFile, findings: Findings, earlier: Earlier = NOTHING) -> Iterator[PhotoFile]:
    """The pictures of a tar; members `KEY.json`, `KEY.txt` and `KEY.cls` are the metadata of the pictures `KEY.*`.

    The keys of a JSON object are columns; `txt` is the column `caption` unless the JSON has one; `cls` is a number.
    A tar that is damaged gives what comes before the damage, and a row of its own that says so. One that has not
    changed since it was listed is not read again.
    """
    stamp, packed = file.stamped(), file.last.endswith(PACKED_SUFFIXES)
    listed = earlier.listing(file.name, stamp)
    if listed is not None:
        photos = list(earlier.photos_below(file.name, stamp))
        if not packed or all(Path(Locator.parse(one.locator).location).exists() for one in photos):
            findings.add_tar(file.name, listed)
            yield from photos
            return
    shard = _scan(file.location, packed=packed)
    described = {key: _metadata(texts) for key, texts in shard.texts.items()}
    features = infer_columns(list(described.values()))
    # A damaged tar has no stamp: it is looked at again.
    findings.add_tar(
        file.name, {"stamp": "" if shard.problem else stamp, "ignored": shard.ignored, "features": features}
    )
    for name, place in shard.pictures.items() if not packed else ():
        metadata = typed(described.get(_key(name)[0], {}), features)
        yield PhotoFile(origin=f"{file.name}/{name}", locator=str(place), stamp=stamp, metadata=metadata)
    left = set(shard.pictures) if packed else set()
    for name, content in _contents(file.location, left, shard):
        metadata = typed(described.get(_key(name)[0], {}), features)
        origin = f"{file.name}/{name}"
        yield PhotoFile(origin=origin, locator="", stamp=stamp, metadata=metadata, content=content, spool=True)
    for name in sorted(left):
        problem = (Status.UNREADABLE, "the tar cannot be decompressed up to it")
        yield PhotoFile(origin=f"{file.name}/{name}", locator=file.locator, problem=problem)
    if shard.unread:
        findings.unread.append(file.name)
    if shard.problem:
        problem = (Status.UNREADABLE, shard.problem)
        yield PhotoFile(origin=file.name, locator=file.locator, problem=problem)


def _scan(location: str, *, packed: bool) -> _Shard:
    """List a tar; one that is compressed is decompressed to its end for it, as what describes a picture may follow."""
    shard = _Shard()
    try:
        with _opened(location, packed=packed) as (tar, end):
            for member in tar:
                if end is not None and member.offset_data + member.size > end:
                    shard.problem = f"the tar ends within its member {member.name}"
                if _counts(member):
                    _sort(shard, tar, member, location)
    except Exception as error:  # tarfile and remote systems raise nearly anything
        shard.unread = unread(error, location)
        told, why = "cannot be read" if shard.unread else fault_of(location), as_os_error(error)
        shard.problem = shard.problem or f"the tar {told}: {why.strerror or why}"
    return shard


@contextmanager
def _opened(location: str, *, packed: bool) -> Iterator[tuple[tarfile.TarFile, int | None]]:
    """A tar, and its length if that is known."""
    with open_binary(location) as opened, tarfile.open(fileobj=opened, mode="r|gz" if packed else "r:") as tar:
        yield tar, None if packed else opened.seek(0, 2)


def _contents(location: str, wanted: set[str], shard: _Shard) -> Iterator[tuple[str, bytes]]:
    """The pictures of a compressed tar with their bytes, one after the other; what was not read is left in `wanted`."""
    if not wanted:
        return
    try:
        with _opened(location, packed=True) as (tar, _):
            for member in tar:
                name = _name(member)
                opened = tar.extractfile(member) if _counts(member) and name in wanted else None
                if opened is not None:
                    content = opened.read()
                    wanted.discard(name)
                    yield name, content
    except Exception as error:  # tarfile and remote systems raise nearly anything
        shard.unread = shard.unread or unread(error, location)


def _counts(member: tarfile.TarInfo) -> bool:
    return member.isreg() and not member.issparse() and not _hidden(member.name)


def _name(member: tarfile.TarInfo) -> str:
    return printable(member.name.removeprefix("./"))


def _hidden(name: str) -> bool:
    return any(part.startswith(".") and part != "." for part in name.split("/"))


def _sort(shard: _Shard, tar: tarfile.TarFile, member: tarfile.TarInfo, location: str) -> None:
    name = _name(member)
    key, extension = _key(name)
    opened = tar.extractfile(member)
    if opened is None:
        return
    if extension in _TEXTS:
        text = opened.read().decode("utf-8-sig", errors="replace")
        shard.texts.setdefault(key, {})[extension] = text
    elif named_like_a_picture(name) or begins_like_a_picture(opened.read(16)):
        shard.pictures[name] = Locator(location=location, kind="range", block=member.offset_data, size=member.size)
    else:
        shard.ignored += 1


def _key(name: str) -> tuple[str, str]:
    """A member's key and what follows it: a key ends at the first dot of the member's last part."""
    folder, slash, last = name.rpartition("/")
    key, _, extension = last.partition(".")
    return f"{folder}{slash}{key}", extension.lower()


def _metadata(texts: dict[str, str]) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    for extension in ("json", "txt", "cls"):  # in this order, so that JSON's own columns come first
        if extension in texts:
            columns |= _columns(extension, texts[extension], columns)
    return columns


def _columns(extension: str, text: str, before: dict[str, Any]) -> dict[str, Any]:
    if extension == "json":
        try:
            value = json.loads(text)
        except ValueError:
            return {"json": text}  # a column of text: it is not for us to lose it
        return value if isinstance(value, dict) else {"json": text}
    text = text.strip()
    if extension == "cls":
        return {"cls": int(text) if text.removeprefix("-").isdecimal() else text}
    return {"caption" if before.get("caption", text) == text else "txt": text}
