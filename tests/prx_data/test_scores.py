"""The report's explorer: what it says a threshold would drop is what the rule drops."""

import html
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ImageDraw, ImageFont

import prx_data
from prx_data import Aesthetic, Clip, Nsfw, Rules, Settings, Workspace
from prx_data.decisions.profiles import Check, Profile
from prx_data.measures import standard_measures
from prx_data.report.score_list import SCORES, Score
from prx_data.report.scores import thresholds

from .conftest import draw_product, encode
from .test_aesthetic import write_head
from .test_nsfw import write_network
from .tiny_clip import write_model

OFF: dict[str, Any] = dict.fromkeys(Rules.model_fields)
CLEAN = (
    Check(column="unevenness", max=90, message="uneven"),
    Check(column="contrast", min=0, message="white on white"),
)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Measured once: tests select from it, and write elsewhere."""
    home = tmp_path_factory.mktemp("scores")
    (home / "photos").mkdir()
    for number in range(12):
        product = draw_product(seed=number, size=(240, 300 + 10 * (number % 3)))
        if number % 3 == 0:
            product = product.point([level // 2 + 5 * number for level in range(256)] * 3)
        if number % 4 == 1:
            ImageDraw.Draw(product).text(
                (5, 5), "SALE", fill="black", font=ImageFont.load_default(size=20 + 3 * number)
            )
        (home / "photos" / f"{number:02d}.png").write_bytes(encode(product, "PNG"))
    (home / "photos" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    clip = Clip(model="tiny-clip", weights=write_model(home / "model"), batch_size=12)
    aesthetic = Aesthetic(head=write_head(home / "head.safetensors"), clip=clip)
    nsfw = Nsfw(model=write_network(home / "nsfw.onnx"))
    found = Workspace(home / "work", [*standard_measures(text=True), clip, aesthetic, nsfw])
    found.add(home / "photos")
    found.measure(workers=1)
    return found


@pytest.mark.parametrize("score", [one for one in SCORES if one.rule], ids=lambda score: score.rule)
def test_what_a_threshold_is_said_to_drop_is_what_the_rule_drops(
    workspace: Workspace, tmp_path: Path, score: Score
) -> None:
    quiet = Settings(rules=Rules(**OFF), duplicate_radius=None)
    workspace.select(settings=quiet).write(tmp_path / "dataset")
    page = (tmp_path / "dataset" / "report.html").read_text(encoding="utf-8")
    assert score.rule
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
        limits = thresholds(score, sorted(values), [] if current is None else [current])
        dropped = [sum(one > limit if score.drops_above else one < limit for one in values) for limit in limits]
        assert dropped == sorted(dropped)
        assert len(limits) <= 12
        assert current is None or current in limits


def test_every_rule_with_a_threshold_can_be_looked_along() -> None:
    shown = {score.rule for score in SCORES}
    # Spread is about pictures that one does not need to look at; the share that was decoded is whole for all but
    # truncated files.
    assert set(prx_data.Rules.model_fields) - shown == {"min_spread", "min_decoded_share"}


def test_what_a_check_is_said_to_fail_is_what_it_fails(workspace: Workspace, tmp_path: Path) -> None:
    wanted = Profile(
        name="mine",
        checks=(
            Check(column="whiteness", max=40, message="not white"),
            Check(column="fill", max=0.9, message="too large"),
            Check(column="margin_left", min=0.01, message="touches the left"),
            Check(column="cleanliness", min=0.1234, message="not plain"),
        ),
    )
    quiet = Settings(rules=Rules(**OFF), duplicate_radius=None, profile=wanted)
    chosen = workspace.select(settings=quiet)
    chosen.write(tmp_path / "dataset")
    page = html.unescape((tmp_path / "dataset" / "report.html").read_text(encoding="utf-8"))
    said = re.findall(r"A check of (\S+) with (min|max) = (\S+) would fail (\d+) of 12 photos", page)
    asked = {(column, side) for column, side, _, _ in said}
    # The profile's, also from the side that is not the usual one, and others that vary.
    assert asked >= {("whiteness", "max"), ("fill", "max"), ("fill", "min"), ("margin_left", "min"), ("doubt", "max")}
    assert ("cleanliness", "min") not in asked
    assert "min_cleanliness = 0.1234 would drop" in page
    assert "now min_cleanliness is off and mine asks for min = 0.1234" in page
    # All photos have the format PNG.
    assert not any(column == "jpeg_quality" for column, _ in asked)
    for column, side, limit, number in said:
        one = Profile(name="one", checks=[{"column": column, side: float(limit), "message": "no"}])
        reasons = [row["reasons"] for row in chosen.check(one).to_pylist() if not row["origin"].startswith("broken")]
        assert sum(any("is below" in text or "is above" in text for text in texts) for texts in reasons) == int(number)


def test_other_scores_are_folded_and_those_of_the_profile_come_first(workspace: Workspace, tmp_path: Path) -> None:
    wanted = Profile(name="mine", checks=CLEAN)
    settings = Settings(rules=Rules(**OFF), duplicate_radius=None, profile=wanted)
    workspace.select(settings=settings).write(tmp_path / "dataset")
    page = (tmp_path / "dataset" / "report.html").read_text(encoding="utf-8")
    folds = re.findall(r"<details><summary>([^<]+)</summary>", page)
    names = [one for one in folds if one.endswith("(checked by mine)")]
    assert folds[: len(names)] == names
    assert len(names) == 2
    assert len(folds) > len(names)
    assert page.count("<details>") == page.count("</details>") == len(folds)
    # Each explorer has its own buttons, in folds too.
    radios = re.findall(r'<input type="radio" name="([^"]+)" id="([^"]+)"', page)
    assert len({name for _, name in radios}) == len(radios)
    assert len({name for name, _ in radios}) == page.count('class="score"') + page.count('class="maps"')
