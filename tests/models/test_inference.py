"""`predict` and `model(x)` run a plan of fused kernels; what it gives is what the layers give one by one."""

import copy
import gc
import pickle
import weakref
from collections.abc import Callable
from typing import Any

import by_hand
import drawn
import numpy as np
import pytest
from by_hand import assert_close, loss_gradients, noise
from hypothesis import given, settings
from hypothesis import strategies as st

import scratchnet as sn
from scratchnet import layers, losses
from scratchnet.tensor import Tensor, no_grad, reading


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def check_plan(model: sn.Model, inputs: Any) -> None:
    """Twice, because the second call finds the plan made."""
    with no_grad(), reading():
        expected = by_hand.run(model, inputs)
    for _ in range(2):
        for ours, other in zip(as_list(model.predict(inputs)), as_list(expected), strict=True):
            assert_close(ours, other.data)


HEADS: dict[str, Callable[[str], list[layers.Layer]]] = {
    "none": lambda dtype: [],
    "flat": lambda dtype: [layers.Flatten(dtype=dtype), layers.Dense(5, dtype=dtype)],
    "dense and norm": lambda dtype: [
        layers.Flatten(dtype=dtype),
        layers.Dense(9, activation="relu", dtype=dtype),
        layers.BatchNormalization(dtype=dtype),
        layers.Dropout(0.5, dtype=dtype),
        layers.Dense(4, activation="softmax", dtype=dtype),
    ],
    "norm before relu": lambda dtype: [
        layers.GlobalAveragePooling2D(dtype=dtype),
        layers.Dense(9, use_bias=False, dtype=dtype),
        layers.BatchNormalization(dtype=dtype),
        layers.ReLU(dtype=dtype),
        layers.BatchNormalization(dtype=dtype),
        layers.BatchNormalization(dtype=dtype),
        layers.Dense(1, activation="sigmoid", dtype=dtype),
    ],
    "dense on pixels": lambda dtype: [
        layers.Dense(6, activation="tanh", dtype=dtype),
        layers.BatchNormalization(dtype=dtype),
        layers.Dense(18, dtype=dtype),
        layers.ReLU(dtype=dtype),
    ],
}


@settings(max_examples=150)
@given(
    drawn.seeds, drawn.dtypes, by_hand.stacks(), st.integers(3, 11), st.integers(3, 11), st.sampled_from(sorted(HEADS)),
    st.sampled_from([1, 2, 5]),
)  # fmt: skip
def test_any_net_predicts_what_its_layers_give_one_by_one(
    seed: int, dtype: str, stack: list[Any], height: int, width: int, head: str, batch: int
) -> None:
    model = by_hand.build(stack, (height, width, 3), dtype, HEADS[head](dtype), seed)
    check_plan(model, noise(batch, height, width, 3, seed=seed, dtype=dtype))


def conv(filters: int = 20, **config: Any) -> layers.Conv2D:
    return layers.Conv2D(filters, 3, padding="same", **config)


def norm(**config: Any) -> layers.BatchNormalization:
    return layers.BatchNormalization(**config)


