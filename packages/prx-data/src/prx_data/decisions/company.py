"""Which of many unit vectors are near any other of them: most are near none, and nothing more is to be asked of those.

Vectors are compared by few of their components. In any orthonormal basis, p being a vector's first components and r the
norm of the rest, a · b ≤ p · p' + r r' (Cauchy and Schwarz), which is the product of (p, r) and (p', r'). With the
directions first along which the vectors are longest, a quarter of the components tells nearly all pairs apart, and only
what they cannot tell apart is compared in full. So no pair is missed.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from prx_data.decisions.clusters import Floats, Index, Vectors

_COMPONENTS = 128
_SAMPLE = 20_000  # vectors that the directions are taken from
_ROUNDING = 1e-5  # of a cosine in float32, which depends on what else is multiplied with it
_HALF_ROUNDING = 2e-3  # of a product of short vectors in float16, and of norms that are 1 only nearly


@dataclass(frozen=True, kw_only=True)
class Company:
    """Finds who is near to somebody. Vectors go by their place in an order; arrays of places are ascending."""

    embeddings: Vectors
    """Shape (n, dimensions), rows of norm 1; may be memory-mapped."""
    order: Index
    """Position of each place."""
    least: float
    """Cosine from which on two are near, in (0, 1]."""
    block: int
    """Vectors that are compared with as many others at a time."""

    def find(self, cells: Iterable[tuple[Index, Index]]) -> Index:
        """The places of those that are near another one; some more where a cosine is `least` but for rounding.

        Neighbours in the order are compared first, as of a crowd all have company after that: it is then compared with
        those that have none so far, not with itself.

        Args:
            cells: The members of each cell, and the guests that they are compared with besides. Each place is a member
                of one cell; of two that are near and in two cells, one is a guest in the other's.
        """
        short = self._shortened()
        met = np.zeros(len(self.order), dtype=bool)
        for members, guests in cells:
            for part in self._blocks(members):
                self._meet(short, part, part, met)
            crowd, alone = members[met[members]], members[~met[members]]
            for end, part in enumerate(self._blocks(alone), 1):
                if len(members) > self.block:  # in other blocks than before
                    self._meet(short, part, part, met)
                self._meet(short, part, np.concatenate([alone[end * self.block :], crowd, guests]), met)
            lonely = guests[~met[guests]]
            for part in self._blocks(crowd):
                self._meet(short, part, lonely, met)
        return np.flatnonzero(met)

    def _meet(self, short: npt.NDArray[np.float16], part: Index, others: Index, met: npt.NDArray[np.bool_]) -> None:
        """Mark those of a block and of others that are near each other; a block may meet itself."""
        limit, few = self.least - _HALF_ROUNDING, short[part].astype(np.float32).T
        for rest in self._blocks(others):
            bounds = short[rest].astype(np.float32) @ few
            if others is part:
                np.fill_diagonal(bounds, -1)
            if bounds.max() < limit:
                continue
            one, other = rest[bounds.max(axis=1) >= limit], part[bounds.max(axis=0) >= limit]
            near = self._vectors(one) @ self._vectors(other).T >= self.least - _ROUNDING
            near &= one[:, None] != other
            met[one[near.any(axis=1)]] = met[other[near.any(axis=0)]] = True

    def _shortened(self) -> npt.NDArray[np.float16]:
        """Some components and the norm of the rest: shape (n, components + 1), in the order."""
        sample = self._vectors(np.arange(0, len(self.order), 1 + len(self.order) // _SAMPLE))
        # Of ascending lengths along them; the last ones are the longest.
        basis = np.linalg.eigh(sample.T @ sample)[1][:, ::-1][:, :_COMPONENTS]
        short = np.empty((len(self.order), basis.shape[1] + 1), dtype=np.float16)
        for part in self._blocks(np.arange(len(self.order))):
            vectors = self._vectors(part)
            components = vectors @ basis
            rest = np.square(vectors).sum(axis=1) - np.square(components).sum(axis=1)
            short[part] = np.column_stack([components, np.sqrt(np.maximum(rest, 0))])
        return short

    def _blocks(self, places: Index) -> Iterator[Index]:
        for start in range(0, len(places), self.block):
            yield places[start : start + self.block]

    def _vectors(self, places: Index) -> Floats:
        return np.asarray(self.embeddings[self.order[places]], dtype=np.float32)
