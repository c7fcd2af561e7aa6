"""Machine code of which each kernel has its own: a process that compiles then computes as one that loads what it wrote.

A kernel contains copies of the functions that it calls, optimised once more than those were by themselves, so that sums
may be rounded otherwise. Numba leaves it to the linker which of several copies all kernels of a process call. That is
the one which came first: another where kernels are compiled than where they are loaded, or loaded in another order.
"""

from typing import Any

from llvmlite.binding import Linkage
from numba.core.codegen import JITCodeLibrary


class OwnCopies(JITCodeLibrary):  # type: ignore[misc]  # numba has no type information
    """The compiled code of a kernel, which calls no other copies than its own."""

    def _finalize_final_module(self) -> None:
        module = self._final_module
        copies = [function for function in module.functions if function.linkage == Linkage.linkonce_odr]
        if copies:
            self._shared_module = _for_linking(module)
            for function in copies:
                function.linkage = Linkage.internal
        super()._finalize_final_module()


def _for_linking(module: Any) -> Any:
    """What other kernels may be linked with: there, copies of one function must find each other."""
    shared = module.clone()
    for function in shared.functions:
        if not function.is_declaration and function.linkage == Linkage.external:
            function.linkage = Linkage.linkonce_odr
    return shared
