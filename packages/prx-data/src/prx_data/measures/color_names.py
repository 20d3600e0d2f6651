"""Everyday names for colours, and the dominant colours of a subject."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from prx_data.kernels import colors, masks
from prx_data.measures.color import Lab, delta_e, hex_color, srgb_to_lab

_LEAST_SHARE = 0.05  # of the subject
_LEAST_INNER = 16  # pixels without the rim
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
_PROTOTYPES = np.array([list(bytes.fromhex(color[1:])) for _, shades in _NAMES for color in shades], dtype=np.uint8)
_PROTOTYPE_NAMES = [name for name, shades in _NAMES for _ in shades]


@lru_cache(maxsize=1)
def _prototypes() -> Lab:
    """In Lab; shape (prototypes, 3)."""
    return srgb_to_lab(_PROTOTYPES)


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
    return delta_e(_prototypes(), srgb_to_lab(np.frombuffer(bytes.fromhex(color[1:]), dtype=np.uint8)))


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
        lab: Of shape (3, height, width).
        subject: Where it is, of shape (height, width).
    """
    inner = masks.shrunk(subject, 2)
    inner = inner if np.count_nonzero(inner) >= _LEAST_INNER else subject
    if not inner.any():
        return ()
    dominant = colors.dominant(lab, inner)
    nearest = delta_e(_prototypes(), dominant[:, None, 4:]).argmin(axis=1).tolist()
    found = [
        Shade(color=hex_color(mean), share=share, name=_PROTOTYPE_NAMES[name])
        for share, mean, name in zip(dominant[:, 0].tolist(), dominant[:, 1:4], nearest, strict=True)
        if share >= _LEAST_SHARE
    ]
    return tuple(sorted(found, key=lambda one: -one.share))


def sure_name(shades: tuple[Shade, ...]) -> str:
    """The word for a subject of one colour; empty where none has most of it, or two would do.

    Stripes, prints and several things have no one word, and a wrong one would go into captions.
    """
    shares: dict[str, float] = {}
    for one in shades:
        shares[one.name] = shares.get(one.name, 0.0) + one.share
    most = next((one for one in shades if shares[one.name] >= _SURE), None)
    return most.name if most is not None and _clear(most) else ""


@lru_cache(maxsize=32)
def _named(name: str) -> npt.NDArray[np.bool_]:
    """Which prototypes have a name."""
    return np.array([one == name for one in _PROTOTYPE_NAMES])


def _clear(shade: Shade) -> bool:
    """Whether a colour is nearer to its name than to any other, by more than people differ."""
    distance = _from_prototypes(shade.color)
    own = _named(shade.name)
    return bool(distance[~own].min() - distance[own].min() >= _MARGIN)
