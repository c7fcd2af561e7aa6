"""Kernels take denormals for zeros, on every thread, and leave the threads as they were."""

import kernel_calls
import numba
import numpy as np
import pytest
from llvmlite import binding, ir

from scratchnet.kernels import denormals, gemm, pointwise

TINY = np.finfo(np.float32).tiny


def is_denormal(array):
    return (array != 0) & (np.abs(array) < np.finfo(array.dtype).tiny)


@numba.njit(parallel=True)
def _halves(x, y):
    for i in numba.prange(x.size):
        y[i] = x[i] * np.float32(0.5)


def assert_other_code_keeps_its_denormals():
    """NumPy's on this thread, and Numba's on all."""
    x = np.full(1 << 16, TINY, np.float32)
    y = np.empty_like(x)
    _halves(x, y)
    np.testing.assert_array_equal(y, TINY / 2)
    np.testing.assert_array_equal(x * np.float32(0.5), y)
    assert is_denormal(y).all()


@pytest.mark.parametrize(("function", "dtype"), kernel_calls.CASES, ids=lambda value: getattr(value, "__name__", value))
def test_no_kernel_makes_denormals_of_denormals_and_each_leaves_its_threads_as_they_were(function, dtype):
    scale = np.finfo(dtype).tiny / 1024

    def place(array):
        return (array * scale).astype(dtype)

    assert is_denormal(place(np.ones(1, dtype))).all()
    for result in kernel_calls.compute(function, dtype, place):
        if result.dtype == dtype:
            assert not is_denormal(result).any()
    assert_other_code_keeps_its_denormals()


def test_products_of_small_numbers_are_flushed_and_their_sums_with_large_ones_are_right():
    a, b = np.full((3, 40), 1e-20, np.float32), np.full((40, 5), 1e-20, np.float32)
    np.testing.assert_array_equal(gemm.matmul(a, b), 0)
    a[:, 0], b[0] = 2, 3
    np.testing.assert_array_equal(gemm.matmul(a, b), 6)


def test_dropout_drops_denormals_as_other_numbers():
    x = np.full(1 << 16, TINY, np.float32)
    np.testing.assert_array_equal(pointwise.dropout(x, 0.5, 1) == 0, pointwise.dropout(np.ones_like(x), 0.5, 1) == 0)


def test_on_arm_the_mode_is_that_of_the_control_register(monkeypatch):
    monkeypatch.setattr(denormals, "_ARM", True)
    monkeypatch.setattr(denormals, "_X86", False)
    module = ir.Module()
    module.triple = "aarch64-unknown-linux-gnu"
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), []), "task")
    builder = ir.IRBuilder(function.append_basic_block())
    before = denormals._begin(builder)
    denormals._set_mode(builder, before)
    builder.ret_void()
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    machine = binding.Target.from_triple(module.triple).create_target_machine()
    lines = machine.emit_assembly(binding.parse_assembly(str(module))).lower().split("\n")
    code = ["".join(line.split()) for line in lines if "fpcr" in line or "orr" in line]
    assert code == ["mrsx8,fpcr", "orrx9,x8,#0x1000000", "msrfpcr,x9", "msrfpcr,x8"]
