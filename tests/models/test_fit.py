"""Fit, evaluate and predict take arrays and batches, and refuse what would train something else than was meant."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from pairs import images
from sklearn.datasets import load_digits

import scratchnet as sn
from scratchnet import layers
from scratchnet.callbacks import Callback, LambdaCallback, TerminateOnNaN

LOSS = "sparse_categorical_crossentropy"


def net(dropout: float = 0.0, seed: int = 0) -> sn.Sequential:
    sn.set_random_seed(seed)
    model = sn.Sequential(
        [
            layers.Input((8, 8, 2)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.Flatten(),
            layers.Dropout(dropout),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(sn.optimizers.Adam(0.01), LOSS, metrics=["accuracy"])
    return model


def same(ours: sn.Model, others: sn.Model) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(ours.get_weights(), others.get_weights(), strict=True))


def test_a_small_network_reads_handwritten_digits() -> None:
    digits = load_digits()
    x = (digits.images[..., None] / 16).astype(np.float32)
    order = np.random.default_rng(0).permutation(len(x))
    train, test = order[:1400], order[1400:]
    sn.set_random_seed(0)
    model = sn.Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Conv2D(32, 3, padding="same"),
            layers.BatchNormalization(momentum=0.9),
            layers.ReLU(),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(sn.optimizers.Adam(0.002), LOSS, metrics=["accuracy"])
    model.fit(x[train], digits.target[train], batch_size=32, epochs=15, verbose=0)
    _, accuracy = model.evaluate(x[test], digits.target[test], verbose=0)
    assert accuracy > 0.98


class Batched:
    """Arrays in batches, in another order in each epoch."""

    def __init__(self, x: Any, y: Any, *weights: Any) -> None:
        self.parts = (x, y, *weights)
        self.epochs: list[int] = []

    def set_epoch(self, number: int) -> None:
        self.epochs.append(number)

    def __len__(self) -> int:
        return 4

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        order = np.random.default_rng(self.epochs[-1] if self.epochs else 0).permutation(len(self.parts[0]))
        for start in range(0, len(order), 10):
            yield tuple(part[order[start : start + 10]] for part in self.parts)


def test_an_iterable_is_told_each_epoch_before_it_is_read() -> None:
    x, y = images(40)
    batches, held = Batched(x, y), Batched(x, y)
    model = net()
    record = model.fit(batches, epochs=5, initial_epoch=2, verbose=0, validation_data=held)
    assert record.epoch == [2, 3, 4]
    assert batches.epochs[-3:] == [2, 3, 4]
    assert set(held.epochs) == {0}
    assert model.history.params["steps"] == 4


def test_an_iterable_trains_as_the_same_arrays_do() -> None:
    x, y = images(40)
    weights = np.linspace(0, 2, 40)
    plain = [(x[i : i + 10], y[i : i + 10], weights[i : i + 10]) for i in range(0, 40, 10)]

    class InOrder:
        def __iter__(self) -> Iterator[Any]:
            return iter(plain)

    first, second = net(), net()
    record = first.fit(InOrder(), epochs=2, verbose=0)
    expected = second.fit(x, y, batch_size=10, epochs=2, sample_weight=weights, shuffle=False, verbose=0)
    assert record.history == expected.history
    assert same(first, second)
    assert first.evaluate(InOrder(), verbose=0) == second.evaluate(x, y, 10, sample_weight=weights, verbose=0)
    np.testing.assert_array_equal(first.predict(InOrder()), second.predict(x, batch_size=10))


def test_shuffling_repeats_with_the_seed_and_differs_between_epochs_and_seeds() -> None:
    x, y = images(40)
    seen: list[Any] = []

    def train(seed: int, shuffle: bool = True) -> sn.Model:
        model = net()
        sn.set_random_seed(seed)
        model.fit(x, y, epochs=2, verbose=0, shuffle=shuffle)
        return model

    assert same(train(1), train(1))
    assert not same(train(1), train(2))
    assert not same(train(1), train(1, shuffle=False))

    class Order(layers.Layer):
        def call(self, inputs: Any, training: bool = False) -> Any:
            if training:
                seen.append(inputs.data[:, 0].tolist())
            return inputs

    model = sn.Sequential([Order(), layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(np.arange(12.0)[:, None], np.zeros((12, 1)), epochs=2, batch_size=12, verbose=0)
    assert sorted(seen[0]) == sorted(seen[1]) == list(range(12))
    assert seen[0] != seen[1]


def test_train_on_batch_returns_what_was_measured_before_the_step() -> None:
    x, y = images(10)
    model = net()
    expected = model.test_on_batch(x, y)
    assert model.train_on_batch(x, y) == pytest.approx(expected, rel=1e-6)
    named = model.train_on_batch(x, y, class_weight={0: 2.0}, return_dict=True)
    assert list(named) == ["loss", "accuracy"]
    assert model.optimizer.iterations == 2


def test_a_loss_function_of_the_users_own_trains() -> None:
    x, y = images(20)
    model = net()
    model.compile(sn.optimizers.SGD(0.1), lambda truth, output: ((output - sn.Tensor(np.eye(3)[truth])) ** 2).sum(-1))
    record = model.fit(x, y, epochs=8, verbose=0)
    assert record.history["loss"][-1] < 0.8 * record.history["loss"][0]


def test_verbose_prints_a_line_per_epoch_and_zero_prints_none(capsys: pytest.CaptureFixture[str]) -> None:
    x, y = images(10)
    model = net()
    model.fit(x, y, epochs=2, verbose=0)
    model.evaluate(x, y, verbose=0)
    assert capsys.readouterr().out == ""
    model.fit(x, y, epochs=2, verbose=2)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" - ")[0] for line in lines] == ["Epoch 1/2", "Epoch 2/2"]
    assert all("loss: " in line and "accuracy: " in line for line in lines)
    model.evaluate(x, y)
    assert capsys.readouterr().out.startswith("loss: ")


def test_layers_can_be_frozen_and_thawed_after_compile() -> None:
    x, y = images(20)
    model = net()
    conv, dense = model.layers[0], model.layers[-1]
    model.fit(x, y, verbose=0)
    conv.trainable = False
    frozen, free = conv.get_weights(), dense.get_weights()
    model.fit(x, y, epochs=2, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(conv.get_weights(), frozen, strict=True))
    assert not np.array_equal(dense.get_weights()[0], free[0])
    conv.trainable = True
    model.fit(x, y, verbose=0)
    assert not np.array_equal(conv.get_weights()[0], frozen[0])


def test_a_wholly_frozen_model_is_evaluated_but_not_changed_by_fit() -> None:
    x, y = images(20)
    model = net()
    model.trainable = False
    before = model.get_weights()
    record = model.fit(x, y, epochs=2, verbose=0)
    assert record.history["loss"][0] == pytest.approx(record.history["loss"][1])
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), before, strict=True))


def test_callbacks_can_stop_training_within_an_epoch() -> None:
    x, y = images(40)
    model = net()
    steps: list[int] = []

    class Stop(Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            steps.append(batch)
            self.model.stop_training = batch == 1

    record = model.fit(x, y, batch_size=10, epochs=3, verbose=0, callbacks=[Stop()])
    assert steps == [0, 1]
    assert record.epoch == [0]


def test_the_parameters_of_a_training_reach_its_callbacks() -> None:
    x, y = images(25)
    watcher = LambdaCallback()
    net().fit(x, y, batch_size=10, epochs=2, verbose=0, callbacks=[watcher])
    assert watcher.params == {"verbose": 0, "epochs": 2, "steps": 3}


def test_not_a_number_in_the_data_shows_in_the_loss_and_stops_training(capsys: pytest.CaptureFixture[str]) -> None:
    x, y = images(40)
    x[25] = np.nan
    model = net()
    record = model.fit(x, y, batch_size=10, epochs=3, shuffle=False, verbose=0, callbacks=[TerminateOnNaN()])
    assert np.isnan(record.history["loss"][-1])
    assert record.epoch == [0]
    assert "Batch 2: the loss is nan" in capsys.readouterr().out


def uncompiled() -> sn.Model:
    return sn.Sequential([layers.Input((8, 8, 2)), layers.Flatten(), layers.Dense(3)])


X, Y = images(12)


@pytest.mark.parametrize(
    "use",
    [
        lambda model: model.fit(X, Y),
        lambda model: model.evaluate(X, Y),
        lambda model: model.train_on_batch(X, Y),
        lambda model: model.test_on_batch(X, Y),
        lambda model: model.optimizer,
    ],
    ids=["fit", "evaluate", "train_on_batch", "test_on_batch", "optimizer"],
)
def test_a_model_that_is_not_compiled_says_so(use: Any) -> None:
    with pytest.raises(RuntimeError, match=r"call compile\(optimizer, loss\) first"):
        use(uncompiled())


def test_a_model_compiled_without_a_loss_says_so() -> None:
    model = uncompiled()
    model.compile("adam")
    with pytest.raises(RuntimeError, match="has no loss"):
        model.fit(X, Y, verbose=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": X, "y": Y[:-1]}, "x has 12, y has 11"),
        ({"x": X, "y": Y, "sample_weight": np.ones(5)}, "sample_weight has 5"),
        ({"x": X[:0], "y": Y[:0]}, "holds no samples"),
        ({"x": X}, "there are no targets"),
        ({"x": X, "y": Y, "batch_size": -3}, "batch_size must be a positive int, got -3"),
        ({"x": X, "y": Y, "batch_size": 0}, "batch_size must be a positive int, got 0"),
        ({"x": X, "y": Y, "batch_size": 2.5}, "batch_size must be a positive int, got 2.5"),
        ({"x": X, "y": Y, "batch_size": True}, "batch_size must be a positive int, got True"),
        ({"x": X, "y": Y, "epochs": -1}, "epochs must be a positive int, got -1"),
        ({"x": X, "y": Y, "epochs": 0}, "epochs must be a positive int, got 0"),
        ({"x": X, "y": Y, "epochs": 2.0}, r"epochs must be a positive int, got 2\.0"),
        ({"x": X, "y": Y, "initial_epoch": -1}, "initial_epoch must be an int that is not negative, got -1"),
        ({"x": X, "y": Y, "initial_epoch": 0.5}, r"initial_epoch must be an int that is not negative, got 0\.5"),
        ({"x": X, "y": Y, "verbose": 3}, 'verbose must be 0, 1, 2 or "auto", got 3'),
        ({"x": X, "y": Y, "shuffle": "batch"}, "shuffle must be True or False, got 'batch'"),
        ({"x": X, "y": Y, "sample_weight": 3.0}, "sample_weight must be an array with one row per sample, got 3.0"),
        ({"x": X, "y": [[1], [1, 2]] * 6}, "y must be an array with rows of one shape"),
        ({"x": [], "y": Y}, "holds no samples"),
        ({"x": {"image": X}, "y": Y}, "x must be an array, a list of arrays or an iterable of batches, got dict"),
        ({"x": "images", "y": Y}, "x must be an array, a list of arrays or an iterable of batches, got str"),
        ({"x": [(X, Y)], "y": Y}, "y cannot be given beside an iterable"),
        ({"x": [(X, Y[:5])]}, "a batch has 12 samples in x, but 5 in y"),
        ({"x": 3.0, "y": Y}, "got float"),
        ({"x": ((X, Y) for _ in range(2))}, "an iterator, which can be read only once"),
        ({"x": iter([(X, Y)])}, "an iterator, which can be read only once"),
        ({"x": Batched(X, Y), "y": Y}, "y cannot be given beside an iterable"),
        ({"x": Batched(X, Y), "batch_size": 4}, "batch_size cannot be given beside an iterable"),
        ({"x": Batched(X[:0], Y[:0])}, "x yielded no batch"),
        ({"x": Batched(X, Y, Y, Y)}, "got a tuple of 4"),
        ({"x": X, "y": Y, "validation_split": 1.0}, "validation_split must lie between 0 and 1, got 1.0"),
        ({"x": X, "y": Y, "validation_split": -0.1}, "validation_split must lie between 0 and 1"),
        ({"x": X, "y": Y, "validation_split": "0.1"}, "validation_split must be a number, got '0.1'"),
        ({"x": X, "y": Y, "validation_data": X}, r"validation_data must be \(x, y\) .* got one ndarray"),
        ({"x": X, "y": Y, "validation_split": 0.95}, "leaves one part empty"),
        ({"x": Batched(X, Y), "validation_split": 0.5}, "validation_split needs arrays"),
        ({"x": X, "y": Y, "validation_split": 0.5, "validation_data": (X, Y)}, "cannot be given together"),
        ({"x": X, "y": Y, "validation_data": (X,)}, r"validation_data must be \(x, y\)"),
        ({"x": X, "y": Y, "class_weight": {0: 1.0}, "sample_weight": np.ones(12)}, "cannot be given together"),
        ({"x": X, "y": Y, "class_weight": {3: 2.0}}, "class_weight must name classes from 0 to 2 by number, got 3"),
        ({"x": X, "y": Y, "class_weight": {-1: 2.0}}, "class_weight must name classes from 0 to 2 by number, got -1"),
        ({"x": X, "y": Y, "class_weight": {"0": 2.0}}, "class_weight must name classes from 0 to 2 by number, got '0'"),
        ({"x": X, "y": Y, "class_weight": {0: "a"}}, r"class_weight\[0\] must be a number, got 'a'"),
        ({"x": X, "y": Y, "class_weight": {0: np.inf}}, r"class_weight\[0\] must be finite, got inf"),
        ({"x": X, "y": Y, "class_weight": "balanced"}, r"got 'balanced'; balanced ones are dict\("),
        ({"x": X, "y": Y, "class_weight": [1, 2, 3]}, "class_weight must map class numbers to weights"),
        ({"x": X[:, :5], "y": Y}, r"takes inputs of shape \(batch, 8, 8, 2\), got \(12, 5, 8, 2\)"),
        ({"x": X, "y": Y + 1}, r"class numbers must be whole and lie in 0\.\.2, got 3"),
        ({"x": X, "y": Y - 1}, r"class numbers must be whole and lie in 0\.\.2, got -1"),
        ({"x": X, "y": Y + 0.5}, "class numbers must be whole"),
        ({"x": X, "y": np.where(Y == 1, np.nan, Y)}, "class numbers must be whole"),
        ({"x": X, "y": np.eye(3)[Y]}, "for one-hot targets use categorical_crossentropy"),
    ],
)
def test_data_that_do_not_fit_are_refused_before_anything_is_learned(arguments: dict[str, Any], message: str) -> None:
    model = net()
    before = model.get_weights()
    with pytest.raises(ValueError, match=message):
        model.fit(**{"verbose": 0, **arguments})
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), before, strict=True))


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda model: model.predict(np.array([["a"], ["b"]])), "array of numbers"),
        (
            lambda model: model.fit(X, ["cat"] * 12),
            r"y must be an array of numbers.*np\.unique\(y, return_inverse=True\)",
        ),
        (lambda model: model.fit(X, np.array(["cat"] * 12, object)), r"np\.unique\(y, return_inverse=True\)"),
        (lambda model: model.fit(Batched(X, np.array(["cat"] * 12))), r"np\.unique\(y, return_inverse=True\)"),
        (lambda model: model.evaluate(X, ["cat"] * 12), r"np\.unique\(y, return_inverse=True\)"),
        (lambda model: model.fit(X, Y, sample_weight=["a"] * 12), "sample_weight must be an array of numbers"),
        (lambda model: model.fit(X, Y, callbacks=3), "callbacks must be instances of Callback, got 3"),
    ],
)
def test_text_is_refused_as_data(use: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        use(net())


@pytest.mark.parametrize(("outputs", "wrong"), [(1, 2), (3, 3)])
def test_class_weights_are_of_the_classes_that_the_model_has(outputs: int, wrong: int) -> None:
    model = sn.Sequential([layers.Flatten(), layers.Dense(outputs)])  # built by the first batch
    model.compile("sgd", "mse")
    for train in (model.fit, model.train_on_batch):
        with pytest.raises(ValueError, match=f"from 0 to {wrong - 1} by number, got {wrong}"):
            train(X, np.zeros((12, outputs)), class_weight={0: 1.0, wrong: 1.0})
        train(X, np.zeros((12, outputs)), class_weight={0: 1.0, np.int64(wrong - 1): 2})


def test_a_list_of_batches_is_an_iterable_of_them() -> None:
    histories, weights = [], []
    for source in (Batched(X, Y), list(Batched(X, Y))):
        model = net()
        histories.append(model.fit(source, validation_data=source, verbose=0).history)
        weights.append(model.get_weights())
    assert histories[0] == histories[1]
    for mine, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(mine, other)
    assert isinstance(source, list)
    assert model.evaluate(source, verbose=0) == pytest.approx(model.evaluate(X, Y, verbose=0), rel=1e-5)
    np.testing.assert_allclose(model.predict(source), model.predict(np.concatenate([x for x, _ in source])), rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"optimizer": "adamant", "loss": LOSS}, "optimizer must be one of"),
        ({"optimizer": "adam", "loss": "hinge"}, "loss must be one of"),
        ({"optimizer": "adam", "loss": LOSS, "metrics": ["precise"]}, "metric must be one of"),
        ({"optimizer": "adam", "loss": LOSS, "metrics": "accuracy"}, "metrics must be a list"),
        ({"optimizer": "adam", "loss": LOSS, "weighted_metrics": "accuracy"}, "weighted_metrics must be a list"),
    ],
)
def test_compile_names_what_it_does_not_know(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        uncompiled().compile(**arguments)
