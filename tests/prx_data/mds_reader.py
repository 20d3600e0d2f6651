"""Reads folders of MDS as a trainer does, by mosaicml-streaming; a program of its own, in an environment of its own.

    python mds_reader.py FOLDER ...

For each folder prints a line of JSON: its samples in order, bytes as hexadecimal digits.
"""

import json
import sys

from streaming import StreamingDataset


def main(folders: list[str]) -> None:
    """Every sample, by iterating."""
    for folder in folders:
        rows = StreamingDataset(local=folder, remote=None, batch_size=1, shuffle=False, validate_hash="sha256")
        samples = [{**row, "image": row["image"].hex()} for row in rows]
        print(json.dumps(samples))


if __name__ == "__main__":
    main(sys.argv[1:])
