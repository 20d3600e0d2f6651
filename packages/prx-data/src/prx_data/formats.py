"""What a workspace holds, read back: a file of another format is one sentence, and never an error of a parser.

Written atomically, no file is cut by a kill. But one may come from another version of this package, from a disk with
faults, or from something else that was in the folder before.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from prx_data.errors import ConfigError

FORMAT = 1
"""Of the JSON in a workspace; counts up when a field comes or goes, or means something else."""

Kinds = type | tuple[type, ...]
_NOTHING = type(None)
SOURCE: Mapping[str, Kinds] = {
    **dict.fromkeys(("source", "revision"), str),
    "ignored": int,
    **dict.fromkeys(("notes", "unread"), list),
    **dict.fromkeys(("features", "tars"), dict),
}
"""The fields of the JSON in a list of photos: `prx_data.sources.Findings`, and what was looked at."""
SETTINGS: Mapping[str, Kinds] = {
    "decode_side": (int, _NOTHING),
    **dict.fromkeys(("clip", "nsfw"), (dict, _NOTHING)),
    "aesthetic_head": (str, _NOTHING),
    "decisions": dict,
}
"""The fields of `settings.json`: `CurateConfig.measured()`, and `Settings`."""
MEASURES: Mapping[str, Kinds] = {"decode_side": (int, _NOTHING), "versions": dict}
"""The fields of `measures.json`: `prx_data.stored.Record`."""


def not_understood(workspace: Path, file: Path, why: str) -> ConfigError:
    """The sentence about a file of another format."""
    told = f"The file {str(file)!r} is not understood: {why}."
    if file.is_relative_to(workspace / "measures"):
        return ConfigError(f"{told} Delete it and curate or measure() again, and its photos are measured again.")
    captions = workspace / "captions"  # what a model wrote may have been paid for
    but = f", but for {str(captions)!r}," if captions.is_dir() else ""
    return ConfigError(
        f"{told} It is of another version of prx-data, damaged, or of something else: if {str(workspace)!r} is a "
        f"workspace and no more, delete it{but} and run again, and photos are measured again; else name another one."
    )


@contextmanager
def understood(workspace: Path, file: Path) -> Iterator[None]:
    """Turn what reading a file of a workspace raises into one sentence.

    Raises:
        ConfigError: The file is of another format, or cannot be read.
        FileNotFoundError: It is gone.
    """
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno is None:  # Arrow's own
            raise not_understood(workspace, file, _line(error)) from error
        told = f"{str(file)!r}, of the workspace, cannot be read: {os.strerror(error.errno)}."
        raise ConfigError(told) from error
    except (ValueError, TypeError, KeyError, pa.ArrowException) as error:
        raise not_understood(workspace, file, _line(error)) from error


def _line(error: Exception) -> str:
    return f"{type(error).__name__}, {' '.join(str(error).split())[:200].rstrip('. ')}"


def read_fields(workspace: Path, file: Path, kinds: Mapping[str, Kinds]) -> dict[str, Any] | None:
    """The fields of a JSON file; None if there is none.

    Raises:
        ConfigError: It is of another format.
    """
    try:
        with understood(workspace, file):
            text = file.read_bytes()
    except FileNotFoundError:
        return None
    return parse_fields(workspace, file, text, kinds)


def parse_fields(workspace: Path, file: Path, text: bytes, kinds: Mapping[str, Kinds]) -> dict[str, Any]:
    """The fields of JSON that was found in a file, which are these and no others; without the number of the format.

    Raises:
        ConfigError: It is of another format.
    """
    with understood(workspace, file):
        found = json.loads(text.decode())
    if why := _fault(found, kinds):
        raise not_understood(workspace, file, why)
    return {name: value for name, value in found.items() if name != "format"}


def _fault(found: Any, kinds: Mapping[str, Kinds]) -> str:
    """What tells that JSON is not of this format; empty if it is."""
    if not isinstance(found, dict):
        return "it is no JSON object"
    if found.get("format", FORMAT) != FORMAT:
        return f"its format is {found['format']!r}, and not {FORMAT}"
    if lacking := {"format", *kinds} - found.keys():
        return f"it lacks {', '.join(sorted(lacking))}"
    if unknown := found.keys() - {"format", *kinds}:
        return f"it has more than it should: {', '.join(sorted(unknown))}"
    odd = [name for name, kind in kinds.items() if not isinstance(found[name], kind)]
    return f"of another kind than it should be: {', '.join(odd)}" if odd else ""


def with_format(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields as they are written, with the number of the format."""
    return {"format": FORMAT, **fields}


def read_rows(workspace: Path, file: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """A Parquet file of a workspace; of all its columns, or of some.

    Raises:
        ConfigError: It is of another format.
    """
    with understood(workspace, file):
        table: pa.Table = pq.read_table(file, columns=columns)
        if columns is not None and table.column_names != list(columns):
            raise KeyError(f"its columns are {pq.read_schema(file).names}")
        return table


def check_rows(workspace: Path, file: Path, schema: pa.Schema) -> pa.Schema:
    """See that a Parquet file has these columns; returns its schema with what else is written there.

    Raises:
        ConfigError: It is of another format.
    """
    with understood(workspace, file):
        found: pa.Schema = pq.read_schema(file)
    if not found.equals(schema):
        raise not_understood(workspace, file, f"its columns are {', '.join(found.names)}")
    return found
