import inspect
import json
from collections import Counter

import numpy as np
import pytest
from oracle import draw, keras

from scratchnet import initializers, layers, regularizers
from scratchnet.layers import Layer, base
from scratchnet.tensor import Tensor

IMAGE = (2, 6, 7, 3)

# Every layer with every argument set to something that is not its default.
CONFIGS = {
    "Activation": {"activation": "gelu"},
    "Add": {},
    "Average": {},
    "AveragePooling2D": {"pool_size": (3, 2), "strides": (1, 2), "padding": "same"},
    "BatchNormalization": {
        "axis": 3, "momentum": 0.7, "epsilon": 0.01, "center": True, "scale": True, "beta_initializer": "ones",
        "gamma_initializer": {"class_name": "RandomNormal", "config": {"seed": 2}},
        "moving_mean_initializer": "ones", "moving_variance_initializer": "zeros", "beta_regularizer": "l1",
        "gamma_regularizer": regularizers.L2(0.03),
    },
    "Concatenate": {"axis": 2},
    "Conv2D": {
        "filters": 4, "kernel_size": (3, 2), "strides": (2, 1), "padding": "same", "dilation_rate": (1, 1), "groups": 1,
        "activation": "relu", "use_bias": True, "kernel_initializer": initializers.HeNormal(seed=3),
        "bias_initializer": "ones", "kernel_regularizer": regularizers.L1L2(0.1, 0.2), "bias_regularizer": "l2",
    },
    "Dense": {
        "units": 4, "activation": "tanh", "use_bias": True, "kernel_initializer": initializers.Orthogonal(2.0, seed=1),
        "bias_initializer": initializers.Constant(0.5), "kernel_regularizer": "l1_l2", "bias_regularizer": "l1",
    },
    "DepthwiseConv2D": {
        "kernel_size": 3, "strides": 2, "padding": "same", "depth_multiplier": 2, "dilation_rate": 1,
        "activation": "silu", "use_bias": True, "depthwise_initializer": "he_uniform", "bias_initializer": "ones",
        "depthwise_regularizer": regularizers.L1(0.3), "bias_regularizer": "l2",
    },
    "Dropout": {"rate": 0.3, "seed": 5, "noise_shape": (None, 1, 1, 3)},
    "ELU": {"alpha": 0.5},
    "Flatten": {},
    "GlobalAveragePooling2D": {"keepdims": True},
    "GlobalMaxPooling2D": {"keepdims": True},
    "LeakyReLU": {"negative_slope": 0.1},
    "MaxPooling2D": {"pool_size": 3, "strides": 2, "padding": "same"},
    "Maximum": {},
    "Minimum": {},
    "Multiply": {},
    "Normalization": {"axis": (1, 3), "mean": [[0.5, -1.0, 2.0]] * 6, "variance": [[4.0, 2.0, 1.0]] * 6, "invert": 1},
    "ReLU": {"max_value": 4.0, "negative_slope": 0.1, "threshold": 0.2},
    "Rescaling": {"scale": 2.0, "offset": [1.0, 2.0, 3.0]},
    "Reshape": {"target_shape": (7, -1)},
    "SeparableConv2D": {
        "filters": 5, "kernel_size": (2, 3), "strides": 1, "padding": "same", "dilation_rate": 1, "depth_multiplier": 2,
        "activation": "elu", "use_bias": False, "depthwise_initializer": "lecun_normal",
        "pointwise_initializer": "he_normal", "bias_initializer": "ones", "depthwise_regularizer": "l2",
        "pointwise_regularizer": "l1", "bias_regularizer": "l1_l2",
    },
    "Softmax": {"axis": 1},
    "Subtract": {},
    "UnitNormalization": {"axis": [1, 3]},
    "ZeroPadding2D": {"padding": ((1, 0), (2, 3))},
}  # fmt: skip
NAMES = sorted(CONFIGS)
HAVE_WIDTHS = {
    "BatchNormalization", "Conv2D", "Dense", "DepthwiseConv2D", "Normalization", "Rescaling", "SeparableConv2D",
}  # fmt: skip


def make(kind, **extra):
    return getattr(layers, kind)(**{**CONFIGS[kind], **extra})


def inputs_for(layer, dtype="float32"):
    arrays = draw(1, dtype, *[IMAGE] * 2)
    return arrays if layer.takes_list else arrays[0]


