"""Who asks a model while another thread changes its weights gets an answer of the old ones or of the new ones."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import by_hand
import numpy as np
import pytest
from by_hand import noise
from test_inference_freshness import X, Y, check_fresh, moved, net

import scratchnet as sn
from scratchnet import explain, layers, losses
from scratchnet.parameter import Parameter


def waited_for(ask: Callable[[], Any]) -> Any:
    """What another thread gets meanwhile."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(ask).result(timeout=30)


def test_a_prediction_in_the_middle_of_an_update_is_that_of_the_weights_before(monkeypatch: pytest.MonkeyPatch) -> None:
    model = net()
    model.train_on_batch(X, Y)
    optimizer, asked = model.optimizer, []
    update = type(optimizer)._update

    def update_before_and_after_a_question(self: Any, *arguments: Any) -> None:
        asked.append(waited_for(lambda: model.predict(X)))
        update(self, *arguments)
        asked.append(waited_for(lambda: model.predict(X)))

    monkeypatch.setattr(type(optimizer), "_update", update_before_and_after_a_question)
    losses.SparseCategoricalCrossentropy()(Y, model(X)).backward()
    before = check_fresh(model)
    optimizer.apply(model.trainable_weights)
    assert len(asked) == 2  # all weights are updated at once
    for answer in asked:
        np.testing.assert_array_equal(answer, before)
    assert (check_fresh(model) != before).any()


def replace_all(model: sn.Model, values: list[np.ndarray], folder: Path) -> None:
    model.set_weights(values)


def load(model: sn.Model, values: list[np.ndarray], folder: Path) -> None:
    twin = net()
    twin.set_weights(values)
    twin.save_weights(folder / "other.safetensors")
    model.load_weights(folder / "other.safetensors")


@pytest.mark.parametrize("replace", [replace_all, load])
def test_a_prediction_while_weights_are_replaced_is_that_of_the_old_ones(
    replace: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model = net()
    old, asked, overwrite = check_fresh(model), [], Parameter._overwrite
    own = {id(weight) for weight in model.weights}

    def overwrite_and_ask(self: Parameter, array: np.ndarray) -> None:
        overwrite(self, array)
        if id(self) in own:
            asked.append(waited_for(lambda: model.predict(X)))

    monkeypatch.setattr(Parameter, "_overwrite", overwrite_and_ask)
    replace(model, [moved(weight) for weight in model.get_weights()], tmp_path)
    assert len(asked) == len(own)
    for answer in asked:
        np.testing.assert_array_equal(answer, old)
    assert np.abs(check_fresh(model) - old).max() > 1e-4


def test_weights_of_which_an_interruption_left_some_are_seen_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    model = net()
    before, overwrite = check_fresh(model), Parameter._overwrite

    def overwrite_or_stop(self: Parameter, array: np.ndarray) -> None:
        if self is model.weights[-1]:
            raise KeyboardInterrupt
        overwrite(self, array)

    with monkeypatch.context() as patch:
        patch.setattr(Parameter, "_overwrite", overwrite_or_stop)
        with pytest.raises(KeyboardInterrupt):
            model.set_weights([moved(weight) for weight in model.get_weights()])
    assert np.abs(check_fresh(model) - before).max() > 1e-4


def within_another(model: sn.Model) -> sn.Model:
    x = layers.Input((16, 16, 3))
    return by_hand.disturb(sn.Model(x, layers.Dense(4, activation="softmax", name="behind")(model(x))))


MANY = noise(40, 16, 16, 3)  # two batches or more, of one state too
QUESTIONS: dict[str, Callable[[sn.Model], Any]] = {
    "predict": lambda model: model.predict(MANY),
    "evaluate": lambda model: model.evaluate(MANY, np.arange(40) % 4, verbose=0),
    "grad_cam": lambda model: explain.grad_cam(model, MANY[:6], 1, "winograd", batch_size=3),
    "saliency": lambda model: explain.saliency(model, MANY[:6], 1, batch_size=3),
    "a model within a model": lambda model: model.predict(MANY),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_whoever_asks_while_weights_are_replaced_gets_one_whole_state(question: str) -> None:
    ask = QUESTIONS[question]
    model = within_another(net()) if question == "a model within a model" else net()
    model.compile("sgd", "sparse_categorical_crossentropy")
    states, expected = [model.get_weights(), [moved(weight) for weight in model.get_weights()]], []
    for state in states:
        model.set_weights(state)
        expected.append(ask(model))
    done = threading.Event()

    def replace() -> None:
        while not done.is_set():
            for state in states:
                model.set_weights(state)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(replace)
        try:
            for _ in range(12):
                answer = ask(model)
                assert any(np.array_equal(answer, one) for one in expected)
        finally:
            done.set()


def test_the_weights_read_at_once_are_of_one_state(monkeypatch: pytest.MonkeyPatch) -> None:
    model = net()
    states = [[np.full(weight.shape, value, np.float32) for weight in model.weights] for value in (1, 2)]
    done = threading.Event()

    def replace() -> None:
        while not done.is_set():
            for state in states:
                model.set_weights(state)

    model.set_weights(states[0])
    with ThreadPoolExecutor(1) as pool:
        pool.submit(replace)
        try:
            for _ in range(100):
                assert len({float(weight.flat[0]) for weight in model.get_weights()}) == 1
        finally:
            done.set()


class Counting(layers.Layer):
    """Counts by two at each call, and adds both numbers."""

    def build(self, input_shape: Any) -> None:
        self.count = self.add_weight("count", (1,), "zeros", trainable=False)
        self.built = True

    def call(self, inputs: Any, training: bool = False) -> Any:
        self.count.assign(self.count.data + 1)
        half = inputs + self.count.data
        self.count.data = self.count.data + 1
        return half + self.count.data


def test_a_layer_that_writes_in_a_prediction_reads_what_it_has_written() -> None:
    model = sn.Sequential([layers.Input((2,)), Counting()])
    for count in (3, 7, 11):
        np.testing.assert_array_equal(model.predict(np.zeros((1, 2))), [[count, count]])
