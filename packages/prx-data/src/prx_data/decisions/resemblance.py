"""Photos that show the same thing although they are not the same picture: by embeddings, and by colours."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from prx_data.decisions.candidates import Candidate, Outcome
from prx_data.decisions.clusters import Floats, Index, Rows, find_clusters
from prx_data.decisions.colors import color_difference
from prx_data.decisions.duplicates import MIN_INFORMATION, matrix
from prx_data.decisions.keep import why_better
from prx_data.decisions.repeats import by_preference
from prx_data.decisions.semantic import semantic_duplicates
from prx_data.decisions.settings import Settings
from prx_data.records import Reason
from prx_data.told import quoted

COLOR_COLUMNS = ("color", "colour", "basecolour", "base_color")
"""Metadata columns that name a product's colour."""
MAX_SHADE_DIFFERENCE = 10.0
"""ΔE76, beyond which a shade of one subject is none of the other's, see `benchmarks/shades.py`."""
_SHAPE_RADIUS = 4
"""Hamming distance of the hashes of one shape, where no larger one is set for near duplicates."""
_LEAST_SHARE = 0.1  # of a subject: less is an edge or a shadow
_NOWHERE = 1e6  # Lab of a shade that there is not: far from all
_TO_XYZ = np.array(  # of linear sRGB; XYZ as shares of the white point, D65 (IEC 61966-2-1)
    [[0.4339499, 0.3762098, 0.1898403], [0.2126729, 0.7151522, 0.0721750], [0.0177566, 0.1094680, 0.8727755]]
)


def drop_semantic_duplicates(
    photos: Sequence[Candidate], columns: pa.Table, settings: Settings, outcome: Outcome
) -> list[Candidate]:
    """What is left when the best of all whose embeddings are near is kept, in the order given."""
    if settings.semantic_similarity is None or not photos:
        return list(photos)
    embeddings = Rows(matrix(columns[settings.embedding], np.float16), np.array([one.row for one in photos]))
    found = semantic_duplicates(
        embeddings,
        find_clusters(embeddings, seed=settings.seed),
        settings.semantic_similarity,
        preference=by_preference(photos, settings),
        alike=None if settings.semantic_variants else _OneColor.of(photos, columns, settings),
    )
    rows = zip(found.position.tolist(), found.keeper.tolist(), found.similarity.tolist(), strict=True)
    for position, keeper, cosine in rows:
        one, winner = photos[position], photos[keeper]
        text = (
            f"Shows what {quoted(winner.origin)} shows: the cosine of their {settings.embedding} embeddings is "
            f"{cosine:.3f}; that one is kept for {why_better(winner.facts, one.facts, settings.keep)}."
        )
        outcome.drop(one.key, one.origin, Reason.SEMANTIC_DUPLICATE, text, duplicate_of=winner.origin)
    gone = set(found.position.tolist())
    return [one for position, one in enumerate(photos) if position not in gone]


@dataclass(frozen=True, kw_only=True)
class _OneColor:
    """Whether pairs of photos are no colour variants, by their metadata, by their shades, and cell by cell."""

    named: Index
    """A number for each photo's colour in the metadata, -1 if it has none."""
    palettes: "Palettes"
    codes: npt.NDArray[np.uint64]
    informative: npt.NDArray[np.bool_]
    rows: Index
    """Of each photo in `grids`."""
    grids: npt.NDArray[np.int8]
    radius: int
    limit: float
    """Largest ΔE of two grids."""

    @classmethod
    def of(cls, photos: Sequence[Candidate], columns: pa.Table, settings: Settings) -> "_OneColor":
        """Of all photos."""
        rows = np.array([one.row for one in photos])
        some = columns.select(["phash", "hash_information", "subject_colors"]).take(rows)
        numbers = {"": -1}
        return cls(
            named=np.array([numbers.setdefault(_named_color(one), len(numbers)) for one in photos], dtype=np.int64),
            palettes=Palettes.of(some["subject_colors"]),
            codes=some["phash"].to_numpy(),
            informative=some["hash_information"].to_numpy() >= MIN_INFORMATION,
            rows=rows,
            grids=matrix(columns["lab_grid"], np.int8),
            radius=max(_SHAPE_RADIUS, settings.duplicate_radius or 0),
            limit=settings.duplicate_color_difference,
        )

    def __call__(self, left: Index, right: Index) -> npt.NDArray[np.bool_]:
        one, other = self.named[left], self.named[right]
        same: npt.NDArray[np.bool_] = (one < 0) | (other < 0) | (one == other)
        same[same] = same_colors(self.palettes, left[same], right[same])
        same[same] = ~self._recolored(left[same], right[same])
        return same

    def _recolored(self, left: Index, right: Index) -> npt.NDArray[np.bool_]:
        """Which are one shape by their hashes, in other colours somewhere: a trim is too little for a shade."""
        recolored = self.informative[left] & self.informative[right]
        recolored &= np.bitwise_count(self.codes[left] ^ self.codes[right]) <= self.radius
        one, other = self.rows[left[recolored]], self.rows[right[recolored]]
        recolored[recolored] = color_difference(self.grids, one, other) > self.limit
        return recolored


