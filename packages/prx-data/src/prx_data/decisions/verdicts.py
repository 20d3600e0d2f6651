"""All decisions together: the columns of every photo to one verdict each, and to groups, clusters and splits."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from prx_data.decisions.candidates import Candidate, Known, Leak, Outcome
from prx_data.decisions.clustering import Place, place
from prx_data.decisions.keep import Preference
from prx_data.decisions.repeats import drop_leaks, drop_near_duplicates, drop_same_pixels, drop_variants
from prx_data.decisions.resemblance import drop_semantic_duplicates
from prx_data.decisions.rules import HOW, OPTIONAL
from prx_data.decisions.settings import Settings
from prx_data.decisions.splits import connected_groups, validation_groups
from prx_data.errors import ConfigError
from prx_data.features import says_nothing
from prx_data.progress import Step, unseen
from prx_data.records import Reason, Status, Verdict
from prx_data.told import quoted


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """What was decided."""

    verdicts: tuple[Verdict, ...]
    """One per input photo, ordered by origin."""
    kept: tuple["KeptPhoto", ...]
    """Ordered by key."""
    duplicates: tuple[tuple[str, str], ...]
    """(origin dropped as a duplicate, origin kept in its stead), ordered."""
    variants: tuple[tuple[str, str], ...]
    """Origins whose hashes are near and whose colours are not, ordered: neither is a duplicate of the other."""
    leaks: tuple[Leak, ...] = ()
    """What was dropped because another set knows it, ordered."""
    heads: tuple[tuple[str, str], ...] = ()
    """(origin dropped as a colour variant, origin kept in its stead), ordered."""

    @cached_property
    def stands_for(self) -> dict[str, str]:
        """For each photo that was dropped for another one of this set the other's origin."""
        return dict((*self.duplicates, *self.heads))

    @cached_property
    def leak_of(self) -> dict[str, Leak]:
        """Leaks by origin."""
        return {one.origin: one for one in self.leaks}


@dataclass(frozen=True, kw_only=True)
class KeptPhoto:
    """A photo that goes into the dataset."""

    key: str
    origin: str
    row: int
    """Its row in the columns."""
    metadata: dict[str, Any]
    product: str | None
    family: str | None
    """Key of the best of its colour variants, itself included; None unless they are grouped."""
    group: str
    place: Place
    split: str
    """`train` or `validation`."""


_FACTS = (
    *("status", "message", "error", "width", "height", "decoded_share", "pixel_digest"),
    *(
        "spread",
        "brightness",
        "bright_share",
        "detail",
        "cleanliness",
        "content_box",
        "overlay",
        "things",
        "uniformity",
    ),
    *("format", "mode", "jpeg_quality", "as_is"),
)
_FACTS_IF_MEASURED = ("effective_resolution", "past_quality")


STEPS = 7
"""Of `decide`."""


def decide(
    photos: pa.Table, columns: pa.Table, settings: Settings, known: Known | None = None, *, step: Step = unseen
) -> Decisions:
    """Decide about every photo. Seconds, never sees a pixel.

    Exact duplicates come first, then the rules, then leaks, then near duplicates among what is left, so that a good
    photo is never dropped in favour of one that a rule drops; then semantic duplicates, and last a balanced draw.

    Args:
        photos: One row per input photo, see `prx_data.workspace.PHOTOS_SCHEMA`.
        columns: One row per distinct key, ordered by key: `key, status, message, width, height`, the columns that
            `Rules.judge` wants, `pixel_digest`, those of `prx_data.decisions.duplicates.COLUMNS`, the embedding
            that the settings name, and `error`.
        settings: Thresholds.
        known: Photos that none may show again.
        step: Told each of the `STEPS`.

    Raises:
        ConfigError: A rule or the profile looks at a column that was not measured.
    """
    if settings.profile:
        settings.profile.require(columns.schema)
    _require_optional(settings, columns)
    if settings.embedding not in columns.column_names:
        raise ConfigError(
            f"embedding = {settings.embedding!r} was not measured: measure with a Clip of that name, or use 'layout'."
        )
    outcome = Outcome()
    step("rules")
    distinct = drop_same_pixels(_readable(photos, columns, settings, outcome), outcome)
    passed = _apply_rules(distinct, settings, outcome)
    step("leaks")
    fresh = passed if known is None else drop_leaks(passed, columns, known, settings, outcome)
    step("near duplicates")
    unique = drop_near_duplicates(fresh, columns, settings, outcome)
    step("colour variants")
    single, families = drop_variants(unique, columns, settings, outcome)
    step("semantic duplicates")
    distinct = drop_semantic_duplicates(single, columns, settings, outcome)
    step("clusters")
    kept, places = place(distinct, columns, settings, outcome)
    step("groups and splits")
    for one in kept:
        outcome.verdicts[one.origin] = Verdict(
            key=one.key, origin=one.origin, kept=True, reason=Reason.KEPT, detail="Passed every rule."
        )
    return Decisions(
        verdicts=tuple(outcome.verdicts[origin] for origin in sorted(outcome.verdicts)),
        kept=_group(kept, places, families, outcome, settings),
        duplicates=tuple(sorted(outcome.duplicates)),
        variants=tuple(sorted((a.origin, b.origin) for a, b in outcome.variants)),
        leaks=tuple(sorted(outcome.leaks)),
        heads=tuple(sorted(outcome.heads)),
    )


