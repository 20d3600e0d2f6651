"""The small pictures that copies are verified on, as arrays."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from prx_data.decisions.turns import Turns, turned

Floats = npt.NDArray[np.float32]
Index = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Thumbnails:
    """What is stored of n pictures' contents."""

    aspect: Floats
    """Width / height of the content in pixels, shape (n,)."""
    lightness: npt.NDArray[np.uint8]
    """L* times 2.55, shape (n, 64, 64)."""
    color: npt.NDArray[np.int8]
    """a* and b*, shape (n, 32, 32, 2)."""

    def __len__(self) -> int:
        return len(self.aspect)

    def take(self, rows: Index) -> "Thumbnails":
        """Some of the pictures."""
        return Thumbnails(aspect=self.aspect[rows], lightness=self.lightness[rows], color=self.color[rows])

    def turned(self, turns: Turns) -> "Thumbnails":
        """Each picture turned in its own way."""
        light, color = self.lightness.copy(), self.color.copy()
        for turn in np.unique(turns[turns > 0]).tolist():
            rows = turns == turn
            light[rows] = turned(self.lightness[rows], turn)
            color[rows] = turned(self.color[rows], turn)
        aspect = np.where(turns & 4, 1 / self.aspect, self.aspect).astype(np.float32)
        return Thumbnails(aspect=aspect, lightness=light, color=color)
