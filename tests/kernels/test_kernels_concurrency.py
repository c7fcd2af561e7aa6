"""Many Python threads may call kernels at once, on every threading layer that Numba can have."""

import os

import numba
import pytest
from processes import run_python

from scratchnet.kernels import jit

pytestmark = pytest.mark.slow

SCRIPT = """
import sys, threading
import numba, numpy as np
from scratchnet.kernels import jit, pointwise
sys.setswitchinterval(1e-5)
start, wrong = threading.Barrier(4), []
def work(number):
    x = np.arange(-50_000, 50_000, dtype=np.float32) * number
    start.wait()  # the very first calls meet
    for _ in range(60):
        y = pointwise.relu(x)
        ok = (y == np.maximum(x, 0)).all() and (pointwise.relu_gradient(x, y) == y).all()
        if not ok or abs(pointwise.column_sums(x.reshape(-1, 10)).sum() - x.sum(dtype="f8")) > 50 * number:
            wrong.append(number)
threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert not wrong
print(numba.threading_layer(), type(pointwise._relu).__name__)
"""


@pytest.mark.parametrize("layer", ["workqueue", "default"])
def test_threads_may_call_kernels_at_once(layer):
    threads = str(max(2, numba.config.NUMBA_NUM_THREADS))
    status, output, errors = run_python(SCRIPT, NUMBA_THREADING_LAYER=layer, NUMBA_NUM_THREADS=threads)
    assert status == 0, errors
    used, kind = output.split()
    assert used == layer or layer == "default"
    assert kind == ("_Serialised" if used == "workqueue" else "CPUDispatcher")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_importing_starts_no_threads_so_that_a_fork_may_follow():
    script = (
        "import os, warnings, numpy as np\n"
        "warnings.simplefilter('ignore', DeprecationWarning)  # of a fork beside other threads\n"
        "from scratchnet.kernels import pointwise\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    y = pointwise.relu(np.full(100_000, -1, np.float32))\n"
        "    os._exit(int(y.any()))\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
        "print(pointwise.relu(np.full(100_000, 2, np.float32)).mean())\n"
    )
    status, output, errors = run_python(script)
    assert (status, output) == (0, "0\n2.0\n"), errors


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_does_not_wait_for_a_lock_of_its_parent():
    script = (
        "import os, threading, warnings, numpy as np\n"
        "warnings.simplefilter('ignore', DeprecationWarning)  # of a fork beside other threads\n"
        "from scratchnet.kernels import jit, pointwise\n"
        "pointwise.relu(np.ones(5, np.float32))\n"
        "held, done = threading.Event(), threading.Event()\n"
        "def hold():\n"
        "    with jit._Serialised._one_at_a_time:\n"
        "        held.set(); done.wait()\n"
        "holder = threading.Thread(target=hold); holder.start(); held.wait()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os._exit(int(pointwise.relu(np.full(5, -1, np.float32)).any()))\n"
        "done.set(); holder.join()\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    status, output, errors = run_python(script, NUMBA_THREADING_LAYER="workqueue")
    assert (status, output) == (0, "0\n"), errors


FORKS = """
import multiprocessing, os, signal, threading, warnings
import joblib, numpy as np
from scratchnet.kernels import pointwise
warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside other threads
signal.alarm(100)  # where a child hangs, its parent waits for ever
def work(number):
    x = np.random.default_rng(number).standard_normal((20_000, 10), np.float32)
    return pointwise.relu(x).tobytes(), pointwise.column_sums(x).tobytes()
def in_a_child(action):
    child = os.fork()
    if child == 0:
        os._exit(3 if action() else 4)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
def in_a_thread(action):
    found = []
    thread = threading.Thread(target=lambda: found.append(action()))
    thread.start(), thread.join()
    return found[0]
expected = [work(number) for number in range(4)]
def right():
    return [work(number) for number in range(4)] == expected
assert in_a_child(right)
assert in_a_child(lambda: in_a_thread(right))
assert in_a_thread(lambda: in_a_child(right))
assert in_a_child(lambda: right() and in_a_child(right))
with multiprocessing.get_context("fork").Pool(2) as pool:
    assert pool.map(work, range(4)) == expected
assert joblib.Parallel(n_jobs=2, backend="multiprocessing")(joblib.delayed(work)(n) for n in range(4)) == expected
assert right()
print("done")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("layer", ["workqueue", "default"])
def test_forked_children_compute_the_same_bits_after_their_parent_has_computed(layer):
    threads = str(max(2, numba.config.NUMBA_NUM_THREADS))
    status, output, errors = run_python(FORKS, NUMBA_THREADING_LAYER=layer, NUMBA_NUM_THREADS=threads)
    assert (status, output) == (0, "done\n"), errors


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_computes_where_other_kernels_had_started_the_threads():
    script = (
        "import os, signal, warnings, numba, numpy as np\n"
        "warnings.simplefilter('ignore', DeprecationWarning)  # of a fork beside other threads\n"
        "from scratchnet.kernels import pointwise\n"
        "numba.get_num_threads()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    signal.alarm(100)\n"
        "    os._exit(int(pointwise.relu(np.full(100_000, -1, np.float32)).any()))\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    status, output, errors = run_python(script)
    assert (status, output) == (0, "0\n"), errors


def test_no_parallel_kernel_is_left_undecided():
    jit._decide()
    assert not [kernel for kernel in jit.KERNELS if type(kernel) is jit._Undecided]
