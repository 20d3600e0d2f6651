"""The marketplace's profile from pictures to reasons: real packshots pass, and each check speaks where it is to."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from prx_data import Workspace, profile
from prx_data.measures import standard_measures

from .composites import read
from .frames import FRAMES, framed
from .sheets import Pixels, main_picture, sheet, written

PASSING = ("orange", "pepper", "apple")


def pictures(photos: Path) -> dict[str, Image.Image]:
    """Three that pass, and one for each check by its column."""

    def shot(name: str) -> Pixels:
        return read(photos / "grocery" / f"iconic-{name}_Iconic.jpg")

    def photo(path: Path, width: int, height: int) -> Image.Image:
        return Image.fromarray(read(path)).resize((width, height))

    orange, pepper, apple = (main_picture(shot(one), 1000) for one in ("Orange", "Green-Bell-Pepper", "Red-Delicious"))
    first, second, *_ = sorted((photos / "phone").glob("*.jpg"))
    carpet = photo(min((photos / "grocery").glob("natural-*")), 1000, 1000)
    edge = orange.copy()
    edge.paste(carpet.crop((0, 0, 1000, 30)), (0, 970))
    covered = apple
    for y in range(40, 960, 110):
        covered = written(covered, "SAMPLE SHOP", 90, "black", (60, y))
    in_a_frame, _ = framed(np.asarray(photo(first, 1000, 1000)), FRAMES["white"], np.random.default_rng(0))
    return {
        **dict(zip(PASSING, (orange, pepper, apple), strict=True)),
        "long_side": orange.resize((800, 800)),
        "whiteness": orange.point([round(0.93 * level) for level in range(256)] * 3),
        "purity": edge,
        "cleanliness": Image.fromarray(np.minimum(np.asarray(orange), np.asarray(carpet))),
        "fill_side": main_picture(shot("Orange"), 1000, 0.6),
        "sides_touched": orange.crop((0, 0, 1000, 800)),
        "overlay": written(pepper, "SALE 50% OFF", 60, "black"),
        "text_beside": written(apple, "New!", 45, (220, 0, 0)),
        "frame": ImageOps.expand(orange.crop((0, 100, 1000, 900)), (0, 100), fill="black"),
        "inset": Image.fromarray(in_a_frame),
        "collage": Image.fromarray(np.hstack([np.asarray(photo(one, 600, 1000)) for one in (first, second)])),
        "parts": Image.fromarray(sheet([shot("Orange"), shot("Red-Beet")], 2, 600)),
        "detached": written(apple, "New!", 30, (220, 0, 0)),
        "text_share": covered,
    }


@pytest.fixture(scope="module")
def checked(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, dict[str, Any]]:
    """What the profile says of each, with text."""
    folder = tmp_path_factory.mktemp("pictures")
    for name, picture in pictures(photos).items():
        picture.save(folder / f"{name}.png")
    workspace = Workspace(tmp_path_factory.mktemp("work"), standard_measures(text=True))
    workspace.add(folder)
    workspace.measure(workers=1)
    table = workspace.select().check("marketplace_main")
    return {Path(row["origin"]).stem: row for row in table.to_pylist()}


@pytest.mark.parametrize("name", PASSING)
def test_packshots_pass(checked: Mapping[str, dict[str, Any]], name: str) -> None:
    assert checked[name]["reasons"] == []
    assert checked[name]["passed"]
    assert checked[name]["unchecked"] == []


@pytest.mark.parametrize("column", [one.column for one in profile("marketplace_main").checks])
def test_every_check_speaks(checked: Mapping[str, dict[str, Any]], column: str) -> None:
    (message,) = (one.message for one in profile("marketplace_main").checks if one.column == column)
    assert any(reason.startswith(f"{message}: {column} ") for reason in checked[column]["reasons"])
    assert not checked[column]["passed"]
