"""Pictures and piles that the tests share."""

from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw

from prx_data.kernels import compile_all

Pixels = npt.NDArray[np.uint8]
Pile = Mapping[str, tuple[bytes, dict[str, Any]]]
"""Bytes and metadata by name."""


@pytest.fixture(scope="session", autouse=True)
def _compiled() -> None:
    """Compile the kernels before the first test, and not in the middle of one."""
    compile_all()


def draw_product(seed: int, *, color: str = "firebrick", size: tuple[int, int] = (240, 300)) -> Image.Image:
    """A random blob of a colour on white: its shape depends on the seed alone."""
    random = np.random.default_rng(seed)
    image = Image.new("RGB", size, "white")
    drawing = ImageDraw.Draw(image)
    middle = np.array(size) / 2
    angles = np.sort(random.uniform(0, 2 * np.pi, 9))
    radii = random.uniform(0.25, 0.46, 9)[:, None] * np.array(size)
    points = middle + radii * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    drawing.polygon([(float(x), float(y)) for x, y in points], fill=color)
    for _ in range(3):
        x, y = random.uniform(0.35, 0.6, 2) * size
        drawing.ellipse((x, y, x + 26, y + 26), fill="black")
    return image


def encode(image: Image.Image, format_: str = "JPEG", **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def write_pile(folder: Path, seeds: Sequence[int]) -> Path:
    """Photos of different products, named after their seeds."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        (folder / f"{seed}.jpg").write_bytes(encode(draw_product(seed), quality=92))
    return folder


@pytest.fixture
def pile(tmp_path: Path) -> Path:
    """A folder with distinct products, copies of them, colour variants and broken files; with metadata."""
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    rows = ["file_name,sku,name,color"]
    for number in range(8):
        (folder / f"{number}.jpg").write_bytes(encode(draw_product(number), quality=92))
        rows.append(f"{number}.jpg,sku{number // 2},thing {number},red")
    (folder / "copy of 0.jpg").write_bytes((folder / "0.jpg").read_bytes())
    (folder / "same pixels as 1.png").write_bytes(encode(Image.open(folder / "1.jpg"), "PNG"))
    (folder / "small 2.jpg").write_bytes(encode(draw_product(2).resize((180, 225)), quality=70))
    (folder / "sub" / "blue 3.jpg").write_bytes(encode(draw_product(3, color="royalblue"), quality=92))
    (folder / "empty.jpg").touch()
    (folder / "page.jpg").write_text("<!doctype html><title>404</title>")
    (folder / "cut.jpg").write_bytes(encode(draw_product(9), quality=92)[:2000])
    (folder / "white.png").write_bytes(encode(Image.new("RGB", (200, 200), "white"), "PNG"))
    (folder / "tiny.png").write_bytes(encode(draw_product(10).resize((24, 30)), "PNG"))
    (folder / "notes.txt").write_text("not a photo")
    rows.append("gone.jpg,sku9,gone,red")
    (folder / "metadata.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture
def curated(pile: Path, tmp_path: Path) -> Callable[..., dict[str, object]]:
    """Curate the pile; returns the manifest."""
    from prx_data import curate

    def run(**settings: object) -> dict[str, object]:
        places = {"photos": pile, "workspace": tmp_path / "work", "output": tmp_path / "dataset", "workers": 1}
        return curate(**{**places, **settings}).manifest

    return run


@pytest.fixture(scope="session")
def photos_in() -> Pile:
    """Seven products, one of them twice, a page of HTML and one that is tiny."""
    pile: dict[str, tuple[bytes, dict[str, Any]]] = {}
    for number in range(7):
        metadata = {"sku": f"00{number // 2}", "price": number + 0.5, "stock": number, "tags": ["a", f"t{number}"]}
        pile[f"{number}.jpg"] = (encode(draw_product(number), quality=92), {**metadata, "new": number % 2 == 0})
    pile["copy.jpg"] = pile["0.jpg"]
    pile["page.jpg"] = (b"<!doctype html>", pile["1.jpg"][1])
    pile["tiny.png"] = (encode(draw_product(10).resize((24, 30)), "PNG"), pile["2.jpg"][1])
    return pile


@pytest.fixture(scope="session")
def expected(photos_in: Pile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dataset that the photos of `photos_in` become."""
    from prx_data import curate

    from .piles import write_folder

    home = tmp_path_factory.mktemp("expected")
    curate(photos=write_folder(photos_in, home), workspace=home / "work", output=home / "dataset", workers=1)
    return home / "dataset"