ENDINGS: dict[str, Callable[[], list[layers.Layer]]] = {
    "norm": lambda: [conv(), norm()],
    "norm, relu": lambda: [conv(use_bias=False), norm(), layers.ReLU()],
    "norm, relu, pool": lambda: [conv(), norm(), layers.ReLU(), layers.MaxPooling2D(2)],
    "relu, norm, pool": lambda: [conv(), layers.ReLU(), norm(), layers.MaxPooling2D(2)],
    "relu, pool, norm": lambda: [conv(activation="relu"), layers.MaxPooling2D(2), norm()],
    "norm, pool, relu": lambda: [conv(), norm(), layers.MaxPooling2D(2), layers.ReLU()],
    "pool, norm": lambda: [conv(), layers.MaxPooling2D(2), norm()],
    "pool, norm, relu": lambda: [conv(), layers.MaxPooling2D(2), norm(), layers.ReLU()],
    "pool, relu, norm": lambda: [conv(), layers.MaxPooling2D((3, 2)), layers.ReLU(), norm()],
    "norm, norm, relu, norm, norm, pool, norm, norm": lambda: [
        conv(), norm(), norm(), layers.ReLU(), norm(), norm(), layers.MaxPooling2D(2), norm(), norm(),
    ],
    "relu, norm, relu": lambda: [conv(), layers.ReLU(), norm(), layers.ReLU()],
    "relu, norm, pool, norm, relu, pool": lambda: [
        conv(), layers.ReLU(), norm(), layers.MaxPooling2D(2), norm(), layers.ReLU(), layers.MaxPooling2D(2),
    ],
    "relu, relu, pool, pool": lambda: [
        conv(), layers.ReLU(), layers.ReLU(), layers.MaxPooling2D(2), layers.MaxPooling2D(2),
    ],
    "dropout, linear, norm, dropout, relu": lambda: [
        conv(), layers.Dropout(0.5), layers.Activation("linear"), norm(), layers.Dropout(0.5), layers.ReLU(),
    ],
    "tanh, norm, relu, pool": lambda: [conv(activation="tanh"), norm(), layers.ReLU(), layers.MaxPooling2D(2)],
    "overlapping pool, norm": lambda: [conv(), layers.ReLU(), layers.MaxPooling2D(3, strides=2), norm()],
    "padded pool, norm": lambda: [conv(), layers.ReLU(), layers.MaxPooling2D(2, padding="same"), norm()],
    "groups, norm, relu, pool, norm": lambda: [
        conv(32), conv(34, groups=2), norm(), layers.ReLU(), layers.MaxPooling2D(2), norm(),
    ],
    "strides, norm, relu": lambda: [layers.Conv2D(8, 3, strides=2), norm(), layers.ReLU()],
    "dilation, norm, relu": lambda: [layers.Conv2D(8, 3, dilation_rate=2), norm(), layers.ReLU()],
    "1x1, norm, relu": lambda: [layers.Conv2D(40, 1), norm(), layers.ReLU()],
    "depthwise, norm, relu, 1x1": lambda: [layers.DepthwiseConv2D(3), norm(), layers.ReLU(), layers.Conv2D(8, 1)],
    "separable, norm": lambda: [layers.SeparableConv2D(8, 3), norm()],
    "norm without scale": lambda: [conv(), norm(scale=False), layers.ReLU(), norm(center=False), norm(epsilon=0.5)],
    "norm first": lambda: [norm(), layers.ReLU(), conv(), norm(), norm()],
    "norm first, pool": lambda: [norm(), layers.MaxPooling2D(2), norm(), layers.ReLU(), layers.MaxPooling2D(2)],
    "winograd, norm, relu, pool": lambda: [
        conv(32), layers.ReLU(), conv(48), norm(), layers.ReLU(), layers.MaxPooling2D(2), norm(),
    ],
    "winograd, relu, norm, pool, norm": lambda: [
        conv(32), layers.ReLU(), conv(48), layers.ReLU(), norm(), layers.MaxPooling2D(2), norm(),
    ],
}  # fmt: skip


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_ending_of_a_convolution_is_what_its_layers_give(ending: str, dtype: str) -> None:
    stack = [type(layer).from_config({**layer.get_config(), "dtype": dtype}) for layer in ENDINGS[ending]()]
    model = sn.Sequential([layers.Input((13, 12, 6), dtype=dtype), *stack])
    for seed in range(3):
        check_plan(by_hand.disturb(model, seed), noise(4, 13, 12, 6, seed=seed, dtype=dtype))


def two_branches() -> sn.Model:
    image, numbers = layers.Input((9, 9, 2)), layers.Input((5,))
    one = layers.ReLU()(norm()(conv(8)(image)))
    other = layers.Dense(8, activation="relu")(norm()(numbers))
    both = layers.Concatenate()([layers.GlobalMaxPooling2D()(one), other])
    return sn.Model([image, numbers], [layers.Dense(3, activation="softmax")(norm()(both)), one])


def residual_net() -> sn.Model:
    x = layers.Input((10, 10, 3))
    y = layers.ReLU()(norm()(conv(16)(x)))
    for _ in range(2):
        inner = norm()(conv(16)(layers.ReLU()(norm()(conv(16)(y)))))
        y = layers.ReLU()(layers.Add()([inner, y]))
    return sn.Model(x, layers.Dense(4, activation="softmax")(layers.GlobalAveragePooling2D()(y)))


def nested() -> sn.Model:
    body = sn.Sequential([layers.Input((8, 8, 3)), conv(), layers.ReLU(), layers.MaxPooling2D(2), norm()])
    x = layers.Input((8, 8, 3))
    y = layers.ReLU()(norm()(body(conv(3)(x))))
    return sn.Model(x, [layers.Dense(3, activation="softmax")(layers.Flatten()(y)), body(x)])


def shared() -> sn.Model:
    x = layers.Input((8, 8, 3))
    one, again = conv(3), norm()
    return sn.Model(x, layers.ReLU()(again(one(layers.ReLU()(again(one(x)))))))


