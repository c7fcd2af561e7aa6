"""Arrays whose memory is used again: a training step then pays no page faults for its activations and gradients.

A fresh large array is a fresh mapping, and the first touch of each of its pages costs more than writing the page. Here
an array is a view of a block that comes from a pool and returns to it when the last view on it has died. Arrays below
`POOLED_BYTES` are NumPy's own: the allocator behind it reuses small memory by itself.
"""

import math
import os
import threading
from collections import deque
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from scratchnet.arrays import AnyArray, Shape

POOLED_BYTES = 1 << 16
ALIGNMENT = 64  # a cache line, and the widest vector
FREE_BYTES = 256 << 20  # so much may always lie free
SWEEP = 1024  # allocations; a block that lay free through so many goes back to the system


class _SizeClass:
    """The free blocks of one size; the one used last goes out first, so that idle ones stay at the bottom."""

    __slots__ = ("blocks", "idle", "size", "used_at")

    def __init__(self, size: int) -> None:
        self.size = size
        self.blocks: list[_Block] = []
        self.idle = 0  # how many blocks have not been used since the last sweep
        self.used_at = 0


class _Block:
    """Memory that is borrowed and returned."""

    __slots__ = ("address", "home", "memory")

    def __init__(self, home: _SizeClass) -> None:
        self.home = home
        self.memory = np.empty(home.size + ALIGNMENT, np.uint8)
        self.address = -(-self.memory.ctypes.data // ALIGNMENT) * ALIGNMENT


class _Lease:
    """The owner of a pooled array: NumPy keeps it as the `base` of the array, which is that of all views on it."""

    __slots__ = ("__array_interface__", "_block", "_give_back")

    def __init__(self, block: _Block, give_back: Callable[[_Block], None], interface: dict[str, Any]) -> None:
        self._block = block
        self._give_back = give_back
        self.__array_interface__ = interface

    def __del__(self) -> None:
        # Runs at any moment, in any thread, inside the pool too and while the interpreter shuts down: one call of a
        # deque's append needs neither a lock nor a global name.
        self._give_back(self._block)


class BufferPool:
    """Memory that arrays borrow.

    What lies free is limited: when new memory is needed, free blocks beyond the larger of `FREE_BYTES` and the most
    that was ever in use at once are dropped, those of the size that was used longest ago first; and blocks that lay
    free through `SWEEP` allocations are dropped.

    Attributes:
        bytes_in_use: what living arrays hold, as of the last allocation.
        bytes_free: what the pool holds for later arrays, as of the last allocation.
    """

    def __init__(self) -> None:
        self._forget_everything()

    def _forget_everything(self) -> None:
        self._lock = threading.Lock()
        self._returned: deque[_Block] = deque()
        self._classes: dict[int, _SizeClass] = {}  # by their size
        self._class_of: dict[int, _SizeClass] = {}  # by the bytes asked for
        self._allocations = 0
        self._peak = 0
        self.bytes_in_use = 0
        self.bytes_free = 0

    def empty(self, shape: int | Shape, dtype: DTypeLike) -> AnyArray:
        """An uninitialised C-contiguous array of numbers, aligned to `ALIGNMENT` where it is pooled."""
        if isinstance(shape, int):
            shape = (shape,)
        itemsize, typestr = _layout(dtype)  # type: ignore[arg-type]  # NumPy's unhashable dtypes are structures
        wanted = math.prod(shape) * itemsize
        # Not waited for: a finaliser that allocates may run while this very thread holds the lock.
        if wanted < POOLED_BYTES or not self._lock.acquire(False):
            return np.empty(shape, dtype)
        try:
            block = self._take(wanted)
        finally:
            self._lock.release()
        interface = {"shape": shape, "typestr": typestr, "data": (block.address, False), "version": 3}
        return np.asarray(_Lease(block, self._returned.append, interface))

    def release(self) -> None:
        """Give all free memory back to the system."""
        with self._lock:
            self._collect()
            for size_class in self._classes.values():
                self._drop(size_class, len(size_class.blocks))
            self._peak = self.bytes_in_use

    def _take(self, wanted: int) -> _Block:
        if self._returned:
            self._collect()
        self._allocations += 1
        if self._allocations % SWEEP == 0:
            self._sweep()
        home = self._class_of.get(wanted)
        if home is None:
            # Eight sizes for each power of two, so that at most an eighth of a block is not used.
            granule = 1 << max(12, wanted.bit_length() - 4)
            size = (wanted + granule - 1) & -granule
            home = self._class_of[wanted] = self._classes.setdefault(size, _SizeClass(size))
        home.used_at = self._allocations
        if home.blocks:
            block = home.blocks.pop()
            self.bytes_free -= home.size
            if home.idle > len(home.blocks):
                home.idle = len(home.blocks)
        else:
            self._limit_free(max(FREE_BYTES, self._peak, self.bytes_in_use + home.size))
            block = _Block(home)
        self.bytes_in_use += home.size
        if self.bytes_in_use > self._peak:
            self._peak = self.bytes_in_use
        return block

    def _collect(self) -> None:
        returned = self._returned
        while returned:
            block = returned.popleft()
            block.home.blocks.append(block)
            self.bytes_in_use -= block.home.size
            self.bytes_free += block.home.size

    def _sweep(self) -> None:
        self._class_of.clear()
        for home in self._classes.values():
            self._drop(home, home.idle)
            home.idle = len(home.blocks)

    def _limit_free(self, limit: int) -> None:
        if self.bytes_free <= limit:
            return
        for home in sorted(self._classes.values(), key=lambda home: home.used_at):
            excess = max(0, self.bytes_free - limit)
            self._drop(home, min(len(home.blocks), -(-excess // home.size)))

    def _drop(self, home: _SizeClass, count: int) -> None:
        del home.blocks[:count]
        home.idle = max(0, home.idle - count)
        self.bytes_free -= count * home.size


@cache
def _layout(dtype: DTypeLike) -> tuple[int, str]:
    described = np.dtype(dtype)
    return described.itemsize, described.str


_pool = BufferPool()
if hasattr(os, "register_at_fork"):  # the parent's lock may have been held by a thread that the child does not have
    os.register_at_fork(after_in_child=_pool._forget_everything)


def empty(shape: int | Shape, dtype: DTypeLike) -> AnyArray:
    """An uninitialised C-contiguous array like `np.empty`'s, in memory that an earlier array may have used.

    The memory goes back to the pool when the array and all views on it have died. Safe from any thread.

    Args:
        shape: a tuple, or an int for one axis.
        dtype: a type of numbers or booleans.
    """
    return _pool.empty(shape, dtype)


def empty_like(array: AnyArray) -> AnyArray:
    """`empty` of another array's shape and dtype; C-contiguous whatever that array's order."""
    return _pool.empty(array.shape, array.dtype)


def release() -> None:
    """Give the memory that no array uses back to the system; memory in use follows when it has returned.

    Useful after a phase of much larger arrays than what follows. Arrays are not affected.
    """
    _pool.release()


def is_whole(array: AnyArray) -> bool:
    """Whether an array is no view of another one: it owns its memory, or is a pooled array itself."""
    base: object = array.base
    return base is None or type(base) is _Lease
