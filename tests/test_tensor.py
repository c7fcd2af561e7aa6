import threading

import numpy as np
import pytest
from oracle import check_equal, draw, tf

from scratchnet import no_grad, ops
from scratchnet.tensor import Tensor, as_tensor


def leaf(*shape, seed=0, dtype=np.float64):
    return Tensor(np.random.default_rng(seed).standard_normal(shape).astype(dtype), requires_grad=True)


# Making tensors


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_float_arrays_are_taken_without_a_copy(dtype):
    array = np.ones(3, dtype)
    assert Tensor(array).data is array
    assert Tensor(array).numpy() is array


@pytest.mark.parametrize(
    "data", [1, 2.5, [1, 2], [[0.5], [0.1]], (True, False), np.arange(3), np.float16(1), np.ones(2, np.uint8)], ids=str
)
def test_other_numbers_become_float32(data):
    tensor = Tensor(data)
    assert tensor.dtype == np.float32
    np.testing.assert_array_equal(tensor.data, np.asarray(data, np.float32))


@pytest.mark.parametrize("data", ["text", None, [1j], [object()]])
def test_what_is_not_a_number_is_refused(data):
    with pytest.raises(TypeError, match="data must be an array of numbers, got"):
        Tensor(data)


def test_a_tensor_describes_itself():
    x = Tensor([[1.0, 2.0]], requires_grad=True)
    assert (x.shape, x.ndim, x.size, len(x)) == ((1, 2), 2, 2, 1)
    assert repr(x * 2) == "Tensor([[2., 4.]], shape=(1, 2), dtype=float32, made by multiply)"
    assert repr(x) == "Tensor([[1., 2.]], shape=(1, 2), dtype=float32)"
    assert Tensor([7.0]).item() == 7
    np.testing.assert_array_equal(np.asarray(x), [[1, 2]])
    assert np.asarray(x, np.float64).dtype == np.float64


def test_as_tensor_returns_a_tensor_as_it_is():
    x = Tensor([1.0])
    assert as_tensor(x) is x


# Operators


def test_an_array_on_the_left_makes_a_tensor():
    a, x = np.array([1.0, 2.0, 3.0]), Tensor(np.array([4.0, 5.0, 6.0]), requires_grad=True)
    for result, expected in (
        (a + x, [5, 7, 9]), (a - x, [-3, -3, -3]), (a * x, [4, 10, 18]), (a / x, [0.25, 0.4, 0.5]),
        (np.float64(2) * x, [8, 10, 12]), (np.ones((1, 3)) @ x.reshape(3, 1), [[15]]),
    ):  # fmt: skip
        assert isinstance(result, Tensor)
        assert result.requires_grad
        np.testing.assert_allclose(result.data, expected)


def test_all_operators_together_equal_tensorflow():
    def expression(a, b):
        return (2 - a * b[1] / (1 + b[0] ** 2) - 3 / (a**2 + 1)) @ (-b[:, 0:2]) + 0.5

    check_equal(expression, expression, draw(1, "float64", (4, 3), (3, 3)))
    check_equal(expression, expression, draw(1, "float32", (4, 3), (3, 3)))


def test_methods_equal_tensorflow():
    (x,) = draw(2, "float64", (2, 3, 4))
    check_equal(lambda t: t.sum((0, 2), keepdims=True), lambda t: tf.reduce_sum(t, (0, 2), True), [x])
    check_equal(lambda t: t.mean(-1), lambda t: tf.reduce_mean(t, -1), [x])
    check_equal(lambda t: t.max(1), lambda t: tf.reduce_max(t, 1), [x])
    check_equal(lambda t: t.reshape(4, -1), lambda t: tf.reshape(t, (4, -1)), [x])
    check_equal(lambda t: t.reshape((6, 4)), lambda t: tf.reshape(t, (6, 4)), [x])
    check_equal(lambda t: t.transpose(1, 2, 0), lambda t: tf.transpose(t, (1, 2, 0)), [x])
    check_equal(lambda t: t.transpose((1, 2, 0)), lambda t: tf.transpose(t, (1, 2, 0)), [x])
    check_equal(lambda t: t.transpose(), tf.transpose, [x])
    check_equal(lambda t: t.T, tf.transpose, [x])
    check_equal(lambda t: t.matmul(t.transpose(0, 2, 1)), lambda t: t @ tf.transpose(t, (0, 2, 1)), [x])


# Gradients


def test_a_diamond_adds_the_gradients_of_both_ways():
    def diamond(x):
        y = x * x
        return y * 3 + y * y * x

    check_equal(diamond, diamond, draw(3, "float64", (3, 4)))


def test_a_node_used_many_times_is_differentiated_once():
    calls = []
    x = leaf(3)
    y = x * 2
    inner = y.creator.backward
    y.creator = y.creator._replace(backward=lambda dy: calls.append(1) or inner(dy))
    (y + y * y + y.sum()).backward(np.ones(3))
    assert len(calls) == 1
    np.testing.assert_allclose(x.grad, 2 + 4 * y.data + 2 * 3)


def test_gradients_add_up_over_calls_until_they_are_cleared():
    x = leaf(3)
    y = x * x
    y.backward(np.ones(3))
    once = x.grad.copy()
    y.backward(np.ones(3))
    np.testing.assert_array_equal(x.grad, 2 * once)
    x.grad = None
    y.backward(np.ones(3))
    np.testing.assert_array_equal(x.grad, once)


def test_gradients_of_earlier_calls_are_not_changed_in_place():
    x = leaf(3)
    (x * 2).backward(np.ones(3))
    kept = x.grad
    (x * 2).backward(np.ones(3))
    np.testing.assert_array_equal(kept, [2, 2, 2])