def one_tensor_twice() -> sn.Model:
    x = layers.Input((8, 8, 3))
    y = layers.ReLU()(conv(4)(x))
    return sn.Model(x, [y, y, layers.MaxPooling2D(2)(y), x])


def no_layers() -> sn.Model:
    x = layers.Input((4,))
    return sn.Model(x, x)


@pytest.mark.parametrize(
    ("build", "shapes"),
    [
        (two_branches, [(9, 9, 2), (5,)]),
        (residual_net, [(10, 10, 3)]),
        (nested, [(8, 8, 3)]),
        (shared, [(8, 8, 3)]),
        (one_tensor_twice, [(8, 8, 3)]),
        (no_layers, [(4,)]),
    ],
)
@pytest.mark.parametrize("batch", [1, 7, 40])
def test_graphs_predict_what_their_layers_give(build: Any, shapes: list[Any], batch: int) -> None:
    model = by_hand.disturb(build())
    inputs = [noise(batch, *shape, seed=n) for n, shape in enumerate(shapes)]
    check_plan(model, inputs if len(inputs) > 1 else inputs[0])


def test_a_layer_of_another_precision_is_not_joined_and_gets_its_own() -> None:
    x = layers.Input((8, 8, 3))
    y = layers.ReLU(dtype="float64")(norm(dtype="float64")(conv(4)(x)))
    model = by_hand.disturb(sn.Model(x, layers.Dense(3, dtype="float32")(conv(5)(y))))
    check_plan(model, noise(3, 8, 8, 3))


def test_one_plan_serves_images_of_every_size() -> None:
    x = layers.Input((None, None, 3))
    y = layers.MaxPooling2D(2)(layers.ReLU()(norm()(conv(32)(x))))
    y = layers.ReLU()(norm()(conv(16)(y)))
    model = by_hand.disturb(sn.Model(x, layers.Dense(4)(layers.GlobalAveragePooling2D()(y))))
    plans = set()
    for height, width, batch in [(8, 8, 1), (30, 21, 2), (8, 8, 40), (5, 40, 3), (2, 2, 1), (30, 21, 2)]:
        check_plan(model, noise(batch, height, width, 3))
        plans.add(id(model._inference))
    assert len(plans) == 1
    with pytest.raises(ValueError, match="pool_size"):
        model.predict(noise(1, 1, 9, 3))


@pytest.mark.parametrize(
    "build", [nested, residual_net, lambda: sn.Sequential([layers.Input((7, 3)), layers.Dense(4)])]
)
def test_no_samples_give_no_results(build: Any) -> None:
    model = build()
    results = model(np.zeros((0, *model.input_shape[1:]), np.float32))
    for result, expected in zip(as_list(results), as_list(model.output_shape), strict=True):
        assert result.shape == (0, *expected[1:])


class Widened(layers.Layer):
    """Says that the shape stays, and returns more channels."""

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        return Tensor(np.concatenate([inputs.data] * 2, axis=-1)[..., : inputs.shape[-1] + 1])


@pytest.mark.parametrize(
    "behind", [lambda: conv(4), norm, lambda: layers.Conv2D(4, 1, groups=2), lambda: layers.Dense(4)]
)
def test_what_a_users_layer_returns_is_checked_before_a_kernel_gets_it(behind: Any) -> None:
    model = sn.Sequential([layers.Input((6, 6, 4)), Widened(), behind()])
    with pytest.raises(ValueError, match=r"\(2, 6, 6, 5\)|5"):
        model.predict(noise(2, 6, 6, 4))


class Squeezed(layers.Layer):
    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        return inputs.reshape(len(inputs), -1, inputs.shape[-1])


def test_images_that_have_lost_an_axis_are_refused() -> None:
    model = sn.Sequential([layers.Input((6, 6, 4)), Squeezed(), conv(4)])
    with pytest.raises(ValueError, match=r"images of shape .* got \(2, 36, 4\)"):
        model.predict(noise(2, 6, 6, 4))


def test_inputs_of_any_layout_and_type_are_taken() -> None:
    model = by_hand.disturb(residual_net())
    x = noise(2, 10, 10, 3)
    expected = model.predict(x)
    for same in (np.asfortranarray(x), np.repeat(x, 2, axis=2)[:, :, ::2], x.astype(np.float64)):
        np.testing.assert_array_equal(model.predict(same), expected)


