"""Visual clusters: spherical k-means by faiss, seeded, the same on every run and for any order of the vectors."""

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from prx_data.errors import ConfigError
from prx_data.progress import tracked

Floats = npt.NDArray[np.float32]
Index = npt.NDArray[np.int64]

_ITERATIONS = 25
_SAMPLED = 256  # vectors for each centroid that k-means is trained on, as faiss takes
_BLOCK = 16_384


class Vectors(Protocol):
    """Shape (n, dimensions), rows of norm 1; float16 or float32: an array, memory-mapped or not, or `Rows` of one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Vectors and dimensions."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the components."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> npt.NDArray[np.floating]:
        """Some rows, by a slice or by their numbers."""


class Rows:
    """Some rows of a matrix, which are copied when they are asked for, and not before."""

    def __init__(self, whole: Vectors, rows: Index) -> None:
        self._whole, self._rows = whole, rows
        self.shape = (len(rows), *whole.shape[1:])
        self.dtype = whole.dtype

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, rows: Any, /) -> npt.NDArray[np.floating]:
        return self._whole[self._rows[rows]]


@dataclass(frozen=True, kw_only=True)
class Clusters:
    """n vectors in k clusters, the largest first."""

    labels: npt.NDArray[np.int32]
    """Each vector's cluster, in [0, k); shape (n,)."""
    centroids: Floats
    """Unit vectors of shape (k, dimensions)."""
    similarity: Floats
    """Each vector's cosine with its centroid, which is the nearest; shape (n,)."""

    @property
    def sizes(self) -> Index:
        """Members of each cluster; shape (k,)."""
        return np.bincount(self.labels, minlength=len(self.centroids))


def default_k(count: int) -> int:
    """√(n / 2), at least 1 and at most 1,000: clusters of a size that a person can look through."""
    return max(1, min(1000, round(math.sqrt(count / 2))))


def k_of_size(count: int, size: int) -> int:
    """The number of clusters that have `size` members on average, at least 1."""
    return max(1, round(count / size))


def cluster(embeddings: Vectors, k: int | None = None, *, seed: int = 0) -> npt.NDArray[np.int32]:
    """Cluster unit vectors by spherical k-means: the labels of `find_clusters`.

    Args:
        embeddings: Shape (n, dimensions), rows of norm 1.
        k: Number of clusters, in [1, n]; None for `default_k`.
        seed: For the initial centroids.

    Returns:
        int32 of shape (n,): cluster numbers from 0, the largest cluster first.

    Raises:
        ConfigError: `k` is out of range, or a vector holds NaN or infinity.
    """
    return find_clusters(embeddings, k, seed=seed).labels


def find_clusters(embeddings: Vectors, k: int | None = None, *, seed: int = 0) -> Clusters:
    """As `cluster`, with the centroids. Clusters without a member are left out.

    Vectors are taken in the order of a digest of each, so that neither the result nor what large sets are sampled down
    to for training depends on the order they are given in.
    """
    count = len(embeddings)
    wanted = default_k(count) if k is None else k
    if not 1 <= wanted <= max(count, 1):
        raise ConfigError(f"clusters = {wanted} must lie between 1 and the number of photos, {count}.")
    if count == 0:
        none = np.empty(0, dtype=np.float32)
        return Clusters(labels=np.empty(0, dtype=np.int32), centroids=none.reshape(0, 1), similarity=none)
    for start in range(0, count, _BLOCK):
        wrong = ~np.isfinite(embeddings[start : start + _BLOCK]).all(axis=1)
        if wrong.any():
            row = start + int(wrong.argmax())
            raise ConfigError(f"embeddings[{row}] is wrong: it holds NaN or infinity, and vectors should have norm 1.")
    order = content_order(embeddings)
    centroids = trained(embeddings, order, wanted, seed=seed)
    return assigned(embeddings, centroids, order)


def trained(embeddings: Vectors, rows: Index, k: int, *, seed: int = 0) -> Floats:
    """Unit centroids of shape (k, dimensions) that k-means finds for some of the vectors.

    Args:
        embeddings: Shape (n, dimensions).
        rows: Which of them, in the order of `content_order`, so that the first are as good as drawn: k-means takes no
            more than 256 for each centroid, and no more are read into memory.
        k: Centroids.
        seed: For the initial ones.
    """
    import faiss

    rows = rows[: _SAMPLED * k]
    sample = np.empty((len(rows), embeddings.shape[1]), dtype=np.float32)
    for start in range(0, len(rows), _BLOCK):
        sample[start : start + _BLOCK] = embeddings[rows[start : start + _BLOCK]]
    kmeans = faiss.Kmeans(
        sample.shape[1], k, niter=_ITERATIONS, seed=seed, spherical=True, min_points_per_centroid=1, verbose=False
    )
    kmeans.train(sample)
    return np.asarray(kmeans.centroids, dtype=np.float32)


def assigned(embeddings: Vectors, centroids: Floats, order: Index) -> Clusters:
    """Each vector with its nearest centroid; `order` breaks ties between clusters of one size."""
    import faiss

    index = faiss.IndexFlatIP(centroids.shape[1])
    index.add(centroids)
    nearest, similarity = np.empty(len(embeddings), dtype=np.int64), np.empty(len(embeddings), dtype=np.float32)
    for start in tracked(range(0, len(embeddings), _BLOCK), "assigning to clusters", unit="block"):
        part = slice(start, start + _BLOCK)
        found, where = index.search(np.ascontiguousarray(embeddings[part], dtype=np.float32), 1)
        similarity[part], nearest[part] = found[:, 0], where[:, 0]
    used, first, sizes = np.unique(nearest[order], return_index=True, return_counts=True)
    largest = np.lexsort((first, -sizes))
    renumbered = np.zeros(len(centroids), dtype=np.int32)
    renumbered[used[largest]] = np.arange(len(used), dtype=np.int32)
    return Clusters(labels=renumbered[nearest], centroids=centroids[used[largest]], similarity=similarity)


def content_order(embeddings: Vectors) -> Index:
    """Positions of the vectors, ordered by a digest of each: as good as shuffled, and the same in any order.

    The digest is the sum of the components' bits times odd numbers of 64 bits, modulo 2**64 (multilinear hashing:
    Lemire and Kaser 2014, "Strongly universal string hashing is fast").
    """
    bits = {2: np.uint16, 4: np.uint32, 8: np.uint64}[embeddings.dtype.itemsize]
    factors = np.random.default_rng(0).integers(0, 2**63, embeddings.shape[1], dtype=np.uint64) * np.uint64(2)
    factors += np.uint64(1)
    digests = np.empty(len(embeddings), dtype=np.uint64)
    for start in range(0, len(embeddings), 1024):
        part = np.ascontiguousarray(embeddings[start : start + 1024]).view(bits)
        digests[start : start + 1024] = (part.astype(np.uint64) * factors).sum(axis=1, dtype=np.uint64)
    return np.argsort(digests, kind="stable")
