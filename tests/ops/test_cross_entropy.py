import drawn
import gradients
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import check_equal, draw, tf

from scratchnet import ops
from scratchnet.tensor import Tensor

shapes = st.lists(st.integers(1, 6), min_size=1, max_size=4).map(tuple)


@settings(max_examples=30)
@given(drawn.seeds, drawn.dtypes, shapes)
def test_cross_entropy_equals_tensorflow(seed, dtype, shape):
    (logits,) = draw(seed, dtype, shape)
    targets = np.random.default_rng(seed).dirichlet(np.ones(shape[-1]), shape[:-1]).astype(dtype)
    check_equal(
        lambda z: ops.cross_entropy_with_logits(targets, z),
        lambda z: tf.nn.softmax_cross_entropy_with_logits(targets, z),
        [3 * logits],
        seed,
    )


@settings(max_examples=30)
@given(drawn.seeds, drawn.dtypes, shapes)
def test_binary_cross_entropy_equals_tensorflow(seed, dtype, shape):
    (logits,) = draw(seed, dtype, shape)
    targets = np.random.default_rng(seed).random(shape).astype(dtype)
    check_equal(
        lambda z: ops.binary_cross_entropy_with_logits(targets, z),
        lambda z: tf.nn.sigmoid_cross_entropy_with_logits(targets, z),
        [3 * logits],
        seed,
    )


def test_gradients_equal_finite_differences():
    (logits,) = draw(1, "float64", (3, 4))
    targets = np.random.default_rng(1).random((3, 4))  # they need not sum to one
    gradients.check_gradients(lambda z: ops.cross_entropy_with_logits(targets, z), [logits])
    gradients.check_gradients(lambda z: ops.binary_cross_entropy_with_logits(targets, z), [logits])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_huge_logits_give_finite_losses_and_gradients(dtype):
    z = Tensor(np.array([[1e5, 0, -1e5], [-1e5, 0, 1e5]], dtype), requires_grad=True)
    loss = ops.cross_entropy_with_logits(np.array([[1, 0, 0], [1, 0, 0]], dtype), z)
    np.testing.assert_allclose(loss.data, [0, 2e5])
    loss.backward(np.ones(2))
    np.testing.assert_allclose(z.grad, [[0, 0, 0], [-1, 0, 1]])
    z = Tensor(np.array([1e5, -1e5, 1e5, -1e5], dtype), requires_grad=True)
    loss = ops.binary_cross_entropy_with_logits(np.array([1, 1, 0, 0], dtype), z)
    np.testing.assert_allclose(loss.data, [0, 1e5, 1e5, 0])
    loss.backward(np.ones(4))
    np.testing.assert_allclose(z.grad, [0, -1, 1, 0])
