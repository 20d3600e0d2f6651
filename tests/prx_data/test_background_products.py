"""The background measure on kinds of products that shops show: boxes, white ones, hollow ones, sets."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from prx_data.measures.background import background

from .composites import read


@pytest.mark.parametrize("color", [(255, 255, 255), (200, 200, 200), (40, 60, 160)])
@pytest.mark.parametrize("share", [0.86, 0.94])
def test_a_box_that_fills_the_frame_stands_on_a_clean_ground(
    photos: Path, color: tuple[int, int, int], share: float
) -> None:
    for path in sorted((photos / "grocery").glob("natural-*"))[::90]:
        front = np.asarray(Image.fromarray(read(path)).resize((800, 800)))
        corners = 500 + 500 * share * np.array([[-1, -1.004], [1, -1], [1.003, 1], [-1, 1.002]])
        places = np.array([[0, 0], [800, 0], [800, 800], [0, 800]], dtype=np.float32)
        warp = cv2.getPerspectiveTransform(places, corners.astype(np.float32))
        box = cv2.warpPerspective(front, warp, (1000, 1000), borderMode=cv2.BORDER_CONSTANT, borderValue=color)
        found = background(np.asarray(box, dtype=np.uint8))
        assert found.cleanliness > 0.75
        assert found.sides_touched == 0
        assert found.frame == 0
        assert found.fill_side == pytest.approx(share, abs=0.02)


def test_clutter_in_a_white_frame_is_no_box(photos: Path) -> None:
    for path in sorted((photos / "grocery").glob("natural-*"))[::60]:
        framed = np.full((1000, 1000, 3), 255, dtype=np.uint8)
        framed[40:-40, 40:-40] = np.asarray(Image.fromarray(read(path)).resize((920, 920)))
        assert background(framed).cleanliness < 0.5
