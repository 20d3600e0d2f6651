"""Semantic duplicates: pairs of near embeddings, inside clusters and across the borders between them.

SemDeDup (Abbas et al. 2023, arXiv 2303.09540) compares the members of each cluster with each other, and misses pairs
that a border between two clusters divides. Here a vector is also compared with the members of every cluster whose
border it lies near to: if two unit vectors are at most δ apart and in two clusters, one of them lies within δ / 2 of
the plane between the two centroids. So no pair is missed, and few clusters have to be looked into.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from prx_data.decisions.clusters import Clusters, Floats, Index, Vectors

_BLOCK = 4096
_MEMBERS = 8192
"""Of a cluster, that are compared with a block at a time: a cluster may have any part of the photos."""
_SLACK = 1e-3  # of float16 components and of norms that are 1 only nearly


@dataclass(frozen=True, kw_only=True)
class SimilarPairs:
    """Pairs of positions, left < right, each once, ordered."""

    left: Index
    right: Index
    similarity: Floats
    """Cosine."""


def similar_pairs(embeddings: Vectors, clusters: Clusters, least: float, *, across: bool = True) -> SimilarPairs:
    """All pairs of vectors with a cosine of at least `least`.

    Args:
        embeddings: Shape (n, dimensions), rows of norm 1; may be memory-mapped.
        clusters: Their clusters, each vector in that of its nearest centroid.
        least: In (0, 1].
        across: Whether to look across borders too; without, pairs that a border divides are missed.
    """
    home = np.argsort(clusters.labels, kind="stable")
    ends = np.cumsum(clusters.sizes)
    visitors = _visitors(embeddings, clusters, least) if across else [np.empty(0, dtype=np.int64)] * len(ends)
    found = [_NONE]
    for guests, start, end in zip(visitors, [0, *ends[:-1].tolist()], ends.tolist(), strict=True):
        found += _near(embeddings, home[start:end], guests, least)
    left, right, similarity = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.lexsort((right, left))
    left, right, similarity = left[order], right[order], similarity[order]
    first = np.ones(len(left), dtype=bool)  # a pair of which each visits the other was found twice
    first[1:] = (left[1:] != left[:-1]) | (right[1:] != right[:-1])
    return SimilarPairs(left=left[first], right=right[first], similarity=similarity[first])


_Found = tuple[Index, Index, Floats]
_NONE: _Found = (np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32))


def _visitors(embeddings: Vectors, clusters: Clusters, least: float) -> list[Index]:
    """For each cluster the vectors of others that lie within half the largest distance of the border to it."""
    reach = np.sqrt(max(0.0, 2 - 2 * least)) / 2 + _SLACK
    centroids = clusters.centroids
    between = np.sqrt(np.maximum(2 - 2 * centroids @ centroids.T, 0))
    found: list[list[Index]] = [[] for _ in centroids]
    for start in range(0, len(embeddings), _BLOCK):
        labels = clusters.labels[start : start + _BLOCK]
        cosines = np.asarray(embeddings[start : start + _BLOCK], dtype=np.float32) @ centroids.T
        # The plane between two unit centroids a and b goes through the origin, and a - b is its normal.
        depth = cosines[np.arange(len(labels)), labels][:, None] - cosines
        row, column = np.nonzero(depth <= reach * between[labels] + _SLACK)
        row, column = row[labels[row] != column], column[labels[row] != column]
        order = np.argsort(column, kind="stable")
        for number, part in _runs(column[order]):
            found[number].append(start + row[order[part]])
    return [np.concatenate(parts) if parts else np.empty(0, dtype=np.int64) for parts in found]


def _runs(ordered: Index) -> Iterator[tuple[int, slice]]:
    """The stretches of equal values."""
    values, starts = np.unique(ordered, return_index=True)
    ends = np.append(starts[1:], len(ordered))[: len(starts)]
    for value, start, end in zip(values.tolist(), starts.tolist(), ends.tolist(), strict=True):
        yield value, slice(start, end)


def _near(embeddings: Vectors, members: Index, guests: Index, least: float) -> list[_Found]:
    """Pairs of a member and another, and of a member and a guest."""
    found = []
    for begin in range(0, len(members), _MEMBERS):
        part = members[begin : begin + _MEMBERS]
        inside = np.asarray(embeddings[part], dtype=np.float32)
        for others in (members, guests):
            for start in range(0, len(others), _BLOCK):
                rows = others[start : start + _BLOCK]
                cosines = np.asarray(embeddings[rows], dtype=np.float32) @ inside.T
                one, other = np.nonzero(cosines >= least)
                left, right = rows[one], part[other]
                # Each pair of members is seen from both sides.
                kept = left < right if others is members else np.ones(len(left), dtype=bool)
                pair = np.minimum(left, right)[kept], np.maximum(left, right)[kept]
                found.append((*pair, cosines[one, other][kept]))
    return found
