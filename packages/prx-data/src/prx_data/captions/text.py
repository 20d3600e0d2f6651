"""Captions as words: what checks look at."""

import re
from collections.abc import Iterator, Mapping

from prx_data.captions.words import COLORS, PRODUCTS
from prx_data.features import says_nothing

_TOKEN = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*|[.,;:!?()]")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"'”’)]*\s+(?=[\"'“(]?\w)")
STOPS = frozenset(".,;:!?()")
QUOTED = re.compile(r"[\"“][^\"”\n]{0,80}[\"”]")
"""What may be printed on the product."""


def tokens(text: str) -> list[str]:
    """Words in lower case and punctuation; `navy-blue` is two words, and `t-shirt` one."""
    return list(_tokens(text))


def _tokens(text: str) -> Iterator[str]:
    for match in _TOKEN.findall(text.lower().replace("t shirt", "t-shirt")):
        if "-" in match and match not in COLORS and match not in PRODUCTS:
            yield from match.split("-")
        else:
            yield match


def words(text: str) -> list[str]:
    """As `tokens`, without punctuation."""
    return [one for one in tokens(text) if one not in STOPS]


def sentences(text: str) -> list[str]:
    """Split after a full stop, a question mark or an exclamation mark that a word follows."""
    return [one.strip() for one in _SENTENCE_END.split(text.strip()) if one.strip()]


def stem(word: str) -> str:
    """A noun without its plural, near enough to compare two: `sho` of shoe and of shoes."""
    for ending, instead in (
        ("ies", "y"),
        ("ie", "y"),
        ("oes", "o"),
        ("oe", "o"),
        ("ches", "ch"),
        ("shes", "sh"),
        ("sses", "ss"),
        ("xes", "x"),
    ):
        if word.endswith(ending):
            return word.removesuffix(ending) + instead
    return word.removesuffix("s") if len(word) > 3 and not word.endswith("ss") else word


def first_value(metadata: Mapping[str, str], columns: tuple[str, ...]) -> str:
    """The first of some columns that says something, whatever the case of its name; empty if none does."""
    lowered = {column.lower(): value for column, value in metadata.items()}
    said = (lowered.get(one.lower(), "") for one in columns)
    return next((value.strip() for value in said if not says_nothing(value)), "")
