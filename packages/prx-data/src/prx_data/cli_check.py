"""The command that holds the photos of a workspace to a profile."""

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

from prx_data.errors import ConfigError


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
        ConfigError: Nothing was measured there.
    """
    if not any(folder.glob("sources/*.parquet")):
        raise ConfigError(f"{str(folder)!r} is no workspace: nothing was measured there.")


def _check(options: argparse.Namespace) -> int:
    from prx_data.decisions.profiles import check, profile
    from prx_data.explain import open_workspace

    check_workspace(options.workspace)
    wanted, workspace = profile(options.profile), open_workspace(options.workspace)
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
        print(json.dumps(found, indent=2, ensure_ascii=False))
        return 0
    for one in photos:
        print("\n    ".join([f"{'pass' if one['passed'] else 'fail'}  {one['origin']}", *one["reasons"]]))
    print(f"{len(photos):>8,} photos in")
    for reason, number in reasons.most_common():
        print(f"{number:>8,} fail: {reason}")
    print(f"{passed:>8,} pass {wanted.name}")
    if note := wanted.unchecked_note(columns.schema):
        print(note)
    return 0
