"""The command `prx-train`: parses, and calls what does the work. Imports nothing heavy before it must."""

import argparse
import atexit
import math
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

from prx_train.birth import born
from prx_train.errors import PrxTrainError
from prx_train.importing import uncollected
from prx_train.version import VERSION


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; the exit code is 0, 2 for a mistake of the user's, or 128 + n after signal n."""
    options = _parser().parse_args(arguments)
    # As a command, what Python and a launcher needed to start is part of the user's budget.
    options.started_at = born() if arguments is None else time.monotonic()
    try:
        return int(options.command(options))
    except PrxTrainError as error:
        print(f"prx-train: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("prx-train: interrupted", file=sys.stderr)
        return 128 + signal.SIGINT


def command() -> int:
    """The command as a process: `main`, and an end without taking the interpreter apart.

    With torch loaded that takes seconds, which the budget would have to hold and nobody gains by. All that was
    registered to be done at the end is done before; a process that ends by an exception ends as usual.
    """
    codes: list[int] = []

    def leave() -> None:
        if codes:
            for stream in (sys.stdout, sys.stderr):
                with suppress(OSError):  # a log on a full disk
                    stream.flush()
            os._exit(codes[0])

    atexit.register(leave)  # what is registered first is called last
    codes.append(main())
    return codes[0]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="prx-train", description="Train a text-to-image model in the time you have.")
    parser.add_argument("--version", action="version", version=f"prx-train {VERSION}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    fit = commands.add_parser("fit", help="train; the same command goes on with a run that was stopped")
    fit.add_argument("config", type=Path, help="TOML file; its paths count from the current directory")
    fit.set_defaults(command=_fit)

    plan = commands.add_parser("plan", help="measure some steps and say what the budget buys; keeps nothing trained")
    plan.add_argument("config", type=Path, help="TOML file, as for fit")
    plan.add_argument("--steps", type=_count, default=24, help="to measure; default: %(default)s")
    plan.add_argument("--json", action="store_true", help="print JSON")
    plan.add_argument(
        "--photos-per-second", type=float, metavar="N", help="training throughput of hardware that is not here"
    )
    plan.add_argument("--devices", type=_count, default=1, help="of that hardware, for the cost; default: %(default)s")
    plan.set_defaults(command=_plan)

    sample = commands.add_parser("sample", help="draw a picture with a trained model")
    sample.add_argument("model", type=Path, help="folder of a run or of a pipeline")
    sample.add_argument("prompt")
    sample.add_argument("--out", type=Path, default=Path("sample.png"), help="default: %(default)s")
    sample.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    sample.add_argument("--steps", type=_count, default=28, help="default: %(default)s")
    sample.add_argument("--guidance", type=float, default=3.0, help="1 is none; default: %(default)s")
    sample.add_argument("--width", type=_count, help="pixels; default: the shape the run saw most")
    sample.add_argument("--height", type=_count, help="pixels")
    sample.set_defaults(command=_sample)

    merge = commands.add_parser("merge", help="add a run's adapters to their base: a plain pipeline")
    merge.add_argument("run", type=Path, help="folder of a run that trained adapters")
    merge.add_argument("out", type=Path, help="folder of the pipeline; must not exist")
    merge.set_defaults(command=_merge)

    report = commands.add_parser("report", help="write a run's report.html again, from its files")
    report.add_argument("run", type=Path, help="folder of a run")
    report.add_argument("--dataset", type=Path, help="folder of the dataset, if it has moved")
    report.set_defaults(command=_report)
    return parser


def _fit(options: argparse.Namespace) -> int:
    received: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        signal.signal(number, signal.SIG_DFL)  # A second signal ends the process at once.

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, note)
    with uncollected(for_good=True):
        from prx_train.config import load_config
        from prx_train.loop import fit

    # Of several processes, those that got no signal end as the one that did.
    run = fit(load_config(options.config), started_at=options.started_at, stop=lambda: received[0] if received else 0)
    return 0 if run.finished else 128 + run.stopped


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def _plan(options: argparse.Namespace) -> int:
    import json

    with uncollected(for_good=True):
        from prx_train.config import load_config
        from prx_train.planning import plan
        from prx_train.report.planned import plan_text

    found = plan(
        load_config(options.config),
        steps=options.steps,
        photos_per_second=options.photos_per_second,
        devices=options.devices,
        say=lambda text: print(text, file=sys.stderr),
    )
    print(json.dumps(found.as_dict(), indent=2) if options.json else plan_text(found.as_dict()))
    return 0


def _sample(options: argparse.Namespace) -> int:
    from prx_train.errors import ConfigError

    if not 1 <= options.guidance < math.inf:
        raise ConfigError(f"--guidance {options.guidance:g} is wrong: it must be a number from 1, which is none.")
    with uncollected(for_good=True):
        from prx_train.model import draw, load_pipeline
        from prx_train.run import Run
        from prx_train.storage import read_json

    run = Run(options.model)
    is_run = run.pipeline_folder.is_dir() or run.lora_folder.is_dir()
    pipeline = run.pipeline() if is_run else load_pipeline(options.model)
    height = width = int(pipeline.config.default_sample_size)
    index = run.samples / "samples.json"
    if is_run and index.is_file():
        first = read_json(index)["before"][0]
        height, width = first["height"], first["width"]
    size = (options.height or height, options.width or width)
    try:
        picture = draw(
            pipeline, options.prompt, size=size, seed=options.seed, steps=options.steps, guidance=options.guidance
        )
        picture.save(options.out)
    except ValueError as error:
        raise ConfigError(f"this picture cannot be drawn: {error}") from None
    except OSError as error:
        raise ConfigError(f"--out '{options.out}' cannot be written: {error.strerror or error}.") from None
    print(options.out)
    return 0


def _merge(options: argparse.Namespace) -> int:
    from prx_train.errors import ConfigError

    with uncollected(for_good=True):
        from prx_train.merge import merge

    if options.out.exists():
        raise ConfigError(f"'{options.out}' exists already; name a folder that does not.")
    try:
        print(merge(options.run, options.out))
    except OSError as error:
        raise ConfigError(f"'{options.out}' cannot be written: {error.strerror or error}.") from None
    return 0


def _report(options: argparse.Namespace) -> int:
    from prx_train.report import write_report

    print(write_report(options.run, dataset=options.dataset))
    return 0


if __name__ == "__main__":
    sys.exit(command())
