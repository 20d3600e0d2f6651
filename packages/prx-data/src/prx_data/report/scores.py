"""Scores to look along: how they are distributed, photos in their order, and what each threshold would drop."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from prx_data.decisions.rules import Rules
from prx_data.records import Status
from prx_data.report.figures import histogram
from prx_data.report.pictures import Block, Pictures, sample

_QUANTILES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9)  # at most 12 with the current: pages style 12
_SHOWN = 4
"""Photos between two thresholds."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """A column with the rule that looks at it."""

    column: str
    rule: str
    """The field of `Rules`; one that begins with `max_` drops what lies above it."""
    title: str
    axis: str
    """What the number is, with its unit."""
    digits: int
    """Decimals that are shown."""

    @property
    def drops_above(self) -> bool:
        """Whether large values are the bad ones."""
        return self.rule.startswith("max_")


SCORES = (
    Score(
        column="cleanliness",
        rule="min_cleanliness",
        title="How clean the backgrounds are",
        axis="background cleanliness (0 cluttered, 1 clean)",
        digits=2,
    ),
    Score(
        column="detail",
        rule="min_detail",
        title="How sharp the photos are",
        axis="strongest gradients (grey levels a pixel at a long side of 384)",
        digits=0,
    ),
    Score(column="side", rule="min_side", title="How large they are", axis="shorter side (pixels)", digits=0),
    Score(
        column="brightness",
        rule="min_brightness",
        title="How bright they are",
        axis="mean brightness (0 black, 1 white)",
        digits=2,
    ),
    Score(
        column="bright_share",
        rule="max_bright_share",
        title="How much of the frame is white",
        axis="share of the frame that is nearly white",
        digits=3,
    ),
    Score(
        column="text_share",
        rule="max_text_share",
        title="How much of the frame is text",
        axis="share of the frame under text, print on the product included",
        digits=3,
    ),
    Score(
        column="nsfw",
        rule="max_nsfw",
        title="How probably they are not safe for work",
        axis="probability of not being safe for work",
        digits=3,
    ),
    Score(
        column="aesthetic",
        rule="min_aesthetic",
        title="How they score aesthetically",
        axis="aesthetic score (on the scale of the head)",
        digits=2,
    ),
)


def score_blocks(pictures: Pictures, columns: pa.Table, rules: Rules) -> list[Block]:
    """A heading, a histogram and an explorer for each measured score; of all photos that could be read, dropped too."""
    table = columns.append_column("side", pc.min_element_wise(columns["width"], columns["height"]))
    readable = table.filter(pc.equal(table["status"], Status.OK))
    scores = [one for one in SCORES if one.column in table.column_names]
    rows = readable.select(["key", *(one.column for one in scores)]).to_pylist()
    origins = {one.key: one.origin for one in pictures.verdicts.values() if one.key is not None}
    blocks: list[Block] = []
    for score in scores:
        # A photo whose measuring failed has no value, and one that has left the source no origin.
        values = {
            origins[row["key"]]: float(row[score.column])
            for row in rows
            if row[score.column] is not None and row["key"] in origins
        }
        if values:
            blocks += _explorer(pictures, score, values, getattr(rules, score.rule))
    return blocks


def thresholds(score: Score, values: Sequence[float], current: float | None) -> list[float]:
    """Where it is worth asking what would be dropped: rounded quantiles and the current one, few photos to many."""
    shares = [1 - one for one in _QUANTILES] if score.drops_above else _QUANTILES
    asked = {round(float(one), score.digits) for one in np.quantile(values, shares)}
    return sorted(asked | ({float(current)} if current is not None else set()), reverse=score.drops_above)


def _explorer(pictures: Pictures, score: Score, values: dict[str, float], current: float | None) -> list[Block]:
    ordered = sorted(values.values())
    limits = thresholds(score, ordered, current)
    items: list[Block] = []
    for number, origins in enumerate(_between(pictures, score, values, limits)):
        labels = {one: f"{values[one]:.{score.digits}f}" for one in origins}
        items += [{**item, "step": number} for item in pictures.items(origins, labels, {})]
    options = [
        {
            "label": f"{limit:.8g}",
            "text": _said(score, ordered, limit),
            "current": current is not None and limit == float(current),
        }
        for limit in limits
    ]
    rule = f"now {score.rule} = {current:g}" if current is not None else f"now {score.rule} is off"
    return [
        {"kind": "heading", "level": 2, "text": score.title},
        {
            "kind": "figure",
            "caption": f"All {len(values):,} photos that could be read; {rule}.",
            "image": histogram(ordered, threshold=current, label=score.axis, drops_above=score.drops_above),
            "alt": f"Histogram of the score: {score.axis}",
        },
        {
            "kind": "score",
            "caption": f"Choose a {score.rule} to see what it would drop by itself; photos in the order of the score.",
            "options": options,
            "items": items,
        },
    ]


def _between(pictures: Pictures, score: Score, values: dict[str, float], limits: Sequence[float]) -> list[list[str]]:
    """A few photos below the first limit, between each two, and beyond the last, from bad to good."""
    sign = -1.0 if score.drops_above else 1.0
    edges = [sign * one for one in limits]
    found: list[list[str]] = [[] for _ in range(len(edges) + 1)]
    for origin, value in values.items():
        found[bisect_right(edges, sign * value)].append(origin)
    return [sorted(sample(origins, pictures.verdicts, _SHOWN), key=lambda one: sign * values[one]) for origins in found]


def _said(score: Score, ordered: Sequence[float], limit: float) -> str:
    number = len(ordered) - bisect_right(ordered, limit) if score.drops_above else bisect_left(ordered, limit)
    share = number / len(ordered)
    return f"{score.rule} = {limit:.8g} would drop {number:,} of {len(ordered):,} photos, {share:.1%}."
