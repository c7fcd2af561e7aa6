"""A chain of kernels for inputs of one shape: everything decided beforehand, and memory planned.

A single image passes a small network in a fraction of a millisecond, of which allocating arrays, looking up geometries
and checking shapes would be a large part. A program does that once.
"""

from collections.abc import Sequence

import numpy as np

from scratchnet.arrays import FloatArray, Shape
from scratchnet.kernels import buffers
from scratchnet.kernels.gemm import Bound, aligned
from scratchnet.kernels.patches import whole_lines

KEPT_BYTES = 2 << 20  # a workspace up to this size stays with its program; a larger one is borrowed for each call


class Stage:
    """One kernel, and what it reads.

    Args:
        bound: the kernel.
        takes: the shape of its input, which may be another one than that of the result before it.
    """

    __slots__ = ("bound", "takes")

    def __init__(self, bound: Bound, takes: Shape) -> None:
        self.bound = bound
        self.takes = takes


class _Workspace:
    """Memory for one call at a time: two buffers that results alternate between, and scratch that all kernels share."""

    def __init__(self, stages: Sequence[Stage], sizes: tuple[int, int, int], dtype: np.dtype[np.floating]) -> None:
        memory = aligned(sum(sizes), dtype)
        bounds = np.cumsum((0, *sizes))
        first, second, scratch = (memory[bounds[n] : bounds[n + 1]] for n in range(3))
        results = [_view((first, second)[number % 2], stage.bound.shape) for number, stage in enumerate(stages[:-1])]
        self.inputs = [result.reshape(stage.takes) for result, stage in zip(results, stages[1:], strict=True)]
        self.results = results
        self.scratch = [_view(scratch, stage.bound.scratch) for stage in stages]


def _view(memory: FloatArray, shape: Shape) -> FloatArray:
    view: FloatArray = memory[: int(np.prod(shape))].reshape(shape)
    return view


class Program:
    """Stages for inputs of one shape. Any number of threads may run it at once.

    Args:
        stages: at least one.
        shape: of the result.
        dtype: of all arrays; kept as an attribute.
    """

    def __init__(self, stages: Sequence[Stage], shape: Shape, dtype: np.dtype[np.floating]) -> None:
        self._stages = list(stages)
        self._shape = shape
        self._calls = [stage.bound.call for stage in stages]
        self.dtype = dtype
        # Results alternate between two buffers, so that none is written over the one it is made from.
        even, odd, scratch = [0], [0], [0]
        for number, stage in enumerate(self._stages):
            (odd if number % 2 else even).append(int(np.prod(stage.bound.shape)))
            scratch.append(int(np.prod(stage.bound.scratch)))
        sizes = [even, odd]
        sizes[(len(self._stages) - 1) % 2].pop()  # the last result is the caller's
        self._sizes = (whole_lines(max(even)), whole_lines(max(odd)), max(scratch))
        self._keeps = sum(self._sizes) * dtype.itemsize <= KEPT_BYTES
        self._free: list[_Workspace] = []

    def __call__(self, x: FloatArray) -> FloatArray:
        """The result for a C-contiguous input, in memory of its own."""
        try:
            workspace = self._free.pop()
        except IndexError:
            workspace = _Workspace(self._stages, self._sizes, self.dtype)
        y = buffers.empty(self._stages[-1].bound.shape, self.dtype)
        sources, targets = [x.reshape(self._stages[0].takes), *workspace.inputs], [*workspace.results, y]
        for call, source, target, scratch in zip(self._calls, sources, targets, workspace.scratch, strict=True):
            call(source, target, scratch)
        if self._keeps:
            self._free.append(workspace)
        result: FloatArray = y.reshape(self._shape)
        return result
