"""Text in the picture: rendered on real photos, read again."""

import pickle
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from prx_data import ConfigError, Picture, Rules, Workspace, curate, profile
from prx_data.cli import main
from prx_data.measures import standard_measures, text
from prx_data.measures.text import Text, covered

from .conftest import draw_product, encode
from .test_profiles import GOOD

Area = tuple[float, float, float, float]


@pytest.fixture(scope="module")
def measure() -> Text:
    return Text()


def write_on(
    image: Image.Image, words: str, *, at: tuple[float, float], height: float = 0.05, opacity: int = 255
) -> tuple[Image.Image, Area]:
    """Words on a picture in grey, and their left, top, right and bottom in shares of it."""
    font = ImageFont.load_default(size=round(height * image.height))
    where = (round(at[0] * image.width), round(at[1] * image.height))
    layer = Image.new("RGBA", image.size)
    drawing = ImageDraw.Draw(layer)
    drawing.text(where, words, font=font, fill=(60, 60, 60, opacity))
    left, top, right, bottom = drawing.textbbox(where, words, font=font)
    whole = Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")
    return whole, (left / image.width, top / image.height, right / image.width, bottom / image.height)


def measured(measure: Text, image: Image.Image) -> dict[str, Any]:
    return dict(measure(Picture(np.asarray(image))))


@pytest.fixture(scope="module")
def shirts(photos: Path) -> list[Image.Image]:
    return [Image.open(path).convert("RGB") for path in sorted((photos / "catalogue").rglob("*.jpg"))[5::90]]


def test_photos_without_text_have_none(shirts: list[Image.Image], measure: Text) -> None:
    found = [measured(measure, image) for image in shirts]
    assert [one["text_share"] for one in found] == [0.0] * len(shirts)
    assert all(one["text_lines"] == one["text_boxes"] == [] for one in found)


@pytest.mark.parametrize("opacity", [255, 140])
def test_a_line_is_read_where_it_was_written(shirts: list[Image.Image], measure: Text, opacity: int) -> None:
    for image in shirts:
        banner, area = write_on(image, "SALE 50%", at=(0.03, 0.02), opacity=opacity)
        found = measured(measure, banner)
        assert "".join(found["text_lines"]).replace(" ", "") == "SALE50%"
        (box,) = found["text_boxes"]
        assert np.allclose(box, area, atol=0.03)
        size = (area[2] - area[0]) * (area[3] - area[1])
        assert 0.7 * size < found["text_share"] < 2 * size
        assert found["text_beside"] == found["text_share"]


def test_print_on_the_product_is_not_beside_it(measure: Text) -> None:
    product = Image.new("RGB", (800, 1000), "white")
    ImageDraw.Draw(product).rounded_rectangle((150, 150, 650, 850), 60, fill=(200, 170, 60))
    label, _ = write_on(product, "OAT MILK", at=(0.3, 0.45), height=0.07)
    found = measured(measure, label)
    assert found["text_lines"] == ["OAT MILK"]
    assert found["text_share"] > 0.01
    assert found["text_beside"] == 0.0
    both, _ = write_on(label, "www.example.org", at=(0.2, 0.92), height=0.04)
    found = measured(measure, both)
    assert len(found["text_lines"]) == 2
    assert 0 < found["text_beside"] < found["text_share"]


def test_a_badge_is_beside_the_product(measure: Text) -> None:
    picture = Image.new("RGB", (800, 1000), "white")
    drawing = ImageDraw.Draw(picture)
    drawing.rounded_rectangle((150, 300, 650, 950), 60, fill=(200, 170, 60))
    drawing.rounded_rectangle((480, 40, 780, 160), 20, fill=(220, 30, 40))
    badge, _ = write_on(picture, "NEW 2026", at=(0.62, 0.075), height=0.05)
    found = measured(measure, badge)
    assert found["text_lines"] == ["NEW 2026"]
    assert found["text_beside"] == found["text_share"] > 0.01


Boxes = st.lists(st.tuples(*(st.floats(0, 1) for _ in range(4))), max_size=5)


