"""A map of the photos in two dimensions: what is near in it looks alike, as far as two dimensions tell."""

import base64
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import cv2
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from prx_data.decisions.duplicates import matrix
from prx_data.decisions.verdicts import Decisions
from prx_data.decoding import thumbnail
from prx_data.records import Reason
from prx_data.report.pictures import Block, Pictures, sample
from prx_data.told import counted

SHOWN = 4_000
"""The most dots: with their thumbnails 4 to 8 MB of a report."""
CELL = 64
"""Pixels of a thumbnail's longer side."""
_ACROSS, _DOWN = 32, 16  # thumbnails of a sheet: one is decoded when a dot on it is pointed at
_BLOCK = 8_192
_LISTED = 12
_GOLDEN_ANGLE = 137.508  # degrees: neighbouring numbers of clusters get hues that are far apart
_KEPT_HUE = 155
_SMALL = ("width", "height", "content_box", "content_lightness", "content_color")

Floats = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.uint8]


def map_blocks(
    pictures: Pictures, decisions: Decisions, columns: pa.Table, embedding: str, names: Mapping[int, str]
) -> list[Block]:
    """The map of the photos, kept or dropped; none if fewer than three have an embedding.

    Beyond `SHOWN` photos it shows a sample of them. The directions are those of all photos; embeddings are read in
    blocks. No photo is decoded: the small pictures that copies were verified on are the thumbnails.

    Args:
        pictures: What was decided of each photo.
        decisions: The same, and the clusters.
        columns: `key`, the embedding and the columns that duplicates are found by, one row for each content.
        embedding: The column.
        names: What clusters show, by their numbers.
    """
    valid = pc.and_(pc.is_valid(columns[embedding]), pc.is_valid(columns["content_lightness"]))
    at = np.flatnonzero(valid.to_numpy())
    rows = dict(zip(columns["key"].take(at).to_pylist(), at.tolist(), strict=True))
    usable = [one.origin for one in decisions.verdicts if one.key in rows and one.reason != Reason.EXACT_DUPLICATE]
    shown = sample(usable, pictures.verdicts, SHOWN)
    if len(shown) < 3:
        return []
    taken = columns.select([embedding, *_SMALL]).take([rows[pictures.verdicts[one].key or ""] for one in shown])
    centre, axes = principal_axes(_blocks(columns[embedding]))
    places = spread((matrix(taken[embedding], np.float64) - centre) @ axes.T)
    colorings, hues = _colorings(shown, pictures, decisions, names)
    points = [
        {
            "x": round(x, 1),
            "y": round(y, 1),
            "kept": two[0] is not None,
            "hues": list(two),
            "label": f"{one}: {pictures.verdicts[one].detail}",
        }
        for one, (x, y), two in zip(shown, places.tolist(), hues, strict=True)
    ]
    some = f"{len(points):,} of {counted(len(usable), 'photo')}, chosen at random," if len(points) < len(usable) else ""
    caption = (
        f"{some or counted(len(points), 'photo')} by the two directions in which the {embedding} embeddings differ "
        "most. Full dots are kept, rings are dropped. Point at one to see it."
    )
    drawn = {"across": _ACROSS, "down": _DOWN, "cell": CELL, "images": list(_sheets(taken))}
    heading = {"kind": "heading", "level": 2, "text": "Map"}
    return [heading, {"kind": "map", "caption": caption, "colorings": colorings, "points": points, "sheets": drawn}]


def _colorings(
    shown: Sequence[str], pictures: Pictures, decisions: Decisions, names: Mapping[int, str]
) -> tuple[list[Block], list[tuple[int | None, int | None]]]:
    """The two legends, and the hues of each photo by them: by cluster, if it is kept, and by verdict."""
    clusters = {one.origin: one.place.cluster for one in decisions.kept}
    of_cluster = {number: round(number * _GOLDEN_ANGLE) % 360 for number in set(clusters.values())}
    reasons = Counter(str(pictures.verdicts[one].reason) for one in shown if one not in clusters)
    of_reason = {reason: round(30 + place * 300 / len(reasons)) for place, reason in enumerate(sorted(reasons))}
    sizes = Counter(clusters[one] for one in shown if one in clusters).most_common()
    listed = [
        {"label": f"{names.get(one) or f'cluster {one}'}: {count:,}", "hue": of_cluster[one], "kept": True}
        for one, count in sizes[:_LISTED]
    ]
    if len(sizes) > _LISTED:
        listed.append({"label": f"and {counted(len(sizes) - _LISTED, 'smaller cluster')}", "hue": None, "kept": True})
    dropped = [
        {"label": f"{reason.replace('_', ' ')}: {count:,}", "hue": of_reason[reason], "kept": False}
        for reason, count in reasons.most_common()
    ]
    kept = [{"label": f"kept: {len(shown) - reasons.total():,}", "hue": _KEPT_HUE, "kept": True}]
    if dropped:
        listed.append({"label": f"dropped: {reasons.total():,}", "hue": None, "kept": False})
    hues: list[tuple[int | None, int | None]] = []
    for one in shown:
        if one in clusters:
            hues.append((of_cluster[clusters[one]], _KEPT_HUE))
        else:
            hues.append((None, of_reason[str(pictures.verdicts[one].reason)]))
    return [{"label": "by cluster", "legend": listed}, {"label": "by verdict", "legend": kept + dropped}], hues


