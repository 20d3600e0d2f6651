"""Text in the picture: what is written, where, and how much of the frame it takes.

    measures = standard_measures(text=True)
    prx_data.Workspace("work", measures=measures)

Found and read by the PP-OCR networks that come inside the package `rapidocr`; nothing is downloaded.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from prx_data.errors import ConfigError
from prx_data.measures.background_region import Region, divide
from prx_data.measures.masks import Mask, components, grown, opened
from prx_data.picture import Picture

_VERSION = "2"
_PRINT = 0.8  # of a line's box on the product from which on it is print: boxes are a little larger than letters
_GRID = 512  # pixels of the longer side on which boxes are added up

Box = npt.NDArray[np.float32]
"""Four corners (x, y) in shares of the width and the height, shape (4, 2)."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of text."""

    words: str
    box: Box


@dataclass(frozen=True, kw_only=True)
class Text:
    """Lines of text, their boxes, and their share of the frame.

    Print on the product counts in `text_share` as any other, in `text_beside` it does not: that is what was laid over
    the picture, such as a banner or a mark in a corner. Print lies all on the product, a line laid over both does not.
    A line that was laid over the product alone, such as a watermark across it, is taken for its print.
    """

    side: int = 960
    """Pixels of the longer side at which text is looked for; a picture is never enlarged."""
    min_score: float = 0.7
    """How sure the reader has to be of a line, in [0, 1]: folds and patterns are read too, but not surely."""
    min_length: int = 2
    """Letters and digits of a line."""
    name: str = "text"

    def __post_init__(self) -> None:
        for setting, least, most in (("side", 32, 4096), ("min_score", 0, 1), ("min_length", 1, 100)):
            value = getattr(self, setting)
            if not least <= value <= most:
                raise ConfigError(f"{setting} = {value!r} is wrong: it is to be in [{least}, {most}].")
        try:
            version("rapidocr")
            version("onnxruntime")
        except PackageNotFoundError as error:
            raise ConfigError("Text needs rapidocr and onnxruntime: pip install 'prx-data[text]'.") from error

    @property
    def version(self) -> str:
        """Of this measure, of the package that brings the networks, and of the settings."""
        score = round(self.min_score * 1000)
        return f"{_VERSION}-rapidocr-{version('rapidocr')}-{self.side}-{score}-{self.min_length}"

    @property
    def schema(self) -> pa.Schema:
        """See `__call__`."""
        return pa.schema(
            [
                ("text_share", pa.float32()),
                ("text_beside", pa.float32()),
                ("text_lines", pa.list_(pa.string())),
                ("text_boxes", pa.list_(pa.list_(pa.float32()))),
            ]
        )

    def __call__(self, picture: Picture) -> Mapping[str, Any]:
        """Look for text.

        Returns:
            `text_share`: of the frame under text, in [0, 1]; `text_beside`: the same without the product's print;
            `text_lines`: the words of each line; `text_boxes`: its left, top, right and bottom in shares of the frame.
        """
        lines = self.lines(picture)
        height, width = picture.pixels.shape[:2]
        shape = (max(1, round(height * _GRID / max(height, width))), max(1, round(width * _GRID / max(height, width))))
        if not lines:
            return {"text_share": 0.0, "text_beside": 0.0, "text_lines": [], "text_boxes": []}
        region = divide(picture)
        product = _hull(_product(region, covered([one.box for one in lines], region.shape)), shape)
        beside = [one.box for one in lines if product[covered([one.box], shape)].mean() < _PRINT]
        return {
            "text_share": float(covered([one.box for one in lines], shape).mean()),
            "text_beside": float(covered(beside, shape).mean()),
            "text_lines": [one.words for one in lines],
            "text_boxes": [[*one.box.min(axis=0).tolist(), *one.box.max(axis=0).tolist()] for one in lines],
        }

    def lines(self, picture: Picture) -> list[Line]:
        """The lines that were read surely, from top to bottom."""
        pixels = picture.at(self.side)
        height, width = pixels.shape[:2]
        found = self._reader(np.ascontiguousarray(pixels[:, :, ::-1]))  # it takes BGR
        if found.boxes is None or not found.txts:
            return []
        return [
            Line(words=words, box=np.clip(np.asarray(box, dtype=np.float32) / (width, height), 0, 1))
            for box, words, score in zip(found.boxes, found.txts, found.scores, strict=True)
            if score >= self.min_score and sum(map(str.isalnum, words)) >= self.min_length
        ]

    @cached_property
    def _reader(self) -> Any:
        from rapidocr import RapidOCR

        threads = {f"EngineConfig.onnxruntime.{kind}_op_num_threads": 1 for kind in ("intra", "inter")}
        size = {"Det.limit_side_len": self.side, "Det.limit_type": "max"}
        silent = {"Global.use_cls": False, "Global.log_level": logging.getLevelName(logging.CRITICAL).lower()}
        return RapidOCR(params={**threads, **size, **silent})

    def __getstate__(self) -> dict[str, Any]:
        """Settings only: a session stays in its process, and each process opens its own."""
        return {name: value for name, value in self.__dict__.items() if name != "_reader"}


def _product(region: Region, written: Mask) -> Mask:
    """The subject, and other things in front of the ground that carry no writing: a badge or a banner is no product."""
    things = opened(region.framed(~region.mask, outside=False)) & ~written
    labels, _ = components(things)
    beside = np.unique(labels[grown(written, 2)])
    return np.asarray((things & ~np.isin(labels, beside)) | region.framed(region.subject, outside=False))


def _hull(subject: Mask, shape: tuple[int, int]) -> Mask:
    """The convex hull of a subject, at another size: a white carton on white is found in pieces."""
    ys, xs = np.nonzero(subject)
    canvas = np.zeros(shape, dtype=np.uint8)
    if len(xs):
        scale = (shape[1] / subject.shape[1], shape[0] / subject.shape[0])
        corners = cv2.convexHull(np.stack([xs, ys], axis=1).astype(np.int32)).reshape(-1, 2)
        cv2.fillConvexPoly(canvas, np.round((corners + 0.5) * scale).astype(np.int32), 1)
    return canvas.astype(bool)


def covered(boxes: Sequence[Box], shape: tuple[int, int]) -> Mask:
    """Which pixels of a frame lie in any of the boxes; a box is never without a pixel.

    Args:
        boxes: See `Box`.
        shape: Height and width of the frame.
    """
    canvas = np.zeros(shape, dtype=np.uint8)
    height, width = shape
    for box in boxes:
        corners = np.minimum(np.floor(box * (width, height)), (width - 1, height - 1)).astype(np.int32)
        cv2.fillPoly(canvas, [corners], 1)
    return canvas.astype(bool)
