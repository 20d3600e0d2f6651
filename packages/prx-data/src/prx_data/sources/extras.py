"""Packages that only some sources need: a missing one is a sentence with the pip command, before any work."""

import re
from collections.abc import Iterable
from importlib import import_module
from typing import Any

from prx_data.errors import SourceError

_EXTRAS = {"http": "http", "https": "http", "hf": "hub"}


def check_protocols(locations: Iterable[str]) -> None:
    """See that every URL's file system can be loaded.

    Raises:
        SourceError: A package is missing.
    """
    protocols: dict[str, str] = {}
    for location in locations:
        for protocol in re.findall(r"([A-Za-z][A-Za-z0-9+.-]*)://", location):
            protocols.setdefault(protocol, location)
    for protocol, location in protocols.items():
        _check_protocol(protocol, location)


def _check_protocol(protocol: str, location: str) -> None:
    import fsspec

    try:
        fsspec.get_filesystem_class(protocol)
    except ImportError as error:
        extra = _EXTRAS.get(protocol)
        hint = f"pip install 'prx-data[{extra}]'" if extra else f"{error}"
        raise SourceError(f"To read {location} a package is missing: {hint}.") from error
    except ValueError as error:
        raise SourceError(f"{location} cannot be read: nothing is known of {protocol}://.") from error


def load_datasets() -> Any:
    """The `datasets` package.

    Raises:
        SourceError: It is not installed.
    """
    try:
        return import_module("datasets")
    except ImportError as error:
        raise SourceError("Datasets of the Hugging Face hub need a package: pip install 'prx-data[hub]'.") from error
