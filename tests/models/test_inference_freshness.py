"""What a model predicts is never that of earlier weights, whatever has changed them and whoever asks meanwhile."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import by_hand
import numpy as np
import pytest
from by_hand import assert_close, noise

import scratchnet as sn
from scratchnet import layers, losses
from scratchnet.kernels import conv as conv_kernels
from scratchnet.parameter import Parameter
from scratchnet.tensor import no_grad, reading


def net() -> sn.Sequential:
    """Every kind of weight in every place of a plan: folded, behind a ReLU, behind a pool, and by itself."""
    model = sn.Sequential(
        [
            layers.Input((16, 16, 3)),
            layers.Conv2D(32, 3, padding="same", name="conv"),
            layers.BatchNormalization(name="folded", momentum=0.5),
            layers.ReLU(),
            layers.BatchNormalization(name="behind_relu", momentum=0.5),
            layers.MaxPooling2D(2),
            layers.BatchNormalization(name="behind_pool", momentum=0.5),
            layers.Conv2D(16, 3, padding="same", activation="tanh", name="winograd"),
            layers.BatchNormalization(name="alone", momentum=0.5),
            layers.DepthwiseConv2D(3, name="depthwise"),
            layers.Flatten(),
            layers.Dense(16, use_bias=False, name="dense"),
            layers.BatchNormalization(name="behind_dense", momentum=0.5),
            layers.Dense(4, activation="softmax", name="head"),
        ]
    )
    model.compile(sn.optimizers.SGD(0.1, momentum=0.9), "sparse_categorical_crossentropy")
    return by_hand.disturb(model)  # type: ignore[return-value]


X, Y = noise(8, 16, 16, 3), np.arange(8) % 4


def check_fresh(model: sn.Model, x: np.ndarray = X) -> np.ndarray:
    given = model.predict(x)
    with no_grad(), reading():
        assert_close(given, by_hand.run(model, x).data)
    return given


def moved(array: np.ndarray) -> np.ndarray:
    return array * 1.125 + 0.03125  # a variance stays positive


def own_loop(model: sn.Model) -> None:
    optimizer = sn.optimizers.Adam(0.05)
    losses.SparseCategoricalCrossentropy()(Y, model(X, training=True)).backward()
    optimizer.apply(model.trainable_weights)


def own_loop_through_inference(model: sn.Model) -> None:
    losses.SparseCategoricalCrossentropy()(Y, model(X)).backward()
    sn.optimizers.SGD(0.5).apply(model.trainable_weights)


def rebind(model: sn.Model) -> None:
    for weight in model.weights:
        weight.data = moved(weight.data)


def in_place(model: sn.Model) -> None:
    for weight in model.weights:
        weight.data += 0.03125


def element(model: sn.Model) -> None:
    model.get_layer("conv").kernel.data[...] = moved(model.get_layer("conv").kernel.data)
    model.get_layer("head").bias.data[2] = 3


def statistics(model: sn.Model) -> None:
    before = model.get_weights()
    model(X * 3 + 1, training=True)  # and no step of an optimiser
    assert any((now != then).any() for now, then in zip(model.get_weights(), before, strict=True))


def one_weight(name: str, weight: str) -> Callable[[sn.Model], None]:
    def change(model: sn.Model) -> None:
        parameter: Parameter = getattr(model.get_layer(name), weight)
        parameter.assign(moved(parameter.data))

    return change


CHANGES: dict[str, Callable[[sn.Model], Any]] = {
    "set_weights": lambda model: model.set_weights([moved(w) for w in model.get_weights()]),
    "set_weights of a layer": lambda model: model.get_layer("winograd").set_weights(
        [moved(w) for w in model.get_layer("winograd").get_weights()]
    ),
    "rebinding": rebind,
    "in place": in_place,
    "elements": element,
    "train_on_batch": lambda model: model.train_on_batch(X, Y),
    "fit": lambda model: model.fit(X, Y, batch_size=4, epochs=2, verbose=0, validation_split=0.25),
    "a loop of one's own": own_loop,
    "a loop of one's own through inference": own_loop_through_inference,
    "statistics alone": statistics,
    **{
        f"assign {layer.name}/{weight.name}": one_weight(layer.name, attribute)
        for layer in net().layers
        for attribute in ("kernel", "depthwise_kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance")
        if (weight := getattr(layer, attribute, None)) is not None
    },
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_shows_at_once(change: str) -> None:
    model = net()
    before = check_fresh(model)
    CHANGES[change](model)
    after = check_fresh(model)
    assert np.abs(after - before).max() > 1e-4
    CHANGES[change](model)
    assert np.abs(check_fresh(model) - after).max() > 1e-6


@pytest.mark.parametrize("ending", ["weights", "model"])
def test_loaded_weights_show_at_once(ending: str, tmp_path: Path) -> None:
    model, other = net(), by_hand.disturb(net(), seed=1)
    other.compile("sgd", "sparse_categorical_crossentropy")
    expected = check_fresh(other)
    path = tmp_path / "saved.safetensors"
    (other.save if ending == "model" else other.save_weights)(path)
    before = check_fresh(model)
    model.load_weights(path)
    np.testing.assert_array_equal(check_fresh(model), expected)
    assert (before != expected).any()


def test_restored_training_shows_at_once() -> None:
    model = net()
    model.train_on_batch(X, Y)
    arrays, meta = model.training_state()
    arrays = {name: array.copy() for name, array in arrays.items()}
    expected = check_fresh(model)
    model.train_on_batch(X, Y)
    assert (check_fresh(model) != expected).any()
    model.load_training_state(arrays, meta)
    np.testing.assert_array_equal(check_fresh(model), expected)


def test_evaluate_and_validation_see_the_weights_of_their_moment() -> None:
    model = net()
    record = model.fit(X, Y, batch_size=4, epochs=3, verbose=0, validation_data=(X, Y), shuffle=False)
    twin = net()
    expected = []
    for _ in range(3):
        for start in (0, 4):
            twin.train_on_batch(X[start : start + 4], Y[start : start + 4])
        with no_grad():
            expected.append(losses.SparseCategoricalCrossentropy()(Y, by_hand.run(twin, X)).item())
    np.testing.assert_allclose(record.history["val_loss"], expected, rtol=2e-4)
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(expected[-1], rel=2e-4)


def test_a_change_in_a_model_within_a_model_shows_at_once() -> None:
    inner = net()
    x = layers.Input((16, 16, 3))
    outer = sn.Model(x, layers.Dense(2, name="last")(inner(x)))
    by_hand.disturb(outer)
    before = check_fresh(outer)
    inner.get_layer("folded").moving_mean.assign(np.ones(32))
    after = check_fresh(outer)
    assert (before != after).any()
    inner.train_on_batch(X, Y)
    assert (check_fresh(outer) != after).any()


def test_models_that_share_layers_are_both_fresh() -> None:
    model = net()
    x = layers.Input((16, 16, 3))
    features = sn.Model(x, model.get_layer("folded")(model.get_layer("conv")(x)))
    before = check_fresh(model), check_fresh(features)
    features.get_layer("conv").kernel.assign(features.get_layer("conv").kernel.data * 0.5)
    for one, earlier in zip((model, features), before, strict=True):
        assert (check_fresh(one) != earlier).any()


def test_frozen_and_thawed_layers_predict_the_same() -> None:
    model = net()
    expected = check_fresh(model)
    for trainable in (False, True):
        for layer in model.layers:
            layer.trainable = trainable
            np.testing.assert_array_equal(check_fresh(model), expected)
    model.get_layer("folded").trainable = False
    model.train_on_batch(X, Y)
    check_fresh(model)


@pytest.fixture
def exact_afterwards_off() -> Iterator[None]:
    yield
    conv_kernels.set_exact(False)


def test_exactness_can_be_switched_at_any_time(exact_afterwards_off: None) -> None:
    model = net()
    x = noise(40, 16, 16, 3)
    by_default = check_fresh(model, x)
    conv_kernels.set_exact(True)
    exact = check_fresh(model, x)
    conv_kernels.set_exact(False)
    again = check_fresh(model, x)
    assert (by_default != exact).any()
    np.testing.assert_array_equal(by_default, again)


def test_a_plan_is_kept_while_nothing_changes() -> None:
    model = net()
    model.evaluate(X, Y, verbose=0)  # builds the optimiser, which looks at the weights
    model.predict(X)
    plan = model._inference
    model.predict(X[:3])
    model.evaluate(X, Y, verbose=0)
    model.test_on_batch(X, Y)
    with no_grad():
        model(X)
    assert model._inference is plan


LOOKS: dict[str, Callable[[sn.Model], Any]] = {
    "get_weights": lambda model: model.get_weights(),
    "summary": lambda model: model.summary(print_fn=lambda text: None),
    "count_params": lambda model: model.count_params(),
    "attributes": lambda model: [(w.shape, w.dtype, w.ndim, w.size, w.name, len(w.shape)) for w in model.weights],
    "repr": lambda model: [repr(weight) for weight in model.weights],
    "data": lambda model: [float(weight.data.sum()) for weight in model.weights],
    "numpy": lambda model: [np.asarray(weight) + np.array(weight) + weight.numpy() for weight in model.weights],
    "the same values again": lambda model: model.set_weights(model.get_weights()),
    "configuration": lambda model: model.get_config(),
}


@pytest.mark.parametrize("look", LOOKS)
def test_who_only_looks_leaves_the_plan_alone(look: str, tmp_path: Path) -> None:
    model = net()
    expected = model.predict(X)
    plan = model._inference
    for _ in range(2):
        LOOKS[look](model)
        np.testing.assert_array_equal(model.predict(X), expected)
        assert model._inference is plan


def test_saving_leaves_the_plan_alone(tmp_path: Path) -> None:
    model = net()
    model.predict(X)
    plan = model._inference
    model.save(tmp_path / "model.safetensors")
    model.save_weights(tmp_path / "weights.safetensors")
    model.training_state()
    model.predict(X)
    assert model._inference is plan


@pytest.mark.parametrize("view", [lambda array: array, lambda array: array[...].T, lambda array: array.reshape(-1)[1:]])
@pytest.mark.parametrize(("name", "weight"), [("conv", "kernel"), ("folded", "beta"), ("dense", "kernel")])
def test_what_is_written_through_an_array_that_was_kept_shows_at_once(name: str, weight: str, view: Any) -> None:
    model = net()
    before = check_fresh(model)
    kept = view(getattr(model.get_layer(name), weight).data)
    np.testing.assert_array_equal(check_fresh(model), before)
    for _ in range(2):  # long after it was taken, and after predictions
        kept *= 2
        after = check_fresh(model)
        assert np.abs(after - before).max() > 1e-6
        before = after
    kept *= 2
    del kept  # the last that is seen of it
    assert np.abs(check_fresh(model) - before).max() > 1e-6


def test_an_array_that_was_kept_stays_the_parameters() -> None:
    model = net()
    kernel = model.get_layer("dense").kernel
    kept = kernel.data
    model.predict(X)
    kernel.assign(np.full(kernel.shape, 2))
    assert (kept == 2).all()
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.train_on_batch(X, Y)
    assert (kept != 2).any()
    assert kernel.data is kept
    check_fresh(model)


def test_an_array_given_to_a_parameter_stays_the_givers() -> None:
    model = net()
    kernel = model.get_layer("dense").kernel
    given = np.full(kernel.shape, 0.5, np.float32)
    kernel.data = given
    expected = check_fresh(model)
    given[...] = 0
    np.testing.assert_array_equal(check_fresh(model), expected)


def test_versions_are_never_used_twice() -> None:
    parameter = Parameter(np.zeros(3), "weight")
    seen = {parameter.version}
    with ThreadPoolExecutor(4) as pool:

        def change(_: int) -> int:
            parameter.data = np.zeros(3)
            return int(parameter.version)

        seen.update(pool.map(change, range(200)))
    for change_once in (
        lambda: parameter.data,
        lambda: parameter.assign(np.ones(3)),
        lambda: setattr(parameter, "data", np.ones(3)),
    ):
        change_once()
        assert parameter.version not in seen
        seen.add(parameter.version)
    with reading():
        assert parameter.data.sum() == 3
        assert parameter.version in seen


@pytest.fixture
def many() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


def test_many_threads_get_bit_for_bit_what_one_gets(many: ThreadPoolExecutor) -> None:
    model = net()
    batches = [noise(n, 16, 16, 3, seed=n) for n in (1, 2, 5, 9, 17, 33)]
    expected = [model.predict(x) for x in batches]
    for _ in range(3):
        model.set_weights(model.get_weights())  # the first of them build the plan, several at once
        start = threading.Barrier(8)

        def ask(number: int, start: threading.Barrier = start) -> list[np.ndarray]:
            start.wait()
            return [model.predict(batches[(number + i) % len(batches)]) for i in range(6)]

        for number, results in enumerate(many.map(ask, range(8))):
            for i, y in enumerate(results):
                np.testing.assert_array_equal(y, expected[(number + i) % len(batches)])


def test_images_of_many_sizes_may_come_at_once(many: ThreadPoolExecutor) -> None:
    x = layers.Input((None, None, 3))
    y = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(16, 3)(x)))
    model = by_hand.disturb(sn.Model(x, layers.GlobalAveragePooling2D()(layers.Conv2D(16, 3)(y))))
    images = [noise(2, 5 + n % 7, 5 + n // 7, 3, seed=n) for n in range(40)]
    results = list(many.map(model.predict, images))
    for image, result in zip(images, results, strict=True):
        np.testing.assert_array_equal(model.predict(image), result)


def test_threads_may_predict_while_another_trains(many: ThreadPoolExecutor) -> None:
    model = net()
    done = threading.Event()

    def ask(_: int) -> int:
        count = 0
        while not done.is_set() or count < 2:
            y = model.predict(X)
            assert y.shape == (8, 4)
            assert np.isfinite(y).all()
            np.testing.assert_allclose(y.sum(axis=-1), 1, rtol=1e-5)
            count += 1
        return count

    waiting = [many.submit(ask, n) for n in range(3)]
    try:
        for _ in range(12):
            model.train_on_batch(X, Y)
    finally:
        done.set()
    assert sum(future.result() for future in waiting) >= 6
    check_fresh(model)


def test_a_training_that_is_watched_goes_where_one_goes_that_is_not(many: ThreadPoolExecutor) -> None:
    model, alone = net(), net()
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            model.predict(X)

    watcher = many.submit(ask)
    try:
        for _ in range(5):
            model.train_on_batch(X, Y)
    finally:
        done.set()
    watcher.result()
    for _ in range(5):
        alone.train_on_batch(X, Y)
    for mine, other in zip(model.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)
