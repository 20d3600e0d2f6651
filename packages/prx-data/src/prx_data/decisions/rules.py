"""Rules on single photos: thresholds on columns, each with its reason."""

from collections.abc import Collection, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from prx_data.records import Reason, Status

Share = Annotated[float, Field(ge=0, le=1)]


OPTIONAL = {"text_share": "max_text_share", "nsfw": "max_nsfw", "aesthetic": "min_aesthetic"}
"""Columns that are there if a measure was asked for, and the rule on each."""
_TEXT = (
    "a workspace that measures text (pip install 'prx-data[text]'): rules.max_text_share in curate.toml, or "
    "Workspace(..., measures=standard_measures(text=True))"
)
HOW = {
    "text_share": _TEXT,
    "text_beside": _TEXT,
    "nsfw": "a classifier: a table [nsfw], or Workspace(..., measures=[*standard_measures(), Nsfw(...)])",
    "aesthetic": "a CLIP and a head: aesthetic_head and a table [clip], or Workspace(..., "
    "measures=[*standard_measures(), clip, Aesthetic(head=..., clip=clip)])",
}
"""What it takes to measure them."""
_CHECKS = (
    ("spread", "min_spread", Reason.BLANK, "Colours spread by {:.3f}, below {:g}."),
    ("brightness", "min_brightness", Reason.TOO_DARK, "Mean brightness {:.3f} is below {:g}."),
    ("bright_share", "max_bright_share", Reason.TOO_BRIGHT, "{:.1%} of the frame is white, above {:.1%}."),
    ("detail", "min_detail", Reason.BLURRED, "The strongest gradients are {:.1f} grey levels, below {:g}."),
    (
        "cleanliness",
        "min_cleanliness",
        Reason.CLUTTERED_BACKGROUND,
        "Background cleanliness {:.2f} is below {:g}.",
    ),
    ("text_share", "max_text_share", Reason.TEXT, "{:.1%} of the frame is under text, above {:.1%}."),
    ("nsfw", "max_nsfw", Reason.NSFW, "Not safe for work with a probability of {:.3f}, above {:g}."),
    ("aesthetic", "min_aesthetic", Reason.AESTHETIC, "Aesthetic score {:.2f} is below {:g}."),
)


class Rules(BaseModel):
    """What a photo must fulfil. The defaults remove what is unusable, not what is imperfect; None is off."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    min_side: Annotated[int, Field(ge=1)] | None = 128
    """Pixels of the shorter side. Training at R pixels wants about 3/4 R."""
    max_aspect_ratio: Annotated[float, Field(ge=1)] | None = 2.5
    """Longer side by shorter side."""
    min_spread: Share | None = 0.02
    """Largest standard deviation of a colour channel over the picture, in [0, 1]; below it nothing is shown."""
    min_brightness: Share | None = 0.06
    """Mean luma, in [0, 1]."""
    max_bright_share: Share | None = 0.995
    """Share of the frame above luma 0.95: a white product on white still has edges and shadows."""
    min_detail: Annotated[float, Field(ge=0)] | None = 15.0
    """Grey levels: the strongest gradients of the picture; below it the photo is out of focus."""
    min_cleanliness: Share | None = 0.5
    """Background cleanliness; 0.5 is the boundary between plain and cluttered, None keeps every background."""
    max_text_share: Share | None = None
    """Share of the frame under text, the product's print included; looking for it takes `prx-data[text]` and time."""
    max_nsfw: Share | None = None
    """Probability of not being safe for work, by a classifier of yours, see `prx_data.measures.nsfw`."""
    min_aesthetic: float | None = None
    """Aesthetic score, on the scale of a head of yours, see `prx_data.measures.aesthetic`."""
    min_decoded_share: Share | None = None
    """Share of its rows from which on a truncated JPEG is used, cut to them; None uses no truncated photo."""

    def salvages(self, photo: Mapping[str, Any]) -> bool:
        """Whether a photo without the status OK is used all the same, by its columns `status` and `decoded_share`."""
        least = self.min_decoded_share
        return least is not None and photo["status"] == Status.TRUNCATED and photo["decoded_share"] >= max(least, 1e-9)

    def unmeasured(self, columns: Collection[str]) -> dict[str, str]:
        """The columns that there is a rule on and that are not among these, each with the name of its rule."""
        needed = {column: setting for column, setting, _, _ in _CHECKS if getattr(self, setting) is not None}
        return {column: setting for column, setting in needed.items() if column not in columns}

    def judge(self, photo: Mapping[str, Any]) -> tuple[Reason, str]:
        """The first rule that a photo breaks, in the order of `Reason`.

        Args:
            photo: The columns `width`, `height`, `spread`, `brightness`, `bright_share`, `detail`, `cleanliness`,
                and those of `OPTIONAL` that there is a rule on.

        Returns:
            The reason and one sentence with the numbers; `Reason.KEPT` if none is broken.
        """
        width, height = photo["width"], photo["height"]
        aspect = max(width, height) / min(width, height)
        if self.min_side is not None and min(width, height) < self.min_side:
            return Reason.TOO_SMALL, f"{width}×{height} px: the shorter side is below {self.min_side} px."
        if self.max_aspect_ratio is not None and aspect > self.max_aspect_ratio:
            text = f"{width}×{height} px: {aspect:.2f} to 1 is beyond {self.max_aspect_ratio:g} to 1."
            return Reason.EXTREME_ASPECT_RATIO, text
        for column, setting, reason, text in _CHECKS:
            limit = getattr(self, setting)
            if limit is None:
                continue
            value = photo[column]
            if value > limit if setting.startswith("max") else value < limit:
                return reason, text.format(value, limit)
        return Reason.KEPT, "Passed every rule."
