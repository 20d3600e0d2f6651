"""The background measure as columns, with the words that captions use."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import pyarrow as pa

from prx_data.measures import background as measure
from prx_data.measures.background_region import divide
from prx_data.measures.color_names import Shade, color_name, sure_name
from prx_data.picture import Picture

_RENAMED = {"color": "background_color"}
_TYPES = {
    float: pa.float32(),
    int: pa.int8(),
    str: pa.string(),
    tuple[Shade, ...]: pa.list_(pa.struct([("color", pa.string()), ("share", pa.float32()), ("name", pa.string())])),
}


@dataclass(frozen=True, kw_only=True)
class BackgroundColumns:
    """The fields of `Background`, with its colour as `background_color`, and three words.

    `background` and `color` are for captions; `mask` says what told subject from ground: `classical` or `neural`.
    """

    name: str = "background"
    version: str = measure.VERSION

    @property
    def schema(self) -> pa.Schema:
        """See the class."""
        columns = [(_RENAMED.get(one.name, one.name), _TYPES[one.type]) for one in fields(measure.Background)]  # type: ignore[index]
        return pa.schema([*columns, ("background", pa.string()), ("color", pa.string()), ("mask", pa.string())])

    def __call__(self, picture: Picture) -> Mapping[str, Any]:
        """See `prx_data.measures.background.background`."""
        return as_columns(measure.judged(divide(picture)))


def as_columns(found: measure.Background, mask: str = "classical") -> dict[str, Any]:
    """One row."""
    columns = {_RENAMED.get(name, name): value for name, value in vars(found).items()}
    words = {"background": background_words(found), "color": sure_name(found.subject_colors), "mask": mask}
    return {**columns, "subject_colors": [vars(one) for one in found.subject_colors], **words}


def background_words(found: measure.Background) -> str:
    """The background in words: `plain white`, `red`, `textured gray`, `cluttered`."""
    name = color_name(found.color)
    if found.cleanliness >= 0.8:
        return f"plain {name}"
    if found.cleanliness >= 0.5:
        return name
    return f"textured {name}" if found.border_share >= 0.6 else "cluttered"
