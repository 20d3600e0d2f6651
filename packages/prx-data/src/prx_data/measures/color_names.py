"""Everyday names for colours, and the dominant colours of a subject."""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from prx_data.measures.color import Lab, delta_e, hex_color, srgb_to_lab
from prx_data.measures.masks import shrunk

_MOST = 3
_ENOUGH = 500  # pixels
_CELL = 5.0  # ΔE
_LEAST_SHARE = 0.05
_RADIUS = 22.0  # ΔE within which pixels are one colour, lightness counting half: folds are light and shade
_SKIN_WEIGHT = 0.1  # of pixels that may be skin, unless nearly all are
_CENTRAL = 0.5  # standard deviation of the weight of a pixel by its place, in halves of the subject's box
_SURE = 0.7
_MARGIN = 4.0  # ΔE

# Prototypes in sRGB, several for a name where one point would not do: garments are darker and duller than flags.
_NAMES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("white", ("#ffffff", "#f0f0ee", "#dedcda")),
    ("gray", ("#808080", "#a8a8a8", "#5c5c5e", "#484349", "#c4c4c4")),
    ("black", ("#000000", "#1c1c1f", "#2c2c2e")),
    ("red", ("#d01c1f", "#a01a20", "#e03a3a", "#7a1420")),
    ("orange", ("#f07818", "#f89a3c", "#d86020")),
    ("yellow", ("#f6dc2c", "#e6e65a", "#d8c020", "#f4ee90")),
    ("green", ("#2e8b3e", "#1c6b4a", "#6cba4a", "#84c8a0", "#a8c85a", "#5a6b3c")),
    ("teal", ("#107c80", "#2ea6a4")),
    ("blue", ("#1f5fbf", "#1496dc", "#2a3c8c", "#6aa6dc", "#90b8d8", "#1c30aa", "#2040cc")),
    ("navy", ("#1b2444", "#242c48")),
    ("purple", ("#6a3c9c", "#4c2c70", "#9a78c8", "#5c3a5c", "#463486", "#9490b8", "#b8b0d4")),
    ("pink", ("#f07a9a", "#f4b4c4", "#e0489c", "#f8788c")),
    ("brown", ("#6b4426", "#8a5c3c", "#4c3424", "#7c6248", "#5c4840", "#8c7e6a")),
    ("beige", ("#d8c4a4", "#e8dcc8", "#c4ac8c")),
)
_PROTOTYPES = np.array([list(bytes.fromhex(color[1:])) for _, colors in _NAMES for color in colors], dtype=np.uint8)
_PROTOTYPE_NAMES = [name for name, colors in _NAMES for _ in colors]


_PROTOTYPES_LAB = srgb_to_lab(_PROTOTYPES)


def color_name(color: str) -> str:
    """The everyday word for a colour: the name of the nearest prototype in Lab.

    Args:
        color: `#rrggbb`, or empty.

    Returns:
        One of 14 words, such as `red` or `navy`; empty for an empty colour.
    """
    return _PROTOTYPE_NAMES[int(np.argmin(_from_prototypes(color)))] if color else ""


@lru_cache(maxsize=1024)
def _from_prototypes(color: str) -> npt.NDArray[np.float32]:
    """ΔE of `#rrggbb` from each prototype."""
    return delta_e(_PROTOTYPES_LAB, srgb_to_lab(np.frombuffer(bytes.fromhex(color[1:]), dtype=np.uint8)))


@dataclass(frozen=True, kw_only=True)
class Shade:
    """One of a subject's colours."""

    color: str
    """Its mean, `#rrggbb` in sRGB."""
    share: float
    """Of the subject, in [0, 1]; central pixels count more, and skin little."""
    name: str
    """The everyday word, see `color_name`."""


