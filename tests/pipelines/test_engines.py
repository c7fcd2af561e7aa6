"""Both engines train a recipe from the same weights on the same batches, and leave the same kind of run behind."""

import csv
import json
import signal
from pathlib import Path

import numpy as np
import pytest
from oracle import keras
from processes import finish, start_command, without_stages
from tiny import TINY, Command

import scratchnet as sn
from pipelines.console import TrainingProgress
from pipelines.data.dataset import Dataset
from pipelines.data.drawn import DrawnFaces
from pipelines.data.preprocessing import Preprocessing
from pipelines.engines import ENGINES, predict
from pipelines.run import Run
from pipelines.training import balanced_weights

# ends its own process in the second step of the third epoch, as a power cut would
KILLED = """
import os, signal
from pipelines.training import EpochClock
begin = EpochClock.on_epoch_begin
def remember(self, epoch, logs=None):
    self.epoch = epoch
    begin(self, epoch, logs)
def kill(self, batch, logs=None):
    if batch == 1 and self.epoch == 2:
        os.kill(os.getpid(), signal.SIGKILL)
EpochClock.on_epoch_begin, EpochClock.on_train_batch_end = remember, kill
"""
# without what each engine draws for itself
STEADY = TINY.replace('[[network]]\nlayer = "Dropout"\nrate = 0.2\n', "")
BINARY = TINY.replace('units = "classes"\nactivation = "softmax"', 'units = 1\nactivation = "sigmoid"').replace(
    "epochs = 2",
    'epochs = 2\nclass_weight = "balanced"\n'
    'loss = "binary_crossentropy"\nmetrics = ["accuracy", "precision", "recall"]',
).replace("test = 0.2", 'test = 0.2\nclasses = ["sad", "happy"]')  # fmt: skip


def written(text: str, folder: Path) -> Path:
    path = folder / "tiny.toml"
    path.write_text(text)
    return path


def history_of(run: Path) -> list[dict[str, float]]:
    with (run / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [{name: float(value) for name, value in row.items() if name != "seconds"} for row in rows]


def weights_of(run: Path) -> list[np.ndarray]:
    return sn.load_model(run / "model.safetensors").get_weights()


def test_both_engines_train_alike(command: Command, faces: dict[str, Path], tmp_path: Path) -> None:
    # Adam would make a step out of a gradient that is nothing but rounding
    text = STEADY.replace("epochs = 2", 'epochs = 3\nclass_weight = "balanced"').replace('"adam"', '"sgd"')
    recipe = written(text, tmp_path)
    for engine in ENGINES:
        done = command("train", recipe, "--data", faces["split"], "--engine", engine, "--out", tmp_path / engine)
        assert done.status == 0, done.err
    ours, theirs = (history_of(tmp_path / engine) for engine in ENGINES)
    assert len(ours) == len(theirs) == 3
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.keys() == other.keys()
        for name, value in mine.items():  # of 67 and 17 images, one may lie on the border of two classes
            assert value == pytest.approx(other[name], rel=2e-3, abs=0.06 if "accuracy" in name else 0), name
    assert (tmp_path / "scratch" / "split.csv").read_text() == (tmp_path / "keras" / "split.csv").read_text()
    for mine, other in zip(*(weights_of(tmp_path / engine) for engine in ENGINES), strict=True):
        np.testing.assert_allclose(mine, other, rtol=0, atol=1e-4)


def test_every_epoch_of_keras_is_validated_by_every_image(
    command: Command, faces: dict[str, Path], tmp_path: Path
) -> None:
    recipe = written(TINY.replace("batch_size = 16", "batch_size = 4").replace("epochs = 2", "epochs = 4"), tmp_path)
    done = command("train", recipe, "--data", faces["split"], "--engine", "keras", "--out", tmp_path / "run")
    assert done.status == 0, done.err
    right = [17 * row["val_accuracy"] for row in history_of(tmp_path / "run")]
    np.testing.assert_allclose(right, np.round(right), rtol=0, atol=1e-4)


def test_a_run_of_keras_can_be_used_as_any_other(command: Command, faces: dict[str, Path], tmp_path: Path) -> None:
    run = tmp_path / "run"
    done = command("train", written(TINY, tmp_path), "--data", faces["split"], "--engine", "keras", "--out", run)
    assert done.status == 0, done.err
    assert "trained by Keras" in done.out
    assert Run(run).engine == "keras"
    ours, theirs = sn.load_model(run / "model.safetensors"), keras.models.load_model(run / "model.keras")
    for mine, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)
    assert command("evaluate", run).status == 0
    image = next((faces["split"] / "test").rglob("*.png"))
    assert command("predict", run, image).status == 0


