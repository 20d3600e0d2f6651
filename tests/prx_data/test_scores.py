"""The report's explorer: what it says a threshold would drop is what the rule drops."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ImageDraw, ImageFont

import prx_data
from prx_data import Aesthetic, Clip, Nsfw, Rules, Settings, Workspace
from prx_data.measures import standard_measures
from prx_data.report.scores import SCORES, Score, thresholds

from .conftest import draw_product, encode
from .test_aesthetic import write_head
from .test_nsfw import write_network
from .tiny_clip import write_model

OFF: dict[str, Any] = dict.fromkeys(Rules.model_fields)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "photos").mkdir()
    for number in range(12):
        product = draw_product(seed=number)
        if number % 3 == 0:
            product = product.point([level // 2 + 5 * number for level in range(256)] * 3)
        if number % 4 == 1:
            ImageDraw.Draw(product).text(
                (5, 5), "SALE", fill="black", font=ImageFont.load_default(size=20 + 3 * number)
            )
        (tmp_path / "photos" / f"{number:02d}.png").write_bytes(encode(product, "PNG"))
    (tmp_path / "photos" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    clip = Clip(model="tiny-clip", weights=write_model(tmp_path / "model"), batch_size=12)
    aesthetic = Aesthetic(head=write_head(tmp_path / "head.safetensors"), clip=clip)
    nsfw = Nsfw(model=write_network(tmp_path / "nsfw.onnx"))
    found = Workspace(tmp_path / "work", [*standard_measures(text=True), clip, aesthetic, nsfw])
    found.add(tmp_path / "photos")
    found.measure(workers=1)
    return found


@pytest.mark.parametrize("score", SCORES, ids=lambda score: score.rule)
def test_what_a_threshold_is_said_to_drop_is_what_the_rule_drops(
    workspace: Workspace, tmp_path: Path, score: Score
) -> None:
    quiet = Settings(rules=Rules(**OFF), duplicate_radius=None)
    workspace.select(settings=quiet).write(tmp_path / "dataset")
    page = (tmp_path / "dataset" / "report.html").read_text(encoding="utf-8")
    said = re.findall(rf"{score.rule} = (\S+) would drop (\d+) of (\d+) photos", page)
    assert said
    for limit, number, total in said:
        value = float(limit)
        rules = Rules(**{**OFF, score.rule: int(value) if score.rule == "min_side" else value})
        dropped = workspace.select(settings=Settings(rules=rules, duplicate_radius=None)).counts["dropped"]
        assert sum(dropped.values()) == int(number)
        assert int(total) == 12


def test_the_current_rule_is_chosen_and_nothing_runs_in_the_page(workspace: Workspace, tmp_path: Path) -> None:
    workspace.select(Rules(min_cleanliness=0.37)).write(tmp_path / "dataset")
    page = (tmp_path / "dataset" / "report.html").read_text(encoding="utf-8")
    assert re.search(r"checked><label[^>]*>0\.37</label>", page)
    assert "<script" not in page


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.none() | st.floats(0, 1))
def test_thresholds_go_from_few_dropped_to_many(values: list[float], current: float | None) -> None:
    for score in SCORES:
        limits = thresholds(score, sorted(values), current)
        dropped = [sum(one > limit if score.drops_above else one < limit for one in values) for limit in limits]
        assert dropped == sorted(dropped)
        assert len(limits) <= 12
        assert current is None or current in limits


def test_every_rule_with_a_threshold_can_be_looked_along() -> None:
    shown = {score.rule for score in SCORES}
    # Aspect ratio and spread are about pictures that one does not need to look at; the share that was decoded is whole
    # for all but truncated files.
    assert set(prx_data.Rules.model_fields) - shown == {"max_aspect_ratio", "min_spread", "min_decoded_share"}
