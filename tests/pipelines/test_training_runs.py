"""`scratchnet train`: what a run leaves behind, what it refuses, and how it goes on after an interruption."""

import csv
import json
import os
import shutil
import signal
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import cv2
import numba
import numpy as np
import pytest
from processes import finish, start_command
from tiny import TINY, Command

import scratchnet as sn
from pipelines.console import TrainingProgress
from pipelines.interruption import ENDING
from pipelines.training import EpochClock, compile_seconds
from scratchnet.random import get_random_state

# ends its own process in the second step of the third epoch, as a power cut would
KILLED = """
import os, signal
from pipelines.console import TrainingProgress
def kill(self, batch, logs=None):
    if batch == 1 and len(self.model.history.epoch) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
TrainingProgress.on_train_batch_end = kill
"""


def weights_of(run: Path) -> list[np.ndarray]:
    return sn.load_model(run / "model.safetensors").get_weights()


def test_a_run_leaves_everything_behind(
    command: Command, tiny_recipe: Path, faces: dict[str, Path], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    random_numbers = get_random_state()
    done = command("train", tiny_recipe, "--data", faces["split"], "--out", run, "--seed", 3)
    assert done.status == 0, done.err
    assert get_random_state() == random_numbers  # of whoever trains in another thread
    assert "best epoch" in done.out
    assert str(run) in done.out
    assert sorted(path.name for path in run.iterdir()) == [
        "augmented.png", "class_distribution.png", "config.json", "confusion_matrix_validation.png", "contents.csv",
        "curves.png", "history.csv", "metrics.json", "model.safetensors", "predictions_validation.csv", "split.csv",
    ]  # fmt: skip
    config = json.loads((run / "config.json").read_text())
    assert config["recipe"]["name"] == "tiny"
    assert config["data"] == str(faces["split"])
    assert (config["seed"], config["epochs"], config["limit"]) == (3, 2, None)
    assert config["versions"]["scratchnet"] == sn.__version__
    with (run / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert {"loss", "val_loss", "accuracy", "val_accuracy", "learning_rate", "seconds"} <= set(rows[0])
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["training"]["epochs"] == 2
    assert metrics["validation"]["images"] == 17
    assert np.sum(metrics["validation"]["confusion_matrix"]) == 17
    best = min(rows, key=lambda row: float(row["val_loss"]))
    assert metrics["training"]["best_epoch"] == int(best["epoch"]) + 1
    assert metrics["validation"]["accuracy"] == pytest.approx(float(best["val_accuracy"]))
    for name in ("augmented.png", "class_distribution.png", "curves.png", "confusion_matrix_validation.png"):
        picture = cv2.imread(str(run / name))
        assert picture is not None, name
        assert picture.std() > 5, f"{name} is blank"
    with (run / "split.csv").open(newline="") as file:
        parts = [row["part"] for row in csv.DictReader(file)]
    assert [parts.count(part) for part in ("train", "validation", "test")] == [67, 17, 21]
    model = sn.load_model(run / "model.safetensors")
    assert model.class_names == tuple(config["classes"])
    assert model.preprocessing is not None


@pytest.mark.parametrize("engine", ["scratch", "keras"])
def test_the_learning_rate_falls_along_half_a_cosine(
    engine: str, command: Command, tiny_recipe: Path, faces: dict[str, Path], tmp_path: Path
) -> None:
    schedule = ["training.reduce_lr_on_plateau=none", "training.learning_rate_schedule=cosine"]
    done = command(
        "train", tiny_recipe, "--data", faces["split"], "--out", tmp_path / "run", "--engine", engine,
        "--set", "training.epochs=4", *(word for change in schedule for word in ("--set", change)),
    )  # fmt: skip
    assert done.status == 0, done.err
    with (tmp_path / "run" / "history.csv").open(newline="") as file:
        rates = [float(row["learning_rate"]) for row in csv.DictReader(file)]
    assert rates == pytest.approx([0.01, 0.01 * (1 + 0.5**0.5) / 2, 0.005, 0.01 * (1 - 0.5**0.5) / 2])
    training = json.loads((tmp_path / "run" / "metrics.json").read_text())["training"]
    assert training["ended"] == "reached 4 epochs"
    assert (training["compile_seconds"] is None) == (engine == "keras"), "Keras does not tell it"
    assert "reached 4 epochs; the first epoch took" in done.out


@pytest.fixture
def without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("save_training_figures", "save_curves", "save_matrix"):
        monkeypatch.setattr(f"pipelines.training.{name}", lambda *_: None)


@pytest.mark.usefixtures("without_pictures")
def test_a_training_that_no_longer_improves_says_so(command: Command, tiny_recipe: Path, tmp_path: Path) -> None:
    stopping = 'training.early_stopping={monitor = "accuracy", patience = 2}'
    run = tmp_path / "run"
    done = command(
        "train", tiny_recipe, "--data", "drawn:70", "--epochs", 99, "--out", run, "--set", stopping,
        "--set", "training.optimizer.learning_rate=1e-30", "--set", "augmentation.rotation=0",
    )  # fmt: skip
    assert done.status == 0, done.err
    assert "stopped early: accuracy did not improve for 2 epochs" in done.out
    training = json.loads((run / "metrics.json").read_text())["training"]
    assert training["ended"] == "stopped early: accuracy did not improve for 2 epochs"
    assert training["epochs"] < 99


def test_compiling_is_timed_apart_from_the_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, now = EpochClock(), [0.0, 0.0]  # seconds in all, and of compiling
    monkeypatch.setattr("pipelines.training.compile_seconds", lambda: now[1])
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    clock.set_model(SimpleNamespace(optimizer=SimpleNamespace(learning_rate=0.1)))
    told = []
    for compiling in (80.0, 0.0):
        clock.on_epoch_begin(len(told))
        now[:] = now[0] + compiling + 1.5, now[1] + compiling
        clock.on_epoch_end(len(told), logs := {})
        told.append(logs["seconds"])
    assert told == [1.5, 1.5]
    later = EpochClock()
    later.set_state(clock.get_state())
    assert later.compile_seconds == 80
    later.set_state({})  # as runs have it that were begun by earlier versions


def test_the_seconds_of_compiling_are_those_of_the_compiler() -> None:
    before = compile_seconds()
    function = numba.njit(lambda x: x + 1)
    assert function(1) == 2
    after = compile_seconds()
    assert after > before
    assert function(2) == 3
    assert compile_seconds() == after


def test_the_same_seed_trains_the_same_model_and_another_does_not(
    command: Command, tiny_recipe: Path, faces: dict[str, Path], tmp_path: Path
) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert command("train", tiny_recipe, "--data", faces["zip"], "--out", tmp_path / name, "--seed", seed)[0] == 0
    a, b, c = (weights_of(tmp_path / name) for name in "abc")
    assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    assert not all(np.array_equal(x, y) for x, y in zip(a, c, strict=True))


def test_the_limit_and_the_epochs_are_those_of_the_command(command: Command, tiny_recipe: Path, tmp_path: Path) -> None:
    done = command("train", tiny_recipe, "--limit", 70, "--epochs", 1, "--out", tmp_path / "run")
    assert done.status == 0, done.err
    assert done.out.startswith(
        "data: drawn:4200:0, synthetic faces that the program draws (--data takes images of your own); "
        "56 training, 14 validation and 840 test images of 4,200 in all (a limit of 70), 7 classes: angry, "
    )
    assert "56 training and 14 validation images" in done.out
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["training"]["epochs"] == 1


def test_a_finished_run_is_replaced_only_on_request(
    command: Command, tiny_recipe: Path, faces: dict[str, Path], tmp_path: Path
) -> None:
    train = ("train", tiny_recipe, "--data", faces["csv"], "--epochs", 1, "--out", tmp_path / "run")
    assert command(*train).status == 0
    before = (tmp_path / "run" / "model.safetensors").read_bytes()
    again = command(*train)
    assert again.status == 1
    assert "holds a finished run; choose another --out, or pass --overwrite" in again.err
    assert len(again.err.splitlines()) == 1
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == before
    assert command(*train, "--seed", 5, "--overwrite").status == 0
    assert (tmp_path / "run" / "model.safetensors").read_bytes() != before


def test_folders_that_are_not_runs_are_left_alone(command: Command, tiny_recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "mother.txt").write_text("Dear mother")
    (tmp_path / "file").write_text("")
    for name, message in (("letters", "is not empty and is not a run"), ("file", "is a file")):
        for extra in ((), ("--overwrite",)):
            done = command("train", tiny_recipe, "--out", tmp_path / name, *extra)
            assert done.status == 1
            assert message in done.err
    assert (tmp_path / "letters" / "mother.txt").read_text() == "Dear mother"


def test_an_unfinished_run_of_another_kind_is_not_mixed_with_this_one(
    command: Command, tiny_recipe: Path, faces: dict[str, Path], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    train = ("train", tiny_recipe, "--data", faces["split"], "--epochs", 1, "--out", run)
    assert command(*train).status == 0
    (run / "metrics.json").unlink()
    done = command(*train, "--seed", 9)
    assert done.status == 1
    assert "holds an unfinished run with another seed" in done.err
    done = command("train", tiny_recipe, "--data", faces["zip"], "--epochs", 1, "--out", run)
    assert "with another data" in done.err


@pytest.fixture(scope="module")
def long_recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("long") / "tiny.toml"
    path.write_text(TINY.replace("epochs = 2", "epochs = 5"))
    return path


def test_a_killed_training_goes_on_to_the_same_model_and_history(
    long_recipe: Path, faces: dict[str, Path], tmp_path: Path
) -> None:
    def train(run: str) -> tuple[object, ...]:
        return ("train", long_recipe, "--data", faces["split"], "--out", tmp_path / run)

    whole = start_command(*train("whole"))
    killed = start_command(*train("killed"), before=KILLED)
    assert finish(whole)[0] == 0
    assert finish(killed)[0] == -signal.SIGKILL
    assert not (tmp_path / "killed" / "metrics.json").exists()
    status, out, err = finish(start_command(*train("killed")))
    assert status == 0, err
    assert "going on with the interrupted run" in out
    assert "epoch 2/5" not in out
    assert "epoch 3/5" in out
    for mine, other in zip(weights_of(tmp_path / "killed"), weights_of(tmp_path / "whole"), strict=True):
        np.testing.assert_array_equal(mine, other)

    def history(run: str) -> list[dict[str, str]]:
        with (tmp_path / run / "history.csv").open(newline="") as file:
            return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]

    assert history("killed") == history("whole")
    assert not (tmp_path / "killed" / "backup").exists()


@pytest.mark.parametrize("number", ENDING)
def test_ctrl_c_and_its_like_end_in_one_sentence_that_says_how_to_go_on(
    command: Command,
    tiny_recipe: Path,
    faces: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    raising: None,
    number: signal.Signals,
) -> None:
    monkeypatch.setattr(TrainingProgress, "on_epoch_begin", lambda *_, **__: os.kill(os.getpid(), number))
    done = command("train", "--recipe", tiny_recipe, "--data", faces["split"], "--out", tmp_path / "run")
    assert done.status == 128 + number
    assert done.err == (
        f"scratchnet: interrupted; the same command goes on after the last whole epoch in {tmp_path / 'run'}\n"
    )
    assert not list((tmp_path / "run").rglob("*tmp*"))


def test_an_interrupted_command_that_replaces_a_run_goes_on_without_that(
    command: Command, tiny_recipe: Path, faces: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TrainingProgress, "on_epoch_begin", Mock(side_effect=KeyboardInterrupt))
    more = ("--recipe", tiny_recipe, "--data", faces["split"], "--out", tmp_path, "--overwrite")
    goes_on = "interrupted; the same command without --overwrite goes on "
    for arguments in (("train", *more), ("crossval", *more, "--folds", 2)):
        done = command(*arguments)
        assert done.status == 130
        assert done.err.startswith(f"scratchnet: {goes_on}")
        shutil.rmtree(tmp_path)
    done = command("demo", "--images", 70, "--epochs", 1, "--out", tmp_path)
    assert (done.status, done.err) == (130, "scratchnet: interrupted; the same command starts the demo anew\n")


def test_a_training_that_diverges_says_so(command: Command, faces: dict[str, Path], tmp_path: Path) -> None:
    recipe = tmp_path / "wild.toml"
    recipe.write_text(TINY.replace('name = "adam"\nlearning_rate = 0.01', 'name = "sgd"\nlearning_rate = 1e30'))
    done = command("train", recipe, "--data", faces["split"], "--out", tmp_path / "run")
    assert done.status == 1
    assert "training diverged: the loss was" in done.err
    assert "lower the recipe's learning_rate" in done.err
    assert len(done.err.splitlines()) == 1
    assert not (tmp_path / "run" / "metrics.json").exists()
    assert not (tmp_path / "run" / "model.safetensors").exists(), "a model of NaN is of no use"
    assert "has no model" in command("evaluate", tmp_path / "run").err


def test_a_training_that_diverges_later_keeps_the_epochs_before(
    command: Command, faces: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(self: TrainingProgress, batch: int, logs: object = None) -> None:
        if len(self.model.history.epoch) == 1:
            self.model.optimizer.learning_rate = 1e30

    monkeypatch.setattr(TrainingProgress, "on_train_batch_end", explode)
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(TINY.replace("epochs = 2", "epochs = 4"))
    done = command("train", recipe, "--data", faces["split"], "--out", tmp_path / "run")
    assert done.status == 0
    assert "training ended there, and the best epoch before it is kept" in done.err
    measured = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert measured["training"]["best_epoch"] == 1
    assert measured["training"]["ended"] == "diverged: the loss was nan in epoch 2"
    assert all(np.isfinite(weight).all() for weight in weights_of(tmp_path / "run"))


def test_the_checkpoint_decides_which_epoch_is_the_best(
    command: Command, faces: dict[str, Path], tmp_path: Path
) -> None:
    recipe = tmp_path / "tiny.toml"
    checkpoint = '[training.checkpoint]\nmonitor = "val_accuracy"\n'
    recipe.write_text(TINY.replace("epochs = 2", "epochs = 6").replace("[training.opt", checkpoint + "[training.opt"))
    assert command("train", recipe, "--data", faces["split"], "--out", tmp_path / "run").status == 0
    with (tmp_path / "run" / "history.csv").open(newline="") as file:
        accuracies = [float(row["val_accuracy"]) for row in csv.DictReader(file)]
    measured = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert measured["training"]["best_epoch"] == int(np.argmax(accuracies)) + 1
    assert measured["validation"]["accuracy"] == pytest.approx(max(accuracies))


def test_broken_images_are_named_and_the_others_are_trained_on(
    command: Command, tiny_recipe: Path, faces: dict[str, Path], tmp_path: Path
) -> None:
    shutil.copytree(faces["split"], tmp_path / "faces")
    broken = next((tmp_path / "faces" / "train" / "happy").iterdir())
    broken = broken.rename(broken.with_name("[red]face.png"))
    broken.write_text("no image")
    (tmp_path / "faces" / "train" / "happy" / "phone.heic").write_text("x")
    done = command("train", tiny_recipe, "--data", tmp_path / "faces", "--epochs", 1, "--out", tmp_path / "run")
    assert done.status == 0, done.err
    assert "skipped" in done.err
    assert broken.name in done.err
    assert "left out: files that are no known images (1 .heic): 1\n" in done.err
    assert done.out.startswith(f"data: {tmp_path / 'faces'}; 67 training, 17 validation and 21 test images, 7 classes")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("no-such-recipe",), "there is no recipe 'no-such-recipe'"),
        (("fer-small", "--data", "/no/such/folder"), "/no/such/folder does not exist"),
    ],
)
def test_what_is_missing_is_named_in_one_sentence(
    arguments: tuple[str, ...], message: str, command: Command, tmp_path: Path
) -> None:
    done = command("train", *arguments, "--out", tmp_path / "run")
    assert done.status == 1
    assert message in done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "run").exists()
