"""A neural matte: a segmentation network in ONNX, asked only where the classical mask is unsure.

    measures = (Basics(), Perceptual(), MatteBackground(model="u2net.onnx"), Layout())
    prx_data.Workspace("work", measures=measures)

The network is of the kind of U²-Net and IS-Net: one input (1, 3, height, width), its first output a map of how probable
the subject is at each pixel. Nothing is downloaded.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image

from prx_data.errors import ConfigError
from prx_data.kernels import masks
from prx_data.measures import background as classical
from prx_data.measures.background_columns import BackgroundColumns, as_columns
from prx_data.measures.background_region import Region, divide
from prx_data.picture import Picture, Pixels

_IMAGENET_MEAN, _IMAGENET_SCALE = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_FREE_SIDE = 320  # where the network takes any size: that of U²-Net

Channels = tuple[float, float, float]
Probability = npt.NDArray[np.float32]


def open_network(path: str | Path, what: str, *, extra: str) -> Any:
    """An onnxruntime session on one thread of a network that takes one picture: photos are measured in processes.

    Args:
        path: The ONNX file.
        what: What the user calls it, for the messages.
        extra: The extra of this package that brings onnxruntime.

    Raises:
        ConfigError: onnxruntime is missing, there is no such file, or it is no network of this kind.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise ConfigError(f"A {what} needs onnxruntime: pip install 'prx-data[{extra}]'.") from error
    if not Path(path).is_file():
        raise ConfigError(f"There is no {what} at {path}.")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has an exception of its own for each thing that can be wrong
        raise ConfigError(f"The {what} {path} cannot be loaded: {str(error).splitlines()[0]}") from error
    inputs = session.get_inputs()
    if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].shape[1] not in (3, None):
        shapes = ", ".join(str(one.shape) for one in inputs)
        raise ConfigError(f"The {what} {path} takes {shapes} instead of one picture [1, 3, height, width].")
    return session


class Matte:
    """A segmentation network from a local ONNX file.

    Args:
        path: The file.
        mean: Subtracted from colours in [0, 1], per channel; by default ImageNet's, as U²-Net wants. IS-Net: 0.5.
        scale: Divides what is left; by default ImageNet's. IS-Net: 1.

    Raises:
        ConfigError: onnxruntime is missing, there is no such file, or it is no network of this kind.
    """

    def __init__(
        self,
        path: str | Path,
        mean: Channels = _IMAGENET_MEAN,
        scale: Channels = _IMAGENET_SCALE,
    ) -> None:
        self._session = open_network(path, "matte model", extra="matte")
        inputs = self._session.get_inputs()
        self._name = inputs[0].name
        self.size = tuple(side if isinstance(side, int) else _FREE_SIDE for side in inputs[0].shape[2:])
        self._mean, self._scale = np.array(mean, dtype=np.float32), np.array(scale, dtype=np.float32)

    def __call__(self, pixels: Pixels, shape: tuple[int, int]) -> Probability:
        """How probable the subject is: float32 of `shape`, in [0, 1].

        Args:
            pixels: Upright sRGB, uint8 of shape (height, width, 3).
            shape: Height and width of the answer.
        """
        height, width = self.size
        resized = Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
        picture_HWC = (np.asarray(resized, dtype=np.float32) / 255 - self._mean) / self._scale
        found = self._session.run(None, {self._name: picture_HWC.transpose(2, 0, 1)[None]})[0]
        plane = np.clip(np.asarray(found, dtype=np.float32).reshape(found.shape[-2:]), 0, 1)
        return np.asarray(Image.fromarray(plane).resize(shape[::-1], Image.Resampling.BILINEAR), dtype=np.float32)


@dataclass(frozen=True, kw_only=True)
class MatteBackground:
    """The background measure with a neural mask where the classical one is unsure; the column `mask` says which."""

    model: str | Path
    """The ONNX file."""
    mean: Channels = _IMAGENET_MEAN
    """See `Matte`."""
    scale: Channels = _IMAGENET_SCALE
    """See `Matte`."""
    max_doubt: float = 0.2
    """The network is asked above this `doubt` of the classical mask, in [0, 1]; 0 asks it about every photo."""
    name: str = "background"

    def __post_init__(self) -> None:
        if not 0 <= self.max_doubt <= 1:
            raise ConfigError(f"max_doubt = {self.max_doubt!r} is wrong: it is to be in [0, 1].")
        if not Path(self.model).is_file():
            raise ConfigError(f"There is no matte model at {self.model}.")

    @cached_property
    def version(self) -> str:
        """That of the classical measure with a digest of the network and the settings."""
        digest = hashlib.sha256(Path(self.model).read_bytes())
        digest.update(repr((self.mean, self.scale, self.max_doubt)).encode())
        return f"{classical.VERSION}-matte-{digest.hexdigest()[:12]}"

    @property
    def schema(self) -> pa.Schema:
        """That of `BackgroundColumns`."""
        return BackgroundColumns().schema

    @cached_property
    def _matte(self) -> Matte:
        return Matte(self.model, self.mean, self.scale)

    def __getstate__(self) -> dict[str, Any]:
        """Settings only: a session stays in its process, and each process opens its own."""
        return {name: value for name, value in self.__dict__.items() if name != "_matte"}

    def __call__(self, picture: Picture) -> Mapping[str, Any]:
        """See `prx_data.measures.background.background`."""
        region = divide(picture)
        found = classical.judged(region)
        if found.doubt <= self.max_doubt:
            return as_columns(found)
        matte = with_matte(region, self._matte(np.asarray(picture.level(max(self._matte.size))), region.shape))
        # How unsure the classical mask was stays on record: it is why the network was asked.
        return as_columns(replace(classical.judged(matte), doubt=found.doubt), mask="neural")


def with_matte(region: Region, probability: Probability) -> Region:
    """A region with the subject and the ground that a matte shows, at a probability of one half.

    Args:
        region: As the classical mask divides it.
        probability: Of the subject, of the shape of the whole frame.
    """
    ground = probability[region.inner] < 0.5
    return replace(region, mask=ground, subject=masks.subject_of(ground))
