"""Photos set into plain frames, and photos that are the front of a box on white: what looks alike and is not."""

from io import BytesIO

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from prx_data.measures.lines import SIDES, Side

from .composites import read

Pixels = npt.NDArray[np.uint8]
Color = tuple[int, int, int]

FRAMES: dict[str, Color] = {
    "white": (255, 255, 255),
    "off-white": (244, 241, 234),
    "black": (0, 0, 0),
    "light gray": (200, 200, 200),
    "blue": (40, 60, 160),
    "red": (170, 40, 50),
}


def stored(image: Image.Image, quality: int) -> Image.Image:
    """As a JPEG gives it back."""
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.fromarray(read(buffer))


def framed(pixels: Pixels, color: Color, random: np.random.Generator) -> tuple[Pixels, dict[Side, float]]:
    """A photo in a frame, and the frame's widths as shares of the result.

    Of one width or of four, 3 to 25 % of a side each; stored as JPEG, and half of them resized and stored again.
    """
    height, width = pixels.shape[:2]
    parts = random.uniform(0.03, 0.25, 4)
    if random.random() < 0.5:
        left = top = right = bottom = round(parts[0] * min(height, width))
    else:
        left, top, right, bottom = (round(p * side) for p, side in zip(parts, (width, height) * 2, strict=True))
    image = Image.new("RGB", (left + width + right, top + height + bottom), color)
    image.paste(Image.fromarray(pixels), (left, top))
    across, down = image.size
    image = stored(image, int(random.integers(60, 96)))
    if random.random() < 0.5:
        factor = random.uniform(0.5, 1.5)
        kernel = random.choice([Image.Resampling.BICUBIC, Image.Resampling.LANCZOS, Image.Resampling.BILINEAR])
        image = image.resize((round(across * factor), round(down * factor)), Image.Resampling(int(kernel)))
        image = stored(image, int(random.integers(75, 96)))
    widths = (left / across, top / down, right / across, bottom / down)
    return np.asarray(image), dict(zip(SIDES, widths, strict=True))


def boxed(
    front: Pixels,
    random: np.random.Generator,
    *,
    tilt: float,
    shadow: float = 0.0,
    side: int = 1000,
    color: Color = (255, 255, 255),
) -> Pixels:
    """A photo as the front of a box before a camera, on a plain square.

    Args:
        front: What is printed on the box.
        random: Chooses size and corners.
        tilt: Standard deviation of the corners from a rectangle's, as a share of the box's longer side.
        shadow: How much darker the ground is below the box, in [0, 1].
        side: Pixels of the square.
        color: Of the square.
    """
    height, width = front.shape[:2]
    scale = side * random.uniform(0.5, 0.85) / max(height, width)
    across, down = width * scale / 2, height * scale / 2
    corners = side / 2 + np.array([[-across, -down], [across, -down], [across, down], [-across, down]])
    corners += random.normal(0, 1, (4, 2)) * tilt * 2 * max(across, down)
    # Twice as large, then reduced: edges are as smooth as a lens makes them.
    places = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)
    warp = cv2.getPerspectiveTransform(places, (2 * corners).astype(np.float32))
    double = (2 * side, 2 * side)
    cover = cv2.warpPerspective(np.full((height, width), 255, dtype=np.uint8), warp, double)
    picture = cv2.warpPerspective(front, warp, double)
    share = cv2.resize(cover, (side, side), interpolation=cv2.INTER_AREA)[..., None] / 255
    box = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA).astype(np.float64)
    shade = cv2.GaussianBlur(np.roll(share[..., 0], (6, 6), (0, 1)), (0, 0), 12)[..., None]
    ground = np.array(color) * (1 - shadow * shade)
    made = (ground * (1 - share) + box * share).clip(0, 255).astype(np.uint8)
    return np.asarray(stored(Image.fromarray(made), 88))
