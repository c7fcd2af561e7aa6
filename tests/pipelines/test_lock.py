"""One command at a time in a folder: who works there is said, and a killed process leaves no lock."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from filelock import FileLock, Timeout
from processes import finish, start_python
from tiny import Command

from pipelines.console import TrainingProgress
from pipelines.errors import UserError
from pipelines.lock import LOCK_NAME, LockedError, folder_lock

HOLD = """
import signal, sys
from pathlib import Path
from pipelines.errors import UserError
from pipelines.lock import folder_lock
sys.argv[0] = "/bin/scratchnet"
with folder_lock(Path(sys.argv.pop(1))):
    print("held", flush=True)
    signal.pause()
"""


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """As another process holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / LOCK_NAME).acquire(timeout=0):
        yield


def test_the_second_is_told_who_works_there_and_a_killed_holder_does_not_block(tmp_path: Path) -> None:
    holder = start_python(HOLD, str(tmp_path), "train", "fer small")
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with (
        pytest.raises(LockedError, match=rf"process {holder.pid} on .*, since 20.*: scratchnet train 'fer small'\) is"),
        folder_lock(tmp_path),
    ):
        pass
    holder.send_signal(signal.SIGKILL)
    finish(holder)
    assert (tmp_path / LOCK_NAME).exists()
    with folder_lock(tmp_path), pytest.raises(Timeout), held(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_folder_made_for_the_lock_goes_again_unless_something_was_put_into_it(tmp_path: Path) -> None:
    with folder_lock(tmp_path / "empty"):
        assert (tmp_path / "empty").is_dir()
    assert not (tmp_path / "empty").exists()
    with folder_lock(tmp_path / "used"), folder_lock(tmp_path / "used"):
        (tmp_path / "used" / "file").touch()
    assert sorted(path.name for path in (tmp_path / "used").iterdir()) == ["file"]


def test_a_folder_that_goes_while_it_is_waited_for_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, acquire = tmp_path / "run", FileLock.acquire
    takes_away = iter([folder.rmdir])

    def wait(lock: FileLock, timeout: float) -> object:
        next(takes_away, lambda: None)()
        return acquire(lock, timeout=timeout)

    monkeypatch.setattr(FileLock, "acquire", wait)
    with folder_lock(folder):
        assert (folder / LOCK_NAME).exists()
    assert not folder.exists()


def test_a_training_holds_its_folder_and_a_second_one_leaves_it_alone(
    command: Command, tiny_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("save_training_figures", "save_curves", "save_matrix"):
        monkeypatch.setattr(f"pipelines.training.{name}", lambda *_: None)
    run = tmp_path / "run"
    tried = []

    def second(self: TrainingProgress, epoch: int, logs: object = None) -> None:
        try:
            with held(run):
                tried.append("got in")
        except Timeout:
            tried.append("kept out")

    monkeypatch.setattr(TrainingProgress, "on_epoch_begin", second)
    train = ("train", tiny_recipe, "--data", "drawn:70", "--epochs", 1, "--out", run)
    assert command(*train).status == 0
    assert tried == ["kept out"]
    with held(run):
        before = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
        for arguments in (train, (*train, "--overwrite"), ("evaluate", run), ("demo", "--out", run)):
            done = command(*arguments)
            assert done.status == 1, arguments
            assert f"another scratchnet command is working on {run}; wait for it or end it" in done.err
            assert len(done.err.splitlines()) == 1
        assert {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()} == before


def test_a_cross_validation_holds_its_folder_and_each_fold_that_of_its_run(
    command: Command, tiny_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "folds"
    crossval = ("crossval", tiny_recipe, "--data", "drawn:70", "--epochs", 1, "--folds", 2, "--out", out)
    with held(out):
        done = command(*crossval)
    assert done.status == 1
    assert f"is working on {out}" in done.err

    def train(recipe: object, source: object, data: str, folder: Path, **_: object) -> None:
        for place in (out, folder):
            with pytest.raises(Timeout), held(place):
                pass
        raise UserError("both are held")

    monkeypatch.setattr("pipelines.crossval.fold.train", train)
    done = command(*crossval)
    assert "fold 1 of 2: both are held" in done.err


def test_results_are_written_by_one_command_at_a_time(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("clustering.command", "explaining"):
        monkeypatch.setattr(f"pipelines.{module}.WRITING_SECONDS", 0)
    out = tmp_path / "clusters"
    with held(out):
        done = command("cluster", "pixels", "--size", "16x16x1", "--data", "drawn:70", "--seeds", 1, "--out", out)
        assert done.status == 1
        assert f"is working on {out}" in done.err
        assert {path.name for path in out.iterdir()} == {LOCK_NAME}
