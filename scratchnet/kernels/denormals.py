"""Denormal numbers count as zero while a kernel computes.

Numbers below 1.2e-38 in float32, 2.2e-308 in float64, are rounded to few bits, and many processors compute with them
in microcode, up to a hundred times as slowly: the moments of an optimiser whose gradients have become 0 end there, and
so do the gradients of saturated layers. So each task of a kernel that computes begins and ends with

    mode = flush_denormals()
    ...
    restore(mode)

and takes a denormal for a zero of its sign in between, as TensorFlow's kernels do. What is only copied stays as it is.
The mode belongs to the thread: other code that runs on it, NumPy's above all, is not affected. An exception inside a
task would leave it set.
"""

import platform
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_WORD, _LONG = ir.IntType(32), ir.IntType(64)
_MACHINE = platform.machine().lower()
_X86, _ARM = _MACHINE in {"x86_64", "amd64"}, _MACHINE in {"arm64", "aarch64"}
_MXCSR_BITS = 1 << 15 | 1 << 6  # results that would be denormal become zero; operands that are count as zero
_FPCR_BITS = 1 << 24  # both


def _function(builder: Any, name: str, result: Any, *arguments: Any) -> Any:
    return cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, arguments), name)


def _mode(builder: Any) -> Any:
    """The mode of this thread, as 64 bits."""
    if _ARM:
        return builder.call(_function(builder, "llvm.aarch64.get.fpcr", _LONG), [])
    if not _X86:
        return ir.Constant(_LONG, 0)
    word = cgutils.alloca_once(builder, _WORD)
    place = builder.bitcast(word, cgutils.voidptr_t)
    builder.call(_function(builder, "llvm.x86.sse.stmxcsr", ir.VoidType(), place.type), [place])
    return builder.zext(builder.load(word), _LONG)


def _set_mode(builder: Any, mode: Any) -> None:
    if _ARM:
        builder.call(_function(builder, "llvm.aarch64.set.fpcr", ir.VoidType(), _LONG), [mode])
    elif _X86:
        word = cgutils.alloca_once(builder, _WORD)
        builder.store(builder.trunc(mode, _WORD), word)
        place = builder.bitcast(word, cgutils.voidptr_t)
        builder.call(_function(builder, "llvm.x86.sse.ldmxcsr", ir.VoidType(), place.type), [place])


def _begin(builder: Any) -> Any:
    """Set the mode in which denormals count as zero; returns the mode before."""
    before = _mode(builder)
    _set_mode(builder, builder.or_(before, ir.Constant(_LONG, _MXCSR_BITS if _X86 else _FPCR_BITS)))
    return before


@intrinsic  # type: ignore[untyped-decorator]
def flush_denormals(typing: Any) -> Any:
    """From now on denormals count as zero on this thread; returns what `restore` needs."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _begin(builder)

    return types.int64(), codegen


@intrinsic  # type: ignore[untyped-decorator]
def restore(typing: Any, mode: Any) -> Any:
    """Undo `flush_denormals`."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _set_mode(builder, arguments[0])
        return context.get_dummy_value()

    return types.void(types.int64), codegen
