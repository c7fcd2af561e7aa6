"""Memory that shows when something outside of an array is read or written."""

import ctypes
import importlib
import math
import mmap
import pkgutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest import mock

import numpy as np

import scratchnet.kernels.patches

MARGIN = 96  # elements: more than a tile is wide, and a multiple of the widest vector
CANARY = 1.25e30
PAGE = mmap.PAGESIZE


def between_nans(array: np.ndarray) -> np.ndarray:
    """A copy with NaN before and behind it in memory."""
    whole = np.full(array.size + 2 * MARGIN, np.nan, array.dtype)
    inner = whole[MARGIN : MARGIN + array.size].reshape(array.shape)
    inner[...] = array
    return inner


class Canaries:
    """Hands out arrays between canaries, full of NaN, and says later whether a canary has died."""

    def __init__(self) -> None:
        self.allocated: list[tuple[np.ndarray, int, float]] = []
        self._empty = np.empty

    def empty(self, shape: int | tuple[int, ...], dtype: object = np.float64) -> np.ndarray:
        size, dtype = math.prod((shape,) if isinstance(shape, int) else shape), np.dtype(dtype)
        canary = CANARY if dtype.kind == "f" else 1
        memory = self._empty((size + 2 * MARGIN) * dtype.itemsize + 64, np.uint8)
        start = -memory.ctypes.data % 64  # kernels may count on arrays that begin on a vector's boundary
        whole = memory[start : start + (size + 2 * MARGIN) * dtype.itemsize].view(dtype)
        whole[:] = canary
        if dtype.kind == "f":
            whole[MARGIN : MARGIN + size] = np.nan
        self.allocated.append((whole, size, canary))
        return whole[MARGIN : MARGIN + size].reshape(shape)

    def check(self) -> None:
        assert self.allocated
        for whole, size, canary in self.allocated:
            for outside in (whole[:MARGIN], whole[MARGIN + size :]):
                np.testing.assert_array_equal(outside, np.array(canary, whole.dtype))


def fenced(array: np.ndarray, at_end: bool = True) -> np.ndarray:
    """A copy that ends where memory may not be touched, or begins behind such memory. Linux only."""
    inner = fenced_empty(array.shape, array.dtype, at_end)
    inner[...] = array
    return inner


def fenced_empty(shape: int | tuple[int, ...], dtype: object = np.float64, at_end: bool = True) -> np.ndarray:
    """An uninitialised array beside memory that may not be touched: the process would be killed."""
    size, dtype = math.prod((shape,) if isinstance(shape, int) else shape), np.dtype(dtype)
    pages = -(-max(1, size * dtype.itemsize) // PAGE)
    memory = np.frombuffer(mmap.mmap(-1, (pages + 2) * PAGE), np.uint8)
    for page in (0, pages + 1):
        if ctypes.CDLL(None).mprotect(ctypes.c_void_p(memory.ctypes.data + page * PAGE), PAGE, 0):
            raise OSError("mprotect failed")
    start = (pages + 1) * PAGE - size * dtype.itemsize if at_end else PAGE
    return memory[start : start + size * dtype.itemsize].view(dtype).reshape(shape)


@contextmanager
def allocating(empty: Callable[..., np.ndarray]) -> Iterator[None]:
    """Let every array that the kernels' wrappers allocate, results and scratch alike, come from `empty`."""
    names = [module.name for module in pkgutil.iter_modules(scratchnet.kernels.__path__, "scratchnet.kernels.")]
    replaced = {
        "empty": empty,
        "empty_like": lambda array: empty(array.shape, array.dtype),
        "aligned": lambda size, dtype: empty((size,), dtype),
    }
    patches = [mock.patch.object(np, name, replaced[name]) for name in ("empty", "empty_like")]
    patches.append(mock.patch.object(scratchnet.kernels.patches, "SCRATCH_KEPT", -1))  # no scratch of earlier calls
    for name in names:
        module = sys.modules.get(name) or importlib.import_module(name)
        patches += [mock.patch.object(module, own, replaced[own]) for own in replaced if own in vars(module)]
    try:
        for patch in patches:
            patch.start()
        yield
    finally:
        for patch in patches:
            patch.stop()
