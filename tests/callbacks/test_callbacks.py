"""Callbacks do and say what Keras's do."""

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
from fake_model import FakeModel, fit, losses, run_both
from oracle import keras

from scratchnet import callbacks
from scratchnet.callbacks import (
    BackupAndRestore,
    Callback,
    CallbackList,
    CSVLogger,
    EarlyStopping,
    History,
    LambdaCallback,
    LearningRateScheduler,
    ModelCheckpoint,
    ReduceLROnPlateau,
    TerminateOnNaN,
)


@pytest.mark.parametrize("schedule", [lambda epoch: 1.0 / (epoch + 1), lambda epoch, rate: rate * 0.5])
def test_learning_rate_scheduler_sets_as_keras(schedule):
    ours, theirs = run_both("LearningRateScheduler", {"schedule": schedule}, losses(1, 1, 1))
    np.testing.assert_allclose(ours.rates, theirs.rates)
    assert ours.rates[2] == pytest.approx(schedule(2) if schedule.__code__.co_argcount == 1 else 0.125)


def test_learning_rate_scheduler_shows_errors_of_the_schedule():
    def broken(epoch, rate):
        raise TypeError("inside")

    with pytest.raises(TypeError, match="inside"):
        fit(FakeModel(), CallbackList([LearningRateScheduler(broken)]), losses(1))
    with pytest.raises(ValueError, match="schedule must return a float, got 1 for epoch 0"):
        fit(FakeModel(), CallbackList([LearningRateScheduler(lambda epoch: 1)]), losses(1))


@pytest.mark.parametrize("separator", [",", ";"])
@pytest.mark.parametrize("append", [False, True])
@pytest.mark.parametrize("logs", [losses(1, 2), [{"b": 1.5, "a": np.array([1.0, 2.0])}, {"b": 2.5}]])
def test_csv_logger_writes_as_keras(logs, append, separator, tmp_path):
    texts = []
    for module, container in ((callbacks, CallbackList), (keras.callbacks, keras.callbacks.CallbackList)):
        path = tmp_path / f"{module.__name__}.csv"
        for _ in range(2):
            fit(FakeModel(), container([module.CSVLogger(str(path), separator, append)]), logs)
        texts.append(path.read_bytes())
    assert texts[0] == texts[1]
    assert texts[0].count(b"\n") == (5 if append else 3)


def rows_of(path):
    with Path(path).open(newline="") as file:
        return [row[0] for row in csv.reader(file)]


def test_csv_rows_are_on_disk_after_each_epoch(tmp_path):
    path = tmp_path / "log" / "run.csv"
    seen = []
    watch = LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(rows_of(path)))
    fit(FakeModel(), CallbackList([CSVLogger(path), watch]), losses(1, 2))
    assert seen == [["epoch", "0"], ["epoch", "0", "1"]]


def test_csv_rows_of_repeated_epochs_are_dropped(tmp_path):
    path = tmp_path / "run.csv"
    fit(FakeModel(), CallbackList([CSVLogger(path)]), losses(1, 2, 3, 4))
    fit(FakeModel(), CallbackList([CSVLogger(path, append=True)]), losses(1, 2, 7), initial_epoch=2)
    assert rows_of(path) == ["epoch", "0", "1", "2"]
    assert path.read_text().splitlines()[-1] == "2,9.0,7.0,-7.0"
    with pytest.raises(ValueError, match="has no column for surprise"):
        fit(FakeModel(), CallbackList([CSVLogger(path, append=True)]), [{"surprise": 1}])


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_terminate_on_nan(loss, capsys):
    model = FakeModel()
    assert len(fit(model, CallbackList([TerminateOnNaN()]), [{"loss": 1.0}, {"loss": loss}, {"loss": 1.0}])) == 2
    assert f"Batch 0: the loss is {loss}" in capsys.readouterr().out
    with pytest.raises(RuntimeError, match="Batch 0: the loss is"):
        fit(model, CallbackList([TerminateOnNaN(raise_error=True)]), [{"loss": loss}])


def test_history_records_what_earlier_callbacks_add():
    history = History()
    model = FakeModel()
    fit(model, CallbackList([ReduceLROnPlateau(), history]), losses(1, 2))
    assert history.epoch == [0, 1]
    assert history.history == {
        "loss": [9.0, 9.0],
        "val_loss": [1, 2],
        "val_score": [-1, -2],
        "learning_rate": [1.0, 1.0],
    }
    assert model.history is history