def test_inputs_are_left_alone_and_results_are_the_callers_own() -> None:
    for build in (residual_net, no_layers, one_tensor_twice, two_branches):
        model = build()
        inputs = [noise(3, *tensor.shape[1:]) for tensor in model.inputs]
        copies = [x.copy() for x in inputs]
        given = inputs if len(inputs) > 1 else inputs[0]
        first = model.predict(given)
        first = as_list(first)
        kept = [y.copy() for y in first]
        for y in first:
            y[...] = 9
        again = model.predict(copies if len(inputs) > 1 else copies[0])
        for y, value in zip(as_list(again), kept, strict=True):
            np.testing.assert_array_equal(y, value)


def test_nan_comes_through_the_plan() -> None:
    model = by_hand.disturb(residual_net())
    x = noise(3, 10, 10, 3)
    x[1, 4, 4, 0] = np.nan
    y = model.predict(x)
    assert np.isnan(y[1]).all()
    assert np.isfinite(y[[0, 2]]).all()


def check_gradients_of_inference(model: sn.Model, inputs: Any, loss: Callable[[Tensor], Tensor] | None = None) -> None:
    def scalar(value: Any) -> list[Tensor]:
        values = as_list(value)
        return values if loss is None else [loss(values[0])]

    results, expected = scalar(model(inputs)), scalar(by_hand.run(model, inputs))
    for number, (result, other) in enumerate(zip(results, expected, strict=True)):
        assert_close(result.data, other.data)
        nothing = [None] * len(model.trainable_weights)
        ours = loss_gradients(model, result) if result.requires_grad else nothing
        theirs = loss_gradients(model, other) if other.requires_grad else nothing
        for weight, gradient, wanted in zip(model.trainable_weights, ours, theirs, strict=True):
            assert (gradient is None) == (wanted is None)
            if wanted is not None:
                assert_close(gradient, wanted, f"gradient of output {number} by {weight.name}")


def in_float64(model: sn.Model) -> sn.Model:
    """The same graph in float64, where no rounding moves a maximum."""
    import json

    config = json.loads(json.dumps(model.get_config()).replace('"float32"', '"float64"'))
    return by_hand.disturb(type(model).from_config(config))


@pytest.mark.parametrize("build", [two_branches, residual_net, nested, shared, one_tensor_twice, no_layers])
def test_the_result_of_inference_can_be_differentiated_by_the_weights(build: Any) -> None:
    model = in_float64(build())
    inputs = [noise(3, *tensor.shape[1:], seed=n, dtype="float64") for n, tensor in enumerate(model.inputs)]
    check_gradients_of_inference(model, inputs if len(inputs) > 1 else inputs[0])


@pytest.mark.parametrize(
    ("activation", "loss", "target"),
    [
        ("softmax", losses.SparseCategoricalCrossentropy(), np.array([0, 2, 1, 2])),
        ("softmax", losses.CategoricalCrossentropy(label_smoothing=0.1), np.eye(3)[[0, 2, 1, 2]]),
        (None, losses.SparseCategoricalCrossentropy(from_logits=True), np.array([0, 2, 1, 2])),
        ("sigmoid", losses.BinaryCrossentropy(), np.eye(3)[[0, 2, 1, 2]]),
        ("linear", losses.MeanSquaredError(), np.eye(3)[[0, 2, 1, 2]]),
    ],
)
@pytest.mark.parametrize("sharp", [1, 1e4])
def test_losses_of_the_result_of_inference_have_the_gradients_of_the_layers(
    activation: str | None, loss: losses.Loss, target: np.ndarray, sharp: float
) -> None:
    model = in_float64(
        sn.Sequential(
            [layers.Input((6, 6, 2)), conv(5), norm(), layers.ReLU(), layers.Flatten(), layers.Dense(3, activation)]
        )
    )
    # with large weights, probabilities round to 0 and 1: the loss must come from what is before the softmax
    model.layers[-1].kernel.assign(model.layers[-1].kernel.data * sharp)
    check_gradients_of_inference(model, noise(4, 6, 6, 2, dtype="float64"), lambda y: loss(target, y))


def test_a_custom_training_loop_without_training_true_learns() -> None:
    model, twin = (by_hand.disturb(residual_net()) for _ in range(2))
    optimizers = sn.optimizers.SGD(0.1), sn.optimizers.SGD(0.1)
    loss, x, y = losses.SparseCategoricalCrossentropy(), noise(8, 10, 10, 3), np.arange(8) % 4
    values = []
    for _ in range(5):
        for one, optimizer, run in zip((model, twin), optimizers, (model, None), strict=True):
            for weight in one.trainable_weights:
                weight.grad = None
            result = loss(y, run(x) if run else by_hand.run(twin, x))
            result.backward()
            optimizer.apply(one.trainable_weights)
            values.append(result.item())
    np.testing.assert_allclose(values[::2], values[1::2], rtol=1e-3)
    assert values[-2] < values[0]


