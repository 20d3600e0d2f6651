"""Imports of large libraries without a search for garbage."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected(*, for_good: bool = False) -> Iterator[None]:
    """Look for no garbage meanwhile: what an import makes stays, and Python would look through all of it many times.

    With torch, diffusers and transformers that is a third of the time.

    Args:
        for_good: Never look through what there is at the end, either; for a process that is ours alone.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
        if for_good:
            gc.freeze()
    finally:
        if was_on:
            gc.enable()
