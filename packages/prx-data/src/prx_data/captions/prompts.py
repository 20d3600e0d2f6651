"""What a model is asked for: versioned text files, filled in with what is known of a photo."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template as Pattern

from prx_data.captions.protocol import Kind, PhotoFacts
from prx_data.captions.template import Template
from prx_data.captions.text import first_value
from prx_data.errors import ConfigError

_FOLDER = Path(__file__).parent / "prompts"
_NAMES = {"facts", "language"}
_LONGEST = 300
"""Letters of a fact; what a shop writes about a product may be pages."""

LANGUAGE_NAMES: Mapping[str, str] = {
    "en": "English",
    "de": "German",
    "fr": "French",
    "es": "Spanish",
    "it": "Italian",
    "pt": "Portuguese",
    "nl": "Dutch",
    "sv": "Swedish",
    "pl": "Polish",
    "tr": "Turkish",
    "ru": "Russian",
    "uk": "Ukrainian",
    "el": "Greek",
    "ar": "Arabic",
    "he": "Hebrew",
    "hi": "Hindi",
    "th": "Thai",
    "zh": "Chinese",
    "ja": "Japanese",
    "ko": "Korean",
}

FACT_COLUMNS = (
    *("brand", "material", "fabric", "composition", "pattern", "style", "fit", "shape", "size", "gender", "season"),
    *("features", "details", "description"),
)
"""Metadata columns that are told to the model beside those that the template reads."""


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """A prompt file."""

    kind: Kind
    """`dense` or `short`: by which lengths its captions are judged."""
    version: str
    """`dense-1`; for a file of the user's, its name and eight digits of a digest of its text."""
    text: str
    """With `$facts` and `$language` where these go."""

    def filled(self, photo: PhotoFacts, *, language: str, columns: Template, more: tuple[str, ...]) -> str:
        """The words that are sent.

        Args:
            photo: What is known.
            language: Code of the language to write in.
            columns: Which metadata columns hold name, kind, colour and view.
            more: Further metadata columns to tell.
        """
        known = facts(photo, columns, more)
        if known:
            known = f"These facts are known and true; the description must not contradict them:\n{known}"
        filled = Pattern(self.text).substitute(facts=known, language=LANGUAGE_NAMES[language])
        return re.sub(r"\n{3,}", "\n\n", filled).strip()


def facts(photo: PhotoFacts, columns: Template, more: tuple[str, ...]) -> str:
    """What the metadata says of a photo, one fact a line; the measured colour where the metadata says none."""
    said = {
        "name": first_value(photo.metadata, columns.name_columns),
        "kind": first_value(photo.metadata, columns.category_columns),
        "color": first_value(photo.metadata, columns.color_columns) or photo.color,
        "view": first_value(photo.metadata, columns.view_columns),
        **{name: first_value(photo.metadata, (name,)) for name in more},
    }
    return "\n".join(f"- {name}: {_short(text)}" for name, text in said.items() if text)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST].rsplit(' ', 1)[0]} …"


def load_prompt(name: str, kind: Kind) -> Prompt:
    """A prompt of this package by its name, such as `dense-1`, or one of the user's by its path.

    Raises:
        ConfigError: There is no such prompt, or it has a `$word` that nothing is known for.
    """
    own = _FOLDER / f"{name}.txt"
    path = own if own.parent == _FOLDER and own.is_file() else Path(name)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        known = ", ".join(sorted(one.stem for one in _FOLDER.glob("*.txt")))
        raise ConfigError(f"The prompt {name!r} is neither one of {known} nor a text file that can be read.") from error
    pattern = Pattern(text)
    if not pattern.is_valid() or not set(pattern.get_identifiers()) <= _NAMES:
        raise ConfigError(
            f"The prompt {name!r} may hold $facts and $language, and $$ for a dollar; nothing else with $."
        )
    if not text.strip():
        raise ConfigError(f"The prompt {name!r} is empty.")
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    stem = re.sub(r"[^\w.-]", "_", path.stem)
    return Prompt(kind=kind, version=path.stem if path == own else f"{stem}-{digest}", text=text)
