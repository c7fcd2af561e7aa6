"""Pooled arrays behave like any other, and their memory is reused only when nobody can see it any more."""

import copy
import gc
import multiprocessing
import os
import pickle
import sys
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from processes import run_python

from scratchnet.kernels import buffers
from scratchnet.kernels.buffers import FREE_BYTES, POOLED_BYTES, SWEEP, BufferPool
from scratchnet.tensor import Tensor, record

pytestmark = pytest.mark.slow

MEGABYTE = 1 << 20


def address(array):
    return array.__array_interface__["data"][0]


@pytest.fixture
def pool():
    return BufferPool()


@pytest.mark.parametrize("dtype", [np.float32, np.float64, "float32", np.uint8, np.bool_, np.dtype(np.int64)])
@pytest.mark.parametrize("shape", [(300_000,), (3, 100, 1000), (7, 5), (), (0, 3), (100, 0, 100_000)])
def test_an_array_is_as_numpy_would_have_made_it(pool, shape, dtype):
    array, expected = pool.empty(shape, dtype), np.empty(shape, dtype)
    assert (array.shape, array.dtype, array.strides) == (expected.shape, expected.dtype, expected.strides)
    assert type(array) is np.ndarray
    assert array.flags.c_contiguous
    assert array.flags.writeable
    assert array.flags.aligned
    if array.nbytes >= POOLED_BYTES:
        assert address(array) % buffers.ALIGNMENT == 0
    array.fill(1)
    assert (array == 1).all()


def test_a_shape_may_be_a_number_and_empty_like_ignores_the_order():
    assert buffers.empty(100_000, np.float32).shape == (100_000,)
    like = buffers.empty_like(np.zeros((400, 300), np.float64).T)
    assert (like.shape, like.dtype, like.flags.c_contiguous) == ((300, 400), np.float64, True)


def test_memory_of_a_dead_array_is_used_again(pool):
    first = pool.empty((512, 512), np.float32)
    place = address(first)
    del first
    second = pool.empty((256, 512), np.float64)
    assert address(second) == place
    third = pool.empty((512, 512), np.float32)
    assert address(third) != place


VIEWS = {
    "slice": lambda a: a[10:],
    "slice of a slice": lambda a: a[10:][:20][::2],
    "reshape": lambda a: a.reshape(-1),
    "transpose of a reshape": lambda a: a.reshape(64, -1).T,
    "dtype": lambda a: a.view(np.uint8)[3:],
    "asarray": lambda a: np.asarray(a)[1:],
    "broadcast": lambda a: np.broadcast_to(a, (3, *a.shape))[1],
    "memoryview": lambda a: memoryview(a)[1:],
    "buffer": lambda a: np.frombuffer(a, np.float32)[5:],
    "iterator": lambda a: a.flat,
    "dlpack": lambda a: np.from_dlpack(a)[1:],
    "row": lambda a: list(a)[-1],
}


