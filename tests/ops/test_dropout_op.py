import numpy as np
import pytest

from scratchnet import ops, random
from scratchnet.tensor import Tensor


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_gradient_passes_through_the_same_mask(dtype):
    rng = np.random.default_rng(0)
    x = Tensor(rng.random((40, 50)).astype(dtype) + 1, requires_grad=True)
    y = ops.dropout(x, 0.4, seed=7)
    kept, scale = y.data != 0, dtype(1 / 0.6)
    np.testing.assert_array_equal(y.data, np.where(kept, x.data * scale, 0))
    dy = rng.standard_normal(y.shape).astype(dtype)
    y.backward(dy)
    np.testing.assert_array_equal(x.grad, np.where(kept, dy * scale, 0))
    assert x.grad.dtype == dtype


def test_the_same_seed_drops_the_same_elements():
    x = np.ones((100, 100), np.float32)
    np.testing.assert_array_equal(ops.dropout(x, 0.5, 3).data, ops.dropout(x, 0.5, 3).data)
    assert (ops.dropout(x, 0.5, 3).data != ops.dropout(x, 0.5, 4).data).any()


def test_without_a_seed_the_global_one_decides():
    x = np.ones(1000, np.float32)
    random.set_random_seed(5)
    first, second = ops.dropout(x, 0.5).data, ops.dropout(x, 0.5).data
    assert (first != second).any()
    random.set_random_seed(5)
    np.testing.assert_array_equal(ops.dropout(x, 0.5).data, first)


def test_the_mean_is_kept():
    y = ops.dropout(np.ones(10**6, np.float32), 0.3, 1).data
    assert y.mean(dtype=np.float64) == pytest.approx(1, abs=5 * np.sqrt(0.3 / 0.7) / 1000)


def test_rate_0_changes_nothing():
    x = Tensor(np.ones(5))
    assert ops.dropout(x, 0) is x


@pytest.mark.parametrize("rate", [-0.1, 1, 1.5, float("nan"), "0.5", None, True])
def test_a_rate_out_of_range_is_named(rate):
    with pytest.raises(ValueError, match=f"rate must be a number of at least 0 and below 1, got {rate!r}"):
        ops.dropout(np.ones(3), rate)


@pytest.mark.parametrize("seed", [-1, 1.5, "a", True])
def test_a_seed_that_is_none_is_named(seed):
    with pytest.raises(ValueError, match=f"seed must be a non-negative int or None, got {seed!r}"):
        ops.dropout(np.ones(3), 0.5, seed)


def test_seeds_of_any_size_are_taken():
    for seed in (2**70 + 1, np.uint64(2**64 - 1)):
        first, again = (ops.dropout(np.ones(300), 0.5, seed).data for _ in range(2))
        np.testing.assert_array_equal(first, again)
        assert set(np.unique(first)) == {0.0, 2.0}


def test_a_number_stays_a_number():
    assert ops.dropout(np.array(1.0), 0.5, 1).shape == ()
