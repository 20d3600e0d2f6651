"""Photos that show the same thing although they are not the same picture: by embeddings, and by colours."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from prx_data.decisions.candidates import Candidate, Outcome, quoted
from prx_data.decisions.clusters import Index, find_clusters
from prx_data.decisions.colors import color_difference
from prx_data.decisions.duplicates import MIN_INFORMATION, matrix
from prx_data.decisions.groups import keeper_groups
from prx_data.decisions.keep import why_better
from prx_data.decisions.repeats import by_preference
from prx_data.decisions.semantic import similar_pairs
from prx_data.decisions.settings import Settings
from prx_data.records import Reason

COLOR_COLUMNS = ("color", "colour", "basecolour", "base_color")
"""Metadata columns that name a product's colour."""
MAX_SHADE_DIFFERENCE = 10.0
"""ΔE76, beyond which a shade of one subject is none of the other's, see `benchmarks/shades.py`."""
_SHAPE_RADIUS = 4
"""Hamming distance of the hashes of one shape, where no larger one is set for near duplicates."""
_LEAST_SHARE = 0.1  # of a subject: less is an edge or a shadow
_TO_XYZ = np.array(  # of linear sRGB; XYZ as shares of the white point, D65 (IEC 61966-2-1)
    [[0.4339499, 0.3762098, 0.1898403], [0.2126729, 0.7151522, 0.0721750], [0.0177566, 0.1094680, 0.8727755]]
)

Floats = npt.NDArray[np.float64]


def drop_semantic_duplicates(
    photos: Sequence[Candidate], columns: pa.Table, settings: Settings, outcome: Outcome
) -> list[Candidate]:
    """What is left when the best of all whose embeddings are near is kept, in the order given."""
    if settings.semantic_similarity is None or not photos:
        return list(photos)
    table = columns.select([settings.embedding, "subject_colors"]).take([one.row for one in photos])
    embeddings = matrix(table[settings.embedding], np.float16)
    pairs = similar_pairs(embeddings, find_clusters(embeddings, seed=settings.seed), settings.semantic_similarity)
    left, right, cosine = pairs.left, pairs.right, pairs.similarity
    if not settings.semantic_variants:
        same = _of_one_color(photos, table["subject_colors"].to_pylist(), left, right)
        same &= ~_recolored(photos, columns, left, right, settings)
        left, right, cosine = left[same], right[same], cosine[same]
    order = by_preference(photos, settings)
    rank = np.empty(len(photos), dtype=np.int64)
    rank[order] = np.arange(len(photos))
    better, worse = np.minimum(rank[left], rank[right]), np.maximum(rank[left], rank[right])
    found = keeper_groups(len(photos), better, worse)
    keeper = np.empty(len(photos), dtype=np.int64)
    keeper[order] = order[found]
    known = dict(zip(zip(better.tolist(), worse.tolist(), strict=True), cosine.tolist(), strict=True))
    kept = []
    for position, one in enumerate(photos):
        winner = photos[int(keeper[position])]
        if winner is one:
            kept.append(one)
            continue
        near = known[int(rank[keeper[position]]), int(rank[position])]
        text = (
            f"Shows what {quoted(winner.origin)} shows: the cosine of their {settings.embedding} embeddings is "
            f"{near:.3f}; that one is kept for {why_better(winner.facts, one.facts, settings.keep)}."
        )
        outcome.drop(one.key, one.origin, Reason.SEMANTIC_DUPLICATE, text, duplicate_of=winner.origin)
    return kept


def _of_one_color(
    photos: Sequence[Candidate], palettes: Sequence[Any], left: Index, right: Index
) -> npt.NDArray[np.bool_]:
    """Which pairs are no colour variants, by their metadata and by the shades of their subjects."""
    named = [_named_color(one) for one in photos]
    found = [shades(one or []) for one in palettes]
    return np.array(
        [
            (not named[a] or not named[b] or named[a] == named[b]) and same_colors(*found[a], *found[b])
            for a, b in zip(left.tolist(), right.tolist(), strict=True)
        ],
        dtype=bool,
    )


def _recolored(
    photos: Sequence[Candidate], columns: pa.Table, left: Index, right: Index, settings: Settings
) -> npt.NDArray[np.bool_]:
    """Which pairs are one shape by their hashes, in other colours somewhere: a trim is too little for a shade."""
    some = columns.select(["phash", "hash_information"]).take([one.row for one in photos])
    codes, informative = some["phash"].to_numpy(), some["hash_information"].to_numpy() >= MIN_INFORMATION
    radius = max(_SHAPE_RADIUS, settings.duplicate_radius or 0)
    near = informative[left] & informative[right] & (np.bitwise_count(codes[left] ^ codes[right]) <= radius)
    rows, places = np.unique(np.stack([left[near], right[near]]), return_inverse=True)
    grids = matrix(columns["lab_grid"].take([photos[row].row for row in rows.tolist()]), np.int8)
    one, other = places.reshape(2, -1)
    recolored = np.zeros(len(left), dtype=bool)
    recolored[near] = color_difference(grids, one, other) > settings.duplicate_color_difference
    return recolored


def _named_color(photo: Candidate) -> str:
    lowered = {name.lower(): str(value or "") for name, value in photo.metadata.items()}
    return next((lowered[one].strip().lower() for one in COLOR_COLUMNS if lowered.get(one)), "")


def shades(palette: Sequence[Any]) -> tuple[Floats, Floats]:
    """Lab of shape (k, 3) and shares of shape (k,) of a subject's colours."""
    rgb = np.array([list(bytes.fromhex(one["color"][1:])) for one in palette], dtype=np.float64).reshape(-1, 3) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    ratio = linear @ _TO_XYZ.T
    x, y, z = np.where(ratio > 216 / 24389, np.cbrt(ratio), (24389 / 27 * ratio + 16) / 116).T
    lab = np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)
    return lab, np.array([one["share"] for one in palette], dtype=np.float64)


def same_colors(
    lab: Floats, shares: Floats, other_lab: Floats, other_shares: Floats, *, limit: float = MAX_SHADE_DIFFERENCE
) -> bool:
    """Whether every main shade of each subject is a shade of the other too; not where none was found.

    Args:
        lab: Shades of one subject, shape (k, 3).
        shares: Of the subject, shape (k,).
        other_lab: Those of the other.
        other_shares: Of the other subject.
        limit: Largest ΔE76 of a shade from the nearest of the other's.
    """
    if not len(lab) or not len(other_lab):
        return False
    distance = np.linalg.norm(lab[:, None] - other_lab[None], axis=2)
    mine = distance.min(axis=1)[shares >= _LEAST_SHARE].max(initial=0)
    theirs = distance.min(axis=0)[other_shares >= _LEAST_SHARE].max(initial=0)
    return bool(max(mine, theirs) <= limit)
