"""Not safe for work: a classifier in ONNX, from a local file.

    measures = (*standard_measures(), Nsfw(model="nsfw.onnx", unsafe=(1,)))
    prx_data.Workspace("work", measures=measures).select(Rules(max_nsfw=0.5))

The network takes one picture (1, 3, height, width) and gives a number for each class (1, classes), as image classifiers
do; nothing is downloaded.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from prx_data.errors import ConfigError
from prx_data.measures.matte import Channels, open_network
from prx_data.picture import Picture, Pixels

_FREE_SIDE = 224  # where the network takes any size: that of most classifiers


@dataclass(frozen=True, kw_only=True)
class Nsfw:
    """How probable it is that a picture is not safe for work, in [0, 1]."""

    model: str | Path
    """The ONNX file."""
    unsafe: tuple[int, ...] = (1,)
    """Numbers of the classes that are not safe, from 0; their probabilities are added up."""
    mean: Channels = (0.5, 0.5, 0.5)
    """Subtracted from colours in [0, 1], per channel; by default that of most vision transformers."""
    scale: Channels = (0.5, 0.5, 0.5)
    """Divides what is left."""
    logits: bool = True
    """Whether the network gives logits, of which the softmax is taken, or probabilities already."""
    name: str = "nsfw"

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

    def __post_init__(self) -> None:
        if not self.unsafe or min(self.unsafe) < 0 or len(set(self.unsafe)) < len(self.unsafe):
            raise ConfigError(f"unsafe = {self.unsafe!r} is wrong: it is to name classes by their numbers, each once.")
        _, height, width = self._network
        classes = len(self._values(np.zeros((height, width, 3), dtype=np.uint8)))
        if max(self.unsafe) >= classes:
            raise ConfigError(f"unsafe = {self.unsafe!r} is wrong: the network at {self.model} has {classes} classes.")

    @cached_property
    def version(self) -> str:
        """A digest of the network and the settings."""
        digest = hashlib.sha256(Path(self.model).read_bytes())
        # As plain tuples of floats: what a file of settings brings back are lists.
        mean, scale = (tuple(map(float, one)) for one in (self.mean, self.scale))
        digest.update(repr((sorted(self.unsafe), mean, scale, self.logits)).encode())
        return f"1-{digest.hexdigest()[:12]}"

    @property
    def schema(self) -> pa.Schema:
        """One column."""
        return pa.schema([("nsfw", pa.float32())])

    def __call__(self, picture: Picture) -> Mapping[str, Any]:
        """The whole picture is squeezed to the network's size, as most such classifiers were trained."""
        _, height, width = self._network
        longer, shorter = max(picture.pixels.shape[:2]), min(picture.pixels.shape[:2])
        # Halved until a side would be too short, so that not every pixel of a large photo is resized.
        pixels = picture.level(-(-max(height, width) * longer // shorter))
        values = self._values(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA))
        if self.logits:
            powers = np.exp(values - values.max())
            values = powers / powers.sum()
        return {"nsfw": float(values[list(self.unsafe)].sum())}

    def _values(self, pixels: Pixels) -> npt.NDArray[np.float64]:
        """A number for each class, of a picture of the network's size."""
        session, _, _ = self._network
        colors = (pixels.astype(np.float32) / 255 - np.array(self.mean, "float32")) / np.array(self.scale, "float32")
        (found, *_) = session.run(None, {session.get_inputs()[0].name: colors.transpose(2, 0, 1)[None]})
        return np.asarray(found, dtype=np.float64).reshape(-1)

    @cached_property
    def _network(self) -> tuple[Any, int, int]:
        session = open_network(self.model, "classifier", extra="nsfw")
        height, width = (side if isinstance(side, int) else _FREE_SIDE for side in session.get_inputs()[0].shape[2:])
        return session, height, width

    def __getstate__(self) -> dict[str, Any]:
        """Settings only: a session stays in its process, and each process opens its own."""
        return {name: value for name, value in self.__dict__.items() if name != "_network"}
