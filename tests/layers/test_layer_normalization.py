import numpy as np
import pytest
from layer_oracle import check_equal_layers, twins
from oracle import assert_close, draw, keras

from scratchnet import layers
from scratchnet.layers import rescaling


@pytest.mark.parametrize("axis", [-1, 3, 1, (1, 3), (3, 2), None, ()], ids=str)
@pytest.mark.parametrize("invert", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_adapted_layer_equals_keras(axis, invert, dtype):
    ours, theirs = twins("Normalization", dtype, axis=axis, invert=invert)
    data, x = draw(1, dtype, (20, 4, 5, 3), (2, 4, 5, 3))
    data[..., 1] = 2  # a channel without variance
    ours.adapt(data)
    theirs.adapt(data)
    for mine, other in zip(ours.weights, theirs.weights, strict=True):
        assert (mine.name, mine.shape) == (other.name, tuple(other.shape))
        np.testing.assert_allclose(mine.data, other.numpy(), rtol=1e-4, atol=1e-6)
    ours.set_weights(theirs.get_weights())
    assert_close(ours(x).data, theirs(x).numpy())
    assert ours.count_params() == theirs.count_params()


def statistics(layer):
    return [weight.data for weight in layer.weights[:2]]


def plain_statistics(rows, axis):
    kept = () if axis is None else tuple(a % rows.ndim for a in np.atleast_1d(axis))
    others = tuple(a for a in range(rows.ndim) if a not in kept)
    return rows.astype("float64").mean(axis=others), rows.astype("float64").var(axis=others)


@pytest.mark.parametrize("axis", [-1, 1, (1, 3), None], ids=str)
@pytest.mark.parametrize("kind", ["array", "list", "tuples", "generator", "one number each"])
def test_batches_give_the_statistics_of_all_samples_together_as_in_keras(axis, kind, monkeypatch):
    rows = draw(4, "float32", (23, 4, 5, 3))[0] * 3 + 100
    monkeypatch.setattr(rescaling, "NUMBERS", 1 if kind == "one number each" else 150)  # which cuts batches up
    batches = np.split(rows, [2, 9])  # of unequal sizes, which no mean of means can hide
    given = {
        "list": lambda: batches,
        "tuples": lambda: [(batch, batch[:, 0]) for batch in batches],
        "generator": lambda: iter(batches),
    }.get(kind, lambda: rows)
    ours, theirs = twins("Normalization", axis=axis)
    ours.adapt(given())
    theirs.adapt(given())
    for mine, keras_own, plain in zip(
        statistics(ours), theirs.get_weights(), plain_statistics(rows, axis), strict=False
    ):
        assert mine.shape == plain.shape
        np.testing.assert_allclose(mine, plain, rtol=1e-6)
        np.testing.assert_allclose(mine, keras_own, rtol=1e-4)


def test_batches_may_differ_in_the_axes_that_are_averaged():
    batches = draw(5, "float32", (2, 4, 5, 3), (3, 1, 9, 3), (0, 4, 5, 3))
    layer = layers.Normalization()
    layer.adapt(batches)
    everything = np.concatenate([batch.reshape(-1, 3) for batch in batches])
    for mine, plain in zip(statistics(layer), plain_statistics(everything, -1), strict=True):
        np.testing.assert_allclose(mine, plain, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    "data", [[[1, 2], [3, 6]], [(1, 2), (3, 6)], np.array([[1, 2], [3, 6]], np.uint8), [np.array([[1.0, 2], [3, 6]])]]
)
def test_lists_of_numbers_are_one_array(data):
    layer = layers.Normalization()
    layer.adapt(data)
    np.testing.assert_array_equal(statistics(layer), [[2, 4], [1, 4]])


def test_many_numbers_far_from_zero_lose_nothing():
    rows = np.full((200_001, 1), 1e4, "float32")
    rows[::2] += 1
    layer = layers.Normalization()
    layer.adapt(rows)
    for mine, plain in zip(statistics(layer), plain_statistics(rows, -1), strict=True):
        np.testing.assert_allclose(mine, plain, rtol=1e-6)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "without samples"),
        (np.zeros((0, 3)), "without samples"),
        (iter(()), "without samples"),
        ([np.zeros((2, 3)), np.zeros((2, 4))], r"n was built for 2 axes, .* sizes \[3\], got shape \(2, 4\)"),
        ([np.zeros((2, 3)), np.zeros((2, 5, 3))], r"n was built for 2 axes"),
        (["a"], "arrays of numbers"),
        ({"x": np.zeros((2, 3))}, "arrays of numbers .* got 'x'"),
        (3.0, r"arrays of numbers \(samples, \.\.\.\), got 3\.0"),
        (None, "arrays of numbers"),
    ],
    ids=["empty list", "empty array", "empty iterator", "widths", "axes", "text", "dict", "number", "none"],
)
def test_what_cannot_be_adapted_to_is_refused_and_changes_nothing(data, message):
    layer = layers.Normalization(name="n")
    layer.build((None, 3))
    with pytest.raises(ValueError, match=message):
        layer.adapt(data)
    np.testing.assert_array_equal(statistics(layer), [[0, 0, 0], [1, 1, 1]])


