"""What only copies side by side tell: writing over one of them, content that is none, and pixels that were made up.

Each photo is measured by itself. Whether a word in it is the product's or a shop's, and whether it is soft or was
enlarged, shows once another copy is without that word, or is smaller and holds as much.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from prx_data.decisions.candidates import Candidate
from prx_data.decisions.duplicates import Match, PhotoColumns
from prx_data.decisions.join import Index
from prx_data.decisions.writing import writing_on, written_like

_STRETCH = 0.03
"""Of the natural logarithm of width / height: more is another frame, such as a square that a copy was padded to."""
_MORE = 1.13
"""How many times the common content a copy with something in its margins has at least, by area."""
_FULL, _SOFT = 0.95, 0.9
"""`effective_resolution` from which a copy holds all that its pixels can, and up to which one may be enlarged."""
_LARGER = 1.1
"""How many times as large, by area, an enlarged copy is at least."""
_AS_MUCH = 1.15
"""How many times as far, per side, the detail of an enlarged copy may seem to go as that of the smaller one."""


def side_by_side(
    photos: Sequence[Candidate], columns: PhotoColumns, matches: Sequence[Match], *, radius: int
) -> list[Candidate]:
    """The photos, with what the copies of each group tell of each other.

    Only copies in one frame are compared, whose hashes are near their keeper's and that are as wide for their height:
    `content_box` becomes what all of them have as content, `written_over` is set where another copy is without a line
    of writing, and `resampled` where a smaller copy holds as much detail.

    Args:
        photos: n photos.
        columns: Theirs.
        matches: Which photo stands for which.
        radius: Largest Hamming distance of the hashes of copies in one frame.
    """
    keeper = np.array([one.other for one in matches], dtype=np.int64)
    member = np.array([one.photo for one in matches], dtype=np.int64)
    wide = np.array([np.log(one.columns["width"] / one.columns["height"]) for one in photos])
    framed = np.bitwise_count(columns.codes[keeper] ^ columns.codes[member]) <= radius
    framed &= np.abs(wide[keeper] - wide[member]) <= _STRETCH
    keeper, member = keeper[framed], member[framed]
    groups: dict[int, list[int]] = {}
    for best, other in zip(keeper.tolist(), member.tolist(), strict=True):
        groups.setdefault(best, []).append(other)
    found = list(photos)
    for one in _written_over(columns, keeper, member, groups):
        found[one] = _knowing(found[one], written_over=True)
    for best, others in groups.items():
        group = [best, *others]
        copies = _of_common_content([found[one] for one in group])
        enlarged = resampled([one.columns for one in copies])
        for position, copy, larger in zip(group, copies, enlarged.tolist(), strict=True):
            found[position] = _knowing(copy, resampled=True) if larger else copy
    return found


def _written_over(columns: PhotoColumns, keeper: Index, member: Index, groups: Mapping[int, Sequence[int]]) -> set[int]:
    """Photos with writing that another one of their group is without.

    Members are compared with their keeper. Where one of the two has writing, the others of the group are compared with
    both, as that tells more of them than the keeper alone.
    """
    on_keeper, on_member = writing_on(columns.grids, keeper, member)
    written = {*keeper[on_keeper].tolist(), *member[on_member].tolist()}
    compared: set[int] = set()
    for row in np.flatnonzero(on_keeper | on_member).tolist():
        best, other = int(keeper[row]), int(member[row])
        if best not in compared:
            compared.add(best)
            rest = np.array([one for one in groups[best] if one != other], dtype=np.int64)
            one, clean = (best, other) if on_keeper[row] else (other, best)
            written.update(rest[written_like(columns.grids, one, clean, rest)].tolist())
    return written


def _knowing(photo: Candidate, **facts: Any) -> Candidate:
    return replace(photo, columns={**photo.columns, **facts})


def _of_common_content(copies: Sequence[Candidate]) -> list[Candidate]:
    """Copies whose content is what lies in the content of each, where one of them has far more of it.

    What differs less may be a thin frame.
    """
    boxes = np.array([one.columns["content_box"] for one in copies])
    left, top = boxes[:, :2].max(axis=0).tolist()
    right, bottom = boxes[:, 2:].min(axis=0).tolist()
    most = float(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1).max())
    if right <= left or bottom <= top or most <= _MORE * (right - left) * (bottom - top):
        return list(copies)
    return [_knowing(one, content_box=[left, top, right, bottom]) for one in copies]


def resampled(facts: Sequence[Mapping[str, Any]]) -> npt.NDArray[np.bool_]:
    """Which copies, all in one frame, are larger than another one that holds as much detail.

    Args:
        facts: `width`, `height` and `effective_resolution`, null where it cannot be told, of each of n copies.

    Returns:
        Shape (n,).
    """
    told = np.array([np.nan if (one := copy.get("effective_resolution")) is None else one for copy in facts])
    area = np.array([copy["width"] * copy["height"] for copy in facts], dtype=np.float64)
    order = np.argsort(area, kind="stable")
    held = np.where(told >= _FULL, area * told**2, 0)[order]
    most = np.append(0, np.maximum.accumulate(held))  # that one of the so many smallest holds
    smaller = most[np.searchsorted(_LARGER * area[order], area, side="right")]
    larger: npt.NDArray[np.bool_] = (told <= _SOFT) & (area * told**2 <= smaller * _AS_MUCH**2)
    return larger
