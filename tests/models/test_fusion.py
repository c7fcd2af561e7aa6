"""Layers that run together give what they give one after the other, in training and in inference."""

from typing import Any

import by_hand
import drawn
import numpy as np
import pytest
from by_hand import assert_close, loss_gradients, noise
from hypothesis import given, settings
from hypothesis import strategies as st

import scratchnet as sn
from scratchnet import layers
from scratchnet.models.fusion import plan_steps
from scratchnet.tensor import Tensor


def check_equal(model: sn.Model, twin: sn.Model, inputs: list[np.ndarray], training: bool) -> None:
    """Output, gradients by inputs and weights, and statistics of a model and of its twin, which is run by hand."""
    twin.set_weights(model.get_weights())
    single = len(inputs) == 1
    tensors, others = ([Tensor(x.copy(), requires_grad=True) for x in inputs] for _ in range(2))
    results = model(tensors[0] if single else tensors, training=training)
    expected = by_hand.run(twin, others[0] if single else others, training)
    results, expected = ([value] if isinstance(value, Tensor) else value for value in (results, expected))
    for number, (result, other) in enumerate(zip(results, expected, strict=True)):
        assert_close(result.data, other.data, f"output {number}")
        for weight in [*tensors, *others]:
            weight.grad = None
        if not result.requires_grad:
            continue
        ours, theirs = loss_gradients(model, result), loss_gradients(twin, other)
        for weight, gradient, wanted in zip(model.trainable_weights, ours, theirs, strict=True):
            assert (gradient is None) == (wanted is None)
            if wanted is not None:
                assert_close(gradient, wanted, f"gradient of output {number} by {weight.name}")
        for tensor, wanted in zip(tensors, others, strict=True):
            assert (tensor.grad is None) == (wanted.grad is None)
            if wanted.grad is not None:
                assert_close(tensor.grad, wanted.grad, f"gradient of output {number} by an input")
    for weight, mine, other in zip(model.weights, model.get_weights(), twin.get_weights(), strict=True):
        assert_close(mine, other, f"{weight.name} afterwards")


@settings(max_examples=120)
@given(drawn.seeds, by_hand.stacks(), st.integers(3, 11), st.integers(3, 11), st.booleans())
def test_any_stack_of_layers_equals_them_one_by_one(
    seed: int, stack: list[Any], height: int, width: int, training: bool
) -> None:
    # in float64: ReLUs, maxima and nearly constant channels make jumps of what rounding leaves in float32
    model, twin = (by_hand.build(stack, (height, width, 3), "float64", seed=seed) for _ in range(2))
    check_equal(model, twin, [noise(3, height, width, 3, seed=seed, dtype="float64")], training)


@settings(max_examples=40)
@given(drawn.seeds, by_hand.stacks(), st.integers(3, 11))
def test_any_stack_in_float32_has_the_outputs_and_statistics_of_its_layers(
    seed: int, stack: list[Any], side: int
) -> None:
    model, twin = (by_hand.build(stack, (side, side, 2), "float32", seed=seed) for _ in range(2))
    x = noise(16, side, side, 2, seed=seed)
    results, expected = model(x, training=True), by_hand.run(twin, x, training=True)
    # a channel of nearly equal values is divided by what rounding has left of its variance, at most 1 / 0.03
    np.testing.assert_allclose(results.data, expected.data, rtol=0, atol=1e-3 * max(1, np.abs(expected.data).max()))
    for mine, other in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-3, atol=1e-4)


def steps_of(model: sn.Model) -> list[str]:
    """The names of the calls that each step makes, joined by `+`."""
    calls, groups = [node.layer.name for node in model.nodes], []
    ends = {step.outputs[0].node.layer.name for step in plan_steps(model.nodes, model.outputs)}  # type: ignore[union-attr]
    group: list[str] = []
    for name in calls:
        group.append(name)
        if name in ends:
            groups.append("+".join(group))
            group = []
    assert not group
    return groups


def conv(name: str = "conv", activation: Any = None, **config: Any) -> layers.Conv2D:
    return layers.Conv2D(4, 3, padding="same", activation=activation, name=name, **config)


def norm(name: str = "norm") -> layers.BatchNormalization:
    return layers.BatchNormalization(name=name)


def relu(name: str = "relu", **config: Any) -> layers.ReLU:
    return layers.ReLU(name=name, **config)