def test_every_layer_is_here():
    assert sorted({*layers.__all__} - {"Input", "Layer"}) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_layer_survives_its_config(name):
    layer = make(name, name="chosen", dtype="float64")
    x = inputs_for(layer, "float64")
    layer(x)
    layer.trainable = False
    config = json.loads(json.dumps(layer.get_config()))
    again = type(layer).from_config(config)
    assert again.get_config() == layer.get_config()
    assert (again.name, again.dtype, again.trainable) == ("chosen", "float64", False)
    again(x)
    assert [w.shape for w in again.weights] == [w.shape for w in layer.weights]
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(again(x).data, layer(x).data)
    for mine, other in zip(again.weights, layer.weights, strict=True):
        assert type(mine.regularizer) is type(other.regularizer)


@pytest.mark.parametrize("name", NAMES)
def test_arguments_and_defaults_are_those_of_keras(name):
    ours = inspect.signature(getattr(layers, name).__init__).parameters
    theirs = inspect.signature(getattr(keras.layers, name).__init__).parameters
    for argument, parameter in ours.items():
        if argument not in {"self", "kwargs", "absent", "name", "dtype", "trainable", "input_shape"}:
            assert argument in theirs
            if theirs[argument].default is not inspect.Parameter.empty:  # ours may have one where Keras has none
                assert parameter.default == theirs[argument].default, argument
            if parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD:
                positional = [n for n in theirs if n not in {"data_format", "noise_shape"}]
                assert list(ours).index(argument) == positional.index(argument), argument


@pytest.mark.parametrize("name", NAMES)
def test_names_follow_keras(name, monkeypatch):
    monkeypatch.setattr(base, "_names", Counter())
    keras.backend.clear_session()
    config = {key: value for key, value in CONFIGS[name].items() if not key.endswith(("initializer", "regularizer"))}
    for _ in range(3):
        assert make(name).name == getattr(keras.layers, name)(**config).name


def test_inputs_are_named_as_in_keras(monkeypatch):
    monkeypatch.setattr(base, "_names", Counter())
    assert [layers.Input((2,)).name for _ in range(2)] == ["input_layer", "input_layer_1"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_outputs_have_the_computed_shape_and_the_layers_dtype(name, dtype):
    layer = make(name, dtype=dtype)
    other = {"float32": "float64", "float64": "float32"}[dtype]
    x = inputs_for(layer, other)  # cast on the way in
    y = layer(x)
    assert y.dtype == dtype
    assert all(weight.dtype == dtype for weight in layer.weights)
    shape = (None, *IMAGE[1:])
    assert layer.compute_output_shape([shape, shape] if layer.takes_list else shape) == (None, *y.shape[1:])


@pytest.mark.parametrize("name", NAMES)
def test_a_symbolic_call_gives_the_computed_shape(name):
    layer = make(name)
    x = layers.Input(IMAGE[1:])
    y = layer([x, layers.Input(IMAGE[1:])] if layer.takes_list else x)
    assert y.shape == (None, *make(name)(inputs_for(layer)).shape[1:])


@pytest.mark.parametrize("name", NAMES)
def test_a_layer_is_built_once(name):
    layer, shape = make(name), (None, *IMAGE[1:])
    for _ in range(2):
        layer.build([shape, shape] if layer.takes_list else shape)
    assert layer.built
    weights = [id(weight) for weight in layer.weights]
    layer(inputs_for(layer))
    assert [id(weight) for weight in layer.weights] == weights


@pytest.mark.parametrize("kind", NAMES)
def test_a_built_layer_refuses_symbols_of_another_width_wherever_it_refuses_arrays(kind):
    layer = make(kind)
    layer(inputs_for(layer))
    wider = (*IMAGE[:-1], IMAGE[-1] + 1)
    arrays, symbols = draw(1, "float32", *[wider] * 2), [layers.Input(wider[1:]), layers.Input(wider[1:])]
    use = (lambda values: layer(values)) if layer.takes_list else (lambda values: layer(values[0]))
    if kind in HAVE_WIDTHS:
        with pytest.raises(ValueError, match="shape"):
            use(arrays)
        with pytest.raises(ValueError, match=layer.name):
            use(symbols)
        assert layer.compute_output_shape(IMAGE) == layer(inputs_for(layer)).shape
    else:
        assert use(symbols).shape[1:] == use(arrays).shape[1:]


def test_get_weights_returns_copies():
    layer = layers.Dense(2)
    layer(np.ones((1, 3), np.float32))
    layer.get_weights()[0][...] = 9
    assert (layer.get_weights()[0] != 9).all()


def test_set_weights_sets_all_or_nothing():
    layer = layers.Dense(2, name="d")
    layer(np.ones((1, 3), np.float32))
    before = layer.get_weights()
    for wrong, message in (
        ([], r"d has 2 weights, got 0"),
        ([np.ones((3, 2))], r"d has 2 weights, got 1"),
        ([np.ones((3, 2)), np.ones(2), np.ones(2)], r"d has 2 weights, got 3"),
        ([np.ones((3, 2)), np.ones(3)], r"d: bias has shape \(2,\), got \(3,\)"),
        ([np.ones((2, 3)), np.ones(2)], r"d: kernel has shape \(3, 2\), got \(2, 3\)"),
    ):
        with pytest.raises(ValueError, match=message):
            layer.set_weights(wrong)
        for weight, value in zip(layer.get_weights(), before, strict=True):
            np.testing.assert_array_equal(weight, value)


def test_weights_that_are_not_numbers_leave_everything_as_it_was():
    layer = layers.Dense(2)
    layer(np.ones((1, 3), np.float32))
    before = layer.get_weights()
    with pytest.raises((TypeError, ValueError)):
        layer.set_weights([np.ones((3, 2)), np.array(["a", "b"])])
    for weight, value in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, value)


