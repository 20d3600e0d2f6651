"""A folder that is written aside and takes the place of what was there, if that was of the same kind."""

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from prx_data.errors import WorkspaceError
from prx_data.files import is_url
from prx_data.sources.locations import MANIFEST
from prx_data.storage import held, make_writable_folder, told_if_unwritable


def check_output(
    output: Path, *, manifest: str = MANIFEST, what: str = "a dataset", apart: Iterable[str | Path] = ()
) -> None:
    """Refuse an output that cannot be written, is being written, or holds something other than what is to be replaced.

    What a killed run left beside it goes: the disk may be full of it, and photos may have to be measured first.

    Args:
        output: The folder.
        manifest: The file that tells that it may be replaced.
        what: What is written there, for the message.
        apart: What is still needed and would go with the folder if it lay in it; URLs do not.

    Raises:
        WorkspaceError: With the reason.
    """
    make_writable_folder(output.parent, name="output's parent folder")
    if output.exists() and not output.is_dir():
        raise WorkspaceError(f"output = {str(output)!r} is a file; {what} is a folder.")
    if output.is_dir() and _names(output) and read_manifest(output / manifest) is None:
        raise WorkspaceError(f"output = {str(output)!r} holds files that are not {what} of prx-data; name another.")
    for place in apart:
        if not is_url(str(place)) and _real(place).is_relative_to(_real(output)):
            raise WorkspaceError(
                f"output = {str(output)!r} holds {str(place)!r}, and {what} takes the place of all that is there; "
                "name another."
            )
    if any(one.exists() for one in _beside(output)):
        with told_if_unwritable(output.parent), _written_alone(output) as aside:
            shutil.rmtree(aside, ignore_errors=True)


def _real(path: str | Path) -> Path:
    return Path(os.path.realpath(path))


def _names(folder: Path) -> list[str]:
    try:
        return [one.name for one in folder.iterdir()]
    except OSError as error:
        raise WorkspaceError(f"output = {str(folder)!r} cannot be read: {error.strerror}.") from error


def read_manifest(file: Path) -> dict[str, Any] | None:
    """What tells that a folder was written by this package, in whatever version; None if there is no such file.

    Raises:
        WorkspaceError: It cannot be read, or is something else.
    """
    remedy = f"Name another output, or delete {str(file.parent)!r}."
    try:
        manifest: dict[str, Any] = json.loads(file.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        told = error.strerror if isinstance(error, OSError) else error
        raise WorkspaceError(f"{str(file)!r} cannot be read: {told}. {remedy}") from error
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
        raise WorkspaceError(f"{str(file)!r} is no manifest of prx-data. {remedy}")
    return manifest


def is_whole(folder: Path, sizes: Mapping[str, int]) -> bool:
    """Whether files have these sizes."""
    found: dict[str, int] = {}
    for name in sizes:
        with suppress(OSError):
            found[name] = (folder / name).stat().st_size
    return found == sizes


@contextmanager
def replacing(output: Path) -> Iterator[Path]:
    """Yield an empty folder that takes the place of `output` when the body succeeds, and goes when it fails.

    Raises:
        WorkspaceError: The disk is full, say, or another process is writing the same output.
    """
    old = _beside(output)[1]
    for folder in [output, *output.rglob("*/")] if output.exists() else ():
        make_writable_folder(folder, name="output")  # or it would be moved aside, and could not be removed
    with told_if_unwritable(output.parent), _written_alone(output) as aside:
        try:
            yield aside
            if output.exists():
                output.rename(old)
            aside.rename(output)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _written_alone(output: Path) -> Iterator[Path]:
    """The folder aside, empty, and held against other processes that are to write the same output."""
    aside, old = _beside(output)
    with held(aside) as free:
        if not free:
            raise WorkspaceError(
                f"output = {str(output)!r} is in use: another process is writing it; wait for its end, or name another."
            )
        for leftover in (*aside.iterdir(), old):
            shutil.rmtree(leftover, ignore_errors=True) if leftover.is_dir() else leftover.unlink(missing_ok=True)
        yield aside


def _beside(output: Path) -> tuple[Path, Path]:
    """Where a folder is written, and where the one that it replaces goes."""
    return output.with_name(f".{output.name}.partial"), output.with_name(f".{output.name}.old")
