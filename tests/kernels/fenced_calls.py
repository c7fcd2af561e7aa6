"""Every kernel with arrays beside memory that may not be touched: `python fenced_calls.py end` or `begin`.

Prints what it runs before it runs it: should the process be killed, the last line says where.
"""

import sys
from functools import partial
from pathlib import Path

import numpy as np

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS), str(TESTS.parent)]

import guards  # noqa: E402  # found by the line above
import kernel_calls  # noqa: E402


def main() -> None:
    """Run all, and compare the results with those of arrays that lie anywhere."""
    at_end = {"end": True, "begin": False}[sys.argv[1]]
    for kernels, dtype in kernel_calls.CASES:
        print(kernels.__name__, dtype, flush=True)
        expected = kernel_calls.compute(kernels, dtype, np.copy)
        with guards.allocating(partial(guards.fenced_empty, at_end=at_end)):
            results = kernel_calls.compute(kernels, dtype, partial(guards.fenced, at_end=at_end))
        for number, (plain, beside) in enumerate(zip(expected, results, strict=True)):
            assert plain.tobytes() == beside.tobytes(), f"result {number} of {kernels.__name__}, {dtype}"
    print("all done", flush=True)


main()
