"""Captions from metadata and measured columns, by a fixed pattern; deterministic, and no picture is looked at."""

import html
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from prx_data.captions.protocol import Answer, PhotoFacts, Request
from prx_data.captions.text import first_value
from prx_data.measures.color_names import color_name

Columns = Annotated[tuple[str, ...], Field()]

_VIEWS = frozenset({"front", "back", "side", "top", "bottom", "detail", "interior", "left", "right"})


class Template(BaseModel):
    """Caption "{color} {name}, {category}, on a {background} background, {view} view".

    Each part is the first of its columns that has a value; parts without one are left out. A photo whose metadata
    already has a caption keeps it word for word.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    caption_columns: Columns = ("caption",)
    """Metadata columns that hold a finished caption."""
    name_columns: Columns = ("name", "title", "product_name", "label")
    """Metadata columns with the product's name."""
    category_columns: Columns = ("category", "product_type", "type", "coarse")
    """Metadata columns with the kind of product; of a path such as `Men/Tops/Tees` the last part is used."""
    color_columns: Columns = ("color", "colour", "basecolour", "base_color")
    """Metadata columns with the product's colour; without one the measured dominant colour is used. Several, between
    `|`, `/` or `;`, are joined by `and`, and hex codes become names."""
    view_columns: Columns = ("view", "angle")
    """Metadata columns with the view; used only where the value is an everyday word such as `back`."""

    @property
    def source(self) -> str:
        """What the dataset tells of who wrote it."""
        return "template"

    @property
    def version(self) -> str:
        """Changes when the pattern does."""
        return "template-3"

    @property
    def chosen_device(self) -> str:
        """The machine's processor."""
        return "cpu"

    def write(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """The pattern filled in, or the user's own caption."""
        for request in requests:
            finished = self.own_caption(request.facts)
            yield Answer(
                request=request,
                kind="metadata" if finished else "template",
                text=finished or self.text(request.facts),
            )

    def own_caption(self, photo: PhotoFacts) -> str:
        """The caption that the user's metadata holds; empty if it holds none."""
        return _first(photo.metadata, self.caption_columns)

    def product(self, metadata: Mapping[str, str]) -> str:
        """Name and kind of the product, in words; empty if the metadata says neither."""
        kind = _last_part(_first(metadata, self.category_columns))
        return ", ".join(part for part in (_first(metadata, self.name_columns), kind) if part)

    def told(self, metadata: Mapping[str, str]) -> str:
        """Name, kind and colour; where the metadata says none of them, all that it says but the view."""
        told = ", ".join(part for part in (self.product(metadata), _first(metadata, self.color_columns)) if part)
        return told or " ".join(value for name, value in metadata.items() if name.lower() not in self.view_columns)

    def text(self, photo: PhotoFacts) -> str:
        """The pattern filled in."""
        name = _first(photo.metadata, self.name_columns).lower()
        category = _last_part(_first(photo.metadata, self.category_columns)).lower()
        color = _colors(_first(photo.metadata, self.color_columns).lower()) or photo.color
        view = _first(photo.metadata, self.view_columns).lower()
        subject = _subject(color, name or category or "product")
        parts = [f"a photo of {_with_article(subject)}"]
        if name and category and not _says(name, category):
            parts.append(category)
        if photo.background:
            parts.append(f"on {_with_article(f'{photo.background} background')}")
        if view in _VIEWS:
            parts.append(f"{view} view")
        return ", ".join(parts)


def _first(metadata: Mapping[str, str], columns: tuple[str, ...]) -> str:
    return _clean(first_value(metadata, columns))


def _clean(text: str) -> str:
    """Without HTML, trade marks and double spaces: shops export them, and nobody writes them in a prompt."""
    return " ".join(re.sub(r"</?[a-zA-Z][^<>]*>|[™®©]", "", html.unescape(text)).split())


def _colors(text: str) -> str:
    """Several colours joined as one says them, hex codes by their names: `black|#ff0000` is black and red."""
    parts = [
        _HEX.sub(lambda code: color_name(_six_digits(code[0])), one).strip() for one in _BETWEEN_COLORS.split(text)
    ]
    named = list(dict.fromkeys(one for one in parts if one))
    return " and ".join([", ".join(named[:-1]), named[-1]] if len(named) > 1 else named)


def _six_digits(code: str) -> str:
    return code if len(code) == 7 else "#" + "".join(2 * digit for digit in code[1:])


_HEX = re.compile(r"(?<!\w)#(?:[0-9a-f]{6}|[0-9a-f]{3})\b")
_BETWEEN_COLORS = re.compile(r"[|;]|(?<!\bw)/")  # `w/` is with


def _last_part(path: str) -> str:
    parts = [part for part in re.split(r"[/>|]", path) if part.strip()]
    return " ".join(re.sub("[-_]", " ", parts[-1]).split()) if parts else ""


def _says(name: str, category: str) -> bool:
    """Whether the name already holds the category's words, give or take a plural."""
    stems = {word.rstrip("s") for word in re.findall(r"\w+", name)}
    return all(word.rstrip("s") in stems for word in re.findall(r"\w+", category))


def _subject(color: str, name: str) -> str:
    return name if not color or _says(name, color) else f"{color} {name}"


def _with_article(text: str) -> str:
    """With `a` or `an`, unless the last word looks like a plural."""
    if re.search(r"[^s]s$", text):
        return text
    return f"an {text}" if _AN.match(text) else f"a {text}"


_AN = re.compile(r"(?!uni(?![nmd])|us[abe]|ut[ei]|eu|one\b|once\b)[aeiou]|hour|hono|heir|8|1[18]\b")
"""What is spoken with a vowel first: no unisex or one-piece thing."""