def pool(size: Any = 2, name: str = "pool", **config: Any) -> layers.MaxPooling2D:
    return layers.MaxPooling2D(size, name=name, **config)


@pytest.mark.parametrize(
    ("stack", "steps"),
    [
        ([conv()], ["conv"]),
        ([conv(), relu()], ["conv+relu"]),
        ([conv(), layers.Activation("relu", name="act")], ["conv+act"]),
        ([conv(), pool()], ["conv+pool"]),
        ([conv(), relu(), pool()], ["conv+relu+pool"]),
        ([conv(), pool(), relu()], ["conv+pool", "relu"]),
        ([conv(activation="relu"), pool()], ["conv+pool"]),
        ([conv(activation="relu"), relu(), pool((3, 1))], ["conv+relu+pool"]),
        ([conv(activation="tanh"), relu()], ["conv", "relu"]),
        ([conv(activation="tanh"), pool()], ["conv", "pool"]),
        ([conv(), relu(max_value=6.0)], ["conv", "relu"]),
        ([conv(), relu(negative_slope=0.1)], ["conv", "relu"]),
        ([conv(), relu(threshold=0.5), pool()], ["conv", "relu", "pool"]),
        ([conv(), layers.LeakyReLU(name="leaky"), pool()], ["conv", "leaky", "pool"]),
        ([conv(), relu(), pool(3, strides=2)], ["conv+relu", "pool"]),
        ([conv(), relu(), pool(2, strides=(2, 1))], ["conv+relu", "pool"]),
        ([conv(), relu(), pool(2, padding="same")], ["conv+relu", "pool"]),
        ([conv(), relu(), pool((16, 16))], ["conv+relu+pool"]),
        ([conv(), relu(), pool((17, 16))], ["conv+relu", "pool"]),
        ([conv(), relu(), layers.AveragePooling2D(2, name="mean")], ["conv+relu", "mean"]),
        ([conv(), relu(), pool(), pool(name="pool_2")], ["conv+relu+pool", "pool_2"]),
        ([conv(), relu(), relu("relu_2"), pool()], ["conv+relu", "relu_2", "pool"]),
        ([conv(), norm(), relu(), pool()], ["conv", "norm+relu+pool"]),
        ([conv(), relu(), norm(), pool()], ["conv+relu", "norm+pool"]),
        ([conv(), relu(), pool(), norm()], ["conv+relu+pool", "norm"]),
        ([norm(), relu(), pool(3, strides=2, padding="same")], ["norm+relu+pool"]),
        ([norm(), relu(), conv(), relu("relu_2")], ["norm+relu", "conv+relu_2"]),
        ([relu(), pool()], ["relu", "pool"]),
        ([layers.DepthwiseConv2D(3, name="depthwise"), relu(), pool()], ["depthwise", "relu", "pool"]),
        ([layers.SeparableConv2D(3, 3, name="separable"), relu()], ["separable", "relu"]),
        ([conv(), layers.Dropout(0.1, name="dropout"), relu()], ["conv", "dropout", "relu"]),
        ([conv(), layers.ReLU(name="relu", dtype="float64")], ["conv", "relu"]),
    ],
    ids=lambda value: " | ".join(value) if isinstance(value[0], str) else None,
)
def test_what_follows_a_convolution_or_a_normalisation_joins_it(stack: list[Any], steps: list[str]) -> None:
    fresh = [type(layer).from_config(layer.get_config()) for layer in stack]
    assert steps_of(sn.Sequential([layers.Input((34, 34, 3)), *fresh])) == steps


class Doubled(layers.ReLU):
    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        return super().call(inputs, training) * 2


class Shifted(layers.Conv2D):
    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        return super().call(inputs, training) + 1.0


class LowestPool(layers.MaxPooling2D):
    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        return -super().call(-inputs, training)


@pytest.mark.parametrize("training", [False, True])
def test_layers_of_the_users_own_keep_their_calls(training: bool) -> None:
    def net() -> sn.Model:
        return by_hand.disturb(
            sn.Sequential(
                [
                    layers.Input((9, 9, 2), dtype="float64"),
                    Shifted(3, 3, dtype="float64"),
                    layers.ReLU(dtype="float64"),
                    layers.Conv2D(3, 2, dtype="float64"),
                    Doubled(dtype="float64"),
                    layers.Conv2D(3, 2, dtype="float64"),
                    LowestPool(2, dtype="float64"),
                    layers.BatchNormalization(dtype="float64"),
                    LowestPool(2, dtype="float64"),
                ]
            )
        )

    check_equal(net(), net(), [noise(4, 9, 9, 2, dtype="float64")], training)


