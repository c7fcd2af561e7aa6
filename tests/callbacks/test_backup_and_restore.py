"""An interrupted training goes on where it was, or says why not."""

import os

import numpy as np
import pytest
from fake_model import FakeModel, PowerCutError, fit, losses

from scratchnet import random
from scratchnet.callbacks import (
    BackupAndRestore,
    Callback,
    CallbackList,
    CSVLogger,
    EarlyStopping,
    History,
    LambdaCallback,
    ModelCheckpoint,
    ReduceLROnPlateau,
)


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
