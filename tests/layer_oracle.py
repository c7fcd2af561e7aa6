"""One layer of ours and one of Keras's with the same weights and inputs, compared in all they do."""

from typing import Any

import numpy as np
from oracle import assert_close, keras, tf

from scratchnet import layers
from scratchnet.layers import Layer
from scratchnet.tensor import Tensor


def twins(name: str, dtype: str = "float32", **config: Any) -> tuple[Layer, Any]:
    """Our layer and Keras's of one class and one configuration."""
    return getattr(layers, name)(**config, dtype=dtype), getattr(keras.layers, name)(**config, dtype=dtype)


def share_weights(ours: Layer, theirs: Any, seed: int = 0) -> None:
    """Give both layers, which must be built, the same random weights; each takes those of the other."""
    rng = np.random.default_rng(seed)
    names = [weight.name for weight in theirs.weights]
    assert [weight.name for weight in ours.weights] == names
    values = [
        rng.random(w.shape) + 0.5 if w.name == "moving_variance" else rng.standard_normal(w.shape)
        for w in theirs.weights
    ]
    theirs.set_weights(values)
    ours.set_weights(theirs.get_weights())
    theirs.set_weights([np.zeros(w.shape) for w in theirs.weights])
    theirs.set_weights(ours.get_weights())
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        assert mine.dtype == other.dtype
        np.testing.assert_array_equal(mine, other)
    for kind in ("trainable_weights", "non_trainable_weights"):
        assert [w.name for w in getattr(ours, kind)] == [w.name for w in getattr(theirs, kind)]
    assert ours.count_params() == theirs.count_params()


def check_equal_layers(
    ours: Layer, theirs: Any, *arrays: np.ndarray, training: bool = False, seed: int = 0, gradients: bool = True
) -> np.ndarray:
    """Check output, its shape, and the gradients by inputs and weights; our output is returned.

    Args:
        ours: a layer.
        theirs: Keras's.
        arrays: the inputs, several for a layer that takes a list.
        training: whether both run as in training.
        seed: of weights and cotangents.
        gradients: whether Keras can differentiate this layer on a CPU.
    """
    several = ours.takes_list
    shapes = [(None, *array.shape[1:]) for array in arrays]
    ours.build(shapes if several else shapes[0])
    theirs.build([list(shape) for shape in shapes] if several else shapes[0])
    share_weights(ours, theirs, seed)

    inputs = [Tensor(array.copy(), requires_grad=True) for array in arrays]
    y = ours(inputs if several else inputs[0], training=training)
    constants = [tf.constant(array) for array in arrays]
    with tf.GradientTape() as tape:
        for constant in constants:
            tape.watch(constant)
        expected = theirs(constants if several else constants[0], training=training)
    assert_close(y.data, expected.numpy(), "output")
    computed = ours.compute_output_shape(shapes if several else shapes[0])
    assert tuple(computed) == (None, *y.shape[1:])
    assert tuple(computed) == tuple(theirs.compute_output_shape([list(s) for s in shapes] if several else shapes[0]))

    if gradients:
        cotangent = np.random.default_rng(seed + 1).standard_normal(y.shape).astype(y.dtype)
        sources = constants + [weight.value for weight in theirs.trainable_weights]
        wanted = tape.gradient(expected, sources, output_gradients=tf.constant(cotangent))
        y.backward(cotangent)
        for tensor, gradient in zip([*inputs, *ours.trainable_weights], wanted, strict=True):
            assert_close(tensor.grad, gradient.numpy(), f"gradient by {getattr(tensor, 'name', 'the input')}")
    return y.data
