"""The commands that take a written dataset elsewhere."""

import argparse
from pathlib import Path
from typing import Any

from prx_data.told import counted, nouns

_FORMATS = ("webdataset", "mds", "imagefolder", "kohya")  # those of prx_data.exports, which is heavy to import


def add_outputs(commands: Any) -> None:
    """Add `export` and `push` to the subparsers of `prx-data`."""
    export = commands.add_parser(
        "export",
        help="a written dataset for other trainers",
        description="A written dataset to WebDataset, MDS, or folders of pictures. Run again, it redoes nothing.",
    )
    export.add_argument("dataset", type=Path, help="folder that `prx-data curate` wrote")
    export.add_argument("out", type=Path, help="folder to write")
    export.add_argument("--format", choices=_FORMATS, default=_FORMATS[0], help="default: %(default)s")
    export.add_argument(
        "--shard-mb", type=float, default=128, help="the most megabytes (2^20) of a shard (%(default)s)"
    )
    export.add_argument("--resolution", type=int, default=512, help="mds: side of the square bucket (%(default)s px)")
    export.add_argument("--patch-size", type=int, default=32, help="mds: pixels of a patch (%(default)s)")
    export.set_defaults(command=_export)

    push = commands.add_parser(
        "push",
        help="a written dataset to the Hugging Face hub",
        description="Uploads shard by shard, card and manifest last; what the hub has already is not sent again. The "
        "token is HF_TOKEN or that of `hf auth login`.",
    )
    push.add_argument("dataset", type=Path, help="folder that `prx-data curate` wrote")
    push.add_argument("repository", help="owner/name; created, private, if it does not exist")
    push.add_argument("--public", action="store_true", help="create it public")
    push.set_defaults(command=_push)


def _export(options: argparse.Namespace) -> int:
    from prx_data.exports import export

    done = export(
        options.dataset,
        options.out,
        format=options.format,
        shard_bytes=round(options.shard_mb * (1 << 20)),
        resolution=options.resolution,
        patch_size=options.patch_size,
    )
    for split, rows in done["splits"].items():
        counts = {name: one["samples"] for name, one in done["files"].items() if name.startswith(f"{split}/")}
        photos, files = counted(sum(counts.values()), "photo"), counted(len(counts), _unit(done["format"]))
        print(f"{rows:>8,} {nouns(rows, 'row')} of {split} = {photos} in {files}")
    if "caption_keys" in done:
        print("caption_keys: " + ", ".join(f"{name} {weight:g}" for name, weight in done["caption_keys"]))
    print(f"export:  {options.out}")
    return 0


def _unit(format: str) -> str:
    return {"imagefolder": "folder", "kohya": "folder"}.get(format, "shard")


def _push(options: argparse.Namespace) -> int:
    from prx_data.publish import push

    done = push(options.dataset, options.repository, private=not options.public)
    print(f"{len(done.sent):>8,} {nouns(len(done.sent), 'file')} sent")
    print(f"{len(done.present):>8,} {nouns(len(done.present), 'file')} there already")
    if done.removed:
        print(f"{len(done.removed):>8,} {nouns(len(done.removed), 'file')} of an earlier dataset removed")
    print(done.url)
    return 0
