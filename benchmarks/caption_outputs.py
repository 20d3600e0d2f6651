"""Whole captions in the manner of Qwen-VL, SmolVLM, Florence-2 and LLaVA for `caption_checks.py`, good and faulty ones.

Those of the set `outputs` were written when version 1 of the checks was done, by somebody who had read it, and the
checks were widened for them: `FIRST` has what version 1 made of them. Those of `later` were written after that, and
nothing was changed for them but that phrases which version 1 knew and the widened checks did not (`the image you
provided displays`) are known again, and its excuses since version 4. Those of `tails` (faults after a good beginning,
and good captions whose ends tempt) and of `colors` (what the catalogue says and what was measured differ) were
written when version 2 was done, before anything was changed, and by whoever then changed it: they are new, but not
strange to version 3. Those of `later tails` were written when it was done; what they showed at first is what to
expect, and was mended afterwards. Those of `fresh` were written when version 3 was done, by somebody who had not read
its phrases, and measured before anything was changed; `speculation` was no check then, and `invented`, lettering that
nobody can read, is none. Those of `later fresh` were written after these were mended, by whoever mended them: what
they showed at first is what to expect, and was mended afterwards.
Product names and colours are what a shop's metadata says.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

from prx_data.captions.protocol import Kind

FIRST: dict[str, dict[str, tuple[float, float]]] = {
    "outputs": {
        "color": (1.000, 0.500),
        "cut_off": (1.000, 1.000),
        "language": (1.000, 1.000),
        "markup": (1.000, 0.833),
        "preamble": (0.875, 0.538),
        "product": (1.000, 0.500),
        "refusal": (1.000, 0.333),
        "repetition": (1.000, 1.000),
        "good": (0.960, 0.960),
        "any fault": (0.972, 0.614),
    },
    "tails": {
        "markup": (0.000, 0.000),
        "preamble": (0.000, 0.000),
        "refusal": (0.800, 1.000),
        "good": (0.980, 0.980),
        "any fault": (0.857, 0.125),
    },
    "later tails": {
        "markup": (0.667, 0.333),
        "preamble": (0.833, 0.417),
        "refusal": (0.667, 1.000),
        "good": (0.900, 0.900),
        "any fault": (0.833, 0.500),
    },
    "colors": {
        "color": (0.000, 0.000),
        "good": (1.000, 1.000),
        "any fault": (0.000, 0.000),
    },
    "fresh": {
        "color": (1.000, 0.714),
        "cut_off": (1.000, 1.000),
        "invented": (0.000, 0.000),
        "language": (1.000, 1.000),
        "markup": (1.000, 0.647),
        "preamble": (1.000, 0.739),
        "product": (0.750, 0.600),
        "refusal": (0.875, 0.875),
        "repetition": (1.000, 1.000),
        "speculation": (0.000, 0.000),
        "good": (1.000, 1.000),
        "any fault": (1.000, 0.729),
    },
    "later fresh": {
        "color": (0.500, 0.500),
        "cut_off": (1.000, 1.000),
        "language": (1.000, 1.000),
        "markup": (1.000, 0.143),
        "preamble": (1.000, 0.500),
        "product": (1.000, 1.000),
        "refusal": (1.000, 0.500),
        "repetition": (1.000, 0.500),
        "speculation": (0.500, 0.500),
        "good": (0.938, 0.938),
        "any fault": (0.895, 0.531),
    },
}
"""Precision and recall by the checks that were there first: 1; 2 of `tails`, `colors`; 3 of `later tails`, `fresh`."""


@dataclass(frozen=True, kw_only=True)
class Output:
    """A caption, what is wrong with it, and what is known of the photo."""

    fault: str
    """The check that should complain; empty for a good caption."""
    kind: Kind
    name: str
    color: str
    """The catalogue's."""
    measured: str
    """The measured one; empty if nothing is known of it."""
    text: str


def read_outputs(which: str) -> list[Output]:
    """The captions of a set: `outputs`, `later`, `tails`, `later tails`, `colors`, `fresh` or `later fresh`."""
    with Path(__file__).with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        return [
            Output(
                fault=row["fault"],
                kind="dense" if row["kind"] == "dense" else "short",
                name=row["name"],
                color=row["color"],
                measured=row["measured"],
                text=row["text"],
            )
            for row in csv.DictReader(file)
            if row["set"] == which
        ]
