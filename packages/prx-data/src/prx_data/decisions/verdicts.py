"""All decisions together: the columns of every photo to one verdict each, and to groups, clusters and splits."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from prx_data.decisions.clusters import cluster
from prx_data.decisions.duplicates import Pairs, color_difference, hamming_pairs, keeper_groups
from prx_data.decisions.profiles import ProfileSetting
from prx_data.decisions.rules import Rules
from prx_data.decisions.splits import connected_groups, validation_groups
from prx_data.records import Reason, Status, Verdict


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
    """Largest colour difference (ΔE) of near duplicates; beyond it two photos are colour variants, and both stay."""
    clusters: Annotated[int, Field(ge=1)] | None = None
    """Number of visual clusters; None for √(photos / 2)."""
    validation_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Share of the groups that is held out."""
    product_columns: tuple[str, ...] = ("product_id", "product", "sku", "item_id", "asin")
    """Metadata columns that name the product; the first that a photo has counts."""
    seed: int = 0
    """For clusters and the split."""


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
    """Origins whose hashes are near and whose colours are not: both kept."""


@dataclass(frozen=True, kw_only=True)
class KeptPhoto:
    """A photo that goes into the dataset."""

    key: str
    origin: str
    row: int
    """Its row in the columns."""
    metadata: dict[str, Any]
    product: str | None
    group: str
    cluster: int
    split: str
    """`train` or `validation`."""


@dataclass(kw_only=True)
class _Photo:
    """One distinct content on its way through the decisions."""

    key: str
    origin: str
    row: int
    metadata: dict[str, Any]
    bytes: int
    columns: dict[str, Any]
    product: str | None = None

    @property
    def preference(self) -> tuple[Any, ...]:
        """Sorts the better photo first: more pixels, then more bytes per picture, then with metadata, then by key."""
        return (-self.columns["width"] * self.columns["height"], -self.bytes, not self.metadata, self.key)


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    """What has been decided so far."""

    verdicts: dict[str, Verdict] = field(default_factory=dict)
    duplicates: list[tuple[str, str]] = field(default_factory=list)
    variants: list[tuple[_Photo, _Photo]] = field(default_factory=list)

    def fail(self, key: str | None, origin: str, status: str, message: str) -> None:
        detail = f"{message[:1].upper()}{message[1:]}."
        self.verdicts[origin] = Verdict(key=key, origin=origin, kept=False, reason=str(status), detail=detail)

    def drop(self, key: str, origin: str, reason: Reason, detail: str, *, duplicate_of: str | None = None) -> None:
        self.verdicts[origin] = Verdict(key=key, origin=origin, kept=False, reason=reason, detail=detail)
        if duplicate_of is not None:
            self.duplicates.append((origin, duplicate_of))


_FACTS = (
    *("status", "message", "error", "width", "height", "decoded_share", "pixel_digest"),
    *("spread", "brightness", "bright_share", "detail", "cleanliness"),
)


def decide(photos: pa.Table, columns: pa.Table, settings: Settings) -> Decisions:
    """Decide about every photo. Seconds, never sees a pixel.

    Exact duplicates come first, then the rules, then near duplicates among what is left, so that a good photo is never
    dropped in favour of one that a rule drops.

    Args:
        photos: One row per input photo, see `prx_data.workspace.PHOTOS_SCHEMA`.
        columns: One row per distinct key, ordered by key: `key, status, message, width, height`, the columns that
            `Rules.judge` wants, `pixel_digest`, `phash`, `lab_grid`, the embedding `layout`, and `error`.
        settings: Thresholds.
    """
    if settings.profile:
        settings.profile.require(columns.schema)
    outcome = _Outcome()
    passed = _apply_rules(_same_pixels(_readable(photos, columns, settings, outcome), outcome), settings, outcome)
    kept = _near_duplicates(passed, columns, settings, outcome)
    for one in kept:
        outcome.verdicts[one.origin] = Verdict(
            key=one.key, origin=one.origin, kept=True, reason=Reason.KEPT, detail="Passed every rule."
        )
    return Decisions(
        verdicts=tuple(outcome.verdicts[origin] for origin in sorted(outcome.verdicts)),
        kept=_group(kept, columns, outcome, settings),
        duplicates=tuple(sorted(outcome.duplicates)),
        variants=tuple(sorted((a.origin, b.origin) for a, b in outcome.variants)),
    )


def _quoted(origin: str) -> str:
    return json.dumps(origin, ensure_ascii=False)


def _readable(photos: pa.Table, columns: pa.Table, settings: Settings, outcome: _Outcome) -> list[_Photo]:
    """One `_Photo` per content that has pixels; verdicts for failures and for further files with the same bytes."""
    rows = {key: row for row, key in enumerate(columns["key"].to_pylist())}
    wanted = settings.profile.columns if settings.profile else ()
    facts = columns.select(sorted({*_FACTS, *wanted})).to_pylist()
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
        else:
            found.setdefault(key, []).append({**photo, "metadata": json.loads(photo["metadata"])})
    return [_one_of(found[key], rows[key], facts[rows[key]], settings, outcome) for key in sorted(found)]