def test_only_leaves_that_require_a_gradient_keep_one():
    x, constant = leaf(3), Tensor(np.ones(3))
    middle = x * constant
    (middle * 2).sum().backward()
    assert x.grad is not None
    assert middle.grad is None
    assert constant.grad is None


def test_a_leaf_takes_its_own_cotangent():
    x = leaf(2, 3)
    cotangent = np.arange(6.0).reshape(2, 3)
    x.backward(cotangent)
    np.testing.assert_array_equal(x.grad, cotangent)
    assert not np.shares_memory(x.grad, cotangent)


@pytest.mark.parametrize(
    "function",
    [
        lambda a, b: a + b,
        lambda a, b: a - b,
        lambda a, b: ops.reshape(a, (6,)) + ops.reshape(b, (6,)),
        lambda a, b: ops.concatenate([a, b], 0),
        lambda a, b: ops.transpose(a) + ops.transpose(b),
        lambda a, b: a.sum() + b.sum(),
        lambda a, b: ops.pad(a, [(1, 1), (0, 0)]) + ops.pad(b, [(0, 2), (0, 0)]),
    ],
)
def test_gradients_share_no_memory(function):
    a, b = leaf(2, 3), leaf(2, 3, seed=1)
    y = function(a, b)
    cotangent = np.random.default_rng(2).standard_normal(y.shape)
    y.backward(cotangent)
    assert not np.shares_memory(a.grad, b.grad)
    for gradient in (a.grad, b.grad):
        assert not np.shares_memory(gradient, cotangent)
        gradient += 1  # writable: an optimiser may scale it in place


def test_a_chain_of_5000_operations_is_followed_to_its_start():
    x = leaf(2)
    y = x
    for _ in range(5000):
        y = y + 1
    y.backward(np.array([1.0, 2.0]))
    np.testing.assert_array_equal(x.grad, [1, 2])


def test_a_chain_of_shared_nodes_takes_linear_time():
    x = leaf(1)
    y = x
    for _ in range(200):  # 2^200 paths
        y = (y + y) * 0.5
    y.backward()
    np.testing.assert_array_equal(x.grad, [1])


def test_a_cotangent_may_be_left_out_for_one_element_only():
    x = leaf(3)
    x.sum().backward()
    np.testing.assert_array_equal(x.grad, [1, 1, 1])
    with pytest.raises(ValueError, match=r"needs a cotangent for a tensor of shape \(3,\)"):
        (x * 2).backward()


def test_a_cotangent_of_another_shape_is_refused():
    y = leaf(3) * 2
    with pytest.raises(ValueError, match=r"cotangent must have the tensor's shape \(3,\), got \(1, 3\)"):
        y.backward(np.ones((1, 3)))
    with pytest.raises(ValueError, match=r"got \(\)"):
        y.backward(1.0)


def test_backward_without_anything_to_differentiate_is_refused():
    for tensor in (Tensor([1.0]), Tensor([1.0]) * 2):
        with pytest.raises(RuntimeError, match="does not require a gradient"):
            tensor.backward()


def test_a_cotangent_takes_the_dtype_of_the_tensor():
    x = leaf(3, dtype=np.float32)
    (x * 2).backward([1, 2, 3])
    assert x.grad.dtype == np.float32
    np.testing.assert_array_equal(x.grad, [2, 4, 6])


def test_precision_may_change_along_the_way():
    kernel, x = leaf(3, 3, 1, 5, dtype=np.float32), leaf(1, 6, 6, 1, dtype=np.float32, seed=1)
    wide = leaf(1, 4, 4, 2, seed=2)
    y = ops.concatenate([ops.conv2d(x, kernel), wide])  # the convolution is narrow, what comes back is wide
    cotangent = np.random.default_rng(3).standard_normal(y.shape)
    y.backward(cotangent)
    assert [t.grad.dtype.name for t in (kernel, x, wide)] == ["float32", "float32", "float64"]
    narrow = [Tensor(t.data, requires_grad=True) for t in (x, kernel)]
    ops.conv2d(*narrow).backward(cotangent[..., :5])
    np.testing.assert_array_equal(x.grad, narrow[0].grad)
    np.testing.assert_array_equal(kernel.grad, narrow[1].grad)


def test_the_gradient_of_a_number_is_an_array():
    x = Tensor(3.0, requires_grad=True)
    (x * x * 2).backward()
    assert isinstance(x.grad, np.ndarray)
    assert x.grad.shape == ()
    assert x.grad == 12


# no_grad


def test_nothing_is_recorded_without_gradients():
    x = leaf(3)
    with no_grad():
        y = x * 2
    assert not y.requires_grad
    assert y.creator is None
    assert (x * 2).requires_grad


def test_no_grad_may_be_nested():
    x = leaf(3)
    with no_grad():
        with no_grad():
            assert not (x * 2).requires_grad
        assert not (x * 2).requires_grad
    assert (x * 2).requires_grad


def test_no_grad_ends_with_an_exception():
    with pytest.raises(KeyError), no_grad():
        raise KeyError
    assert (leaf(3) * 2).requires_grad


def test_no_grad_holds_for_its_own_thread_only():
    x, inside, done, results = leaf(3), threading.Event(), threading.Event(), {}

    def without():
        with no_grad():
            inside.set()
            done.wait(10)
            results["without"] = (x * 2).requires_grad

    thread = threading.Thread(target=without)
    thread.start()
    assert inside.wait(10)
    results["here"] = (x * 2).requires_grad
    done.set()
    thread.join()
    assert results == {"without": False, "here": True}
