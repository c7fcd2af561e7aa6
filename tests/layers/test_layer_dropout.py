import numpy as np
import pytest

from scratchnet import layers, random
from scratchnet.tensor import Tensor


def ones(*shape):
    return np.ones(shape, np.float32)


def test_inference_passes_everything():
    x = ones(3, 4)
    np.testing.assert_array_equal(layers.Dropout(0.9)(x).data, x)
    np.testing.assert_array_equal(layers.Dropout(0.9)(x, training=False).data, x)


def test_rate_0_passes_everything_in_training():
    np.testing.assert_array_equal(layers.Dropout(0)(ones(3, 4), training=True).data, ones(3, 4))


def test_training_drops_the_share_asked_for_and_scales_the_rest():
    y = layers.Dropout(0.25, seed=1)(ones(1000, 1000), training=True).data
    dropped = y == 0
    assert dropped.mean() == pytest.approx(0.25, abs=5 * np.sqrt(0.25 * 0.75) / 1000)
    np.testing.assert_array_equal(y[~dropped], np.float32(1 / 0.75))


def test_the_gradient_passes_where_the_value_passed():
    x = Tensor(ones(50, 40), requires_grad=True)
    y = layers.Dropout(0.5, seed=2)(x, training=True)
    dy = np.random.default_rng(0).standard_normal(y.shape).astype(np.float32)
    y.backward(dy)
    np.testing.assert_array_equal(x.grad, np.where(y.data != 0, 2 * dy, 0))


def test_layers_of_one_seed_drop_the_same_and_calls_differ():
    first, second = layers.Dropout(0.5, seed=3), layers.Dropout(0.5, seed=3)
    masks = [first(ones(100, 100), training=True).data for _ in range(3)]
    for mask in masks:
        np.testing.assert_array_equal(second(ones(100, 100), training=True).data, mask)
    assert 0.4 < (masks[0] == masks[1]).mean() < 0.6
    assert 0.4 < (masks[1] == masks[2]).mean() < 0.6


def test_inference_in_between_does_not_move_the_random_numbers():
    first, second = layers.Dropout(0.5, seed=3), layers.Dropout(0.5, seed=3)
    first(ones(5, 5))
    np.testing.assert_array_equal(first(ones(100, 100), training=True).data, second(ones(100, 100), training=True).data)


def test_layers_without_a_seed_differ_and_repeat_with_the_global_one():
    def masks():
        random.set_random_seed(4)
        return [layers.Dropout(0.5)(ones(100, 100), training=True).data for _ in range(2)]

    first, again = masks(), masks()
    assert (first[0] != first[1]).any()
    np.testing.assert_array_equal(first, again)


def test_counters_resume_where_another_layer_stopped():
    first, second = layers.Dropout(0.5), layers.Dropout(0.5)
    first(ones(2, 2), training=True)
    second.set_counters(first.counters())
    np.testing.assert_array_equal(first(ones(100, 100), training=True).data, second(ones(100, 100), training=True).data)


@pytest.mark.parametrize("rate", [-0.1, 1, 2, "a", None, True, float("nan")])
def test_a_rate_out_of_range_is_named(rate):
    with pytest.raises(ValueError, match=f"rate must be a number of at least 0 and below 1, got {rate!r}"):
        layers.Dropout(rate)


@pytest.mark.parametrize("seed", [-1, 1.5, "a", True])
def test_a_seed_that_is_none_is_named(seed):
    with pytest.raises(ValueError, match=f"seed must be a non-negative int or None, got {seed!r}"):
        layers.Dropout(0.5, seed=seed)


def test_a_noise_shape_says_what_is_dropped_together():
    layer = layers.Dropout(0.5, seed=4, noise_shape=(None, 1, 1, 1))
    y = layer(ones(200, 3, 4, 2), training=True).data
    per_image = y.reshape(200, -1)
    assert (per_image == per_image[:, :1]).all()
    assert set(per_image[:, 0]) == {0, 2}
    assert 60 < np.count_nonzero(per_image[:, 0]) < 140


def test_the_gradient_goes_where_the_noise_let_the_values_through():
    x = Tensor(ones(6, 2, 3), requires_grad=True)
    y = layers.Dropout(0.5, seed=5, noise_shape=[None, 2, 1])(x, training=True)
    y.backward(np.full(y.shape, 3, np.float32))
    np.testing.assert_array_equal(x.grad, 3 * y.data)


@pytest.mark.parametrize("noise_shape", [(2,), (None, 2, 1), (3, 1)])
def test_a_noise_shape_must_fit(noise_shape):
    with pytest.raises(ValueError, match=r"d: noise_shape .* does not fit inputs of shape \(2, 3\)"):
        layers.Dropout(0.5, noise_shape=noise_shape, name="d")(ones(2, 3), training=True)
    with pytest.raises(ValueError, match="noise_shape's sizes must be a positive int, got 0"):
        layers.Dropout(0.5, noise_shape=(0, 1))
