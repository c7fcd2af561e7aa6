"""Films become a dataset that depends on them alone: not on processes, nor on interruptions, nor on what goes wrong."""

import errno
import json
import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import joblib
import numpy as np
import pytest
from film_files import numbered, write_film
from processes import finish, start_python
from tiny import Command

from pipelines import files
from pipelines.curation.hashes import content_hash, distance, perceptual_hash
from pipelines.curation.manifest import Manifest
from pipelines.data.decode import decode_image
from pipelines.errors import UserError
from pipelines.movies import assemble, one_film
from pipelines.movies.drawn_film import DrawnFilm
from pipelines.movies.extract import Extraction, Progress, extract
from pipelines.movies.settings import Settings

FILMS = ("drawn:3:1", "drawn:2:2", "drawn:3:3")
SETTINGS = Settings(interval=0.25, keep_rejected=3, frames_per_piece=10)

# `FOLDER FAMILY COUNT`: extract, and kill the process at the COUNTth time that it writes something of that family
KILLED = """
import os, signal, sys
from pathlib import Path
from pipelines.movies.extract import extract
from pipelines.movies.settings import Settings

folder, family, left = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
replace = Path.replace


def deadly(self, target):
    global left
    if family in str(target):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    return replace(self, target)


Path.replace = deadly
extract(sys.argv[4:], folder, Settings(interval=0.25, keep_rejected=3, frames_per_piece=10))
"""


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a dataset but the lock."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".dataset.lock"
    }


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the three films give in one go."""
    folder = tmp_path_factory.mktemp("extract") / "dataset"
    extract(FILMS, folder, SETTINGS)
    return folder


def test_images_are_named_numbered_sized_and_described_as_documented(dataset: Path) -> None:
    rows = Manifest.read(dataset).rows
    assert [row.number for row in rows] == list(range(1, len(rows) + 1))
    assert {path.name for path in (dataset / "unlabelled").iterdir()} == {Path(row.file).name for row in rows}
    assert len({row.film for row in rows}) > 1
    for row in rows:
        assert row.file == f"unlabelled/unlabelled_film_{row.number:05d}.png"
        pixels = decode_image((dataset / row.file).read_bytes(), row.file)
        assert pixels.shape == (480, 640, 3)
        assert (content_hash(pixels), perceptual_hash(pixels)) == (row.sha256, row.phash)
        assert row.film in FILMS
        assert row.frame is not None
        assert row.time_code == f"00:00:{row.frame // 12:02d}.{round(row.frame % 12 * 1000 / 12):03d}"
    assert not (dataset / ".extraction").exists()


def test_no_two_images_are_near_duplicates(dataset: Path) -> None:
    hashes = [row.phash or "" for row in Manifest.read(dataset).rows]
    assert len(hashes) > 5
    assert min(distance(a, b) for i, a in enumerate(hashes) for b in hashes[:i]) > SETTINGS.near


def test_the_report_accounts_for_every_face(dataset: Path) -> None:
    report = json.loads((dataset / "extraction.json").read_text())["films"]
    files_kept = {row.file for row in Manifest.read(dataset).rows}
    assert [film["film"] for film in report] == list(FILMS)
    for film in report:
        assert film["frames"] == film["announced_frames"] == int(film["film"].split(":")[1]) * 12
        assert film["faces"] == sum(film["rejected"].values()) + len(film["duplicates"]) + film["kept"]
        for gone in film["duplicates"]:
            assert gone["kept"] in files_kept
            assert gone["same_pixels"] <= (gone["bits"] == 0)
    assert sum(film["kept"] for film in report) == len(files_kept)


@pytest.mark.parametrize("jobs", [2, 3])
def test_any_number_of_processes_gives_the_same_dataset(dataset: Path, tmp_path: Path, jobs: int) -> None:
    extract(FILMS, tmp_path / "dataset", SETTINGS, jobs=jobs)
    assert contents(tmp_path / "dataset") == contents(dataset)


def test_joblibs_configuration_chooses_another_backend(dataset: Path, tmp_path: Path) -> None:
    with joblib.parallel_config(backend="threading", n_jobs=2):
        extract(FILMS, tmp_path / "dataset", SETTINGS)
    assert contents(tmp_path / "dataset") == contents(dataset)


@pytest.mark.parametrize(
    ("family", "counts"),
    [("film.avi", [2]), ("pictures/", [1, 5]), ("pieces/", [1, 3, 9]), ("plan.json", [1]), ("unlabelled/", [1, 4]),
     ("manifest.csv", [1]), ("extraction.json", [1])],
)  # fmt: skip
def test_a_run_that_was_killed_anywhere_goes_on_to_the_same_dataset(
    dataset: Path, tmp_path: Path, family: str, counts: list[int]
) -> None:
    for count in counts:
        folder = tmp_path / f"{count}"
        status, _, printed = finish(start_python(KILLED, str(folder), family, str(count), *FILMS))
        assert status == -signal.SIGKILL, printed
        extract(FILMS, folder, SETTINGS)
        assert contents(folder) == contents(dataset)


def test_a_run_in_several_processes_that_was_killed_goes_on_to_the_same_dataset(dataset: Path, tmp_path: Path) -> None:
    folder = tmp_path / "dataset"
    code = (
        "import sys; from pathlib import Path; from pipelines.movies.extract import extract; "
        "from pipelines.movies.settings import Settings; "
        "extract(sys.argv[2:], Path(sys.argv[1]), Settings(interval=0.25, keep_rejected=3, frames_per_piece=10), jobs=2)"
    )
    process = start_python(code, str(folder), *FILMS)
    deadline = time.monotonic() + 120
    while not list(folder.glob(".extraction/*/film.avi")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    finish(process)
    extract(FILMS, folder, SETTINGS)
    assert contents(folder) == contents(dataset)


def test_what_was_done_is_not_done_again(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "dataset"
    finish(start_python(KILLED, str(folder), "pieces/", "6", *FILMS))
    seen: list[int] = []
    take = one_film._Extraction.take
    monkeypatch.setattr(one_film._Extraction, "take", lambda self, frame: (seen.append(1), take(self, frame)))
    extract(FILMS, folder, SETTINGS)
    assert len(seen) == (3 + 2 + 3) * 12 - 5 * 10 + 4  # five pieces were there, one of them the shorter end of a film


def test_more_films_add_to_the_dataset_and_change_nothing(dataset: Path, tmp_path: Path) -> None:
    folder = tmp_path / "dataset"
    extract(FILMS[:1], folder, SETTINGS)
    before = contents(folder)
    first = Manifest.read(folder).rows
    assert extract(FILMS, folder, SETTINGS).known == [FILMS[0]]
    rows = Manifest.read(folder).rows
    assert rows[: len(first)] == first
    assert [row.number for row in rows] == list(range(1, len(rows) + 1))
    after = contents(folder)
    assert {name: after[name] for name in before if name.endswith(".png")} == {
        name: data for name, data in before.items() if name.endswith(".png")
    }


def test_labelled_images_stay_and_their_duplicates_and_numbers_do_not_come_again(tmp_path: Path) -> None:
    folder = tmp_path / "dataset"
    extract(FILMS[:1], folder, SETTINGS)
    manifest = Manifest.read(folder)
    labelled = [
        row.__class__(**{**_fields(row), "class_name": "Happy", "file": f"Happy/Happy_film_{row.number:05d}.png"})
        for row in manifest.rows
    ]
    (folder / "Happy").mkdir()
    for row, new in zip(manifest.rows, labelled, strict=True):
        (folder / row.file).rename(folder / new.file)
    Manifest(folder, labelled).write()
    # other settings, so that the same film is gone through again
    result = extract([FILMS[0], FILMS[1]], folder, Settings(interval=0.25))
    rows = Manifest.read(folder).rows
    assert rows[: len(labelled)] == labelled
    assert result.films[0]["kept"] == 0
    assert {gone["kept"] for gone in result.films[0]["duplicates"]} <= {row.file for row in labelled}
    assert [row.number for row in rows] == list(range(1, len(rows) + 1))


def _fields(row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__slots__}


def test_a_film_under_two_names_is_extracted_once_and_two_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for folder, film in (("a", DrawnFilm(1, 1)), ("b", DrawnFilm(1, 2))):
        (tmp_path / folder).mkdir()
        film.write(tmp_path / folder / "film.avi")
    copy = tmp_path / "copy.avi"
    copy.write_bytes((tmp_path / "a" / "film.avi").read_bytes())
    films = [tmp_path / "a" / "film.avi", copy, tmp_path / "b" / "film.avi", tmp_path / "a" / "film.avi"]
    result = extract(films, tmp_path / "out", SETTINGS)
    assert [film["film"] for film in result.films] == ["film.avi", "b/film.avi"]
    assert result.repeated == [str(copy), str(films[0])]


def test_rejected_faces_are_kept_by_reason_if_that_is_asked_for(tmp_path: Path) -> None:
    result = extract(["drawn:2"], tmp_path / "dataset", Settings(interval=0, min_sharpness=90, keep_rejected=2))
    assert result.films[0]["rejected"]["blurred"] > 2
    pictures = list((tmp_path / "dataset" / "rejected" / "blurred").iterdir())
    assert len(pictures) == 2
    assert all(cv2.imread(str(picture)).shape == (480, 640, 3) for picture in pictures)
    assert Manifest.read(tmp_path / "dataset").rows == []


def test_progress_is_told_up_to_the_end(tmp_path: Path) -> None:
    told: list[Sequence[Progress]] = []
    extract(["drawn:2"], tmp_path / "dataset", SETTINGS, watch=told.append)
    assert told[-1][0].name == "drawn:2:0"
    assert told[-1][0].total == 2
    assert 0 <= told[-1][0].seconds <= 2


def _no_face(path: Path) -> Path:
    return write_film(path, (numbered(n, (180, 320)) for n in range(30)))


def test_a_film_without_faces_gives_an_empty_dataset(tmp_path: Path) -> None:
    result = extract([_no_face(tmp_path / "film.avi")], tmp_path / "dataset")
    assert result.films[0]["faces"] == result.films[0]["kept"] == 0
    assert Manifest.read(tmp_path / "dataset").rows == []


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
    film = _no_face(tmp_path / "film.avi")
    plain = Path.open

    def forbidden(self: Path, *arguments: Any, **named: Any) -> Any:
        if self == film:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))
        return plain(self, *arguments, **named)

    monkeypatch.setattr(Path, "open", forbidden)
    done = command("dataset", "extract", film, "--out", tmp_path / "dataset")
    assert done.status == 1
    assert f"{film}: Permission denied" in done.err


@pytest.mark.parametrize("family", ["pictures", "pieces", "plan", "manifest", "extraction"])
def test_a_full_disk_ends_in_a_sentence_and_the_same_command_goes_on_later(
    command: Command, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: str
) -> None:
    whole = files.write_whole

    def full(path: Path, write: Callable[[Path], object]) -> None:
        if family in str(path.relative_to(tmp_path)).removeprefix("dataset/.extraction"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        whole(path, write)

    folder = tmp_path / "dataset"
    monkeypatch.setattr("pipelines.movies.settings.Settings", lambda *_: SETTINGS)
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


def test_work_that_was_damaged_is_named_with_its_remedy(tmp_path: Path) -> None:
    folder = tmp_path / "dataset"
    finish(start_python(KILLED, str(folder), "pieces/", "3", *FILMS))
    piece = next(folder.glob(".extraction/*/pieces/0*.json"))
    piece.write_text("{}")
    with pytest.raises(UserError, match="delete"):
        extract(FILMS, folder, SETTINGS)


def test_a_strange_file_in_the_way_of_a_picture_is_not_lost(tmp_path: Path) -> None:
    folder = tmp_path / "dataset"
    extract([_no_face(tmp_path / "film.avi")], folder)
    (folder / "unlabelled").mkdir()
    strange = folder / "unlabelled" / "unlabelled_film_00001.png"
    strange.write_text("mine")
    with pytest.raises(UserError, match="in the way"):
        extract(["drawn:2"], folder)
    assert strange.read_text() == "mine"
    strange.unlink()
    assert extract(["drawn:2"], folder).films[0]["kept"] > 0


def test_the_shared_clips_give_what_they_show(shared_data: Path, tmp_path: Path) -> None:
    clips = sorted((shared_data / "movies").iterdir())
    result: Extraction = extract(clips, tmp_path / "dataset", Settings(interval=1.0), jobs=2)
    kept = {film["film"]: film["kept"] + len(film["duplicates"]) for film in result.films}
    assert kept["pyfeat_no_face.mp4"] == 0
    assert min(kept[name] for name in kept if name != "pyfeat_no_face.mp4") > 0
    counts = next(film for film in result.films if film["film"] == "pyfeat_no_face.mp4")
    assert (counts["announced_frames"], counts["frames"]) == (98, 95)
    rows = Manifest.read(tmp_path / "dataset").rows
    hashes = [row.phash or "" for row in rows]
    assert min(distance(a, b) for i, a in enumerate(hashes) for b in hashes[:i]) > 4
    assert np.isfinite([row.sharpness for row in rows]).all()


def test_every_face_of_a_frame_is_taken(tmp_path: Path) -> None:
    extract(["drawn:3"], tmp_path / "dataset", Settings(near=0))
    rows = [row for row in Manifest.read(tmp_path / "dataset").rows if row.frame == 18]
    assert len(rows) == 2
    assert rows[0].face_x is not None
    assert rows[1].face_x is not None
    assert rows[0].face_x < rows[1].face_x


def test_a_plan_is_carried_out_as_well_when_its_images_were_labelled_meanwhile(dataset: Path, tmp_path: Path) -> None:
    folder = tmp_path / "dataset"
    status, _, _ = finish(start_python(KILLED, str(folder), "extraction.json", "1", *FILMS))
    assert status == -signal.SIGKILL
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
