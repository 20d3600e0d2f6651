"""Which scores the report is looked along: those that rules look at, others that tell much, and a profile's."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from prx_data.decisions.profiles import Profile
from prx_data.decisions.rules import Rules


@dataclass(frozen=True, kw_only=True)
class Score:
    """A column with what looks at it."""

    column: str
    rule: str | None = None
    """The field of `Rules`; None where only a profile's check could look at it."""
    drops_above: bool = False
    """Whether large values are the bad ones."""
    title: str
    axis: str
    """What the number is, with its unit."""
    digits: int
    """Decimals that are shown."""
    folded: bool = False
    """Whether it is shown only where one asks for it."""


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
        drops_above=True,
        title="How much of the frame is white",
        axis="share of the frame that is nearly white",
        digits=3,
    ),
    Score(
        column="text_share",
        rule="max_text_share",
        drops_above=True,
        title="How much of the frame is text",
        axis="share of the frame under text, print on the product included",
        digits=3,
    ),
    Score(
        column="nsfw",
        rule="max_nsfw",
        drops_above=True,
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
    Score(
        column="aspect_ratio",
        rule="max_aspect_ratio",
        drops_above=True,
        title="How long and narrow they are",
        axis="longer side by shorter side",
        digits=2,
        folded=True,
    ),
    Score(
        column="whiteness",
        drops_above=True,
        title="How far the backgrounds are from white",
        axis="ΔE of the background's own colour from white",
        digits=1,
        folded=True,
    ),
    Score(
        column="purity",
        title="How much of the border is background",
        axis="share of the border that is background",
        digits=3,
        folded=True,
    ),
    Score(
        column="unevenness",
        drops_above=True,
        title="How uneven the backgrounds are",
        axis="largest change of the background across the frame (ΔE)",
        digits=1,
        folded=True,
    ),
    Score(
        column="fill",
        title="How much of the frame the product covers",
        axis="share of the frame that the product covers",
        digits=2,
        folded=True,
    ),
    Score(
        column="doubt",
        drops_above=True,
        title="How unsure the mask is",
        axis="share of the subject that depends on the mask's tolerance",
        digits=2,
        folded=True,
    ),
    Score(
        column="overlay",
        drops_above=True,
        title="How much writing lies on the background",
        axis="share of the picture under writing on the background",
        digits=4,
        folded=True,
    ),
    Score(
        column="detached",
        drops_above=True,
        title="How much lies beside the product",
        axis="share of the picture under things apart from the product",
        digits=4,
        folded=True,
    ),
    Score(
        column="parts",
        drops_above=True,
        title="In how many parts they are",
        axis="large things that empty ground divides",
        digits=0,
        folded=True,
    ),
    Score(
        column="inset",
        drops_above=True,
        title="How surely they are set into a plain frame",
        axis="share of straight inner edges",
        digits=2,
        folded=True,
    ),
    Score(
        column="effective_resolution",
        title="How much of their size holds detail",
        axis="share of the nominal resolution per side",
        digits=2,
        folded=True,
    ),
    Score(
        column="jpeg_quality",
        title="How little they are compressed",
        axis="JPEG quality (1 to 100; other formats have none)",
        digits=0,
        folded=True,
    ),
)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A score with the limits that hold now."""

    score: Score
    rule: float | None = None
    """That of the rule."""
    check: float | None = None
    """That of the profile's check."""

    @property
    def current(self) -> tuple[float, ...]:
        """The rule's and the check's, where there are any."""
        return tuple(float(one) for one in (self.rule, self.check) if one is not None)


def asked_of(rules: Rules, profile: Profile | None) -> list[Asked]:
    """The scores with their limits; a profile's checks of other columns, or from the other side, come with them.

    Args:
        rules: The thresholds that photos are judged by.
        profile: What they must fulfil besides, if anything.
    """
    checks = dict(_limits(profile))
    known = [
        Asked(
            score=one,
            rule=getattr(rules, one.rule) if one.rule else None,
            check=checks.pop((_ALIASES.get(one.column, one.column), one.drops_above), None),
        )
        for one in SCORES
    ]
    others = [Asked(score=_score_of(column, above), check=limit) for (column, above), limit in checks.items()]
    first = [one for one in known if not one.score.folded]
    checked = [one for one in known if one.score.folded and one.check is not None]
    return [*first, *checked, *others, *(one for one in known if one.score.folded and one.check is None)]


_ALIASES = {"side": "short_side"}
_TITLES = {
    "long_side": ("How large they are on the longer side", "longer side (pixels)"),
    "fill_side": ("How large the product is", "longer side of the product as a share of the frame's"),
    "sides_touched": ("How far the product is cut off", "sides of the frame that the product touches"),
    "frame": ("How much of the frame is bars", "share of the frame under bars and frames"),
    "collage": ("How surely they are several pictures", "share of the straightest line that is a step in colour"),
    "text_beside": ("How much text is laid over the picture", "share of the frame under text, the product's left out"),
}
"""Title and axis of others that the profiles of the package check."""


def _limits(profile: Profile | None) -> Iterable[tuple[tuple[str, bool], float]]:
    for one in profile.checks if profile else ():
        if one.min is not None:
            yield (one.column, False), one.min
        if one.max is not None:
            yield (one.column, True), one.max


def _score_of(column: str, above: bool) -> Score:
    """Of a column that only the profile knows of, or that it looks at from the other side."""
    for one in SCORES:
        if _ALIASES.get(one.column, one.column) == column:
            return replace(one, rule=None, drops_above=above, folded=True)
    words = column.replace("_", " ")
    title, axis = _TITLES.get(column, (words.capitalize(), words))
    return Score(column=column, drops_above=above, title=title, axis=axis, digits=3, folded=True)


def with_derived(columns: pa.Table) -> pa.Table:
    """The columns, and what is told by width and height."""
    short = pc.min_element_wise(columns["width"], columns["height"])
    long = pc.max_element_wise(columns["width"], columns["height"])
    ratio = pc.divide(pc.cast(long, pa.float64()), pc.cast(short, pa.float64()))
    derived = {"side": short, "short_side": short, "long_side": long, "aspect_ratio": ratio}
    for name, values in derived.items():
        columns = columns.append_column(name, values)
    return columns


def shown(asked: Sequence[Asked], columns: pa.Table) -> list[Asked]:
    """Those that were measured; a folded one that is the same for all photos and that nothing looks at is left out."""
    there = [one for one in asked if one.score.column in columns.column_names]
    return [
        one
        for one in there
        if not one.score.folded or one.current or pc.count_distinct(columns[one.score.column]).as_py() > 1
    ]
