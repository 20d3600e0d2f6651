"""`prx-data`: parses, calls what does the work, and tells what came of it. Imports nothing heavy before it must."""

import argparse
import json
import logging
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prx_data.cli_check import add_check, check_workspace, opened, refuse_unmeasured
from prx_data.cli_outputs import add_outputs
from prx_data.errors import ConfigError, PrxDataError, SourceError
from prx_data.told import counted, nouns, visible, visible_lines
from prx_data.version import VERSION


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code.

    Returns:
        0 on success, also when nobody reads on; 2 for what the user can mend; 3 when it ended as asked, but files of
        the source or of `against` could not be read and may be another time; 130 when interrupted.
    """
    options = _parser().parse_args(arguments)
    try:
        done = int(options.command(options))
        sys.stdout.flush()  # what reads it may have gone, as `head` does when it has enough
        return done
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains again when it ends
        return 0
    except PrxDataError as error:
        print(f"prx-data: {visible(str(error))}", file=sys.stderr)
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
    curate.add_argument("--dry-run", action="store_true", help="measure and decide, print the counts, write no dataset")
    curate.set_defaults(command=_curate)

    caption = commands.add_parser(
        "caption",
        help="some captions beside their pictures, before all are paid for",
        description="Captions the most useful of the photos that would be kept, and writes a page to look at. The same "
        "captions are not paid for again by curate.",
    )
    caption.add_argument("config", type=Path, help="as for curate")
    caption.add_argument("--sample", type=int, default=20, help="how many photos (default: %(default)s)")
    caption.add_argument("--out", type=Path, help="HTML file; default: captions.html in the workspace")
    caption.set_defaults(command=_caption)

    explain = commands.add_parser(
        "explain",
        help="everything known about one photo, and why it is in or out",
        description="Everything known about one photo. Without --workspace the file is measured on the spot.",
    )
    explain.add_argument(
        "photo", help="a file or URL; or, in a workspace, also an origin, the end of one, or the beginning of a key"
    )
    explain.add_argument("--workspace", type=Path, help="folder that measured it: says what was decided, and why")
    explain.add_argument("--config", type=Path, help="without --workspace: judge by the rules and profile of this TOML")
    explain.add_argument("--json", action="store_true", help="for machines")
    explain.set_defaults(command=_explain)

    show = commands.add_parser(
        "show", help="a page with the photos that have one reason", description="Writes a page of photos."
    )
    show.add_argument("workspace", type=Path, help="folder that measured them")
    show.add_argument("--reason", default="kept", help="as in the report, such as near_duplicate (default: kept)")
    show.add_argument("--limit", type=int, default=200, help="the most photos (default: %(default)s)")
    show.add_argument("--out", type=Path, help="HTML file; default: show-REASON.html in the workspace")
    show.set_defaults(command=_show)
    add_check(commands)
    add_outputs(commands)

    search = commands.add_parser(
        "search", help="a page with the photos that show what a text says", description="Needs a model, see [clip]."
    )
    search.add_argument("workspace", type=Path, help="folder of a curation with a table [clip]")
    search.add_argument("text", help='such as "red running shoes"')
    search.add_argument("--limit", type=int, default=24, help="the most photos (default: %(default)s)")
    search.add_argument("--out", type=Path, help="HTML file; default: search.html in the workspace")
    search.set_defaults(command=_search)
    return parser


def _curate(options: argparse.Namespace) -> int:
    from prx_data.config import load_config
    from prx_data.pipeline import curate, preview

    config = load_config(options.config)
    if options.dry_run:
        with _stages_told():
            selection = preview(config)
        _print_counts(selection.counts)
        _print_notes(selection.notes, selection.unread_note)
        print("nothing was written but the workspace")
        return _ended(selection.unread_note)
    with _stages_told():
        done = curate(config)
    _print_counts(done.manifest["counts"])
    print("         " + ", ".join(f"{name} {rows:,}" for name, rows in done.manifest["splits"].items()))
    _print_notes(done.notes, done.unread_note)
    print(f"dataset: {done.output}")
    print(f"report:  {done.report}")
    return _ended(done.unread_note)


def _caption(options: argparse.Namespace) -> int:
    from prx_data.config import load_config
    from prx_data.pipeline import caption_sample
    from prx_data.storage import write_text

    if options.sample < 1:
        raise ConfigError(f"--sample {options.sample} is wrong: it should be at least 1.")
    config = load_config(options.config)
    out = _page_file(options.out, config.workspace / "captions.html")
    with _stages_told():
        sample = caption_sample(config, options.sample)
    write_text(out, sample.page)
    for origin, captions in sample.captions.items():
        print(visible(origin))
        for one in captions.captions:
            print(f"  {one.kind}: {visible(one.text)}")
        if captions.failure is not None:
            print(f"  failed: {visible(captions.failure)}")
    each = sample.seconds / len(sample.captions)
    print(f"{len(sample.captions):,} of {counted(sample.kept, 'photo')}, {each:.2g} s for each now: {out}")
    return _ended(sample.unread_note)


@contextmanager
def _stages_told() -> Iterator[None]:
    """Where nobody sees bars, as in the log of a job, a line on standard error for each stage that has ended."""
    log, lines = logging.getLogger("prx_data"), logging.StreamHandler()
    if sys.stderr.isatty():
        yield
        return
    before, told_on = log.level, log.propagate
    log.addHandler(lines)
    log.setLevel(logging.INFO)
    log.propagate = False  # a model's library may give the root logger a handler, and each line would come twice
    try:
        yield
    finally:
        log.removeHandler(lines)
        log.setLevel(before)
        log.propagate = told_on


def _print_counts(counts: Mapping[str, Any]) -> None:
    print(f"{counts['photos']:>8,} {nouns(counts['photos'], 'photo')} in")
    for kind in ("failed", "dropped"):
        for reason, number in counts[kind].items():
            print(f"{number:>8,} {kind}: {reason.replace('_', ' ')}")
    print(f"{counts['kept']:>8,} kept")


def _print_notes(notes: Iterable[str], unread_note: str | None) -> None:
    for note in notes:
        if note != unread_note:  # the last word, on standard error
            print(visible(note))


def _ended(unread_note: str | None) -> int:
    """The exit code of a command that has looked at the sources, or at `against`."""
    if unread_note is None:
        return 0
    sys.stdout.flush()
    print(f"prx-data: {visible(unread_note)}", file=sys.stderr)
    return 3


def _page_file(given: Path | None, default: Path) -> Path:
    """Where a page goes.

    Raises:
        ConfigError: A folder is there.
    """
    out = given or default
    if out.is_dir():
        raise ConfigError(f"--out '{out}' is a folder; name a file in it.")
    return out


def _explain(options: argparse.Namespace) -> int:
    from prx_data.explain import (
        as_text,
        explain_by_config,
        explain_file,
        explain_photo,
        settings_of,
        too_little_measured,
    )

    if options.workspace is not None and options.config is not None:
        raise ConfigError("--config goes without --workspace, which knows its settings.")
    unread_note = None
    if options.config is not None:
        found = explain_by_config(options.photo, options.config)
    elif options.workspace is None:
        found = explain_file(options.photo)
    else:
        workspace = opened(options.workspace)
        selection = None if too_little_measured(workspace) else workspace.select(settings=settings_of(workspace))
        unread_note = None if selection is None else selection.other_unread_note
        known = explain_photo(workspace, selection, options.photo)
        if known is None:
            raise SourceError(f"The workspace {options.workspace} has no photo {options.photo!r}.")
        found = known
    print(visible_lines(json.dumps(found, indent=2, ensure_ascii=False)) if options.json else as_text(found))
    return _ended(unread_note)


def _show(options: argparse.Namespace) -> int:
    from prx_data.explain import settings_of
    from prx_data.records import EXPLANATIONS
    from prx_data.storage import write_text

    if options.reason not in EXPLANATIONS:
        raise ConfigError(f"--reason {options.reason!r} is unknown; known are {', '.join(map(str, EXPLANATIONS))}.")
    if options.limit < 1:
        raise ConfigError(f"--limit {options.limit} is wrong: it should be at least 1.")
    workspace = opened(options.workspace)
    refuse_unmeasured(workspace)
    out = _page_file(options.out, workspace.folder / f"show-{options.reason}.html")
    selection = workspace.select(settings=settings_of(workspace))
    gallery = selection.show(options.reason, options.limit)
    write_text(out, gallery.page())
    print(gallery.title)
    print(out)
    return _ended(selection.other_unread_note)


def _search(options: argparse.Namespace) -> int:
    from prx_data.explain import open_workspace
    from prx_data.storage import write_text

    if options.limit < 1:
        raise ConfigError(f"--limit {options.limit} is wrong: it should be at least 1.")
    check_workspace(options.workspace)
    out = _page_file(options.out, options.workspace / "search.html")
    hits = open_workspace(options.workspace).search(options.text, limit=options.limit)
    for row in hits.table.to_pylist():
        print(f"{row['similarity']:>6.3f}  {visible(row['origin'])}")
    write_text(out, hits.show().page())
    print(out)
    return 0
