import drawn
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_oracle import check_equal_layers, share_weights, twins
from oracle import assert_close, draw

from scratchnet import layers
from scratchnet.tensor import Tensor

shapes = st.sampled_from([(2, 3), (6, 1), (3, 4, 5, 2), (2, 3, 7), (16, 2, 2, 3)])


@settings(max_examples=40)
@given(
    drawn.seeds, drawn.dtypes, shapes, st.booleans(), st.booleans(), st.booleans(),
    st.sampled_from([0.99, 0.5, 0.0, 1.0]), st.sampled_from([1e-3, 1e-5, 0.1]),
)  # fmt: skip
def test_outputs_gradients_and_moving_averages_equal_keras(
    seed, dtype, shape, training, center, scale, momentum, epsilon
):
    ours, theirs = twins("BatchNormalization", dtype, center=center, scale=scale, momentum=momentum, epsilon=epsilon)
    (x,) = draw(seed, dtype, shape)
    check_equal_layers(ours, theirs, 2 * x + x.dtype.type(0.5), training=training, seed=seed)
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        assert_close(mine, other, "weights after the call")


def test_moving_averages_follow_several_batches_as_in_keras():
    ours, theirs = twins("BatchNormalization", momentum=0.8)
    for seed in range(5):
        (x,) = draw(seed, "float32", (4, 3, 3, 2))
        x = x * np.float32(seed + 1) + np.float32(seed)
        ours(x, training=True)
        theirs(x, training=True)
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        assert_close(mine, other)
    (x,) = draw(9, "float32", (2, 3, 3, 2))
    assert_close(ours(x).data, theirs(x).numpy())


@pytest.mark.parametrize("training", [False, True])
def test_a_frozen_layer_keeps_to_its_moving_averages_as_in_keras(training):
    ours, theirs = twins("BatchNormalization", trainable=False)
    (x,) = draw(1, "float32", (4, 3, 3, 2))
    ours.build(x.shape)
    theirs.build(x.shape)
    share_weights(ours, theirs)
    before = ours.get_weights()
    y = ours(Tensor(x, requires_grad=True), training=training)
    assert_close(y.data, theirs(x, training=training).numpy())
    for weight, value in zip(ours.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, value)
    y.backward(np.ones(y.shape))
    assert all(weight.grad is None for weight in ours.weights)


def test_thawing_makes_only_gamma_and_beta_trainable_again():
    layer = layers.BatchNormalization()
    layer(np.ones((2, 3), np.float32))
    layer.trainable = False
    assert layer.trainable_weights == []
    assert len(layer.non_trainable_weights) == 4
    layer.trainable = True
    assert [weight.name for weight in layer.trainable_weights] == ["gamma", "beta"]
    assert [weight.name for weight in layer.non_trainable_weights] == ["moving_mean", "moving_variance"]


def test_inference_changes_no_moving_average():
    layer = layers.BatchNormalization()
    layer(np.full((4, 3), 5, np.float32), training=False)
    np.testing.assert_array_equal(layer.get_weights()[2], 0)
    np.testing.assert_array_equal(layer.get_weights()[3], 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"momentum": 1.1}, r"momentum must lie between 0 and 1, got 1\.1"),
        ({"momentum": -0.1}, r"momentum must lie between 0 and 1, got -0\.1"),
        ({"epsilon": 0}, r"epsilon must be positive, got 0"),
        ({"epsilon": float("nan")}, r"epsilon must be positive, got nan"),
        ({"momentum": "0.9"}, "momentum must be a number, got '0.9'"),
        ({"epsilon": None}, "epsilon must be a number, got None"),
        ({"beta_initializer": "bad"}, r"initializer must be one of .* got 'bad'"),
        ({"gamma_regularizer": "bad"}, r"regularizer must be one of .* got 'bad'"),
    ],
)
def test_errors_name_the_argument_the_rule_and_the_value(arguments, message):
    with pytest.raises(ValueError, match=message):
        layers.BatchNormalization(**arguments)


def test_another_axis_than_the_last_is_refused():
    with pytest.raises(ValueError, match=r"b normalises the last axis .* got axis 1 for shape \(None, 4, 4, 3\)"):
        layers.BatchNormalization(axis=1, name="b")(np.ones((2, 4, 4, 3)))
    layers.BatchNormalization(axis=3)(np.ones((2, 4, 4, 3)))