def dominant_colors(lab: Lab, subject: npt.NDArray[np.bool_]) -> tuple[Shade, ...]:
    """Up to three dominant colours of a subject, largest first; none if there is no subject.

    Mean-shift modes in Lab, each with what lies within ΔE 22 of it, lightness counting half. The rim is left out.

    Args:
        lab: Of shape (height, width, 3).
        subject: Where it is, of shape (height, width).
    """
    inner = shrunk(subject, 2)
    places = np.flatnonzero(inner if np.count_nonzero(inner) >= 16 else subject)
    if not len(places):
        return ()
    places = places[:: 1 + len(places) // _ENOUGH]
    colors, left = _binned(lab.reshape(-1, 3)[places], _central(*np.divmod(places, lab.shape[1])))
    shares: list[float] = []
    means: list[Lab] = []
    middles: list[Lab] = []
    while len(shares) < _MOST and float(left.sum()) >= _LEAST_SHARE:
        middle = _mode(colors, left)
        near = left * (_squares(colors, middle, _HALF_LIGHT) < _RADIUS**2)
        shares.append(float(near.sum()))
        means.append(near @ colors / shares[-1])
        middles.append(middle)
        left = left - near
    if not shares:
        return ()
    nearest = np.argmin(delta_e(_PROTOTYPES_LAB, np.array(middles)[:, None]), axis=1)
    found = [
        Shade(color=hex_color(mean), share=share, name=_PROTOTYPE_NAMES[name])
        for mean, share, name in zip(means, shares, nearest.tolist(), strict=True)
    ]
    return tuple(sorted((one for one in found if one.share >= _LEAST_SHARE), key=lambda one: -one.share))


_HALF_LIGHT = np.array([0.25, 1, 1], dtype=np.float32)
_FULL_LIGHT = np.ones(3, dtype=np.float32)


def _binned(colors: Lab, weight: npt.NDArray[np.float32]) -> tuple[Lab, npt.NDArray[np.float32]]:
    """Mean colours of the cells of ΔE 5 that hold any, and their weights, which add up to 1."""
    skin = _like_skin(colors)
    if skin.mean() < 0.7:
        weight[skin] *= _SKIN_WEIGHT
    cells = (colors * np.float32(1 / _CELL) + 64).astype(np.int32) @ np.array([1 << 14, 1 << 7, 1], dtype=np.int32)
    order = np.argsort(cells)
    cells = cells[order]
    starts = np.concatenate(([0], 1 + np.flatnonzero(cells[1:] != cells[:-1])))
    weighted = np.column_stack((colors * weight[:, None], weight))[order]
    sums = np.asarray(np.add.reduceat(weighted, starts, axis=0), dtype=np.float32)
    return sums[:, :3] / sums[:, 3:], sums[:, 3] / np.float32(sums[:, 3].sum())


def _squares(colors: Lab, center: Lab, scale: Lab = _FULL_LIGHT) -> npt.NDArray[np.float32]:
    """Squared ΔE from one colour, each of L, a and b scaled."""
    apart = colors - center
    return np.asarray((apart * apart) @ scale, dtype=np.float32)


def _central(rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp]) -> npt.NDArray[np.float32]:
    """Weights by place: a model wears trousers below and a head above the shirt that is for sale."""
    square = np.zeros(len(rows))
    for place in (rows, columns):
        low, high = int(place.min()), int(place.max())
        square += ((place - (low + high) / 2) / max((high - low) / 2, 1)) ** 2
    return np.asarray(np.exp(square / (-2 * _CENTRAL**2)) + 0.05, dtype=np.float32)


def _like_skin(colors: Lab) -> npt.NDArray[np.bool_]:
    """Which colours human skin has: a wedge of hue at low chroma. Beige and tan have them too."""
    light, a, b = colors.T
    square = a * a + b * b
    in_wedge = (b > math.tan(math.radians(32)) * a) & (b < math.tan(math.radians(72)) * a)
    return np.asarray((light > 25) & (light < 88) & (square > 12**2) & (square < 42**2) & in_wedge)


def _mode(colors: Lab, weight: npt.NDArray[np.float32]) -> Lab:
    """Where most weight is: mean shift with a ball of ΔE 12 from the heaviest colour."""
    found = colors[int(weight.argmax())]
    for _ in range(5):
        near = weight * (_squares(colors, found) < 144)
        before, found = found, near @ colors / near.sum()
        if np.abs(found - before).max() < 0.5:
            break
    return np.asarray(found, dtype=np.float32)


def sure_name(shades: tuple[Shade, ...]) -> str:
    """The word for a subject of one colour; empty where none has most of it, or two would do.

    Stripes, prints and several things have no one word, and a wrong one would go into captions.
    """
    shares: dict[str, float] = {}
    for one in shades:
        shares[one.name] = shares.get(one.name, 0.0) + one.share
    most = next((one for one in shades if shares[one.name] >= _SURE), None)
    return most.name if most is not None and _clear(most) else ""


def _clear(shade: Shade) -> bool:
    """Whether a colour is nearer to its name than to any other, by more than people differ."""
    distance = _from_prototypes(shade.color)
    own = np.array([name == shade.name for name in _PROTOTYPE_NAMES])
    return bool(distance[~own].min() - distance[own].min() >= _MARGIN)
