"""Of an original and a worse copy of it the original is kept, on real photos, and the verdict says why."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont, ImageOps
from scipy import fft

from prx_data import Rules, Workspace
from prx_data.decisions.candidates import Candidate
from prx_data.decisions.duplicates import Match, PhotoColumns
from prx_data.decisions.keep import DEFAULT_KEEP, rank, why_better
from prx_data.decisions.side_by_side import resampled, side_by_side
from prx_data.decisions.thumbnails import Thumbnails
from prx_data.jpeg import luma_steps
from prx_data.kernels.history import LEAST_FIT
from prx_data.measures.resolution import detailed_tiles, past_quality
from prx_data.picture import GreyPixels, Picture
from prx_data.records import Verdict

from .conftest import encode


def again(image: Image.Image, quality: int) -> Image.Image:
    return Image.open(BytesIO(encode(image, quality=quality))).convert("RGB")


def scaled(image: Image.Image, factor: float) -> Image.Image:
    return image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.BICUBIC)


COPIES: dict[str, tuple[Callable[[Image.Image], bytes], str]] = {
    "a.jpg": (lambda image: encode(again(image, 20), quality=98), "pixels that were once a JPEG of quality 20)"),
    "b.png": (lambda image: encode(again(image, 20), "PNG"), "a PNG of pixels that were once a JPEG of quality 20)"),
    "c.jpg": (lambda image: encode(scaled(again(image, 20), 2), quality=90), "px of content, enlarged from about"),
    "d.jpg": (
        lambda image: encode(scaled(scaled(image, 1 / 3), 4.5), quality=95),
        "px of content, enlarged from about",
    ),
    "e.bmp": (lambda image: encode(image, "BMP"), "bytes that have to be encoded again)"),
    "f.jpg": (lambda image: encode(ImageOps.mirror(image), quality=90), "smallest file ("),
    "g.jpg": (
        lambda image: encode(image.crop((20, 30, image.width - 20, image.height - 20)), quality=90),
        "resolution (",
    ),
    "h.jpg": (lambda image: encode(image, quality=50), "against a JPEG of quality 50)"),
    "i.jpg": (lambda image: encode(scaled(image, 0.5), quality=95), "resolution ("),
    "j.webp": (lambda image: encode(image, "WEBP", quality=80), "against a WEBP of unknown loss)"),
}


@pytest.fixture(scope="module")
def originals(photos: Path) -> list[Path]:
    return sorted((photos / "phone").glob("*.jpg"))[::90][: len(COPIES)]


def test_the_original_is_kept_and_not_a_worse_copy_of_it(originals: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for path, (name, (copy, _)) in zip(originals, COPIES.items(), strict=True):
        (folder / f"original {name[0]}.jpg").write_bytes(path.read_bytes())
        (folder / name).write_bytes(copy(Image.open(path).convert("RGB")))
    details = decided(folder, tmp_path / "work")
    for name, (_, why) in COPIES.items():
        assert not details[name].kept, details[f"original {name[0]}.jpg"].detail
        assert details[name].reason == ("exact_duplicate" if name == "e.bmp" else "near_duplicate")
        assert f'"original {name[0]}.jpg"' in details[name].detail
        assert why in details[name].detail


def test_a_copy_with_the_shops_name_is_not_kept_though_its_content_is_wider(photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, path in enumerate(sorted((photos / "catalogue").glob("*_main.jpg"))[::90]):
        (folder / f"{number}.jpg").write_bytes(path.read_bytes())
        signed = Image.open(path).convert("RGB")
        ImageDraw.Draw(signed).text((30, 30), "Shop.com", fill=(120, 120, 120), font_size=60)
        (folder / f"{number} signed.jpg").write_bytes(encode(signed, quality=95))
    details = decided(folder, tmp_path / "work")
    assert len(details) >= 4
    for name, one in details.items():
        assert one.kept == ("signed" not in name), one.detail
        assert one.kept or "that one is kept for nothing added" in one.detail


def decided(folder: Path, work: Path) -> dict[str, Verdict]:
    workspace = Workspace(work)
    workspace.add(folder)
    workspace.measure(workers=1)
    return {one.origin: one for one in workspace.select(Rules(min_cleanliness=None)).decisions.verdicts}


def marked(image: Image.Image) -> Image.Image:
    """With text across the product and the ground."""
    layer = Image.new("RGBA", image.size)
    font = ImageFont.load_default(image.width // 9)
    centre = (image.width / 2, image.height / 2)
    ImageDraw.Draw(layer).text(centre, "SAMPLE SHOP", font=font, fill=(70, 70, 70, 140), anchor="mm")
    return Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")


def test_a_clean_photo_is_kept_and_not_a_larger_copy_with_a_watermark(photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, path in enumerate(sorted((photos / "catalogue").glob("*_main.jpg"))[::90]):
        image = Image.open(path).convert("RGB")
        (folder / f"{number} clean.jpg").write_bytes(encode(scaled(image, 0.5), quality=90))
        for size in (1, 0.8):  # the smaller one is compared with the clean one only once it was the best
            (folder / f"{number} marked {size}.jpg").write_bytes(encode(scaled(marked(image), size), quality=95))
    found = decided(folder, tmp_path / "work")
    clean = [one for name, one in found.items() if "clean" in name]
    assert sum(one.kept for one in clean) > 0.7 * len(clean) >= 2
    gone = [one.detail for name, one in found.items() if "marked" in name and not one.kept]
    assert sum("against writing over it that another copy is without)" in one for one in gone) > 0.7 * len(clean)


def test_an_enlarged_copy_is_known_by_the_smaller_one_that_shows_as_much(photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, path in enumerate(sorted((photos / "catalogue").glob("*_main.jpg"))[::90]):
        (folder / f"{number}.jpg").write_bytes(path.read_bytes())
        image = scaled(Image.open(path).convert("RGB"), 1.3)
        (folder / f"{number} enlarged.png").write_bytes(encode(image, "PNG"))
    found = decided(folder, tmp_path / "work")
    told = [one.detail for name, one in found.items() if "enlarged" in name and not one.kept]
    assert len(told) >= 3
    assert sum("px of content, with no more detail than a smaller copy)" in one for one in told) >= 2


def test_copies_in_one_frame_are_compared_by_the_content_that_all_have() -> None:
    def photo(number: int, **facts: Any) -> Candidate:
        told = {"width": 300, "height": 400, "content_box": [0.2, 0.1, 0.8, 0.9], "effective_resolution": None}
        return Candidate(key=str(number), origin="", row=number, metadata={}, bytes=1, columns={**told, **facts})

    some = [
        photo(0),
        photo(1, content_box=[0.1, 0.1, 0.8, 0.95]),
        photo(2, width=400, content_box=[0.0, 0.0, 1.0, 1.0]),  # in another frame
        photo(3, content_box=[0.18, 0.09, 0.82, 0.91]),  # of no group
    ]
    columns = PhotoColumns(
        codes=np.zeros(4, dtype=np.uint64),
        informative=np.ones(4, dtype=bool),
        grids=np.zeros((4, 3 * 32**2), dtype=np.int8),
        thumbnails=Thumbnails(
            aspect=np.ones(4, dtype=np.float32),
            lightness=np.zeros((4, 64, 64), dtype=np.uint8),
            color=np.zeros((4, 32, 32, 2), dtype=np.int8),
        ),
    )
    matches = [Match(photo=1, other=0, how=""), Match(photo=2, other=0, how="")]
    found = [one.columns["content_box"] for one in side_by_side(some, columns, matches, radius=4)]
    assert found == [[0.2, 0.1, 0.8, 0.9], [0.2, 0.1, 0.8, 0.9], [0.0, 0.0, 1.0, 1.0], [0.18, 0.09, 0.82, 0.91]]
    thin = [photo(0), photo(3, content_box=[0.18, 0.09, 0.82, 0.91])]
    assert side_by_side(thin, columns, matches[:1], radius=4) == thin


@given(st.lists(st.tuples(st.integers(1, 12), st.sampled_from([None, 0.5, 0.7, 0.8, 0.9, 0.97, 1.0])), min_size=1))
def test_which_copies_are_resampled_is_that_of_all_pairs(sizes: list[tuple[int, float | None]]) -> None:
    facts = [{"width": 10 * side, "height": 10 * side, "effective_resolution": share} for side, share in sizes]
    expected = [
        share is not None
        and share <= 0.9
        and any(
            other is not None and other >= 0.95 and 1.1 * small**2 <= side**2 and side * share <= 1.15 * small * other
            for small, other in sizes
        )
        for side, share in sizes
    ]
    assert resampled(facts).tolist() == expected


def as_it_is(image: Image.Image) -> Picture:
    return Picture(np.asarray(image))


def test_pixels_tell_the_worst_quality_that_they_were_compressed_at(originals: list[Path]) -> None:
    for path in originals[:5]:
        image = scaled(Image.open(path).convert("RGB"), 0.9)
        assert past_quality(as_it_is(image)) is None
        for quality in (20, 45, 70):
            compressed = again(image, quality)
            mirrored = ImageOps.mirror(compressed)
            for same in (compressed, again(compressed, 97), mirrored, again(mirrored, 95), compressed.rotate(180)):
                found = past_quality(as_it_is(same))
                assert found is not None
                assert abs(found - quality) <= 1
            assert past_quality(as_it_is(scaled(compressed, 1.5))) is None
        assert past_quality(as_it_is(again(image, 20).crop((3, 5, 323, 325)))) == 20


def slow_past_quality(parts: GreyPixels) -> int | None:
    """By the definition: every grid, every block by itself, every quality."""
    best, answer = 0.0, None
    for top in range(8):
        for left in range(8):
            blocks = [
                part[y : y + 8, x : x + 8].astype(float)
                for part in parts
                for y in range(top, part.shape[0] - 7, 8)
                for x in range(left, part.shape[1] - 7, 8)
            ]
            sizes = np.rint(np.abs(fft.dctn(blocks, axes=(1, 2), norm="ortho")))
            for quality in range(5, 75):
                steps = luma_steps()[quality - 1].reshape(8, 8)
                fits: list[float] = []
                for v, u in ((v, u) for v in range(4) for u in range(4) if 1 <= u + v <= 3):
                    size, step = sizes[:, v, u], steps[v, u]
                    if step >= 4:
                        fits += np.cos(2 * np.pi * size[(size > step / 2) & (size < 256)] / step).tolist()
                if len(fits) >= 200 and np.mean(fits) > best:
                    best, answer = float(np.mean(fits)), quality
    return answer if best >= LEAST_FIT else None


def test_the_past_quality_is_that_by_its_definition(originals: list[Path]) -> None:
    image = scaled(Image.open(originals[0]).convert("RGB"), 0.9)
    for one, told in ((again(image, 35), True), (again(image, 62).crop((13, 2, 300, 300)), True), (image, False)):
        expected = slow_past_quality(detailed_tiles(as_it_is(one))[:2])
        assert past_quality(as_it_is(one)) == expected
        assert (expected is not None) == told


def test_of_equals_the_whole_picture_and_the_smaller_file_are_better() -> None:
    photo: dict[str, Any] = {
        "width": 400,
        "height": 500,
        "content_box": [0, 0, 1, 1],
        "cleanliness": 0.9,
        "overlay": 0.0,
        "things": 0,
        "uniformity": 0.1,
        "format": "JPEG",
        "mode": "RGB",
        "jpeg_quality": 85,
        "as_is": True,
        "bytes": 9000,
        "has_metadata": False,
    }
    assert rank(photo, DEFAULT_KEEP) == rank(
        {**photo, "effective_resolution": None, "past_quality": None}, DEFAULT_KEEP
    )
    worse: dict[str, dict[str, Any]] = {
        "nothing added (an empty ground against writing over 2.0% of it)": {"overlay": 0.02, "width": 800},
        "nothing added (an empty ground against 1 small thing beside the product)": {"things": 1, "width": 800},
        "resolution (400×500 px of content against 360×450 px of content)": {"width": 360, "height": 450},
        "least compressed (a JPEG of quality 85 against a JPEG of quality 70)": {"jpeg_quality": 70},
        "least compressed (a JPEG of quality 85 against a PNG of unknown loss)": {"mode": "P", "format": "PNG"}
        | {"jpeg_quality": None},
        "cleanest background (0.90 against 0.60)": {"cleanliness": 0.6},
        "smallest file (9,000 bytes against 9,001 bytes)": {"bytes": 9001},
    }
    for why, change in worse.items():
        other = {**photo, **change}
        assert rank(photo, DEFAULT_KEEP) < rank(other, DEFAULT_KEEP)
        assert why_better(photo, other, DEFAULT_KEEP) == why
    uneven = {**photo, "uniformity": 2.0, "things": 1, "overlay": 0.02}
    assert rank(uneven, DEFAULT_KEEP) == rank(photo, DEFAULT_KEEP)
    written = {**uneven, "written_over": True}
    assert rank(uneven, DEFAULT_KEEP) < rank(written, DEFAULT_KEEP)
    assert why_better(uneven, written, DEFAULT_KEEP) == (
        "nothing added (no such writing on its uneven ground against writing over it that another copy is without)"
    )
