"""WebDataset: tars in which the members of one key are one sample."""

import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from prx_data.features import printable
from prx_data.files import as_os_error, open_binary
from prx_data.reading import Locator
from prx_data.records import PhotoFile, Status
from prx_data.sources.found import NOTHING, Earlier, Findings
from prx_data.sources.locations import FoundFile
from prx_data.sources.pictures import begins_like_a_picture, named_like_a_picture
from prx_data.sources.tables import infer_columns, typed

_TEXTS = frozenset({"json", "txt", "cls"})
_MAGIC = b"ustar"
_MAGIC_OFFSET = 257


def is_tar(head: bytes) -> bool:
    """Whether the first 512 bytes are the header of a tar."""
    return head[_MAGIC_OFFSET : _MAGIC_OFFSET + len(_MAGIC)] == _MAGIC


@dataclass(kw_only=True)
class _Shard:
    """What lies in one tar."""

    pictures: dict[str, Locator] = field(default_factory=dict)
    texts: dict[str, dict[str, str]] = field(default_factory=dict)
    """Members' texts by key and by what follows the key: `json`, `txt`, `cls`."""
    ignored: int = 0
    problem: str = ""
    """Why the tar could not be read to its end."""


def tar_photos(file: FoundFile, findings: Findings, earlier: Earlier = NOTHING) -> Iterator[PhotoFile]:
    """The pictures of a tar; members `KEY.json`, `KEY.txt` and `KEY.cls` are the metadata of the pictures `KEY.*`.

    The keys of a JSON object are columns; `txt` is the column `caption` unless the JSON has one; `cls` is a number.
    A tar that is damaged gives what comes before the damage, and a row of its own that says so. One that has not
    changed since it was listed is not read again.
    """
    stamp = file.stamped()
    listed = earlier.listing(file.name, stamp)
    if listed is not None:
        findings.add_tar(file.name, listed)
        yield from earlier.photos_below(file.name, stamp)
        return
    shard = _scan(file.location)
    described = {key: _metadata(texts) for key, texts in shard.texts.items()}
    features = infer_columns(list(described.values()))
    # A damaged tar has no stamp: it is looked at again.
    findings.add_tar(
        file.name, {"stamp": "" if shard.problem else stamp, "ignored": shard.ignored, "features": features}
    )
    for name, place in shard.pictures.items():
        metadata = typed(described.get(_key(name)[0], {}), features)
        yield PhotoFile(origin=f"{file.name}/{name}", locator=str(place), stamp=stamp, metadata=metadata)
    if shard.problem:
        problem = (Status.UNREADABLE, shard.problem)
        yield PhotoFile(origin=file.name, locator=file.locator, problem=problem)


def _scan(location: str) -> _Shard:
    shard = _Shard()
    try:
        with open_binary(location) as opened, tarfile.open(fileobj=opened, mode="r:") as tar:
            end = opened.seek(0, 2)
            for member in tar:
                if member.offset_data + member.size > end:
                    shard.problem = f"the tar ends within its member {member.name}"
                if member.isreg() and not member.issparse() and not _hidden(member.name):
                    _sort(shard, tar, member, location)
    except Exception as error:  # tarfile and remote systems raise nearly anything
        shard.problem = shard.problem or f"the tar is damaged: {as_os_error(error)}"
    return shard


def _hidden(name: str) -> bool:
    return any(part.startswith(".") and part != "." for part in name.split("/"))


def _sort(shard: _Shard, tar: tarfile.TarFile, member: tarfile.TarInfo, location: str) -> None:
    name = printable(member.name.removeprefix("./"))
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
