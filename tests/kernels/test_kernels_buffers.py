"""No kernel reads or writes an element outside its arrays.

In one test, inputs lie between NaN, which would show in the results. Every array that a kernel's wrapper allocates,
results and scratch alike, lies between canaries that must survive; it starts full of NaN, which would show if it were
read before it is written. In the other, all of these arrays end or begin where memory may not be touched.
"""

import ctypes
import signal
import subprocess
import sys
from pathlib import Path

import guards
import kernel_calls
import numpy as np
import pytest

TESTS = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(("kernels", "dtype"), kernel_calls.CASES)
def test_nothing_outside_the_arrays_is_read_or_written(kernels, dtype):
    expected = kernel_calls.compute(kernels, dtype, np.copy)  # compiles the kernels too
    canaries = guards.Canaries()
    with guards.allocating(canaries.empty):
        results = kernel_calls.compute(kernels, dtype, guards.between_nans)
    canaries.check()
    for plain, guarded in zip(expected, results, strict=True):
        assert np.isfinite(guarded).all()
        assert plain.tobytes() == guarded.tobytes()


@pytest.mark.parametrize("place", [-1, 5])
def test_the_canaries_see_what_is_written_outside(place):
    canaries = guards.Canaries()
    array = canaries.empty((5,), np.float32)
    array[:] = 0
    canaries.check()
    ctypes.memset(array.ctypes.data + place * array.itemsize, 0, array.itemsize)
    with pytest.raises(AssertionError):
        canaries.check()


fences = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is fenced by mprotect of Linux's libc")


@fences
@pytest.mark.parametrize("side", ["end", "begin"])
def test_no_memory_beside_the_arrays_is_touched(side):
    done = subprocess.run(
        [sys.executable, TESTS / "kernels" / "fenced_calls.py", side],
        capture_output=True, text=True, timeout=500, check=False, cwd=TESTS.parent,
    )  # fmt: skip
    last = done.stdout.splitlines()[-1] if done.stdout else "nothing"
    assert done.returncode != -signal.SIGSEGV, f"memory outside an array was touched by {last}"
    assert done.returncode == 0, done.stderr
    assert last == "all done"


@fences
@pytest.mark.parametrize("side", ["end", "begin"])
def test_a_fence_kills_who_touches_it(side):
    at = {"end": 3, "begin": -1}[side]
    code = f"""
import ctypes, sys
sys.path[:0] = [{str(TESTS)!r}, {str(TESTS.parent)!r}]
import guards, numpy as np
array = guards.fenced(np.ones(3, np.float32), at_end={side == "end"})
assert array.sum() == 3
print("inside", flush=True)
ctypes.string_at(array.ctypes.data + 4 * ({at}), 4)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False)
    assert done.stdout == "inside\n", done.stderr
    assert done.returncode == -signal.SIGSEGV
