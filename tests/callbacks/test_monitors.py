"""Callbacks that watch a figure decide as Keras's do."""

import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from fake_model import FakeModel, fit, losses, run_both

from scratchnet.callbacks import (
    CallbackList,
    EarlyStopping,
    ModelCheckpoint,
    ReduceLROnPlateau,
)

SEQUENCES = [
    losses(5, 4, 3, 2, 1),
    losses(1, 2, 3, 4, 5, 6),
    losses(5, 4, 4.5, 3.95, 3.9, 4, 4, 4, 3, 5, 5, 5, 5, 5),
    losses(3, 3, 3, 3, 3, 3, 3, 3),
    losses(math.nan, 3, 2, 1, 2, 3, 4),
    losses(2, 1, math.nan, math.nan, math.nan, 0.5, 0.25),
]


STOPPING = [
    {},
    {"patience": 1},
    {"patience": 3, "restore_best_weights": True},
    {"patience": 2, "min_delta": 0.25, "restore_best_weights": True},
    {"patience": 2, "baseline": 3.5, "restore_best_weights": True},
    {"patience": 2, "baseline": 0.0, "restore_best_weights": True},
    {"patience": 1, "start_from_epoch": 3, "restore_best_weights": True},
    {"patience": 2, "mode": "max", "monitor": "val_score", "min_delta": -0.25, "restore_best_weights": True},
    {"patience": 2, "mode": "min", "monitor": "val_score"},
]


@pytest.mark.parametrize("logs", SEQUENCES)
@pytest.mark.parametrize("arguments", STOPPING)
def test_early_stopping_decides_as_keras(arguments, logs):
    ours, theirs = run_both("EarlyStopping", arguments, logs)
    assert len(ours.rates) == len(theirs.rates)
    assert ours.callback.stopped_epoch == theirs.callback.stopped_epoch
    assert ours.callback.best_epoch == theirs.callback.best_epoch
    assert ours.callback.best == pytest.approx(theirs.callback.best, nan_ok=True)
    np.testing.assert_array_equal(ours.model.weights[0], theirs.model.weights[0])


def test_early_stopping_keeps_copies_of_weights_that_change_in_place():
    model = FakeModel()
    callback = EarlyStopping("loss", patience=2, restore_best_weights=True)
    callback.set_model(model)
    for epoch, loss in enumerate((3, 1, 2, 2)):
        model.weights[0][...] = epoch
        callback.on_epoch_end(epoch, {"loss": loss})
    callback.on_train_end()
    assert model.stop_training
    assert model.weights[0][0] == 1


@pytest.mark.parametrize("logs", SEQUENCES)
@pytest.mark.parametrize(
    "arguments",
    [
        {"patience": 1},
        {"patience": 2, "factor": 0.5},
        {"patience": 1, "cooldown": 2, "factor": 0.5},
        {"patience": 0, "min_lr": 0.05},
        {"patience": 1, "min_delta": 0.5},
        {"patience": 1, "mode": "max", "monitor": "val_score"},
    ],
)
def test_reduce_lr_on_plateau_decides_as_keras(arguments, logs):
    ours, theirs = run_both("ReduceLROnPlateau", arguments, logs)
    np.testing.assert_allclose(ours.rates, theirs.rates, rtol=1e-6)
    assert ours.model.optimizer.learning_rate == pytest.approx(theirs.model.optimizer.learning_rate)


@pytest.mark.parametrize("logs", [logs for logs in SEQUENCES if not math.isnan(logs[0]["val_loss"])])
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"save_best_only": True},
        {"save_best_only": True, "initial_value_threshold": 2.5},
        {"save_best_only": True, "mode": "max", "monitor": "val_score"},
        {"save_freq": 3},
    ],
)
@pytest.mark.parametrize("weights_only", [False, True])
def test_model_checkpoint_saves_as_keras(arguments, logs, weights_only, tmp_path):
    pattern = "deep/{epoch:02d}-{val_loss:.2f}" + (".weights.h5" if weights_only else ".keras")
    arguments = {**arguments, "save_weights_only": weights_only, "filepath": str(tmp_path / pattern)}
    if "save_freq" in arguments:
        arguments["filepath"] = arguments["filepath"].replace("{val", "{batch}-{val")
    ours, theirs = run_both("ModelCheckpoint", arguments, logs)
    assert ours.model.saved == theirs.model.saved
    assert (tmp_path / "deep").is_dir() == bool(ours.model.saved)


def test_a_model_that_diverged_in_the_first_epoch_is_not_the_best(tmp_path):
    # Keras keeps it, and then nothing after it, because no number is smaller than NaN
    arguments = {"filepath": str(tmp_path / "{epoch}.keras"), "save_best_only": True}
    ours, theirs = run_both("ModelCheckpoint", arguments, losses(math.nan, 3, 2, 4))
    assert [Path(path).stem for _, path in ours.model.saved] == ["2", "3"]
    assert [Path(path).stem for _, path in theirs.model.saved] == ["1"]


@pytest.mark.parametrize("callback", [EarlyStopping("val_f1"), ReduceLROnPlateau("val_f1")])
def test_a_missing_metric_warns_once_with_the_available_ones(callback):
    with pytest.warns(UserWarning, match="'val_f1', which is not available; available are: loss") as caught:
        fit(FakeModel(), CallbackList([callback]), [{"loss": 1.0}] * 3)
    assert len(caught) == 1


def test_best_only_works_between_epochs(tmp_path):
    model = FakeModel()
    checkpoint = ModelCheckpoint(tmp_path / "{epoch}.keras", "loss", save_best_only=True, save_freq=2)
    fit(model, CallbackList([checkpoint]), [{"loss": 3.0}, {"loss": 4.0}, {"loss": 2.0}])
    assert [Path(path).name for _, path in model.saved] == ["1.keras", "3.keras"]


def test_best_only_saves_without_the_metric(tmp_path):
    model = FakeModel()
    with pytest.warns(UserWarning, match="not available"):
        fit(model, CallbackList([ModelCheckpoint(tmp_path / "m.keras", save_best_only=True)]), [{"loss": 1.0}])
    assert len(model.saved) == 1


@pytest.mark.parametrize(
    ("monitor", "better", "worse"),
    [("val_accuracy", 2, 1), ("val_auc", 2, 1), ("f1_score", 2, 1), ("val_loss", 1, 2), ("mean_squared_error", 1, 2)],
)
def test_auto_mode_tells_from_the_name(monitor, better, worse):
    callback = EarlyStopping(monitor)
    callback.set_model(FakeModel())
    assert callback.is_improvement(better, worse)
    assert not callback.is_improvement(worse, better)


def test_auto_mode_asks_the_models_metrics_first():
    callback = EarlyStopping("val_mine")
    model = FakeModel()
    callback.set_model(model)
    with pytest.raises(ValueError, match="monitor='val_mine'"):
        callback.is_improvement(1, 2)
    model.metrics = [SimpleNamespace(name="mine", direction="up")]
    assert callback.is_improvement(2, 1)
