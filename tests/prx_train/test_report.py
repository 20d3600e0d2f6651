import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from prx_train import Run, TrainConfig, fit, write_report
from prx_train.report import build_report, render
from prx_train.report.advice import advice
from prx_train.report.chart import Line, line_chart
from prx_train.report.figures import smoothed
from prx_train.storage import read_jsonl
from prx_train.told import visible

from .conftest import Counting
from .test_fit import COMMAND

EVIL = "<script>\u202ealert('x')</script>"


class Page(HTMLParser):
    """Tags and attributes, as a browser would find them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


@pytest.fixture
def run(settings: dict[str, Any], dataset: Path, tmp_path: Path) -> Run:
    copied = tmp_path / "curated"
    shutil.copytree(dataset, copied)
    pixel = "data:image/png;base64,iVBORw0KGgo="
    item = {"image": pixel, "alt": EVIL, "label": EVIL, "mark": "kept"}
    blocks = [
        {"kind": "heading", "text": "Funnel " + EVIL, "level": 2},
        {"kind": "text", "text": EVIL},
        {"kind": "tiles", "items": [{"value": "17 photos", "label": EVIL}]},
        {"kind": "bars", "caption": "c", "rows": [{"label": "kept", "value": 3, "text": "3 photos", "tone": "kept"}]},
        {"kind": "bars", "caption": "none", "rows": []},
        {"kind": "heading", "text": "What was dropped", "level": 2},
        {"kind": "heading", "text": "Too small", "level": 3},
        {"kind": "gallery", "caption": "c", "items": [{**item, "image": "https://example.org/tracker.png"}]},
        {"kind": "groups", "caption": "c", "groups": [{"label": EVIL, "items": [item]}]},
        {
            "kind": "captions",
            "caption": "c",
            "items": [{**item, "texts": [{"name": "short", "text": EVIL, "tone": ""}]}],
        },
        {"kind": "heading", "text": "Where time went", "level": 2},
        {"kind": "table", "caption": "c", "header": ["a"], "rows": [[EVIL]]},
        {"kind": "heading", "text": "Along scores", "level": 2},
        {"kind": "fold", "label": "brightness", "blocks": []},
        {"kind": "heading", "text": "Tomorrow", "level": 2},
        {"kind": "of tomorrow", "text": "not known yet"},
    ]
    report = {"format": 1, "title": "t", "headline": "17 photos in, 12 kept.", "blocks": blocks}
    (copied / "report.json").write_text(json.dumps(report))
    row = {"package": "prx-data", "stage": "measure", "started": "2026-01-01T00:00:00+00:00", "seconds": 100.0}
    row |= {"items": 17, "unit": "photos", "device": "cpu", "devices": 1}
    (copied / "ledger.jsonl").write_text(json.dumps(row) + "\n")
    return fit(TrainConfig(**{**settings, "dataset": copied}))


def test_the_page_is_self_contained_and_escapes_everything(run: Run) -> None:
    text = run.report_file.read_text(encoding="utf-8")
    page = Page(text)
    assert EVIL not in text
    assert visible(text) == text
    assert "&lt;script&gt;\\u202e" in text
    assert not {"script", "link", "iframe"} & {tag for tag, _ in page.tags}
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert len(images) == 4 + 3 + 2
    for attributes in images:
        assert attributes["alt"]
        assert attributes["src"] == "" or str(attributes["src"]).startswith("data:image/")
    assert not re.search(r"https?://", re.sub(r"base64,[^\"]*", "", text))
    assert all(tag in {tag for tag, _ in page.tags} for tag in ("h1", "h2", "table", "title"))


def test_the_order_is_what_a_reader_wants(run: Run) -> None:
    text = run.report_file.read_text(encoding="utf-8")
    marks = ["17 photos in, 12 kept.", "the model saw", "before training", "The training", "Where the time went"]
    marks += ["What it cost", "What to change next", "Settings", "The data", "Funnel", "What was dropped", "Too small"]
    places = [text.index(mark) for mark in marks]
    assert places == sorted(places)
    assert not [left for left in ("Where time went", "Along scores", "Tomorrow", "not known yet") if left in text]


@pytest.mark.parametrize(
    ("changed", "paired"),
    [
        ({"prompts": ("a red hoodie", "a blue hat", "a shoe")}, {"a red hoodie"}),
        ({"prompts": ("a shoe",)}, set()),
        ({"guidance": 1.0}, set()),
        ({"caption_dropout": 0.1}, {"a red hoodie", "a hat"}),
    ],
)
def test_samples_stand_beside_what_was_drawn_alike(
    settings: dict[str, Any], changed: dict[str, Any], paired: set[str]
) -> None:
    settings = {**settings, "prompts": ("a red hoodie", "a hat")}
    assert not fit(TrainConfig(**settings), callbacks=[steps := Counting()], stop=lambda: steps.done >= 1).finished
    asked = changed.get("prompts", settings["prompts"])
    run = fit(TrainConfig(**{**settings, **changed}))
    assert run.finished
    block = next(block for block in build_report(run)["blocks"] if block["kind"] == "pairs")
    assert [item["label"] for item in block["items"]] == [*asked]
    for item in block["items"]:
        marks = [side["mark"] for side in item["sides"]]
        assert marks == (["before", "after"] if item["label"] in paired else ["after"])
    assert ("stands alone" in block["caption"]) == (paired != {*asked})


def test_time_and_cost_add_up_over_both_ledgers(run: Run) -> None:
    blocks = build_report(run)["blocks"]
    bars = next(block for block in blocks if block["kind"] == "bars" and "wall clock" in block["caption"])
    total = 100.0 + sum(row["seconds"] for row in read_jsonl(run.ledger_file))
    assert sum(row["value"] for row in bars["rows"]) == pytest.approx(total)
    cost = next(block for block in blocks if block["kind"] == "table" and "price" in block["header"][0])
    assert float(cost["rows"][0][2]) == pytest.approx(3.0 * total / 3600, abs=1e-4)


def test_every_device_is_paid_for(run: Run) -> None:
    rows = [{**row, "devices": 8} for row in read_jsonl(run.ledger_file)]
    run.ledger_file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    hours = (100.0 + 8 * sum(row["seconds"] for row in rows)) / 3600
    cost = next(
        block for block in build_report(run)["blocks"] if block["kind"] == "table" and "price" in block["header"][0]
    )
    assert float(cost["rows"][0][2]) == pytest.approx(3.0 * hours, abs=1e-4)


def test_example_prices_are_marked_as_such(run: Run) -> None:
    config = json.loads(run.config_file.read_text())
    run.config_file.write_text(json.dumps({**config, "price_per_hour": None}))
    text = write_report(run.output).read_text(encoding="utf-8")
    assert "example prices" in text


def test_a_moved_dataset_is_found_where_one_says(run: Run, tmp_path: Path) -> None:
    (tmp_path / "curated").rename(tmp_path / "moved")
    assert "17 photos in, 12 kept." not in write_report(run.output).read_text(encoding="utf-8")
    assert "17 photos in, 12 kept." in write_report(run.output, dataset=tmp_path / "moved").read_text(encoding="utf-8")


def test_an_unknown_block_is_left_out() -> None:
    text = render({"title": "t", "headline": "h", "blocks": [{"kind": "of tomorrow", "text": "secret"}]})
    assert "secret" not in text


def test_smoothing_is_a_plain_mean_of_the_last() -> None:
    assert smoothed([1, 2, 3, 4], 2) == [1, 1.5, 2.5, 3.5]


@pytest.mark.parametrize(
    ("losses", "epoch", "words"),
    [
        ([1.0, 0.5, 0.4, 0.3], 10, "still fell by 25%"),
        ([1.0, 0.5, 0.3, 0.4], 10, "begun to memorise"),
        ([1.0, 0.3, 0.3, 0.3], 10, "more time alone will do little"),
        ([1.0, 0.3, 0.3, 0.3], 1, "too few to tell"),
    ],
)
def test_advice_follows_from_the_numbers(losses: list[float], epoch: int, words: str) -> None:
    steps = [{"step": n, "epoch": epoch, "grad_norm": 0.1} for n in range(10)]
    validations = [{"step": 3 * n, "val_loss": loss} for n, loss in enumerate(losses)]
    ledger = [{"stage": "train", "seconds": 70.0}, {"stage": "load", "seconds": 30.0}]
    found = advice({"clip_grad": 1.0}, steps, validations, ledger)
    assert words in found[0]
    assert "'reading photos and model' with 30 s" in found[1]
    assert len(found) == 2


@pytest.mark.parametrize(
    ("changes", "base", "lora"),
    [
        ({}, "a new model", None),
        ({"base": "/home/somebody/models/prx"}, "prx", None),
        (
            {"base": "owner/name", "lora": {"rank": 4, "alpha": None, "targets": ["up_proj"], "text": True}},
            "owner/name",
            "rank 4, alpha 4: up_proj, attention.txt_kv_proj",
        ),
    ],
)
def test_settings_name_the_base_and_the_adapters(
    run: Run, changes: dict[str, Any], base: str, lora: str | None
) -> None:
    run.config_file.write_text(json.dumps({**json.loads(run.config_file.read_text()), **changes}))
    rows = dict(next(one for one in build_report(run)["blocks"] if one.get("caption") == "What was set.")["rows"])
    assert (rows["base"], rows.get("lora")) == (base, lora)
    assert "somebody" not in write_report(run.output).read_text(encoding="utf-8")


def test_curves_stand_where_their_numbers_are() -> None:
    lines = [Line(points=[(0, 0.1), (10, 0.3)], color="#111111"), Line(points=[(4, 0.2)], color="#222222", label="one")]
    picture = ElementTree.fromstring(line_chart(lines, x_label="step", y_label="loss", top=0.4, height=300))  # noqa: S314
    svg = "{http://www.w3.org/2000/svg}"
    texts = {text.text: text for text in picture.iter(f"{svg}text")}

    def place(x: str, y: str) -> tuple[float, float]:
        return float(texts[x].attrib["x"]), float(texts[y].attrib["y"]) - 4

    (line, _) = picture.iter(f"{svg}polyline")
    (dot,) = picture.iter(f"{svg}circle")
    found = [tuple(map(float, pair.split(","))) for pair in line.attrib["points"].split()]
    assert found == [pytest.approx(place("0", "0.1"), abs=0.11), pytest.approx(place("10", "0.3"), abs=0.11)]
    assert (float(dot.attrib["cx"]), float(dot.attrib["cy"])) == pytest.approx(place("4", "0.2"), abs=0.11)
    assert {"step", "loss", "one"} <= texts.keys()


def test_a_run_writes_nothing_outside_its_folder(toml: Callable[..., Path], tmp_path: Path) -> None:
    """With a home and a temporary folder of its own; two libraries leave something when they are imported."""
    home = tmp_path / "home"
    home.mkdir()
    known = {key: os.environ[key] for key in ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH") if key in os.environ}
    environment = {**known, "HOME": str(home), "TMPDIR": str(home), "OMP_NUM_THREADS": "1"}
    subprocess.run([*COMMAND, "fit", toml(budget="2 steps")], env=environment, check=True)
    of_torch = re.compile(r"torchinductor_")
    of_onnxruntime = re.compile(r"\.ses|\.cache$|\.cache/Microsoft")
    left = [str(path.relative_to(home)) for path in home.rglob("*")]
    assert [name for name in left if not of_torch.match(name) and not of_onnxruntime.match(name)] == []
