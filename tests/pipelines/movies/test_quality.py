"""Each measure moves with what it measures and with nothing else; each threshold has its own reason."""

from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipelines.errors import UserError
from pipelines.movies.detectors import Face
from pipelines.movies.drawn_film import DrawnFilm
from pipelines.movies.quality import REASONS, Measures, measure
from pipelines.movies.settings import Settings

FACE = Face(140, 90, 180, 180, 56.0, 1.0)
USUAL = Settings(min_score=50, min_face=60).thresholds((360, 640))
GOOD = Measures(score=56, size=100, inside=1.0, frontal=1.0, light=120, contrast=40, sharpness=12)


@pytest.fixture(scope="module")
def frame() -> NDArray[np.uint8]:
    return next(DrawnFilm().frames())


def test_blur_lowers_sharpness_step_by_step(frame: NDArray[np.uint8]) -> None:
    values = [measure(frame, FACE).sharpness]
    values += [measure(cv2.GaussianBlur(frame, (0, 0), sigma), FACE).sharpness for sigma in (1, 2, 4, 8)]
    assert all(sharper > softer * 1.1 for sharper, softer in pairwise(values))


def test_sharpness_hardly_depends_on_light_and_contrast(frame: NDArray[np.uint8]) -> None:
    dimmed = np.rint(frame * 0.5 + 20).astype(np.uint8)
    assert measure(dimmed, FACE).sharpness == pytest.approx(measure(frame, FACE).sharpness, rel=0.05)


def test_sharpness_hardly_depends_on_the_size_of_a_large_face(frame: NDArray[np.uint8]) -> None:
    large = cv2.resize(frame, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    face = Face(280, 180, 360, 360, 56.0, 1.0)
    assert measure(large, face).sharpness == pytest.approx(measure(frame, FACE).sharpness, rel=0.1)


def test_light_and_contrast_are_mean_and_deviation_of_the_face() -> None:
    frame = np.full((300, 400, 3), 90, np.uint8)
    frame[:, 230:] = 150
    face = Face(180, 100, 100, 100, 56.0, 1.0)  # half of it is brighter
    assert measure(frame, face).light == pytest.approx(120, abs=2)
    assert measure(frame, face).contrast == pytest.approx(30, abs=2)
    assert measure(np.full((300, 400, 3), 77, np.uint8), face).light == pytest.approx(77)
    assert measure(np.full((300, 400, 3), 77, np.uint8), face).sharpness == 0


def test_a_box_beyond_the_edge_is_measured_as_far_as_it_is_shown(frame: NDArray[np.uint8]) -> None:
    for face in (Face(-50, -50, 90, 90, 1, 1), Face(600, 330, 90, 90, 1, 1), Face(700, 500, 20, 20, 1, 1)):
        assert np.isfinite(measure(frame, face).sharpness)


@pytest.mark.parametrize(
    ("reason", "change"),
    [
        ("score", {"score": 1.0}),
        ("size", {"size": 59}),
        ("off-centre", {"inside": 0.89}),
        ("turned", {"frontal": 0.34}),
        ("dark", {"light": 29.0}),
        ("bright", {"light": 226.0}),
        ("flat", {"contrast": 11.0}),
        ("blurred", {"sharpness": 3.9}),
        (None, {}),
    ],
)
def test_each_threshold_refuses_for_its_own_reason(reason: str | None, change: dict[str, float]) -> None:
    assert USUAL.refuse(replace(GOOD, **change)) == reason


def test_every_reason_can_occur_and_the_first_one_counts() -> None:
    worst = Measures(score=0, size=1, inside=0, frontal=0, light=0, contrast=0, sharpness=0)
    thresholds = USUAL
    assert thresholds.refuse(worst) == REASONS[0]
    assert thresholds.refuse(replace(worst, score=56, size=100)) == "off-centre"


@pytest.mark.parametrize(
    "change", [{"inside": 1.1}, {"frontal": -0.1}, {"dark": 300}, {"size": -1}, {"sharpness": float("nan")},
               {"dark": 100, "bright": 90}, {"score": float("inf")}],
)  # fmt: skip
def test_thresholds_out_of_range_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(UserError):
        replace(USUAL, **change)
