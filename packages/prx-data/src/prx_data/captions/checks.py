"""What is wrong with a caption, each check with its reason. Pure functions of text and facts."""

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from prx_data.captions.agreement import Agreement
from prx_data.captions.contradictions import color_contradiction, product_contradiction
from prx_data.captions.protocol import Kind, PhotoFacts
from prx_data.captions.template import Template
from prx_data.captions.text import first_value, sentences, words
from prx_data.captions.words import DANGLING, LANGUAGES

VERSION = "1"
"""Changes when the same caption may be judged otherwise."""

Words = Annotated[int, Field(ge=1)]


@dataclass(frozen=True, kw_only=True)
class Failure:
    """One thing that is wrong with a caption."""

    check: str
    """`empty`, `refusal`, `preamble`, `markup`, `repetition`, `cut_off`, `language`, `length`, `color`, `product` or
    `agreement`."""
    detail: str

    def __str__(self) -> str:
        return f"{self.check}: {self.detail}"


class Checks(BaseModel):
    """What a caption has to be."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    language: str = "en"
    """The language that captions are asked for in, and have to be in: a code such as `en` or `de`."""
    dense_words: tuple[Words, Words] = (20, 220)
    """Fewest and most words of a dense caption."""
    short_words: tuple[Words, Words] = (3, 30)
    """Fewest and most words of a short caption."""
    max_better_fits: Annotated[float, Field(ge=0, lt=1)] | None = None
    """Largest share of other photos that a sentence may fit better than its own, by the workspace's CLIP; None does not
    look. 0.95 is where to start: a sentence that says nothing of the photo is beyond it one time in twenty."""

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
            return (Failure(check="empty", detail="there is no text"),)
        where = columns or Template()
        product = where.product(facts.metadata)
        catalogue = first_value(facts.metadata, where.color_columns)
        low, high = self.dense_words if kind == "dense" else self.short_words
        english = self.language == "en"
        found = {
            "refusal": refusal(text),
            "preamble": preamble(text),
            "markup": markup(text),
            "repetition": repetition(text),
            "cut_off": cut_off(text, whole_sentences=kind == "dense", finished=finished),
            "language": wrong_language(text, self.language),
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


_QUOTED = re.compile(r"[\"“][^\"”\n]{0,80}[\"”]")
_EXCUSES = re.compile(
    r"^\W*(?:(?:i(?:'m| am) |my )?(?:\w+ )?(?:sorry|apolog\w+|unfortunately|regrettably)"
    r"|as an? (?:\w+ ){0,3}(?:ai|assistant|model))\b"
    r"|\bas an? (?:ai|language model|assistant)\b|\bunable to (?:assist|help|comply|process|view|describe|identify)\b"
    r"|^\W*(?:error|warning|content (?:not|is not|un)\s*available)\b"
    r"|\b(?:was|were|been) (?:blocked|flagged|rejected|filtered)\b"
    r"|\b(?:could not|cannot|can't|couldn't) be (?:processed|described|displayed|loaded|identified)\b"
    r"|\bno (?:image|photo|picture|file|description) (?:\w+ )?(?:was|is|has|were)\b"
    r"|\bagainst (?:\w+ ){1,2}(?:policy|policies|guidelines)\b",
    re.IGNORECASE,
)
_SPEAKER = re.compile(r"\b(?:i|i'm|i'd|i'll|i've|me|my|we|we're|our|you|your|please)\b", re.IGNORECASE)
_DECLINING = re.compile(
    r"n't\b|\b(?:not|cannot|unable|declin\w+|refus\w+|sorry|apolog\w+|unfortunately|regret\w*|policy|policies"
    r"|guidelines|upload|share|provide|attach|resend|send|try again|comfortable|allowed|permitted|able to)\b",
    re.IGNORECASE,
)


def refusal(text: str) -> str | None:
    """Why it is no caption but an excuse: somebody speaks of what they will not or cannot do, or asks for something.

    Words in quotation marks do not count: they may be printed on the product.
    """
    bare = _QUOTED.sub("", text.replace("’", "'"))
    if found := _EXCUSES.search(bare):
        return f"says {found[0].strip()!r}"
    for sentence in sentences(bare):
        if _SPEAKER.search(sentence) and _DECLINING.search(sentence):
            return f"says {sentence[:60]!r}"
    return None


_MEDIUM = (
    r"(?:image|photo|photograph|picture|pic|shot|snapshot|frame|illustration|scene|screenshot|visual|close-?up|view|render"
    r"|rendering|portrait|composition)"
)
_SHOWS = (
    r"(?:show|feature|depict|display|capture|contain|present|portray|showcase|illustrate|provide|offer|highlight|focus"
    r"|reveal|exhibit|include|represent|give|zoom|centers?|centres?|consist)"
)
_PREAMBLES = re.compile(
    r"^\W*(?:"
    rf"(?:in|within|from|at|throughout|across) (?:the|this|that|your) (?:[\w-]+ ){{0,3}}?{_MEDIUM}\b"
    rf"|(?:(?:the|this|that|your|an?|one)\s+)?(?:[\w-]+ ){{0,3}}?{_MEDIUM}s? (?:(?!of )\w+ ){{0,2}}?"
    rf"(?:{_SHOWS}(?:e?s|ing|ed)?|depicting|capturing|showcasing|illustrating|providing|including|representing|giving"
    r"|is|has|seems|appears)\b"
    r"|here(?:'s| is| are| you| we| comes)\b"
    r"|(?:sure|certainly|of course|absolutely|okay|ok|alright|great|yes|gladly|happy to|no problem|understood)\b[,.!: ]"
    r"|(?:[\w-]+ ){0,3}(?:caption|description|answer|text|output|response|title|paragraph|summary|prompt)"
    r"(?: \w+){0,2}\s*[:–—]"
    r"|(?:i|we|you|one)(?:'m|'re| am| are)? (?:can |could |may |will )?(?:also |clearly |now )?"
    r"(?:see|observe|notice|find|look|looking|would describe|shown|presented|have)\b"
    r"|(?:this|that|it|these|those) (?:is|are|appears to be|seems to be|looks like) (?:an? |the )?"
    rf"(?:[\w-]+ ){{0,2}}?{_MEDIUM}\b"
    r"|(?:the )?(?:main |primary |central )?(?:subject|focus|focal point|object|item) (?:of|in|here|shown|is)\b"
    r"|(?:displayed|presented|shown|seen) before (?:us|you|me)\b"
    rf"|(?:what (?:is|we see|you see)|what's) |(?:let me|let's|looking at|based on|judging by|below is|below you)\b"
    r"|as (?:shown|seen|requested|you can see|we can see)\b"
    rf"|(?:shown|pictured|depicted|visible|seen|displayed|featured|presented|captured)"
    rf" (?:here|is|are|in (?:the|this) (?:[\w-]+ ){{0,2}}?{_MEDIUM})\b|assistant\s*:"
    r")",
    re.IGNORECASE,
)


def preamble(text: str) -> str | None:
    """Why it begins with words about the picture or the answer, and not with what is seen."""
    found = _PREAMBLES.match(text.replace("’", "'"))
    return f"begins with {found[0].strip()!r}" if found else None


_MARKUP = re.compile(
    r"\n|\*\*|__|(?<!\w)\*\S[^*]*\*(?!\w)|`[^`]+`|^#{1,6}\s|^[-*•–]\s+\S|^\d+[.)]\s+\S"
    r"|</?[a-z][^<>]*>|<\|[^|]*\|>|\[/?[A-Z_]{2,}\]|&(?:[a-z]{2,8}|#\d+);|https?://|!?\[[^\]]*\]\([^)]*\)"
    r"|(?<!\w)#[a-z]\w+|\[\d{1,3}\]|\$\S[^$]*\$|^[{\[|]|\\[a-z]+\{|\\n|\\u[0-9a-f]{4}|\ufffd",
    re.IGNORECASE,
)


def markup(text: str) -> str | None:
    """Why it is not plain text: Markdown, HTML, special tokens, links, JSON, hashtags, several lines."""
    found = _MARKUP.search(text.strip())
    return f"holds {found[0][:24]!r}" if found else None


_STUTTER = re.compile(r"(.{1,12}?)\1{7,}", re.DOTALL)
_LOOP_TIMES = 3
_LONGEST_PERIOD = 24


def repetition(text: str) -> str | None:
    """Why it runs in circles: the same words three times on end, a sentence twice, or a few words again and again."""
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
        return f"{number} words, and {low} are the fewest"
    return f"{number} words, and {high} are the most" if number > high else None
