"""Puts the report of a run together from the files in its folder; knows what a reader wants to see first."""

import json
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from prx_train.budget import parse_budget, spoken
from prx_train.errors import ConfigError
from prx_train.report.advice import advice
from prx_train.report.figures import learning_rate_curve, loss_curves, picture_uri
from prx_train.report.planned import STAGES, planned_and_real
from prx_train.report.render import render
from prx_train.run import Run
from prx_train.storage import read_json, read_jsonl, write_atomic
from prx_train.told import counted

Block = dict[str, Any]

EXAMPLE_PRICES = (0.10, 1.00, 3.00)
"""Prices per hour to show where none is given; round numbers, nobody's offer."""

MOST_LEFT_OUT = 20
"""Rows of the table of what was left out."""

_OF_THE_DATA = {"text", "tiles", "bars", "gallery", "captions", "groups"}


def write_report(output: Path, *, dataset: Path | None = None) -> Path:
    """Writes `report.html` into a run's folder, from the files there; returns its path.

    `dataset` says where the dataset is, if not where the run's settings have it.

    Raises:
        ConfigError: the folder is no run.
    """
    run = Run(output)
    write_atomic(run.report_file, render(build_report(run, dataset=dataset)))
    return run.report_file


def build_report(run: Run, *, dataset: Path | None = None) -> Block:
    """The report as data: title, headline and blocks.

    Raises:
        ConfigError: the folder is no run.
    """
    if not run.config_file.is_file():
        raise ConfigError(f"'{run.output}' is no run: it has no config.json.")
    config = read_json(run.config_file)
    rows = run.metrics
    steps, taken = [row for row in rows if "loss" in row], [row for row in rows if "lr" in row]
    validations = [row for row in rows if "val_loss" in row]
    ledger = read_jsonl(run.ledger_file)
    folder = Path(config["dataset"]) if dataset is None else dataset
    data_headline, data_report, data_ledger = _data_part(folder)
    held_out = not run.rehearsal_file.is_file() or bool(read_json(run.rehearsal_file).get("held_out", True))
    blocks = [
        *_first_picture(run, taken, validations, ledger),
        *_training(steps, validations, held_out=held_out),
        *_skipped(rows),
        *_time(ledger, data_ledger),
        *_left_out(run),
        *_planned(run, taken, ledger),
        *_cost(ledger, data_ledger, config["price_per_hour"]),
        {"kind": "heading", "text": "What to change next", "level": 2},
        *({"kind": "text", "text": sentence} for sentence in advice(config, steps, validations, ledger)),
        *_settings(run, config),
        *data_report,
    ]
    learned = headline(taken, validations, ledger, finished=bool(taken) and _has_after(run), held_out=held_out)
    return {
        "format": 1,
        "title": f"Training report: {run.output.name}",
        "headline": f"{data_headline} {learned}".strip(),
        "blocks": blocks,
    }


def headline(
    steps: Sequence[Block],
    validations: Sequence[Block],
    ledger: Sequence[Block],
    *,
    finished: bool = True,
    held_out: bool = True,
) -> str:
    """The run in one sentence."""
    spent = spoken(sum(row["seconds"] for row in ledger))
    if not steps:
        return f"After {spent} everything is set up, and training has not begun."
    began = "In" if finished else "Not finished: in"
    text = f"{began} {spent} the model saw {counted(steps[-1]['samples'], 'photo')} in {counted(len(steps), 'step')}"
    if len(validations) < 2:
        return f"{text}."
    first, last = validations[0]["val_loss"], validations[-1]["val_loss"]
    photos = "it never saw" if held_out else "it was trained on, as none are held out,"
    return f"{text}; its error on photos {photos} went from {first:.3f} to {last:.3f} ({last / first - 1:+.0%})."


def _has_after(run: Run) -> bool:
    index = run.samples / "samples.json"
    return index.is_file() and "after" in read_json(index)


