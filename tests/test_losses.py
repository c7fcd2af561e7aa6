import drawn
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import assert_close, draw, keras, tf

import scratchnet as sn
from scratchnet import losses, ops
from scratchnet.losses import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    MeanSquaredError,
    SparseCategoricalCrossentropy,
)
from scratchnet.tensor import Tensor

smoothings = st.sampled_from([0.0, 0.1, 0.5, 1.0])
batches = st.integers(1, 6)


def check_equal(ours, theirs, y_true, y_pred, weights=None):
    """The loss and its gradient by the predictions equal Keras's."""
    tensor = Tensor(y_pred.copy(), requires_grad=True)
    loss = ours(y_true, tensor, weights)
    assert loss.shape == ()
    prediction = tf.constant(y_pred)
    with tf.GradientTape() as tape:
        tape.watch(prediction)
        expected = theirs(y_true, prediction, weights)
    assert_close(loss.data, expected.numpy(), "loss")
    factor = np.random.default_rng(0).standard_normal()
    loss.backward(factor)
    gradient = tape.gradient(expected, prediction, tf.constant(factor, expected.dtype))
    assert_close(tensor.grad, gradient.numpy(), "gradient")


def probabilities(seed, dtype, batch, classes):
    return np.random.default_rng(seed).dirichlet(np.ones(classes), batch).astype(dtype)


def sample_weights(seed, batch, dtype):
    return np.random.default_rng(seed).random(batch).astype(dtype)


@settings(max_examples=40)
@given(drawn.seeds, drawn.dtypes, batches, st.integers(2, 6), st.booleans(), smoothings, st.booleans())
def test_categorical_cross_entropy_equals_keras(seed, dtype, batch, classes, from_logits, smoothing, weighted):
    y_true = probabilities(seed + 1, dtype, batch, classes)
    y_pred = 3 * draw(seed, dtype, (batch, classes))[0] if from_logits else probabilities(seed, dtype, batch, classes)
    check_equal(
        CategoricalCrossentropy(from_logits, smoothing),
        keras.losses.CategoricalCrossentropy(from_logits, smoothing, dtype=dtype),
        y_true,
        y_pred,
        sample_weights(seed, batch, dtype) if weighted else None,
    )


@settings(max_examples=40)
@given(drawn.seeds, drawn.dtypes, batches, st.integers(2, 6), st.booleans(), st.booleans(), st.booleans())
def test_sparse_categorical_cross_entropy_equals_keras(seed, dtype, batch, classes, from_logits, weighted, column):
    y_true = np.random.default_rng(seed).integers(0, classes, (batch, 1) if column else batch)
    y_pred = 3 * draw(seed, dtype, (batch, classes))[0] if from_logits else probabilities(seed, dtype, batch, classes)
    check_equal(
        SparseCategoricalCrossentropy(from_logits),
        keras.losses.SparseCategoricalCrossentropy(from_logits, dtype=dtype),
        y_true,
        y_pred,
        sample_weights(seed, batch, dtype) if weighted else None,
    )


@settings(max_examples=40)
@given(drawn.seeds, drawn.dtypes, batches, st.integers(1, 4), st.booleans(), smoothings, st.booleans())
def test_binary_cross_entropy_equals_keras(seed, dtype, batch, outputs, from_logits, smoothing, weighted):
    rng = np.random.default_rng(seed)
    y_true = rng.integers(0, 2, (batch, outputs)).astype(dtype)
    y_pred = (3 * rng.standard_normal((batch, outputs)) if from_logits else rng.random((batch, outputs))).astype(dtype)
    check_equal(
        BinaryCrossentropy(from_logits, smoothing),
        keras.losses.BinaryCrossentropy(from_logits, smoothing, dtype=dtype),
        y_true,
        y_pred,
        sample_weights(seed, batch, dtype) if weighted else None,
    )


