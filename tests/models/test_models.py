"""Models of every shape can be put together, described, and asked for their output."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import scratchnet as sn
from scratchnet import layers


def fer_small() -> sn.Sequential:
    stack: list[Any] = [layers.Input((48, 48, 1))]
    for filters in (32, 64, 128):
        stack += [
            layers.Conv2D(filters, 3, padding="same"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(2),
        ]
    stack += [layers.Flatten(), layers.Dense(128, activation="relu"), layers.Dropout(0.5)]
    return sn.Sequential([*stack, layers.Dense(7, activation="softmax")], name="fer_small")


def residual() -> sn.Model:
    x = layers.Input((6, 6, 2), name="image")
    y = layers.Conv2D(2, 3, padding="same", use_bias=False, name="conv")(x)
    y = layers.Add(name="add")([layers.BatchNormalization(name="norm")(y), x])
    return sn.Model(x, layers.GlobalAveragePooling2D(name="mean")(y), name="residual")


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def test_the_network_for_faces_has_684_423_parameters() -> None:
    model = fer_small()
    assert model.count_params() == 684_423
    assert sum(weight.size for weight in model.trainable_weights) == 683_975
    assert model.output_shape == (None, 7)


def test_the_summary_names_every_layer_with_its_shape_and_weights() -> None:
    lines: list[str] = []
    fer_small().summary(print_fn=lambda text: lines.extend(text.splitlines()))
    assert lines[0] == "Model: fer_small"
    conv = next(line for line in lines if "(Conv2D)" in line)
    assert conv.split() == [conv.split()[0], "(Conv2D)", "(batch,", "48,", "48,", "32)", "320"]
    assert sum("(Conv2D)" in line for line in lines) == 3
    assert any("(Dense)" in line and line.endswith("589,952") for line in lines)
    assert lines[-1] == "Weights: 684,423 (683,975 trainable, 448 not)"


def test_the_summary_of_a_graph_says_where_each_layers_input_comes_from(capsys: pytest.CaptureFixture[str]) -> None:
    residual().summary()
    printed = capsys.readouterr().out
    add = next(line for line in printed.splitlines() if line.startswith("add "))
    assert add.endswith("norm, image")
    assert "Weights: 44 (40 trainable, 4 not)" in printed


def test_the_summary_counts_a_shared_layer_once() -> None:
    x = layers.Input((4,))
    shared = layers.Dense(4, name="shared")
    model = sn.Model(x, shared(shared(x)))
    lines: list[str] = []
    model.summary(print_fn=lambda text: lines.extend(text.splitlines()))
    counts = [line.split()[-1] for line in lines if line.startswith("shared ")]
    assert counts == ["20", "0"]
    assert lines[-1] == "Weights: 20 (20 trainable, 0 not)"


def test_a_sequential_without_input_is_built_by_the_first_data() -> None:
    model = sn.Sequential([layers.Flatten(), layers.Dense(3)])
    assert not model.built
    with pytest.raises(ValueError, match="has no weights yet"):
        model.count_params()
    with pytest.raises(ValueError, match="build it with an input shape"):
        model.summary()
    model.compile("sgd", "mse")
    model.fit(noise(4, 2, 3), noise(4, 3), verbose=0)
    assert model.count_params() == 21
    assert model.predict(noise(5, 2, 3)).shape == (5, 3)


def test_a_sequential_is_built_by_predict_too() -> None:
    model = sn.Sequential([layers.Dense(3)])
    assert model.predict(noise(5, 2)).shape == (5, 3)


def test_build_creates_the_weights_of_a_sequential() -> None:
    model = sn.Sequential([layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(2)])
    model.build((None, 5, 5, 1))
    assert [weight.shape for weight in model.weights] == [(3, 3, 1, 4), (4,), (36, 2), (2,)]
    assert model.input_shape == (None, 5, 5, 1)


def test_add_puts_a_layer_on_top() -> None:
    model = sn.Sequential()
    with pytest.raises(ValueError, match="has no layers"):
        model.build((None, 3))
    model.add(layers.Input((3,)))
    model.add(layers.Dense(2))
    assert model.output_shape == (None, 2)
    model.add(layers.Dense(5))
    assert model.output_shape == (None, 5)
    with pytest.raises(ValueError, match="only the first"):
        model.add(layers.Input((3,)))
    with pytest.raises(TypeError, match="holds layers"):
        model.add("dense")  # type: ignore[arg-type]


def test_a_residual_adds_its_input() -> None:
    model = residual()
    model.get_layer("conv").set_weights([np.zeros((3, 3, 2, 2))])
    x = noise(3, 6, 6, 2)
    np.testing.assert_allclose(model.predict(x), x.mean(axis=(1, 2)), atol=1e-6)


def test_a_shared_layer_has_one_set_of_weights_and_gathers_both_gradients() -> None:
    first, second = layers.Input((3,)), layers.Input((3,))
    shared = layers.Dense(1, use_bias=False)
    model = sn.Model([first, second], layers.Add()([shared(first), shared(second)]))
    assert model.count_params() == 3
    a, b = noise(4, 3), noise(4, 3, seed=1)
    model([a, b], training=True).sum().backward()
    np.testing.assert_allclose(shared.kernel.grad, (a + b).sum(axis=0)[:, None], rtol=1e-5)


def test_a_layer_used_by_two_models_is_trained_in_both() -> None:
    x = layers.Input((3,))
    hidden = layers.Dense(4)(x)
    trained, looked_at = sn.Model(x, layers.Dense(1)(hidden)), sn.Model(x, hidden)
    before = looked_at.predict(noise(2, 3))
    trained.compile("sgd", "mse")
    trained.fit(noise(8, 3), noise(8, 1), verbose=0)
    assert np.abs(looked_at.predict(noise(2, 3)) - before).max() > 1e-4


def test_models_within_models_show_all_weights_once() -> None:
    inner = sn.Sequential([layers.Input((4,)), layers.Dense(4, name="inside")], name="inner")
    x = layers.Input((4,))
    model = sn.Model(x, layers.Dense(2, name="outside")(inner(inner(x))))
    assert list(model.named_weights()) == [
        "inner/inside/kernel", "inner/inside/bias", "outside/kernel", "outside/bias",
    ]  # fmt: skip
    assert model.count_params() == 30
    values = noise(3, 4)
    inner_once = inner.predict(inner.predict(values))
    kernel, bias = model.get_layer("outside").get_weights()
    np.testing.assert_allclose(model.predict(values), inner_once @ kernel + bias, rtol=1e-5)


def test_several_inputs_and_outputs_are_lists_in_their_order() -> None:
    a, b = layers.Input((2,), name="a"), layers.Input((3,), name="b")
    total = layers.Concatenate()([a, b])
    model = sn.Model([a, b], [layers.Dense(1)(total), total])
    assert model.input_shape == [(None, 2), (None, 3)]
    assert model.output_shape == [(None, 1), (None, 5)]
    x, y = noise(70, 2), noise(70, 3)
    first, second = model.predict([x, y], batch_size=32)
    assert first.shape == (70, 1)
    np.testing.assert_array_equal(second, np.concatenate([x, y], axis=1))
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="2 outputs"):
        model.fit([x, y], noise(70, 1), verbose=0)
    with pytest.raises(ValueError, match="takes a list of inputs"):
        model.predict(x)
    with pytest.raises(ValueError, match="has 2 inputs, got 3"):
        model.predict([x, y, y])


def test_a_model_of_several_inputs_is_trained_on_a_list() -> None:
    a, b = layers.Input((2,)), layers.Input((3,))
    model = sn.Model([a, b], layers.Dense(1)(layers.Concatenate()([a, b])))
    model.compile(sn.optimizers.SGD(0.05), "mse")
    x, y = noise(60, 2), noise(60, 3)
    target = x.sum(axis=1, keepdims=True) - y[:, :1]
    record = model.fit([x, y], target, epochs=30, verbose=0, validation_split=0.2)
    assert record.history["val_loss"][-1] < 0.05 * record.history["val_loss"][0]


def test_predict_does_not_depend_on_the_batch_size() -> None:
    model = residual()
    x = noise(13, 6, 6, 2)
    alone = model.predict(x, batch_size=64)
    for batch_size in (1, 5, 13):
        np.testing.assert_array_equal(model.predict(x, batch_size=batch_size), alone)


def test_images_of_any_size_pass_a_model_that_allows_them() -> None:
    x = layers.Input((None, None, 1))
    model = sn.Model(x, layers.GlobalAveragePooling2D()(layers.Conv2D(3, 3, padding="same")(x)))
    assert model.predict(noise(2, 7, 9, 1)).shape == (2, 3)
    assert model.predict(noise(2, 12, 5, 1)).shape == (2, 3)


def test_float64_models_compute_in_float64() -> None:
    x = layers.Input((4,), dtype="float64")
    model = sn.Model(x, layers.Dense(3, dtype="float64", activation="softmax")(x))
    assert all(weight.dtype == np.float64 for weight in model.weights)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(np.eye(4), np.array([0, 1, 2, 0]), verbose=0)
    assert model.predict(np.eye(4)).dtype == np.float64


def test_weights_go_from_one_model_to_another() -> None:
    sn.set_random_seed(1)
    first, second = residual(), residual()
    second.set_weights(first.get_weights())
    x = noise(3, 6, 6, 2)
    np.testing.assert_array_equal(first.predict(x), second.predict(x))
    taken = first.get_weights()
    taken[0][...] = 0
    assert np.abs(first.get_weights()[0]).max() > 0, "get_weights must return copies"


def test_layers_may_exchange_their_weights() -> None:
    first, second = layers.Dense(3), layers.Dense(3)
    model = sn.Sequential([layers.Input((3,)), first, second])
    before = model.get_weights()
    model.set_weights([weight.data for weight in (*second.weights, *first.weights)])
    for weight, value in zip(model.get_weights(), [*before[2:], *before[:2]], strict=True):
        np.testing.assert_array_equal(weight, value)


def test_wrong_weights_change_nothing() -> None:
    model = residual()
    before = model.get_weights()
    wrong = [*before[:-1], np.zeros(9)]
    with pytest.raises(ValueError, match=r"moving_variance has shape \(2,\), got \(9,\)"):
        model.set_weights([weight + 1 for weight in wrong])
    with pytest.raises(ValueError, match="has 5 weights, got 4"):
        model.set_weights(before[1:])
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def twice_named() -> Any:
    x = layers.Input((3,))
    return sn.Model(x, layers.Dense(2, name="same")(layers.Dense(3, name="same")(x)))


@pytest.mark.parametrize("build", [False, True])
def test_a_sequential_takes_no_name_twice_and_nothing_that_does_not_fit(build: bool) -> None:
    first = layers.Dense(3, name="same")
    message = "must be unique in a model, stack has 'same' already"
    with pytest.raises(ValueError, match=message):
        sn.Sequential([layers.Dense(2, name="same"), first], name="stack")
    model = sn.Sequential([layers.Input((4,)), first] if build else [first], name="stack")
    for again in (first, layers.Flatten(name="same")):
        with pytest.raises(ValueError, match=message):
            model.add(again)
    if build:
        with pytest.raises(ValueError, match="needs images"):
            model.add(layers.MaxPooling2D())
    model.add(layers.Dense(2, name="other"))
    assert [layer.name for layer in model.layers] == ["same", "other"]
    assert model.predict(np.ones((5, 4))).shape == (5, 2)


def unconnected() -> Any:
    return sn.Model(layers.Input((3,)), layers.Dense(2)(layers.Input((3,))))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (twice_named, "must be unique in a model, these are not: same"),
        (unconnected, "not among the model's inputs"),
        (lambda: sn.Model([], []), "inputs must be symbolic tensors"),
        (lambda: sn.Model(layers.Input((3,)), np.zeros(3)), "outputs must be symbolic tensors"),  # type: ignore[arg-type]
        (lambda: residual().get_layer("nowhere"), "has no layer 'nowhere'; it has conv, norm, add, mean"),
        (
            lambda: residual().predict(noise(2, 6, 5, 2)),
            r"takes inputs of shape \(batch, 6, 6, 2\), got \(2, 6, 5, 2\)",
        ),
        (lambda: residual().predict(noise(2, 6, 6)), r"takes inputs of shape \(batch, 6, 6, 2\)"),
        (lambda: layers.Input((0, 3)), "positive ints or None"),
    ],
)
def test_mistakes_in_a_graph_are_named(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_arithmetic_on_placeholders_points_to_the_layers() -> None:
    x = layers.Input((3,))
    with pytest.raises(TypeError, match=r"layers\.Add"):
        x + x


THREADS = """
import sys, threading
from concurrent.futures import ThreadPoolExecutor
import numpy as np
import scratchnet as sn
from scratchnet import layers
model = sn.Sequential([layers.Input((12, 12, 1)), layers.Conv2D(8, 3, activation="relu"), layers.BatchNormalization(),
    layers.MaxPooling2D(2), layers.DepthwiseConv2D(3), layers.Flatten(), layers.Dense(7, activation="softmax")])