def _blocks(column: pa.ChunkedArray) -> Iterator[Floats]:
    """The vectors that are there, some thousand at a time."""
    for start in range(0, len(column), _BLOCK):
        block = column.slice(start, _BLOCK)
        yield matrix(block, np.float64)[block.is_valid().to_numpy()]


def principal_axes(blocks: Iterator[Floats]) -> tuple[Floats, Floats]:
    """The mean of vectors that come in blocks, and the two directions in which they vary most.

    What is held is a block, and d² numbers for vectors of d dimensions, however many there are. The signs are such that
    the largest weight of each direction is positive.

    Args:
        blocks: Arrays of shape (n, d); the sum of n is at least 1.

    Returns:
        The mean, shape (d,), and unit vectors, shape (2, d), the one of larger variance first.
    """
    count, total, products, origin = 0, np.zeros(0), np.zeros((0, 0)), np.zeros(0)
    for block in blocks:
        if not count:
            if not len(block):
                continue
            origin = block.mean(axis=0)  # sums about a point among them keep their digits
            total, products = np.zeros_like(origin), np.zeros((len(origin), len(origin)))
        moved = block - origin
        count += len(block)
        total += moved.sum(axis=0)
        products += moved.T @ moved
    mean = total / count
    _, vectors = np.linalg.eigh(products / count - np.outer(mean, mean))
    axes = vectors.T[:-3:-1]
    axes = axes * np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])[:, None]
    return origin + mean, axes


def spread(along: Floats) -> Floats:
    """Each coordinate evenly from 0 to 100, shape (n, 2): ranks, so that a few outliers do not press all others."""
    ranks = np.argsort(np.argsort(np.round(along, 6), axis=0, kind="stable"), axis=0, kind="stable")
    places: Floats = 100 * ranks / max(1, len(along) - 1)
    return places


def _sheets(small: pa.Table) -> Iterator[str]:
    """The thumbnails, `_ACROSS` x `_DOWN` on a JPEG, as `data:` URIs."""
    lightness = matrix(small["content_lightness"], np.uint8).reshape(-1, 64, 64)
    color = matrix(small["content_color"], np.int8).reshape(-1, 32, 32, 2)
    box = matrix(small["content_box"], np.float64)
    width = small["width"].to_numpy() * (box[:, 2] - box[:, 0])
    height = small["height"].to_numpy() * (box[:, 3] - box[:, 1])
    for start in range(0, len(small), _ACROSS * _DOWN):
        rows = range(start, min(start + _ACROSS * _DOWN, len(small)))
        sheet = np.full((-(-len(rows) // _ACROSS) * CELL, _ACROSS * CELL, 3), 255, np.uint8)
        for place, row in enumerate(rows):
            across, down = place % _ACROSS * CELL, place // _ACROSS * CELL
            picture = _picture(lightness[row], color[row], float(width[row] / height[row]))
            left, top = across + (CELL - picture.shape[1]) // 2, down + (CELL - picture.shape[0]) // 2
            sheet[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
        yield "data:image/jpeg;base64," + base64.b64encode(thumbnail(sheet, max(sheet.shape))).decode()


def _picture(lightness: Pixels, color: npt.NDArray[np.int8], aspect: float) -> Pixels:
    """RGB from L* times 2.55, a* and b*, which were stretched to a square, with the aspect ratio that they had."""
    size = (CELL, max(1, round(CELL / aspect))) if aspect >= 1 else (max(1, round(CELL * aspect)), CELL)
    shifted = (color.astype(np.int16) + 128).astype(np.uint8)
    both = [cv2.resize(one, size, interpolation=cv2.INTER_AREA) for one in (lightness, shifted)]
    return np.asarray(cv2.cvtColor(np.dstack(both), cv2.COLOR_LAB2RGB), dtype=np.uint8)
