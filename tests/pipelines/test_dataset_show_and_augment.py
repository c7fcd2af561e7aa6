"""Figures show what is there, and an enlarged dataset is the old one with varied copies of its training images."""

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from face_sets import make_dataset
from tiny import TINY, Command

from pipelines.curation import enlarging
from pipelines.curation.card import make_version, write_card
from pipelines.curation.enlarging import enlarge
from pipelines.curation.hashes import perceptual_hash
from pipelines.curation.manifest import Manifest, Row
from pipelines.curation.verify import verify_dataset
from pipelines.data.augmentation import USUAL, Augmentation, draw
from pipelines.data.content import content_hash
from pipelines.data.drawn import DrawnFaces
from pipelines.data.parts import divide
from pipelines.data.source import open_source

SPLITS = ("train", "train", "train", "validation", "test", None)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Six labelled faces in three splits or none, one that waits for its label, and an extraction's report."""
    folder = tmp_path / "faces"
    source = DrawnFaces(7, size=(24, 32))
    rows = []
    for number, sample in enumerate(source.samples, 1):
        name = "unlabelled" if number == 7 else ("Happy", "Sad")[number % 2]
        row = Row(f"{name}/{name}_t_{number:05}.png", name, "t", number, film="a.mp4", frame=number, sharpness=5.0)
        image = source.read(sample)
        (folder / name).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / row.file), image)
        split = None if number == 7 else SPLITS[number - 1]
        rows.append(replace(row, sha256=content_hash(image), phash=perceptual_hash(image), split=split))
    Manifest(folder, rows).write()
    films = [{"film": "a.mp4", "rejected": {"blurred": 40, "dark": 2}}, {"film": "b.mp4", "rejected": {"dark": 1}}]
    (folder / "extraction.json").write_text(json.dumps({"films": films}))
    for reason in ("blurred", "dark"):
        (folder / "rejected" / reason).mkdir(parents=True)
        cv2.imwrite(str(folder / "rejected" / reason / "1.png"), np.full((48, 64), 30, np.uint8))
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_only_training_images_are_varied_and_all_others_stay(command: Command, dataset: Path, tmp_path: Path) -> None:
    before = contents(dataset)
    out = tmp_path / "larger"
    done = command("dataset", "augment", dataset, "--out", out, "--times", 2, "--seed", 3)
    assert done.status == 0, done.err
    assert "7 images as they were, 6 varied copies of 3 of them" in done.out
    assert contents(dataset) == before
    old, new = Manifest.read(dataset), Manifest.read(out)
    assert new.rows[:7] == old.rows
    assert Counter(row.split for row in new.rows) == {"train": 9, "validation": 1, "test": 1, None: 2}
    for row in old.rows:
        assert (out / row.file).read_bytes() == (dataset / row.file).read_bytes()
    assert (out / "extraction.json").exists()
    assert not list(tmp_path.glob(".*")), "nothing temporary is left"