def graph(build: Any) -> tuple[sn.Model, sn.Model]:
    """A model and its twin, in float64."""

    def make() -> sn.Model:
        x = layers.Input((8, 8, 3), dtype="float64")
        return by_hand.disturb(sn.Model(x, build(x)))

    return make(), make()


def of64(layer: type[layers.Layer], *args: Any, **config: Any) -> Any:
    return layer(*args, **config, dtype="float64")


def two_takers(x: Any) -> Any:
    sums = of64(layers.Conv2D, 4, 3, name="conv")(x)
    return of64(layers.Add, name="add")([of64(layers.ReLU, name="relu")(sums), sums])


def taken_twice_by_one(x: Any) -> Any:
    sums = of64(layers.Conv2D, 4, 3, name="conv")(x)
    return of64(layers.Add, name="add")([sums, sums])


def output_in_the_middle(x: Any) -> Any:
    sums = of64(layers.Conv2D, 4, 3, name="conv")(x)
    positive = of64(layers.ReLU, name="relu")(sums)
    return [of64(layers.MaxPooling2D, name="pool")(positive), positive]


def sums_as_output(x: Any) -> Any:
    sums = of64(layers.Conv2D, 4, 3, name="conv")(x)
    return [sums, of64(layers.ReLU, name="relu")(sums)]


def shared_relu(x: Any) -> Any:
    shared = of64(layers.ReLU, name="relu")
    one, other = (of64(layers.Conv2D, 4, 3, name=name)(x) for name in ("conv", "conv_2"))
    return of64(layers.Add, name="add")([shared(one), shared(other)])


def shared_convolution(x: Any) -> Any:
    shared = of64(layers.Conv2D, 3, 3, padding="same", name="conv")
    once = of64(layers.ReLU, name="relu")(shared(x))
    return of64(layers.MaxPooling2D, name="pool")(shared(once))


def residual(x: Any) -> Any:
    once = of64(layers.Conv2D, 3, 3, padding="same", name="conv")(x)
    once = of64(layers.ReLU, name="relu")(of64(layers.BatchNormalization, name="norm")(once))
    joined = of64(layers.ReLU, name="relu_2")(of64(layers.Add, name="add")([once, x]))
    return of64(layers.MaxPooling2D, name="pool")(joined)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    ("build", "steps"),
    [
        (two_takers, ["conv", "relu", "add"]),
        (taken_twice_by_one, ["conv", "add"]),
        (output_in_the_middle, ["conv+relu", "pool"]),
        (sums_as_output, ["conv", "relu"]),
        (residual, ["conv", "norm+relu", "add", "relu_2", "pool"]),
    ],
)
def test_what_something_else_needs_is_not_joined(build: Any, steps: list[str], training: bool) -> None:
    model, twin = graph(build)
    assert steps_of(model) == steps
    check_equal(model, twin, [noise(4, 8, 8, 3, dtype="float64")], training)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("build", [shared_relu, shared_convolution])
def test_shared_layers_join_call_by_call(build: Any, training: bool) -> None:
    model, twin = graph(build)
    assert len(plan_steps(model.nodes, model.outputs)) == len(model.nodes) - 2
    check_equal(model, twin, [noise(4, 8, 8, 3, dtype="float64")], training)


def test_a_frozen_normalisation_keeps_to_its_statistics_together_with_others() -> None:
    model, twin = graph(residual)
    for one in (model, twin):
        one.get_layer("norm").trainable = False
    before = model.get_layer("norm").get_weights()
    check_equal(model, twin, [noise(4, 8, 8, 3, dtype="float64")], training=True)
    for now, then in zip(model.get_layer("norm").get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_what_a_step_no_longer_needs_is_let_go() -> None:
    # a layer sees how many results before it are still alive
    import gc
    import weakref

    alive: list[int] = []
    results: list[Any] = []

    class Watch(layers.Layer):
        def call(self, inputs: Tensor, training: bool = False) -> Tensor:
            gc.collect()
            alive.append(sum(result() is not None for result in results))
            y = inputs * 1.0
            results.append(weakref.ref(y))
            return y

    model = sn.Sequential([layers.Input((3,)), *(Watch() for _ in range(5))])
    model.predict(noise(2, 3))
    assert alive == [0, 1, 1, 1, 1]
