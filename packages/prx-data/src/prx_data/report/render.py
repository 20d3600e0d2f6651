"""Blocks to HTML: the page that docs/dataset-format.md describes. Everything is escaped; pictures are `data:` URIs."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from prx_data.told import visible_lines

_EMBEDDED = re.compile(r"data:image/[\w.+-]+(?:;[\w=-]+)*,[^\s\"'()\\<>]*")


def render(report: Mapping[str, Any], *, whole_page: bool = True) -> str:
    """One self-contained page, or the fragment of it that a notebook shows.

    Args:
        report: `title`, `headline` and `blocks`, as in `report.json`.
        whole_page: False for a fragment with its style.
    """
    return _template().render(report=report, whole_page=whole_page)


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
    )
    environment.filters["picture"] = _picture
    environment.filters["share"] = _share
    environment.filters["color"] = _color
    return environment.get_template("page.html")


def _picture(uri: str) -> str:
    """Let only embedded pictures through: a page that needs the network is not self-contained."""
    if not _EMBEDDED.fullmatch(uri):
        raise ValueError("A report shows only data:image/ URIs.")
    return uri


def _finalize(value: object) -> object:
    """Text that nobody can turn around the page with."""
    return visible_lines(value) if type(value) is str else value  # not what is HTML already


def _color(hue: int | None) -> str:
    """A colour of a hue in degrees; grey for none."""
    return "hsl(0 0% 60%)" if hue is None else f"hsl({int(hue)} 60% 48%)"


def _share(value: float, rows: list[Mapping[str, Any]]) -> str:
    """A bar's width in percent of the longest."""
    longest = max((row["value"] for row in rows), default=0)
    return f"{100 * value / longest:.2f}" if longest else "0"
