"""Ctrl-C, `kill` and a closed terminal end a command at any time: one sentence, nothing left, the signal's status."""

import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import Mock

import pytest
from processes import run_python, start_command, start_python
from tiny import Command

from pipelines import interruption, main
from pipelines.crossval import running
from pipelines.interruption import ENDING, raise_interrupts
from pipelines.movies import extract
from pipelines.workers import postponed_interrupts

# stands still where the command would begin to import
IMPORTING = """
import signal, sys, time, pipelines.main
signal.signal(signal.SIGINT, signal.SIG_DFL)  # which is ignored in a shell's background
def find_spec(name):
    print(*{"numpy", "numba", "rich", "typer"} & sys.modules.keys(), "importing", flush=True)
    time.sleep(600)
pipelines.main.find_spec = find_spec
"""
# two workers that hold Python's lock, as a kernel that is compiled may do, so that no thread of theirs can look around
WORKING = """
import ctypes, os
from joblib import delayed
from pipelines.workers import started_workers
def work():
    os.write(1, b"working\\n")
    ctypes.PyDLL(None).sleep(600)
with started_workers(2, 2) as parallel:
    parallel(delayed(work)() for _ in range(2))
"""


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_while_modules_are_imported_ends_in_one_sentence(number: signal.Signals) -> None:
    process = start_command("recipes", before=IMPORTING)
    assert process.stdout is not None
    assert process.stdout.readline() == "importing\n", "the answer to signals must come before what is large"
    process.send_signal(number)
    assert process.communicate(timeout=60) == ("", "scratchnet: interrupted\n")
    assert process.returncode == 128 + number


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_at_work_ends_in_one_sentence_and_in_its_status(
    command: Command, monkeypatch: pytest.MonkeyPatch, raising: None, number: signal.Signals
) -> None:
    monkeypatch.setattr("pipelines.recipe_files.load_recipe", lambda *_, **__: os.kill(os.getpid(), number))
    assert command("recipes") == (128 + number, "", "scratchnet: interrupted\n")


def test_what_ignores_a_signal_goes_on_doing_so(raising: None) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    raise_interrupts()
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    assert callable(signal.getsignal(signal.SIGTERM))


def test_signals_are_answered_from_the_first_import_to_the_end(monkeypatch: pytest.MonkeyPatch, raising: None) -> None:
    answers = []
    monkeypatch.setattr("pipelines.cli.run", lambda: answers.append(signal.getsignal(signal.SIGTERM)))
    main.main()
    assert answers == [interruption._raise]
    assert signal.getsignal(signal.SIGTERM) is interruption._end


def test_the_module_of_the_entry_point_runs_the_command(monkeypatch: pytest.MonkeyPatch, raising: None) -> None:
    ran = Mock()
    monkeypatch.setattr("pipelines.cli.run", ran)
    monkeypatch.delitem(sys.modules, "pipelines.main")
    runpy.run_module("pipelines.main", run_name="__main__")
    ran.assert_called_once_with()


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_while_workers_start_is_answered_afterwards_and_not_by_them(
    raising: None, number: signal.Signals
) -> None:
    mask = "import signal; print(*map(int, signal.pthread_sigmask(signal.SIG_BLOCK, ())))"
    reached = False
    with pytest.raises(KeyboardInterrupt), postponed_interrupts():  # noqa: PT012  # the first statements raise nothing
        os.kill(os.getpid(), number)
        blocked = subprocess.run([sys.executable, "-c", mask], capture_output=True, text=True, check=True).stdout
        reached = True
    assert reached
    assert set(map(int, blocked.split())) >= set(ENDING)
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ()) & set(ENDING)
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), number)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a worker must come to look for its parent")
def test_workers_end_with_a_process_that_is_killed_whatever_they_do() -> None:
    process = start_python(WORKING)
    assert process.stdout is not None
    assert [process.stdout.readline() for _ in range(2)] == ["working\n"] * 2
    process.kill()
    process.communicate(timeout=60)  # returns when no process has its output open any more
    assert process.returncode == -signal.SIGKILL


# a worker that is killed while it writes a file
HALF = """
import os, sys
from pathlib import Path
from scratchnet.formats.whole_file import whole_file
writing = whole_file(Path(sys.argv[1]))
writing.__enter__().write_bytes(b"half")
os._exit(9)
"""


@contextmanager
def interrupted_workers(folder: Path) -> Iterator[None]:
    assert run_python(HALF, str(folder / "model.keras")) == (9, "", "")
    assert list(folder.glob(".model*"))
    raise KeyboardInterrupt
    yield


def test_an_interrupted_cross_validation_leaves_no_temporary_files(
    command: Command, tiny_recipe: Path, faces: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "crossval"
    monkeypatch.setattr(running, "started_workers", lambda *_: interrupted_workers(out / "fold_1"))
    done = command("crossval", "--recipe", tiny_recipe, "--data", faces["split"], "--folds", 2, "--out", out)
    assert done.status == 130
    assert done.err.startswith(f"scratchnet: interrupted; the same command goes on in {out}")
    assert not list(out.rglob(".model*"))


def test_an_interrupted_extraction_leaves_no_temporary_files(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "dataset"
    run = extract._run

    def interrupted(jobs: list, *more: object) -> object:
        monkeypatch.setattr(extract, "started_workers", lambda *_: interrupted_workers(jobs[0].work / "pictures"))
        return run(jobs, *more)

    monkeypatch.setattr(extract, "_run", interrupted)
    done = command("dataset", "extract", "drawn:1", "--out", out)
    assert (done.status, done.err) == (130, "scratchnet: interrupted; the same command goes on from here\n")
    assert not list(out.rglob(".model*"))
