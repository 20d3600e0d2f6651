"""How a person is told: numbers with their nouns, and text that others wrote. Imports nothing of this package."""

import json
import re
from collections.abc import Sequence

_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, line separators, what turns the direction of text around (Unicode UAX #9), and halves of
characters."""
_UNREAD_SHOWN = 3
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def nouns(number: int, noun: str) -> str:
    """The noun that goes with a number: `photo` with 1, else `photos`."""
    return noun + "s" * (number != 1)


def counted(number: int, noun: str) -> str:
    """A number with its noun: `1 photo`, `1,000 photos`."""
    return f"{number:,} {nouns(number, noun)}"


def visible(text: str) -> str:
    r"""Text that can do nothing to what stands beside it: what is no character to read is escaped, as `\u202e`."""
    return _CONTROLS.sub(lambda found: _SHORT.get(found[0], f"\\u{ord(found[0]):04x}"), text)


def visible_lines(text: str) -> str:
    """As `visible`, but for ends of lines."""
    return "\n".join(map(visible, text.split("\n")))


def unread_files(names: Sequence[str], whose: str, so: str, remedy: str) -> str:
    """The sentence about files that could not be read: what becomes of the photos in them, and what to do."""
    shown = [quoted(one) for one in names[:_UNREAD_SHOWN]]
    some = ", ".join(shown) + (", ..." if len(names) > len(shown) else "")
    those = "it" if len(names) == 1 else "them"
    return (
        f"{counted(len(names), 'file')} of {whose} could not be read, and the photos in {those} {so}: {some}; {remedy}."
    )


def quoted(name: str) -> str:
    """A file name as it stands in a sentence."""
    return visible(json.dumps(name, ensure_ascii=False))