def test_parameters_cannot_be_counted_before_there_are_any():
    layer = layers.Dense(2, name="d")
    with pytest.raises(ValueError, match="d has no weights yet"):
        layer.count_params()
    layer(np.ones((1, 3)))
    assert layer.count_params() == 8


@pytest.mark.parametrize("shape", [(0,), (3, -1), (2.5,), (None, 2)], ids=str)
def test_weights_need_positive_axes(shape):
    with pytest.raises(ValueError, match=r"weight 'w' of l would have the shape .*; every axis must be positive"):
        Layer(name="l").add_weight("w", shape)


def test_weights_need_known_initializers_and_regularizers():
    with pytest.raises(ValueError, match=r"initializer must be one of .* got 'bad'"):
        Layer().add_weight("w", (2,), "bad")
    with pytest.raises(ValueError, match=r"regularizer must be one of .* got 'bad'"):
        Layer().add_weight("w", (2,), regularizer="bad")


def test_freezing_stops_gradients_and_thawing_brings_them_back():
    layer = layers.Dense(2)
    layer(np.ones((1, 3), np.float32))
    layer.trainable = False
    assert layer.trainable_weights == []
    assert not layer(np.ones((1, 3), np.float32)).requires_grad
    layer.trainable = True
    assert [weight.name for weight in layer.trainable_weights] == ["kernel", "bias"]


def test_a_layer_frozen_before_it_is_built_stays_frozen():
    layer = layers.Dense(2, trainable=False)
    layer(np.ones((1, 3), np.float32))
    assert layer.trainable_weights == []
    assert len(layer.non_trainable_weights) == 2


def test_a_layer_of_ones_own_has_weights_and_gradients():
    class Scale(Layer):
        def build(self, input_shape):
            self.factor = self.add_weight("factor", (input_shape[-1],), "ones", "l2")

        def call(self, inputs, training=False):
            return inputs * self.factor

    layer = Scale()
    assert layer.name.startswith("scale")
    x = Tensor(np.array([[1.0, 2.0]], np.float32))
    layer(x).backward(np.array([[3.0, 5.0]]))
    np.testing.assert_array_equal(layer.factor.grad, [3, 10])
    assert isinstance(layer.factor.regularizer, regularizers.L2)


def test_a_layer_must_say_what_it_does():
    with pytest.raises(NotImplementedError, match=r"Layer must define call\(inputs, training\)"):
        Layer()(np.ones((1, 2)))


def test_symbolic_tensors_refuse_arithmetic():
    with pytest.raises(TypeError, match="arithmetic on symbolic tensors is done by layers"):
        layers.Input((2,)) + layers.Input((2,))
