"""Photos decoded at a part of their size: nearly the same columns, never taken for those of whole ones."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from prx_data import ConfigError, Workspace, curate, standard_measures
from prx_data.cli import main
from prx_data.decoding import decode
from prx_data.explain import open_workspace, settings_of

from .conftest import draw_product, encode


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """Six products at 1000x1250, one without a loss as well, one cut short, and a small one."""
    folder = tmp_path / "large"
    folder.mkdir()
    for number in range(6):
        picture = draw_product(number).resize((1000, 1250), Image.Resampling.BICUBIC)
        (folder / f"{number}.jpg").write_bytes(encode(picture, quality=90))
    decoded = decode((folder / "1.jpg").read_bytes())
    assert decoded.pixels is not None
    (folder / "same pixels as 1.png").write_bytes(encode(Image.fromarray(decoded.pixels), "PNG"))
    whole = (folder / "2.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "small.jpg").write_bytes(encode(draw_product(9), quality=90))
    return folder


def curated(photos: Path, tmp_path: Path, name: str, **settings: Any) -> dict[str, Any]:
    places = {"photos": photos, "workspace": tmp_path / "work", "output": tmp_path / name, "workers": 1}
    return curate(**{**places, **settings}).manifest


def verdicts(dataset: Path) -> dict[str, tuple[bool, str]]:
    rows = pq.read_table(dataset / "verdicts.parquet").to_pylist()
    return {row["origin"]: (row["kept"], row["reason"]) for row in rows}


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("subsampling", [0, 2])
@pytest.mark.parametrize("part", [2, 4, 8])
def test_a_part_of_a_jpeg_has_the_pixels_that_pillow_gives(
    mode: str, progressive: bool, subsampling: int, part: int
) -> None:
    data = encode(
        draw_product(5, size=(601, 833)).convert(mode), progressive=progressive, subsampling=subsampling, quality=80
    )
    with Image.open(BytesIO(data)) as image:
        image.draft(None, (601 // part, 833 // part))
        expected = np.asarray(image.convert("RGB"))
    assert max(expected.shape) == -(-833 // part)
    decoded = decode(data, at_least=833 // part)
    np.testing.assert_array_equal(decoded.pixels, expected)
    assert (decoded.width, decoded.height) == (601, 833)
    assert decoded.picture is not None
    assert not decoded.picture.whole


def test_what_keeps_its_size_is_whole() -> None:
    for data in (encode(draw_product(1), quality=90), encode(draw_product(1).resize((900, 900)), "PNG")):
        decoded = decode(data, at_least=384)
        assert decoded.picture is not None
        assert decoded.picture.whole
        np.testing.assert_array_equal(decoded.pixels, decode(data).pixels)


def test_only_what_needs_the_whole_picture_is_unknown(photos: Path) -> None:
    data = sorted((photos / "catalogue").glob("*.jpg"))[7].read_bytes()
    whole, scaled = decode(data).picture, decode(data, at_least=384).picture
    assert whole is not None
    assert scaled is not None
    assert not scaled.whole
    for measure in standard_measures():
        exact, near = measure(whole), measure(scaled)
        for name, value in exact.items():
            if name in ("pixel_digest", "effective_resolution", "past_quality"):
                assert value is not None or name == "past_quality"
                assert near[name] is None
            elif name in ("sharpness", "detail", "brightness", "spread", "bright_share", "cleanliness", "fill"):
                assert near[name] == pytest.approx(value, rel=0.1, abs=0.01), name
    hashes = [next(one for one in standard_measures() if one.name == "perceptual")(each) for each in (whole, scaled)]
    assert (hashes[0]["phash"] ^ hashes[1]["phash"]).bit_count() <= 2


def test_verdicts_are_the_same_but_for_equal_pixels(large: Path, tmp_path: Path) -> None:
    whole = curated(large, tmp_path, "whole")
    scaled = curated(large, tmp_path, "scaled", decode_side=500)
    before, after = verdicts(tmp_path / "whole"), verdicts(tmp_path / "scaled")
    copies = ("1.jpg", "same pixels as 1.png")
    assert {before[one] for one in copies} == {(True, "kept"), (False, "exact_duplicate")}
    assert {after[one] for one in copies} == {(True, "kept"), (False, "near_duplicate")}
    assert after["cut.jpg"] == (False, "truncated")
    assert {origin: kept for origin, (kept, _) in before.items()} == {one: kept for one, (kept, _) in after.items()}
    kept = [pq.read_table(tmp_path / name / "data").select(["key", "width", "height"]) for name in ("whole", "scaled")]
    assert kept[0].sort_by("key").equals(kept[1].sort_by("key"))
    assert scaled["config"]["decode_side"] == 500
    assert scaled["versions"]["decoding"] == f"{whole['versions']['decoding']}-at-500"


def test_whole_and_scaled_are_kept_apart(large: Path, tmp_path: Path) -> None:
    scaled = Workspace(tmp_path / "work", decode_side=500)
    assert scaled.add(large) == 9
    whole = Workspace(tmp_path / "work")
    other = Workspace(tmp_path / "work", decode_side=400)
    for workspace in (scaled, whole, other):
        assert workspace.measure(workers=1) == 9
        assert workspace.measure(workers=1) == 0
    unknown = {id(one): one.columns()["pixel_digest"].null_count for one in (scaled, whole, other)}
    # The one that is cut short has no pixels that count; the small one and the PNG are decoded whole.
    assert unknown[id(whole)] < unknown[id(scaled)] == unknown[id(other)]
    same = [one.columns()["width"].to_pylist() for one in (scaled, whole)]
    assert same[0] == same[1]


def test_a_workspace_is_explained_as_its_curation_measured(
    large: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    curated(large, tmp_path, "scaled", decode_side=500, duplicate_radius=2)
    opened = open_workspace(tmp_path / "work")
    assert opened.decode_side == 500
    assert settings_of(opened).duplicate_radius == 2
    capsys.readouterr()
    assert main(["explain", "1.jpg", "--workspace", str(tmp_path / "work")]) == 0
    assert "1000" in capsys.readouterr().out


def test_leaks_are_found_among_what_was_decoded_alike(large: Path, tmp_path: Path) -> None:
    (tmp_path / "known").mkdir()
    (tmp_path / "known" / "3.png").write_bytes(encode(Image.open(large / "3.jpg"), "PNG"))
    (tmp_path / "known" / "4.jpg").write_bytes((large / "4.jpg").read_bytes())
    curated(large, tmp_path, "scaled", decode_side=500, against=tmp_path / "known")
    leaked = {origin for origin, (_, reason) in verdicts(tmp_path / "scaled").items() if reason == "leak"}
    assert leaked == {"3.jpg", "4.jpg"}


def test_what_cannot_be_told_stops_before_any_work(large: Path, tmp_path: Path) -> None:
    profile = tmp_path / "sharp.toml"
    profile.write_text("[[checks]]\ncolumn = 'effective_resolution'\nmin = 0.5\nmessage = 'enlarged'\n")
    wrong: tuple[tuple[Callable[[], object], str], ...] = (
        (lambda: curated(large, tmp_path, "out", decode_side=100), "decode_side = 100 is wrong"),
        (lambda: curated(large, tmp_path, "out", decode_side=500, profile=profile), "decode_side has to be left out"),
        (
            lambda: Workspace(tmp_path / "work", decode_side=100),
            "decode_side = 100 is wrong: it should be at least 384",
        ),
    )
    for attempt, said in wrong:
        with pytest.raises(ConfigError, match=said):
            attempt()
    assert not (tmp_path / "work").exists()
    # Of whole photos, one that is too small to tell fails such a profile by name.
    assert curated(large, tmp_path, "out", profile=profile, rules={"min_side": 20})["counts"]["kept"] >= 1
