"""Functions that numba compiles: once, kept beside the file or, where that cannot be written to, in the user's cache.

numba is imported at the first call. It compiles a file's functions again when that file changes, and knows nothing of
what the file imports: a kernel takes other kernels and numbers from its own file alone.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property, update_wrapper
from types import ModuleType
from typing import Any, Generic, ParamSpec, TypeAlias, TypeVar, cast

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
    """Have every kernel ready that Python calls, so that no first call takes long; what those call comes with them.

    For processes that do nothing else.
    """
    with _without_linear_algebra():
        for one in _called():
            _ = one.compiled


@contextmanager
def _without_linear_algebra() -> Iterator[None]:
    """Keep numba from loading scipy's, which takes it as long as all kernels do and is nothing to them.

    It asks for it with its first function, and asks again when some other function needs it.
    """
    if "scipy.linalg" in sys.modules or "numba.np.arraymath" in sys.modules:
        yield
        return
    sys.modules["scipy.linalg"] = cast(ModuleType, None)  # importing it fails
    try:
        yield
    finally:
        del sys.modules["scipy.linalg"]


def compile_all() -> None:
    """The same, with a bar if it takes more than a moment, as it does the first time on a machine."""
    from tqdm import tqdm

    for one in tqdm(_called(), desc="compiling, once", unit="kernel", disable=None, leave=False, delay=2.0):
        _ = one.compiled


def _called() -> list["Kernel[..., Any]"]:
    return [one for one in _KERNELS if not one.py_func.__name__.startswith("_")]
