"""The dataset card: `README.md` with the YAML that `datasets` reads."""

from collections.abc import Mapping, Sequence
from typing import Any


def dataset_card(counts: Mapping[str, Any], splits: Mapping[str, int], columns: Sequence[str]) -> str:
    """The card's text.

    Args:
        counts: `photos`, `kept`, `dropped`, `failed`, as in `curation.json`.
        splits: Rows by split.
        columns: Names of the dataset's columns.
    """
    files = "".join(f"  - split: {name}\n    path: data/{name}-*.parquet\n" for name in splits)
    funnel = [("photos in", counts["photos"])]
    funnel += [(f"dropped: {reason.replace('_', ' ')}", number) for reason, number in counts["dropped"].items()]
    funnel += [(f"failed: {reason.replace('_', ' ')}", number) for reason, number in counts["failed"].items()]
    funnel += [("kept", counts["kept"])]
    lines = "\n".join(f"| {name} | {number:,} |" for name, number in funnel)
    sizes = ", ".join(f"`{name}` {rows:,}" for name, rows in splits.items())
    named = ", ".join(f"`{name}`" for name in columns)
    return f"""---
configs:
- config_name: default
  data_files:
{files}task_categories:
- text-to-image
tags:
- prx-data
---

# Product photos, selected and captioned

{counts["kept"]:,} of {counts["photos"]:,} photos, chosen by prx-data. Rows: {sizes}.

```python
import datasets

dataset = datasets.load_dataset("this/folder")
```

| step | photos |
|---|---:|
{lines}

`verdicts.parquet` has one row for every input photo with the reason for its fate; `report.html` shows them.
No duplicate group and no product has photos in two splits.

Columns: {named}.

The licence is that of the photos that went in; add it here before you publish.
"""
