"""Semantic duplicates: of near embeddings the best is kept, inside clusters and across the borders between them.

SemDeDup (Abbas et al. 2023, arXiv 2303.09540) compares the members of each cluster with each other, and misses pairs
that a border between two clusters divides. Here a vector is also compared with the members of every cluster whose
border it lies near to: if two unit vectors are at most δ apart and in two clusters, one of them lies within δ / 2 of
the plane between the two centroids. So no pair is missed, and few clusters have to be looked into.

Most vectors are near no other, which is found out first, cluster by cluster: they are kept, and stand for none. Pairs
of the others are not listed: a crowd of n near vectors has n² / 2. The better half is decided first, what it keeps is
compared with the worse half, and what is then left of that is decided; each half in the same way, down to a few vectors
that are decided one by one. So a vector is compared with keepers, and what is stored is one row for each that is
dropped.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from prx_data.decisions.clusters import Clusters, Floats, Index, Vectors
from prx_data.decisions.company import Company
from prx_data.decisions.groups import Alike, agreeing

_BLOCK = 1024
_CHUNK = 1 << 17  # pairs whose likeness is asked for at a time
_HELD = 1 << 27  # bytes of vectors that are held as float32 at a time
_LEAF = 256  # vectors that are decided one by one
_READING, _LOOKING = 50, 1000  # cosines that cost as much as reading a vector, and as looking into a cluster
_SLACK = 1e-3  # of float16 components and of norms that are 1 only nearly


@dataclass(frozen=True, kw_only=True)
class SemanticDuplicates:
    """Vectors that another one stands for: one row each, ordered by position."""

    position: Index
    keeper: Index
    """Position of the one that is kept in its stead."""
    similarity: Floats
    """Cosine of the two."""


def semantic_duplicates(
    embeddings: Vectors,
    clusters: Clusters,
    least: float,
    *,
    preference: Index | None = None,
    alike: Alike | None = None,
    across: bool = True,
    block: int = _BLOCK,
) -> SemanticDuplicates:
    """Each vector that a better one, which is kept, stands for.

    Positions are visited in order of preference: one that no kept position reaches is kept, any other goes to the
    reaching keeper with the best preference. So groups do not chain: every member is near its keeper, and no two
    keepers are near each other. Memory does not depend on how alike they are: some 60 · block² bytes, 128 MB of vectors
    as float32, and for each vector some 60 bytes and a bit for each cluster.

    Args:
        embeddings: Shape (n, dimensions), rows of norm 1; may be memory-mapped.
        clusters: Their clusters, each vector in that of its nearest centroid.
        least: Cosine from which on one vector reaches another, in (0, 1].
        preference: The positions, best first; by default in their order.
        alike: A further condition on pairs of positions that are near, symmetric; by default there is none.
        across: Whether to look across borders too; without, pairs that a border divides are missed.
        block: Vectors that are compared with as many others at a time; what is found does not depend on it.
    """
    order = np.arange(len(embeddings)) if preference is None else np.asarray(preference, dtype=np.int64)
    borders = _borders(embeddings, order, clusters, least, block) if across else None
    search = _Search(
        embeddings=embeddings,
        order=order,
        labels=clusters.labels[order],
        borders=borders,
        visits=0 if borders is None else sum(int(np.bitwise_count(row).sum()) for row in borders) / max(1, len(order)),
        cells=len(clusters.centroids),
        least=least,
        alike=alike,
        block=block,
        keeper=np.arange(len(order)),
        similarity=np.ones(len(order), dtype=np.float32),
    )
    search.decide(search.in_company())
    dropped = np.flatnonzero(search.keeper != np.arange(len(order)))
    dropped = dropped[np.argsort(order[dropped])]
    return SemanticDuplicates(
        position=order[dropped], keeper=order[search.keeper[dropped]], similarity=search.similarity[dropped]
    )


@dataclass(kw_only=True)
class _Search:
    """What is known while it is decided. Vectors go by their rank, 0 for the best; arrays of ranks are ascending."""

    embeddings: Vectors
    order: Index
    """Position of each rank."""
    labels: npt.NDArray[np.int32]
    borders: npt.NDArray[np.uint8] | None
    """See `_borders`."""
    visits: float
    """Clusters whose border a vector is near to, on average."""
    cells: int
    least: float
    alike: Alike | None
    block: int
    keeper: Index
    """Rank of the best keeper that reaches each, so far; its own if none does."""
    similarity: Floats
    """Cosine with it."""
    held: tuple[Index, Floats] | None = None
    """Some ranks and their vectors, while these are decided."""

    def in_company(self) -> Index:
        """Those that another one is near to, whatever `alike` says."""
        everybody = np.arange(len(self.order))
        company = Company(embeddings=self.embeddings, order=self.order, least=self.least, block=self.block)
        members = self._members(everybody, everybody[:0])
        return company.find((own, self._guests(cell, everybody)) for cell, own, _ in members)

    def decide(self, ranks: Index) -> None:
        """Find the keepers among some that nothing better reaches than they are."""
        if self.held is None and 4 * len(ranks) * self.embeddings.shape[1] <= _HELD:
            self.held = ranks, self._vectors(ranks)
            self.decide(ranks)
            self.held = None
        elif len(ranks) <= min(self.block, _LEAF):
            self._decide_one_by_one(ranks)
        else:
            better, worse = ranks[: len(ranks) // 2], ranks[len(ranks) // 2 :]
            self.decide(better)
            self._reach(self._kept(better), worse)
            self.decide(self._kept(worse))

    def _kept(self, ranks: Index) -> Index:
        kept: Index = ranks[self.keeper[ranks] == ranks]
        return kept

    def _decide_one_by_one(self, ranks: Index) -> None:
        """As it is defined: each that is kept takes with it what it reaches."""
        vectors = self._vectors(ranks)
        cosines = vectors @ vectors.T
        near = np.triu(cosines >= self.least, 1)
        if self.borders is None:
            near &= self.labels[ranks][:, None] == self.labels[ranks]
        is_open = np.ones(len(ranks), dtype=bool)
        for row in np.flatnonzero(near.any(axis=1)).tolist():
            if is_open[row]:
                reached = np.flatnonzero(near[row] & is_open)
                reached = reached[self._agree(np.broadcast_to(ranks[row], reached.shape), ranks[reached])]
                is_open[reached] = False
                self.keeper[ranks[reached]] = ranks[row]
                self.similarity[ranks[reached]] = cosines[row, reached]

    def _reach(self, kept: Index, rest: Index) -> None:
        """Set the keepers of those in `rest`, all of which are worse, that one in `kept` reaches.

        All are compared with all where going through the clusters would take longer.
        """
        pairs, vectors = len(kept) * len(rest), len(kept) + len(rest)
        reading = _READING * (1 + self.visits) * vectors + _LOOKING * self.cells
        if pairs <= reading + pairs * (1 + 2 * self.visits) / self.cells:
            self._compare(kept, rest)
            return
        for cell, members, others in self._members(kept, rest):
            inside, guests = self._guests(cell, kept), self._guests(cell, rest)
            if len(members) and len(others) + len(guests):
                self._compare(members, np.concatenate([others, guests]))
            if len(inside) and len(others):
                self._compare(inside, others)

    def _members(self, kept: Index, rest: Index) -> Iterator[tuple[int, Index, Index]]:
        """Each cluster with its members of both."""
        parts = []
        for ranks in (kept, rest):
            labels = self.labels[ranks]
            ends = np.cumsum(np.bincount(labels, minlength=self.cells))
            parts.append(np.split(ranks[np.argsort(labels, kind="stable")], ends[:-1]))
        for cell, (members, others) in enumerate(zip(*parts, strict=True)):
            if len(members) + len(others):
                yield cell, members, others

    def _guests(self, cell: int, ranks: Index) -> Index:
        """Those near the border to the cluster."""
        if self.borders is None or not len(ranks):
            return np.empty(0, dtype=np.int64)
        first = int(ranks[0]) // 8
        bits = np.unpackbits(self.borders[cell, first : int(ranks[-1]) // 8 + 1])
        near: Index = ranks[bits[ranks - 8 * first].view(bool)]
        return near

    def _compare(self, kept: Index, rest: Index) -> None:
        """Set the keepers of those in `rest` that a better one in `kept` reaches than any that is known."""
        for begin in range(0, len(kept), self.block):
            best = kept[begin : begin + self.block]
            rest = rest[self.keeper[rest] > best[0]]
            inside = self._vectors(best).T
            for start in range(0, len(rest), self.block):
                part = rest[start : start + self.block]
                cosines = self._vectors(part) @ inside
                near = cosines >= self.least
                if not near.any():
                    continue
                near &= best < self.keeper[part][:, None]
                if self.borders is None:
                    near &= self.labels[part][:, None] == self.labels[best]
                row, column = np.nonzero(near)
                same = self._agree(best[column], part[row])
                row, first = np.unique(row[same], return_index=True)
                column = column[same][first]
                self.keeper[part[row]] = best[column]
                self.similarity[part[row]] = cosines[row, column]

    def _agree(self, left: Index, right: Index) -> npt.NDArray[np.bool_]:
        return agreeing(self.alike, self.order[left], self.order[right], chunk=_CHUNK)

    def _vectors(self, ranks: Index) -> Floats:
        if self.held is not None:
            return self.held[1][np.searchsorted(self.held[0], ranks)]
        return np.asarray(self.embeddings[self.order[ranks]], dtype=np.float32)


def _borders(embeddings: Vectors, order: Index, clusters: Clusters, least: float, block: int) -> npt.NDArray[np.uint8]:
    """Which vectors of other clusters lie within half the largest distance of the border to each cluster.

    Returns:
        Shape (k, ⌈n / 8⌉): a bit for each rank, the first in the highest bit.
    """
    reach = np.sqrt(max(0.0, 2 - 2 * least)) / 2 + _SLACK
    centroids = clusters.centroids
    between = np.sqrt(np.maximum(2 - 2 * centroids @ centroids.T, 0))
    found = np.empty((len(centroids), -(-len(order) // 8)), dtype=np.uint8)
    step = -(-block // 8) * 8  # whole bytes
    for start in range(0, len(order), step):
        positions = order[start : start + step]
        labels = clusters.labels[positions]
        cosines = np.asarray(embeddings[positions], dtype=np.float32) @ centroids.T
        # The plane between two unit centroids a and b goes through the origin, and a - b is its normal.
        near = cosines[np.arange(len(labels)), labels][:, None] - cosines <= reach * between[labels] + _SLACK
        near[np.arange(len(labels)), labels] = False
        found[:, start // 8 : start // 8 + step // 8] = np.packbits(near.T, axis=1)
    return found
