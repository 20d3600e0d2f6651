"""Which column of a table holds pictures: by its name, or by what its first values begin with."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from prx_data.errors import SourceError
from prx_data.files import beside, is_url
from prx_data.sources.pictures import begins_like_a_picture, named_like_a_picture
from prx_data.sources.tables import name_columns

Cells = Callable[[str], Iterable[Any]]
"""A column's values from the first one on, as Python's objects."""

_BYTES_NAMES = frozenset(
    ["image", "img", "picture", "photo", "jpg", "jpeg", "png", "webp", "bytes", "image_bytes", "img_bytes", "data"]
)
_LOOKED_AT = 16
_LOOKED_FOR = 4096  # rows, where the first ones are null


def picture_column(schema: pa.Schema, cells: Cells, *, location: str, wanted: str | None = None) -> str | None:
    """The column that holds pictures' bytes: binary, a struct with `bytes`, or a list of either.

    One that is called `image` is it. Of several others, the one whose values begin like pictures; of several such, the
    one with a name that pictures have.

    Args:
        schema: The table's.
        cells: Asked for the values of columns that may be it.
        location: The table's, for messages, and for what it names beside itself.
        wanted: The name of the column, where the user gave it.

    Returns:
        Its name; None if there is none, or if `wanted` holds no bytes.

    Raises:
        SourceError: Several are equally likely, or the table names files, too.
    """
    holding = [field.name for field in schema if _holds_bytes(field.type)]
    if wanted is not None or "image" in holding:
        return next((one for one in holding if one == (wanted or "image")), None)
    known = [one for one in holding if _is_struct(schema.field(one).type) or _called_like_a_picture(one)]
    found = [one for one in holding if _show_pictures(cells(one))] if holding != known or len(known) > 1 else known
    found = found or known
    called = [one for one in found if _called_like_a_picture(one)]
    found = called if len(called) == 1 else found
    if len(found) > 1:
        names = ", ".join(map(repr, found))
        raise SourceError(f"{location} holds pictures in several columns, {names}: name one of them as image_column.")
    if found and found[0] not in known:
        _refuse_names(schema, cells, location, found[0])
    return next(iter(found), None)


def is_list(kind: pa.DataType) -> bool:
    """Whether a column holds lists."""
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def is_text(kind: pa.DataType) -> bool:
    """Whether a column holds text, or lists of it."""
    kind = kind.value_type if is_list(kind) or pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _called_like_a_picture(name: str) -> bool:
    return name.lower() in _BYTES_NAMES or name.lower().removesuffix("s") in _BYTES_NAMES


def _holds_bytes(kind: pa.DataType) -> bool:
    kind = kind.value_type if is_list(kind) else kind
    if pa.types.is_struct(kind):
        index = kind.get_field_index("bytes")
        return index >= 0 and _is_binary(kind.field(index).type)
    return _is_binary(kind)


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _is_struct(kind: pa.DataType) -> bool:
    return bool(pa.types.is_struct(kind.value_type if is_list(kind) else kind))


def _first_values(cells: Iterable[Any]) -> Iterator[Any]:
    """The first cells that are not null, or what is in them where they are lists."""
    listed = chain.from_iterable(cell if isinstance(cell, list) else [cell] for cell in islice(cells, _LOOKED_FOR))
    return islice((one for one in listed if one is not None), _LOOKED_AT)


def _show_pictures(cells: Iterable[Any]) -> bool:
    """Whether at least half of the first values begin like pictures, or are named like them where they have no bytes.

    A page that cannot be read says nothing: whoever reads the photos gives them a status.
    """
    seen: list[bool] = []
    with suppress(Exception):
        seen.extend(_shows_a_picture(one) for one in _first_values(cells))
    return bool(seen) and 2 * sum(seen) >= len(seen)


def _shows_a_picture(value: Any) -> bool:
    data, path = (value.get("bytes"), value.get("path")) if isinstance(value, dict) else (value, None)
    return begins_like_a_picture(bytes(data[:64])) if data is not None else named_like_a_picture(path or "")


def _refuse_names(schema: pa.Schema, cells: Cells, location: str, column: str) -> None:
    """Bytes that merely look like pictures may be thumbnails of the files that the table names."""
    texts: Sequence[str] = [one for one in name_columns(schema.names) if is_text(schema.field(one).type)]
    for name in texts[:1]:
        first = next(_first_values(cells(name)), "")
        if is_url(first) or (not is_url(location) and Path(beside(location, first)).is_file()):
            told = f"holds pictures in the column {column!r} and names some in {name!r}"
            raise SourceError(f"{location} {told}: name one of the two as image_column.")
