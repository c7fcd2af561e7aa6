"""A chain of layers runs as one program with planned memory: what it gives is the caller's, and the layers' result."""

import by_hand
import numpy as np
import pytest
from by_hand import assert_close, noise

import scratchnet as sn
from scratchnet import layers
from scratchnet.models import program as programs
from scratchnet.tensor import no_grad, reading


def small(*head: layers.Layer) -> sn.Sequential:
    stack = [layers.Input((12, 12, 3)), layers.Conv2D(16, 3, activation="relu"), layers.MaxPooling2D(2), *head]
    return by_hand.disturb(sn.Sequential(stack))  # type: ignore[return-value]


def one_by_one(model: sn.Model, x: np.ndarray) -> np.ndarray:
    with no_grad(), reading():
        result: np.ndarray = by_hand.run(model, x).data
    return result


def test_two_results_share_no_memory() -> None:
    model = small(layers.Flatten(), layers.Dense(4))
    x = noise(2, 12, 12, 3)
    first = model.predict(x)
    kept = first.copy()
    second = model.predict(-x)
    assert not np.shares_memory(first, second)
    np.testing.assert_array_equal(first, kept)
    second[:] = 7
    np.testing.assert_array_equal(model.predict(x), kept)


@pytest.mark.parametrize("keep", [0, programs.KEPT_BYTES])
def test_a_workspace_that_is_borrowed_gives_the_same_bits_as_one_that_stays(
    monkeypatch: pytest.MonkeyPatch, keep: int
) -> None:
    x = noise(3, 12, 12, 3)
    sn.set_random_seed(3)
    expected = small(layers.Conv2D(16, 3), layers.Flatten(), layers.Dense(4)).predict(x)
    monkeypatch.setattr(programs, "KEPT_BYTES", keep)
    sn.set_random_seed(3)
    model = small(layers.Conv2D(16, 3), layers.Flatten(), layers.Dense(4))
    for _ in range(3):
        np.testing.assert_array_equal(model.predict(x), expected)


@pytest.mark.parametrize(
    "head",
    [
        lambda: [layers.Flatten()],
        lambda: [layers.Flatten(), layers.Dense(5, activation="sigmoid"), layers.Dense(3, activation="softmax")],
        lambda: [layers.Flatten(), layers.Dense(5, activation="softmax"), layers.Dropout(0.5), layers.Flatten()],
        lambda: [layers.Dense(5, activation="tanh"), layers.Flatten(), layers.Dense(2, activation="sigmoid")],
        lambda: [layers.Conv2D(8, 5), layers.Conv2D(8, 1, activation="sigmoid"), layers.Flatten()],
    ],
    ids=["flat at the end", "sigmoid within", "softmax, then nothing", "tanh within", "one pixel"],
)
@pytest.mark.parametrize("batch", [1, 2, 70])
def test_whatever_stands_within_and_behind_a_chain_is_applied(head: object, batch: int) -> None:
    model = small(*head())  # type: ignore[operator]
    x = noise(batch, 12, 12, 3)
    for _ in range(2):  # the second time finds the program made
        assert_close(model.predict(x, batch_size=batch), one_by_one(model, x))


def test_predict_never_returns_the_input_itself() -> None:
    model = sn.Sequential([layers.Input((4,)), layers.Flatten()])
    x = noise(3, 4)
    y = model.predict(x)
    np.testing.assert_array_equal(y, x)
    assert not np.shares_memory(x, y)


def test_an_array_of_another_dtype_or_layout_is_predicted_too() -> None:
    model = small(layers.Flatten(), layers.Dense(4))
    x = noise(2, 12, 12, 3)
    expected = model.predict(x)
    strided = np.asfortranarray(x)
    np.testing.assert_array_equal(model.predict(strided), expected)
    np.testing.assert_array_equal(model.predict(x.astype(np.float64)), expected)
    with pytest.raises(ValueError, match=r"takes inputs of shape \(batch, 12, 12, 3\)"):
        model.predict(noise(2, 12, 11, 3))


def test_a_model_with_a_function_of_its_own_is_asked_for_it() -> None:
    class Doubled(sn.Model):
        def call(self, inputs: object, training: bool = False) -> object:
            return super().call(inputs, training) * 2

    x = layers.Input((4,))
    y = layers.Dense(3)(x)
    plain, doubled = sn.Model(x, y), Doubled(x, y)
    image = noise(2, 4)
    for _ in range(2):
        np.testing.assert_array_equal(doubled.predict(image), 2 * plain.predict(image))


@pytest.mark.parametrize("batch_size", [0, -1, 1.5, "many"])
def test_a_batch_size_that_is_none_is_refused(batch_size: object) -> None:
    model = small(layers.Flatten(), layers.Dense(4))
    with pytest.raises(ValueError, match="batch_size must be a positive int"):
        model.predict(noise(1, 12, 12, 3), batch_size=batch_size)  # type: ignore[arg-type]