@pytest.mark.parametrize("take", VIEWS.values(), ids=VIEWS)
def test_any_view_keeps_the_memory(pool, take):
    array = pool.empty((512, 512), np.float32)
    array.fill(1)
    place, view = address(array), take(array)
    del array
    other = pool.empty((512, 512), np.float32)
    assert address(other) != place
    other.fill(2)
    assert (np.asarray(view) != 2).all()
    del view
    gc.collect()
    assert address(pool.empty((512, 512), np.float32)) == place


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, np.copy, lambda a: pickle.loads(pickle.dumps(a))])
def test_copies_and_pickles_are_independent(pool, duplicate):
    array = pool.empty((100, 1000), np.float32)
    array[...] = np.arange(1000)
    copied = duplicate(array)
    array.fill(-1)
    assert not np.shares_memory(array, copied)
    np.testing.assert_array_equal(copied[7], np.arange(1000))


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(POOLED_BYTES // 4, 40 * POOLED_BYTES)), max_size=60))
def test_living_arrays_never_share_memory(steps):
    """Arrays come and go in eight places; each keeps what was written to it."""
    pool, living = BufferPool(), {}
    for number, (place, size) in enumerate(steps):
        array = pool.empty(size, np.uint8)
        array.fill(number % 251)
        living[place] = (array, number % 251)
        assert pool.bytes_in_use >= sum(array.nbytes for array, _ in living.values() if array.nbytes >= POOLED_BYTES)
    for array, value in living.values():
        assert (array == value).all()


@pytest.mark.parametrize("size", [POOLED_BYTES, POOLED_BYTES + 1, 3 * MEGABYTE - 1, 3 * MEGABYTE + 5, 123_456_789])
def test_little_is_lost_by_rounding(pool, size):
    array = pool.empty(size, np.uint8)
    assert array.nbytes <= pool.bytes_in_use <= size * 1.125 + 4096


def test_free_memory_beyond_the_limit_is_dropped_longest_unused_first(pool):
    chunk = 40 * MEGABYTE  # the pages are never touched, so they cost nothing
    for number in range(12):  # one at a time, each of another size, so none can use another's memory
        pool.empty(chunk + number * 8 * MEGABYTE, np.uint8)
    pool.empty(POOLED_BYTES, np.uint8)
    assert 0 < pool.bytes_free <= FREE_BYTES
    before = pool.bytes_free
    pool.empty(chunk + 11 * 8 * MEGABYTE, np.uint8)  # the last one is still there
    assert pool.bytes_free < before
    pool.empty(POOLED_BYTES, np.uint8)
    assert pool.bytes_free == before


def test_as_much_may_lie_free_as_was_in_use_at_once(pool):
    arrays = [pool.empty(64 * MEGABYTE, np.uint8) for _ in range(8)]
    assert pool.bytes_in_use > FREE_BYTES
    places = {address(array) for array in arrays}
    arrays.clear()
    small = pool.empty(POOLED_BYTES, np.uint8)
    assert pool.bytes_free == 8 * 64 * MEGABYTE
    arrays = [pool.empty(64 * MEGABYTE, np.uint8) for _ in range(8)]
    assert {address(array) for array in arrays} == places
    assert (pool.bytes_in_use, pool.bytes_free) == (8 * 64 * MEGABYTE + small.nbytes, 0)


def test_memory_that_stays_unused_is_dropped(pool):
    big = [pool.empty(MEGABYTE, np.uint8) for _ in range(5)]
    del big
    used = pool.empty(MEGABYTE, np.uint8)
    for _ in range(2 * SWEEP):
        pool.empty(2 * MEGABYTE, np.uint8)
    assert pool.bytes_in_use == 3 * MEGABYTE
    assert pool.bytes_free == 0
    assert used.nbytes == MEGABYTE


def test_release_gives_back_what_is_free_and_leaves_arrays_alone(pool):
    kept, dropped = pool.empty(MEGABYTE, np.uint8), pool.empty(MEGABYTE, np.uint8)
    kept.fill(3)
    del dropped
    pool.release()
    assert (pool.bytes_in_use, pool.bytes_free) == (MEGABYTE, 0)
    assert (kept == 3).all()
    del kept
    assert (pool.empty(MEGABYTE, np.uint8).nbytes, pool.bytes_free) == (MEGABYTE, 0)


def test_an_allocation_within_an_allocation_does_not_wait_for_itself(pool):
    with pool._lock:  # as when a finaliser allocates while the pool looks for a block
        array = pool.empty((512, 512), np.float32)
    assert array.base is None
    assert pool.bytes_in_use == 0


def test_threads_never_get_each_others_memory(pool):
    wrong = []

    def work(number):
        held = []
        for step in range(400):
            array = pool.empty(POOLED_BYTES * (1 + step % 3), np.uint8)
            array.fill(number)
            held.append(array)
            if len(held) > 5 and any((held.pop(0) != number).tolist()):
                wrong.append(number)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not wrong
    pool.release()
    assert (pool.bytes_in_use, pool.bytes_free) == (0, 0)


def _doubled(array):
    result = buffers.empty_like(array)
    np.multiply(array, 2, out=result)
    return result


def test_arrays_travel_between_processes():
    array = buffers.empty((300, 300), np.float32)
    array[...] = np.arange(300)
    with multiprocessing.get_context("spawn").Pool(1) as workers:
        np.testing.assert_array_equal(workers.apply(_doubled, (array,)), 2 * array)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_allocates_though_another_thread_held_the_lock():
    result = run_python(
        "import os, warnings, numpy as np\n"
        "warnings.simplefilter('ignore', DeprecationWarning)  # of a fork beside other threads\n"
        "from scratchnet.kernels import buffers\n"
        "kept = buffers.empty(1 << 20, np.uint8); kept.fill(7)\n"
        "buffers._pool._lock.acquire()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    a = buffers.empty(1 << 20, np.uint8); a.fill(1); place = a.__array_interface__['data'][0]; del a\n"
        "    b = buffers.empty(1 << 20, np.uint8); b.fill(2)\n"
        "    reused = b.__array_interface__['data'][0] == place\n"
        "    os._exit(0 if reused and (kept == 7).all() else 3)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), (kept == 7).all())\n"
    )
    assert result == (0, "0 True\n", "")


def test_arrays_that_outlive_the_interpreter_die_in_silence():
    result = run_python(
        "import sys, numpy as np\n"
        "from scratchnet.kernels import buffers\n"
        "class Holder: pass\n"
        "a = Holder(); a.me = a; a.array = buffers.empty(1 << 20, np.uint8)\n"
        "sys.modules['held'] = buffers.empty(1 << 20, np.uint8)\n"
        "np.held = buffers.empty(1 << 20, np.uint8)[5:]\n"
        "print('done')\n"
    )
    assert result == (0, "done\n", "")


@pytest.mark.parametrize("part", [slice(None), slice(1, None)], ids=["whole", "view"])
def test_a_leaf_takes_a_whole_pooled_gradient_and_copies_a_view(part):
    source = buffers.empty((512, 512), np.float32)
    source.fill(3)
    gradient = source if part == slice(None) else source[part]
    assert buffers.is_whole(gradient) == (gradient is source)
    leaf = Tensor(np.zeros(gradient.shape, np.float32), requires_grad=True)
    record(np.float32(0).reshape(()), "plant", (leaf,), lambda dy: (gradient,)).backward()
    assert np.shares_memory(leaf.grad, source) == (gradient is source)
    np.testing.assert_array_equal(leaf.grad, gradient)