def _one_of(
    files: Sequence[dict[str, Any]], row: int, facts: dict[str, Any], settings: Settings, outcome: _Outcome
) -> _Photo:
    """Of files with the same bytes the one that has metadata, then the first by name."""
    first, *others = sorted(files, key=lambda one: (not one["metadata"], one["origin"]))
    for other in others:
        text = f"Same bytes as {_quoted(first['origin'])}."
        outcome.drop(other["key"], other["origin"], Reason.EXACT_DUPLICATE, text, duplicate_of=first["origin"])
    metadata = first["metadata"]
    return _Photo(
        key=first["key"],
        origin=first["origin"],
        row=row,
        metadata=metadata,
        bytes=first["bytes"],
        columns=facts,
        product=next((str(metadata[name]) for name in settings.product_columns if metadata.get(name, "") != ""), None),
    )


def _same_pixels(candidates: Sequence[_Photo], outcome: _Outcome) -> list[_Photo]:
    best: dict[str, _Photo] = {}
    for one in sorted(candidates, key=lambda one: (not one.metadata, one.preference)):
        winner = best.setdefault(one.columns["pixel_digest"], one)
        if winner is not one:
            text = f"Same pixels as {_quoted(winner.origin)}, in another file."
            outcome.drop(one.key, one.origin, Reason.EXACT_DUPLICATE, text, duplicate_of=winner.origin)
    return sorted(best.values(), key=lambda one: one.key)


def _apply_rules(candidates: Sequence[_Photo], settings: Settings, outcome: _Outcome) -> list[_Photo]:
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


def _near_duplicates(
    passed: Sequence[_Photo], columns: pa.Table, settings: Settings, outcome: _Outcome
) -> list[_Photo]:
    """What is kept; colour variants are noted."""
    if settings.duplicate_radius is None or not passed:
        return list(passed)
    rows = [one.row for one in passed]
    pairs = hamming_pairs(columns["phash"].take(rows).to_numpy(), settings.duplicate_radius)
    difference = color_difference(_matrix(columns["lab_grid"].take(rows), np.int8), pairs.left, pairs.right)
    alike = difference <= settings.duplicate_color_difference
    variants = pairs.where(~alike)
    for a, b in zip(variants.left.tolist(), variants.right.tolist(), strict=True):
        outcome.variants.append((passed[a], passed[b]))
    preference = sorted(range(len(passed)), key=lambda position: passed[position].preference)
    keeper = keeper_groups(len(passed), pairs.where(alike), preference)
    numbers = _by_pair(pairs, difference)
    kept = []
    for position, one in enumerate(passed):
        winner = int(keeper[position])
        if winner == position:
            kept.append(one)
            continue
        bits, colors = numbers[min(position, winner), max(position, winner)]
        text = (
            f"Near duplicate of {_quoted(passed[winner].origin)}: {bits} of 64 hash bits differ, "
            f"colours by ΔE {colors:.1f}; that one is kept for {_why_better(passed[winner], one)}."
        )
        outcome.drop(one.key, one.origin, Reason.NEAR_DUPLICATE, text, duplicate_of=passed[winner].origin)
    return kept


def _by_pair(pairs: Pairs, difference: Any) -> dict[tuple[int, int], tuple[int, float]]:
    ends = zip(pairs.left.tolist(), pairs.right.tolist(), strict=True)
    return dict(zip(ends, zip(pairs.distance.tolist(), difference.tolist(), strict=True), strict=True))


def _why_better(winner: _Photo, loser: _Photo) -> str:
    mine, other = winner.columns, loser.columns
    if mine["width"] * mine["height"] != other["width"] * other["height"]:
        return f"more pixels ({mine['width']}×{mine['height']} against {other['width']}×{other['height']})"
    if winner.bytes != loser.bytes:
        return f"less compression ({winner.bytes:,} bytes against {loser.bytes:,})"
    return "its metadata" if winner.metadata and not loser.metadata else "its key, as they are equally good"


def _matrix(column: pa.ChunkedArray, dtype: Any) -> Any:
    """A fixed-size list column as an array of shape (rows, size)."""
    combined = column.combine_chunks()
    return combined.flatten().to_numpy(zero_copy_only=False).astype(dtype).reshape(len(combined), -1)


def _group(kept: Sequence[_Photo], columns: pa.Table, outcome: _Outcome, settings: Settings) -> tuple[KeptPhoto, ...]:
    """Clusters, split groups and splits of the kept photos."""
    if not kept:
        return ()
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
    embeddings = _matrix(columns["layout"].take([one.row for one in kept]), np.float32)
    k = settings.clusters if settings.clusters is None else min(settings.clusters, len(kept))
    labels = cluster(embeddings, k, seed=settings.seed)
    return tuple(
        KeptPhoto(
            key=one.key,
            origin=one.origin,
            row=one.row,
            metadata=one.metadata,
            product=one.product,
            group=group,
            cluster=int(label),
            split="validation" if group in held_out else "train",
        )
        for one, group, label in zip(kept, groups, labels, strict=True)
    )
