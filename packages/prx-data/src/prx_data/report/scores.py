"""Scores to look along: how they are distributed, photos in their order, and what each threshold would drop."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from prx_data.decisions.profiles import Profile
from prx_data.decisions.rules import Rules
from prx_data.progress import tracked
from prx_data.records import Status
from prx_data.report.figures import histogram
from prx_data.report.pictures import Block, Pictures, sample
from prx_data.report.score_list import Asked, Score, asked_of, shown, with_derived
from prx_data.told import counted

_QUANTILES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9)  # at most 12 with those now: pages style 12
_FEW_QUANTILES = (0.01, 0.05, 0.2, 0.5, 0.9)  # of scores that are folded away, which shall not swell the page
_SHOWN, _FEW_SHOWN = 4, 2
"""Photos between two thresholds."""


def score_blocks(pictures: Pictures, columns: pa.Table, rules: Rules, profile: Profile | None = None) -> list[Block]:
    """A histogram and an explorer for each measured score; of all photos that could be read, dropped too.

    Those that rules look at stand under headings of their own, the others are folded, those that the profile checks
    first.
    """
    table = with_derived(columns)
    readable = table.filter(pc.equal(table["status"], Status.OK))
    asked = shown(asked_of(rules, profile), readable)
    rows = readable.select(sorted({"key", *(one.score.column for one in asked)})).to_pylist()
    origins = {one.key: one.origin for one in pictures.verdicts.values() if one.key is not None}
    blocks: list[Block] = []
    folds: list[Block] = []
    for one in tracked(asked, "report: scores", unit="score"):
        # A photo whose measuring failed has no value, and one that has left the source no origin.
        values = {
            origins[row["key"]]: float(row[one.score.column])
            for row in rows
            if row[one.score.column] is not None and row["key"] in origins
        }
        if not values:
            continue
        name = profile.name if profile else ""
        inside = _explorer(pictures, one, values, name)
        if one.score.folded:
            mark = f" (checked by {name})" if one.check is not None else ""
            folds.append({"kind": "fold", "label": f"{one.score.title}{mark}", "blocks": inside})
        else:
            blocks += [{"kind": "heading", "level": 2, "text": one.score.title}, *inside]
    if folds:
        blocks += [{"kind": "heading", "level": 2, "text": "Along other scores"}, *folds]
    return blocks


def thresholds(score: Score, values: Sequence[float], current: Sequence[float]) -> list[float]:
    """Where it is worth asking what would be dropped: rounded quantiles and those now, few photos to many."""
    quantiles = _FEW_QUANTILES if score.folded else _QUANTILES
    shares = [1 - one for one in quantiles] if score.drops_above else quantiles
    asked = {round(float(one), score.digits) for one in np.quantile(values, shares)}
    return sorted(asked | set(current), reverse=score.drops_above)


def _explorer(pictures: Pictures, asked: Asked, values: dict[str, float], profile: str) -> list[Block]:
    score, ordered = asked.score, sorted(values.values())
    limits = thresholds(score, ordered, asked.current)
    items: list[Block] = []
    for number, origins in enumerate(_between(pictures, score, values, limits)):
        labels = {one: f"{values[one]:.{score.digits}f}" for one in origins}
        items += [{**item, "step": number} for item in pictures.items(origins, labels, {})]
    now = asked.current[0] if asked.current else None
    options = [
        {"label": f"{limit:.8g}", "text": _said(score, ordered, limit), "current": limit == now} for limit in limits
    ]
    return [
        {
            "kind": "figure",
            "caption": f"{counted(len(values), 'photo')} that could be read; {_now(asked, profile)}.",
            "image": histogram(ordered, threshold=now, label=score.axis, drops_above=score.drops_above),
            "alt": f"Histogram of the score: {score.axis}",
        },
        {
            "kind": "score",
            "caption": f"Choose {_what(score)} to see what it would "
            f"{'drop' if score.rule else 'fail'} by itself; photos in the order of the score.",
            "options": options,
            "items": items,
        },
    ]


def _what(score: Score) -> str:
    if score.rule:
        return f"a {score.rule}"
    return f"a {'max' if score.drops_above else 'min'} of a profile's check of {score.column}"


def _now(asked: Asked, profile: str) -> str:
    """What looks at it now."""
    parts = []
    if asked.score.rule:
        parts.append(f"{asked.score.rule} is off" if asked.rule is None else f"{asked.score.rule} = {asked.rule:g}")
    if asked.check is not None:
        parts.append(f"{profile} asks for {'max' if asked.score.drops_above else 'min'} = {asked.check:g}")
    return f"now {' and '.join(parts)}" if parts else "nothing looks at it now"


def _between(pictures: Pictures, score: Score, values: dict[str, float], limits: Sequence[float]) -> list[list[str]]:
    """A few photos below the first limit, between each two, and beyond the last, from bad to good."""
    most = _FEW_SHOWN if score.folded else _SHOWN
    sign = -1.0 if score.drops_above else 1.0
    edges = [sign * one for one in limits]
    found: list[list[str]] = [[] for _ in range(len(edges) + 1)]
    for origin, value in values.items():
        found[bisect_right(edges, sign * value)].append(origin)
    return [sorted(sample(origins, pictures.verdicts, most), key=lambda one: sign * values[one]) for origins in found]


def _said(score: Score, ordered: Sequence[float], limit: float) -> str:
    number = len(ordered) - bisect_right(ordered, limit) if score.drops_above else bisect_left(ordered, limit)
    found = f"{number:,} of {counted(len(ordered), 'photo')}, {number / len(ordered):.1%}."
    if score.rule:
        return f"{score.rule} = {limit:.8g} would drop {found}"
    return f"A check of {score.column} with {'max' if score.drops_above else 'min'} = {limit:.8g} would fail {found}"
