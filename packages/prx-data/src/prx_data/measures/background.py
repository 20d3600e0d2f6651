"""How clean a product photo's background is, and where the product stands in front of it.

The background is the border-connected region of the colours that prevail along the border, in CIE Lab, allowing for a
smooth change of light. Clean is not white: a plain blue backdrop is clean. A model cut off by the frame in front of
white is clean too. What counts against a background is what can be seen on it: texture, lines, second surfaces, things
lying about.
"""

import math
from dataclasses import dataclass

import numpy as np

from prx_data.kernels import ground, texture
from prx_data.measures.background_flags import collage, overlay
from prx_data.measures.background_framing import framing
from prx_data.measures.background_maps import middle, ring_places
from prx_data.measures.background_parts import pieces
from prx_data.measures.background_region import LEAST_SHARE, Region, divide, in_shade, soft_rim, whole
from prx_data.measures.background_texture import cleanliness, clutter_components
from prx_data.measures.color import hex_color
from prx_data.measures.color_names import Shade, dominant_colors
from prx_data.measures.masks import Mask
from prx_data.picture import Picture, Pixels

VERSION = "14"

_PURE = 5.0  # ΔE from the fitted surface that counts as the background's own colour
_COMMON = 0.5  # of the border ring: where less is one ground, the mask is a guess
_SHADOWED = 3.0  # of nine tenths of real photos not a fiftieth of the subject may be a shadow
# Of the rim: more than the first is out of focus in 3 % of 269 phone photos of plain grounds, and in nine tenths of
# blurred shelves and rooms; more than 0.6 in one of the former.
_SOFT = (0.5, 0.7)
_WHOLE_SIDE = 0.9  # of a side of the frame: what covers that is more often a floor or a wall than a subject


@dataclass(frozen=True, kw_only=True)
class Background:
    """A background's components at a long side of 128 px, detail at 256. Shares are of the frame; ΔE is CIE76."""

    cleanliness: float
    """In [0, 1]; 1 is clean, 0.5 the boundary between plain and cluttered."""
    share: float
    """Share of the frame that is background, in [0, 1]; bars count as background."""
    border_share: float
    """Share of the border ring that is background, in [0, 1]."""
    purity: float
    """Share of the border ring, the subject left out, within ΔE 5 of the background's smooth surface, in [0, 1]."""
    uniformity: float
    """Median ΔE of the background from its smooth surface, ≥ 0; 0 is even, 1 to 2 a camera's noise."""
    grain: float
    """Mean detail that a median of 3x3 pixels takes away, in L, over the border zone, in [0, 8]; corners weigh
    most, and in front of a studio's flat ground the subject does not count."""
    texture: float
    """Grain that a fifth of the border zone beside the subject does not exceed, in L, ≥ 0: a texture has it everywhere,
    and a folded cloth has smooth places."""
    mottle: float
    """How much a and b change from pixel to pixel on the ground's smoothest tenth, mean ΔE over 9x9 pixels, ≥ 0."""
    lines: float
    """How far edges outside the subject agree on one direction and its perpendicular, in [0, 1]: planks, tiles."""
    hues: float
    """Mean ΔE of the border zone from the ground's own colour with light and shade left out, in [0, 20]: second
    surfaces and things of other colours; in front of a studio's flat ground the subject does not count."""
    divided: float
    """Share of the border ring beyond a straight line from side to side, in [0, 1]; 0 without one: a shelf, a table."""
    surfaces: float
    """Share of the border ring under surfaces other than the ground, in [0, 1]; less where of one colour: a shelf."""
    strewn: float
    """How full of edges the picture is around the subject's body, in [0, 0.1]: mean over cells of 12x12 working pixels
    of the share that differ from their neighbours by more than ΔE 15, at most 0.1 each."""
    scenery: float
    """How sure it is that a scene surrounds the subject and no ground, in [0, 1]: a blurred room, or many colours along
    nearly all of the border outside a studio."""
    motley: float
    """How sure it is that most of the border is of many colours and no one ground, in [0, 1]: cleanliness is below what
    that leaves. 0 in a studio."""
    unevenness: float
    """Largest change of the background's smooth part across the frame, in ΔE, ≥ 0: shadow or gradient."""
    chroma: float
    """ΔE of the background's own colour from grey, ≥ 0."""
    softness: float
    """How many times more grain the photo would show if it were sharp, about, in [1, 3.5]; 1 for most photos."""
    colorfulness: float
    """ΔE from grey that a twentieth of the photo exceeds, ≥ 0; below 2 it is black and white."""
    whiteness: float
    """ΔE of the background's own colour from white, ≥ 0; 0 is white."""
    color: str
    """The background's own colour, `#rrggbb` in sRGB."""
    doubt: float
    """How much of the subject appears or goes as the mask's tolerance moves by half, or three times the share of it
    that may as well be a shadow on the ground, in [0, 1]; it rises to 1 as most of the subject's rim is out of focus,
    as in a blurred room; 1 where no subject is found, where one covers a whole side of the frame (a floor behind a soft
    horizon does), or where there is no common ground along half of the border. A neural matte is asked where this is
    high."""
    contrast: float
    """Median ΔE of the subject from the ground, ≥ 0; below about 10 it is white on white, 0 without a subject."""
    subject_colors: tuple[Shade, ...]
    """Up to three dominant colours of the subject, largest first; empty if there is no subject."""
    fill: float
    """Share of the frame that the subject covers, in [0, 1], without the ground that shows through it: between an arm
    and a body, inside a ring."""
    fill_side: float
    """Longer side of the subject's box as a share of the frame's side in that direction, in [0, 1]."""
    center_x: float
    """Offset of the subject's box from the frame's centre, in [-0.5, 0.5]; right is positive."""
    center_y: float
    """The same downwards."""
    margin_left: float
    """Distance of the subject's box from the left edge, as a share of the width, in [0, 1]."""
    margin_top: float
    """The same from the top edge, as a share of the height."""
    margin_right: float
    """The same from the right edge, as a share of the width."""
    margin_bottom: float
    """The same from the bottom edge, as a share of the height."""
    sides_touched: int
    """Sides of the frame (inside its bars) that the subject touches, 0 to 4; within one working pixel."""
    frame: float
    """Share of the frame under the bars and frames that `prx_data.measures.borders.bars` finds, in [0, 1)."""
    collage: float
    """How much of the straightest line across the picture is a step in colour, in [0, 1]; above 0.95 a seam."""
    overlay: float
    """Share of the picture under lines of writing on the ground, in [0, 1)."""
    parts: int
    """Large things that straight strips of empty ground divide: above 1 several packshots or several products."""
    things: int
    """How many things lie about on a clean ground, apart from the subject and less than a third as large."""
    detached: float
    """Share of the picture under things that stand on a clean ground apart from the subject, in [0, 1)."""
    crowding: float
    """Share of the open ground that is on or near things that lie about on it, about, ≥ 0, and more where the subject
    is of as many colours as a heap of things; about 0 for a set of products."""

    @property
    def has_background(self) -> bool:
        """False if the border shows no common ground: a close-up, or clutter everywhere."""
        return self.share >= LEAST_SHARE


