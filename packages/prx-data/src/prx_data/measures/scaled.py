"""Measures of pictures that may be smaller than their files: the same columns, never mixed with those of whole ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
import pyarrow as pa

from prx_data.measures.protocol import BatchMeasure, Measure, takes_batches, takes_columns
from prx_data.picture import Picture

LEAST_SIDE = 384
"""Pixels: no measure but those that need the whole picture looks at more of the longer side, see `basics`."""


@dataclass(frozen=True, kw_only=True)
class Scaled:
    """A measure of what `decode(data, at_least=side)` gives, under a version of its own.

    What only the whole picture can tell is null where there is less: `pixel_digest`, `effective_resolution` and
    `past_quality`. All else is taken from reduced pictures anyway, and drifts by what the reduction does;
    `benchmarks/decode_side.py` prints how far.
    """

    measure: Measure
    side: int
    """Pixels of the longer side that decoding keeps at least."""

    @property
    def name(self) -> str:
        """That of the measure."""
        return self.measure.name

    @property
    def version(self) -> str:
        """Of the measure and of the side."""
        return scaled_version(self.measure.version, self.side)

    @property
    def schema(self) -> pa.Schema:
        """That of the measure."""
        return self.measure.schema

    def __call__(self, picture: Picture) -> Mapping[str, Any]:
        """What the measure gives."""
        return self.measure(picture)


@dataclass(frozen=True, kw_only=True)
class ScaledBatch(Scaled):
    """The same of a measure that takes batches."""

    measure: BatchMeasure

    @property
    def chosen_device(self) -> str:
        """That of the measure."""
        return self.measure.chosen_device

    @property
    def batch_size(self) -> int:
        """That of the measure."""
        return self.measure.batch_size

    def ready(self) -> None:
        """Load the model."""
        self.measure.ready()

    def prepare(self, picture: Picture) -> npt.NDArray[Any]:
        """What the model sees."""
        return self.measure.prepare(picture)

    def batch(self, prepared: Sequence[npt.NDArray[Any]]) -> Sequence[Mapping[str, Any]]:
        """What the measure gives."""
        return self.measure.batch(prepared)


def scaled(measure: Measure, side: int) -> Measure:
    """A measure of pictures decoded at a longer side of at least `side` pixels; one of columns stays as it is."""
    if takes_columns(measure):
        return measure
    if takes_batches(measure):
        return ScaledBatch(measure=measure, side=side)
    return Scaled(measure=measure, side=side)


def scaled_version(version: str, side: int | None) -> str:
    """The version of what is taken from pictures decoded at a longer side of at least `side` pixels; None for whole."""
    return version if side is None else f"{version}-at-{side}"
