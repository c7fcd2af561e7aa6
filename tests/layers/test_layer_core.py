import json
from typing import Any

import drawn
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_oracle import check_equal_layers, twins
from oracle import draw

from scratchnet import activations, layers


@settings(max_examples=30)
@given(
    drawn.seeds, drawn.dtypes, st.integers(1, 6), st.lists(st.integers(1, 6), min_size=1, max_size=3),
    st.integers(1, 20), st.booleans(),
)  # fmt: skip
def test_dense_equals_keras(seed, dtype, batch, shape, units, use_bias):
    ours, theirs = twins("Dense", dtype, units=units, use_bias=use_bias)
    check_equal_layers(ours, theirs, *draw(seed, dtype, (batch, *shape)), seed=seed)


@pytest.mark.parametrize("activation", [None, *sorted(activations._BY_NAME)])
def test_every_activation_of_a_dense_layer_equals_keras(activation):
    ours, theirs = twins("Dense", units=6, activation=activation)
    check_equal_layers(ours, theirs, *draw(1, "float32", (3, 5)))


@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 4, 5), (2, 1), (4,)], ids=str)
def test_flatten_equals_keras(shape):
    check_equal_layers(*twins("Flatten"), *draw(1, "float32", (3, *shape)))


@pytest.mark.parametrize("target", [(24,), (-1,), (4, 6), (2, -1, 3), (-1, 24), [3, 8]], ids=str)
def test_reshape_equals_keras(target):
    check_equal_layers(*twins("Reshape", target_shape=target), *draw(1, "float32", (5, 2, 3, 4)))


