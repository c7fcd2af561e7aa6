"""The decorator of every kernel: compiled by Numba at its first call, cached, and safe to call from many threads."""

import os
import threading
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, overload

import numba
from numba.core.registry import CPUDispatcher
from numba.np.ufunc import parallel as threading_layers

from scratchnet.environment import processors
from scratchnet.kernels import forks, processor
from scratchnet.kernels.cache import KernelCache

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

# NaN and infinity stay alive (no `nnan`, no `ninf`): training must be able to see that it diverged.
FAST_MATH = {"contract", "reassoc", "arcp", "nsz"}

processor.choose_level()  # before the first kernel is defined

KERNELS: list[Any] = []  # all of them, in the order of their definition


class _Serialised(CPUDispatcher):  # type: ignore[misc]  # numba has no type information
    """Parallel kernels where Numba has only its `workqueue`, which aborts the process when two threads enter it."""

    _one_at_a_time = threading.RLock()

    def __call__(self, *arguments: Any) -> Any:
        with _Serialised._one_at_a_time:
            return super().__call__(*arguments)


class _Undecided(CPUDispatcher):  # type: ignore[misc]
    """Parallel kernels before the first call of any: which threads Numba finds is known once it has started them.

    Starting them when the package is imported would cost time, and forbid to fork to those who never call a kernel.
    """

    def __call__(self, *arguments: Any) -> Any:
        _decide()
        return self(*arguments)


_deciding = threading.Lock()
_parallel_type: type = _Undecided


def _decide() -> None:
    """Let all parallel kernels be called the way that the threading layer demands: plainly, wherever that is safe."""
    global _parallel_type
    with _deciding:
        threads = numba.get_num_threads()  # starts them
        # the package could not limit them where Numba had been imported before it
        if "NUMBA_NUM_THREADS" not in os.environ and threads == numba.config.NUMBA_NUM_THREADS > processors():
            numba.set_num_threads(processors())
        forks.watch_parallel_loops()
        _parallel_type = _Serialised if numba.threading_layer() == "workqueue" else CPUDispatcher
        for compiled in KERNELS:
            if type(compiled) is _Undecided:
                compiled.__class__ = _parallel_type


def _renew_locks() -> None:
    """Forget the locks that a thread may have held which the child does not have."""
    global _deciding
    _deciding = threading.Lock()
    _Serialised._one_at_a_time = threading.RLock()
    threading_layers._backend_init_thread_lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)


@overload
def kernel(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]: ...
@overload
def kernel(*, parallel: bool = False) -> Callable[[Callable[Arguments, Result]], Callable[Arguments, Result]]: ...
def kernel(function: Any = None, *, parallel: bool = False) -> Any:
    """Compile a function over arrays at its first call; keep the machine code for later processes.

    With `$NUMBA_BOUNDSCHECK` set to 1, an index that is out of range raises an IndexError.

    Args:
        function: the function, when used as `@kernel`.
        parallel: whether `prange` runs on all threads.
    """
    if numba.config.BOUNDSCHECK:
        parallel = False  # an error in another thread than the caller's would be lost

    def decorate(function: Callable[..., Any]) -> Any:
        compiled = numba.njit(
            parallel=parallel, nogil=True, fastmath=FAST_MATH, error_model="numpy", no_cfunc_wrapper=True
        )(function)
        compiled._cache = KernelCache(function)
        if parallel:
            compiled.__class__ = _parallel_type
        KERNELS.append(compiled)
        return compiled

    return decorate if function is None else decorate(function)
