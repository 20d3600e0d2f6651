"""Thumbnails and galleries."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from prx_data.decisions.verdicts import Decisions
from prx_data.decoding import decode, thumbnail
from prx_data.errors import ConfigError
from prx_data.reading import Content, blocks, read_block
from prx_data.records import EXPLANATIONS, FAILED, Reason
from prx_data.report.render import render
from prx_data.told import counted

Block = dict[str, Any]

STOOD_FOR = (
    *(Reason.EXACT_DUPLICATE, Reason.NEAR_DUPLICATE, Reason.SEMANTIC_DUPLICATE, Reason.COLOR_VARIANT),
    Reason.LEAK,
)
"""Reasons that name another photo."""


class Pictures:
    """Thumbnails by origin, each decoded once, as `data:` URIs."""

    def __init__(self, decisions: Decisions, locators: Mapping[str, str], *, side: int = 168) -> None:
        self.verdicts = {one.origin: one for one in decisions.verdicts}
        self._locators = locators
        self._side = side
        self._made: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._made)

    def items(self, origins: Iterable[str], labels: Mapping[str, str], marks: Mapping[str, str]) -> list[Block]:
        """Gallery items; photos without a picture are left out."""
        wanted = list(origins)
        self._make({self.verdicts[one].key for one in wanted} - self._made.keys())
        items = []
        for origin in wanted:
            image = self._made.get(self.verdicts[origin].key or "", "")
            if image:
                label = labels.get(origin, origin)
                alt, mark = f"{origin}: {label}", marks.get(origin, "")
                items.append({"image": image, "alt": alt, "name": origin, "label": label, "mark": mark})
        return items

    def of_key(self, key: str, label: str, mark: str) -> list[Block]:
        """The gallery item of a photo that has no verdict, as it belongs to another set; none without a picture."""
        self._make({key} - self._made.keys())
        image = self._made.get(key, "")
        return [{"image": image, "alt": label, "name": label, "label": label, "mark": mark}] if image else []

    def _make(self, keys: Iterable[str | None]) -> None:
        keys_of = {self._locators[key]: key for key in keys if key is not None and key in self._locators}
        with ThreadPoolExecutor() as threads:  # reading and decoding release the interpreter lock
            for made in threads.map(self._thumbnails, blocks(keys_of)):
                self._made.update({keys_of[locator]: uri for locator, uri in made})

    def _thumbnails(self, block: Sequence[str]) -> list[tuple[str, str]]:
        return [(locator, self._uri(content)) for locator, content in read_block(block)]

    def _uri(self, content: Content) -> str:
        """Empty if the photo is gone since it was measured: the report is no place to fail for it."""
        decoded = None if isinstance(content, OSError) else decode(content, at_least=self._side)
        if decoded is None or decoded.pixels is None:
            return ""
        return "data:image/jpeg;base64," + base64.b64encode(thumbnail(decoded.pixels, self._side)).decode()


@dataclass(frozen=True)
class Shown:
    """Blocks of a report that a notebook shows."""

    title: str
    headline: str
    blocks: Sequence[Block]

    def __repr__(self) -> str:
        return f"{self.title}: {self.headline}"  # pictures are text of megabytes

    def page(self) -> str:
        """A self-contained page."""
        return self._html(whole_page=True)

    def _repr_html_(self) -> str:
        return self._html(whole_page=False)

    def _html(self, *, whole_page: bool) -> str:
        report = {"title": self.title, "headline": self.headline, "blocks": list(self.blocks)}
        return render(report, whole_page=whole_page)


@dataclass(frozen=True)
class Gallery:
    """Pictures that a notebook shows."""

    reason: str
    title: str
    items: Sequence[Block]
    groups: Sequence[Block] = ()
    """Instead of items: each photo beside the one that stands for it."""

    def __repr__(self) -> str:
        return self.title

    def page(self) -> str:
        """A self-contained page."""
        return self._shown.page()

    def _repr_html_(self) -> str:
        return self._shown._repr_html_()

    @property
    def _shown(self) -> Shown:
        if self.groups:
            caption = f"{counted(len(self.groups), 'photo')}, each beside the one that stands for it."
            block = {"kind": "groups", "caption": caption, "groups": list(self.groups)}
        else:
            block = {"kind": "gallery", "caption": f"{counted(len(self.items), 'picture')}.", "items": list(self.items)}
        return Shown(self.reason, self.title, [block])


def sample(origins: Sequence[str], verdicts: Mapping[str, Any], limit: int) -> list[str]:
    """At most `limit` origins, chosen and ordered by key: as good as random, and the same on every run."""
    return sorted(origins, key=lambda one: (verdicts[one].key or "", one))[:limit]


def gallery(pictures: Pictures, decisions: Decisions, reason: str, limit: int) -> Gallery:
    """Photos with one reason, each with the sentence of its verdict, and beside the photo that stands for it.

    Raises:
        ConfigError: There is no such reason.
    """
    if reason not in EXPLANATIONS:
        raise ConfigError(f"reason = {reason!r} is unknown; known are {', '.join(map(str, EXPLANATIONS))}.")
    verdicts = pictures.verdicts
    found = [one.origin for one in verdicts.values() if one.reason == reason]
    shown = sample(found, verdicts, limit)
    title = f"{reason.replace('_', ' ')}: {counted(len(found), 'photo')}. {EXPLANATIONS.get(reason, '')}"
    if reason in FAILED:
        title += " There are no pixels to show."
    name = reason.replace("_", " ").capitalize()
    if reason in STOOD_FOR:
        return Gallery(name, title, (), [_beside(pictures, decisions, one) for one in shown])
    labels = {one: f"{one}: {verdicts[one].detail}" for one in shown}
    return Gallery(name, title, pictures.items(shown, labels, {}))


def _beside(pictures: Pictures, decisions: Decisions, origin: str) -> Block:
    """A photo that was dropped, and the one that it was dropped for."""
    items = pictures.items([origin], {}, {origin: "dropped"})
    winner = decisions.stands_for.get(origin)
    if winner is not None:
        kept = pictures.verdicts[winner].kept
        reason = pictures.verdicts[winner].reason.replace("_", " ")
        label = {} if kept else {winner: f"{winner}; dropped itself: {reason}"}
        items += pictures.items([winner], label, {winner: "kept" if kept else "best"})
    else:
        leak = decisions.leak_of[origin]
        items += pictures.of_key(leak.known_key, leak.known, "known")
    return {"label": pictures.verdicts[origin].detail, "items": items}
