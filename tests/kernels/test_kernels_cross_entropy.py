import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scratchnet import ops
from scratchnet.kernels import cross_entropy

DTYPES = [np.float32, np.float64]


def loops(z, targets, dy):
    """The losses and the gradient by the logits, one number after the other."""
    losses, dz = np.zeros(len(z)), np.zeros(z.shape)
    for r, (row, wanted) in enumerate(zip(z.tolist(), targets.tolist(), strict=True)):
        total = sum(math.exp(value - max(row)) for value in row)
        for c, (value, target) in enumerate(zip(row, wanted, strict=True)):
            losses[r] -= target * (value - max(row) - math.log(total))
            dz[r, c] = dy[r] * (math.exp(value - max(row)) / total * sum(wanted) - target)
    return losses, dz


@pytest.mark.parametrize("dtype", DTYPES)
@given(rows=st.integers(0, 20), classes=st.integers(1, 40), seed=st.integers(0, 2**32))
def test_both_cross_entropies_equal_loops(rows, classes, seed, dtype):
    rng = np.random.default_rng(seed)
    z, targets = rng.normal(0, 5, (rows, classes)).astype(dtype), rng.random((rows, classes)).astype(dtype)
    dy, labels = rng.standard_normal(rows).astype(dtype), rng.integers(0, classes, rows)
    tolerance = {"rtol": 40 * np.finfo(dtype).eps, "atol": 40 * classes * np.finfo(dtype).eps}

    losses, softmax = cross_entropy.dense_loss(z, targets)
    assert losses.dtype == dtype
    expected, expected_gradient = loops(z, targets, dy)
    np.testing.assert_allclose(losses, expected, **tolerance)
    gradient = cross_entropy.dense_gradient(dy, targets, softmax)
    np.testing.assert_allclose(gradient, expected_gradient, **tolerance)

    losses, softmax = cross_entropy.sparse_loss(z, labels)
    expected, expected_gradient = loops(z, np.eye(classes)[labels], dy)
    np.testing.assert_allclose(losses, expected, **tolerance)
    gradient = cross_entropy.sparse_gradient(dy, labels, softmax)
    np.testing.assert_allclose(gradient, expected_gradient, **tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("position", range(3))
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity_show_in_their_row_alone(position, value, dtype):
    z, labels = np.zeros((3, 3), dtype), np.array([2, 1, 0])
    z[1, position] = value
    losses, softmax = cross_entropy.sparse_loss(z, labels)
    np.testing.assert_array_equal(np.isnan(losses), [False, True, False])
    gradient = cross_entropy.sparse_gradient(np.ones(3, dtype), labels, softmax)
    np.testing.assert_array_equal(np.isnan(gradient).all(axis=1), [False, True, False])
    losses, softmax = cross_entropy.dense_loss(z, np.eye(3, dtype=dtype))
    np.testing.assert_array_equal(np.isnan(losses), [False, True, False])
    gradient = cross_entropy.dense_gradient(np.ones(3, dtype), np.eye(3, dtype=dtype), softmax)
    np.testing.assert_array_equal(np.isnan(gradient).all(axis=1), [False, True, False])


def test_a_logit_of_minus_infinity_rules_its_class_out():
    z = np.array([[1, -np.inf, 2]], np.float32)
    losses, softmax = cross_entropy.sparse_loss(z, np.array([0]))
    np.testing.assert_allclose(losses, math.log(1 + math.e), rtol=1e-6)
    assert cross_entropy.sparse_gradient(np.ones(1, np.float32), np.array([0]), softmax)[0, 1] == 0
    assert cross_entropy.sparse_loss(z, np.array([1]))[0][0] == np.inf


@pytest.mark.parametrize("labels", [[0, 3], [-1, 0], [0, 2**40]])
def test_labels_that_are_no_class_never_reach_the_kernel(labels):
    with pytest.raises(ValueError, match=r"labels must lie in 0\.\.2, got (3|-1|1099511627776)"):
        ops.sparse_cross_entropy_with_logits(np.array(labels), np.zeros((2, 3), np.float32))


def test_shapes_that_do_not_fit_never_reach_the_kernel():
    z = np.zeros((2, 3), np.float32)
    with pytest.raises(ValueError, match=r"labels must have shape \(2,\), got \(3,\)"):
        ops.sparse_cross_entropy_with_logits(np.zeros(3, np.int64), z)
    with pytest.raises(ValueError, match=r"targets must have the logits' shape \(2, 3\), got \(2, 4\)"):
        ops.cross_entropy_with_logits(np.zeros((2, 4), np.float32), z)
    with pytest.raises(ValueError, match=r"at least one class, got \(2, 0\)"):
        ops.sparse_cross_entropy_with_logits(np.zeros(2, np.int64), np.zeros((2, 0), np.float32))


def test_read_only_and_strided_arguments_are_taken():
    z = np.random.default_rng(0).standard_normal((3, 8)).astype(np.float32).T
    labels = np.arange(8)[::-1] % 3
    labels.flags.writeable = z.flags.writeable = False
    expected = ops.sparse_cross_entropy_with_logits(labels.copy(), z.copy(order="C"))
    np.testing.assert_array_equal(ops.sparse_cross_entropy_with_logits(labels, z).data, expected.data)
