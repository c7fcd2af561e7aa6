import copy
import os
import pickle
import signal
import threading

import numpy as np
import pytest

from scratchnet.parameter import Parameter, assign_all, at_one_moment


def test_a_parameter_has_a_name_and_may_be_trained():
    kernel, statistic = Parameter(np.ones(2), "kernel"), Parameter(np.ones(2), "moving_mean", trainable=False)
    assert (kernel.name, kernel.trainable, kernel.requires_grad) == ("kernel", True, True)
    assert not statistic.trainable
    assert not (statistic * 2).requires_grad


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda weight: pickle.loads(pickle.dumps(weight))])
def test_a_copy_of_a_parameter_is_as_free_as_the_first(duplicate):
    kernel = Parameter(np.arange(6.0).reshape(2, 3), "kernel")
    kept = kernel.data
    twin = duplicate(kernel)
    assert kernel.is_lent
    assert not twin.is_lent
    assert (twin.name, twin.trainable, twin.version != kernel.version) == ("kernel", True, True)
    kept[...] = 0
    np.testing.assert_array_equal(twin.data, [[0, 1, 2], [3, 4, 5]])


def test_several_parameters_are_overwritten_all_or_none():
    pair = [Parameter(np.zeros(2), "kernel"), Parameter(np.zeros(3), "bias")]
    with pytest.raises(ValueError, match=r"bias has shape \(3,\), cannot take a value of shape \(2,\)"):
        assign_all(pair, [np.ones(2), np.ones(2)])
    assert not any(weight.data.any() for weight in pair)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_may_use_parameters_that_a_thread_of_the_parent_was_writing_to():
    kernel, holding, done = Parameter(np.zeros(2), "kernel"), threading.Event(), threading.Event()

    def hold():
        with at_one_moment():
            holding.set()
            done.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert holding.wait(30)
        child = os.fork()
        if not child:
            signal.alarm(20)  # ends a child that waits
            kernel.assign(np.ones(2))
            os._exit(int(kernel.data.sum()))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2
    finally:
        done.set()
        thread.join()


def test_assign_writes_in_place_and_keeps_shape_and_dtype():
    kernel = Parameter(np.ones((2, 3), np.float32), "kernel")
    array = kernel.data
    kernel.assign(np.arange(6).reshape(2, 3))
    assert kernel.data is array
    np.testing.assert_array_equal(array, [[0, 1, 2], [3, 4, 5]])
    with pytest.raises(ValueError, match=r"kernel has shape \(2, 3\), cannot take a value of shape \(3,\)"):
        kernel.assign(np.ones(3))
