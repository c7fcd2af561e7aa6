"""A cross-validation that is stopped in any way goes on to the same bits, and loses at most the epochs under way."""

import csv
import json
import os
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
from processes import finish, start_command, without_stages
from tiny import PLAIN

import scratchnet as sn
from pipelines.crossval.running import run_crossval
from pipelines.recipe_files import load_recipe

FOLDS, EPOCHS = 3, 4
# ends its own process in the second step of the third epoch of the second fold, as a power cut would
KILLED = """
import os, signal
from pipelines.console import TrainingProgress
def kill(self, batch, logs=None):
    if self.label.startswith("fold 2") and batch == 1 and len(self.model.history.epoch) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
TrainingProgress.on_train_batch_end = kill
"""

# a worker is ended in the second fold, as when memory runs out
ENDED = """
import os, signal
from pipelines import workers
begin = workers._begin
def begin_to_end(main):
    from pipelines.console import TrainingProgress
    begin(main)
    def kill(self, batch, logs=None):
        if self.label.startswith("fold 2"):
            os.kill(os.getpid(), signal.SIGKILL)
    TrainingProgress.on_train_batch_end = kill
workers._begin = begin_to_end
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipes") / "plain.toml"
    path.write_text(PLAIN.replace("epochs = 2", f"epochs = {EPOCHS}"))
    return path


@pytest.fixture(scope="module")
def whole(recipe: Path, faces: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one that was not interrupted."""
    folder = tmp_path_factory.mktemp("whole") / "crossval"
    run_crossval(load_recipe(str(recipe)), str(faces["split"]), folder, folds=FOLDS)
    return folder


def arguments(recipe: Path, data: Path, out: Path, *more: object) -> tuple[object, ...]:
    return ("crossval", "--recipe", recipe, "--data", data, "--folds", FOLDS, "--out", out, *more)


def check_same(folder: Path, other: Path) -> None:
    for number in range(1, FOLDS + 1):
        ours, theirs = folder / f"fold_{number}", other / f"fold_{number}"
        pair = (sn.load_model(run / "model.safetensors").get_weights() for run in (ours, theirs))
        for mine, its in zip(*pair, strict=True):
            np.testing.assert_array_equal(mine, its)
        assert history_of(ours) == history_of(theirs)
        assert not (ours / "backup").exists()
    assert results_of(folder) == results_of(other)
    assert (folder / "split.csv").read_bytes() == (other / "split.csv").read_bytes()
    assert (folder / "accuracy_per_fold.png").read_bytes() == (other / "accuracy_per_fold.png").read_bytes()


def history_of(run: Path) -> list[dict[str, str]]:
    with (run / "history.csv").open(newline="") as file:
        return [{name: value for name, value in row.items() if name != "seconds"} for row in csv.DictReader(file)]


def results_of(folder: Path) -> dict:
    results = json.loads((folder / "crossval.json").read_text())["results"]
    for fold in results["folds"]:
        del fold["seconds"]
    return results


def wait_for_an_epoch(process: subprocess.Popen[str]) -> None:
    """Read what is printed up to the second epoch of the first fold; what the first has learned is kept by then."""
    assert process.stdout is not None
    assert any("fold 1 of 3, epoch 2/" in line for line in process.stdout), finish(process)


def test_one_that_was_killed_goes_on_to_the_same_bits(
    recipe: Path, faces: dict[str, Path], whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "crossval"
    command = arguments(recipe, faces["split"], out)
    assert finish(start_command(*command, before=KILLED))[0] == -signal.SIGKILL
    status, printed, errors = finish(start_command(*command))
    assert status == 0, errors
    assert "fold 1 of 3 was done before" in printed
    assert "fold 1 of 3, epoch" not in printed
    assert "fold 2 of 3, epoch 2/4" not in printed
    assert "fold 2 of 3, epoch 3/4" in printed
    check_same(out, whole)


def test_one_in_processes_that_was_killed_leaves_none_of_them_and_goes_on_to_the_same_bits(
    recipe: Path, faces: dict[str, Path], whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "crossval"
    process = start_command(*arguments(recipe, faces["split"], out, "--jobs", 2))
    wait_for_an_epoch(process)
    process.send_signal(signal.SIGKILL)
    finish(process)  # returns when no process has its output open any more
    status, _, errors = finish(start_command(*arguments(recipe, faces["split"], out)))
    assert status == 0, errors
    check_same(out, whole)


@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_ends_in_one_sentence_and_the_same_command_goes_on_to_the_same_bits(
    jobs: int, recipe: Path, faces: dict[str, Path], whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "crossval"
    command = arguments(recipe, faces["split"], out, "--jobs", jobs)
    # as a terminal does, all processes of the command get the signal
    process = start_command(*command, before="import os; os.setpgid(0, 0)")
    wait_for_an_epoch(process)
    os.killpg(process.pid, signal.SIGINT)
    status, _, errors = finish(process)
    assert status == 130
    (sentence,) = without_stages(errors).splitlines()
    assert sentence == (
        f"scratchnet: interrupted; the same command goes on in {out}, after the last whole epoch of each fold"
    )
    status, printed, errors = finish(start_command(*command))
    assert status == 0, errors
    assert "going on with the interrupted cross-validation" in printed
    assert "fold 1 of 3, epoch 1/" not in printed
    check_same(out, whole)


def test_a_worker_that_is_ended_from_outside_is_told_and_what_was_done_is_kept(
    recipe: Path, faces: dict[str, Path], whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "crossval"
    command = arguments(recipe, faces["split"], out, "--jobs", 2)
    status, _, errors = finish(start_command(*command, before=ENDED))
    assert status == 1
    sentence = errors.splitlines()[-1]
    assert "a process that trained a fold was ended from outside" in sentence
    assert f"goes on in {out}" in sentence
    assert "Traceback" not in errors
    status, _, errors = finish(start_command(*command))
    assert status == 0, errors
    check_same(out, whole)
