"""What a script written for Keras takes for granted."""

import keras
import numpy as np
import pytest

import scratchnet as sn


def branch(library):
    """Two ways of unequal length with dense layers of equal shape: only their order tells the weights apart."""
    x = library.layers.Input((3,)) if library is sn else library.Input((3,))
    far = library.layers.Dense(3, name="far")(x)
    near = library.layers.Dense(3, name="near")(x)
    farther = library.layers.Dense(3, name="farther", activation="tanh")(far)
    joined = library.layers.Concatenate()([near, farther])
    return library.Model(x, library.layers.Dense(2, name="last")(joined))


def test_weights_of_a_branching_model_come_in_keras_order():
    ours, theirs = branch(sn), branch(keras)
    names = [layer.name for layer in theirs.layers if layer.weights]
    assert [layer.name for layer in ours.layers if layer.weights] == names
    x = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
    ours.set_weights(theirs.get_weights())
    np.testing.assert_allclose(ours.predict(x), theirs(x), rtol=1e-5, atol=1e-6)


def test_labels_may_have_an_axis_of_length_one():
    sn.set_random_seed(0)
    model = sn.Sequential([sn.Input((4,)), sn.layers.Dense(3, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    x, y = np.eye(4), np.array([0, 1, 2, 1])
    assert model.evaluate(x, y[:, None], verbose=0) == model.evaluate(x, y, verbose=0)


def test_metrics_of_one_name_are_told_apart():
    model = sn.Sequential([sn.Input((2,)), sn.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae", "mae"], weighted_metrics=["mae"])
    logs = model.train_on_batch(np.ones((2, 2)), np.ones((2, 1)), sample_weight=np.array([0.0, 1.0]), return_dict=True)
    assert list(logs) == ["loss", "mae", "mae_1", "mae_2"]


def test_options_that_ask_for_nothing_are_taken_and_others_named():
    layer = sn.layers.Conv2D(2, 3, data_format="channels_last", kernel_constraint=None, activity_regularizer=None)
    assert layer(np.zeros((1, 4, 4, 1))).shape == (1, 2, 2, 2)
    with pytest.raises(ValueError, match="data_format='channels_first' is not supported"):
        sn.layers.Conv2D(2, 3, data_format="channels_first")
    with pytest.raises(TypeError, match="Conv2D has no option 'filter'"):
        sn.layers.Conv2D(2, 3, filter=3)


def test_the_first_layer_may_say_the_input_shape():
    model = sn.Sequential([sn.layers.Dense(3, input_shape=(4,)), sn.layers.Dense(2)])
    assert model.output_shape == (None, 2)
    assert model.count_params() == 23


def test_numpy_integers_are_integers_and_a_list_of_one_input_is_that_input():
    layer = sn.layers.Conv2D(np.int64(2), np.int32(3))
    x = np.ones((1, 4, 4, 1), np.float32)
    np.testing.assert_array_equal(layer([x]).data, layer(x).data)


def test_what_cannot_be_saved_is_found_out_before_training(tmp_path):
    model = sn.Sequential([sn.Input((2,)), sn.layers.Dense(1, activation=lambda x: sn.ops.relu(x))])
    model.compile("sgd", "mse")
    x, y = np.ones((2, 2)), np.ones((2, 1))
    before = model.get_weights()[0]
    unnamed = "has no name, so it cannot be saved"
    for path, message in (("best.h5", "must end in"), ("best.safetensors", unnamed), ("best.keras", unnamed)):
        with pytest.raises(ValueError, match=message):
            model.fit(x, y, verbose=0, callbacks=[sn.callbacks.ModelCheckpoint(str(tmp_path / path))])
    np.testing.assert_array_equal(model.get_weights()[0], before)


def test_each_epoch_reads_the_data_once():
    class Counting:
        started = 0

        def __iter__(self):
            self.started += 1
            yield np.ones((2, 2)), np.ones((2, 1))

    data = Counting()
    model = sn.Sequential([sn.Input((2,)), sn.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(data, epochs=3, verbose=0)
    assert data.started == 3


def test_an_unbuilt_model_says_what_it_needs():
    with pytest.raises(ValueError, match="has no weights yet"):
        _ = sn.Sequential([sn.layers.Dense(1)]).output_shape


def test_float64_flows_back_through_a_float32_layer():
    x = sn.Tensor(np.ones((2, 3)), requires_grad=True)
    layer = sn.layers.Dense(2)
    y = layer(x)
    assert y.dtype == np.float32
    y.backward(np.ones((2, 2)))
    assert x.grad.dtype == np.float64
    np.testing.assert_allclose(x.grad, np.ones((2, 2)) @ layer.kernel.data.T, rtol=1e-6)
