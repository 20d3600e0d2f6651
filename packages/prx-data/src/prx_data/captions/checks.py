"""What is wrong with a caption, each check with its reason. Pure functions of text and facts."""

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from prx_data.captions.agreement import Agreement
from prx_data.captions.asides import speculation
from prx_data.captions.contradictions import color_contradiction, product_contradiction
from prx_data.captions.plain import markup, preamble, refusal
from prx_data.captions.protocol import Kind, PhotoFacts
from prx_data.captions.template import Template
from prx_data.captions.text import first_value, sentences, words
from prx_data.captions.words import DANGLING, LANGUAGES
from prx_data.told import counted

VERSION = "6"
"""Changes when the same caption may be judged otherwise."""

Words = Annotated[int, Field(ge=1)]

_LETTERS = 30
"""That no language has in a word on average, spaces included."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """One thing that is wrong with a caption."""

    check: str
    """`empty`, `refusal`, `preamble`, `speculation`, `markup`, `repetition`, `cut_off`, `language`, `length`, `color`,
    `product` or `agreement`."""
    detail: str

    def __str__(self) -> str:
        return f"{self.check}: {self.detail}"


class Checks(BaseModel):
    """What a caption has to be."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    language: str = "en"
    """The language that captions are asked for in, and have to be in: a code such as `en` or `de`.

    `color`, `product` and `speculation` look at English captions only. `refusal` and `preamble` know English best, of
    German, French, Spanish and Italian the frequent phrases, and of other languages nothing; `markup` knows English
    advertising. The words that nothing ends with (`cut_off`) are English. All else is the same for each language.
    """
    dense_words: tuple[Words, Words] = (20, 220)
    """Fewest and most words of a dense caption."""
    short_words: tuple[Words, Words] = (3, 30)
    """Fewest and most words of a short caption."""
    max_better_fits: Annotated[float, Field(ge=0, lt=1)] | None = None
    """Largest share of other photos that a sentence may fit better than its own, by the workspace's CLIP; None does not
    look. 0.95 is where to start: a sentence that says nothing of the photo is beyond it one time in twenty. A lower one
    finds more of these, and complains about the photo's own where the CLIP hardly tells it from others."""

    @field_validator("language")
    @classmethod
    def _known(cls, language: str) -> str:
        if language not in LANGUAGES:
            raise ValueError(f"known are {', '.join(LANGUAGES)}")
        return language

    @model_validator(mode="after")
    def _ordered(self) -> "Checks":
        for name in ("dense_words", "short_words"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name} = {(low, high)} has more words at least than at most")
        return self

    def failures(
        self,
        text: str,
        kind: Kind,
        facts: PhotoFacts,
        *,
        columns: Template | None = None,
        finished: bool = True,
        agreement: Agreement | None = None,
    ) -> tuple[Failure, ...]:
        """All that is wrong with a caption; nothing if it can be trained on.

        Args:
            text: The caption.
            kind: `dense` or `short`.
            facts: What is known of the photo.
            columns: Which metadata columns say what; by default those of the template.
            finished: False if the model was stopped before it was done.
            agreement: What `max_better_fits` is measured by.
        """
        if not text.strip():
            why = "there is no text" if finished else "the model was stopped before it wrote any"
            return (Failure(check="empty", detail=why),)
        low, high = self.dense_words if kind == "dense" else self.short_words
        if len(text) > _LETTERS * high:  # the other checks look at pairs of sentences, and would take minutes
            return (Failure(check="length", detail=f"{counted(len(text), 'letter')}, and {high} words are the most"),)
        where = columns or Template()
        product = where.product(facts.metadata)
        catalogue = first_value(facts.metadata, where.color_columns)
        foreign = wrong_language(text, self.language)
        english = self.language == "en" and foreign is None
        found = {
            "refusal": refusal(text, self.language),
            "preamble": preamble(text, self.language),
            "speculation": speculation(text) if english else None,
            "markup": markup(text),
            "repetition": repetition(text),
            "cut_off": cut_off(text, whole_sentences=kind == "dense", finished=finished),
            "language": foreign,
            "length": wrong_length(text, low, high),
            "color": color_contradiction(text, catalogue, facts.color, product) if english else None,
            "product": product_contradiction(text, product) if english else None,
            "agreement": self._disagreement(text, facts, agreement),
        }
        return tuple(Failure(check=name, detail=why) for name, why in found.items() if why is not None)

    def _disagreement(self, text: str, facts: PhotoFacts, agreement: Agreement | None) -> str | None:
        if self.max_better_fits is None or agreement is None:
            return None
        return agreement.disagreement(facts.key, text, self.max_better_fits)