def test_gradients_by_frozen_weights_are_not_computed() -> None:
    model = by_hand.disturb(residual_net())
    model.trainable = False
    y = model(noise(2, 10, 10, 3))
    assert not y.requires_grad
    model.layers[-1].trainable = True
    y = model(noise(2, 10, 10, 3))
    assert y.requires_grad
    y.backward(np.ones(y.shape))
    assert [weight.grad is not None for weight in model.weights] == [weight.trainable for weight in model.weights]


def test_gradients_that_a_weight_already_has_are_added_to() -> None:
    model = in_float64(residual_net())
    x = noise(2, 10, 10, 3, dtype="float64")
    once = loss_gradients(model, model(x))
    model(x).backward(noise(2, 4, dtype="float64"))
    for weight, gradient in zip(model.trainable_weights, once, strict=True):
        np.testing.assert_allclose(weight.grad, 2 * gradient, rtol=1e-10, atol=1e-12)


def test_gradients_by_the_input_are_those_of_the_layers() -> None:
    model = in_float64(residual_net())
    tensors = [Tensor(noise(2, 10, 10, 3, dtype="float64"), requires_grad=True) for _ in range(2)]
    for tensor, run in zip(tensors, (model, lambda x: by_hand.run(model, x)), strict=True):
        run(tensor).backward(noise(2, 4, dtype="float64"))
    assert_close(tensors[0].grad, tensors[1].grad)


def test_a_model_that_has_predicted_is_freed_with_its_plan() -> None:
    model = by_hand.disturb(nested())
    model.predict(noise(2, 8, 8, 3))
    assert model._inference is not None
    watched = [weakref.ref(value) for value in (model, model._inference, *model.layers, *model.weights)]
    watched += [weakref.ref(weight._value) for weight in model.weights]
    del model
    gc.collect()
    assert [ref() for ref in watched if ref() is not None] == []


def test_a_plan_that_is_stale_is_freed_when_the_next_one_is_made() -> None:
    model = by_hand.disturb(residual_net())
    x = noise(2, 10, 10, 3)
    model.predict(x)
    old = weakref.ref(model._inference)
    model.set_weights([weight + 1 for weight in model.get_weights()])
    model.predict(x)
    gc.collect()
    assert old() is None


def test_results_keep_no_input_and_no_layer_alive() -> None:
    model = by_hand.disturb(residual_net())
    x = Tensor(noise(2, 10, 10, 3))
    watched = weakref.ref(x)
    with no_grad():
        y = model(x)
    del x
    gc.collect()
    assert watched() is None
    assert y.creator is None


COPIES = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "config": lambda model: with_weights_of(type(model).from_config(model.get_config()), model),
}


def with_weights_of(model: sn.Model, source: sn.Model) -> sn.Model:
    model.set_weights(source.get_weights())
    return model


@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize("predict_first", [False, True])
@pytest.mark.parametrize("build", [nested, residual_net, shared])
def test_copies_predict_the_same_and_train_by_themselves(way: str, predict_first: bool, build: Any) -> None:
    model = by_hand.disturb(build())
    x = noise(4, *model.input_shape[1:])
    if predict_first:
        model.predict(x)
    twin = COPIES[way](model)
    expected, given = model.predict(x), twin.predict(x)
    for one, other in zip(as_list(expected), as_list(given), strict=True):
        np.testing.assert_array_equal(one, other)
    before = model.get_weights()
    targets = [np.zeros(y.shape, np.float32) for y in (as_list(given))]
    for weight in twin.trainable_weights:
        weight.grad = None
    outputs = twin(x, training=True)
    for output, target in zip(as_list(outputs), targets, strict=True):
        losses.MeanSquaredError()(target, output).backward()
    sn.optimizers.SGD(0.5).apply(twin.trainable_weights)
    for weight, mine, then, copied in zip(model.weights, model.get_weights(), before, twin.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, then, err_msg=weight.name)
        if weight.trainable and weight.name == "kernel":
            assert (copied != then).any()
    again = model.predict(x)
    for one, other in zip(as_list(expected), as_list(again), strict=True):
        np.testing.assert_array_equal(one, other)
    assert all(weight.grad is None for weight in model.weights)
