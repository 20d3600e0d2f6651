"""Of an original and a worse copy of it the original is kept, on real photos, and the verdict says why."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps
from scipy import fft

from prx_data import Rules, Workspace
from prx_data.decisions.keep import DEFAULT_KEEP, rank, why_better
from prx_data.jpeg import luma_steps
from prx_data.kernels.history import LEAST_FIT
from prx_data.measures.resolution import detailed_tiles, past_quality
from prx_data.picture import GreyPixels, Picture

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
    workspace = Workspace(tmp_path / "work")
    workspace.add(folder)
    workspace.measure(workers=1)
    details = {one.origin: one for one in workspace.select(Rules(min_cleanliness=None)).decisions.verdicts}
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
    workspace = Workspace(tmp_path / "work")
    workspace.add(folder)
    workspace.measure(workers=1)
    details = {one.origin: one for one in workspace.select(Rules(min_cleanliness=None)).decisions.verdicts}
    assert len(details) >= 4
    for name, one in details.items():
        assert one.kept == ("signed" not in name), one.detail
        assert one.kept or "that one is kept for nothing added" in one.detail


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