@settings(max_examples=20)
@given(drawn.seeds, drawn.dtypes, batches, st.lists(st.integers(1, 4), min_size=1, max_size=3), st.booleans())
def test_mean_squared_error_equals_keras(seed, dtype, batch, shape, weighted):
    y_true, y_pred = draw(seed, dtype, (batch, *shape), (batch, *shape))
    weights = sample_weights(seed, batch, dtype) if weighted and len(shape) == 1 else None
    check_equal(MeanSquaredError(), keras.losses.MeanSquaredError(dtype=dtype), y_true, y_pred, weights)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.7])
@pytest.mark.parametrize("from_logits", [False, True])
def test_sparse_targets_are_one_hot_targets_in_brief(smoothing, from_logits):
    labels = np.array([0, 3, 2, 2])
    y_pred = draw(1, "float64", (4, 5))[0] if from_logits else probabilities(1, "float64", 4, 5)
    tensors = [Tensor(y_pred.copy(), requires_grad=True) for _ in range(2)]
    sparse = SparseCategoricalCrossentropy(from_logits, label_smoothing=smoothing)(labels, tensors[0])
    one_hot = CategoricalCrossentropy(from_logits, smoothing)(np.eye(5)[labels], tensors[1])
    assert sparse.item() == one_hot.item()
    sparse.backward()
    one_hot.backward()
    np.testing.assert_array_equal(tensors[0].grad, tensors[1].grad)


@pytest.mark.parametrize("loss", [SparseCategoricalCrossentropy, CategoricalCrossentropy])
def test_a_softmax_is_traced_back_to_its_logits(loss):
    labels = np.array([1, 0, 2])
    targets = labels if loss is SparseCategoricalCrossentropy else np.eye(3)[labels]
    logits = np.array([[1e4, 0, -1e4], [0.5, 1, 2], [-300, 300, 0]], np.float32)
    z = [Tensor(logits.copy(), requires_grad=True) for _ in range(2)]
    traced, direct = loss()(targets, ops.softmax(z[0])), loss(from_logits=True)(targets, z[1])
    assert traced.item() == direct.item()
    traced.backward()
    direct.backward()
    np.testing.assert_array_equal(z[0].grad, z[1].grad)
    assert z[0].grad[0, 1] == pytest.approx(-1 / 3)  # the margin of bare probabilities would have cut it off


def test_a_sigmoid_is_traced_back_to_its_logits():
    z = Tensor(np.array([[200.0], [-200.0]], np.float32), requires_grad=True)
    loss = BinaryCrossentropy()(np.array([0, 1]), ops.sigmoid(z))
    assert loss.item() == 200
    loss.backward()
    np.testing.assert_allclose(z.grad, [[0.5], [-0.5]])


