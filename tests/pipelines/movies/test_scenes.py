"""Scenes end at cuts and frames are picked by scene and interval, with or without an interruption between."""

import numpy as np
import pytest
from numpy.typing import NDArray

from pipelines.movies.film import Frame
from pipelines.movies.scenes import Position, Sampler


def _film(colours: list[int], length: int, rate: float = 10.0) -> list[Frame]:
    """Scenes of one brightness each, with the same grain."""
    grain: NDArray[np.int64] = np.random.default_rng(0).integers(0, 8, (90, 160, 3))
    frames: list[Frame] = []
    for colour in colours:
        for _ in range(length):
            number = len(frames)
            frames.append(Frame(number, number / rate, (colour + grain).astype(np.uint8)))
    return frames


def _picked(sampler: Sampler, frames: list[Frame]) -> list[tuple[int, int]]:
    return [(frame.number, sampler.position.scene) for frame in frames if sampler.pick(frame)]


def test_the_first_frame_of_each_scene_is_picked_and_then_one_at_every_interval() -> None:
    picked = _picked(Sampler(0.5, 0, 27, 0.3), _film([20, 200, 90], 12))
    assert picked == [(0, 0), (5, 0), (10, 0), (12, 1), (17, 1), (22, 1), (24, 2), (29, 2), (34, 2)]


def test_an_interval_of_nothing_picks_every_frame() -> None:
    assert len(_picked(Sampler(0, 0, 27, 0.3), _film([20, 200], 7))) == 14


def test_a_limit_holds_for_each_scene() -> None:
    picked = _picked(Sampler(0.2, 2, 27, 0.3), _film([20, 200], 10))
    assert picked == [(0, 0), (2, 0), (10, 1), (12, 1)]


def test_a_flash_begins_no_scene_of_its_own_beside_the_one_it_may_be_taken_for() -> None:
    frames = _film([20], 30)
    frames[10] = Frame(10, 1.0, np.full((90, 160, 3), 250, np.uint8))
    sampler = Sampler(0.5, 0, 27, 0.5)
    scenes = []
    for frame in frames:
        sampler.pick(frame)
        scenes.append(sampler.position.scene)
    assert scenes == [0] * 10 + [1] * 20


def test_times_decide_and_not_frame_numbers() -> None:
    frames = [Frame(n, seconds, np.zeros((9, 16, 3), np.uint8)) for n, seconds in enumerate([0, 0.1, 0.2, 5, 5.1, 9])]
    assert [number for number, _ in _picked(Sampler(1.0, 0, 27, 0.5), frames)] == [0, 3, 5]


@pytest.mark.parametrize("at", [1, 5, 11, 12, 13, 29])
def test_an_interruption_changes_nothing(at: int) -> None:
    frames = _film([20, 200, 90], 12)
    whole = _picked(Sampler(0.3, 3, 27, 0.3), frames)
    first = Sampler(0.3, 3, 27, 0.3)
    picked = _picked(first, frames[:at])
    second = Sampler(0.3, 3, 27, 0.3, Position(**first.position.to_json()))
    second.see(frames[at - 1])
    assert picked + _picked(second, frames[at:]) == whole
