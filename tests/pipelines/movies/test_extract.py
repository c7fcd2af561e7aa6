"""Films become a dataset that depends on them alone: not on processes, nor on interruptions, nor on what goes wrong."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import joblib
import numpy as np
import pytest
from extraction import FILMS, SETTINGS, contents, film_without_faces

from pipelines.curation.hashes import distance, perceptual_hash
from pipelines.curation.manifest import Manifest
from pipelines.data.content import content_hash
from pipelines.data.decode import decode_image
from pipelines.movies.drawn_film import DrawnFilm
from pipelines.movies.extract import Extraction, Progress, extract
from pipelines.movies.settings import Settings


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


def test_a_film_without_faces_gives_an_empty_dataset(tmp_path: Path) -> None:
    result = extract([film_without_faces(tmp_path / "film.avi")], tmp_path / "dataset")
    assert result.films[0]["faces"] == result.films[0]["kept"] == 0
    assert Manifest.read(tmp_path / "dataset").rows == []


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
    shown = DrawnFilm(3).expressions(18)
    assert [name for _, name in shown] == ["disgust", "sad"]
    for row, (x, _) in zip(rows, shown, strict=True):
        assert row.face_x is not None
        assert row.face_width is not None
        assert abs(row.face_x + row.face_width / 2 - x) < 30


@pytest.mark.parametrize("frames_per_piece", [6, 12])
def test_a_film_that_ends_with_a_full_piece_gives_what_it_gives_in_one(tmp_path: Path, frames_per_piece: int) -> None:
    whole = extract(["drawn:1:2"], tmp_path / "whole", Settings(interval=0.25))
    pieces = extract(["drawn:1:2"], tmp_path / "pieces", Settings(interval=0.25, frames_per_piece=frames_per_piece))
    assert pieces.failed == []
    assert whole.films[0]["kept"] > 0
    assert {**pieces.films[0], "key": ""} == {**whole.films[0], "key": ""}
    assert Manifest.read(tmp_path / "pieces").rows == Manifest.read(tmp_path / "whole").rows
