"""Near duplicates among photos, and leaks between two sets: hashes first, then alignment; groups that do not chain."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from prx_data.decisions.colors import color_difference
from prx_data.decisions.copies import Copies, verified
from prx_data.decisions.groups import cross_pairs, keeper_groups, near_duplicates
from prx_data.decisions.join import Codes, Index, distinct, hamming_join
from prx_data.decisions.neighbors import Candidates, find_candidates
from prx_data.decisions.thumbnails import Thumbnails
from prx_data.decisions.turns import WORDS
from prx_data.decisions.writing import written_over

MIN_INFORMATION = 32
"""Bits of a hash that have to be more than noise for it to be compared: half of them."""

_WRITING_RADIUS = 8
"""Hamming distance up to which writing over a copy moves the hash: what is so far is looked at where it was found by
other means, as `written_over` is sure enough of itself."""

COLUMNS = ("phash", "hash_information", "lab_grid", "content_box", "content_lightness", "content_color")
"""The measured columns that duplicates are found by, besides `width` and `height`."""


@dataclass(frozen=True, kw_only=True)
class PhotoColumns:
    """The columns of n photos as arrays."""

    codes: Codes
    informative: npt.NDArray[np.bool_]
    """Whether the hash says something: pictures that show hardly anything are nobody's near duplicates."""
    grids: npt.NDArray[np.int8]
    thumbnails: Thumbnails

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, rows: Index) -> "PhotoColumns":
        """Some of the photos."""
        return PhotoColumns(
            codes=self.codes[rows],
            informative=self.informative[rows],
            grids=self.grids[rows],
            thumbnails=self.thumbnails.take(rows),
        )

    @classmethod
    def of(cls, columns: pa.Table) -> "PhotoColumns":
        """From a table with `COLUMNS`, `width` and `height`, one row for each photo, none null."""
        box = matrix(columns["content_box"], np.float32)
        width = columns["width"].to_numpy() * (box[:, 2] - box[:, 0])
        height = columns["height"].to_numpy() * (box[:, 3] - box[:, 1])
        return cls(
            codes=columns["phash"].to_numpy(),
            informative=columns["hash_information"].to_numpy() >= MIN_INFORMATION,
            grids=matrix(columns["lab_grid"], np.int8),
            thumbnails=Thumbnails(
                aspect=(width / height).astype(np.float32),
                lightness=matrix(columns["content_lightness"], np.uint8).reshape(-1, 64, 64),
                color=matrix(columns["content_color"], np.int8).reshape(-1, 32, 32, 2),
            ),
        )


@dataclass(frozen=True, kw_only=True)
class Match:
    """One photo that shows the same as another, and how that was found."""

    photo: int
    other: int
    """The keeper's position; for leaks a position in the other set."""
    how: str
    """A part of a sentence with the numbers."""


def matrix(column: pa.ChunkedArray, dtype: Any) -> Any:
    """A column of lists, or of bytes, of a fixed size as an array of shape (rows, size).

    Nothing is copied if the column is one chunk and of that dtype. In rows that are null there is anything.
    """
    values = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    if pa.types.is_fixed_size_binary(column.type):
        stored, size, held = np.dtype(dtype), column.type.byte_width // np.dtype(dtype).itemsize, values
    else:
        held, size = values.values, column.type.list_size
        stored = np.dtype(held.type.to_pandas_dtype())
    start = values.offset * size + (0 if held is values else held.offset)
    data = held.buffers()[1][start * stored.itemsize :] if len(values) else b""
    return np.frombuffer(data, stored, count=len(values) * size).reshape(-1, size).astype(dtype, copy=False)


def find_duplicates(
    photos: PhotoColumns, preference: Index, *, radius: int, max_color: float, align: bool = True
) -> list[Match]:
    """Each photo that another one stands for.

    Photos whose hashes are near and whose colours agree are grouped first. Of what is kept, copies that the hash
    misses are found by alignment; a group joins another only if each of its members is a copy of the other's keeper.

    Args:
        photos: n photos.
        preference: Their positions, best first.
        radius: Largest Hamming distance of the hashes.
        max_color: Largest colour difference (ΔE); writing over a copy may be more.
        align: Whether to look for cropped, padded, framed, mirrored and turned copies too.

    Returns:
        Ordered by photo.
    """
    order = preference[photos.informative[preference]]
    alike = partial(_alike, photos, photos, max_color)
    keeper = np.arange(len(photos))
    near = near_duplicates(photos.codes[order], radius, alike=lambda left, right: alike(order[left], order[right]))
    keeper[order] = order[near]
    moved = _join_copies(photos, keeper, order[near == np.arange(len(order))], max_color) if align else {}
    members = np.flatnonzero(keeper != np.arange(len(photos)))
    hashed = np.array([one for one in members.tolist() if one not in moved], dtype=np.int64)
    told = _told_hashes(photos, photos, max_color, hashed, keeper[hashed])
    said = dict(zip(hashed.tolist(), told, strict=True)) | moved
    return [Match(photo=one, other=int(keeper[one]), how=said[one]) for one in members.tolist()]


