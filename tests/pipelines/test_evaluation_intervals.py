"""The bootstrap: what each resample measures, and how wide the intervals are."""

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from pipelines.evaluation.intervals import bootstrap_intervals

MATRIX = np.array([[30, 5, 5, 0], [10, 8, 2, 0], [3, 1, 11, 0], [0, 0, 0, 0]])  # the last class has no images


def test_each_resample_is_measured_as_scikit_learn_does() -> None:
    rows, columns = np.nonzero(MATRIX)
    for seed in range(20):
        found = bootstrap_intervals(MATRIX, seed, resamples=1)
        drawn = np.random.default_rng(seed).multinomial(75, MATRIX[rows, columns] / 75, 1)[0]
        labels, predicted = np.repeat(rows, drawn), np.repeat(columns, drawn)
        present = np.unique(labels)
        for name, wanted in (
            ("accuracy", metrics.accuracy_score(labels, predicted)),
            ("macro_f1", metrics.f1_score(labels, predicted, labels=present, average="macro", zero_division=0)),
            ("balanced_accuracy", metrics.balanced_accuracy_score(labels, predicted)),
            ("cohen_kappa", metrics.cohen_kappa_score(labels, predicted)),
        ):
            assert found[name] == pytest.approx((wanted, wanted)), name


def test_classes_that_a_resample_lacks_count_in_no_average() -> None:
    rare = np.array([[20, 0], [1, 0]])  # the one image of the second class is missing from a third of the resamples
    found = bootstrap_intervals(rare, resamples=2000)
    assert found["balanced_accuracy"] == (0.5, 1.0)
    assert found["macro_f1"] is not None
    assert found["macro_f1"][1] == 1.0


def test_the_interval_of_the_accuracy_is_the_binomials() -> None:
    found = bootstrap_intervals(MATRIX, resamples=20_000)["accuracy"]
    right = 49 / 75
    wanted = [end / 75 for end in stats.binom.interval(0.95, 75, right)]
    assert found == pytest.approx(wanted, abs=1.01 / 75)
    narrow = bootstrap_intervals(100 * MATRIX)["accuracy"]
    assert narrow is not None
    assert found is not None
    assert narrow[1] - narrow[0] == pytest.approx((found[1] - found[0]) / 10, rel=0.15)


def test_the_same_seed_gives_the_same_intervals_and_another_does_not() -> None:
    assert bootstrap_intervals(MATRIX, 3) == bootstrap_intervals(MATRIX, 3)
    assert bootstrap_intervals(MATRIX, 3)["macro_f1"] != bootstrap_intervals(MATRIX, 4)["macro_f1"]


def test_groups_are_drawn_whole() -> None:
    # each scene has one answer: 40 scenes of 10 frames tell as much as 40 images
    scenes = np.zeros((40, 2, 2), np.int64)
    scenes[np.arange(40), np.arange(40) % 2, np.arange(40) % 3 % 2] = 10
    frames = scenes.sum(axis=0)
    assert bootstrap_intervals(scenes) == bootstrap_intervals(scenes // 10), "frames that all agree add nothing"
    wide, narrow = (bootstrap_intervals(one)["accuracy"] for one in (scenes, frames))
    assert wide is not None
    assert narrow is not None
    assert wide[1] - wide[0] == pytest.approx(10**0.5 * (narrow[1] - narrow[0]), rel=0.15)


def test_images_that_are_groups_of_their_own_are_drawn_as_images() -> None:
    single = np.zeros((75, 4, 4), np.int64)
    rows, columns = np.nonzero(MATRIX)
    single[np.arange(75), np.repeat(rows, MATRIX[rows, columns]), np.repeat(columns, MATRIX[rows, columns])] = 1
    whole, each = bootstrap_intervals(MATRIX, resamples=20_000), bootstrap_intervals(single, resamples=20_000)
    for name, ends in whole.items():
        assert each[name] == pytest.approx(ends, abs=0.02), name


def test_where_nothing_varies_the_interval_is_a_point_or_unknown() -> None:
    perfect = bootstrap_intervals(np.diag([10, 10]))
    assert perfect["accuracy"] == perfect["macro_f1"] == perfect["cohen_kappa"] == (1.0, 1.0)
    assert bootstrap_intervals(np.diag([10, 0]))["cohen_kappa"] is None
