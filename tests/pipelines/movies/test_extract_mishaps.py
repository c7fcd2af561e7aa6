"""Whatever goes wrong ends in a sentence or in the same dataset later: kills, full disks, films that are none."""

import errno
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from extraction import FILMS, KILLED, SETTINGS, contents, film_without_faces
from processes import finish, run_python, start_python
from tiny import Command

from pipelines import files
from pipelines.curation.manifest import Manifest
from pipelines.errors import UserError
from pipelines.movies import assemble, one_film
from pipelines.movies.drawn_film import DrawnFilm
from pipelines.movies.extract import extract

KILLS = (
    ("film.avi", 2), ("pictures/", 4), ("pieces/", 1), ("pieces/", 4), ("plan.json", 1), ("unlabelled/", 3),
    ("manifest.csv", 1), ("extraction.json", 1),
)  # fmt: skip
LATE_PIECES = (("pieces/", 3), ("pieces/", 6))
Killed = Callable[[str, int, Path], Path]


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Killed:
    """Copies what a run leaves that was killed at the COUNTth time that it wrote something of a family."""
    root = tmp_path_factory.mktemp("killed")
    folders = {kill: root / str(number) for number, kill in enumerate((*KILLS, *LATE_PIECES))}
    words = [word for (family, count), folder in folders.items() for word in (str(folder), family, str(count))]
    status, printed, errors = run_python(KILLED, ",".join(FILMS), *words, OPENBLAS_NUM_THREADS="1")
    assert (status, printed.split()) == (0, [str(-signal.SIGKILL)] * len(folders)), errors

    def copy(family: str, count: int, target: Path) -> Path:
        return Path(shutil.copytree(folders[family, count], target))

    return copy


@pytest.mark.parametrize(("family", "count"), KILLS)
def test_a_run_that_was_killed_anywhere_goes_on_to_the_same_dataset(
    dataset: Path, killed: Killed, tmp_path: Path, family: str, count: int
) -> None:
    folder = killed(family, count, tmp_path / "dataset")
    extract(FILMS, folder, SETTINGS)
    assert contents(folder) == contents(dataset)


def test_a_run_in_several_processes_that_was_killed_goes_on_to_the_same_dataset(dataset: Path, tmp_path: Path) -> None:
    folder = tmp_path / "dataset"
    code = (
        "import os, signal, sys; from pathlib import Path; from pipelines.movies.extract import extract; "
        "from pipelines.movies.settings import Settings; "
        "settings = Settings(interval=0.25, keep_rejected=3, frames_per_piece=10); folder = Path(sys.argv[1]); "
        "kill = lambda films: list(folder.glob('.extraction/*/film.avi')) and os.kill(os.getpid(), signal.SIGKILL); "
        "extract(sys.argv[2:], folder, settings, jobs=2, watch=kill)"
    )
    assert finish(start_python(code, str(folder), *FILMS))[0] == -signal.SIGKILL
    extract(FILMS, folder, SETTINGS)
    assert contents(folder) == contents(dataset)