def _alike(
    photos: PhotoColumns, others: PhotoColumns, max_color: float, left: Index, right: Index
) -> npt.NDArray[np.bool_]:
    """Whether photos with near hashes have the same colours, but for writing over one of them."""
    grids, first, second = _grids(photos, others, left, right)
    same: npt.NDArray[np.bool_] = color_difference(grids, first, second) <= max_color
    rest = np.flatnonzero(~same)
    same[rest] = written_over(grids, first[rest], second[rest])
    return same


def _grids(
    photos: PhotoColumns, others: PhotoColumns, left: Index, right: Index
) -> tuple[npt.NDArray[np.int8], Index, Index]:
    """Grids, and where in them those of the pairs are."""
    if others is photos:
        return photos.grids, left, right
    both = np.concatenate([photos.grids[left], others.grids[right]])
    return both, np.arange(len(left)), np.arange(len(left), 2 * len(left))


def _told_hashes(photos: PhotoColumns, others: PhotoColumns, max_color: float, left: Index, right: Index) -> list[str]:
    bits = np.bitwise_count(photos.codes[left] ^ others.codes[right])
    colors = color_difference(*_grids(photos, others, left, right))
    return [
        f"{bit} of 64 hash bits differ, "
        + (f"colours by ΔE {color:.1f}" if color <= max_color else "and colours only by a line of writing over one")
        for bit, color in zip(bits.tolist(), colors.tolist(), strict=True)
    ]


def _join_copies(photos: PhotoColumns, keeper: Index, kept: Index, max_color: float) -> dict[int, str]:
    """Merge groups whose keepers are copies of each other; `kept` is in order of preference, `keeper` is changed.

    Returns:
        How each photo that has another keeper now was found.
    """
    pictures = photos.thumbnails.take(kept)
    guesses = find_candidates(pictures)
    found = verified(pictures, pictures, guesses, max_color=max_color)
    groups: dict[int, list[int]] = {}
    for one in np.flatnonzero(keeper != np.arange(len(keeper))).tolist():
        groups.setdefault(int(keeper[one]), []).append(one)
    pair_of, member = _members_of(groups, kept[found.right])
    # A member lies about where its keeper lies, as their hashes are near.
    about = Candidates(
        left=kept[found.left[pair_of]],
        right=member,
        turn=found.turn[pair_of],
        right_inside=found.right_inside[pair_of],
        window=found.window[pair_of],
        distance=np.zeros(len(member), dtype=np.float32),
    )
    proved = verified(photos.thumbnails, photos.thumbnails, about, max_color=max_color)
    reached = set(zip(proved.left.tolist(), proved.right.tolist(), strict=True))
    ends = zip(pair_of.tolist(), kept[found.left[pair_of]].tolist(), member.tolist(), strict=True)
    missed = {pair for pair, best, one in ends if (best, one) not in reached}
    found = found.take(~np.isin(np.arange(len(found)), sorted(missed)))
    written = _written(photos, photos, kept[guesses.left], kept[guesses.right], guesses)
    pair_of, member = _members_of(groups, written[1])
    missed = set(pair_of[~_about_alike(photos, max_color, written[0][pair_of], member)].tolist())
    written = written[:, ~np.isin(np.arange(written.shape[1]), sorted(missed))]
    more = np.stack([written[0][pair_of], member])[:, ~np.isin(pair_of, sorted(missed))]
    place = np.empty(len(photos), dtype=np.int64)
    place[kept] = np.arange(len(kept))
    better, worse = (np.append(a, place[b]) for a, b in ((found.left, written[0]), (found.right, written[1])))
    merged = kept[keeper_groups(len(kept), better, worse)]
    said = _said(np.concatenate([written, more], axis=1), photos, max_color)
    said |= dict(
        zip(zip(kept[found.left].tolist(), kept[found.right].tolist(), strict=True), _told(found), strict=True)
    )
    said |= dict(zip(zip(proved.left.tolist(), proved.right.tolist(), strict=True), _told(proved), strict=True))
    moved = {}
    for old, new in zip(kept.tolist(), merged.tolist(), strict=True):
        for one in [old, *groups.get(old, ())] if old != new else ():
            keeper[one] = new
            moved[one] = said[new, one]
    return moved


def _members_of(groups: Mapping[int, Sequence[int]], keepers: Index) -> tuple[Index, Index]:
    """For each member of each keeper's group the keeper's place among these, and the member."""
    found = [(place, one) for place, best in enumerate(keepers.tolist()) for one in groups.get(best, ())]
    places, members = np.array(found, dtype=np.int64).reshape(-1, 2).T
    return places, members


def _written(photos: PhotoColumns, others: PhotoColumns, left: Index, right: Index, guesses: Candidates) -> Index:
    """Which guesses are upright copies with a line of writing over one, each pair once; shape (2, pairs)."""
    pairs = np.stack([left, right])[:, guesses.turn == 0]
    pairs = pairs[:, np.bitwise_count(photos.codes[pairs[0]] ^ others.codes[pairs[1]]) <= _WRITING_RADIUS]
    pairs = np.unique(pairs, axis=1)
    found: Index = pairs[:, written_over(*_grids(photos, others, pairs[0], pairs[1]))]
    return found


