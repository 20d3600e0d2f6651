"""Whether each sentence of a caption fits its photo better than others: by a model that embeds pictures and texts.

Cosines of one CLIP are not those of another, and a sentence that tells little has small ones with every photo. So none
is compared with a number: a sentence is held to other photos of the same pile, and it is at fault if it fits nearly all
of them better than its own. A sentence that says nothing of the photo ranks it anywhere, so that by chance it is found
at fault as often as the limit leaves room: at 0.95, one time in twenty.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from prx_data.captions.text import sentences

Floats = npt.NDArray[np.float32]
SAMPLE = 512


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """The photos' embeddings, and what embeds texts beside them."""

    keys: Sequence[str]
    """Of the photos; those that come first by alphabet are the sample that sentences are held to."""
    vectors: npt.NDArray[np.float16]
    """Unit vectors of shape (photos, D)."""
    texts: Callable[[Sequence[str]], Floats]
    """Unit vectors of texts, of shape (texts, D)."""
    sample: int = SAMPLE
    """Photos that a sentence is held to, at most."""

    def better(self, key: str, text: str) -> list[tuple[str, int, int]]:
        """How many of the sample fit each sentence of a text better than a photo does.

        Args:
            key: The photo; one without an embedding gives nothing.
            text: The caption.

        Returns:
            Each sentence, the number of other photos that fit it better, and the number of other photos.
        """
        row = self._rows.get(key)
        said = sentences(text)
        if row is None or not said:
            return []
        wanted = self.texts(said)
        others = self._sampled[1][[one != row for one in self._sampled[0]]] @ wanted.T
        own = wanted @ self.vectors[row].astype(np.float32)
        return [
            (sentence, int(number), len(others))
            for sentence, number in zip(said, (others > own).sum(axis=0).tolist(), strict=True)
        ]

    def disagreement(self, key: str, text: str, limit: float) -> str | None:
        """Why a sentence does not belong to a photo; None if all do, or if the photo has no embedding.

        Args:
            key: The photo.
            text: The caption.
            limit: Largest share of the others, counting the photo itself with them, that a sentence may fit better;
                where there are too few for a rank to mean anything, none is beyond it.
        """
        found = self.better(key, text)
        beyond = [one for one in found if one[1] > limit * (one[2] + 1)]
        if not beyond:
            return None
        sentence, number, count = max(beyond, key=lambda one: one[1])
        return f"{number:,} of {count:,} other photos fit {sentence[:60]!r} better"

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {key: row for row, key in enumerate(self.keys)}

    @cached_property
    def _sampled(self) -> tuple[list[int], Floats]:
        """Rows and vectors; keys are digests, so that the first by alphabet are as good as drawn, for any order."""
        rows = sorted(range(len(self.keys)), key=lambda row: self.keys[row])[: self.sample]
        return rows, self.vectors[rows].astype(np.float32)
