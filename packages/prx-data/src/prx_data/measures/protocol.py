"""What a measure is."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeGuard

import numpy.typing as npt
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


class BatchMeasure(Measure, Protocol):
    """A measure by a model that is loaded once and wants many pictures at a time.

    The process that decodes a photo prepares what the model sees of it, beside the other measures, from the same
    decoded picture. The batches are measured in the process that `measure` was called in.
    """

    @property
    def chosen_device(self) -> str:
        """Where the model computes, as torch names it: for the ledger."""
        ...

    @property
    def batch_size(self) -> int:
        """Pictures that the model sees at once."""
        ...

    def ready(self) -> None:
        """Load the model, so that what is wrong with it is told before any photo is read."""
        ...

    def prepare(self, picture: Picture) -> npt.NDArray[Any]:
        """What the model sees of a picture; small, as it goes from process to process."""
        ...

    def batch(self, prepared: Sequence[npt.NDArray[Any]]) -> Sequence[Mapping[str, Any]]:
        """The columns of each picture; those of one do not depend on the others."""
        ...


class ColumnMeasure(Measure, Protocol):
    """A measure of what other measures gave: worked out when the columns are asked for, and kept nowhere."""

    def derive(self, columns: pa.Table) -> Mapping[str, pa.Array]:
        """Its columns.

        Args:
            columns: One row for each photo, with the columns of all other measures.

        Raises:
            ConfigError: A column that it needs is not there.
        """
        ...


def takes_columns(measure: Measure) -> TypeGuard[ColumnMeasure]:
    """Whether a measure is one of columns; looks at its class alone, as properties may load something."""
    return hasattr(type(measure), "derive")


def takes_batches(measure: Measure) -> TypeGuard[BatchMeasure]:
    """Whether a measure is one of batches; looks at its class alone, as properties may load something."""
    return hasattr(type(measure), "prepare")
