import numpy as np
import pytest
from layer_oracle import check_equal_layers, twins
from oracle import assert_close, draw, keras

from scratchnet import layers


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
