"""Profiles: what a kind of picture must fulfil, as data; a photo passes or fails with every reason."""

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from prx_data.decisions.rules import HOW
from prx_data.errors import ConfigError

_DERIVED = {
    "short_side": lambda row: min(row["width"], row["height"]),
    "long_side": lambda row: max(row["width"], row["height"]),
    "aspect_ratio": lambda row: max(row["width"], row["height"]) / min(row["width"], row["height"]),
}


class Check(BaseModel):
    """One column within bounds."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    column: str
    """A measured column of numbers, or `short_side`, `long_side` or `aspect_ratio`."""
    min: float | None = None
    """The least value that passes."""
    max: float | None = None
    """The largest value that passes."""
    optional: bool = False
    """Whether photos pass where the column was not measured, see `Profile.unchecked`."""
    message: Annotated[str, Field(min_length=1)]
    """What is wrong with a photo that does not pass, in a few words."""

    @model_validator(mode="after")
    def _has_bounds(self) -> "Check":
        if self.min is None and self.max is None:
            raise ValueError(f"the check of {self.column} has neither min nor max")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"the check of {self.column} has min {self.min:g} above max {self.max:g}")
        return self

    def failure(self, row: Mapping[str, Any]) -> str | None:
        """What is wrong, with the numbers; None if nothing is."""
        if self.optional and self.column not in row:
            return None
        value = _DERIVED[self.column](row) if self.column in _DERIVED else row[self.column]
        if value is None:
            return f"{self.message}: {self.column} is not known"
        if self.min is not None and value < self.min:
            return f"{self.message}: {self.column} {value:.4g} is below {self.min:g}"
        if self.max is not None and value > self.max:
            return f"{self.message}: {self.column} {value:.4g} is above {self.max:g}"
        return None


class Profile(BaseModel):
    """A named list of checks."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str
    description: str = ""
    """One sentence."""
    checks: tuple[Check, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it needs."""
        derived = {"width", "height"} if any(one.column in _DERIVED for one in self.checks) else set()
        needed = {one.column for one in self.checks if one.column not in _DERIVED and not one.optional}
        return tuple(sorted(needed | derived))

    def columns_in(self, schema: pa.Schema) -> tuple[str, ...]:
        """The columns that it looks at, of those that were measured."""
        optional = {one.column for one in self.checks if one.optional} & set(schema.names)
        return tuple(sorted({*self.columns, *optional}))

    def unchecked(self, schema: pa.Schema) -> tuple[str, ...]:
        """The columns of optional checks that were not measured, so that nothing is said about them."""
        return tuple(sorted({one.column for one in self.checks if one.optional} - set(schema.names)))

    def unchecked_note(self, schema: pa.Schema) -> str | None:
        """The same as a sentence that says what it takes to measure them; None if everything is checked."""
        missing = self.unchecked(schema)
        if not missing:
            return None
        ways = list(dict.fromkeys(HOW[one] for one in missing if one in HOW))
        needed = f" That takes {'; and '.join(ways)}." if ways else ""
        return f"{self.name} did not check {' and '.join(missing)}: not measured.{needed}"

    def failures(self, row: Mapping[str, Any]) -> tuple[str, ...]:
        """What is wrong with one photo, a phrase with the numbers for each check that it fails.

        Args:
            row: At least the columns in `columns`.
        """
        return tuple(text for one in self.checks if (text := one.failure(row)) is not None)

    def require(self, schema: pa.Schema) -> None:
        """See that every column is there and holds numbers.

        Raises:
            ConfigError: One is missing or holds something else.
        """
        numbers = {one.name for one in schema if pa.types.is_integer(one.type) or pa.types.is_floating(one.type)}
        for name in self.columns_in(schema):
            if name not in numbers:
                known = ", ".join(sorted({*_DERIVED, *numbers}))
                raise ConfigError(f"The profile {self.name} checks {name!r}; the columns with numbers are {known}.")


def profile(name: str | Path) -> Profile:
    """Load a profile: one that comes with the package by its name, or a TOML file by its path.

    Raises:
        ConfigError: It cannot be read, or one of its checks is wrong.
    """
    file: Traversable = files("prx_data") / "profiles" / f"{name}.toml"
    if isinstance(name, Path) or str(name).endswith(".toml"):
        file = Path(name)
    elif str(name) not in built_in():
        raise ConfigError(f"Unknown profile {name!r}; known are {', '.join(built_in())}, or give a .toml file.")
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"The profile {file} cannot be read: {error.strerror or error}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"The profile {file} is not TOML: {error}.") from error
    try:
        return Profile(**{"name": Path(file.name).stem, **found})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        problem = first["msg"].removeprefix("Value error, ")
        raise ConfigError(f"The profile {file} is wrong{f' at {key}' if key else ''}: {problem}.") from None


def built_in() -> tuple[str, ...]:
    """Names of the profiles that come with the package."""
    folder = files("prx_data") / "profiles"
    return tuple(sorted(Path(one.name).stem for one in folder.iterdir() if one.name.endswith(".toml")))


def check(photos: pa.Table, columns: pa.Table, wanted: Profile) -> pa.Table:
    """Whether each input photo passes a profile, and what is wrong with it.

    Args:
        photos: One row per input photo with `origin`, `key` and the `status` of reading it.
        columns: One row per distinct key with `status`, `error` and the columns that the profile looks at.
        wanted: The profile.

    Returns:
        `key`, `origin`, `passed`, `reasons` (a list, empty where it passed) and `unchecked` (the columns of optional
        checks that were not measured, the same for all), in the order of `photos`.

    Raises:
        ConfigError: The profile looks at a column that is not there.
    """
    wanted.require(columns.schema)
    facts = columns.select(sorted({"key", "status", "error", *wanted.columns_in(columns.schema)})).to_pylist()
    reasons = {one["key"]: _reasons(one, wanted) for one in facts}
    unchecked = list(wanted.unchecked(columns.schema))
    rows = [
        {
            **one,
            "unchecked": unchecked,
            "reasons": reasons.get(one["key"], [f"there are no pixels to judge: {one.pop('status')}"]),
        }
        for one in photos.select(["key", "origin", "status"]).to_pylist()
    ]
    return pa.Table.from_pylist([{**row, "passed": not row["reasons"]} for row in rows], schema=_CHECKED)


def _reasons(facts: Mapping[str, Any], wanted: Profile) -> list[str]:
    problem = facts["error"] if facts["status"] == "ok" else facts["status"] or "unreadable"
    return [f"there are no pixels to judge: {problem}"] if problem else list(wanted.failures(facts))


_CHECKED = pa.schema(
    [
        ("key", pa.string()),
        ("origin", pa.string()),
        ("passed", pa.bool_()),
        ("reasons", pa.list_(pa.string())),
        ("unchecked", pa.list_(pa.string())),
    ]
)


def _loaded(value: Any) -> Any:
    return profile(value) if isinstance(value, str | Path) else value


ProfileSetting = Annotated[Profile | None, BeforeValidator(_loaded)]
"""A setting that takes a profile, its name or its file."""
