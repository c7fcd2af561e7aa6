"""A labelled dataset is trained on as it lies there: by its manifest's parts, and never across a scene."""

import zipfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from face_sets import make_dataset, pixels_of
from tiny import Command

from pipelines.curation.manifest import Manifest
from pipelines.curation.naming import NO_CLASSES
from pipelines.data.errors import DataError
from pipelines.data.parts import divide
from pipelines.data.source import Source, open_source
from pipelines.errors import UserError

CLASSES = (["Happy", "Sad", "angry"] * 30) + ["unlabelled", "rejected"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_dataset(tmp_path / "faces", CLASSES, per_scene=5)
    return tmp_path / "faces"


def give_parts(folder: Path, parts: list[str | None]) -> None:
    manifest = Manifest.read(folder)
    manifest.rows = [replace(row, split=part) for row, part in zip(manifest.rows, parts, strict=True)]
    manifest.write()


def scenes(samples: list, folder: Path) -> set[int | None]:
    by_file = {row.file: row.scene for row in Manifest.read(folder).rows}
    return {by_file[sample.name] for sample in samples}


def test_classes_are_alphabetical_without_regard_to_case_and_what_has_none_is_left_out(folder: Path) -> None:
    source = open_source(folder)
    assert source.class_names == ("angry", "Happy", "Sad")
    assert len(source.samples) == 90
    assert {sample.split for sample in source.samples} == {"all"}
    assert not any(sample.name.startswith(NO_CLASSES) for sample in source.samples)
    sample = next(sample for sample in source.samples if sample.name == "Sad/Sad_ana_00002.png")
    assert source.class_names[sample.label] == "Sad"
    np.testing.assert_array_equal(source.read(sample), pixels_of(2))
    assert open_source(folder, ("sad", "happy", "ANGRY")).class_names == ("sad", "happy", "ANGRY")


def zipped(folder: Path, prefix: str) -> Source:
    path = folder.parent / "faces.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, prefix + file.relative_to(folder).as_posix())
    return open_source(path)


@pytest.mark.parametrize("prefix", ["", "faces/"])
def test_an_archive_of_a_dataset_is_the_dataset(folder: Path, prefix: str) -> None:
    give_parts(folder, [*["train", "validation", "test"] * 30, None, None])
    source, archive = open_source(folder), zipped(folder, prefix)
    assert archive.class_names == source.class_names
    assert [(s.name.removeprefix(prefix), s.label, s.split) for s in archive.samples] == [
        (s.name, s.label, s.split) for s in source.samples
    ]
    np.testing.assert_array_equal(archive.read(archive.samples[3]), source.read(source.samples[3]))


def test_the_manifests_parts_are_used_and_images_without_one_are_named(folder: Path) -> None:
    parts = [("train", "validation", "test")[scene % 3] for scene in range(18) for _ in range(5)]
    give_parts(folder, [None, *parts[1:], None, None])
    source = open_source(folder)
    assert [name for name, _ in source.skipped] == ["Happy/Happy_ana_00001.png"]
    assert "scratchnet dataset split gives it a part" in source.skipped[0][1]
    divided = divide(source, 0.2, 0.2, seed=0)
    for part, samples in divided._asdict().items():
        assert {sample.split for sample in samples} == {part}
    assert sum(map(len, divided)) == 89


@pytest.mark.parametrize("parts", [None, ("train", "test")])
@pytest.mark.parametrize("seed", range(3))
def test_what_is_held_back_shares_no_scene_with_what_is_trained_on(
    folder: Path, parts: tuple[str, ...] | None, seed: int
) -> None:
    if parts:
        give_parts(folder, [*(parts[number // 5 % 6 == 5] for number in range(90)), None, None])
    divided = divide(open_source(folder), 0.2, 0.2, seed)
    found = [scenes(samples, folder) for samples in divided]
    assert all(found)
    assert not found[0] & found[1]
    assert not found[0] & found[2]
    assert not found[1] & found[2]
    assert 10 <= len(divided.validation) <= 20
    assert divided == divide(open_source(folder), 0.2, 0.2, seed)


def test_a_single_scene_cannot_be_held_back_from_itself(tmp_path: Path) -> None:
    make_dataset(tmp_path, ["Happy", "Sad"] * 10, per_scene=20)
    with pytest.raises(DataError, match=r"no images can be held back: all 20 .* scratchnet dataset split --plain"):
        divide(open_source(tmp_path), 0.2, 0.2, seed=0)


def test_without_a_manifest_the_class_folders_count_and_set_aside_faces_do_not(folder: Path) -> None:
    (folder / "manifest.csv").unlink()
    (folder / "rejected/too-dark").mkdir()
    cv2.imwrite(str(folder / "rejected/too-dark/1.png"), pixels_of(1))
    for source in (open_source(folder), zipped(folder, "faces/")):
        assert source.class_names == ("angry", "Happy", "Sad")
        assert len(source.samples) == 90


def test_another_programs_class_called_rejected_and_its_manifest_are_no_obstacle(tmp_path: Path) -> None:
    for name in ("accepted", "rejected"):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / "1.png"), pixels_of(1))
    (tmp_path / "manifest.csv").write_text("path,label\n")
    assert open_source(tmp_path).class_names == ("accepted", "rejected")


def test_a_damaged_manifest_is_an_error_and_not_passed_over(folder: Path) -> None:
    path = folder / "manifest.csv"
    path.write_text(path.read_text().replace(",split", ",part", 1))
    with pytest.raises(UserError, match=r"manifest\.csv, line 1: the column 'split' is missing"):
        open_source(folder)
    with pytest.raises(UserError, match=r"faces/manifest\.csv, line 1: the column 'split' is missing"):
        zipped(folder, "faces/")


def test_a_dataset_without_labels_says_how_to_get_them(tmp_path: Path) -> None:
    make_dataset(tmp_path, ["unlabelled"] * 3)
    with pytest.raises(DataError, match="has no labelled images; scratchnet dataset label gives them classes"):
        open_source(tmp_path)


def test_a_dataset_is_divided_trained_on_and_evaluated_by_its_parts(
    command: Command, folder: Path, tiny_recipe: Path
) -> None:
    assert command("dataset", "split", folder, "--ratios", 60, 20, 20).status == 0
    run = folder.parent / "run"
    done = command("train", tiny_recipe, "--data", folder, "--out", run)
    assert done.status == 0, done.err
    lines = (run / "split.csv").read_text().splitlines()
    trained = {name: part for name, _, part in (line.split(",") for line in lines)}
    rows = [row for row in Manifest.read(folder).rows if row.is_labelled]
    assert all(trained[row.file] == row.split for row in rows)
    done = command("evaluate", run)
    assert done.status == 0, done.err
    assert f"images {sum(row.split == 'test' for row in rows)}" in done.out
