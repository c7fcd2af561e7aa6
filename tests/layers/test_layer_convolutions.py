import drawn
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_oracle import check_equal_layers, twins
from oracle import draw

from scratchnet import layers

LAYERS = {
    "Conv2D": {"filters": 5},
    "DepthwiseConv2D": {},
    "SeparableConv2D": {"filters": 4},
}
WITH_MULTIPLIER = ["DepthwiseConv2D", "SeparableConv2D"]


@pytest.mark.parametrize("name", LAYERS)
@settings(max_examples=20)
@given(drawn.seeds, drawn.dtypes, drawn.slidings(max_dilation=1), st.integers(1, 3), st.booleans(), st.integers(1, 3))
def test_outputs_and_gradients_equal_keras(name, seed, dtype, sliding, channels, use_bias, multiplier):
    strides = sliding.strides
    if name in WITH_MULTIPLIER:
        strides = (strides[0], strides[0])  # TensorFlow's depthwise convolution knows no others
    config = {**LAYERS[name], **({"depth_multiplier": multiplier} if name in WITH_MULTIPLIER else {})}
    ours, theirs = twins(
        name, dtype, kernel_size=sliding.kernel, strides=strides, padding=sliding.padding, use_bias=use_bias, **config
    )
    check_equal_layers(ours, theirs, *draw(seed, dtype, (2, *sliding.size, channels)), seed=seed)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("dilation", [2, (3, 2)])
def test_dilated_outputs_equal_keras(name, padding, dilation):
    if name in WITH_MULTIPLIER and isinstance(dilation, tuple):
        dilation = (3, 3)
    # TensorFlow has no gradients of these on a CPU; those of the operations are compared with an equivalent
    ours, theirs = twins(name, "float64", kernel_size=3, padding=padding, dilation_rate=dilation, **LAYERS[name])
    check_equal_layers(ours, theirs, *draw(1, "float64", (2, 9, 10, 3)), gradients=False)


@pytest.mark.parametrize("groups", [2, 4])
def test_grouped_outputs_equal_keras(groups):
    ours, theirs = twins("Conv2D", filters=8, kernel_size=3, groups=groups, padding="same", strides=2)
    check_equal_layers(ours, theirs, *draw(1, "float32", (2, 6, 7, 4)), gradients=False)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("activation", ["relu", "sigmoid", "softmax", "gelu", "tanh"])
def test_activations_are_applied_last(name, activation):
    ours, theirs = twins(name, kernel_size=2, activation=activation, **LAYERS[name])
    check_equal_layers(ours, theirs, *draw(2, "float32", (2, 4, 5, 3)))


@pytest.mark.parametrize("name", LAYERS)
def test_sizes_that_are_not_known_yet_stay_none(name):
    ours, theirs = twins(name, kernel_size=3, **LAYERS[name])
    assert ours.compute_output_shape((None, None, None, 2)) == theirs.compute_output_shape((None, None, None, 2))
    assert ours.compute_output_shape((None, None, 8, 2))[:3] == (None, None, 6)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kernel_size": 0}, r"kernel_size must be a positive int or a pair of them, got 0"),
        ({"strides": (1, 0)}, r"strides must be a positive int or a pair of them, got \(1, 0\)"),
        ({"padding": "reflect"}, r"padding must be 'valid' or 'same', got 'reflect'"),
        ({"dilation_rate": -1}, r"dilation_rate must be .* got -1"),
        ({"activation": "nothing"}, r"activation must be one of .* got 'nothing'"),
        ({"bias_initializer": "nothing"}, r"initializer must be one of .* got 'nothing'"),
        ({"bias_regularizer": "nothing"}, r"regularizer must be one of .* got 'nothing'"),
        ({"name": ""}, r"name must be a non-empty, printable string without '/', got ''"),
        ({"name": "a/b"}, r"name must be a non-empty, printable string without '/', got 'a/b'"),
        ({"dtype": "int32"}, r"dtype must be float32 or float64, got int32"),
        ({"dtype": "float16"}, r"dtype must be float32 or float64, got float16"),
    ],
)
def test_errors_name_the_argument_the_rule_and_the_value(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        getattr(layers, name)(**{"kernel_size": 3, **LAYERS[name], **arguments})


def test_counts_must_be_positive_ints():
    for value in (0, -1, 1.5, True, None):
        with pytest.raises(ValueError, match=f"filters must be a positive int, got {value!r}"):
            layers.Conv2D(value, 3)
        with pytest.raises(ValueError, match=f"groups must be a positive int, got {value!r}"):
            layers.Conv2D(4, 3, groups=value)
        with pytest.raises(ValueError, match=f"depth_multiplier must be a positive int, got {value!r}"):
            layers.DepthwiseConv2D(3, depth_multiplier=value)
        with pytest.raises(ValueError, match=f"filters must be a positive int, got {value!r}"):
            layers.SeparableConv2D(value, 3)


def test_inputs_that_do_not_fit_are_named():
    with pytest.raises(
        ValueError, match=r"c needs images of shape \(batch, height, width, channels\), got \(None, 5\)"
    ):
        layers.Conv2D(2, 3, name="c")(np.ones((2, 5)))
    with pytest.raises(ValueError, match=r"c: groups must divide 5 channels and 4 filters, got 2"):
        layers.Conv2D(4, 3, groups=2, name="c")(np.ones((1, 5, 5, 5)))
    layer = layers.Conv2D(2, 3)
    layer(np.ones((1, 5, 5, 1), np.float32))
    with pytest.raises(ValueError, match=r"kernel must have shape .* got \(3, 3, 1, 2\)"):
        layer(np.ones((1, 5, 5, 2), np.float32))
    with pytest.raises(ValueError, match=r"a window of \(3, 3\) .* does not fit into an image of \(2, 5\)"):
        layer(np.ones((1, 2, 5, 1), np.float32))
