"""The command that holds the photos of a workspace to a profile."""

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prx_data.errors import ConfigError
from prx_data.told import counted, nouns, visible, visible_lines

if TYPE_CHECKING:
    from prx_data.curation import Workspace


def add_check(commands: Any) -> None:
    """Add `check` to the subparsers of `prx-data`."""
    check = commands.add_parser(
        "check",
        help="whether each photo passes a profile, and what is wrong with it",
        description="Holds every photo of a workspace to a profile, kept or not. Fails for no photo's sake.",
    )
    check.add_argument("workspace", type=Path, help="folder that measured them")
    check.add_argument("profile", help="marketplace_main, training_clean, or a .toml file")
    check.add_argument("--json", action="store_true", help="for machines")
    check.set_defaults(command=_check)


def check_workspace(folder: Path) -> None:
    """See that a folder is a workspace.

    Raises:
        ConfigError: Nothing was measured there, or nobody may look.
    """
    try:
        found = any(one.suffix == ".parquet" for one in (folder / "sources").iterdir())
    except (FileNotFoundError, NotADirectoryError):
        found = False
    except OSError as error:
        raise ConfigError(f"The workspace {str(folder)!r} cannot be read: {error.strerror}.") from error
    if not found:
        raise ConfigError(f"{str(folder)!r} is no workspace: nothing was measured there.")


def opened(folder: Path) -> "Workspace":
    """A workspace that is there; says on standard error what was not measured of some of its photos.

    Raises:
        ConfigError: Nothing was measured there.
    """
    from prx_data.explain import open_workspace, unmeasured

    check_workspace(folder)
    workspace = open_workspace(folder)
    every = len(workspace.readable())
    left = {name: number for name, number in unmeasured(workspace).items() if number < every}
    if left:
        told = f"{max(left.values()):,} of {counted(every, 'photo')} lack {', '.join(left)}, and count as unreadable"
        print(f"prx-data: {told}: photos.measure() or prx-data curate measures them.", file=sys.stderr)
    return workspace


def refuse_unmeasured(workspace: "Workspace") -> None:
    """See that something can be decided.

    Raises:
        ConfigError: What was not measured, in a sentence.
    """
    from prx_data.explain import too_little_measured

    if told := too_little_measured(workspace):
        raise ConfigError(told)


def _check(options: argparse.Namespace) -> int:
    from prx_data.decisions.profiles import check, profile
    from prx_data.stored import more_measured

    wanted, workspace = profile(options.profile), opened(options.workspace)
    refuse_unmeasured(workspace)
    workspace.measures = (*workspace.measures, *more_measured(workspace, workspace.measures))
    columns = workspace.columns()
    photos = check(workspace.photos(), columns, wanted).to_pylist()
    passed = sum(one["passed"] for one in photos)
    # The phrase before the numbers is the check's message.
    reasons = Counter(reason.split(": ")[0] for one in photos for reason in one["reasons"])
    if options.json:
        totals = {"photos": len(photos), "passed": passed, "failed": len(photos) - passed, "reasons": dict(reasons)}
        found = {
            "profile": wanted.name,
            "counts": totals,
            "note": wanted.unchecked_note(columns.schema),
            "photos": photos,
        }
        print(visible_lines(json.dumps(found, indent=2, ensure_ascii=False)))
        return 0
    for one in photos:
        lines = [f"{'pass' if one['passed'] else 'fail'}  {one['origin']}", *one["reasons"]]
        print("\n    ".join(map(visible, lines)))
    print(f"{len(photos):>8,} {nouns(len(photos), 'photo')} in")
    for reason, number in reasons.most_common():
        print(f"{number:>8,} fail: {reason}")
    print(f"{passed:>8,} pass {wanted.name}")
    if note := wanted.unchecked_note(columns.schema):
        print(note)
    return 0
