"""Where each photo lies among the others: its cluster, how far out, how rare; and a balanced draw from the clusters."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from prx_data.decisions.balance import drawn, find_hierarchy, leaf_shares, level_sizes
from prx_data.decisions.candidates import Candidate, Outcome
from prx_data.decisions.clusters import Clusters, Floats, Index, Rows, default_k, k_of_size
from prx_data.decisions.duplicates import matrix
from prx_data.decisions.settings import Settings
from prx_data.records import Reason
from prx_data.told import counted

_FAR_OUT = 3.0  # interquartile ranges beyond the third quartile (Tukey 1977, "Exploratory data analysis")


_PARTS = 1 << 20
"""Of a photo, in which weights are reckoned."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a photo lies."""

    cluster: int
    centroid_distance: float
    """1 − cosine to the nearest centroid, in [0, 2]."""
    outlier: bool
    """Whether that is far out: more than three interquartile ranges beyond the third quartile of all."""
    rarity: float
    """Bits: −log2 of the share of the photos that are in its cluster; 0 where all are."""
    weight: float
    """Sampling weight, 1 on average."""


def place(
    photos: Sequence[Candidate], columns: pa.Table, settings: Settings, outcome: Outcome
) -> tuple[list[Candidate], list[Place]]:
    """Cluster photos, and draw from the clusters if the settings ask for it.

    Returns:
        What is left, in the order given, and the place of each.
    """
    if not photos:
        return [], []
    embeddings = Rows(matrix(columns[settings.embedding], np.float16), np.array([one.row for one in photos]))
    count = len(photos)
    k = settings.clusters or (k_of_size(count, settings.cluster_size) if settings.cluster_size else default_k(count))
    sizes = level_sizes(min(k, count), settings.cluster_levels)
    levels = find_hierarchy(embeddings, sizes if settings.balance else sizes[:1], seed=settings.seed)
    leaves, target, cap = levels[0], settings.balance or count, settings.max_per_cluster
    if settings.balance_as == "weights":
        return list(photos), _places(leaves, leaf_shares(levels, target, cap=cap, parts=_PARTS))
    places, shares = _places(leaves, leaves.sizes), leaf_shares(levels, target, cap=cap)
    mask = drawn(leaves.labels, shares, _ranks(photos, settings.seed))
    for one, at, kept in zip(photos, places, mask.tolist(), strict=True):
        if not kept:
            size, share = int(leaves.sizes[at.cluster]), int(shares[at.cluster])
            text = f"Cluster {at.cluster} has {counted(size, 'photo')}, and a balanced set takes {share:,} of them."
            outcome.drop(one.key, one.origin, Reason.BALANCE, text)
    rows = np.flatnonzero(mask).tolist()
    return [photos[row] for row in rows], [places[row] for row in rows]


def _ranks(photos: Sequence[Candidate], seed: int) -> npt.NDArray[np.uint64]:
    """A random order that depends on the keys and the seed alone."""
    digests = b"".join(hashlib.blake2b(f"{seed} {one.key}".encode(), digest_size=8).digest() for one in photos)
    return np.frombuffer(digests, dtype=np.uint64)


def _places(leaves: Clusters, shares: Index) -> list[Place]:
    """As columns; weights are such that a cluster is drawn as often as its share, of all shares."""
    sizes, labels = leaves.sizes, leaves.labels
    distance = np.round(1 - leaves.similarity.astype(np.float64), 4)
    weights = (shares / sizes)[labels]
    rows = zip(
        labels.tolist(),
        distance.tolist(),
        far_out(distance).tolist(),
        np.round(-np.log2(sizes / len(labels)), 3)[labels].tolist(),
        (weights / weights.mean()).tolist(),
        strict=True,
    )
    return [
        Place(cluster=cluster, centroid_distance=far, outlier=out, rarity=abs(rare), weight=weight)
        for cluster, far, out, rare, weight in rows
    ]


def far_out(distances: npt.NDArray[np.float64] | Floats) -> npt.NDArray[np.bool_]:
    """Which distances are outliers: above the upper outer fence of Tukey."""
    low, high = np.quantile(distances, (0.25, 0.75))
    mask: npt.NDArray[np.bool_] = distances > high + _FAR_OUT * max(high - low, 1e-3)
    return mask
