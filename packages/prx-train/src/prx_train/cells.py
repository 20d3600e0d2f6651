"""What a dataset's cells may hold: pictures as their files' bytes or as paths to them, and captions as text."""

import hashlib
import posixpath
from typing import Any

import pyarrow as pa

from prx_train.places import read_file

_MOST_SHOWN = 200  # characters

NAMED = bytes(32)
"""In place of a digest: the cell does not hold the picture, but may name it."""


def held_digest(cell: Any) -> bytes:
    """SHA-256 of the picture's file that a cell holds, or `NAMED`."""
    held = cell.get("bytes") if isinstance(cell, dict) else cell
    return hashlib.sha256(held).digest() if isinstance(held, bytes) and held else NAMED


def picture_bytes(cell: Any, *, file: str, root: str | None) -> bytes:
    """A picture's file, from a cell that holds it or names it.

    Args:
        cell: The bytes; the path, from the Parquet file's own folder on; or a dict of `bytes` and `path`, as of
            `datasets.Image`.
        file: The Parquet file, a path or an address.
        root: The dataset's folder; a file outside of it is not read. None for the Parquet file's own.

    Raises:
        ValueError: there is no picture, with why as a phrase.
    """
    held = cell.get("bytes") if isinstance(cell, dict) else cell
    if isinstance(held, bytes) and held:
        return held
    place, name = named_place(cell, file=file, root=root), cell.get("path") if isinstance(cell, dict) else cell
    try:
        return read_file(place)
    except FileNotFoundError:
        raise ValueError(f"it names '{shortened(name)}', and there is no such file") from None
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise ValueError(f"it names '{shortened(name)}', which cannot be read: {why}") from None


def named_place(cell: Any, *, file: str, root: str | None) -> str:
    """The path or address of the picture's file that a cell names; as for `picture_bytes`.

    Raises:
        ValueError: it names none, or one that is not in the dataset's folder.
    """
    name = cell.get("path") if isinstance(cell, dict) else cell
    if not isinstance(name, str) or not name:
        raise ValueError("it holds no picture")
    scheme, mark, home = file.rpartition("://")
    # A dataset of somebody else's must not read what is not part of it.
    place = posixpath.normpath(posixpath.join(posixpath.dirname(home), name))
    inside = posixpath.normpath(posixpath.dirname(home) if root is None else root.rpartition("://")[-1])
    if "://" in name or posixpath.commonpath([_rooted(place), _rooted(inside)]) != _rooted(inside):
        raise ValueError(f"it names '{shortened(name)}', which is not in the dataset's folder")
    return f"{scheme}{mark}{place}"


def shortened(cell: object) -> str:
    """What is in a cell, for a sentence: some hold a whole picture as text."""
    text = str(cell)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"


def _rooted(place: str) -> str:
    return place if place.startswith("/") else f"/{place}"


def holds_pictures(kind: pa.DataType) -> bool:
    """Whether a column of this type can hold pictures or paths."""
    if pa.types.is_struct(kind):
        fields = [kind.field(index) for index in range(kind.num_fields)]
        return any(one.name in {"bytes", "path"} and holds_pictures(one.type) for one in fields)
    return _is_binary(kind) or holds_text(kind)


def holds_text(kind: pa.DataType) -> bool:
    """Whether a column of this type can hold captions; one of nulls can."""
    if pa.types.is_dictionary(kind):
        return holds_text(kind.value_type)
    is_text = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_null)
    return any(one(kind) for one in is_text)


def holds_texts(kind: pa.DataType) -> bool:
    """Whether a column of this type can hold captions, one a row or several in a list."""
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return holds_text(kind.value_type if any(one(kind) for one in lists) else kind)


def holds_numbers(kind: pa.DataType) -> bool:
    """Whether a column of this type holds real numbers."""
    return any(one(kind) for one in (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal))


def _is_binary(kind: pa.DataType) -> bool:
    is_bytes = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_fixed_size_binary)
    return any(one(kind) for one in is_bytes)