def test_what_was_done_is_not_done_again(killed: Killed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = killed("pieces/", 6, tmp_path / "dataset")
    seen: list[int] = []
    take = one_film._Extraction.take
    monkeypatch.setattr(one_film._Extraction, "take", lambda self, frame: (seen.append(1), take(self, frame)))
    extract(FILMS, folder, SETTINGS)
    assert len(seen) == 2 * 12  # the first five pieces are the first two films


def _fields(row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__slots__}


def test_of_a_film_that_was_cut_off_the_rest_is_kept_and_that_is_said(command: Command, tmp_path: Path) -> None:
    film = tmp_path / "film.avi"
    DrawnFilm(3, 1).write(film)
    data = film.read_bytes()
    film.write_bytes(data[: len(data) // 2])
    done = command("dataset", "extract", film, "--out", tmp_path / "dataset")
    assert done.status == 0, done.err
    assert "its header promises 36 frames" in done.err
    assert Manifest.read(tmp_path / "dataset").rows


def test_films_that_cannot_be_read_are_named_and_the_others_extracted(command: Command, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no film")
    (tmp_path / "empty.mp4").write_bytes(b"")
    bad = [tmp_path / "text.mp4", tmp_path / "empty.mp4", tmp_path / "missing.mp4", tmp_path]
    done = command("dataset", "extract", *bad, "drawn:2", "--out", tmp_path / "dataset", "--jobs", 1)
    assert done.status == 1
    for path in bad:
        assert str(path) in done.err
    assert "Traceback" not in done.err
    assert len(done.err.splitlines()) == len(bad)
    assert Manifest.read(tmp_path / "dataset").rows


def test_where_no_film_can_be_read_nothing_is_left_behind(command: Command, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no film")
    done = command("dataset", "extract", tmp_path / "text.mp4", "--out", tmp_path / "dataset")
    assert (done.status, done.err.count("\n")) == (1, 1)
    assert not (tmp_path / "dataset").exists()


@pytest.mark.parametrize(
    ("arguments", "mentioned"),
    [
        ([], "no films were given"),
        (["drawn:x"], "drawn:SECONDS"),
        (["drawn", "--contributor", "a_b"], "contributor"),
        (["drawn", "--interval", "-1"], "interval"),
        (["drawn", "--min-inside", "2"], "inside"),
        (["drawn", "--detector", "eyes"], "detector"),
        (["drawn", "--detector", "yunet", "--detector-model", "none.onnx"], "none.onnx"),
        (["drawn", "--near", "70"], "near"),
    ],
)
def test_wrong_use_ends_in_one_sentence(command: Command, tmp_path: Path, arguments: list[str], mentioned: str) -> None:
    done = command("dataset", "extract", *arguments, "--out", tmp_path / "dataset")
    assert done.status == 1
    assert mentioned in done.err
    assert done.err.startswith("scratchnet: ")
    assert done.err.count("\n") == 1
    assert not (tmp_path / "dataset").exists()


def test_a_folder_with_other_things_is_left_alone(command: Command, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("")
    done = command("dataset", "extract", "drawn", "--out", tmp_path)
    assert done.status == 1
    assert "letter.txt" in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_a_folder_that_must_not_be_written_to_is_named(command: Command, tmp_path: Path) -> None:
    if os.geteuid() == 0:
        (tmp_path / "dataset").write_text("")  # nothing is forbidden to root; a file in the way is
    else:
        (tmp_path / "dataset").mkdir(mode=0o500)
    done = command("dataset", "extract", "drawn:1", "--out", tmp_path / "dataset")
    assert done.status == 1
    assert str(tmp_path / "dataset") in done.err
    assert "Traceback" not in done.err


def test_a_film_that_must_not_be_read_is_named(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = film_without_faces(tmp_path / "film.avi")

    def forbidden(path: Path) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr("pipelines.movies.film.open_regular", forbidden)
    done = command("dataset", "extract", film, "--out", tmp_path / "dataset")
    assert done.status == 1
    assert f"{film}: Permission denied" in done.err


@pytest.mark.parametrize("family", ["pictures", "pieces", "manifest"])
def test_a_full_disk_ends_in_a_sentence_and_the_same_command_goes_on_later(
    command: Command, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: str
) -> None:
    whole = files.write_whole

    def full(path: Path, write: Callable[[Path], object]) -> None:
        if family in str(path.relative_to(tmp_path)).removeprefix("dataset/.extraction"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        whole(path, write)

    folder = tmp_path / "dataset"
    monkeypatch.setattr("pipelines.commands.dataset_extract.Settings", lambda **_: SETTINGS)
    arguments = ["dataset", "extract", *FILMS, "--out", folder, "--jobs", 1]
    with monkeypatch.context() as patch:
        for module in (files, one_film.write_picture.__globals__):
            (patch.setitem if isinstance(module, dict) else patch.setattr)(module, "write_whole", full)
        done = command(*arguments)
    assert done.status == 1
    assert "No space left on device" in done.err
    assert done.err.count("\n") == 1
    assert command(*arguments).status == 0
    assert contents(folder) == contents(dataset)


def test_work_that_was_damaged_is_named_with_its_remedy(killed: Killed, tmp_path: Path) -> None:
    folder = killed("pieces/", 3, tmp_path / "dataset")
    piece = next(folder.glob(".extraction/*/pieces/0*.json"))
    piece.write_text("{}")
    with pytest.raises(UserError, match="delete"):
        extract(FILMS, folder, SETTINGS)


def test_a_strange_file_in_the_way_of_a_picture_is_not_lost(tmp_path: Path) -> None:
    folder = tmp_path / "dataset"
    extract([film_without_faces(tmp_path / "film.avi")], folder)
    (folder / "unlabelled").mkdir()
    strange = folder / "unlabelled" / "unlabelled_film_00001.png"
    strange.write_text("mine")
    with pytest.raises(UserError, match="in the way"):
        extract(["drawn:2"], folder)
    assert strange.read_text() == "mine"
    strange.unlink()
    assert extract(["drawn:2"], folder).films[0]["kept"] > 0


def test_a_plan_is_carried_out_as_well_when_its_images_were_labelled_meanwhile(
    dataset: Path, killed: Killed, tmp_path: Path
) -> None:
    folder = killed("extraction.json", 1, tmp_path / "dataset")
    manifest = Manifest.read(folder)
    row = manifest.rows[0]
    new = row.__class__(**{**_fields(row), "class_name": "Sad", "file": "Sad/Sad_film_00001.png"})
    (folder / "Sad").mkdir()
    (folder / row.file).rename(folder / new.file)
    manifest.rows[0] = new
    manifest.write()
    assemble.carry_out(folder)
    assert Manifest.read(folder).rows == [new, *Manifest.read(dataset).rows[1:]]
    assert (folder / new.file).exists()
