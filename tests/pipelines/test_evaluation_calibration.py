"""Calibration: probabilities in bins, and the expected calibration error."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from said import predictions_from, random_predictions

from pipelines.evaluation import evaluate_probabilities
from pipelines.evaluation.calibration import reliability


def test_the_expected_calibration_error_is_as_by_hand() -> None:
    rows = [
        (0, [0.95, 0.05]),  # the bin above 14/15: sure by 0.96 in the mean, right in one of two
        (1, [0.97, 0.03]),
        (1, [0.38, 0.62]),  # the bin above 9/15: 0.62, right
        (0, [0.7, 0.3]),  # the bin above 10/15: 0.71, right in one of two
        (0, [0.28, 0.72]),
    ]
    wanted = 2 / 5 * abs(0.5 - 0.96) + 1 / 5 * abs(1 - 0.62) + 2 / 5 * abs(0.5 - 0.71)
    assert evaluate_probabilities(predictions_from(rows)).ece == pytest.approx(wanted)


@given(st.integers(0, 10**6), st.integers(1, 20))
def test_bins_are_half_open_as_plain_loops_have_them(seed: int, bins: int) -> None:
    said = random_predictions(seed, images=50, classes=3)
    found = reliability(said, bins)
    assert found is not None
    error = 0.0
    for bin_ in range(bins):
        inside = [
            (max(row), label == int(np.argmax(row)))
            for label, row in zip(said.labels, said.probabilities, strict=True)
            if bin_ / bins < max(row) <= (bin_ + 1) / bins
        ]
        assert found.counts[bin_] == len(inside)
        if inside:
            confidence, accuracy = np.mean(np.array(inside, float), axis=0)
            assert (found.confidence[bin_], found.accuracy[bin_]) == pytest.approx((confidence, accuracy))
            error += len(inside) / 50 * abs(accuracy - confidence)
    assert found.ece == pytest.approx(error)


def test_probabilities_on_an_edge_belong_to_the_bin_below_and_one_to_the_last() -> None:
    found = reliability(predictions_from([(0, [0.5, 0.5]), (0, [0.75, 0.25]), (0, [1.0, 0.0])]), bins=4)
    assert found is not None
    assert found.counts.tolist() == [0, 1, 1, 1]
    assert np.isnan(found.confidence[0])
    assert np.isnan(found.accuracy[0])


def test_rounding_above_one_stays_in_the_last_bin() -> None:
    found = reliability(predictions_from([(0, [1.0000001, 0.0])]))
    assert found is not None
    assert found.counts[-1] == 1
    assert found.ece == pytest.approx(0, abs=1e-6)