@settings(deadline=None)
@given(Boxes, st.integers(1, 40), st.integers(1, 40))
def test_boxes_that_overlap_count_once(boxes: list[Area], height: int, width: int) -> None:
    """Against the slow way: a set of pixels."""
    pixels = set()
    corners = []
    for a, b, c, d in boxes:
        (left, right), (top, bottom) = sorted((np.float32(a), np.float32(b))), sorted((np.float32(c), np.float32(d)))
        corners.append(np.array([(left, top), (right, top), (right, bottom), (left, bottom)], dtype=np.float32))
        xs, ys = [
            [min(int(np.floor(float(v) * size)), size - 1) for v in pair]
            for pair, size in (((left, right), width), ((top, bottom), height))
        ]
        pixels |= {(y, x) for y in range(ys[0], ys[1] + 1) for x in range(xs[0], xs[1] + 1)}
    mask: npt.NDArray[np.bool_] = covered(corners, (height, width))
    assert {(int(y), int(x)) for y, x in np.argwhere(mask)} == pixels


def test_a_rule_drops_what_has_too_much(tmp_path: Path) -> None:
    pile = tmp_path / "photos"
    pile.mkdir()
    for number in range(5):
        image = draw_product(number, size=(480, 600))
        words = {1: "SALE -50%", 2: "size 12 cm"}.get(number)
        if words:
            image, _ = write_on(image, words, at=(0.02, 0.01), height={1: 0.15, 2: 0.04}[number])
        (pile / f"{number}.jpg").write_bytes(encode(image, quality=92))
    places = {"photos": pile, "workspace": tmp_path / "work", "output": tmp_path / "dataset"}
    # Blobs of one colour that all look alike to a hash shall not be dropped for that.
    curate(**places, workers=2, rules={"max_text_share": 0.05, "min_cleanliness": None}, duplicate_radius=None)
    verdicts = {one["origin"]: one for one in pq.read_table(tmp_path / "dataset" / "verdicts.parquet").to_pylist()}
    assert {origin: one["reason"] for origin, one in verdicts.items()} == {
        **{f"{number}.jpg": "kept" for number in range(5)},
        "1.jpg": "text",
    }
    assert verdicts["1.jpg"]["detail"].endswith("of the frame is under text, above 5.0%.")
    rows = {row["origin"]: row["text_share"] for row in pq.read_table(tmp_path / "dataset" / "data").to_pylist()}
    assert 0 < rows.pop("2.jpg") < 0.05
    assert set(rows.values()) == {0.0}
    # What explains a photo opens the workspace as the curation did.
    assert main(["explain", str(pile / "1.jpg"), "--workspace", str(tmp_path / "work")]) == 0


def test_a_rule_on_what_nobody_looked_for_is_one_sentence(pile: Path, tmp_path: Path) -> None:
    photos = Workspace(tmp_path / "work")
    photos.add(pile)
    photos.measure(workers=1)
    with pytest.raises(ConfigError, match=r"rules\.max_text_share = 0\.1 needs a workspace that measures text"):
        photos.select(Rules(max_text_share=0.1))


def test_a_marketplace_minds_text_where_it_was_looked_for() -> None:
    market = profile("marketplace_main")
    assert market.failures(GOOD) == market.failures({**GOOD, "text_beside": 0.0}) == ()
    (failure,) = market.failures({**GOOD, "text_beside": 0.01})
    assert failure.startswith("there is text beside the product")


def test_the_measure_names_its_settings_and_travels_to_processes(measure: Text) -> None:
    measure.lines(Picture(np.full((64, 64, 3), 255, dtype=np.uint8)))
    again = pickle.loads(pickle.dumps(measure))  # noqa: S301
    assert again == measure
    versions = {Text().version, Text(side=640).version, Text(min_score=0.5).version, Text(min_length=1).version}
    assert len(versions) == 4
    assert [one.name for one in standard_measures(text=True)][-1] == "text"
    with pytest.raises(ConfigError, match="side = 8 is wrong"):
        Text(side=8)


def test_without_its_packages_it_says_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(text, "version", missing)
    with pytest.raises(ConfigError, match=r"pip install 'prx-data\[text\]'"):
        Text()
