"""Looks photos up by their embeddings: by words, by another photo; and says which of some labels they show."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeGuard, runtime_checkable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from prx_data.decisions.duplicates import matrix
from prx_data.decisions.verdicts import Decisions
from prx_data.decoding import decode
from prx_data.errors import ConfigError, SourceError
from prx_data.measures import Measure
from prx_data.report import Gallery, Pictures
from prx_data.workspace import WorkspaceStore

Vectors = npt.NDArray[np.float32]
PROMPT = "a photo of a {}"
_BLOCK = 16_384


@runtime_checkable
class TextTower(Protocol):
    """A measure whose embeddings can be compared with those of texts, such as `Clip`."""

    def texts(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of shape (texts, dimensions)."""
        ...

    def probabilities(self, similarities: Vectors) -> Vectors:
        """How probable each text is for each picture, from their cosines of shape (pictures, texts)."""
        ...


@dataclass(frozen=True)
class Hits:
    """Photos that were found, the best first; a notebook shows them."""

    title: str
    table: pa.Table
    """`origin`, `key`, and `similarity`: the cosine, in [-1, 1]."""
    locators: dict[str, str]

    def show(self) -> Gallery:
        """The photos with their similarities."""
        pictures = Pictures(Decisions(verdicts=(), kept=(), duplicates=(), variants=()), self.locators)
        rows = self.table.to_pylist()
        items = [
            item for row in rows for item in pictures.of_key(row["key"], row["origin"], f"{row['similarity']:.2f}")
        ]
        return Gallery("search", self.title, items)

    def _repr_html_(self) -> str:
        return self.show()._repr_html_()


class Embedded:
    """The photos of a workspace that have an embedding: read a block after the other, and each time anew."""

    def __init__(self, store: WorkspaceStore, measure: Measure) -> None:
        """Read what photos there are, and no embedding yet."""
        photos = store.photos(["origin", "key"]).to_pydict()
        self._store, self._measure = store, measure
        self.origin_of: Mapping[str, str] = dict(zip(reversed(photos["key"]), reversed(photos["origin"]), strict=True))
        """The first origin of each key."""
        self.key_of: Mapping[str, str] = dict(zip(photos["origin"], photos["key"], strict=True))
        """The key of each origin, also of contents that occur again, and of photos without an embedding."""

    def blocks(self) -> Iterator[tuple[list[str], npt.NDArray[np.float16]]]:
        """Keys and embeddings of some thousand photos, shape (photos, dimensions), in the order of the files.

        Raises:
            WorkspaceError: Nothing was measured.
        """
        (column,) = self._measure.schema.names
        seen: set[str] = set()
        for shard in self._store.shards(self._measure.name, self._measure.version, ["key", column]):
            for start in range(0, len(shard), _BLOCK):
                block = shard.slice(start, _BLOCK)
                keys, is_there = block["key"].to_pylist(), block[column].is_valid().to_pylist()
                first = {key: row for row, key in reversed(list(enumerate(keys))) if is_there[row]}
                rows = sorted(first[key] for key in first.keys() & self.origin_of.keys() - seen)
                seen |= first.keys()
                if rows:
                    yield [keys[row] for row in rows], matrix(block[column], np.float16)[rows]

    def vector(self, key: str) -> Vectors | None:
        """One photo's embedding, shape (dimensions,); None if it has none."""
        for keys, vectors in self.blocks():
            if key in keys:
                return np.asarray(vectors[keys.index(key)], dtype=np.float32)
        return None

    def whole(self) -> tuple[list[str], npt.NDArray[np.float16]]:
        """All keys and embeddings, ordered by origin: two bytes for each number."""
        found = list(self.blocks())
        keys = [key for some, _ in found for key in some]
        order = sorted(range(len(keys)), key=lambda row: self.origin_of[keys[row]])
        vectors = np.concatenate([vectors for _, vectors in found]) if found else np.zeros((0, 1), np.float16)
        return [keys[row] for row in order], vectors[order]

    def nearest(self, wanted: Vectors, limit: int, *, without: str = "") -> pa.Table:
        """The photos nearest to one unit vector, the nearest first; but for the one with the key `without`."""
        best: list[tuple[float, str, str]] = []  # negative cosine, origin, key: what sorts first is nearest
        for keys, vectors in self.blocks():
            cosines = vectors.astype(np.float32) @ wanted
            worst = best[-1][0] if len(best) == limit else np.inf
            rows = np.flatnonzero(-cosines <= worst).tolist()
            found = [(-float(cosines[row]), self.origin_of[keys[row]], keys[row]) for row in rows]
            best = sorted([*best, *(one for one in found if one[2] != without)])[:limit]
        return pa.table(
            {
                "origin": pa.array([origin for _, origin, _ in best], pa.string()),
                "key": pa.array([key for *_, key in best], pa.string()),
                "similarity": pa.array([-negative for negative, *_ in best], pa.float32()),
            }
        )


def has_text_tower(measure: object) -> TypeGuard[TextTower]:
    """Whether a measure's embeddings can be compared with texts."""
    return isinstance(measure, TextTower)


