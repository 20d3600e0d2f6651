"""Functions that numba compiles: once, kept beside the file or, where that cannot be written to, in the user's cache.

numba is imported at the first call. It compiles a file's functions again when that file changes, and knows nothing of
what the file imports: a kernel takes other kernels and numbers from its own file alone.
"""

import hashlib
import os
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property, update_wrapper
from importlib.metadata import version
from pathlib import Path
from typing import Any, Generic, ParamSpec, TypeAlias, TypeVar

Scalar: TypeAlias = Any
"""A number that may come from an array, of the type that the kernel's signature says."""
P = ParamSpec("P")
R = TypeVar("R")

# A division by zero gives infinity, as in numpy: to look for it would keep loops from being vectorised.
_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}
_KERNELS: list["Kernel[..., Any]"] = []


class Kernel(Generic[P, R]):
    """A function of arrays and numbers that is compiled at its first call, for the types that it was declared with."""

    def __init__(self, function: Callable[P, R], signature: str) -> None:
        self.py_func = function
        """What is compiled; runs too, a few hundred times as slowly."""
        self._signature = signature
        update_wrapper(self, function)
        _KERNELS.append(self)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Compiled."""
        result: R = self.compiled(*args, **kwargs)
        return result

    @cached_property
    def compiled(self) -> Any:
        """Numba's function."""
        from numba import njit  # a third of a second, and only who measures needs it

        try:
            return njit(self._signature, cache=True, **_OPTIONS)(self.py_func)
        except RuntimeError:  # there is no folder to keep it in
            return njit(self._signature, **_OPTIONS)(self.py_func)

    @property
    def _numba_type_(self) -> Any:
        """How numba sees it where another kernel calls it."""
        return self.compiled._numba_type_


def kernel(signature: str) -> Callable[[Callable[P, R]], Kernel[P, R]]:
    """Declare a kernel with numba's signature of its parameters."""
    return lambda function: Kernel(function, signature)


def load_all() -> None:
    """Have every kernel ready that Python calls, so that no first call takes long; what those call comes with them."""
    with _without_compiler():
        for one in _called():
            _ = one.compiled


def compile_all() -> None:
    """Have every kernel compiled and kept, so that each process only loads it; with a bar, as it takes a while.

    Where that was done, nothing is: a mark beside the files says so, as even asking numba takes half a second.
    """
    mark = _mark()
    if mark is not None and mark.exists():
        return
    from tqdm import tqdm

    with _without_compiler():
        for one in tqdm(_called(), desc="compiling, once", unit="kernel", disable=None, leave=False, delay=2.0):
            _ = one.compiled
    kept = {Path(one.compiled.stats.cache_path) for one in _called() if one.compiled.stats.cache_path}
    if mark is not None and kept == {mark.parent}:
        for old in mark.parent.glob(f"{mark.stem}.*"):
            old.unlink(missing_ok=True)
        mark.touch()


def _mark() -> Path | None:
    """Says that numba has kept all kernels beside their files; None where it is told to keep them elsewhere.

    Its name changes with what numba looks at, and with numba. Whoever removes what was kept removes the folder, and the
    mark with it; without that, each process compiles what it misses.
    """
    if os.environ.get("NUMBA_CACHE_DIR"):
        return None
    folder = Path(__file__).parent
    found = [(one.name, one.stat().st_size, one.stat().st_mtime_ns) for one in sorted(folder.glob("*.py"))]
    digest = hashlib.sha256(repr([found, version("numba"), version("llvmlite"), platform.machine()]).encode())
    host = hashlib.sha256(platform.node().encode()).hexdigest()[:8]  # processors differ, and folders may be shared
    return folder / "__pycache__" / f"compiled-{sys.implementation.cache_tag}-{host}.{digest.hexdigest()[:16]}"


@contextmanager
def _without_compiler() -> Iterator[None]:
    """Keep numba from getting ready to compile until it has to: that takes as long as loading all kernels does.

    It imports what it knows of Python's and numpy's functions before it loads the first kernel, which needs nothing but
    its runtime, and looks for more of them before each of the others.
    """
    from numba.core import event
    from numba.core.registry import cpu_target
    from numba.core.runtime import rtsys

    context = cpu_target.target_context
    rtsys.initialize(context)

    class GetReady(event.Listener):  # type: ignore[misc]
        def on_start(self, event: Any) -> None:
            if vars(context).pop("refresh", None):
                context.refresh()

        def on_end(self, event: Any) -> None:
            """Nothing is to be done."""

    context.refresh = lambda: None  # hides the method
    with event.install_listener("numba:compile", GetReady()):
        try:
            yield
        finally:
            vars(context).pop("refresh", None)


def _called() -> list["Kernel[..., Any]"]:
    return [one for one in _KERNELS if not one.py_func.__name__.startswith("_")]
