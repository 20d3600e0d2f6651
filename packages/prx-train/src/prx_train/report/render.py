"""Report data to a page: one template, everything escaped, nothing loaded from elsewhere."""

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from prx_train.told import visible


def render(report: Mapping[str, Any]) -> str:
    """A page from `{"title", "headline", "blocks"}`, blocks as docs/dataset-format.md lists them.

    Blocks of an unknown kind are left out, so that the report of a newer dataset can still be shown. A picture that is
    no `data:image/` URI is left out too: the page must not fetch anything.
    """
    environment = Environment(
        loader=PackageLoader("prx_train.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: visible(value) if type(value) is str else value,  # not what is HTML already
    )
    environment.filters["data_image"] = lambda uri: uri if str(uri).startswith("data:image/") else ""
    return environment.get_template("page.html").render(report=report)
