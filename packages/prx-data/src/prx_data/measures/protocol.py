"""What a measure is."""

from collections.abc import Mapping
from typing import Any, Protocol

import pyarrow as pa

from prx_data.picture import Picture


class Measure(Protocol):
    """Turns one photo's pixels into columns.

    A measure is a pure function of the picture and of its own settings. `version` names both: change it and every photo
    is measured again, into columns that never mix with the old ones.
    """

    @property
    def name(self) -> str:
        """A short lower-case name; columns are kept under it."""
        ...

    @property
    def version(self) -> str:
        """Letters, digits, dots and dashes."""
        ...

    @property
    def schema(self) -> pa.Schema:
        """The columns' names and types."""
        ...

    def __call__(self, picture: Picture) -> Mapping[str, Any]:
        """Measure one upright sRGB picture: `.pixels`, or what all measures share, such as `.level(side)`."""
        ...
