"""The types of metadata columns, written as `datasets` writes its features.

A *feature* is JSON: `{"dtype": "int64", "_type": "Value"}`, `{"feature": …, "_type": "List"}` or
`{"names": […], "_type": "ClassLabel"}`. Strings, integers, floats, booleans and lists of these keep their types; dates
and decimals become text as Arrow writes them, structs and maps JSON text. Binary columns cannot ride along.
"""

import json
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any, TypeAlias

import pyarrow as pa

Feature: TypeAlias = dict[str, Any]

TEXT: Feature = {"dtype": "string", "_type": "Value"}

_ARROW = {
    "bool": pa.bool_(),
    **{f"{sign}int{bits}": getattr(pa, f"{sign}int{bits}")() for sign in ("", "u") for bits in (8, 16, 32, 64)},
    "float16": pa.float16(),
    "float32": pa.float32(),
    "float64": pa.float64(),
    "string": pa.string(),
}
_NAMES = {kind: name for name, kind in _ARROW.items()}


def value_feature(dtype: str) -> Feature:
    """The feature of a scalar column."""
    return {"dtype": dtype, "_type": "Value"}


def feature_of(kind: pa.DataType) -> Feature | None:
    """The feature of an Arrow column; None if its values are bytes."""
    if pa.types.is_dictionary(kind):
        return feature_of(kind.value_type)
    if _is_binary(kind) or (pa.types.is_struct(kind) and any(_is_binary(field.type) for field in kind)):
        return None
    if _is_list(kind):
        inner = feature_of(kind.value_type)
        if inner is None:
            return None
        keeps = inner != TEXT or _is_text(kind.value_type)
        return {"feature": inner, "_type": "List"} if keeps else TEXT
    return value_feature(_NAMES[kind]) if kind in _NAMES else TEXT


def declared_features(schema: pa.Schema) -> dict[str, Feature | None]:
    """The feature of every column; class labels keep the names that `datasets` wrote into the schema."""
    features = {field.name: feature_of(field.type) for field in schema}
    for name, said in _huggingface_features(schema).items():
        if name in features and isinstance(said, dict) and said.get("_type") == "ClassLabel" and said.get("names"):
            features[name] = {"names": list(said["names"]), "_type": "ClassLabel"}
    return features


def _huggingface_features(schema: pa.Schema) -> Mapping[str, Any]:
    try:
        said = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        return dict(said["info"]["features"])
    except (ValueError, KeyError, TypeError):
        return {}


def arrow_of(feature: Feature) -> pa.DataType:
    """The Arrow type of a feature."""
    if feature["_type"] == "List":
        return pa.list_(arrow_of(feature["feature"]))
    return pa.int64() if feature["_type"] == "ClassLabel" else _ARROW[feature["dtype"]]


def infer(values: Collection[Any]) -> Feature:
    """The feature of JSON values, nulls aside; text if they have no type in common."""
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return value_feature("bool")
    if kinds == {int} and all(-(2**63) <= value < 2**63 for value in values if value is not None):
        return value_feature("int64")
    if float in kinds and kinds <= {int, float}:
        return value_feature("float64")
    if kinds == {list}:
        items = [item for value in values if value is not None for item in value]
        inner = infer(items)
        keeps = inner != TEXT or all(isinstance(item, str) for item in items if item is not None)
        return {"feature": inner, "_type": "List"} if keeps else TEXT
    return TEXT


def unify(a: Feature, b: Feature) -> Feature:
    """The feature of a column that two sources give: the wider number, or text."""
    if a == b:
        return a
    kinds = [arrow_of(one) for one in (a, b)]
    if all(pa.types.is_integer(kind) for kind in kinds) and "names" not in {**a, **b}:
        return value_feature("int64")
    if all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in kinds) and "names" not in {**a, **b}:
        return value_feature("float64")
    return TEXT


def plain(value: Any, feature: Feature) -> Any:
    """A value as JSON holds it, in the type of its feature."""
    if value is None:
        return None
    if feature["_type"] == "List":
        return [plain(item, feature["feature"]) for item in value]
    if feature == TEXT:
        return printable(_as_text(value))
    if feature["_type"] == "Value" and feature["dtype"].startswith("float"):
        return float(value)
    return value


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float | list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def printable(text: str) -> str:
    """Text that UTF-8 can hold: what is not Unicode in it, as in a file name of another encoding, is escaped."""
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()


_NOTHING = frozenset(
    {"n/a", "#n/a", "na", "n.a.", "nan", "none", "null", "nil", "undefined", "unknown", "unspecified", "tbd"}
    | {"not available", "not specified"}
)


def says_nothing(text: str) -> bool:
    """Whether a cell is empty, or only says that nobody filled it in: `N/A`, `None`, `-`."""
    bare = text.strip().lower()
    return bare in _NOTHING or not any(one.isalnum() for one in bare)


def text_of(value: Any, feature: Feature) -> str:
    """A value in words, for captions: a class label by its name, a list with commas, an absent value as nothing."""
    if value is None:
        return ""
    if feature["_type"] == "ClassLabel":
        return str(feature["names"][value]) if 0 <= value < len(feature["names"]) else ""
    if feature["_type"] == "List":
        return ", ".join(text_of(item, feature["feature"]) for item in value)
    return str(value)


def readable_columns(table: pa.Table, features: Mapping[str, Feature]) -> list[dict[str, Any]]:
    """The rows of a table with values as `plain` gives them; dates, decimals and the like are cast to text by Arrow."""
    columns: dict[str, list[Any]] = {}
    for name, feature in features.items():
        column = table[name]
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        nested = pa.types.is_nested(column.type)
        if feature == TEXT and not nested and not pa.types.is_string(column.type):
            with suppress(pa.ArrowException):  # what Arrow has no text for is written as Python writes it
                column = column.cast(pa.string())
        columns[name] = [plain(value, feature) for value in column.to_pylist()]
    rows = zip(*columns.values(), strict=True) if columns else ((),) * table.num_rows
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _is_binary(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))
