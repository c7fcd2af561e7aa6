"""The benchmark of features times the same computation on both sides."""

import numpy as np
import pytest

from pipelines.bench.features import BATCH, CASES, SHAPE, Case, draw_images, feature_calls
from pipelines.bench.results import TARGETS
from pipelines.bench.timing import Pace

QUICK = Pace(rounds=1, budget=0.0, most=1, lead=0, pause=0.0)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_ours_and_keras_get_the_same_images_and_give_the_same_features(case: Case) -> None:
    assert draw_images(case).dtype == case.dtype
    assert draw_images(case).shape == (BATCH, *SHAPE)
    calls, variants = feature_calls(case, with_keras=True, pace=QUICK)
    assert variants["keras"] in {"tf.function", "predict_on_batch"}
    ours, theirs = np.asarray(calls["scratchnet"]()), np.asarray(calls["keras"]())
    assert ours.shape == (BATCH, 128)
    np.testing.assert_allclose(theirs, ours, atol=1e-4 * np.abs(ours).max())


def test_without_keras_ours_is_timed_alone() -> None:
    calls, variants = feature_calls(CASES[0], with_keras=False, pace=QUICK)
    assert list(calls) == ["scratchnet"]
    assert not variants


def test_every_case_has_its_target() -> None:
    assert all(("features", case.name) in TARGETS for case in CASES)
