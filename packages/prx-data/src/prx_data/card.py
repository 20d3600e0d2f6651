"""The dataset card: `README.md` with the YAML that `datasets` and the hub read."""

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from prx_data.records import SAMPLES
from prx_data.told import counted

Row = Mapping[str, Any]

_LICENCES = frozenset({"license", "licence", "license_id", "rights", "usage_rights", "copyright"})
_ORIGINS = frozenset(
    {"author", "creator", "credit", "dataset", "image_url", "photographer", "provenance", "source", "source_url", "url"}
)
"""Names of metadata columns, in lower case, that say under what terms photos come, and from whom."""
_KNOWN_LICENCES = frozenset(
    {
        *("afl-3.0", "apache-2.0", "cc-by-2.0", "cc-by-3.0", "cc-by-4.0", "cc-by-nc-4.0", "cc-by-nc-nd-4.0"),
        *("cc-by-nc-sa-4.0", "cc-by-nd-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc0-1.0", "mit", "odbl", "odc-by"),
        *("osl-3.0", "pddl", "unlicense"),
    }
)
"""As the hub names them (https://huggingface.co/docs/hub/repositories-licenses)."""
_SIZES = ("n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M", "100M<n<1B")
_SHOWN = 10


def dataset_card(
    counts: Mapping[str, Any],
    splits: Mapping[str, int],
    columns: Sequence[str],
    rows: Sequence[Row],
    metadata: Sequence[str] = (),
) -> str:
    """The card's text.

    Args:
        counts: `photos`, `kept`, `dropped`, `failed`, as in `curation.json`.
        splits: Rows by split.
        columns: Names of the dataset's columns.
        rows: All rows without their pictures.
        metadata: Names of the columns that come from the user's metadata.
    """
    sizes = ", ".join(f"`{name}` {number:,}" for name, number in splits.items())
    named = ", ".join(f"`{name}`" for name in columns)
    return f"""---
{_yaml(splits, rows, metadata)}---

# Product photos, selected and captioned

{counts["kept"]:,} of {counted(counts["photos"], "photo")}, chosen by prx-data. Rows: {sizes}.

![Some of the pictures]({SAMPLES})

```python
import datasets

dataset = datasets.load_dataset("this/folder")
```

## From photos to rows

{_funnel(counts)}

`verdicts.parquet` has one row for every input photo with the reason for its fate; `report.html` shows them.
No duplicate group and no product has photos in two splits.

## What is in it

{_statistics(rows)}

{_captions(rows)}

{_clusters(rows)}

{_sources(rows)}

Columns: {named}.

## Licence and provenance

{_terms(rows, metadata)}
"""


def _yaml(splits: Mapping[str, int], rows: Sequence[Row], metadata: Sequence[str]) -> str:
    files = "".join(f"  - split: {name}\n    path: data/{name}-*.parquet\n" for name in splits)
    licences = licence_ids(rows, metadata)
    terms = "license:\n" + "".join(f"- {one}\n" for one in licences) if licences else ""
    size = _SIZES[min(max(0, len(str(len(rows))) - 3), len(_SIZES) - 1)]
    return (
        f"configs:\n- config_name: default\n  data_files:\n{files}{terms}size_categories:\n- {size}\n"
        "task_categories:\n- text-to-image\ntags:\n- prx-data\n"
    )


def licence_ids(rows: Sequence[Row], metadata: Sequence[str]) -> list[str]:
    """The hub's names for the licences in the metadata; `other` for those it has none for, and for rows without one."""
    names = [name for name in metadata if name.lower() in _LICENCES]
    found = (
        {_licence_id(next((row[name] for name in names if row.get(name)), None)) for row in rows} if names else set()
    )
    return sorted(found)


def _licence_id(value: Any) -> str:
    name = "-".join(str(value).lower().replace("_", "-").split())
    name = {"cc0": "cc0-1.0", "public-domain": "cc0-1.0", "apache": "apache-2.0"}.get(name, name)
    return name if name in _KNOWN_LICENCES else "other"


