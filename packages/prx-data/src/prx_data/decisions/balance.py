"""A balanced subset: clusters of clusters, and an equal share from each, from the top down.

Vo et al. 2024, "Automatic data curation for self-supervised learning: a clustering-based approach" (arXiv 2405.15613):
k-means puts more centroids where there are more vectors. The centroids of one level are clustered again, and at every
level k-means is run again on the same number of vectors near each centroid, which spreads the centroids evenly over
what there is. Then a target size is divided equally among the clusters of the top level, and each share among the
cluster's own; what a small cluster cannot fill goes to the others.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from prx_data.decisions.clusters import Clusters, Index, Vectors, assigned, content_order, find_clusters, trained

_RESAMPLINGS = 3
"""Rounds in which k-means is run again on the vectors nearest to each centroid."""


def level_sizes(k: int, levels: int) -> tuple[int, ...]:
    """Clusters at each level from the leaves up: each level has the square root of the one below, twice at most."""
    sizes = [k]
    while len(sizes) < levels:
        sizes.append(max(1, round(math.sqrt(sizes[-1]))))
    return tuple(sizes)


def find_hierarchy(embeddings: Vectors, sizes: Sequence[int], *, seed: int = 0) -> tuple[Clusters, ...]:
    """Clusters of unit vectors, clusters of their centroids, and so on.

    Args:
        embeddings: Shape (n, dimensions), rows of norm 1.
        sizes: Number of clusters at each level, from the leaves up, each at most the one before.
        seed: For the initial centroids.

    Returns:
        One `Clusters` for each level; the labels of each are those of the centroids of the one before.

    Raises:
        ConfigError: A number of clusters is out of range.
    """
    levels: list[Clusters] = []
    below: Vectors = embeddings
    for k in sizes:
        levels.append(_resampled(below, find_clusters(below, min(k, len(below)), seed=seed), seed))
        below = levels[-1].centroids
    return tuple(levels)


def _resampled(embeddings: Vectors, found: Clusters, seed: int) -> Clusters:
    """k-means again on as many vectors near every centroid: half of what a cluster has on average."""
    order = content_order(embeddings)
    for _ in range(_RESAMPLINGS):
        k = len(found.centroids)
        each = math.ceil(len(embeddings) / k / 2)
        rows = order[_places_in_cluster(found.labels[order], -found.similarity[order]) < each]
        found = assigned(embeddings, trained(embeddings, rows, k, seed=seed), order)
    return found


def _places_in_cluster(labels: npt.NDArray[np.int32], rank: npt.NDArray[np.generic]) -> Index:
    """Each member's place in its cluster, from 0, in ascending `rank`; ties in the order they are given."""
    order = np.lexsort((np.arange(len(labels)), rank, labels))
    sizes = np.bincount(labels)
    starts = np.cumsum(sizes) - sizes
    places = np.empty(len(labels), dtype=np.int64)
    places[order] = np.arange(len(labels)) - np.repeat(starts, sizes)
    return places


def equal_shares(sizes: Index, target: int) -> Index:
    """What each of some clusters gives so that together they give `target`, as equally as their sizes allow.

    The largest n is found for which min(n, size) sums to at most the target; what is then left is one each from the
    first of the larger clusters.

    Args:
        sizes: Members of each cluster.
        target: At least 0; all is taken if they have fewer.
    """
    if sizes.sum() <= target:
        return sizes.copy()
    ascending = np.sort(sizes)
    below = np.concatenate([[0], np.cumsum(ascending)])[:-1]
    # With the i smallest taken whole, the others give an equal share of what is left.
    level = (target - below) // np.arange(len(sizes), 0, -1)
    n = int(level[np.flatnonzero(level < ascending)[0]])
    shares = np.minimum(sizes, n)
    larger = np.flatnonzero(sizes > n)
    shares[larger[: target - int(shares.sum())]] += 1
    return shares


def leaf_shares(levels: Sequence[Clusters], target: int, *, cap: int | None = None, parts: int = 1) -> Index:
    """How many members each cluster of the lowest level gives to a balanced subset.

    Args:
        levels: See `find_hierarchy`.
        target: Members of the subset.
        cap: The most that a cluster of the lowest level may give; None for no limit.
        parts: That a member is divided into: for weights, of which none has to be 0 where clusters outnumber `target`.

    Returns:
        Shape (clusters of the lowest level,), in parts; the sum is `target` members, or less if there are not so many.
    """
    sizes = levels[0].sizes if cap is None else np.minimum(levels[0].sizes, cap)
    offered = [sizes * parts]
    for level in levels[1:]:
        offered.append(np.bincount(level.labels, weights=offered[-1], minlength=len(level.centroids)).astype(np.int64))
    shares = equal_shares(offered[-1], target * parts)
    for level, below in zip(reversed(levels[1:]), reversed(offered[:-1]), strict=True):
        lower = np.zeros(len(below), dtype=np.int64)
        for parent, share in enumerate(shares.tolist()):
            children = np.flatnonzero(level.labels == parent)
            lower[children] = equal_shares(below[children], share)
        shares = lower
    return shares


def drawn(labels: npt.NDArray[np.int32], shares: Index, rank: npt.NDArray[np.generic]) -> npt.NDArray[np.bool_]:
    """Which members are drawn: of each cluster its share, those of the lowest rank.

    Args:
        labels: Each member's cluster.
        shares: What each cluster gives.
        rank: Of each member, such as a seeded digest: then the draw is at random and the same in any order.
    """
    mask: npt.NDArray[np.bool_] = _places_in_cluster(labels, rank) < shares[labels]
    return mask
