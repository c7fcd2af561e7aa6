import csv
import json
import math
import os
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from scratchnet import callbacks, random
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

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # TensorFlow's own imports warn
    keras = pytest.importorskip("keras")


class FakeModel:
    """What callbacks need of a model; its one weight counts the epochs."""

    def __init__(self, learning_rate=1.0):
        self.stop_training = False
        self.optimizer = SimpleNamespace(learning_rate=learning_rate)
        self.weights = [np.zeros(1)]
        self.saved = []
        self.metrics = []
        self.momentum = np.zeros((2, 3), np.float32)

    def get_weights(self):
        return self.weights

    def set_weights(self, weights):
        self.weights = [weight.copy() for weight in weights]

    def save(self, path, overwrite=True):
        self.saved.append(("model", str(path)))

    def save_weights(self, path, overwrite=True):
        self.saved.append(("weights", str(path)))

    def training_state(self):
        return {"weight": self.weights[0], "momentum": self.momentum, "scalar": np.array(3.5)}, {
            "learning_rate": self.optimizer.learning_rate
        }

    def load_training_state(self, arrays, meta):
        assert arrays["scalar"] == 3.5
        assert arrays["scalar"].shape == ()
        self.weights[0][...] = arrays["weight"]
        self.momentum[...] = arrays["momentum"]
        self.optimizer.learning_rate = meta["learning_rate"]


class PowerCutError(Exception):
    pass


def fit(model, callback_list, logs_by_epoch, batches=2, interrupt=None, initial_epoch=0):
    """The training loop of `Model.fit`, without the training. `interrupt` is (epoch, batch) to die in."""
    model.stop_training = False
    callback_list.set_model(model)
    callback_list.on_train_begin()
    initial_epoch = max(initial_epoch, getattr(callback_list, "initial_epoch", None) or 0)
    rates, logs = [], None
    for epoch in range(initial_epoch, len(logs_by_epoch)):
        if model.stop_training:
            break
        callback_list.on_epoch_begin(epoch)
        logs = dict(logs_by_epoch[epoch])
        for batch in range(batches):
            if interrupt == (epoch, batch):
                raise PowerCutError
            callback_list.on_train_batch_begin(batch)
            callback_list.on_train_batch_end(batch, logs)
            if model.stop_training:
                break
        model.weights = [weight + 1 for weight in model.weights]
        model.momentum += np.float32(0.1)
        rates.append(float(model.optimizer.learning_rate))
        callback_list.on_epoch_end(epoch, logs)
    callback_list.on_train_end(logs)
    return rates


def run_both(name, arguments, logs_by_epoch):
    """Drive our callback and Keras's with the same logs; return both models, callbacks and learning rates."""
    results = []
    for module, containers in ((callbacks, CallbackList), (keras.callbacks, keras.callbacks.CallbackList)):
        model = FakeModel()
        callback = getattr(module, name)(**arguments)
        rates = fit(model, containers([callback]), logs_by_epoch)
        results.append(SimpleNamespace(model=model, callback=callback, rates=rates))
    return results


def losses(*values):
    return [{"loss": 9.0, "val_loss": value, "val_score": -value} for value in values]


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


def full_list(folder, backup=True):
    others = [
        CSVLogger(folder / "log.csv"),
        EarlyStopping(patience=3, restore_best_weights=True),
        ReduceLROnPlateau(patience=1, factor=0.5, cooldown=1),
        ModelCheckpoint(folder / "{epoch}.keras", save_best_only=True),
        History(),
    ]
    return CallbackList([BackupAndRestore(folder / "backup"), *others] if backup else others)


RUN = losses(5, 4, 4.5, 4.2, 3, 3.5, 3.6, 3.7, 1, 1)


