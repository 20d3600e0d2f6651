"""Captions as columns of the dataset, see docs/dataset-format.md."""

from typing import Any

import pyarrow as pa

from prx_data.captions.stage import PhotoCaptions
from prx_data.features import Feature, value_feature

CAPTIONS = pa.list_(
    pa.struct(
        [
            ("text", pa.string()),
            ("kind", pa.string()),
            ("source", pa.string()),
            ("prompt_version", pa.string()),
            ("weight", pa.float32()),
        ]
    )
)
CAPTIONS_FEATURE: Feature = {
    "feature": {
        **{name: value_feature("string") for name in ("text", "kind", "source", "prompt_version")},
        "weight": value_feature("float32"),
    },
    "_type": "List",
}


def caption_columns(captions: PhotoCaptions) -> dict[str, Any]:
    """One photo's values."""
    return {
        "caption": captions.default.text,
        "caption_source": captions.default.source,
        "caption_short": captions.short.text,
        "caption_failure": captions.failure,
        "captions": [vars(one) for one in captions.captions],
    }
