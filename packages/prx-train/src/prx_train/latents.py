"""What a latent model trains on: each photo encoded once."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from prx_train import data, model
from prx_train.caching import TensorCache, Watch
from prx_train.cells import NAMED
from prx_train.config import ResolvedConfig
from prx_train.places import change_mark
from prx_train.session import Say, as_signal, latent_key
from prx_train.storage import digest

_GROUPS = 16  # row groups whose digests are written at a time


def photo_latents(
    config: ResolvedConfig,
    folder: Path,
    space: model.Space,
    photos: Sequence[tuple[data.Split, int]],
    watch: Callable[[str, str, str], Watch],
    say: Say,
) -> TensorCache:
    """The latents of all photos, cached in a folder; none for a model that works on pixels.

    Args:
        config: The settings.
        folder: Of the caches.
        space: The model's.
        photos: Splits and their rows.
        watch: Makes what looks after a cache: of a stage of the ledger, a unit, and a name for what is made.
        say: Takes what happens.
    """
    latents = TensorCache(folder, space.digest, name="latents", ram_limit=config.ram_limit_gb * 1e9, say=say)
    if space.vae is not None:
        note_contents(folder, photos, say, watch("load", "row groups", "digests of row groups"))
        encode_photos(latents, space, photos, config.fit, encoding := watch("latent_cache", "photos", latents.name))
        encoding.filed(0)
    return latents


def note_contents(
    folder: Path,
    photos: Sequence[tuple[data.Split, int]],
    say: Say,
    watch: Watch = Watch(),  # noqa: B008  # it holds nothing
) -> int:
    """Notes the digest of each photo's file in its split; returns how many row groups had to be read for it.

    A dataset's own keys may be anything. What was read once is on record as long as the Parquet file is not written to;
    files that it names are read each time, as they may change behind its back.
    """
    known = TensorCache(folder, digest("pictures"), name="digests of row groups", per_file=_GROUPS, say=say)
    marks = {file: change_mark(file) for file in {split.rows[index].place[0] for split, index in photos}}
    wanted: dict[str, tuple[data.Split, data.Place]] = {}
    keys = []
    for split, index in photos:
        place = split.rows[index].place
        keys.append(digest(marks[place[0]], split.image, str(place[1])))
        wanted.setdefault(keys[-1], (split, place))
    read = known.fill(
        wanted,
        lambda some: [torch.tensor([list(one) for one in split.digests(place)]).byte() for split, place in some],
        watch,
    )
    for key, (split, index) in zip(keys, photos, strict=True):
        found = bytes(known.tensor(key)[split.rows[index].place[2]].tolist())
        split.contents[index] = (found if found != NAMED else split.named_digest(index)).hex()
    return read


def encode_photos(
    latents: TensorCache, space: model.Space, photos: Sequence[tuple[data.Split, int]], fit: str, watch: Watch
) -> int:
    """Makes the latents of all readable photos available, float16; returns how many had to be encoded.

    Row group by row group, so that each is read and each photo decoded once; by shape within, for full batches.
    """

    def make(some: Sequence[tuple[data.Split, int]]) -> list[Tensor | None]:
        made: list[Tensor | None] = []
        for part in _runs_of_one_shape(some):
            pictures = [split.picture(index) for split, index in part]
            readable = [picture for picture in pictures if picture is not None]
            encoded: Iterator[Tensor] = iter(())
            if readable:
                encoded = iter(space.encode(as_signal(np.stack(readable))).half().cpu())
            made += [None if picture is None else next(encoded).contiguous().clone() for picture in pictures]
        return made

    def place(one: tuple[data.Split, int]) -> tuple[str, int, tuple[int, int], str]:
        row = one[0].rows[one[1]]
        return *row.place[:2], row.size, row.key

    wanted = {latent_key(split, index, fit): (split, index) for split, index in sorted(photos, key=place)}
    return latents.fill(wanted, make, watch)


def _runs_of_one_shape(photos: Sequence[tuple[data.Split, int]]) -> list[list[tuple[data.Split, int]]]:
    runs: list[list[tuple[data.Split, int]]] = []
    for split, index in photos:
        if runs and runs[-1][0][0].rows[runs[-1][0][1]].size == split.rows[index].size:
            runs[-1].append((split, index))
        else:
            runs.append([(split, index)])
    return runs
