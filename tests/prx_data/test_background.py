"""The background measure on made grounds, on composites whose truth is known, and on real photos."""

import csv
from functools import cache
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from prx_data.measures.background import Background, background, background_mask
from prx_data.measures.background_texture import cleanliness

from .composites import CLEAN, CLUTTERED, STUDIO, Composite, composites, products, read, studio_composites

Pixels = npt.NDArray[np.uint8]
REPOSITORY = Path(__file__).parents[2]


def scene(ground: tuple[int, int, int], product: tuple[int, int, int], *, side: int = 240) -> Pixels:
    """A block of one colour in the middle of another."""
    pixels = np.full((side * 5 // 4, side, 3), ground, dtype=np.uint8)
    pixels[side // 3 : side * 4 // 5, side // 4 : side * 3 // 4] = product
    return pixels


@cache
def known(photos: Path, count: int = 5) -> list[Composite]:
    with (REPOSITORY / "benchmarks" / "phone_background_labels.csv").open() as file:
        carpets = [photos / "phone" / row["file_name"] for row in csv.DictReader(file) if row["label"] == "cluttered"]
    return composites(photos, count, carpets)


@given(st.tuples(*[st.integers(0, 255)] * 3))
@settings(max_examples=15, deadline=None)
def test_a_plain_ground_of_any_colour_is_clean(color: tuple[int, int, int]) -> None:
    product = (0, 0, 0) if sum(color) > 380 else (255, 255, 255)
    assert background(scene(color, product)).cleanliness > 0.95


def test_the_same_twice() -> None:
    pixels = scene((200, 30, 40), (20, 20, 90))
    assert background(pixels) == background(pixels.copy())


def test_fields_are_within_their_ranges(photos: Path) -> None:
    for one in known(photos):
        found = background(one.pixels)
        shares = (found.cleanliness, found.share, found.border_share, found.surfaces, found.fill, found.fill_side)
        more = (found.purity, found.lines, found.surfaces, found.doubt, found.frame, found.collage, found.overlay)
        assert all(0 <= share <= 1 for share in shares + more)
        assert (
            min(found.grain, found.texture, found.mottle, found.hues, found.unevenness, found.whiteness, found.contrast)
            >= 0
        )
        assert found.colorfulness >= 0
        assert 1 <= found.softness <= 3.5
        assert max(abs(found.center_x), abs(found.center_y)) <= 0.5
        assert 0 <= found.sides_touched <= 4


def test_colours_and_framing_of_a_block() -> None:
    found = background(scene((255, 255, 255), (200, 30, 40)))
    assert found.color == "#ffffff"
    assert found.whiteness < 0.1
    assert found.sides_touched == 0
    near = np.abs(
        np.frombuffer(bytes.fromhex(found.subject_colors[0].color[1:]), dtype=np.uint8).astype(int) - (200, 30, 40)
    )
    assert near.max() <= 3
    assert abs(found.center_x) < 0.01
    assert found.fill_side == pytest.approx(0.5, abs=0.02)


def test_a_crop_on_white_is_clean_though_it_touches_sides() -> None:
    pixels = np.full((300, 240, 3), 255, dtype=np.uint8)
    for row in range(300):  # tapered, as two straight edges from side to side are those of bars
        pixels[row, 90 - row // 6 : 150 + row // 6] = (40, 60, 120)
    found = background(pixels)
    assert found.sides_touched == 2
    assert found.cleanliness > 0.5


def knit(shape: tuple[int, int]) -> Pixels:
    """A grey cloth with a grain."""
    noise = np.random.default_rng(4).normal(110, 14, shape)
    return np.asarray(noise[:, :, None].repeat(3, axis=2).clip(0, 255), dtype=np.uint8)


def test_a_close_up_before_a_studios_ground_is_clean_though_its_cloth_fills_the_border() -> None:
    pixels = knit((300, 240))
    for row in range(200):  # two white wedges in the upper corners are all that is seen of the ground
        width = round(45 * (1 - row / 200) ** 0.5)
        pixels[row, :width] = pixels[row, 240 - width :] = 255
    found = background(pixels)
    assert found.color == "#ffffff"
    assert found.cleanliness > 0.5
    assert found.sides_touched == 4
    assert background(knit((300, 240))).cleanliness < 0.5


def test_a_shelf_before_a_studios_ground_is_no_close_up() -> None:
    pixels = knit((300, 240))
    pixels[190:] = 255
    assert background(pixels).cleanliness < 0.5
    white = np.full((300, 240, 3), 255, dtype=np.uint8)
    white[:100] = knit((100, 240))
    white[60:180, 80:160] = (200, 30, 40)
    found = background(white)
    assert found.divided > 0.2
    assert found.cleanliness < 0.1


def test_white_on_white_and_nothing_at_all() -> None:
    faint = background(scene((255, 255, 255), (243, 243, 242)))
    assert faint.cleanliness > 0.95
    assert faint.fill_side == pytest.approx(0.5, abs=0.02)
    assert 3 < faint.contrast < 6
    empty = background(np.full((60, 50, 3), 255, dtype=np.uint8))
    assert empty.cleanliness > 0.95
    assert empty.fill == 0
    assert empty.doubt == 1
    assert empty.subject_colors == ()


@pytest.mark.parametrize("shade", [250, 252])
def test_white_on_white_that_is_too_faint_to_be_seen_is_doubtful(shade: int) -> None:
    buffer = BytesIO()
    Image.fromarray(scene((255, 255, 255), (shade, shade, shade))).save(buffer, "JPEG", quality=90)
    found = background(read(buffer))
    assert found.fill == 0
    assert found.doubt == 1
    assert background(scene((255, 255, 255), (200, 30, 40))).doubt < 0.2


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (200, 3), (9, 8)])
def test_odd_sizes_are_measured(shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    assert 0 <= background(pixels).cleanliness <= 1


def test_margins_are_the_distances_to_the_frame() -> None:
    found = background(scene((255, 255, 255), (200, 30, 40)))
    margins = (found.margin_left, found.margin_top, found.margin_right, found.margin_bottom)
    assert margins == pytest.approx((0.25, 80 / 300, 0.25, 108 / 300), abs=0.01)


def test_clutter_everywhere_has_no_background() -> None:
    noise = np.random.default_rng(2).integers(0, 256, (200, 160, 3), dtype=np.uint8).repeat(4, 0).repeat(4, 1)
    found = background(noise)
    assert not found.has_background
    assert found.cleanliness < 0.5


def test_flips_and_turns_change_little(photos: Path) -> None:
    for one in known(photos)[::5]:
        straight = background(one.pixels)
        turns = (one.pixels[:, ::-1], one.pixels[::-1], np.rot90(one.pixels))
        for turned in (background(np.ascontiguousarray(pixels)) for pixels in turns):
            assert turned.cleanliness == pytest.approx(straight.cleanliness, abs=0.06)
            assert turned.fill == pytest.approx(straight.fill, abs=0.03)


def test_a_larger_copy_measures_the_same(photos: Path) -> None:
    for one in (one for one in known(photos) if one.kind in ("plain", "gradient")):
        found = background(one.pixels)
        size = (one.pixels.shape[1] * 2, one.pixels.shape[0] * 2)
        larger = background(np.asarray(Image.fromarray(one.pixels).resize(size, Image.Resampling.BICUBIC)))
        assert larger.fill == pytest.approx(found.fill, abs=0.02)
        assert larger.cleanliness == pytest.approx(found.cleanliness, abs=0.15)


def plain(photos: Path) -> list[Composite]:
    return [one for one in known(photos) if one.kind in CLEAN]


def shelf_scores(photos: Path, shelf: Pixels) -> npt.NDArray[np.float64]:
    """Cleanliness as a shelf covers 0, 15, 30, 60 and 100 % of plain composites from the top; one row for each."""
    scores = []
    for one in plain(photos):
        patch = np.asarray(Image.fromarray(shelf).resize(one.pixels.shape[1::-1]))
        row = []
        for share in (0.0, 0.15, 0.3, 0.6, 1.0):
            cluttered, height = one.pixels.copy(), round(share * len(one.pixels))
            cluttered[:height] = patch[:height]
            row.append(background(cluttered).cleanliness)
        scores.append(row)
    return np.array(scores)


@pytest.mark.parametrize("number", [5, 100, 200])
def test_the_more_a_shelf_covers_the_less_clean(photos: Path, number: int) -> None:
    scores = shelf_scores(photos, read(sorted((photos / "grocery").glob("natural-*"))[number]))
    assert (scores[:, 0] > 0.7).all()
    assert (scores[:, 1:] < 0.5).all()
    rises = np.diff(scores, axis=1)
    assert rises.max() <= 0.02


def test_each_further_thing_lying_about_does_not_make_it_cleaner(photos: Path) -> None:
    random = np.random.default_rng(0)
    things = products(photos, 5, side=60)
    for one in plain(photos):
        pixels, scores = one.pixels.copy(), [background(one.pixels).cleanliness]
        for number in range(6):
            thing, inside = things[number % len(things)]
            # Each in a place of its own: one that covers another may be the smoother of the two.
            top = int(random.integers(0, pixels.shape[0] // 3 - inside.shape[0])) + number // 2 * (pixels.shape[0] // 3)
            left = (0, pixels.shape[1] - inside.shape[1])[number % 2]
            pixels[top : top + inside.shape[0], left : left + inside.shape[1]][inside] = thing[inside]
            scores.append(background(pixels).cleanliness)
        assert max(np.diff(scores)) <= 0.1, scores
        assert scores[-1] < scores[0]


@given(
    st.tuples(*[st.floats(0, 8)] * 2, *[st.floats(0, 1)] * 4, st.floats(0, 20), st.floats(0, 100), st.floats(0, 8)),
    st.integers(0, 9),
    st.integers(0, 3),
    st.floats(0, 6),
)
def test_cleanliness_falls_with_each_component_and_rises_with_chroma(
    values: tuple[float, ...], which: int, more: int, colorfulness: float
) -> None:
    names = ("grain", "mottle", "lines", "divided", "surfaces", "border_share", "hues", "chroma", "texture", "softness")
    before = {
        **dict(zip(names, (*values, 1), strict=True)),
        "colorfulness": colorfulness,
        "strewn": 0.0,
        "scenery": 0.0,
        "motley": 0.0,
    }
    after = {**before, names[which]: before[names[which]] + more}
    change = cleanliness(after) - cleanliness(before)  # type: ignore[arg-type]
    assert change >= 0 if names[which] in ("chroma", "border_share") else change <= 0


def framed(pictures: list[Composite]) -> npt.NDArray[np.float64]:
    """IoU of the mask, errors of fill and centre, and doubt; one row for each picture."""
    rows = []
    for one in pictures:
        found, mask = background(one.pixels), background_mask(one.pixels)
        truth = np.asarray(Image.fromarray(one.mask).resize(mask.shape[::-1], Image.Resampling.NEAREST))
        offset = max(abs(found.center_x - one.center[0]), abs(found.center_y - one.center[1]))
        rows.append(((mask & truth).sum() / (mask | truth).sum(), abs(found.fill - one.fill), offset, found.doubt))
    return np.array(rows)


@pytest.mark.parametrize(("kind", "least"), [("plain", 0.98), ("gradient", 0.98), ("shadowed", 0.95)])
def test_mask_fill_and_centre_of_composites(photos: Path, kind: str, least: float) -> None:
    overlap, fill, center, _ = framed([one for one in known(photos, 12) if one.kind == kind]).T
    assert overlap.min() >= least
    assert fill.max() <= 0.03
    assert np.sort(center)[-2] <= 0.03  # a handle that is white on white can be lost


def test_under_strong_light_a_mask_is_right_or_doubtful(photos: Path) -> None:
    pictures = studio_composites(photos, 12)
    steep, horizon = (framed([one for one in pictures if one.kind == kind]) for kind in STUDIO)
    assert np.quantile(steep[:, 0], 0.1) >= 0.98
    assert np.quantile(steep[:, 1], 0.9) <= 0.03
    wrong = horizon[:, 1] > 0.03
    assert wrong.any()
    assert (horizon[wrong, 3] == 1).all()
    assert np.median(horizon[~wrong, 3]) < 0.2


def test_clean_composites_score_above_cluttered_ones(photos: Path) -> None:
    scores: dict[str, list[float]] = {}
    for one in (*known(photos, 12), *studio_composites(photos, 12)):
        scores.setdefault(one.kind, []).append(background(one.pixels).cleanliness)

    def above(kinds: tuple[str, ...], others: tuple[str, ...]) -> float:
        pairs = [one > other for kind in kinds for one in scores[kind] for name in others for other in scores[name]]
        return float(np.mean(pairs))

    assert above(CLEAN, CLUTTERED) >= 0.99
    assert above(CLEAN, ("textured",)) >= 0.995
    assert above(STUDIO, CLUTTERED) >= 0.99


def test_clutter_without_colours_or_out_of_focus_stays_clutter(photos: Path) -> None:
    shelves = [read(path) for path in sorted((photos / "grocery").glob("natural-*"))[::20]]
    grey = [
        np.ascontiguousarray(np.asarray(Image.fromarray(one).convert("L"))[:, :, None].repeat(3, 2)) for one in shelves
    ]
    soft = [cv2.GaussianBlur(one, (0, 0), 2) for one in shelves]
    assert all(background(one).colorfulness < 2 for one in grey)
    for changed in (grey, soft):
        assert np.mean([background(one).cleanliness >= 0.5 for one in changed]) <= 0.15


def test_cut_outs_are_whole_products(photos: Path) -> None:
    for pixels, inside in products(photos, 5):
        assert max(inside.shape) == 170
        assert pixels.shape == (*inside.shape, 3)
        assert inside.mean() > 0.2


def test_real_pictures_fall_on_their_side(photos: Path) -> None:
    def median(pattern: str, reduce: int = 1) -> float:
        paths = sorted(photos.glob(pattern))
        found: list[Background] = [background(read(path, reduce)) for path in paths[:: max(1, len(paths) // 9)]]
        return float(np.median([one.cleanliness for one in found]))

    assert median("grocery/iconic-*") > 0.8
    assert median("catalogue/*.jpg", reduce=3) > 0.8
    assert median("grocery/natural-*") < 0.2
