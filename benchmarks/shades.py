"""Whether the measured colours of two photos tell colour variants from further photos: prints one table.

    python benchmarks/shades.py PHOTOS [EVERY]

PHOTOS holds `catalogue`, of which each EVERY-th photo is taken (default 1). Its metadata names each photo's product and
colour: two photos of one product and one colour may be semantic duplicates, two of one product in two colours never.
`prx_data.decisions.resemblance.MAX_SHADE_DIFFERENCE` was chosen by this table.
"""

import csv
import sys
import tempfile
from itertools import combinations
from pathlib import Path

import numpy as np

from prx_data import Workspace
from prx_data.decisions import resemblance

LIMITS = (5, 10, 15, 20, 30)


def main(catalogue: Path, every: int) -> None:
    """Measure and print the table."""
    with (catalogue / "metadata.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[::every]
    with tempfile.TemporaryDirectory() as temporary:
        pile = Path(temporary) / "photos"
        pile.mkdir()
        for row in rows:
            (pile / row["file_name"]).symlink_to((catalogue / row["file_name"]).resolve())
        workspace = Workspace(Path(temporary) / "work", decode_side=512)
        workspace.add(pile)
        workspace.measure()
        keys = {row["origin"]: row["key"] for row in workspace.photos().to_pylist()}
        table = workspace.columns().select(["key", "subject_colors"])
    palettes = resemblance.Palettes.of(table["subject_colors"])
    places = {key: place for place, key in enumerate(table["key"].to_pylist())}
    pairs = [(a, b) for a, b in combinations(rows, 2) if a["name"] == b["name"]]
    ends = [[places[keys[one["file_name"]]] for one in pair] for pair in pairs]
    left, right = np.array(ends, dtype=np.int64).reshape(-1, 2).T
    one_color = np.array([a["color"] == b["color"] for a, b in pairs], dtype=bool)
    print("| largest difference (ΔE) | pairs of one colour taken as one | pairs of two colours taken as one |")
    print("|---|---|---|")
    for limit in LIMITS:
        taken = resemblance.same_colors(palettes, left, right, limit=limit)
        one, two = taken[one_color], taken[~one_color]
        print(f"| {limit} | {np.mean(one):.1%} of {len(one)} | {np.mean(two):.1%} of {len(two)} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]) / "catalogue", int(sys.argv[2]) if len(sys.argv) > 2 else 1)
