import os
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scratchnet import metrics
from scratchnet.metrics import AUC, BinaryAccuracy, F1Score, Mean, MeanSquaredError, Precision

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # TensorFlow's own imports warn
    keras = pytest.importorskip("keras")


def scores_of(generator, shape, ties):
    values = generator.integers(0, 5, size=shape) / 4 if ties else generator.random(shape)
    return values.astype("float32")


def one_hot(generator, batch, classes):
    return np.eye(classes, dtype="float32")[generator.integers(0, classes, batch)]


def binary(generator, batch, _):
    return generator.integers(0, 2, (batch, 1)).astype("float32")


def multi_hot(generator, batch, classes):
    return generator.integers(0, 2, (batch, classes)).astype("float32")


def class_ids(generator, batch, classes):
    return generator.integers(0, classes, batch)


def class_ids_column(generator, batch, classes):
    return generator.integers(0, classes, (batch, 1))


def quarters(generator, batch, classes):
    return generator.integers(0, 5, (batch, classes)).astype("float32") / 4


# metric, its arguments, labels, columns of the predictions (None: one per class)
CASES = [
    ("Accuracy", {}, quarters, None),
    ("BinaryAccuracy", {}, binary, 1),
    ("BinaryAccuracy", {"threshold": 0.25}, multi_hot, None),
    ("CategoricalAccuracy", {}, one_hot, None),
    ("SparseCategoricalAccuracy", {}, class_ids, None),
    ("SparseCategoricalAccuracy", {}, class_ids_column, None),
    ("TopKCategoricalAccuracy", {"k": 2}, one_hot, None),
    ("SparseTopKCategoricalAccuracy", {"k": 1}, class_ids, None),
    ("SparseTopKCategoricalAccuracy", {}, class_ids, None),
    ("Precision", {}, binary, 1),
    ("Precision", {"thresholds": [0.7, 0.25]}, multi_hot, None),
    ("Precision", {"top_k": 2}, one_hot, None),
    ("Precision", {"class_id": 1, "thresholds": 0.4}, one_hot, None),
    ("Precision", {"class_id": 2, "top_k": 1}, one_hot, None),
    ("Recall", {}, binary, 1),
    ("Recall", {"thresholds": [0.7, 0.25]}, multi_hot, None),
    ("Recall", {"top_k": 2}, one_hot, None),
    ("Recall", {"class_id": 1}, one_hot, None),
    ("F1Score", {}, one_hot, None),
    ("F1Score", {"average": "micro"}, one_hot, None),
    ("F1Score", {"average": "macro", "threshold": 0.5}, multi_hot, None),
    ("F1Score", {"average": "weighted"}, one_hot, None),
    ("AUC", {}, binary, 1),
    ("AUC", {"num_thresholds": 7}, multi_hot, None),
    ("AUC", {"curve": "PR"}, binary, 1),
    ("AUC", {"curve": "PR", "num_thresholds": 9}, one_hot, None),
    ("AUC", {"summation_method": "minoring"}, binary, 1),
    ("AUC", {"summation_method": "majoring", "curve": "PR"}, binary, 1),
    ("AUC", {"thresholds": [0.9, 0.1, 0.3]}, binary, 1),
    ("AUC", {"from_logits": True}, binary, 1),
    ("MeanSquaredError", {}, quarters, None),
    ("MeanAbsoluteError", {}, quarters, None),
]