def background(pixels: Pixels) -> Background:
    """Measure the background of one photo.

    Args:
        pixels: Upright sRGB, uint8 of shape (height, width, 3).
    """
    return judged(divide(Picture(pixels)))


def background_mask(pixels: Pixels) -> Mask:
    """Which pixels are background: bool of the working size (long side 128, aspect ratio kept)."""
    region = divide(Picture(pixels))
    return region.framed(region.mask, outside=True)


def judged(region: Region) -> Background:
    """The measure of a picture that is divided already."""
    mask, subject = region.mask, region.subject
    shown = bool(mask.any())
    light, a, b, span = texture.middle_color(*((region.surface, mask) if shown else (region.lab, ~mask)))
    own = np.array([light, a, b], dtype=np.float32)
    border = ring_places((mask.shape[0], mask.shape[1]))
    ground_share, rest, purity = ground.along_border(mask, subject, region.off, border, _PURE)
    soft = soft_rim(region)
    components = clutter_components(region, own, ground_share, rest, soft)
    found, seen = pieces(region), subject & ~mask
    return Background(
        cleanliness=cleanliness(components, found["crowding"]),
        share=float(region.framed(mask, outside=True).mean()),
        purity=purity,
        uniformity=texture.median(region.off, mask) if shown else middle(region.off),
        **components,
        unevenness=span if shown else 0.0,
        whiteness=math.dist((light, a, b), (100, 0, 0)),
        color=hex_color(own),
        doubt=_doubt(region, soft) if ground_share >= _COMMON and _is_subject(subject) else 1.0,
        contrast=texture.median(region.off, seen),
        subject_colors=dominant_colors(region.lab, seen),
        **framing(region.framed(whole(region) & ~mask, outside=False), region.inner),
        frame=region.frame,
        collage=collage(region),
        overlay=overlay(region),
        **found,
    )


def _doubt(region: Region, soft: float) -> float:
    blurred = (soft - _SOFT[0]) / (_SOFT[1] - _SOFT[0])
    return max(region.doubt, min(1.0, max(_SHADOWED * in_shade(region), blurred)))


def _is_subject(subject: Mask) -> bool:
    """Whether there is one, and it leaves some of each side of the frame free."""
    sides = (subject[0], subject[-1], subject[:, 0], subject[:, -1])
    covered = max(np.count_nonzero(one) / one.size for one in sides)
    return bool(covered < _WHOLE_SIDE and subject.any())