@pytest.mark.parametrize(
    "config",
    [
        # numbers that float32 can hold: Keras rounds them to that
        {"scale": 1 / 256},
        {"scale": 2, "offset": -1},
        {"scale": [0.5, 1, 2], "offset": [1, 2, 3]},
        {"scale": 3.0, "offset": [0.125, 0.25, 0.375]},
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rescaling_equals_keras(config, dtype):
    check_equal_layers(*twins("Rescaling", dtype, **config), *draw(1, dtype, (2, 4, 5, 3)))


def test_rescaling_takes_bytes():
    y = layers.Rescaling(1 / 255)(np.array([[0, 51, 255]], np.uint8))
    assert y.dtype == np.float32
    np.testing.assert_allclose(y.data, [[0, 0.2, 1]], rtol=1e-6)


@pytest.mark.parametrize("padding", [0, 2, (1, 3), ((1, 2), (3, 0)), [[0, 1], [2, 0]]], ids=str)
def test_zero_padding_equals_keras(padding):
    check_equal_layers(*twins("ZeroPadding2D", padding=padding), *draw(1, "float32", (2, 4, 5, 3)))


def test_zero_padding_is_one_pixel_by_default():
    check_equal_layers(*twins("ZeroPadding2D"), *draw(1, "float32", (2, 4, 5, 3)))


@pytest.mark.parametrize(
    "shapes", [[(2, 3, 4)] * 2, [(2, 3, 4)] * 3, [(2, 3, 4), (2, 1, 4)], [(2, 1, 4), (2, 3, 1)]], ids=str
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_add_equals_keras(shapes, dtype):
    check_equal_layers(*twins("Add", dtype), *draw(1, dtype, *shapes))


def test_add_of_a_tensor_with_itself_equals_keras():
    x = layers.Add()([np.ones((1, 2), np.float32)] * 2)
    np.testing.assert_array_equal(x.data, [[2, 2]])


@pytest.mark.parametrize(
    ("axis", "shapes"),
    [
        (-1, [(2, 3, 3, 1), (2, 3, 3, 4)]),
        (3, [(2, 3, 3, 1), (2, 3, 3, 4), (2, 3, 3, 2)]),
        (1, [(2, 3, 3), (2, 1, 3)]),
        (-2, [(2, 3, 3), (2, 1, 3)]),
    ],
    ids=str,
)
def test_concatenate_equals_keras(axis, shapes):
    check_equal_layers(*twins("Concatenate", axis=axis), *draw(1, "float32", *shapes))


def test_shapes_with_unknown_sizes():
    assert layers.Flatten().compute_output_shape((None, None, 3)) == (None, None)
    assert layers.Reshape((-1, 2)).compute_output_shape((None, None, 3)) == (None, None, 2)
    assert layers.ZeroPadding2D(1).compute_output_shape((None, None, 3, 1)) == (None, None, 5, 1)
    assert layers.Add().compute_output_shape([(None, 1), (None, 4)]) == (None, 4)
    assert layers.Concatenate().compute_output_shape([(None, 3), (None, None)]) == (None, None)


def symbolic(*shape):
    return layers.Input(shape)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.Dense(0), r"units must be a positive int, got 0"),
        (lambda: layers.Dense(2.0), r"units must be a positive int, got 2\.0"),
        (lambda: layers.Dense(2, kernel_initializer="bad"), r"initializer must be one of .* got 'bad'"),
        (lambda: layers.Dense(2, name="d")(np.ones(3)), r"d needs inputs of shape \(batch, \.\.\., features\)"),
        (lambda: layers.Reshape((2, 0)), r"target_shape must hold positive ints and at most one -1, got \(2, 0\)"),
        (lambda: layers.Reshape((-1, -1)), r"target_shape must hold .* at most one -1, got \(-1, -1\)"),
        (lambda: layers.Reshape((5,), name="r")(np.ones((2, 3))), r"r: samples of shape \(3,\) do not fit into \(5,\)"),
        (lambda: layers.Reshape((2, -1), name="r")(np.ones((2, 3))), r"r: samples of shape \(3,\) do not fit"),
        (lambda: layers.ZeroPadding2D(-1), r"padding must be an int, two ints or two pairs of ints, .* got -1"),
        (lambda: layers.ZeroPadding2D((1, 2, 3)), r"padding must be .* got \(1, 2, 3\)"),
        (lambda: layers.ZeroPadding2D(((1, 2), (3,))), r"padding must be .* got \(\(1, 2\), \(3,\)\)"),
        (lambda: layers.ZeroPadding2D(1.5), r"padding must be .* got 1\.5"),
        (lambda: layers.ZeroPadding2D(name="z")(np.ones((2, 3))), r"z needs images .* got \(2, 3\)"),
        (lambda: layers.Concatenate(axis=0), r"axis 0 is the batch"),
        (lambda: layers.Add(name="a")([symbolic(2)]), r"a needs at least two inputs, got 1"),
        (lambda: layers.Add(name="a")([np.ones((1, 2))]), r"a needs at least two inputs, got 1"),
        (lambda: layers.Add(name="a")([symbolic(2), symbolic(3)]), r"a cannot add shapes .*\(None, 2\), \(None, 3\)"),
        (lambda: layers.Add(name="a")([symbolic(2), symbolic(3, 2)]), r"a cannot add shapes .* number of axes"),
        (lambda: layers.Add(name="a")(np.ones((1, 2))), r"a takes a list of inputs, got one ndarray"),
        (lambda: layers.Flatten(name="f")([np.ones((1, 2))] * 2), r"f takes one input, got a list of 2"),
        (
            lambda: layers.Concatenate(name="c")([symbolic(2, 3), symbolic(3, 3)]),
            r"c cannot join shapes .* along axis -1",
        ),
        (lambda: layers.Concatenate(name="c")([symbolic(2, 3), symbolic(3)]), r"c cannot join shapes"),
        (lambda: layers.Add(name="a")([symbolic(2), np.ones((1, 2))]), r"a got symbolic tensors and arrays together"),
        (lambda: layers.Input((0, 3)), r"shape must be a sequence of positive ints or None, .* got \(0, 3\)"),
        (lambda: layers.Input(5), r"shape must be a sequence of positive ints or None, .* got 5"),
    ],
)
def test_errors_name_the_argument_the_rule_and_the_value(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_dense_layer_keeps_to_the_features_it_was_built_for():
    layer = layers.Dense(2, name="d")
    layer(np.ones((1, 3)))
    with pytest.raises(ValueError, match=r"d was built for 3 features, got shape \(1, 4\)"):
        layer(np.ones((1, 4)))


class OwnBuild(layers.Dense):
    """Says by itself that it is built, as layers of Keras do, and asks for its result's shape then."""

    def build(self, input_shape: Any) -> None:
        self.kernel = self.add_weight("kernel", (input_shape[-1], self.units), "ones")
        self.bias = None
        self.built = True
        self.result = self.compute_output_shape(input_shape)


def test_a_layer_may_ask_for_its_results_shape_while_it_is_built() -> None:
    layer = OwnBuild(2, name="d")
    np.testing.assert_array_equal(layer(np.ones((1, 3))).data, [[3, 3]])
    assert layer.result == (None, 2)
    with pytest.raises(ValueError, match=r"d was built for inputs of shape \(None, 3\), got \(None, 4\)"):
        layer(layers.Input((4,)))


@pytest.mark.parametrize("numbers", [[1.0, 2.0], [[1.0], [2.0], [3.0], [4.0], [5.0]], [], [[[[[1.0]]]]]])
def test_rescaling_takes_numbers_that_fit_its_inputs_only(numbers: Any) -> None:
    for scale, offset in ((numbers, 0.0), (1.0, numbers)):
        layer = layers.Rescaling(scale, offset, name="r")
        with pytest.raises(ValueError, match=r"r has the (scale|offset) of shape .* for inputs of shape"):
            layer(np.ones((1, 4, 4, 3), np.float32))


def test_rescaling_by_arrays_can_be_described() -> None:
    arrays: dict[str, Any] = {"scale": np.full(3, 0.5, np.float32), "offset": np.float32(2)}
    layer = layers.Rescaling(**arrays)
    assert json.loads(json.dumps(layer.get_config())) == layer.get_config()
    np.testing.assert_array_equal(layer(np.ones((1, 3), np.float32)).data, np.full((1, 3), 2.5))


@pytest.mark.parametrize("name", ["\x1b[2J", "two\nlines", "\ud800"])
def test_names_hold_nothing_that_a_terminal_would_obey(name: str) -> None:
    for make in (lambda: layers.Flatten(name=name), lambda: layers.Input((3,), name=name)):
        with pytest.raises(ValueError, match="name must be a non-empty, printable string"):
            make()
