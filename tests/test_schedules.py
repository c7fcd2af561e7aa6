import os
import warnings

import pytest

from scratchnet import schedules
from scratchnet.schedules import CosineDecay, ExponentialDecay, PiecewiseConstantDecay

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # TensorFlow's own imports warn
    keras = pytest.importorskip("keras")

CASES = [
    ("CosineDecay", {"initial_learning_rate": 0.1, "decay_steps": 20}),
    ("CosineDecay", {"initial_learning_rate": 0.1, "decay_steps": 20, "alpha": 0.2}),
    ("CosineDecay", {"initial_learning_rate": 0.0, "decay_steps": 13, "warmup_target": 0.3, "warmup_steps": 7}),
    ("CosineDecay", {"initial_learning_rate": 0.1, "decay_steps": 9, "warmup_target": 0.3, "warmup_steps": 0}),
    ("CosineDecay", {"initial_learning_rate": 0.1, "decay_steps": 9, "warmup_steps": 5}),
    ("ExponentialDecay", {"initial_learning_rate": 0.1, "decay_steps": 7, "decay_rate": 0.9}),
    ("ExponentialDecay", {"initial_learning_rate": 0.1, "decay_steps": 7, "decay_rate": 0.5, "staircase": True}),
    ("PiecewiseConstantDecay", {"boundaries": [3, 10, 11], "values": [1.0, 0.5, 0.25, 0.1]}),
    ("PiecewiseConstantDecay", {"boundaries": [5], "values": [1.0, 2.0]}),
]


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_each_step_has_the_rate_of_keras(name, arguments):
    ours = getattr(schedules, name)(**arguments)
    theirs = getattr(keras.optimizers.schedules, name)(**arguments)
    for step in range(45):
        assert ours(step) == pytest.approx(float(theirs(step)), rel=1e-5, abs=1e-8), step


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_config_round_trip_with_keras(name, arguments):
    theirs = keras.optimizers.schedules.serialize(getattr(keras.optimizers.schedules, name)(**arguments))
    ours = schedules.get(theirs)
    assert schedules.serialize(ours) == {"class_name": name, "config": theirs["config"]}


def test_by_hand():
    assert CosineDecay(2.0, 10)(5) == pytest.approx(1.0)
    assert CosineDecay(2.0, 10, alpha=0.1)(99) == pytest.approx(0.2)
    assert CosineDecay(0.0, 10, warmup_target=1.0, warmup_steps=4)(1) == pytest.approx(0.25)
    assert ExponentialDecay(1.0, 4, 0.5, staircase=True)(7) == 0.5
    assert [PiecewiseConstantDecay([2], [1, 0.1])(step) for step in (2, 3)] == [1.0, 0.1]


def test_the_result_is_a_plain_float():
    for schedule in (CosineDecay(1, 3), ExponentialDecay(1, 3, 1), PiecewiseConstantDecay([1], [1, 2])):
        assert type(schedule(1)) is float


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CosineDecay(0.1, 0), "decay_steps must be positive, got 0"),
        (lambda: CosineDecay(0.1, 3, warmup_steps=-1), "warmup_steps must not be negative, got -1"),
        (lambda: ExponentialDecay(0.1, -2, 0.5), "decay_steps must be positive, got -2"),
        (lambda: PiecewiseConstantDecay([1, 2], [0.1, 0.2]), "got 2 values and 2 boundaries"),
        (lambda: PiecewiseConstantDecay([2, 2], [1, 2, 3]), r"boundaries must increase, got \[2, 2\]"),
        (lambda: schedules.get({"class_name": "InverseTimeDecay", "config": {}}), "schedule must be one of"),
    ],
)
def test_bad_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
