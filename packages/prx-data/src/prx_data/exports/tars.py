"""WebDataset: tars in which the files of a sample stand together and share their name up to the first dot.

    KEY.jpg  KEY.txt  KEY.json        the picture, its caption, all other columns

(https://github.com/webdataset/webdataset, "The WebDataset Format".)
"""

import json
import tarfile
from collections.abc import Iterable
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path

from prx_data.exports.written import Sample

_BLOCK = 512
_END = 20 * _BLOCK  # a tar ends in zeros up to a full record


def write_tars(folder: Path, samples: Iterable[Sample], shard_bytes: int) -> dict[str, int]:
    """Write `000000.tar`, `000001.tar`, ... of at most `shard_bytes`, unless one sample alone is larger.

    Times and owners are left out, so that equal samples give equal bytes.

    Returns:
        Samples by file name.
    """
    counts: dict[str, int] = {}
    room = 0
    with ExitStack() as opened:
        for sample in samples:
            members = _members(sample)
            size = sum(_BLOCK + -(-len(data) // _BLOCK) * _BLOCK for _, data in members)
            if not counts or size > room:
                opened.close()
                name = f"{len(counts):06d}.tar"
                tar = opened.enter_context(tarfile.open(folder / name, "w", format=tarfile.USTAR_FORMAT))
                counts[name], room = 0, shard_bytes - _END
            for member, data in members:
                facts = tarfile.TarInfo(member)
                facts.size = len(data)
                tar.addfile(facts, BytesIO(data))
            counts[name] += 1
            room -= size
    return counts


def _members(sample: Sample) -> list[tuple[str, bytes]]:
    facts = json.dumps(sample.columns, sort_keys=True, ensure_ascii=False)
    return [
        (f"{sample.key}.{sample.suffix}", sample.image),
        (f"{sample.key}.txt", (sample.columns["caption"] or "").encode()),
        (f"{sample.key}.json", facts.encode()),
    ]
