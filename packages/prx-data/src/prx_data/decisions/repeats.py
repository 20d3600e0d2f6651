"""Photos that show again what another one shows: the same pixels, leaks, near duplicates, colour variants."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from prx_data.decisions.candidates import Candidate, Known, Leak, Outcome
from prx_data.decisions.duplicates import COLUMNS, Match, PhotoColumns, find_duplicates, find_leaks, find_variants
from prx_data.decisions.keep import Preference, why_better
from prx_data.decisions.settings import Settings
from prx_data.decisions.side_by_side import side_by_side
from prx_data.records import Reason
from prx_data.told import quoted

SAME_PIXELS_KEEP = (Preference.HAS_METADATA, Preference.SMALLEST_FILE)
"""What tells files of the same pixels apart."""
_ROUNDS = 4
"""How often groups are made anew at most, once their members were compared."""


def drop_same_pixels(candidates: Sequence[Candidate], outcome: Outcome) -> list[Candidate]:
    """What is left when of files that decode to the same pixels one is kept.

    If possible one with metadata, then one whose bytes go into the dataset as they are, then the smallest.
    """
    best: dict[str, Candidate] = {}
    for one in sorted(candidates, key=lambda one: one.preference(SAME_PIXELS_KEEP)):
        # Of what was decoded at a fraction of its size, nobody knows the pixels.
        winner = best.setdefault(one.columns["pixel_digest"] or one.key, one)
        if winner is not one:
            text = (
                f"Same pixels as {quoted(winner.origin)}, in another file; "
                f"that one is kept for {why_better(winner.facts, one.facts, SAME_PIXELS_KEEP)}."
            )
            outcome.drop(one.key, one.origin, Reason.EXACT_DUPLICATE, text, duplicate_of=winner.origin)
    return sorted(best.values(), key=lambda one: one.key)


def _arrays(some: Sequence[Candidate], columns: pa.Table) -> PhotoColumns:
    return PhotoColumns.of(columns.select(["width", "height", *COLUMNS]).take([one.row for one in some]))


def by_preference(some: Sequence[Candidate], settings: Settings) -> Any:
    """Positions, the best first."""
    ranks = [one.preference(settings.keep) for one in some]
    return np.array(sorted(range(len(some)), key=ranks.__getitem__), dtype=np.int64)


def drop_leaks(
    passed: Sequence[Candidate], columns: pa.Table, known: Known, settings: Settings, outcome: Outcome
) -> list[Candidate]:
    """What the other set does not know."""
    found = {one.photo: one for one in _known_matches(passed, columns, known, settings)}
    keys = known.columns["key"].to_pylist()
    for position, match in sorted(found.items()):
        one, other = passed[position], known.origins[match.other]
        outcome.drop(one.key, one.origin, Reason.LEAK, f"Shows what {quoted(other)} shows: {match.how}.")
        key = str(keys[match.other])
        outcome.leaks.append(Leak(origin=one.origin, known=other, known_key=key, how=match.how))
    return [one for position, one in enumerate(passed) if position not in found]


def _known_matches(passed: Sequence[Candidate], columns: pa.Table, known: Known, settings: Settings) -> list[Match]:
    digests, keys = (known.columns[name].to_pylist() for name in ("pixel_digest", "key"))
    # Of what was decoded at a fraction of its size, nobody knows the pixels; the bytes are known of all.
    known_looks = [digest or key for digest, key in zip(digests, keys, strict=True)]
    holder = dict(zip(reversed(known_looks), range(len(known_looks) - 1, -1, -1), strict=True))
    looks = [one.columns["pixel_digest"] or one.key for one in passed]
    same = [
        Match(photo=position, other=holder[look], how="the same pixels")
        for position, look in enumerate(looks)
        if look in holder
    ]
    if settings.duplicate_radius is None or not passed or not digests:
        return same
    near = find_leaks(
        _arrays(passed, columns),
        PhotoColumns.of(known.columns),
        radius=settings.duplicate_radius,
        max_color=settings.duplicate_color_difference,
        align=settings.duplicate_alignment,
    )
    return [*near, *same]


def drop_near_duplicates(
    passed: Sequence[Candidate], columns: pa.Table, settings: Settings, outcome: Outcome
) -> list[Candidate]:
    """What is left when the best of all that show the same is kept."""
    if settings.duplicate_radius is None or not passed:
        return list(passed)
    known, matches = _grouped(passed, columns, settings.duplicate_radius, settings)
    for match in matches:
        one, winner = known[match.photo], known[match.other]
        text = (
            f"Near duplicate of {quoted(winner.origin)}: {match.how}; "
            f"that one is kept for {why_better(winner.facts, one.facts, settings.keep)}."
        )
        outcome.drop(one.key, one.origin, Reason.NEAR_DUPLICATE, text, duplicate_of=winner.origin)
    gone = {match.photo for match in matches}
    return [one for position, one in enumerate(known) if position not in gone]


def _grouped(
    passed: Sequence[Candidate], columns: pa.Table, radius: int, settings: Settings
) -> tuple[list[Candidate], list[Match]]:
    """Near duplicates, and the photos with what these tell of each other, which may make another one the best."""
    photos, known = _arrays(passed, columns), list(passed)
    for rounds in range(_ROUNDS, 0, -1):
        matches = find_duplicates(
            photos,
            by_preference(known, settings),
            radius=radius,
            max_color=settings.duplicate_color_difference,
            align=settings.duplicate_alignment,
        )
        compared = side_by_side(known, photos, matches, radius=radius)
        ranks = {
            one: compared[one].preference(settings.keep) for match in matches for one in (match.photo, match.other)
        }
        settled = all(ranks[one.other] < ranks[one.photo] for one in matches)
        if settled or rounds == 1:
            break
        known = compared
    return compared if settled else known, matches


def drop_variants(
    unique: Sequence[Candidate], columns: pa.Table, settings: Settings, outcome: Outcome
) -> tuple[list[Candidate], dict[str, str]]:
    """What is left of colour variants, and the families' heads by key."""
    if settings.duplicate_radius is None or not unique:
        return list(unique), {}
    order = by_preference(unique, settings)
    head, links = find_variants(_arrays(unique, columns), order, radius=settings.duplicate_radius)
    outcome.variants.extend((unique[a], unique[b]) for a, b in links)
    if settings.variants == "keep":
        return list(unique), {}
    if settings.variants == "group":
        return list(unique), {one.key: unique[int(head[position])].key for position, one in enumerate(unique)}
    kept = []
    for position, one in enumerate(unique):
        best = unique[int(head[position])]
        if best is one:
            kept.append(one)
            continue
        text = (
            f"The same shape as {quoted(best.origin)} in other colours; "
            f"that one is kept for {why_better(best.facts, one.facts, settings.keep)}."
        )
        outcome.drop(one.key, one.origin, Reason.COLOR_VARIANT, text)
        outcome.heads.append((one.origin, best.origin))
    return kept, {}