def text_tower(measures: Sequence[Measure]) -> Any:
    """The first measure, and text tower, whose embeddings can be compared with texts; `Scaled` ones too.

    Raises:
        ConfigError: There is none.
    """
    for one in measures:
        inner = getattr(one, "measure", one)
        if has_text_tower(inner):
            return one, inner
    raise ConfigError(
        "Words need a model that knows texts: open the workspace with measures=[*standard_measures(), Clip(...)], "
        "or curate with a table [clip]."
    )


def _embedding(measures: Sequence[Measure], by: str | None) -> Measure:
    """The measure named, or the last that gives one column of vectors: a model before the layout."""
    found = {
        one.name: one for one in measures if len(one.schema) == 1 and pa.types.is_fixed_size_list(one.schema.types[0])
    }
    if by is not None and by not in found:
        raise ConfigError(f"by = {by!r} is no embedding of this workspace; it has {', '.join(found) or 'none'}.")
    if not found:
        raise ConfigError("No measure of this workspace gives an embedding; `layout` is one that needs no weights.")
    return found[by] if by is not None else list(found.values())[-1]


def _check_limit(limit: int) -> None:
    if limit < 1:
        raise ConfigError(f"limit = {limit} is wrong: it should be at least 1.")


def _measured(measure: Measure, path: Path) -> Vectors:
    try:
        decoded = decode(path.read_bytes())
    except OSError as error:
        raise SourceError(f"{str(path)!r} is no photo of this workspace, and no file that can be read.") from error
    if decoded.picture is None:
        raise SourceError(f"{str(path)!r} holds no picture: {decoded.message}.")
    (vector,) = measure(decoded.picture).values()
    return np.asarray(vector, dtype=np.float32)


class Searchable(WorkspaceStore):
    """A workspace whose photos can be looked up by its measures' embeddings."""

    measures: tuple[Measure, ...]
    """What every photo shall have."""

    def search(self, text: str, *, limit: int = 24) -> Hits:
        """Photos that show what a text says, the best first, by the first model of `measures` that knows texts.

        Raises:
            ConfigError: No measure knows texts, the text is empty, or `limit` is below 1.
            WorkspaceError: Nothing was measured yet.
        """
        measure, tower = text_tower(self.measures)
        if not text.strip():
            raise ConfigError("The text is empty: say what the photos should show, such as 'red running shoes'.")
        _check_limit(limit)
        table = Embedded(self, measure).nearest(tower.texts([text])[0], limit)
        return Hits(f"“{text}”", table, self.locators())

    def similar(self, photo: str | Path, *, by: str | None = None, limit: int = 24) -> Hits:
        """Photos that look like another one, the most similar first.

        Args:
            photo: The origin of a photo of this workspace, which is then left out; or the path of any file.
            by: The embedding, such as `layout`; None for the last of `measures` that is one.
            limit: The most photos.

        Raises:
            ConfigError: There is no such embedding, or `limit` is below 1.
            SourceError: There is no such photo.
            WorkspaceError: Nothing was measured yet.
        """
        measure = _embedding(self.measures, by)
        _check_limit(limit)
        embedded = Embedded(self, measure)
        key = embedded.key_of.get(str(photo), "")
        vector = embedded.vector(key) if key else _measured(measure, Path(photo))
        if vector is None:
            raise SourceError(
                f"{str(photo)!r} has no embedding: it holds no picture, or measure() was not called since."
            )
        return Hits(f"like {photo}", embedded.nearest(vector, limit, without=key), self.locators())

    def tags(self, labels: Sequence[str], *, prompt: str = PROMPT) -> pa.Table:
        """For each photo the most probable of some labels, zero-shot: `origin`, `key`, `tag`, `probability`.

        Args:
            labels: Such as `["dress", "shoe", "handbag"]`.
            prompt: What a label stands in, at `{}`.

        Raises:
            ConfigError: No measure knows texts, there is no list of labels, or the prompt does not hold `{}` once.
            WorkspaceError: Nothing was measured yet.
        """
        if isinstance(labels, str):
            raise ConfigError(f"labels = {labels!r} is wrong: it should be a list, such as [{labels!r}].")
        if not labels:
            raise ConfigError("labels is empty: tags are chosen from a list of labels.")
        if prompt.count("{}") != 1:
            raise ConfigError(f"prompt = {prompt!r} is wrong: it should hold {{}} once, where the label goes.")
        measure, tower = text_tower(self.measures)
        embedded, texts = Embedded(self, measure), tower.texts([prompt.replace("{}", one) for one in labels])
        found: list[tuple[str, str, str, float]] = []
        for keys, vectors in embedded.blocks():
            probable = tower.probabilities(vectors.astype(np.float32) @ texts.T)
            best = probable.argmax(axis=1).tolist()
            found += [
                (embedded.origin_of[key], key, labels[tag], float(row[tag]))
                for key, tag, row in zip(keys, best, probable, strict=True)
            ]
        origins, keys_, tags, probabilities = zip(*sorted(found), strict=True) if found else ((), (), (), ())
        return pa.table(
            {
                "origin": pa.array(origins, pa.string()),
                "key": pa.array(keys_, pa.string()),
                "tag": pa.array(tags, pa.string()),
                "probability": pa.array(probabilities, pa.float32()),
            }
        )