def _require_optional(settings: Settings, columns: pa.Table) -> None:
    """See that what the settings look at was measured.

    Raises:
        ConfigError: It was not.
    """
    missing = OPTIONAL.keys() - set(columns.column_names)
    for column in sorted(missing):
        limit = getattr(settings.rules, OPTIONAL[column])
        if limit is not None:
            raise ConfigError(f"rules.{OPTIONAL[column]} = {limit:g} needs {HOW[column]}.")
    if Preference.AESTHETIC in settings.keep and "aesthetic" in missing:
        raise ConfigError(f"'aesthetic' in keep needs {HOW['aesthetic']}.")


def _readable(photos: pa.Table, columns: pa.Table, settings: Settings, outcome: Outcome) -> list[Candidate]:
    """One `Candidate` per content that has pixels; verdicts for failures and for further files with the same bytes."""
    rows = {key: row for row, key in enumerate(columns["key"].to_pylist())}
    wanted = settings.profile.columns_in(columns.schema) if settings.profile else ()
    optional = {*OPTIONAL, *_FACTS_IF_MEASURED} & set(columns.column_names)
    facts = columns.select(sorted({*_FACTS, *optional, *wanted})).to_pylist()
    scored = settings.rules.min_aesthetic is not None or Preference.AESTHETIC in settings.keep
    seen = [settings.embedding, *(["aesthetic"] if scored else [])]
    unseen = reduce(pc.or_, [columns[name].is_null() for name in seen]).to_pylist()
    found: dict[str, list[dict[str, Any]]] = {}
    for photo in photos.select(["origin", "key", "bytes", "status", "message", "metadata"]).to_pylist():
        key, origin = photo["key"], photo["origin"]
        fact = facts[rows[key]] if key in rows else {"status": None}
        if photo["status"] != Status.OK:
            outcome.fail(key, origin, photo["status"], photo["message"])
        elif fact["status"] is None:
            outcome.fail(key, origin, Status.UNREADABLE, "it changed or vanished while it was measured")
        elif fact["status"] != Status.OK and not settings.rules.salvages(fact):
            outcome.fail(key, origin, fact["status"], fact["message"] or "")
        elif fact["error"] is not None:
            outcome.fail(key, origin, Status.MEASURE_FAILED, fact["error"])
        elif unseen[rows[key]]:
            outcome.fail(key, origin, Status.UNREADABLE, "it changed or vanished before it was embedded")
        else:
            found.setdefault(key, []).append({**photo, "metadata": json.loads(photo["metadata"])})
    return [_one_of(found[key], rows[key], facts[rows[key]], settings, outcome) for key in sorted(found)]


def _one_of(
    files: Sequence[dict[str, Any]], row: int, facts: dict[str, Any], settings: Settings, outcome: Outcome
) -> Candidate:
    """Of files with the same bytes the one that has metadata, then the first by name."""
    first, *others = sorted(files, key=lambda one: (not one["metadata"], one["origin"]))
    for other in others:
        text = f"Same bytes as {quoted(first['origin'])}."
        outcome.drop(other["key"], other["origin"], Reason.EXACT_DUPLICATE, text, duplicate_of=first["origin"])
    metadata = first["metadata"]
    return Candidate(
        key=first["key"],
        origin=first["origin"],
        row=row,
        metadata=metadata,
        bytes=first["bytes"],
        columns=facts,
        product=_product(metadata, settings.product_columns),
    )


def _product(metadata: Mapping[str, Any], columns: Sequence[str]) -> str | None:
    """The first of some columns that says something, whatever the case of its name."""
    names = {name.lower(): name for name in metadata}
    said = (metadata[names[one.lower()]] for one in columns if one.lower() in names)
    return next((str(value) for value in said if value is not None and not says_nothing(str(value))), None)


def _apply_rules(candidates: Sequence[Candidate], settings: Settings, outcome: Outcome) -> list[Candidate]:
    """The rules, then the profile; a photo that fails the profile is told all that is wrong with it."""
    passed = []
    for one in candidates:
        reason, text = settings.rules.judge(one.columns)
        failures = settings.profile.failures(one.columns) if settings.profile else ()
        if reason is not Reason.KEPT:
            outcome.drop(one.key, one.origin, reason, text)
        elif settings.profile and failures:
            text = f"Fails {settings.profile.name}: {'; '.join(failures)}."
            outcome.drop(one.key, one.origin, Reason.PROFILE, text)
        else:
            passed.append(one)
    return passed


def _group(
    kept: Sequence[Candidate],
    places: Sequence[Place],
    families: dict[str, str],
    outcome: Outcome,
    settings: Settings,
) -> tuple[KeptPhoto, ...]:
    """Split groups and splits of the kept photos."""
    position = {one.key: number for number, one in enumerate(kept)}
    first_of: dict[str, int] = {}
    links = [
        (first_of.setdefault(one.product, number), number) for number, one in enumerate(kept) if one.product is not None
    ]
    # Colour variants are one picture in two colours: to have seen one is to know the other.
    links += [
        (position[a.key], position[b.key]) for a, b in outcome.variants if a.key in position and b.key in position
    ]
    groups = connected_groups([one.key for one in kept], links)
    held_out = validation_groups(groups, settings.validation_fraction, settings.seed)
    return tuple(
        KeptPhoto(
            key=one.key,
            origin=one.origin,
            row=one.row,
            metadata=one.metadata,
            product=one.product,
            family=families.get(one.key),
            group=group,
            place=at,
            split="validation" if group in held_out else "train",
        )
        for one, group, at in zip(kept, groups, places, strict=True)
    )
