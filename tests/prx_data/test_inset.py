"""Photos set into plain frames are told from photos that are not, and from boxes on white."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from prx_data import Workspace, explain_file, profile
from prx_data.kernels import inset as kernels
from prx_data.measures.borders import Borders
from prx_data.measures.inset import FRAMED, inset
from prx_data.measures.lines import SIDES
from prx_data.picture import Picture

from .composites import read
from .frames import FRAMES, Pixels, boxed, framed


def some(photos: Path, pattern: str, count: int) -> list[Pixels]:
    paths = sorted(photos.glob(pattern))
    return [read(path) for path in paths[1 :: len(paths) // count][:count]]


@pytest.mark.parametrize("color", FRAMES)
def test_a_frame_of_any_colour_is_flagged_with_its_widths(photos: Path, color: str) -> None:
    random = np.random.default_rng(1)
    flagged = 0
    phone = some(photos, "phone/*.jpg", 24)
    for pixels in phone:
        made, widths = framed(pixels, FRAMES[color], random)
        found = inset(Picture(made))
        flagged += found.score > FRAMED
        if found.score > FRAMED:
            assert all(found.widths[side] == pytest.approx(widths[side], abs=0.003) for side in SIDES)
    assert flagged >= 0.75 * len(phone)


@pytest.mark.parametrize("pattern", ["catalogue/*.jpg", "grocery/iconic-*", "phone/*.jpg", "grocery/natural-*"])
def test_photos_without_a_frame_are_not_flagged(photos: Path, pattern: str) -> None:
    for pixels in some(photos, pattern, 25):
        found = inset(Picture(pixels))
        assert found.score == 0
        assert found.widths == dict.fromkeys(SIDES, 0.0)


def test_a_box_on_white_is_not_flagged_if_it_is_turned_or_has_a_shadow(photos: Path) -> None:
    random = np.random.default_rng(2)
    fronts = some(photos, "grocery/natural-*", 12)
    upright = [inset(Picture(boxed(one, random, tilt=0))).score > FRAMED for one in fronts]
    turned = [inset(Picture(boxed(one, random, tilt=0.003))).score > FRAMED for one in fronts]
    shaded = [inset(Picture(boxed(one, random, tilt=0, shadow=0.25))).score > FRAMED for one in fronts]
    assert sum(upright) >= 6  # nothing tells such a box from a framed photo
    assert sum(turned) == sum(shaded) == 0


def test_a_carton_of_one_colour_is_none() -> None:
    pixels = np.full((300, 240, 3), 255, dtype=np.uint8)
    pixels[30:-30, 30:-30] = (200, 30, 40)
    pixels[100:200, 80:160] = (30, 30, 200)
    assert inset(Picture(pixels)).score == 0


def test_a_frame_turns_with_the_picture(photos: Path) -> None:
    pixels = np.full((471, 533, 3), 255, dtype=np.uint8)
    pixels[20:420, 37:337] = np.asarray(Image.fromarray(some(photos, "phone/*.jpg", 5)[0]).resize((300, 400)))
    wanted = dict(zip(SIDES, (37 / 533, 20 / 471, 196 / 533, 51 / 471), strict=True))
    for quarter in range(4):
        found = inset(Picture(np.rot90(pixels, -quarter)))
        turned = {side: wanted[SIDES[number - quarter]] for number, side in enumerate(SIDES)}
        assert found.score > FRAMED
        assert found.widths == {side: pytest.approx(width, abs=0.001) for side, width in turned.items()}


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(0, 30), st.integers(0, 1000))
def test_any_size_can_be_measured(width: int, height: int, margin: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    pixels = np.full((height, width, 3), random.integers(0, 256), dtype=np.uint8)
    inner = pixels[margin : height - margin, margin : width - margin]
    inner[:] = random.integers(0, 256, inner.shape)
    found = inset(Picture(pixels))
    assert 0 <= found.score <= 1
    assert all(0 <= one < 1 for one in found.widths.values())


def reference_places(lines: Pixels, color: tuple[int, int, int], first: int, last: int) -> list[float]:
    """Where the mean distance from the frame's colour is half of that inside, for edges without blur."""
    off = np.abs(lines[first:last].astype(float) - color).mean(axis=2)
    parts = [off[:, part].mean(axis=1) for part in np.array_split(np.arange(off.shape[1]), kernels.PARTS)]
    return [first + float(np.interp(profile.max() / 2, profile[:], np.arange(len(profile)))) + 0.5 for profile in parts]


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.9])
def test_an_edge_is_found_to_a_fraction_of_a_line(share: float) -> None:
    lines = np.full((40, 320, 3), 250, dtype=np.uint8)
    lines[20:] = 50
    lines[19] = round(250 - 200 * share)
    places, color = np.empty(kernels.PARTS), np.full(3, 250)
    around, varies = kernels.edge(lines, color, 10, 30, places)
    np.testing.assert_allclose(places, reference_places(lines, (250, 250, 250), 10, 30), atol=1e-9)
    assert (around, varies) == (0, 0)
    turned = np.ascontiguousarray(lines.transpose(1, 0, 2)).transpose(1, 0, 2)
    again = np.empty(kernels.PARTS)
    kernels.edge(turned, color, 10, 30, again)
    np.testing.assert_array_equal(again, places)


def test_the_flag_is_a_column_a_reason_and_part_of_an_explanation(photos: Path, tmp_path: Path) -> None:
    image = Image.fromarray(some(photos, "phone/*.jpg", 5)[2])
    page = Image.new("RGB", (image.width + 120, image.height + 120), "white")
    page.paste(image, (60, 60))
    (tmp_path / "pile").mkdir()
    page.save(tmp_path / "pile" / "framed.jpg", quality=92)
    image.save(tmp_path / "pile" / "photo.jpg", quality=92)
    found = explain_file(tmp_path / "pile" / "framed.jpg")["borders"]
    assert found["inset"] > FRAMED
    assert found["inset_left"] == pytest.approx(60 / page.width, abs=0.002)
    assert found["border_left"] == 0
    workspace = Workspace(tmp_path / "work")
    workspace.add(tmp_path / "pile")
    workspace.measure(workers=1)
    rows = {row["origin"]: row["reasons"] for row in workspace.select().check("marketplace_main").to_pylist()}
    said = {origin: [one for one in reasons if "plain frame" in one] for origin, reasons in rows.items()}
    assert len(said["framed.jpg"]) == 1
    assert said["photo.jpg"] == []
    assert {one.column: one.max for one in profile("training_clean").checks}["inset"] == FRAMED
    assert set(Borders().schema.names) >= {"inset", *(f"inset_{side}" for side in SIDES)}
