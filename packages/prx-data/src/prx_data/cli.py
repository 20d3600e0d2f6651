"""`prx-data`: parses, calls the pipeline, and tells what came of it."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from prx_data.errors import PrxDataError
from prx_data.version import VERSION


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 on success, 2 for what the user can mend, 130 when interrupted."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        return _curate(options.config)
    except PrxDataError as error:
        print(f"prx-data: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("prx-data: interrupted; the same command goes on from here.", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="prx-data", description="From a pile of product photos to a training set: select, filter, label."
    )
    parser.add_argument("--version", action="version", version=f"prx-data {VERSION}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    curate = commands.add_parser(
        "curate",
        help="photos to a dataset with a report",
        description="Photos to a Hugging Face dataset with a report. Run again, it redoes nothing.",
    )
    curate.add_argument("config", type=Path, help="TOML with photos, workspace and output; all else has defaults")
    return parser


def _curate(path: Path) -> int:
    from prx_data.pipeline import curate, load_config

    done = curate(load_config(path))
    counts = done.manifest["counts"]
    print(f"{counts['photos']:,} photos in")
    for kind in ("failed", "dropped"):
        for reason, number in counts[kind].items():
            print(f"{number:>8,} {kind}: {reason.replace('_', ' ')}")
    splits = ", ".join(f"{name} {rows:,}" for name, rows in done.manifest["splits"].items())
    print(f"{counts['kept']:>8,} kept ({splits})")
    print(f"dataset: {done.output}")
    print(f"report:  {done.report}")
    return 0