@pytest.mark.parametrize(
    ("axis", "mean", "variance"),
    [(-1, 0.5, 4.0), (-1, [1.0, 2.0, 3.0], [4.0, 1.0, 0.25]), ((1, 3), [1.0, 2.0, 3.0], [4.0, 1.0, 0.25])],
    ids=str,
)
@pytest.mark.parametrize("invert", [False, True])
def test_given_statistics_equal_keras(axis, mean, variance, invert):
    config = {"axis": axis, "mean": mean, "variance": variance, "invert": invert}
    check_equal_layers(*twins("Normalization", **config), *draw(2, "float32", (2, 4, 5, 3)))


def test_statistics_are_weights_that_training_leaves_alone():
    layer = layers.Normalization()
    layer.build((None, 3))
    assert [w.name for w in layer.non_trainable_weights] == ["mean", "variance", "count"]
    assert not layer.trainable_weights


def test_what_keras_saved_goes_into_our_layer():
    theirs = keras.layers.Normalization()
    theirs.adapt(draw(3, "float32", (9, 3))[0])
    ours = layers.Normalization()
    ours.build((None, 3))
    ours.set_weights(theirs.get_weights())
    theirs.set_weights(ours.get_weights())
    np.testing.assert_array_equal(theirs.get_weights()[0], ours.get_weights()[0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.Normalization(mean=1.0), r"mean and variance must be given together"),
        (lambda: layers.Normalization(mean=1.0, variance=[1.0]), r"in one shape, got 1\.0 and \[1\.0\]"),
        (lambda: layers.Normalization(mean=[[1.0]], variance=[[1.0]]), r"must not have more axes than axis=\(-1,\)"),
        (lambda: layers.Normalization(mean="a", variance="b"), r"mean must hold numbers, got 'a'"),
        (lambda: layers.Normalization(4, name="n").build((None, 3)), r"n normalises axis \(4,\), which shape"),
        (lambda: layers.Normalization(1, name="n").build((None, None)), r"n needs different axes of known size"),
        (lambda: layers.Normalization((1, -1), name="n").build((None, 3)), r"n needs different axes"),
        (
            lambda: layers.Normalization(mean=[1.0, 2.0], variance=[1.0, 2.0], name="n").build((None, 3)),
            r"n has statistics of shape \(2,\) for inputs whose axes \(1,\) have the sizes \[3\]",
        ),
        (
            lambda: layers.Normalization(mean=0.0, variance=1.0, name="n").adapt(np.ones((2, 3))),
            "n was given its mean",
        ),
    ],
)
def test_errors_name_the_argument_the_rule_and_the_value(make, message):
    with pytest.raises(ValueError, match=message):
        make()