def test_a_softmax_is_not_taken_for_a_sigmoid():
    z = Tensor(np.array([[0.3, 1.2]]))
    p = ops.softmax(z)
    expected = -np.log(p.data[0, 0]) / 2 - np.log(1 - p.data[0, 1]) / 2
    assert BinaryCrossentropy()(np.array([[1, 0]]), p).item() == pytest.approx(expected)
    p = ops.sigmoid(z)
    assert CategoricalCrossentropy()(np.array([[1, 0]]), p).item() == pytest.approx(
        -np.log(p.data[0, 0] / p.data.sum())
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_certain_and_wrong_probabilities_cost_a_finite_loss_equal_to_keras(dtype):
    y_pred = np.array([[1, 0, 0], [0, 1, 0]], dtype)
    tensor = Tensor(y_pred, requires_grad=True)
    loss = SparseCategoricalCrossentropy()(np.array([0, 0]), tensor)
    expected = keras.losses.SparseCategoricalCrossentropy(dtype=np.dtype(dtype).name)(np.array([0, 0]), y_pred)
    assert loss.item() == pytest.approx(float(expected), rel=1e-5)
    loss.backward()
    assert np.isfinite(tensor.grad).all()
    binary = BinaryCrossentropy()(np.array([1.0, 0.0]), Tensor(np.array([[0.0], [1.0]], dtype)))
    expected = keras.losses.BinaryCrossentropy(dtype=np.dtype(dtype).name)(
        np.array([[1.0], [0.0]], dtype), np.array([[0.0], [1.0]], dtype)
    )
    assert binary.item() == pytest.approx(float(expected), rel=1e-2 if dtype == np.float32 else 1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extreme_logits_are_stable(dtype):
    logits = Tensor(np.array([[1e6, -1e6], [-1e6, 1e6]], dtype), requires_grad=True)
    loss = SparseCategoricalCrossentropy(from_logits=True)(np.array([0, 0]), logits)
    assert loss.item() == pytest.approx(1e6)
    loss.backward()
    np.testing.assert_allclose(logits.grad, [[0, 0], [-0.5, 0.5]])


def test_nan_predictions_give_a_nan_loss():
    for loss, target in (
        (SparseCategoricalCrossentropy(), [0]),
        (SparseCategoricalCrossentropy(from_logits=True), [0]),
        (CategoricalCrossentropy(), [[1, 0]]),
        (BinaryCrossentropy(), [[1, 0]]),
        (BinaryCrossentropy(from_logits=True), [[1, 0]]),
        (MeanSquaredError(), [[1, 0]]),
    ):
        assert np.isnan(loss(target, np.array([[np.nan, 0.5]])).item())


def test_weights_scale_each_sample_and_the_batch_size_divides():
    loss = MeanSquaredError()(np.zeros((2, 1)), np.array([[1.0], [3.0]]), np.array([2.0, 10.0]))
    assert loss.item() == (2 * 1 + 10 * 9) / 2
    column = MeanSquaredError()(np.zeros((2, 1)), np.array([[1.0], [3.0]]), np.array([[2.0], [10.0]]))
    assert column.item() == loss.item()


def test_targets_may_lack_the_axis_of_a_single_output():
    y_pred = np.array([[0.2], [0.7]])
    for loss in (BinaryCrossentropy(), MeanSquaredError()):
        assert loss(np.array([0, 1]), y_pred).item() == loss(np.array([[0], [1]]), y_pred).item()


def test_a_function_of_ones_own_is_a_loss():
    def distance(y_true, y_pred):
        return ops.abs(y_pred - Tensor(y_true))

    loss = losses.get(distance)
    assert loss.name == "distance"
    y_pred = Tensor(np.array([[1.0, -2.0], [3.0, 4.0]]), requires_grad=True)
    value = loss(np.zeros((2, 2)), y_pred, np.array([1.0, 2.0]))
    assert value.item() == (1.5 * 1 + 3.5 * 2) / 2
    value.backward()
    np.testing.assert_array_equal(y_pred.grad, [[0.25, -0.25], [0.5, 0.5]])
    assert losses.get(lambda t, p: ops.square(p).mean())(None, y_pred).item() == 7.5
    assert losses.serialize(loss) is None
    with pytest.raises(TypeError, match="loss array_loss must return a Tensor, got ndarray"):
        losses.get(array_loss)(np.zeros(2), np.ones(2))


def array_loss(y_true, y_pred):
    return y_pred.data


NAMES = {
    "sparse_categorical_crossentropy": SparseCategoricalCrossentropy,
    "categorical_crossentropy": CategoricalCrossentropy,
    "binary_crossentropy": BinaryCrossentropy,
    "mean_squared_error": MeanSquaredError,
    "mse": MeanSquaredError,
}


@pytest.mark.parametrize("name", NAMES)
def test_losses_are_found_by_name(name):
    loss = losses.get(name)
    assert type(loss) is NAMES[name]
    assert losses.get(loss) is loss
    assert loss.name == getattr(keras.losses, NAMES[name].__name__)().name


@pytest.mark.parametrize("cls", sorted(set(NAMES.values()), key=lambda cls: cls.__name__))
def test_losses_survive_their_config(cls):
    loss = cls(name="x") if cls is MeanSquaredError else cls(from_logits=True, label_smoothing=0.2, name="x")
    again = losses.get(losses.serialize(loss))
    assert type(again) is cls
    assert again.get_config() == loss.get_config()
    assert again.name == "x"


SOFT = np.full((2, 3), 1 / 3)


@pytest.mark.parametrize(
    ("loss", "y_true", "message"),
    [
        (SparseCategoricalCrossentropy(), [0, 3], r"class numbers must be whole and lie in 0\.\.2, got 3"),
        (SparseCategoricalCrossentropy(), [-1, 0], r"class numbers must be whole and lie in 0\.\.2, got -1"),
        (SparseCategoricalCrossentropy(), [0.5, 1], r"class numbers must be whole .* got 0\.5"),
        (SparseCategoricalCrossentropy(), [np.nan, 1], r"class numbers must be whole .* got nan"),
        (SparseCategoricalCrossentropy(), [0, 1, 2], r"class numbers of shape \(2,\) .* got \(3,\)"),
        (SparseCategoricalCrossentropy(), SOFT, r"got \(2, 3\); for one-hot targets use categorical_crossentropy"),
        (CategoricalCrossentropy(), [0, 1], r"one-hot of shape \(2, 3\), got \(2,\); for class numbers use sparse_"),
        (CategoricalCrossentropy(), SOFT[:, :2], r"targets must be one-hot of shape \(2, 3\), got \(2, 2\)"),
        (BinaryCrossentropy(), 2 * SOFT + 1, r"binary targets must lie between 0 and 1, got 1\.6"),
        (BinaryCrossentropy(), SOFT * np.nan, r"binary targets must lie between 0 and 1, got nan"),
        (BinaryCrossentropy(), SOFT[:1], r"targets must have the predictions' shape \(2, 3\), got \(1, 3\)"),
        (MeanSquaredError(), SOFT[:, 0], r"targets must have the predictions' shape \(2, 3\), got \(2,\)"),
    ],
)
def test_errors_name_the_argument_the_rule_and_the_value(loss, y_true, message):
    with pytest.raises(ValueError, match=message):
        loss(np.asarray(y_true), SOFT)


def test_arguments_out_of_range_are_named():
    for smoothing in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match=f"label_smoothing must lie between 0 and 1, got {smoothing}"):
            CategoricalCrossentropy(label_smoothing=smoothing)
    with pytest.raises(ValueError, match=r"sample_weight must hold one number for each of 2 samples, got \(3,\)"):
        MeanSquaredError()(SOFT, SOFT, np.ones(3))
    with pytest.raises(ValueError, match=r"loss must be one of .*, got 'hinge'"):
        losses.get("hinge")


def test_a_class_that_is_ruled_out_does_not_spoil_the_others():
    logits = np.array([[1.0, 2.0, -np.inf], [-np.inf, 0.5, 0.0]], np.float32)
    tensor = sn.Tensor(logits, requires_grad=True)
    loss = SparseCategoricalCrossentropy(from_logits=True)(np.array([0, 1]), tensor)
    expected = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(np.array([0, 1]), logits)
    np.testing.assert_allclose(loss.item(), float(expected), rtol=1e-6)
    loss.backward()
    assert np.isfinite(tensor.grad).all()
    assert tensor.grad[0, 2] == tensor.grad[1, 0] == 0


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_from_logits_on_probabilities_warns_and_takes_the_logits(activation):
    logits = np.array([[1.0, -2.0], [0.5, 3.0]], np.float32)
    loss = {"softmax": CategoricalCrossentropy, "sigmoid": BinaryCrossentropy}[activation]
    targets = np.eye(2)
    with pytest.warns(UserWarning, match=f"from_logits=True, but the predictions come from a {activation}"):
        value = loss(from_logits=True)(targets, getattr(sn.ops, activation)(logits))
    np.testing.assert_allclose(value.item(), loss(from_logits=True)(targets, logits).item(), rtol=1e-6)