def _about_alike(photos: PhotoColumns, max_color: float, left: Index, right: Index) -> npt.NDArray[np.bool_]:
    near: npt.NDArray[np.bool_] = np.bitwise_count(photos.codes[left] ^ photos.codes[right]) <= _WRITING_RADIUS
    near[near] = _alike(photos, photos, max_color, left[near], right[near])
    return near


def _said(pairs: Index, photos: PhotoColumns, max_color: float) -> dict[tuple[int, int], str]:
    told = _told_hashes(photos, photos, max_color, pairs[0], pairs[1])
    return dict(zip(zip(*pairs.tolist(), strict=True), told, strict=True))


def _told(copies: Copies) -> list[str]:
    rows = zip(
        copies.turn.tolist(),
        copies.right_inside.tolist(),
        copies.share.tolist(),
        copies.detail.tolist(),
        copies.color.tolist(),
        strict=True,
    )
    return [_sentence(*row) for row in rows]


def _sentence(turn: int, right_inside: bool, share: float, detail: float, color: float) -> str:
    """How the right picture of a pair, the one that goes, was found to be a copy of the left one."""
    words = f"{WORDS[turn]}, " if turn else ""
    if share > 0.96:
        words += "the same content in other margins"
    elif right_inside:
        words += f"cropped to {share:.0%} of it"
    else:
        words += f"that one is cropped to {share:.0%} of this"
    return f"{words}; aligned, their fine structure correlates by {detail:.2f} and colours differ by ΔE {color:.1f}"


def find_variants(photos: PhotoColumns, order: Index, *, radius: int) -> tuple[Index, list[tuple[int, int]]]:
    """Colour variants among photos none of which is a near duplicate of another: near hashes in other colours.

    Args:
        photos: n photos.
        order: The positions to look at, best first.
        radius: Largest Hamming distance of the hashes.

    Returns:
        For each photo the position of its family's head, its own if it has none: the best whose hash it is near to,
        so that families do not chain. And pairs of near photos that connect all that are near, ordered.
    """
    order = order[photos.informative[order]]
    head = np.arange(len(photos))
    head[order] = order[near_duplicates(photos.codes[order], radius)]
    _, members, starts = distinct(photos.codes[order])
    joined = hamming_join(photos.codes[order], radius)
    first = order[members[starts[:-1]]]
    same = np.repeat(first, np.diff(starts))
    links = np.concatenate(
        [np.stack([same, order[members]]), np.stack([first[joined.left], first[joined.right]])], axis=1
    )
    links = np.sort(links[:, links[0] != links[1]], axis=0)
    return head, sorted(set(zip(links[0].tolist(), links[1].tolist(), strict=True)))


def find_leaks(
    photos: PhotoColumns, others: PhotoColumns, *, radius: int, max_color: float, align: bool = True
) -> list[Match]:
    """Each photo that another set knows, with one that knows it.

    Args:
        photos: n photos, such as those to train on.
        others: k photos, such as those to evaluate with; `Match.other` counts in them.
        radius: Largest Hamming distance of the hashes.
        max_color: Largest colour difference (ΔE); writing over a copy may be more.
        align: Whether to look for cropped, padded, framed, mirrored and turned copies too.

    Returns:
        Ordered by photo.
    """
    known: dict[int, Match] = {}
    mine, theirs = np.flatnonzero(photos.informative), np.flatnonzero(others.informative)
    for left, right in cross_pairs(photos.codes[mine], others.codes[theirs], radius):
        left, right = mine[left], theirs[right]
        fresh = np.array([one not in known for one in left.tolist()], dtype=bool)
        left, right = left[fresh], right[fresh]
        same = _alike(photos, others, max_color, left, right)
        left, right = left[same], right[same]
        told = _told_hashes(photos, others, max_color, left, right)
        _remember(known, zip(left.tolist(), right.tolist(), told, strict=True))
    if align:
        rest = np.array([one for one in mine.tolist() if one not in known], dtype=np.int64)
        pictures, other_pictures = photos.thumbnails.take(rest), others.thumbnails.take(theirs)
        guesses = find_candidates(other_pictures, pictures)
        found = verified(other_pictures, pictures, guesses, max_color=max_color)
        pairs = zip(rest[found.right].tolist(), theirs[found.left].tolist(), _told(found), strict=True)
        _remember(known, pairs)
        left, right = _written(photos, others, rest[guesses.right], theirs[guesses.left], guesses)
        told = _told_hashes(photos, others, max_color, left, right)
        _remember(known, zip(left.tolist(), right.tolist(), told, strict=True))
    return [known[one] for one in sorted(known)]


def _remember(known: dict[int, Match], pairs: Iterable[tuple[int, int, str]]) -> None:
    for photo, other, how in pairs:
        known.setdefault(photo, Match(photo=photo, other=other, how=how))