def test_callback_list_adds_a_history_and_hands_out_plain_numbers():
    seen = []
    callback_list = CallbackList(
        LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(logs)), add_history=True, epochs=3
    )
    assert callback_list.history is callback_list.callbacks[-1]
    assert callback_list.history.params == {"epochs": 3}
    callback_list.set_model(FakeModel())
    logs = {"loss": np.float32(0.5), "f1": np.ones(2)}
    callback_list.on_epoch_end(0, logs)
    assert type(seen[0]["loss"]) is float
    assert seen[0]["f1"] is logs["f1"]
    with pytest.raises(TypeError, match="instances of Callback, got 'early'"):
        CallbackList(["early"])


def test_every_event_reaches_every_callback_in_order():
    events = [name for name in dir(Callback) if name.startswith("on_")]
    calls = []
    make = lambda who: LambdaCallback(  # noqa: E731
        **{event: lambda *a, event=event, logs=None: calls.append((who, event, a)) for event in events}
    )
    callback_list = CallbackList([make("first"), make("second")])
    for event in events:
        arguments = () if event.startswith(("on_train_begin", "on_train_end", "on_test_begin", "on_test_end")) else (4,)
        getattr(callback_list, event)(*arguments, logs={})
        assert calls[-2:] == [("first", event, arguments), ("second", event, arguments)]
    with pytest.raises(TypeError, match="event of Callback, got 'on_batch_whatever'"):
        LambdaCallback(on_batch_whatever=print)
    with pytest.raises(TypeError, match="on_epoch_end must be a function, got 3"):
        LambdaCallback(on_epoch_end=3)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: EarlyStopping(mode="best"), ValueError, "mode must be .* got 'best'"),
        (lambda: ReduceLROnPlateau(factor=1.0), ValueError, "factor must be less than 1, got 1.0"),
        (lambda: ModelCheckpoint("m", save_freq="batch"), ValueError, "save_freq must be .* got 'batch'"),
        (lambda: ModelCheckpoint("m", save_freq=0), ValueError, "save_freq must be .* got 0"),
        (lambda: ModelCheckpoint("."), ValueError, r"filepath must name a file, got '\.'"),
        (lambda: BackupAndRestore(""), ValueError, "backup_dir must name a folder"),
        (lambda: BackupAndRestore("b", save_freq=10), ValueError, 'save_freq must be "epoch", .* got 10'),
        (
            lambda: fit(FakeModel(), CallbackList([ModelCheckpoint("{val_f1}.keras")]), losses(1)),
            KeyError,
            "asks for 'val_f1', available are: epoch, loss, val_loss, val_score",
        ),
        (
            lambda: fit(FakeModel(), CallbackList([EarlyStopping("f1")]), [{"f1": np.ones(3)}]),
            ValueError,
            r"one value, got 'f1' of \(3,\)",
        ),
    ],
)
def test_bad_use_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    "name", ["EarlyStopping", "ReduceLROnPlateau", "ModelCheckpoint", "History", "CSVLogger", "TerminateOnNaN"]
)
def test_states_are_jsonable_without_weights(name, tmp_path):
    arguments = {"ModelCheckpoint": (tmp_path / "m.keras",), "CSVLogger": (tmp_path / "log.csv",)}
    callback = getattr(callbacks, name)(*arguments.get(name, ()))
    fit(FakeModel(), CallbackList([callback]), losses(1, 2))
    assert json.loads(json.dumps(callback.get_state())) == callback.get_state()


def test_messages_are_printed_on_request(tmp_path, capsys):
    chatty = [
        EarlyStopping(patience=1, verbose=1, restore_best_weights=True),
        ReduceLROnPlateau(patience=1, verbose=1),
        ModelCheckpoint(tmp_path / "m.keras", verbose=1, save_best_only=True),
        LearningRateScheduler(lambda epoch: 0.5, verbose=1),
    ]
    fit(FakeModel(), CallbackList(chatty), losses(1, 2, 3))
    printed = capsys.readouterr().out
    for part in (
        "Epoch 2: early stopping",
        "the best epoch: 1.",
        "reduces the learning rate to 0.05",
        "saving the model to",
        "val_loss did not improve from 1.00000",
        "sets the learning rate to 0.5",
    ):
        assert part in printed