def _named_color(photo: Candidate) -> str:
    lowered = {name.lower(): str(value or "") for name, value in photo.metadata.items()}
    return next((lowered[one].strip().lower() for one in COLOR_COLUMNS if lowered.get(one)), "")


@dataclass(frozen=True, kw_only=True)
class Palettes:
    """The colours of n subjects, each of which has up to k."""

    lab: Floats
    """Shape (n, k, 3); far from all where a subject has fewer."""
    main: npt.NDArray[np.bool_]
    """Whether a colour has enough of the subject to count; shape (n, k)."""

    @classmethod
    def of(cls, column: pa.ChunkedArray) -> "Palettes":
        """Of `subject_colors`: lists of `color`, as `#rrggbb`, and `share`."""
        values = column.combine_chunks()
        sizes = pc.fill_null(pc.list_value_length(values), 0).to_numpy()
        row = np.repeat(np.arange(len(sizes)), sizes)
        place = np.arange(len(row)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        shades = values.flatten()
        colors = pc.struct_field(shades, "color").dictionary_encode()
        lab = np.full((len(sizes), sizes.max(initial=0), 3), _NOWHERE, dtype=np.float32)
        main = np.zeros(lab.shape[:2], dtype=bool)
        lab[row, place] = _lab(colors.dictionary.to_pylist())[colors.indices.to_numpy()]
        main[row, place] = pc.struct_field(shades, "share").to_numpy() >= _LEAST_SHARE
        return cls(lab=lab, main=main)


def _lab(colors: Sequence[str]) -> npt.NDArray[np.float64]:
    """CIE Lab of some `#rrggbb`, shape (n, 3)."""
    rgb = np.frombuffer(bytes.fromhex("".join(one[1:] for one in colors)), dtype=np.uint8).reshape(-1, 3) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    ratio = linear @ _TO_XYZ.T
    x, y, z = np.where(ratio > 216 / 24389, np.cbrt(ratio), (24389 / 27 * ratio + 16) / 116).T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


def same_colors(
    palettes: Palettes, left: Index, right: Index, *, limit: float = MAX_SHADE_DIFFERENCE
) -> npt.NDArray[np.bool_]:
    """Whether every main shade of each of two subjects is a shade of the other too; not where none was found.

    Args:
        palettes: Shades of all subjects.
        left: Positions of the pairs' first subjects.
        right: Positions of their second subjects.
        limit: Largest ΔE76 of a shade from the nearest of the other's.

    Returns:
        Shape (pairs,).
    """
    if not palettes.lab.shape[1]:
        return np.zeros(len(left), dtype=bool)
    one, other = palettes.lab[left], palettes.lab[right]
    known = (one[:, 0, 0] < _NOWHERE) & (other[:, 0, 0] < _NOWHERE)
    near = ((one[:, :, None] - other[:, None]) ** 2).sum(axis=3) <= limit**2
    mine = near.any(axis=2) | ~palettes.main[left]
    theirs = near.any(axis=1) | ~palettes.main[right]
    same: npt.NDArray[np.bool_] = known & mine.all(axis=1) & theirs.all(axis=1)
    return same
