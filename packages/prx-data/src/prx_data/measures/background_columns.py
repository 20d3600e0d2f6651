"""The background measure as columns (provisional)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from prx_data.decoding import Pixels


@dataclass(frozen=True, kw_only=True)
class BackgroundColumns:
    """provisional."""

    name: str = "background"
    version: str = "0"

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([("cleanliness", pa.float32()), ("background_color", pa.string()), ("background", pa.string()), ("color", pa.string()), ("fill", pa.float32())])

    def __call__(self, pixels: Pixels) -> Mapping[str, Any]:
        small = pixels[::8, ::8].astype(np.float32).mean(axis=2)
        edge = np.concatenate([small[:3].ravel(), small[-3:].ravel(), small[:, :3].ravel(), small[:, -3:].ravel()])
        return {"cleanliness": float(np.exp(-edge.std() / 20)), "background_color": "#ffffff", "background": "plain white", "color": "", "fill": 0.5}