def _first_picture(
    run: Run, steps: Sequence[Block], validations: Sequence[Block], ledger: Sequence[Block]
) -> list[Block]:
    index = run.samples / "samples.json"
    known: dict[str, list[Block]] = read_json(index) if index.is_file() else {}
    names = [name for name in ("before", "after") if name in known]
    blocks: list[Block] = []
    if names:
        items = []
        for asked in known[names[-1]]:
            same = [(name, entry) for name in names for entry in known[name] if _drawn_alike(entry, asked)]
            sides = [
                {
                    "image": picture_uri(run.samples / entry["file"]),
                    "alt": f"{name} training, for the prompt: {entry['prompt']}",
                    "mark": name,
                }
                for name, entry in same
            ]
            items.append({"label": asked["prompt"] or "(no caption)", "sides": sides})
        first = known[names[-1]][0]
        caption = (
            f"The same prompts from the same noise, before and after training: {first['width']}×{first['height']} "
            f"pixels, guidance {first['guidance']:g}, {first['steps']} sampling steps."
        )
        if any(len(item["sides"]) < len(names) for item in items):
            caption += " What stands alone was not drawn before, as the settings of the samples were changed since."
        blocks.append({"kind": "pairs", "caption": caption, "items": items})
    if steps:
        per_step = [b["seconds"] - a["seconds"] for a, b in pairwise(steps)]
        tiles = [
            {"value": spoken(sum(row["seconds"] for row in ledger)), "label": "wall clock, all together"},
            {"value": f"{len(steps):,}", "label": "training steps"},
            {"value": f"{steps[-1]['samples']:,}", "label": "photos seen, repeats counted"},
        ]
        if per_step:
            tiles.append({"value": f"{sorted(per_step)[len(per_step) // 2]:.2f} s", "label": "a step, median"})
        if validations:
            tiles.append({"value": f"{validations[-1]['val_loss']:.3f}", "label": "validation loss, lower is better"})
        blocks.append({"kind": "tiles", "items": tiles})
    return blocks


def _drawn_alike(one: Block, other: Block) -> bool:
    """Whether two samples differ by the weights alone."""
    return all(one[key] == other[key] for key in other.keys() - {"file"})


def _data_part(folder: Path) -> tuple[str, list[Block], list[Block]]:
    """The dataset's own headline, report as blocks, and ledger; all empty for a dataset of somebody else's.

    What is for choosing thresholds, and its table of times, are left to the dataset's own page.
    """
    ledger = read_jsonl(folder / "ledger.jsonl")
    file = folder / "report.json"
    try:
        report = json.loads(file.read_text(encoding="utf-8"))
        blocks = _sections(report["blocks"])
        headline = str(report["headline"])
    except (OSError, ValueError, KeyError, TypeError):
        return "", [], ledger
    more = "The dataset's own report.html shows more: the photos along every score, and a map."
    return (
        headline,
        [{"kind": "heading", "text": "The data", "level": 2}, *blocks, {"kind": "text", "text": more}],
        ledger,
    )


def _sections(blocks: Sequence[Block]) -> list[Block]:
    """Each heading with what follows it, where all of that is shown here; one level lower, under "The data"."""
    found: list[Block] = []
    section: list[Block] = []
    level = 0  # of the heading that comes after
    for block in reversed(blocks):
        section.insert(0, block)
        if block["kind"] == "heading":
            parent = len(section) == 1 and level > block["level"]
            if parent or (len(section) > 1 and all(one["kind"] in _OF_THE_DATA for one in section[1:])):
                found[:0] = [{**block, "level": 3}, *section[1:]]
                level = block["level"]
            section = []
    return section + found


def _training(steps: Sequence[Block], validations: Sequence[Block], *, held_out: bool) -> list[Block]:
    if not steps:
        return []
    photos = "held-out photos" if held_out else "photos that were trained on too, as none are held out,"
    last = f"{validations[-1]['val_loss']:.3f}" if validations else "not measured"
    return [
        {"kind": "heading", "text": "The training", "level": 2},
        {
            "kind": "figure",
            "caption": "How far the model is from the photos at every noise level; lower is better. Validation uses "
            f"{photos} at fixed noise and fixed times, so its points differ by the weights only.",
            "image": loss_curves(steps, validations),
            "alt": f"Loss curves over {counted(len(steps), 'step')}; the last validation loss is {last}",
        },
        {
            "kind": "figure",
            "caption": "The learning rate as it was; it reaches zero when the budget for training is spent.",
            "image": learning_rate_curve(steps),
            "alt": f"Learning rate over time, highest {max(r['lr'] for r in steps):.2g}, last {steps[-1]['lr']:.2g}",
        },
    ]


def _skipped(rows: Sequence[Block]) -> list[Block]:
    """What went wrong while it trained; nothing if nothing did."""
    reasons = Counter(str(row["skipped"]) for row in rows if "skipped" in row)
    if not reasons:
        return []
    why = ", ".join(f"{reason} ({count})" for reason, count in reasons.most_common())
    text = f"{reasons.total():,} of the steps changed nothing: {why}; their photos are named in metrics.jsonl."
    back = [f"{row['back_to']} (at step {row['step']})" for row in rows if "back_to" in row]
    if back:
        text += f" The weights went back to those after step {', '.join(back)}, each time at half the learning rate."
    return [{"kind": "text", "text": text}]


