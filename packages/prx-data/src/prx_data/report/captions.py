"""A page with pictures beside their captions, to look at before all of them are paid for."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from prx_data.captions import PhotoCaptions
from prx_data.decisions.verdicts import KeptPhoto
from prx_data.report.pictures import Block, Pictures, Shown
from prx_data.told import counted

_FAILURES_SHOWN = 12


def captions_shown(
    pictures: Pictures, kept: Sequence[KeptPhoto], captions: Mapping[str, PhotoCaptions], headline: str
) -> Shown:
    """Pictures beside their captions.

    Args:
        pictures: Where thumbnails come from.
        kept: The photos, in the order in which they are shown.
        captions: By key.
        headline: What is said first.
    """
    return Shown("Captions", headline, [captioned(pictures, kept, captions)])


def caption_blocks(captions: Mapping[str, PhotoCaptions]) -> list[Block]:
    """Who wrote the default captions, and why others fell back; nothing if all is from metadata.

    Args:
        captions: By key.
    """
    sources = Counter(one.default.source for one in captions.values())
    failures = Counter(one.failure for one in captions.values() if one.failure is not None)
    if not failures and set(sources) <= {"template", "metadata"}:
        return []
    rows = [{"label": name, "value": n, "text": f"{n:,}", "tone": "plain"} for name, n in sources.most_common()]
    lacking = sum(failures.values())
    photos = counted(len(captions), "photo")
    caption = f"Who wrote the default captions. Without one that was asked for: {lacking:,} of {photos}."
    blocks: list[Block] = [
        {"kind": "heading", "level": 2, "text": "Captions"},
        {"kind": "bars", "caption": caption, "rows": rows},
    ]
    if failures:
        shown = [[f"{n:,}", reason] for reason, n in failures.most_common(_FAILURES_SHOWN)]
        caption = f"{len(shown)} of {counted(len(failures), 'different reason')}, the most frequent first."
        blocks.append({"kind": "table", "caption": caption, "header": ["photos", "why"], "rows": shown})
    return blocks


def captioned(pictures: Pictures, kept: Sequence[KeptPhoto], captions: Mapping[str, PhotoCaptions]) -> Block:
    """The block of pictures beside captions."""
    shown = {one.origin: one for one in kept}
    items = []
    for item in pictures.items(shown, {origin: origin for origin in shown}, {}):
        texts = _texts(captions[shown[item["label"]].key])
        named = {"name": item["name"], "label": item["label"]}
        items.append({"image": item["image"], "alt": item["label"], **named, "texts": texts})
    caption = "The first text of each photo is its default caption."
    return {"kind": "captions", "caption": caption, "items": items}


def _texts(captions: PhotoCaptions) -> list[dict[str, Any]]:
    texts = [
        {
            "name": f"{one.kind} by {one.source}" if one.source != one.kind else one.kind,
            "text": one.text,
            "tone": "plain",
        }
        for one in captions.captions
    ]
    if captions.failure is not None:
        texts.append({"name": "failed", "text": captions.failure, "tone": "failed"})
    return texts
