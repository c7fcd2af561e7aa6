"""Parallel kernels in a process that was forked off one whose threads had been started.

The child has none of these threads. GNU's OpenMP would wait for them for ever, so that Numba ends a process that enters
it; therefore the child runs the loop on the thread that it has. Every parallel kernel hands its loop to one function,
which LLVM finds by name when the kernel is loaded: that name gets a function which looks whether this is such a child.
"""

import ctypes
import os

import numba
from llvmlite import binding

_NAME = "numba_parallel_for"
_forked = ctypes.c_uint8(0)

# A loop is a function of its arrays, of the number of its tasks, and of how far apart the arrays of two tasks lie.
_SIGNATURE = "ptr %loop, ptr %arrays, ptr %tasks, ptr %steps, ptr %data, i64 %inner, i64 %count, i64 %threads"
_CODE = """
define void @watched({signature}) {{
  %forked = load volatile i8, ptr inttoptr (i64 {flag} to ptr)
  %alone = icmp ne i8 %forked, 0
  br i1 %alone, label %here, label %there
here:
  call void %loop(ptr %arrays, ptr %tasks, ptr %steps, ptr %data)
  ret void
there:
  tail call void inttoptr (i64 {parallel_for} to ptr)({signature})
  ret void
}}
"""

_engine: binding.ExecutionEngine | None = None  # owns the machine code


def watch_parallel_loops() -> None:
    """Let every parallel kernel that is loaded from now on work in a child; Numba's threads have been started."""
    global _engine
    if _engine is not None or numba.threading_layer() != "omp":  # others start new threads in a child
        return
    address = binding.address_of_symbol(_NAME)
    code = _CODE.format(signature=_SIGNATURE, flag=ctypes.addressof(_forked), parallel_for=address)
    machine = binding.Target.from_default_triple().create_target_machine()
    _engine = binding.create_mcjit_compiler(binding.parse_assembly(code), machine)
    _engine.finalize_object()
    binding.add_symbol(_NAME, _engine.get_function_address("watched"))


def _note_fork() -> None:
    try:
        numba.threading_layer()
    except ValueError:  # no threads have been started: the child will start its own
        return
    _forked.value = 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)
