"""What the decisions depend on."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from prx_data.decisions.keep import DEFAULT_KEEP, Preference
from prx_data.decisions.profiles import ProfileSetting
from prx_data.decisions.rules import Rules


class Settings(BaseModel):
    """What the decisions depend on."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    rules: Rules = Rules()
    """Thresholds on single photos."""
    profile: ProfileSetting = None
    """What every photo must fulfil besides, by name, by file or as a `Profile`; None asks for nothing more."""
    duplicate_radius: Annotated[int, Field(ge=0, le=16)] | None = 4
    """Largest Hamming distance of the 64-bit perceptual hashes of near duplicates; None keeps them."""
    duplicate_color_difference: Annotated[float, Field(ge=0)] = 10.0
    """Largest colour difference (ΔE) of near duplicates, but for a line of writing over one, such as a watermark;
    beyond it two photos are colour variants."""
    duplicate_alignment: bool = True
    """Whether to look for cropped, padded, framed, mirrored and turned copies, which the hash misses, by aligning."""
    keep: tuple[Preference, ...] = DEFAULT_KEEP
    """By what the best of several copies is chosen, the most important first; what is left equal, the key decides."""
    variants: Literal["keep", "group", "drop"] = "keep"
    """Colour variants: `keep` them as products of their own, `group` them in the column `family`, or `drop` all but
    the best of each family."""
    against: str | Path | None = None
    """Photos that none to be kept may show again, such as those of an evaluation: a workspace, or anything that can be
    added to one. What shows the same is dropped from this side alone, as a `leak`."""
    embedding: str = "layout"
    """The column whose vectors are clustered: of a measure that gives unit vectors, such as `layout` or `clip`."""
    clusters: Annotated[int, Field(ge=1)] | None = None
    """Number of visual clusters; None for √(photos / 2)."""
    cluster_size: Annotated[int, Field(ge=1)] | None = None
    """Photos that a cluster has on average, instead of their number."""
    cluster_levels: Annotated[int, Field(ge=1, le=4)] = 2
    """Levels of clusters of clusters that a balanced set is drawn from."""
    balance: Annotated[int, Field(ge=1)] | None = None
    """Photos that are kept, drawn from the clusters as equally as they allow; None keeps all."""
    balance_as: Literal["verdicts", "weights"] = "verdicts"
    """How a balanced set is written: the others are dropped, or all are kept and each has its `weight`."""
    max_per_cluster: Annotated[int, Field(ge=1)] | None = None
    """Photos that one cluster gives at most; None for no limit."""
    semantic_similarity: Annotated[float, Field(gt=0, le=1)] | None = None
    """Cosine of two embeddings from which on they show the same, and the better one is kept; None keeps both."""
    semantic_variants: bool = False
    """Whether photos that show the same in other colours count as semantic duplicates too."""
    validation_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Share of the groups that is held out."""
    product_columns: tuple[str, ...] = ("product_id", "product", "sku", "item_id", "asin")
    """Metadata columns that name the product; the first that a photo has counts."""
    seed: int = 0
    """For clusters and the split."""
