"""Files and folders appear whole or not at all, whoever else writes them, and whatever ends the process."""

import errno
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from scratchnet.callbacks import CSVLogger
from scratchnet.formats import whole_file as module
from scratchnet.formats.whole_file import naming, whole_file, whole_folder, write_bytes

Whole = Callable[[Path], AbstractContextManager[Path]]


def fill(place: Path, content: str) -> None:
    (place / "a.txt" if place.is_dir() else place).write_text(content)


def publish_beside(first: Path, path: Path) -> None:
    fill(first, "first")
    with whole_folder(path) as second:
        fill(second, "second")


def fill_disk(temporary: Path) -> None:
    fill(temporary, "half")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # as `write` does, which knows no name


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_writers_of_one_path_keep_out_of_each_others_way(tmp_path: Path) -> None:
    path = tmp_path / "m.bin"
    with whole_file(path) as first:
        first.write_text("first, long")
        with whole_file(path) as second:
            second.write_text("second")
            assert first != second
            assert first.suffix == second.suffix == ".bin"
        assert path.read_text() == "second"
    assert path.read_text() == "first, long"
    assert names(tmp_path) == ["m.bin"]


def test_the_second_of_two_folders_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="out") as caught, whole_folder(tmp_path / "out") as first:
        publish_beside(first, tmp_path / "out")
    assert caught.value.filename == str(tmp_path / "out")
    assert names(tmp_path) == ["out"]
    assert (tmp_path / "out" / "a.txt").read_text() == "second"


@pytest.mark.parametrize("whole", [whole_file, whole_folder])
def test_what_is_published_is_synchronised_before_and_its_folders_after(
    whole: Whole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[Any] = []
    replace, fsync = Path.replace, os.fsync
    monkeypatch.setattr(Path, "replace", lambda source, target: events.append("rename") or replace(source, target))
    monkeypatch.setattr(os, "fsync", lambda number: events.append(os.fstat(number).st_ino) or fsync(number))
    with whole(tmp_path / "new" / "newer" / "x") as temporary:
        fill(temporary, "x")
    path = tmp_path / "new" / "newer" / "x"
    written = [path / "a.txt", path] if path.is_dir() else [path]
    folders = [path.parent, tmp_path / "new", tmp_path]
    assert events == [*(p.stat().st_ino for p in written), "rename", *(p.stat().st_ino for p in folders)]


def test_rows_of_a_history_are_synchronised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda number: synced.append(os.fstat(number).st_ino))
    logger = CSVLogger(tmp_path / "history.csv")
    logger.on_train_begin()
    for epoch in range(2):
        synced.clear()
        logger.on_epoch_end(epoch, {"loss": 1.0})
        assert synced[-1] == (tmp_path / "history.csv").stat().st_ino


@pytest.mark.parametrize("whole", ["whole_file", "whole_folder"])
def test_what_a_killed_process_left_goes_and_what_a_living_one_writes_stays(whole: str, tmp_path: Path) -> None:
    code = (
        "import os, pathlib, runpy, sys\n"
        "with runpy.run_path(sys.argv[1])[sys.argv[2]](pathlib.Path(sys.argv[3])) as temporary:\n"
        "    (temporary / 'a.txt' if temporary.is_dir() else temporary).write_text('half')\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    command = [sys.executable, "-c", code, module.__file__, whole, tmp_path / "killed"]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert len(names(tmp_path)) == 1
    with getattr(module, whole)(tmp_path / "living") as temporary:  # which clears the folder first
        assert names(tmp_path) == [temporary.name]
        module._remove_leftovers_once.cache_clear()
        (tmp_path / ".theirs.0123abcd.tmp").touch()  # another program's
        write_bytes(tmp_path / "other", b"x")
        fill(temporary, "x")
    assert names(tmp_path) == [".theirs.0123abcd.tmp", "living", "other"]


def test_a_file_swept_away_before_it_was_locked_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flock, taken = module.fcntl.flock, iter([True, False])

    def lose(descriptor: int, operation: int) -> None:
        flock(descriptor, operation)
        if next(taken):
            for path in tmp_path.iterdir():
                path.unlink()

    monkeypatch.setattr(module.fcntl, "flock", lose)
    write_bytes(tmp_path / "x", b"whole")
    assert (tmp_path / "x").read_bytes() == b"whole"
    assert names(tmp_path) == ["x"]


def test_file_systems_without_locks_and_synchronised_folders_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_lock(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    def files_only(descriptor: int) -> None:
        if os.fstat(descriptor).st_mode & 0o040000:
            raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(module.fcntl, "flock", no_lock)
    monkeypatch.setattr(os, "fsync", files_only)
    write_bytes(tmp_path / "x", b"whole")
    assert names(tmp_path) == ["x"]


def test_new_files_and_folders_have_the_usual_rights(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    write_bytes(tmp_path / "own file", b"x")
    with whole_folder(tmp_path / "own folder"):
        pass
    with whole_file(tmp_path / "private", 0o600) as temporary:
        assert stat.S_IMODE(temporary.stat().st_mode) == 0o600  # before there is anything to read
    assert stat.S_IMODE((tmp_path / "private").stat().st_mode) == 0o600
    for kind in ("file", "folder"):
        assert (tmp_path / f"own {kind}").stat().st_mode == (tmp_path / kind).stat().st_mode


def test_a_name_may_be_as_long_as_the_system_allows(tmp_path: Path) -> None:
    for name in ("x" * 255, "\N{GRINNING FACE}" * 62 + ".onnx"):
        write_bytes(tmp_path / name, b"x")
        assert (tmp_path / name).read_bytes() == b"x"


@pytest.mark.parametrize("whole", [whole_file, whole_folder])
def test_a_failure_leaves_nothing_and_names_the_path(whole: Whole, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space") as caught, whole(tmp_path / "x") as temporary:
        fill_disk(temporary)
    assert caught.value.filename == str(tmp_path / "x")
    with pytest.raises(OSError, match=r"x.lacking") as caught, whole(tmp_path / "x") as temporary:
        (temporary / "lacking" / "y").write_text("")  # a path within
    assert caught.value.filename.startswith(str(tmp_path / "x"))
    assert not names(tmp_path)


def test_errors_of_other_things_are_not_blamed_on_the_path(tmp_path: Path) -> None:
    for error in (BrokenPipeError(errno.EPIPE, "Broken pipe"), OSError("not a picture")):
        with pytest.raises(OSError, match=str(error.strerror or error)) as caught, whole_file(tmp_path / "x"):
            raise error
        assert caught.value is error
    with pytest.raises(FileNotFoundError) as missing, naming(tmp_path / "x"):
        (tmp_path / "other").read_bytes()
    assert missing.value.filename == str(tmp_path / "other")
    assert not names(tmp_path)


def test_only_files_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    for path, words in {"folder": "is a folder", "pipe": "a device or a pipe", "file/x": "where a folder"}.items():
        with pytest.raises(OSError, match=words) as caught:
            write_bytes(tmp_path / path, b"x")
        assert caught.value.filename == str(tmp_path / path.split("/")[0])
    assert names(tmp_path) == ["file", "folder", "pipe"]
