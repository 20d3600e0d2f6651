"""Photos to a model and a report, with one clock over data and training.

    python examples/one_day.py --photos photos --minutes 5 --output runs/demo

Without `--photos` a sample catalogue is drawn first (`draw_catalogue.py`), outside the clock. Stopped or killed at any
moment, the same command goes on; with other photos or minutes it begins a new run beside the old one.
"""

import time

_STARTED = time.monotonic()  # Before all else: what Python needs to import is part of the clock.

import argparse  # noqa: E402
import json  # noqa: E402
import shutil  # noqa: E402
import sys  # noqa: E402
import tomllib  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import prx_data  # noqa: E402
import prx_train  # noqa: E402
from draw_catalogue import draw_catalogue  # noqa: E402

HERE = Path(__file__).parent
_LEAST_SECONDS = 20.0
_LAST_SECONDS = 2.0  # to copy the report and to end


def one_day(*, photos: Path, minutes: float, output: Path, settings: dict[str, Any], started: float) -> Path:
    """Curate, train, report.

    Args:
        photos: Folder of photos, with or without `metadata.csv`.
        minutes: For all of it, counted from `started`.
        output: Folder of everything that is made.
        settings: Tables `curate` and `train`: settings of `prx_data.CurateConfig` and `prx_train.TrainConfig`.
        started: When the clock began to run, of `time.monotonic`.

    Returns:
        The report.
    """
    curated = prx_data.curate(
        photos=photos, workspace=output / "work", output=output / "dataset", **settings.get("curate", {})
    )
    counts = curated.manifest["counts"]
    now = time.monotonic()
    spent = now - started
    print(f"{counts['photos']:,} photos in, {counts['kept']:,} kept, in {spent:.0f} s", flush=True)
    # Named after what goes in: another pile or another clock is another run.
    run = prx_train.Run(output / f"run-{curated.manifest['fingerprint'][:12]}-{minutes:g}m")
    left = 60 * minutes - spent - _LAST_SECONDS
    if left < _LEAST_SECONDS and not run.finished:
        raise prx_train.BudgetError(
            f"minutes = {minutes:g} is too short: selecting {counts['photos']:,} photos took {spent:.0f} s, "
            f"and training needs at least {_LEAST_SECONDS:.0f} s more."
        )
    # A start after a kill finds the photos measured and would have more time left: the first start's budget stays.
    begun = run.config_file.is_file()
    budget = json.loads(run.config_file.read_text(encoding="utf-8"))["budget"] if begun else f"{left:.1f}s"
    config = prx_train.TrainConfig(
        **{"dataset": output / "dataset", "output": run.output, "budget": budget, **settings.get("train", {})}
    )
    prx_train.fit(config, started_at=now)
    report = output / "report.html"
    shutil.copyfile(run.report_file, report)
    return report


def main() -> int:
    """Parse, draw if there are no photos, run, and say where the report is."""
    parser = argparse.ArgumentParser(description="Photos to a model and a report, with one clock.")
    parser.add_argument("--photos", type=Path, help="folder of photos; by default a sample catalogue is drawn")
    parser.add_argument("--minutes", type=float, default=5.0, help="for everything but drawing (default 5)")
    parser.add_argument("--output", type=Path, default=Path("runs/demo"), help="folder for all that is made")
    parser.add_argument("--config", type=Path, default=HERE / "one_day.toml", help="TOML with [curate] and [train]")
    options = parser.parse_args()
    photos, started = options.photos, _STARTED
    if photos is None:
        photos = options.output / "sample"
        if not (photos / "truth.csv").exists():  # written last
            print("drawing a sample catalogue", flush=True)
            draw_catalogue(photos)
            started = time.monotonic()  # the drawing stands outside the clock
    try:
        settings = tomllib.loads(options.config.read_text(encoding="utf-8"))
        report = one_day(
            photos=photos, minutes=options.minutes, output=options.output, settings=settings, started=started
        )
    except (prx_data.PrxDataError, prx_train.PrxTrainError, OSError, tomllib.TOMLDecodeError) as error:
        print(f"one_day: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("one_day: interrupted; the same command goes on from here.", file=sys.stderr)
        return 130
    print(f"done in {time.monotonic() - started:.0f} s of {60 * options.minutes:.0f} s")
    print(f"report: {report}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
