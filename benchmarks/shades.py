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
        table = workspace.columns().select(["key", "subject_colors"]).to_pydict()
    palettes = dict(zip(table["key"], table["subject_colors"], strict=True))
    shades = {row["file_name"]: resemblance.shades(palettes[keys[row["file_name"]]] or []) for row in rows}
    pairs = [(a, b) for a, b in combinations(rows, 2) if a["name"] == b["name"]]
    print("| largest difference (ΔE) | pairs of one colour taken as one | pairs of two colours taken as one |")
    print("|---|---|---|")
    for limit in LIMITS:
        taken: dict[bool, list[bool]] = {True: [], False: []}
        for a, b in pairs:
            same = resemblance.same_colors(*shades[a["file_name"]], *shades[b["file_name"]], limit=limit)
            taken[a["color"] == b["color"]].append(same)
        one, two = taken[True], taken[False]
        print(f"| {limit} | {np.mean(one):.1%} of {len(one)} | {np.mean(two):.1%} of {len(two)} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]) / "catalogue", int(sys.argv[2]) if len(sys.argv) > 2 else 1)