def _time(ledger: Sequence[Block], data_ledger: Sequence[Block]) -> list[Block]:
    if not ledger:
        return []
    stages: dict[tuple[str, str], float] = {}
    items: dict[tuple[str, str], Counter[str]] = {}
    for row in [*data_ledger, *ledger]:
        key = (row["package"], row["stage"])
        stages[key] = stages.get(key, 0.0) + row["seconds"]
        items.setdefault(key, Counter())[row["unit"]] += row["items"]
    total = sum(stages.values())
    rows = [
        {
            "label": STAGES.get(stage, stage) if package == "prx-train" else f"data: {stage}",
            "value": seconds,
            "text": ", ".join(
                [spoken(seconds), f"{seconds / total:.0%}"]
                + [counted(round(count), unit.removesuffix("s")) for unit, count in items[package, stage].items()]
            ),
            "tone": "kept" if stage == "train" else "failed" if stage == "lost" else "plain",
        }
        for (package, stage), seconds in stages.items()
    ]
    what = "data and training" if data_ledger else "the training run"
    return [
        {"kind": "heading", "text": "Where the time went", "level": 2},
        {"kind": "bars", "caption": f"{spoken(total)} of wall clock for {what}, from the ledger.", "rows": rows},
    ]


def _left_out(run: Run) -> list[Block]:
    """The rows whose pictures turned out to be broken; of several processes each may have met the same."""
    rows = list({row["place"]: row for row in read_jsonl(run.left_out_file)}.values())
    if not rows:
        return []
    rest = f", and {len(rows) - MOST_LEFT_OUT:,} more, all in {run.left_out_file.name}"
    count = f"{counted(len(rows), 'row')}, whose pictures could not be decoded"
    return [
        {"kind": "heading", "text": "Rows left out while training", "level": 2},
        {
            "kind": "table",
            "caption": f"{count}{': the first of them' + rest if len(rows) > MOST_LEFT_OUT else ''}.",
            "header": ["key", "where", "why"],
            "rows": [[row["key"], row["place"], row["reason"]] for row in rows[:MOST_LEFT_OUT]],
        },
    ]


def _planned(run: Run, steps: Sequence[Block], ledger: Sequence[Block]) -> list[Block]:
    if not steps or not run.plan_file.is_file():
        return []
    heading = {"kind": "heading", "text": "Planned and real", "level": 2}
    return [heading, planned_and_real(read_json(run.plan_file), steps, ledger)]


def _cost(ledger: Sequence[Block], data_ledger: Sequence[Block], price: float | None) -> list[Block]:
    if not ledger:
        return []
    hours = sum(row["seconds"] * row["devices"] for row in [*data_ledger, *ledger]) / 3600
    prices = EXAMPLE_PRICES if price is None else (price,)
    caption = (
        "At example prices, which are round numbers and nobody's offer; set price_per_hour for your own."
        if price is None
        else "At the price per hour that was set."
    )
    rows = [
        [f"{value:,.2f} an hour", f"{hours:.3f} hours", f"{hours * value:,.4f}", f"{24 * value:,.2f}"]
        for value in prices
    ]
    header = ["price of a device", "devices took", "so it cost", "24 hours would cost"]
    return [
        {"kind": "heading", "text": "What it cost", "level": 2},
        {
            "kind": "table",
            "caption": f"{caption} All amounts are in the currency of the price.",
            "header": header,
            "rows": rows,
        },
    ]


def _settings(run: Run, config: Block) -> list[Block]:
    derived = read_json(run.derived_file) if run.derived_file.is_file() else []
    budget = parse_budget(config["budget"])
    rows = [["budget", str(budget)], ["base", _base(config)]]
    if (lora := config["lora"]) is not None:
        rows.append(["lora", f"rank {lora['rank']}, alpha {lora['alpha'] or lora['rank']}: {_adapted(lora)}"])
    rows += [
        [key, f"{config[key]}{unit}"]
        for key, unit in (
            ("resolution", " pixels"),
            ("batch_size", " photos"),
            ("fit", ""),
            ("optimizer", ""),
            ("learning_rate", " at its peak"),
            ("warmup", " of the training time"),
            ("decay", " of the training time"),
            ("caption_dropout", " of the photos"),
            ("seed", ""),
        )
    ]
    blocks: list[Block] = [{"kind": "heading", "text": "Settings", "level": 2}]
    if derived:
        caption = "What was derived from the data and the machine."
        blocks.append({"kind": "table", "caption": caption, "header": ["what", "value"], "rows": derived})
    blocks.append({"kind": "table", "caption": "What was set.", "header": ["key", "value"], "rows": rows})
    return blocks


def _base(config: Block) -> str:
    """What was started from; of a folder its name alone, as a report is handed on."""
    base = config["base"]
    return "a new model" if base is None else Path(base).name if Path(base).is_absolute() else str(base)


def _adapted(lora: Block) -> str:
    return ", ".join([*lora["targets"], *(["attention.txt_kv_proj"] if lora["text"] else [])])
