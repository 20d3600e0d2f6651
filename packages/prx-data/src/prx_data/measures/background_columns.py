"""The background measure as columns, with the words that captions use."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import pyarrow as pa

from prx_data.measures import background as measure
from prx_data.measures.color import color_name
from prx_data.picture import Picture

_RENAMED = {"color": "background_color"}
_TYPES = {float: pa.float32(), int: pa.int8(), str: pa.string()}


@dataclass(frozen=True, kw_only=True)
class BackgroundColumns:
    """The fields of `Background`, with its colour as `background_color`, and the words `background` and `color`."""

    name: str = "background"
    version: str = measure.VERSION

    @property
    def schema(self) -> pa.Schema:
        """See the class."""
        columns = [(_RENAMED.get(one.name, one.name), _TYPES[one.type]) for one in fields(measure.Background)]  # type: ignore[index]
        return pa.schema([*columns, ("background", pa.string()), ("color", pa.string())])

    def __call__(self, picture: Picture) -> Mapping[str, Any]:
        """See `prx_data.measures.background.background`."""
        found = measure.background(picture.at(measure.FINE_SIDE))
        columns = {_RENAMED.get(name, name): value for name, value in asdict(found).items()}
        return {**columns, "background": background_words(found), "color": color_name(found.subject_color)}


def background_words(found: measure.Background) -> str:
    """The background in words: `plain white`, `red`, `textured gray`, `cluttered`."""
    name = color_name(found.color)
    if found.cleanliness >= 0.8:
        return f"plain {name}"
    if found.cleanliness >= 0.5:
        return name
    return f"textured {name}" if found.border_share >= 0.6 else "cluttered"