@pytest.mark.parametrize("interrupt", [(1, 0), (3, 1), (4, 0), (6, 1), (7, 0)])
def test_an_interrupted_run_goes_on_as_if_nothing_had_happened(interrupt, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    reference, expected = FakeModel(), full_list(whole, backup=False)
    random.set_random_seed(5)
    reference_rates = fit(reference, expected, RUN)

    random.set_random_seed(5)
    with pytest.raises(PowerCutError):
        fit(FakeModel(), full_list(parts), RUN, interrupt=interrupt)
    random.set_random_seed(99)  # a new process
    model, callback_list = FakeModel(), full_list(parts)
    rates = fit(model, callback_list, RUN)

    assert callback_list.initial_epoch == interrupt[0]
    assert rates == reference_rates[interrupt[0] :]
    np.testing.assert_array_equal(model.weights[0], reference.weights[0])
    np.testing.assert_array_equal(model.momentum, reference.momentum)
    assert callback_list.history.history == expected.history.history
    assert callback_list.history.epoch == expected.history.epoch
    assert (parts / "log.csv").read_bytes() == (whole / "log.csv").read_bytes()
    saved_late = [path for _, path in reference.saved if int(path.split("/")[-1].split(".")[0]) > interrupt[0]]
    assert [path.split("/")[-1] for _, path in model.saved] == [path.split("/")[-1] for path in saved_late]
    assert not (parts / "backup").exists()


def test_the_random_stream_goes_on(tmp_path):
    def run(interrupt=None):
        drawn = []
        watch = LambdaCallback(on_epoch_begin=lambda epoch, logs: drawn.append(random.next_seed()))
        try:
            fit(FakeModel(), CallbackList([watch, BackupAndRestore(tmp_path)]), losses(1, 2, 3), interrupt=interrupt)
        except PowerCutError:
            drawn.pop()  # this epoch is done again
        return drawn

    random.set_random_seed(1)
    whole = run()
    random.set_random_seed(1)
    first = run(interrupt=(2, 0))
    random.set_random_seed(2)
    assert first + run() == whole


def test_a_run_that_had_stopped_does_not_train_further(tmp_path):
    class DiesAtTheEnd(Callback):
        def on_train_end(self, logs=None):
            raise PowerCutError

    logs = losses(1, 2, 3, 4)
    with pytest.raises(PowerCutError):
        fit(
            FakeModel(),
            CallbackList(
                [EarlyStopping(patience=1, restore_best_weights=True), DiesAtTheEnd(), BackupAndRestore(tmp_path)]
            ),
            logs,
        )
    model = FakeModel()
    DiesAtTheEnd.on_train_end = Callback.on_train_end
    rates = fit(
        model,
        CallbackList(
            [EarlyStopping(patience=1, restore_best_weights=True), DiesAtTheEnd(), BackupAndRestore(tmp_path)]
        ),
        logs,
    )
    assert rates == []
    assert model.stop_training
    assert model.weights[0][0] == 1


def test_the_backup_stays_if_wanted_and_other_files_always(tmp_path):
    backup = BackupAndRestore(tmp_path, delete_checkpoint=False)
    fit(FakeModel(), CallbackList([backup]), losses(1))
    assert backup.path.exists()
    (tmp_path / "notes.txt").write_text("mine")
    fit(FakeModel(), CallbackList([BackupAndRestore(tmp_path)]), losses(1, 2))
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_no_partial_backup_is_ever_in_place(tmp_path, monkeypatch):
    backup = BackupAndRestore(tmp_path)
    with pytest.raises(PowerCutError):
        fit(FakeModel(), CallbackList([backup]), losses(1, 2), interrupt=(1, 0))
    before = backup.path.read_bytes()

    def fail(descriptor):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        fit(FakeModel(), CallbackList([BackupAndRestore(tmp_path)]), losses(1, 2))
    assert backup.path.read_bytes() == before


@pytest.mark.parametrize("damage", ["truncated", "empty", "flipped", "garbage", "headless"])
def test_a_damaged_backup_is_named_with_the_remedy(damage, tmp_path):
    backup = BackupAndRestore(tmp_path)
    with pytest.raises(PowerCutError):
        fit(FakeModel(), CallbackList([backup]), losses(1, 2), interrupt=(1, 0))
    content = bytearray(backup.path.read_bytes())
    if damage == "headless":
        from safetensors.numpy import save_file

        save_file({"a": np.zeros(1)}, backup.path)
    else:
        content[-3] ^= 64
        backup.path.write_bytes(
            {"truncated": content[:-5], "empty": b"", "flipped": content, "garbage": b"\xff" * 200}[damage]
        )
    with pytest.raises(ValueError, match=r"backup\.safetensors is .*; delete it to start over"):
        fit(FakeModel(), CallbackList([BackupAndRestore(tmp_path)]), losses(1, 2))


def test_other_callbacks_than_those_of_the_backup_are_refused(tmp_path):
    with pytest.raises(PowerCutError):
        fit(FakeModel(), CallbackList([BackupAndRestore(tmp_path), History()]), losses(1, 2), interrupt=(1, 0))
    with pytest.raises(ValueError, match=r"\['History'\], got \['EarlyStopping', 'History'\]"):
        fit(FakeModel(), CallbackList([EarlyStopping(), History(), BackupAndRestore(tmp_path)]), losses(1, 2))


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
