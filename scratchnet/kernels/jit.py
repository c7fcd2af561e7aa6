"""The decorator of every kernel: compiled by Numba, cached per user, and never stale.

Numba keys its cache on the source file of the function alone. A kernel here also contains code from other files (the
vector tile, helpers that were inlined), so the cache lives in a folder named after the sources of all kernels together:
a change in any of them starts a fresh folder, and an installation that cannot be written to does not matter.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, overload

import llvmlite
import numba
from numba.core import caching

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

# NaN and infinity stay alive (no `nnan`, no `ninf`): training must be able to see that it diverged.
FAST_MATH = {"contract", "reassoc", "arcp", "nsz"}


@cache
def sources_stamp() -> str:
    """A hash of the kernels' sources and of the compiler's version."""
    digest = hashlib.sha256(f"numba {numba.__version__} llvmlite {llvmlite.__version__}".encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


@cache
def cache_folder() -> Path | None:
    """Where compiled kernels are kept; None where no folder can be written.

    `$SCRATCHNET_CACHE` if set, else `$XDG_CACHE_HOME/scratchnet`, else `~/.cache/scratchnet`.
    """
    chosen, caches = os.environ.get("SCRATCHNET_CACHE"), os.environ.get("XDG_CACHE_HOME")
    try:
        base = Path(chosen) if chosen else Path(caches or Path.home() / ".cache") / "scratchnet"
        folder = base / f"kernels-{sources_stamp()}"
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except (OSError, RuntimeError):  # a RuntimeError where there is no home
        return None
    return folder


def has_compiled_kernels() -> bool:
    """Whether an earlier process has left compiled kernels, so that this one need not wait for them."""
    folder = cache_folder()
    return folder is not None and any(folder.glob("*.nbi"))


class _KernelLocator(caching._CacheLocator):  # type: ignore[misc]  # numba has no type information
    def __init__(self, function: Callable[..., Any], path: str) -> None:
        self._py_file = path
        self._line = function.__code__.co_firstlineno

    def get_cache_path(self) -> str:
        return str(cache_folder())

    def get_source_stamp(self) -> str:
        return sources_stamp()

    def get_disambiguator(self) -> str:
        return str(self._line)

    @classmethod
    def from_function(cls, function: Callable[..., Any], path: str) -> "_KernelLocator":
        return cls(function, path)


class _KernelCacheImpl(caching.CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes = [_KernelLocator]  # noqa: RUF012  # the name and shape are Numba's


class _KernelCache(caching.FunctionCache):  # type: ignore[misc]
    _impl_class = _KernelCacheImpl


@overload
def kernel(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]: ...
@overload
def kernel(*, parallel: bool = False) -> Callable[[Callable[Arguments, Result]], Callable[Arguments, Result]]: ...
def kernel(function: Any = None, *, parallel: bool = False) -> Any:
    """Compile a function over arrays at its first call; keep the machine code for later processes.

    Args:
        function: the function, when used as `@kernel`.
        parallel: whether `prange` runs on all threads.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        compiled = numba.njit(parallel=parallel, nogil=True, fastmath=FAST_MATH, error_model="numpy")(function)
        if cache_folder() is not None:
            compiled._cache = _KernelCache(function)
        return compiled

    return decorate if function is None else decorate(function)