def test_a_copy_keeps_label_and_origin_and_has_a_number_and_hashes_of_its_own(dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "larger"
    enlarge(dataset, out, 2, USUAL, seed=3)
    rows = {row.file: row for row in Manifest.read(out).rows}
    told = json.loads((out / "augmentation.json").read_text())
    assert (told["seed"], told["times"], told["augmentation"]["rotation"]) == (3, 2, 15)
    assert [row.number for row in rows.values()] == list(range(1, 14))
    for file, origin in told["images"].items():
        copy, original = rows[file], rows[origin["original"]]
        for column in ("class_name", "contributor", "film", "frame", "split"):
            assert getattr(copy, column) == getattr(original, column)
        assert copy.sharpness is None
        assert original.split == "train"
        pixels = cv2.imread(str(out / file), cv2.IMREAD_UNCHANGED)
        assert copy.sha256 == content_hash(pixels) != original.sha256
        assert copy.phash == perceptual_hash(pixels)
        training = [row.file for row in rows.values() if row.split == "train"][:3]
        row = draw(3, 3, origin["round"])[training.index(original.file)]
        image = cv2.imread(str(out / original.file), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(pixels[None, ..., None], USUAL(image[None, ..., None], row[None]))
    assert verify_dataset(out)[1] == []
    manifest = Manifest.read(out)
    card = write_card(manifest, make_version(manifest)).read_text()
    assert "6 images are varied copies of training images, which `augmentation.json` names." in card


def test_an_enlarged_dataset_is_not_divided_or_enlarged_again(command: Command, dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "larger"
    enlarge(dataset, out, 2, USUAL)
    before = contents(out)
    for words in (("split", out), ("augment", out, "--out", tmp_path / "largest")):
        done = command("dataset", *words)
        assert done.status == 1
        assert "larger holds 6 varied copies (augmentation.json), so it cannot be" in done.err
        assert len(done.err.splitlines()) == 1
    assert contents(out) == before
    (out / "augmentation.json").write_text("{}")
    assert "augmentation.json is damaged; restore it" in command("dataset", "split", out).err


@pytest.mark.parametrize("archived", [False, True])
def test_what_is_held_back_in_training_has_no_copy_of_what_is_trained_on(tmp_path: Path, archived: bool) -> None:
    manifest = make_dataset(tmp_path / "faces", ["Happy", "Sad"] * 10)
    # nothing but the copies' origin can keep them together
    manifest.rows = [
        replace(row, film=None, scene=None, frame=None, time_code=None, split="train" if row.number < 18 else "test")
        for row in manifest.rows
    ]
    manifest.write()
    enlarge(tmp_path / "faces", tmp_path / "larger", 3, Augmentation(rotation=90, erasing=1))
    images = json.loads((tmp_path / "larger" / "augmentation.json").read_text())["images"]
    data = tmp_path / "larger"
    if archived:
        data = Path(shutil.make_archive(str(tmp_path / "archive"), "zip", tmp_path, "larger"))
    parts = divide(open_source(data), 0.3, 0.2, seed=1)
    origins = [
        {images.get(name, {"original": name})["original"] for name in (s.name.removeprefix("larger/") for s in samples)}
        for samples in (parts.train, parts.validation)
    ]
    assert len(parts.train) == 4 * (17 - len(parts.validation)), "three images are made of each"
    assert not any(sample.augmented for sample in parts.validation), "which judge nothing"
    assert all(origins)
    assert not origins[0] & origins[1]


def test_colour_survives(tmp_path: Path) -> None:
    image = np.zeros((16, 16, 3), np.uint8)
    image[..., 0] = 200  # red
    rows = []
    for number, name in enumerate(("Happy", "Sad"), 1):
        row = Row(f"{name}/{name}_t_{number:05}.png", name, "t", number, split="train")
        (tmp_path / "faces" / name).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / "faces" / row.file), image[:, :, ::-1])
        rows.append(row)
    Manifest(tmp_path / "faces", rows).write()
    enlarge(tmp_path / "faces", tmp_path / "out", 1, Augmentation(rotation=10))
    written = cv2.imread(str(tmp_path / "out" / "Happy" / "Happy_t_00003.png"))
    np.testing.assert_array_equal(written, image[:, :, ::-1])


def test_the_same_seed_gives_the_same_files_on_any_number_of_threads(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    enlarge(dataset, tmp_path / "a", 2, USUAL, seed=1)
    monkeypatch.setattr(enlarging, "THREADS", 5)
    enlarge(dataset, tmp_path / "b", 2, USUAL, seed=1)
    enlarge(dataset, tmp_path / "c", 2, USUAL, seed=2)
    a, b, c = (contents(tmp_path / name) for name in "abc")
    assert a == b
    assert a.keys() == c.keys()
    assert a != c


def test_a_failure_leaves_nothing_and_names_the_folder(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(image: np.ndarray, path: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(enlarging, "_write_png", full)
        with pytest.raises(OSError, match=r"No space left.*larger"):
            enlarge(dataset, tmp_path / "larger", 1, USUAL)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["faces"]
    assert enlarge(dataset, tmp_path / "larger", 1, USUAL) == (7, 3, 3)


def test_augment_refuses_what_it_cannot_do(command: Command, dataset: Path, tmp_path: Path) -> None:
    def refused(folder: Path, out: Path, *options: object) -> str:
        done = command("dataset", "augment", folder, "--out", out, *options)
        assert done.status == 1
        assert len(done.err.splitlines()) == 1
        return done.err

    assert "is there already; choose another --out" in refused(dataset, dataset)
    still = tmp_path / "still.toml"
    still.write_text(TINY.replace("horizontal_flip = true\nrotation = 10\n", ""))
    assert "varies nothing; add an [augmentation] table" in refused(dataset, tmp_path / "out", "--recipe", still)
    assert "it has no manifest.csv" in refused(tmp_path, tmp_path / "out")
    broken = tmp_path / "broken"
    shutil.copytree(dataset, broken)
    (broken / "Sad" / "Sad_t_00001.png").write_text("no image")
    assert "Sad_t_00001.png: not a readable image" in refused(broken, tmp_path / "out")
    (broken / "Sad" / "Sad_t_00001.png").unlink()
    assert "Sad_t_00001.png is missing; see: scratchnet dataset verify" in refused(broken, tmp_path / "out")
    undivided = Manifest.read(dataset)
    undivided.rows = [replace(row, split=None) for row in undivided.rows]
    undivided.write()
    assert "has no training images; divide it first: scratchnet dataset split" in refused(dataset, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_show_draws_everything_that_is_there(command: Command, dataset: Path, tmp_path: Path) -> None:
    done = command("dataset", "show", dataset, "--out", tmp_path / "out")
    assert done.status == 0, done.err
    names = [
        "augmented.png", "class_shares.png", "classes.png", "rejected.png", "rejected_faces.png", "sheets/Happy.png",
        "sheets/Sad.png",
    ]  # fmt: skip
    assert sorted(contents(tmp_path / "out")) == names
    assert sorted(done.out.split()) == sorted(str(tmp_path / "out" / name) for name in names)
    for name in names:
        assert cv2.imread(str(tmp_path / "out" / name)).std() > 5, name


def test_show_takes_data_without_a_manifest_and_passes_over_broken_images(
    command: Command, faces: dict[str, Path], tmp_path: Path
) -> None:
    shutil.copytree(faces["folder"], tmp_path / "faces")
    for path in sorted((tmp_path / "faces" / "sad").iterdir()):
        path.write_text("no image")
    done = command("dataset", "show", tmp_path / "faces", "--out", tmp_path / "out", "--recipe", "fer-small")
    assert done.status == 0, done.err
    assert not (tmp_path / "out" / "sheets" / "sad.png").exists()
    assert (tmp_path / "out" / "sheets" / "happy.png").exists()
    assert not (tmp_path / "out" / "rejected.png").exists()
    assert (tmp_path / "out" / "augmented.png").exists()


def test_show_takes_away_what_it_drew_of_another_dataset_and_nothing_else(
    command: Command, dataset: Path, faces: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert command("dataset", "show", dataset, "--out", out).status == 0
    theirs = out / "sheets" / "Music.png"
    cv2.imwrite(str(theirs), np.zeros((8, 8), np.uint8))
    (out / "sheets" / "Text.png").write_text("no picture")
    done = command("dataset", "show", faces["folder"], "--out", out)
    assert done.status == 0, done.err
    drawn = {Path(line).relative_to(out).as_posix() for line in done.out.split()}
    assert not any(name.endswith(("Happy.png", "Sad.png")) for name in drawn)
    assert contents(out).keys() == {*drawn, "sheets/Music.png", "sheets/Text.png"}


def test_a_damaged_report_of_the_extraction_is_named(command: Command, dataset: Path, tmp_path: Path) -> None:
    (dataset / "extraction.json").write_text('{"films": 3}')
    done = command("dataset", "show", dataset, "--out", tmp_path / "out")
    assert done.status == 1
    assert done.err == f"scratchnet: {dataset / 'extraction.json'} is damaged; restore it, or delete it\n"