def _funnel(counts: Mapping[str, Any]) -> str:
    steps = [("photos in", counts["photos"])]
    steps += [(f"dropped: {reason.replace('_', ' ')}", number) for reason, number in counts["dropped"].items()]
    steps += [(f"failed: {reason.replace('_', ' ')}", number) for reason, number in counts["failed"].items()]
    return _table(("step", "photos"), [(name, f"{number:,}") for name, number in (*steps, ("kept", counts["kept"]))])


def _statistics(rows: Sequence[Row]) -> str:
    values = {
        "shorter side, pixels": ("{:,.0f}", [min(row["width"], row["height"]) for row in rows]),
        "longer side, pixels": ("{:,.0f}", [max(row["width"], row["height"]) for row in rows]),
        "width by height": ("{:.2f}", [row["width"] / row["height"] for row in rows]),
        "cleanliness of the background, 0 to 1": ("{:.2f}", [row["cleanliness"] for row in rows]),
        "share of the frame that the subject covers": ("{:.2f}", [row["fill"] for row in rows]),
        "words of a caption": ("{:,.0f}", [len(row["caption"].split()) for row in rows]),
    }
    lines = [
        (name, *(text.format(one) for one in (min(found), median(found), max(found))))
        for name, (text, found) in values.items()
    ]
    return _table(("", "least", "median", "most"), lines)


def _clusters(rows: Sequence[Row]) -> str:
    sizes = Counter((row["cluster"], row["cluster_name"]) for row in rows).most_common()
    named = ", ".join(f"{cell(name or f'number {number}')} ({size:,})" for (number, name), size in sizes[:_SHOWN])
    return f"Visual clusters (`cluster`, `cluster_name`): {len(sizes):,}, the largest are: {named}."


def _captions(rows: Sequence[Row]) -> str:
    sources = Counter(row["caption_source"] for row in rows)
    written = ", ".join(f"`{name}` {number:,}" for name, number in sources.most_common())
    empty = sum(not row["caption"] for row in rows)
    distinct = len({row["caption"] for row in rows})
    return f"Captions by what wrote them: {written}; {distinct:,} are distinct, {empty:,} are empty."


def _sources(rows: Sequence[Row]) -> str:
    """Where photos came from: the first part of their origins."""
    found = Counter(row["origin"].partition("/")[0] if "/" in row["origin"] else "" for row in rows)
    if len(found) == 1:
        return "All photos come from one folder or file."
    lines = [(cell(name or "(not in a folder)"), f"{number:,}") for name, number in _most(found)]
    return _table(("source", "photos"), lines)


def _terms(rows: Sequence[Row], metadata: Sequence[str]) -> str:
    text = ""
    for name in metadata:
        values = Counter("" if row.get(name) is None else str(row[name]) for row in rows)
        if name.lower() in _LICENCES:
            lines = [(cell(value) or "(none given)", f"{number:,}") for value, number in _most(values)]
            text += _table((f"`{name}`", "photos"), lines) + "\n\n"
        elif name.lower() in _ORIGINS:
            given = len(rows) - values.pop("", 0)
            told = f"given in {counted(given, 'row')}, {counted(len(values), 'value')}"
            text += f"`{name}` says where a photo came from: {told}.\n\n"
    if not any(name.lower() in _LICENCES for name in metadata):
        text += "The licence is that of the photos that went in; add it here before you publish.\n\n"
    return text + "`origin` names each photo's file in what was given to prx-data, `key` is the SHA-256 of its bytes."


def _most(values: Counter[str]) -> list[tuple[str, int]]:
    """The most frequent, in an order that depends on them alone, and the number of all others."""
    ordered = sorted(values.items(), key=lambda one: (-one[1], one[0]))
    others = ordered[_SHOWN:]
    return [
        *ordered[:_SHOWN],
        *([(counted(len(others), "other"), sum(number for _, number in others))] if others else []),
    ]


def _table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; all columns but the first hold numbers."""
    rows = [header, ["---", *["---:"] * (len(header) - 1)], *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def cell(text: str) -> str:
    """A metadata value as text in a table, which neither Markdown nor HTML in it can leave."""
    short = " ".join(text.split())
    short = short if len(short) <= 80 else short[:79] + "…"
    for mark in "\\`*_[]":
        short = short.replace(mark, "\\" + mark)
    return short.replace("&", "&amp;").replace("<", "&lt;").replace("|", "&#124;")
