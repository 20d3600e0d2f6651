"""A map of the photos in two dimensions: what is near in it looks alike, as far as two dimensions tell."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from prx_data.decisions.duplicates import matrix
from prx_data.decisions.verdicts import Decisions
from prx_data.report.pictures import Block, Pictures, sample

_SHOWN = 240
_GOLDEN_ANGLE = 137.508  # degrees: neighbouring numbers of clusters get hues that are far apart

Floats = npt.NDArray[np.float32]


def map_blocks(pictures: Pictures, decisions: Decisions, columns: pa.Table, embedding: str) -> list[Block]:
    """The map of some of the photos, kept or dropped; none if fewer than three have an embedding.

    Args:
        pictures: Where thumbnails come from.
        decisions: What was decided.
        columns: `key` and the embedding, one row for each content.
        embedding: The column.
    """
    known = columns.select(["key", embedding]).filter(pc.is_valid(columns[embedding]))
    rows = {key: row for row, key in enumerate(known["key"].to_pylist())}
    usable = [one.origin for one in decisions.verdicts if one.key in rows and one.reason != "exact_duplicate"]
    shown = sample(usable, pictures.verdicts, _SHOWN)
    if len(shown) < 3:
        return []
    keys = [pictures.verdicts[one].key or "" for one in shown]
    places = projected(matrix(known[embedding].take([rows[key] for key in keys]), np.float32))
    clusters = {one.origin: one.place.cluster for one in decisions.kept}
    labels = {one: f"{one}: {pictures.verdicts[one].detail}" for one in shown}
    points = []
    for origin, (x, y) in zip(shown, places.tolist(), strict=True):
        hue = round(clusters[origin] * _GOLDEN_ANGLE % 360) if origin in clusters else 0
        place: dict[str, Any] = {"x": round(x, 1), "y": round(y, 1), "hue": hue, "kept": origin in clusters}
        points += [{**item, **place} for item in pictures.items([origin], labels, {})]
    caption = (
        f"{len(points):,} of {len(usable):,} photos by the two directions in which their {embedding} embeddings differ "
        "most. Filled: kept, coloured by cluster. Hollow: dropped. Point at one to see it."
    )
    heading = {"kind": "heading", "level": 2, "text": "Map"}
    return [heading, {"kind": "map", "caption": caption, "points": points}]


def projected(vectors: Floats) -> Floats:
    """The first two principal components, each spread evenly from 0 to 100: shape (n, 2).

    Places are ranks, so that a few outliers do not press all others together. The signs are such that the largest
    weight of each component is positive.
    """
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    _, _, components = np.linalg.svd(centred, full_matrices=False)
    axes = components[:2]
    axes = axes * np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])[:, None]
    along = np.round(centred @ axes.T, 6)
    ranks = np.argsort(np.argsort(along, axis=0, kind="stable"), axis=0, kind="stable")
    places: Floats = (100 * ranks / max(1, len(vectors) - 1)).astype(np.float32)
    return places
