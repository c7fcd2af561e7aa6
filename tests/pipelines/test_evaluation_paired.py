"""Two models on the same images: what is counted, how sure the difference is, and what cannot be compared."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from pipelines.evaluation import Predictions
from pipelines.evaluation.paired import compare_paired


def said(right: np.ndarray, groups: np.ndarray | None = None) -> Predictions:
    """A model of two classes that is right where it is said to be."""
    labels = np.arange(len(right)) % 2
    predicted = np.where(right, labels, 1 - labels)
    probabilities = np.eye(2)[predicted]
    return Predictions(tuple(f"{n}.png" for n in range(len(right))), labels, probabilities, ("a", "b"), groups)


def test_images_that_one_alone_gets_right_decide() -> None:
    right = np.zeros((2, 100), bool)
    right[:, :60] = True
    right[0, 60:65], right[1, 65:80] = True, True
    found = compare_paired(said(right[0]), said(right[1]))
    assert found is not None
    assert (found.images, found.first_only, found.second_only, found.groups) == (100, 5, 15, None)
    assert found.difference == pytest.approx(0.1)
    assert found.p_value == pytest.approx(2 * stats.binom.cdf(5, 20, 0.5))
    # the standard error of a mean of differences
    error = np.std(right[1].astype(int) - right[0]) / 10
    assert found.interval == pytest.approx((0.1 - 1.96 * error, 0.1 + 1.96 * error), abs=0.015)
    back = compare_paired(said(right[1]), said(right[0]))
    assert back is not None
    assert (back.first_only, back.second_only, back.p_value) == (15, 5, found.p_value)


def test_models_that_never_differ_are_as_good() -> None:
    right = np.arange(20) % 3 > 0
    found = compare_paired(said(right), said(right))
    assert found is not None
    assert (found.difference, found.interval, found.p_value) == (0, (0, 0), 1)


def test_frames_of_one_scene_count_once() -> None:
    right = np.zeros((2, 60), bool)
    right[1, :40] = True  # all frames of four scenes of ten, and of none of the other two
    scenes = np.arange(60) // 10
    alone, grouped = (compare_paired(said(right[0], groups), said(right[1], groups)) for groups in (None, scenes))
    assert alone is not None
    assert grouped is not None
    assert alone.p_value < 1e-6
    assert grouped.p_value == pytest.approx(2 * 0.5**4)
    assert grouped.groups == 6
    assert grouped.interval[1] - grouped.interval[0] > 2 * (alone.interval[1] - alone.interval[0])


def test_the_order_of_images_makes_no_difference_and_others_are_not_compared() -> None:
    rng = np.random.default_rng(0)
    first, second = said(rng.random(50) < 0.7), said(rng.random(50) < 0.5)
    order = rng.permutation(50)
    shuffled = Predictions(
        tuple(second.names[i] for i in order), second.labels[order], second.probabilities[order], ("a", "b")
    )
    assert compare_paired(first, shuffled) == compare_paired(first, second)
    assert compare_paired(first, replace(second, names=("x", *second.names[1:]))) is None
    assert compare_paired(first, replace(second, labels=1 - second.labels)) is None
    assert compare_paired(first, said(np.ones(49, bool))) is None
    assert compare_paired(said(np.ones(49, bool)), second) is None
