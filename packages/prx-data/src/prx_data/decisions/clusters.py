"""Visual clusters: k-means by faiss, seeded, the same on every run."""

import math

import numpy as np
import numpy.typing as npt

from prx_data.errors import ConfigError


def default_k(count: int) -> int:
    """√(n / 2), at least 1 and at most 1,000: clusters of a size that a person can look through."""
    return max(1, min(1000, round(math.sqrt(count / 2))))


def cluster(embeddings: npt.NDArray[np.floating], k: int | None = None, *, seed: int = 0) -> npt.NDArray[np.int32]:
    """Cluster unit vectors by spherical k-means.

    Args:
        embeddings: Shape (n, dimensions), rows of norm 1.
        k: Number of clusters, in [1, n]; None for `default_k`.
        seed: For the initial centroids.

    Returns:
        int32 of shape (n,): cluster numbers in [0, k), the largest cluster first (ties: by first member).

    Raises:
        ConfigError: `k` is out of range.
    """
    count = len(embeddings)
    wanted = default_k(count) if k is None else k
    if not 1 <= wanted <= max(count, 1):
        raise ConfigError(f"clusters = {wanted} must lie between 1 and the number of photos, {count}.")
    if count == 0:
        return np.empty(0, dtype=np.int32)
    import faiss

    vectors = np.ascontiguousarray(embeddings, dtype=np.float32)
    kmeans = faiss.Kmeans(
        vectors.shape[1], wanted, niter=25, seed=seed, spherical=True, min_points_per_centroid=1, verbose=False
    )
    kmeans.train(vectors)
    labels = kmeans.assign(vectors)[1].astype(np.int64)
    used, first, inverse, sizes = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    order = np.lexsort((first, -sizes))
    renumbered = np.empty(len(used), dtype=np.int32)
    renumbered[order] = np.arange(len(used), dtype=np.int32)
    return renumbered[inverse]
