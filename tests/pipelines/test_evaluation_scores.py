"""The figures of an evaluation equal hand-computed cases, plain loops and scikit-learn's."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from said import predictions_from, random_predictions
from sklearn import metrics

from pipelines.errors import UserError
from pipelines.evaluation import Predictions, evaluate_predictions, evaluate_probabilities

SEEDS = st.integers(0, 10**6)


def test_figures_are_those_of_the_confusion_matrix() -> None:
    result = evaluate_predictions([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 1, 0], ("a", "b", "c"))
    np.testing.assert_array_equal(result.matrix, [[2, 1, 0], [0, 2, 0], [1, 0, 0]])
    assert (result.accuracy, result.error_rate) == pytest.approx((4 / 6, 2 / 6))
    a = result.per_class["a"]
    assert (a.precision, a.recall, a.f1, a.images) == (2 / 3, 2 / 3, pytest.approx(2 / 3), 3)
    assert result.macro == pytest.approx(((2 / 3 + 2 / 3 + 0) / 3, (2 / 3 + 1 + 0) / 3, (2 / 3 + 0.8 + 0) / 3))
    assert result.weighted.f1 == pytest.approx((3 * 2 / 3 + 2 * 0.8 + 1 * 0) / 6)
    assert result.macro_f1 == result.macro.f1
    # by chance they would agree on 3/6 * 3/6 + 2/6 * 3/6 + 1/6 * 0
    assert result.cohen_kappa == pytest.approx((4 / 6 - 15 / 36) / (1 - 15 / 36))


@settings(max_examples=20)
@given(SEEDS, st.integers(2, 6), st.integers(2, 40))
def test_figures_of_classes_equal_scikit_learns_report(seed: int, classes: int, images: int) -> None:
    said = random_predictions(seed, images, classes)
    result = evaluate_probabilities(said)
    present = np.unique(said.labels)
    report = metrics.classification_report(
        said.labels, said.predicted, labels=present, output_dict=True, zero_division=0
    )
    for label in present:
        figures = result.per_class[said.class_names[label]]
        assert (figures.precision, figures.recall, figures.f1) == pytest.approx(
            tuple(report[str(label)][name] for name in ("precision", "recall", "f1-score"))
        )
    for name, average in (("macro avg", result.macro), ("weighted avg", result.weighted)):
        assert average == pytest.approx(tuple(report[name][key] for key in ("precision", "recall", "f1-score")))


def test_balanced_accuracy_is_scikit_learns() -> None:
    said = random_predictions(3)
    wanted = metrics.balanced_accuracy_score(said.labels, said.predicted)
    assert evaluate_probabilities(said).balanced_accuracy == pytest.approx(wanted)


def test_probabilities_are_judged_as_by_hand() -> None:
    result = evaluate_probabilities(
        predictions_from([(0, [0.7, 0.2, 0.1]), (2, [0.5, 0.4, 0.1]), (1, [0.4, 0.35, 0.25])])
    )
    assert result.accuracy == pytest.approx(1 / 3)
    assert result.top2_accuracy == pytest.approx(2 / 3)
    assert result.log_loss == pytest.approx(-(math.log(0.7) + math.log(0.1) + math.log(0.35)) / 3)
    squares = (0.09 + 0.04 + 0.01) + (0.25 + 0.16 + 0.81) + (0.16 + 0.4225 + 0.0625)
    assert result.brier_score == pytest.approx(squares / 3)


def test_two_classes_have_no_top_2_accuracy() -> None:
    result = evaluate_probabilities(random_predictions(0, classes=2))
    assert result.top2_accuracy is None
    assert result.log_loss is not None


@settings(max_examples=20)
@given(SEEDS)
def test_the_area_under_roc_is_how_often_the_class_ranks_above_the_others(seed: int) -> None:
    said = random_predictions(seed, images=25, classes=3)
    result = evaluate_probabilities(said)
    areas = []
    for label, name in enumerate(said.class_names):
        inside = said.probabilities[said.labels == label, label]
        outside = said.probabilities[said.labels != label, label]
        if not len(inside) or not len(outside):
            assert result.per_class[name].roc_auc is None
            continue
        above = [float(i > o) + 0.5 * float(i == o) for i in inside for o in outside]
        areas.append(sum(above) / len(above))
        assert result.per_class[name].roc_auc == pytest.approx(areas[-1])
    assert result.macro_roc_auc == pytest.approx(np.mean(areas))


def test_the_macro_area_is_scikit_learns() -> None:
    said = random_predictions(5)
    shares = said.probabilities / said.probabilities.sum(axis=1, keepdims=True)
    wanted = metrics.roc_auc_score(said.labels, shares, multi_class="ovr", average="macro")
    assert evaluate_probabilities(said).macro_roc_auc == pytest.approx(wanted)


def test_average_precision_is_as_by_hand() -> None:
    # a ranks: right, wrong, right, wrong
    rows = [(0, [0.9, 0.1]), (1, [0.8, 0.2]), (0, [0.7, 0.3]), (1, [0.1, 0.9])]
    result = evaluate_probabilities(predictions_from(rows))
    assert result.per_class["a"].average_precision == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert result.per_class["b"].average_precision == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert result.macro_average_precision == pytest.approx(5 / 6)


def test_of_classes_without_images_nothing_is_said_and_averages_leave_them_out() -> None:
    result = evaluate_predictions([0, 1], [0, 1], ("a", "b", "c"))
    assert (result.macro_f1, result.balanced_accuracy) == (1.0, 1.0)
    assert result.absent == ("c",)
    c = result.per_class["c"]
    assert (c.precision, c.recall, c.f1, c.images) == (None, None, None, 0)
    said = random_predictions(1, absent=(2,))
    with_names = evaluate_probabilities(said)
    assert with_names.absent == ("class 2",)
    assert with_names.per_class["class 2"].roc_auc is None
    present = [0, 1, 3]
    assert with_names.macro_f1 == pytest.approx(
        metrics.f1_score(said.labels, said.predicted, labels=present, average="macro")
    )


@pytest.mark.parametrize("wrong", [False, True])
def test_images_of_one_class_leave_no_number_undefined_in_json(wrong: bool) -> None:
    row = [0.2, 0.5, 0.3] if wrong else [0.5, 0.2, 0.3]
    result = evaluate_probabilities(predictions_from([(0, row)] * 4))
    written = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert written["accuracy"] == (0.0 if wrong else 1.0)
    assert written["absent_classes"] == ["b", "c"]
    assert written["per_class"]["b"] == {
        "precision": None, "recall": None, "f1": None, "images": 0, "roc_auc": None, "average_precision": None,
    }  # fmt: skip
    assert written["macro_roc_auc"] is None
    assert written["cohen_kappa"] == (0.0 if wrong else None)
    assert written["intervals"]["cohen_kappa"] == ([0.0, 0.0] if wrong else None)
    assert written["intervals"]["accuracy"] == [written["accuracy"]] * 2


def test_numbers_that_are_no_probabilities_still_rank_the_classes() -> None:
    said = random_predictions(2)
    logits = Predictions(said.names, said.labels, np.log(said.probabilities) + 5, said.class_names)
    ours, theirs = evaluate_probabilities(logits), evaluate_probabilities(said)
    assert (ours.log_loss, ours.brier_score, ours.ece) == (None, None, None)
    np.testing.assert_array_equal(ours.matrix, theirs.matrix)
    assert ours.top2_accuracy == theirs.top2_accuracy
    assert theirs.log_loss is not None


def test_predictions_that_are_not_finite_are_refused_by_name() -> None:
    with pytest.raises(UserError, match=r"says \[nan, 1.0\] of b/1.png.* 2 images in all: its training has diverged"):
        predictions_from([(0, [0.5, 0.5]), (1, [math.nan, 1.0]), (1, [math.inf, 0.0])])
    with pytest.raises(UserError, match="no predictions"):
        Predictions((), np.zeros(0, np.int64), np.zeros((0, 2)), ("a", "b"))
    with pytest.raises(ValueError, match=r"must have the shapes \(1,\) and \(1, 2\)"):
        Predictions(("x",), np.zeros(1, np.int64), np.zeros((1, 3)), ("a", "b"))


def test_the_majority_class_baseline_is_what_always_answering_the_largest_class_would_score() -> None:
    written = evaluate_predictions([0, 1, 1, 1, 2, 2], [0, 0, 0, 0, 0, 0], ("a", "b", "c")).to_json()
    assert (written["majority_class"], written["majority_baseline"]) == ("b", 0.5)


def test_everything_is_in_the_json() -> None:
    written = evaluate_probabilities(replace(random_predictions(4), groups=np.arange(60) // 4)).to_json()
    assert {
        "images", "accuracy", "majority_class", "majority_baseline", "error_rate", "balanced_accuracy", "macro_f1",
        "macro", "weighted", "cohen_kappa",
        "top2_accuracy", "macro_roc_auc", "macro_average_precision", "log_loss", "brier_score", "ece", "intervals",
        "interval_groups", "per_class", "absent_classes", "confusion_matrix", "worst_confusions",
    } == set(written)  # fmt: skip
    assert all(value is not None for value in written.values())
    assert json.loads(json.dumps(written, allow_nan=False)) == written


def test_the_worst_confusions_are_the_most_frequent_in_words() -> None:
    labels = [0] * 1000 + [1] * 200 + [2] * 200
    predicted = [0] * 870 + [1] * 123 + [2] * 7 + [1] * 196 + [0] * 4 + [2] * 193 + [0] * 7
    result = evaluate_predictions(labels, predicted, ("fear", "sad", "happy"))
    assert [str(confusion) for confusion in result.worst_confusions] == [
        "fear taken for sad: 123 of 1,000, 12%",
        "happy taken for fear: 7 of 200, 4%",  # the larger share of two with 7
        "fear taken for happy: 7 of 1,000, 1%",
    ]
    assert result.to_json()["worst_confusions"][0] == {
        "true": "fear", "predicted": "sad", "count": 123, "images": 1000,
        "words": "fear taken for sad: 123 of 1,000, 12%",
    }  # fmt: skip
    rare = evaluate_predictions([0] * 500, [0] * 499 + [1], ("a", "b"))
    assert [str(confusion) for confusion in rare.worst_confusions] == ["a taken for b: 1 of 500, under 1%"]
    assert evaluate_predictions([0, 1], [0, 1], ("a", "b")).worst_confusions == []