data = [np.random.default_rng(i).standard_normal((40, 12, 12, 1)).astype(np.float32) for i in range(4)]
alone = [model.predict(x) for x in data]
barrier = threading.Barrier(4)
def together(x):
    barrier.wait()
    return [model.predict(x) for _ in range(10)]
with ThreadPoolExecutor(4) as pool:
    results = list(pool.map(together, data))
same = all(np.array_equal(y, expected) for many, expected in zip(results, alone) for y in many)
print("same" if same else "different")
"""


def test_threads_that_predict_at_once_get_what_each_gets_alone() -> None:
    # in a process of its own: Numba can abort the process when its threads are used wrongly
    done = subprocess.run([sys.executable, "-c", THREADS], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "same\n"


def test_a_thread_that_predicts_does_not_stop_another_from_training() -> None:
    predicting = residual()
    x, y = noise(32, 4), noise(32, 2)

    def train() -> list[np.ndarray]:
        sn.set_random_seed(0)
        model = sn.Sequential([layers.Input((4,)), layers.Dense(2)])
        model.compile("sgd", "mse")
        model.fit(x, y, epochs=20, shuffle=False, verbose=0)
        return model.get_weights()

    expected = train()
    with ThreadPoolExecutor(2) as pool:
        job = pool.submit(lambda: [predicting.predict(noise(4, 6, 6, 2)) for _ in range(50)])
        found = train()
        job.result()
    for mine, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(mine, other)
