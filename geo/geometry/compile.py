"""Decorators and options of functions compiled by Numba, and their link to stored machine code.

Functions that Python calls are *kernels*: their machine code, with all that they call, is built
once and stored (:mod:`geo.geometry.kernel_file`). Numba's own cache would store each of the helper
functions too, ask the processor's name, and run damaged files.
"""

import os
import pickle
from collections.abc import Callable
from functools import cache
from typing import Any

import numba
from numba.core.caching import _Cache
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps
from numba.core.sigutils import normalize_signature

from geo.geometry import kernel_file

_CONFIG: Any = numba.config
if "NUMBA_CPU_NAME" not in os.environ:
    # The same code for every processor of an architecture can be copied; it is 13 % slower.
    _CONFIG.CPU_NAME, _CONFIG.CPU_FEATURES = "generic", ""

_UNWRAPPED: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}

COMPILED: dict[str, Any] = {**_UNWRAPPED, "nogil": True, "error_model": "numpy"}
"""Options of functions that allocate arrays; ``nogil`` lets other threads run meanwhile."""

INLINED: dict[str, Any] = {**COMPILED, "_nrt": False, "forceinline": True}
"""Options of functions that allocate nothing: without reference counts on every array that is
passed on, a move takes a sixth of the time (0.28 against 1.7 microseconds)."""

KERNELS: list[Any] = []
"""All kernels that are imported."""


def kernel(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Return a decorator for functions that Python calls, not only compiled ones.

    Parameters
    ----------
    **options
        :data:`COMPILED` or :data:`INLINED`.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        dispatcher = numba.njit(**options | {"no_cpython_wrapper": False})(function)
        dispatcher._cache = _StoredCode(f"{function.__module__}.{function.__qualname__}")
        KERNELS.append(dispatcher)
        return dispatcher

    return decorate


class _StoredCode(_Cache):
    """The machine code of a kernel in the form in which Numba asks for it."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def cache_path(self) -> None:
        """Return nothing: the path of the file is known to :mod:`geo.geometry.kernel_file`."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the compiled function for a signature, None if it has to be compiled."""
        group: kernel_file.Group = "proof" if ".proof." in self.name else "draw"
        stored = _stored_code(group).get(f"{self.name}{normalize_signature(sig)[0]}")
        if stored is None:
            return None
        target_context.refresh()
        return CompileResult._rebuild(target_context, *pickle.loads(stored))  # noqa: S301

    def save_overload(self, sig: Any, data: Any) -> None:
        """Store nothing: the file is written as a whole."""

    def enable(self) -> None:
        """Do nothing: the code is always used."""

    def disable(self) -> None:
        """Do nothing: the code is always used."""

    def flush(self) -> None:
        """Do nothing: the file is written as a whole."""


@cache
def _stored_code(group: kernel_file.Group) -> dict[str, bytes]:
    return kernel_file.load_or_build(group)


def dump_kernels() -> dict[str, bytes]:
    """Return the machine code of all kernels compiled in this process, by name and signature."""
    return {
        f"{dispatcher._cache.name}{types}": dumps(result._reduce())
        for dispatcher in KERNELS
        for types, result in dispatcher.overloads.items()
        if not result.library.has_dynamic_globals
    }