def test_each_engine_is_asked_about_what_it_has_trained(
    command: Command, faces: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    train = ("train", written(TINY, tmp_path), "--data", faces["split"], "--epochs", 1, "--engine", "keras")
    assert command(*train, "--out", run).status == 0
    monkeypatch.setattr(sn.Model, "predict", None)
    assert command("evaluate", run).status == 0


@pytest.mark.parametrize("engine", ENGINES)
def test_two_classes_may_have_one_unit(engine: str, command: Command, faces: dict[str, Path], tmp_path: Path) -> None:
    run = tmp_path / "run"
    train = ("train", written(BINARY, tmp_path), "--data", faces["split"], "--engine", engine, "--out", run)
    done = command(*train)
    assert done.status == 0, done.err
    assert {"precision", "val_recall"} <= history_of(run)[0].keys()
    config = json.loads((run / "config.json").read_text())
    assert config["classes"] == ["sad", "happy"]
    assert command("evaluate", run).status == 0
    measured = json.loads((run / "metrics.json").read_text())["test"]
    assert set(measured["per_class"]) == {"sad", "happy"}
    with (run / "split.csv").open(newline="") as file:
        assert {row["class"] for row in csv.DictReader(file)} == {"sad", "happy"}
    answer = json.loads(command("predict", run, next((faces["split"] / "test" / "sad").iterdir()), "--json").out)
    assert sum(answer[0]["probabilities"].values()) == pytest.approx(1)


def test_both_engines_give_a_single_unit_two_columns() -> None:
    sn.set_random_seed(0)
    layers = [sn.Input((8, 8, 1)), sn.layers.Flatten(), sn.layers.Dense(1, activation="sigmoid")]
    model = sn.Sequential(layers)
    source = DrawnFaces(14, size=8)
    dataset = Dataset(source, source.samples, Preprocessing(8, 8, 1))
    (single,) = [model(x, training=False).numpy() for x, _ in dataset]
    for engine in ENGINES:
        columns = predict(engine, model, dataset)
        np.testing.assert_allclose(columns[:, 1:], single, rtol=1e-5)
        np.testing.assert_allclose(columns.sum(axis=1), 1, rtol=1e-6)


def test_a_class_that_the_data_lack_is_named(command: Command, faces: dict[str, Path], tmp_path: Path) -> None:
    recipe = written(BINARY.replace('"sad", "happy"', '"sad", "bored"'), tmp_path)
    done = command("train", recipe, "--data", faces["split"], "--out", tmp_path / "run")
    assert done.status == 1
    assert "the data have no class 'bored', only angry, " in done.err
    assert not (tmp_path / "run").exists()


def test_balanced_weights_are_the_same_sum_for_each_class() -> None:
    source = DrawnFaces(28, size=8, test_fraction=0)
    samples = [sample for number, sample in enumerate(source.samples) if sample.label != 2 or number < 7]
    dataset = Dataset(source, samples, Preprocessing(8, 8, 1))
    weights = balanced_weights(dataset)
    counts = np.bincount(dataset.labels, minlength=7)
    assert len(set(counts)) > 1
    for label, count in enumerate(counts):
        assert weights[label] * count == pytest.approx(len(samples) / 7)


def test_the_last_epoch_is_kept_where_the_recipe_says_so(
    command: Command, faces: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil(self: TrainingProgress, batch: int, logs: object = None) -> None:
        if len(self.model.history.epoch) == 3:
            self.model.optimizer.learning_rate = 10.0

    monkeypatch.setattr(TrainingProgress, "on_train_batch_end", spoil)
    changes = ["--set", "training.checkpoint.keep=last", "--set", "training.epochs=4"]
    recipe, run = written(STEADY, tmp_path), tmp_path / "run"
    done = command("train", "--recipe", recipe, "--data", faces["split"], "--out", run, *changes)
    assert done.status == 0, done.err
    assert "kept the last epoch 4 of 4" in done.out
    rows = history_of(run)
    assert min(range(4), key=lambda epoch: rows[epoch]["val_loss"]) != 3
    measured = json.loads((run / "metrics.json").read_text())
    assert measured["training"]["best_epoch"] == 4
    assert measured["validation"]["accuracy"] == pytest.approx(rows[-1]["val_accuracy"])
    config = json.loads((run / "config.json").read_text())
    assert config["changes"] == changes[1::2]
    assert config["recipe"]["training"]["checkpoint"]["keep"] == "last"


def test_a_killed_training_of_keras_goes_on_to_the_same_model_and_history(
    faces: dict[str, Path], tmp_path: Path
) -> None:
    # no Adam, which would make a step out of a gradient that is nothing but rounding
    momentum = '"sgd"\noptions = { momentum = 0.9 }'
    recipe = written(TINY.replace("epochs = 2", "epochs = 4").replace('"adam"', momentum), tmp_path)

    def train(run: str) -> tuple[object, ...]:
        return ("train", recipe, "--data", faces["split"], "--engine", "keras", "--out", tmp_path / run)

    whole, killed = start_command(*train("whole")), start_command(*train("killed"), before=KILLED)
    status, _, err = finish(whole)
    assert (status, without_stages(err)) == (0, ""), "TensorFlow's own messages are of no use to who trains"
    assert finish(killed)[0] == -signal.SIGKILL
    assert len(history_of(tmp_path / "killed")) == 2
    status, out, err = finish(start_command(*train("killed")))
    assert status == 0, err
    assert "going on with the interrupted run" in out
    assert "epoch 2/4" not in out
    assert "epoch 3/4" in out
    assert [row["epoch"] for row in history_of(tmp_path / "killed")] == [0, 1, 2, 3]
    for mine, other in zip(history_of(tmp_path / "killed"), history_of(tmp_path / "whole"), strict=True):
        assert mine == pytest.approx(other, rel=1e-4)
    for mine, other in zip(weights_of(tmp_path / "killed"), weights_of(tmp_path / "whole"), strict=True):
        np.testing.assert_allclose(mine, other, rtol=0, atol=1e-4)