_STUTTER = re.compile(r"(.{1,12}?)\1{7,}", re.DOTALL)
_LOOP_TIMES = 3
_LONGEST_PERIOD = 24
_SPAN, _DISTINCT = 36, 0.4  # words on end, and the share of them that are different


def repetition(text: str) -> str | None:
    """Why it runs in circles: the same words three times on end, a sentence twice, or hardly any others."""
    said = words(text)
    for period in range(1, min(_LONGEST_PERIOD, len(said) // 2) + 1):
        run = 0
        for place in range(period, len(said)):
            run = run + 1 if said[place] == said[place - period] else 0
            if run >= max((_LOOP_TIMES - 1) * period, 3):
                return f"repeats {' '.join(said[place - period + 1 : place + 1])!r}"
    twice = [one for one, times in Counter(" ".join(words(one)) for one in sentences(text)).items() if times > 1]
    if any(len(one.split()) > 3 for one in twice):
        return f"says {max(twice, key=len)!r} twice"
    if len(said) >= 24:
        fours = Counter(" ".join(said[place : place + 4]) for place in range(len(said) - 3))
        again = sum(times - 1 for times in fours.values())
        if again >= 0.2 * (len(said) - 3):
            return f"says {max(fours, key=lambda one: fours[one])!r} again and again"
    for place in range(max(1, len(said) - _SPAN + 1) if len(said) >= _SPAN else 0):
        if len(set(said[place : place + _SPAN])) <= _DISTINCT * _SPAN:
            return f"says little else than {' '.join(said[place : place + 8])!r}"
    found = _STUTTER.search(text)
    return f"repeats {found[1]!r}" if found and found[1].strip() else None


_END = re.compile(r"[.!?…。！？।]['\"”’)\]»]*$")


def cut_off(text: str, *, whole_sentences: bool, finished: bool = True) -> str | None:
    """Why it ends in the middle.

    Args:
        text: The caption.
        whole_sentences: Whether it has to end with a full stop; a short caption need not.
        finished: False if the model says that it was stopped.
    """
    if not finished:
        return "the model was stopped before it was done"
    bare = text.strip()
    if whole_sentences and not _END.search(bare):
        return f"ends with {bare[-24:]!r}"
    last = words(bare)[-1:] or [""]
    if re.search(r"[,:;(\[–—/&-]$", bare) or (last[0] in DANGLING and not _END.search(bare)):
        return f"ends with {bare[-24:]!r}"
    if any(bare.count(left) > bare.count(right) for left, right in ("()", "[]", "“”")) or bare.endswith("..."):
        return f"ends with {bare[-24:]!r}, and something is open"
    return None


_MOSTLY = 0.8
_FEW = 2


def wrong_language(text: str, language: str = "en") -> str | None:
    """Why it is in another language: its script is another, or its frequent words are another's.

    Args:
        text: The caption.
        language: One of `prx_data.captions.words.LANGUAGES`.
    """
    script, own = LANGUAGES[language]
    letters = [_script(letter) for letter in text if letter.isalpha()]
    if not letters:
        return "has no letters"
    share = sum(one == script for one in letters) / len(letters)
    most, _ = Counter(letters).most_common(1)[0]
    if share < _MOSTLY:
        return f"{1 - share:.0%} of its letters are not {script.title()}, most are {most.title()}"
    said = frozenset(words(text))
    mine = len(said & own)
    for other, (its_script, frequent) in LANGUAGES.items():
        theirs = len(said & (frequent - own))
        if other != language and its_script == script and own and theirs >= _FEW and theirs > mine:
            return f"{theirs} of {len(said)} words are frequent in {other!r}, and {mine} in {language!r}"
    return None


@lru_cache(maxsize=4096)
def _script(letter: str) -> str:
    """As Unicode names it; the kana count as CJK."""
    script = unicodedata.name(letter, "UNKNOWN").split()[0]
    return "CJK" if script in ("HIRAGANA", "KATAKANA") else script


def wrong_length(text: str, low: int, high: int) -> str | None:
    """Why it has too few or too many words; where words are not spaced, two letters count as one."""
    spaced = words(text)
    dense = sum(_script(letter) in ("CJK", "THAI", "HANGUL") for letter in text if letter.isalpha())
    number = max(len(spaced), dense // 2)
    if number < low:
        return f"{counted(number, 'word')}, and {low} are the fewest"
    return f"{counted(number, 'word')}, and {high} are the most" if number > high else None