@pytest.mark.parametrize(("name", "arguments", "labels", "columns"), CASES)
@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1),
    batches=st.lists(st.integers(1, 9), min_size=1, max_size=3),
    ties=st.booleans(),
    weighted=st.booleans(),
)
def test_result_is_that_of_keras(name, arguments, labels, columns, seed, batches, ties, weighted):
    generator = np.random.default_rng(seed)
    ours, theirs = getattr(metrics, name)(**arguments), getattr(keras.metrics, name)(**arguments)
    for batch in batches:
        y_true = labels(generator, batch, 4)
        y_pred = scores_of(generator, (batch, columns or 4), ties)
        weight = generator.integers(0, 3, batch).astype("float32") if weighted else None
        ours.update_state(y_true, y_pred, sample_weight=weight)
        theirs.update_state(y_true, y_pred, sample_weight=weight)
        np.testing.assert_allclose(ours.result(), np.asarray(theirs.result()), rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("curve", ["ROC", "PR"])
@pytest.mark.parametrize("method", ["interpolation", "minoring", "majoring"])
def test_auc_with_negative_weights_is_that_of_keras(curve, method):
    arguments = {"curve": curve, "summation_method": method, "num_thresholds": 9}
    ours, theirs = AUC(**arguments), keras.metrics.AUC(**arguments)
    for seed in range(12):
        generator = np.random.default_rng(seed)
        ours.reset_state()
        theirs.reset_state()
        for batch in (5, 9):
            weight = generator.integers(-2, 3, batch).astype("float32")
            y_true, y_pred = binary(generator, batch, None), scores_of(generator, (batch, 1), ties=bool(seed % 2))
            ours.update_state(y_true, y_pred, sample_weight=weight)
            theirs.update_state(y_true, y_pred, sample_weight=weight)
        np.testing.assert_allclose(ours.result(), float(theirs.result()), rtol=1e-5, atol=2e-6, err_msg=f"seed {seed}")


@pytest.mark.parametrize("arguments", [{}, {"num_thresholds": 2}, {"thresholds": [0.9, 0.3]}, {"thresholds": []}])
def test_thresholds_of_auc_include_the_ends_as_those_of_keras(arguments):
    ours, theirs = AUC(**arguments), keras.metrics.AUC(**arguments)
    np.testing.assert_allclose(ours.thresholds, theirs.thresholds, rtol=1e-12)
    assert AUC.from_config(ours.get_config()).thresholds == ours.thresholds


@pytest.mark.parametrize("name", ["BinaryAccuracy", "MeanSquaredError", "Precision", "AUC"])
@pytest.mark.parametrize("weight_shape", [(6,), (6, 1), (6, 3)])
def test_weights_of_samples_or_of_outputs(name, weight_shape):
    generator = np.random.default_rng(0)
    ours, theirs = getattr(metrics, name)(), getattr(keras.metrics, name)()
    y_true, y_pred = multi_hot(generator, 6, 3), scores_of(generator, (6, 3), False)
    if name == "MeanSquaredError" and weight_shape == (6, 3):
        with pytest.raises(ValueError, match=r"sample_weight must fit .* got shape \(6, 3\)"):
            ours.update_state(y_true, y_pred, generator.random(weight_shape))
        return
    weight = generator.random(weight_shape).astype("float32")
    ours.update_state(y_true, y_pred, weight)
    theirs.update_state(y_true, y_pred, weight)
    np.testing.assert_allclose(ours.result(), float(theirs.result()), rtol=1e-5)


@pytest.mark.parametrize(("name", "arguments", "labels", "columns"), CASES)
def test_reset_forgets_everything(name, arguments, labels, columns):
    generator = np.random.default_rng(1)
    metric, fresh = getattr(metrics, name)(**arguments), getattr(metrics, name)(**arguments)
    batches = [(labels(generator, 8, 4), scores_of(generator, (8, columns or 4), False)) for _ in range(2)]
    metric.update_state(*batches[0])
    metric.reset_state()
    metric.update_state(*batches[1])
    fresh.update_state(*batches[1])
    np.testing.assert_array_equal(metric.result(), fresh.result())


@pytest.mark.parametrize(("name", "arguments", "labels", "columns"), CASES)
def test_names_and_configs_are_those_of_keras(name, arguments, labels, columns):
    theirs = getattr(keras.metrics, name)(**arguments)
    ours = metrics.get(keras.metrics.serialize(theirs))
    assert type(ours).__name__ == name
    assert ours.name == theirs.name
    # Keras numbers some default names: auc, auc_1, ...
    assert theirs.name.startswith(getattr(metrics, name)(**arguments).name)
    copy = metrics.get(metrics.serialize(ours))
    assert copy.get_config() == ours.get_config()
    assert ours.direction == theirs._direction


@pytest.mark.parametrize("weighted", [False, True])
def test_mean(weighted):
    ours, theirs = Mean(), keras.metrics.Mean()
    generator = np.random.default_rng(2)
    for shape in ((4,), (3, 2), (2, 3, 2)):
        values = generator.random(shape).astype("float32")
        weight = generator.random(shape[0]).astype("float32") if weighted else None
        ours.update_state(values, sample_weight=weight)
        theirs.update_state(values, sample_weight=weight)
    assert ours.result() == pytest.approx(float(theirs.result()), rel=1e-6)


def test_mean_of_batch_losses():
    mean = Mean("loss")
    assert mean.result() == 0
    mean.update_state(1.0, sample_weight=32)
    mean.update_state(4.0, sample_weight=16)
    assert mean.result() == pytest.approx(2.0)


def test_errors_of_a_vector_count_each_sample():
    metric = MeanSquaredError()
    metric.update_state([1, 2, 3], [1, 2, 6], sample_weight=[1, 1, 2])
    assert metric.result() == pytest.approx(18 / 4)
    metric.update_state(np.array([0], np.uint8), np.array([1], np.uint8))
    assert metric.result() == pytest.approx(19 / 5)


def test_a_tie_at_the_kth_place_counts_and_a_score_that_is_not_finite_does_not():
    from tensorflow import math as tf_math

    scores = np.array([[1, 1, 1, 0], [1, 2, 3, 1], [np.nan, 1, 2, 3], [1, 2, np.inf, 3], [1, 2, 3, 4]], "float32")
    labels = np.array([2, 3, 3, 3, 9])
    for k in (1, 2, 3):
        metric = metrics.SparseTopKCategoricalAccuracy(k)
        metric.update_state(labels, scores)
        expected = np.asarray(tf_math.in_top_k(labels, scores, k))
        assert metric.result() == pytest.approx(expected.mean())


def test_by_hand():
    metric = BinaryAccuracy()
    metric.update_state([1, 0, 1, 1], [[0.6], [0.5], [0.2], [0.9]])
    assert metric.result() == 0.75
    precision, recall = Precision(), metrics.Recall()
    for metric in (precision, recall):
        metric.update_state([1, 1, 1, 0, 0], [0.9, 0.8, 0.1, 0.7, 0.2])
    assert precision.result() == pytest.approx(2 / 3)
    assert recall.result() == pytest.approx(2 / 3)
    f1 = F1Score("macro", threshold=0.5)
    f1.update_state([[1], [1], [1], [0], [0]], [[0.9], [0.8], [0.1], [0.7], [0.2]])
    assert f1.result() == pytest.approx(2 / 3, abs=1e-6)
    auc = AUC()
    auc.update_state([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    assert auc.result() == pytest.approx(0.75)


def test_auc_shows_nan_until_the_reset():
    metric = AUC()
    metric.update_state([0, 1], [0.2, np.nan])
    metric.update_state([0, 1], [0.2, 0.5])
    assert np.isnan(metric.result())
    metric.reset_state()
    metric.update_state([0, 1], [0.2, 0.5])
    assert metric.result() == pytest.approx(1)


@pytest.mark.parametrize(
    ("output_shape", "label_shape", "loss", "expected"),
    [
        ((None, 1), (None, 1), None, "BinaryAccuracy"),
        ((None, 1), 1, "binary_crossentropy", "BinaryAccuracy"),
        ((None, 7), (None,), None, "SparseCategoricalAccuracy"),
        ((None, 7), (None, 1), None, "SparseCategoricalAccuracy"),
        ((None, 7), 1, None, "SparseCategoricalAccuracy"),
        ((None, 7), (None, 7), None, "CategoricalAccuracy"),
        ((None, 7), 2, None, "CategoricalAccuracy"),
        ((None, 7), None, "sparse_categorical_crossentropy", "SparseCategoricalAccuracy"),
        ((None, 7), None, "SparseCategoricalCrossentropy", "SparseCategoricalAccuracy"),
        ((None, 7), None, "categorical_crossentropy", "CategoricalAccuracy"),
    ],
)
@pytest.mark.parametrize("identifier", ["accuracy", "acc"])
def test_accuracy_is_resolved_by_shape(identifier, output_shape, label_shape, loss, expected):
    metric = metrics.resolve(identifier, output_shape, label_shape, loss)
    assert type(metric).__name__ == expected
    assert metric.name == identifier


def test_other_strings_keep_their_name():
    for name in ("mse", "mae", "precision", "recall", "auc", "f1_score", "top_k_categorical_accuracy"):
        assert metrics.resolve(name, (None, 3), (None, 3)).name == name
    metric = Precision(name="mine")
    assert metrics.resolve(metric, (None, 3), (None, 3)) is metric


@pytest.mark.parametrize(
    ("name", "y_true", "y_pred"),
    [
        ("Accuracy", (3,), (4,)),
        ("BinaryAccuracy", (3, 2), (3, 1)),
        ("CategoricalAccuracy", (3,), (3, 4)),
        ("SparseCategoricalAccuracy", (3, 4), (3, 4)),
        ("TopKCategoricalAccuracy", (3, 5), (3, 4)),
        ("SparseTopKCategoricalAccuracy", (4,), (3, 4)),
        ("Precision", (3,), (3, 4)),
        ("AUC", (3, 1), (3, 4)),
        ("F1Score", (3,), (3,)),
        ("MeanSquaredError", (3, 2), (3, 4)),
    ],
)
def test_shapes_that_do_not_fit_are_refused(name, y_true, y_pred):
    with pytest.raises(ValueError, match="y_true"):
        getattr(metrics, name)().update_state(np.zeros(y_true, int), np.zeros(y_pred))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: metrics.TopKCategoricalAccuracy(0), "k must be a positive int, got 0"),
        (lambda: Precision(1.5), "thresholds must be between 0 and 1, got 1.5"),
        (lambda: Precision(class_id=-1), "class_id must not be negative, got -1"),
        (lambda: Precision(class_id=4).update_state(np.zeros((2, 4)), np.zeros((2, 4))), "column for class_id 4"),
        (lambda: Precision(top_k=5).update_state(np.zeros((2, 4)), np.zeros((2, 4))), "top_k must not exceed"),
        (lambda: F1Score("mean"), "average must be .* got 'mean'"),
        (lambda: F1Score(threshold=0), "threshold must be above 0"),
        (lambda: AUC(curve="DET"), "curve must be"),
        (lambda: AUC(num_thresholds=1), "num_thresholds must be at least 2, got 1"),
        (lambda: AUC(multi_label=True), "one AUC per class"),
        (lambda: AUC().update_state([0, 1], [-3.0, 2.0]), "set from_logits=True"),
        (lambda: metrics.get("accurracy"), "metric must be one of accuracy, auc, .* got 'accurracy'"),
        (lambda: metrics.resolve(None, (None, 1)), "got None"),
        (lambda: Mean().update_state(np.zeros(3), sample_weight=np.zeros(4)), "sample_weight must fit"),
        (lambda: AUC().update_state([0, 1], [0.1, 0.2], sample_weight=[1, 2, 3]), "sample_weight must fit"),
    ],
)
def test_bad_use_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
