"""How a person is told: numbers with their nouns, and text that others wrote. Imports nothing of this package."""

import re

_CONTROLS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def counted(number: int, noun: str) -> str:
    """A number with its noun: `1 step`, `1,000 steps`."""
    return f"{number:,} {noun}" + "s" * (number != 1)


def visible(text: str) -> str:
    r"""Text that cannot turn round what stands beside it: control characters but for line ends as `\u202e`."""
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
