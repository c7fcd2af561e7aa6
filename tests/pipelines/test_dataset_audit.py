"""An audit finds exactly the faults that were put into a dataset."""

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny import Command, Done

from pipelines.curation import scan as scanning
from pipelines.curation.audit import Leak, audit
from pipelines.curation.hashes import distance, near_duplicates, perceptual_hash
from pipelines.curation.manifest import Manifest, Row
from pipelines.curation.scan import look_at, scan
from pipelines.data.content import content_hash
from pipelines.data.drawn import DrawnFaces
from pipelines.data.errors import DataError
from pipelines.data.sample import LeftOut, Sample


class Made:
    """Images in memory: (name, class, split, pixels); pixels None for a broken one."""

    def __init__(self, entries: Sequence[tuple[str, str, str, np.ndarray | None]]) -> None:
        self.class_names = tuple(sorted({entry[1] for entry in entries}))
        self.samples = [Sample(name, self.class_names.index(label), split) for name, label, split, _ in entries]
        self.images = {entry[0]: entry[3] for entry in entries}
        self.skipped: Sequence[tuple[str, str]] = ()
        self.left_out: Sequence[LeftOut] = ()

    def read(self, sample: Sample) -> np.ndarray:
        image = self.images[sample.name]
        if image is None:
            raise DataError(f"{sample.name}: not a readable image")
        return image


@pytest.fixture(scope="module")
def faces() -> list[np.ndarray]:
    """Eight faces that are no near duplicates of each other."""
    source = DrawnFaces(8, size=48)
    images = [source.read(sample) for sample in source.samples]
    assert near_duplicates([perceptual_hash(image) for image in images], 8) == []
    return images


def brighter(image: np.ndarray) -> np.ndarray:
    """Another picture with nearly the same hash."""
    changed = cv2.add(image, 3)
    assert not np.array_equal(changed, image)
    assert distance(perceptual_hash(image), perceptual_hash(changed)) <= 4
    return changed


@pytest.fixture(scope="module")
def faulty(faces: list[np.ndarray]) -> Made:
    blank, faint = np.full((48, 48), 7, np.uint8), np.full((48, 48), 7, np.uint8)
    faint[0, 0] = 9
    return Made(
        [
            ("0", "happy", "train", faces[0]),
            ("1", "happy", "train", faces[0]),  # a copy within train
            ("2", "sad", "train", faces[0]),  # and one with another label
            ("3", "happy", "train", faces[1]),
            ("4", "happy", "test", faces[1]),  # a copy across splits
            ("5", "sad", "train", faces[2]),
            ("6", "sad", "test", brighter(faces[2])),  # a near one across splits
            ("7", "sad", "test", brighter(faces[2])),  # with a copy of its own
            ("8", "sad", "train", blank),
            ("9", "sad", "test", blank),
            ("10", "sad", "test", faint),
            ("11", "happy", "test", None),
            ("12", "happy", "train", np.repeat(cv2.resize(faces[3], (24, 32))[:, :, None], 3, axis=2)),
        ]
    )


def test_the_faults_are_those_that_were_put_in(faulty: Made) -> None:
    found = audit(scan(faulty))
    assert found.splits == ("train", "test")
    assert found.counts.tolist() == [[4, 3], [1, 4]]
    assert found.exact == [[0, 1, 2], [3, 4], [6, 7], [8, 9]]
    assert found.copies == 5
    assert (found.within("train"), found.within("test")) == (2, 1)
    assert found.conflicting(found.exact) == [[0, 1, 2]]
    assert found.near == [[5, 6, 7]]
    assert found.conflicting(found.near) == []
    assert found.leaks == [Leak("train", "test", exact=2, near=1), Leak("test", "train", exact=2, near=2)]
    assert found.leaking
    assert (found.blank, found.faint) == ([8, 9], [10])
    assert [(sample.name, reason) for sample, reason in found.scan.broken] == [("11", "not a readable image")]
    assert found.sizes == [((48, 48, 1), 11), ((32, 24, 3), 1)]
    assert found.balance("train") == 3 / 4
    assert found.balance("test") == 1 / 4


def test_the_file_names_every_image_of_every_group(faulty: Made) -> None:
    told = json.loads(json.dumps(audit(scan(faulty)).to_json()))
    assert told["images"] == 12
    assert told["counts"]["test"] == {"happy": 1, "sad": 4}
    assert told["exact_copies"] == 5
    assert told["conflicting_groups"] == {"exact": 1, "near": 0}
    assert [[image["name"] for image in group] for group in told["groups"]["exact"]] == [
        ["0", "1", "2"], ["3", "4"], ["6", "7"], ["8", "9"],
    ]  # fmt: skip
    assert told["groups"]["near"][0][1] == {"name": "6", "class": "sad", "split": "test"}
    assert told["broken"] == [{"name": "11", "class": "happy", "split": "test", "reason": "not a readable image"}]
    assert (told["blank"], told["nearly_blank"]) == (["8", "9"], ["10"])


def test_pictures_of_one_hash_are_near_and_never_exact(faces: list[np.ndarray]) -> None:
    twin = faces[0].copy()
    twin[0, 0] ^= 1
    assert perceptual_hash(twin) == perceptual_hash(faces[0])
    made = Made([("a", "x", "train", faces[0]), ("b", "y", "validation", twin), ("c", "y", "train", faces[1])])
    found = audit(scan(made), near_distance=0)
    assert found.exact == []
    assert found.near == [[0, 1]]
    assert found.conflicting(found.near) == [[0, 1]]
    assert found.leaks == [Leak("train", "validation", 0, 1), Leak("validation", "train", 0, 1)]


def test_images_whose_hashes_alone_are_near_are_not_accused(
    faces: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.curation.audit.STEP", 3)  # so that pairs are looked at in several steps
    pictures = [*faces, brighter(faces[0]), brighter(brighter(faces[0])), brighter(faces[1])]
    entries = [(str(n), "ab"[n % 2], ("train", "test")[n >= 8], image) for n, image in enumerate(pictures)]
    found = audit(scan(Made(entries)), near_distance=64)  # every pair is suggested
    assert found.near == [[0, 8, 9], [1, 10]]
    assert found.leaks == [Leak("train", "test", 0, 2), Leak("test", "train", 0, 3)]


def test_an_image_with_an_exact_copy_elsewhere_is_not_counted_as_near_too(faces: list[np.ndarray]) -> None:
    entries = [("a", faces[0], "train"), ("b", brighter(faces[0]), "train"), ("c", faces[0], "test")]
    found = audit(scan(Made([(name, name, split, image) for name, image, split in entries])))
    assert found.leaks == [Leak("train", "test", 1, 1), Leak("test", "train", 1, 0)]


def test_one_colour_is_blank_whatever_the_colour_and_whatever_the_size() -> None:
    red = np.zeros((480, 640, 3), np.uint8)
    red[..., 0] = 201
    almost = red.copy()
    almost[479, 639, 2] = 1
    sharp = red.copy()
    sharp[:, :320] = 0
    assert [look_at(image).constant for image in (red, almost, sharp)] == [True, False, False]
    made = Made([("r", "x", "all", red), ("a", "y", "all", almost), ("s", "y", "all", sharp)])
    found = audit(scan(made))
    assert (found.blank, found.faint) == ([0], [1])


def test_data_without_faults_have_none(faces: list[np.ndarray]) -> None:
    found = audit(scan(Made([(str(n), "ab"[n % 2], "all", image) for n, image in enumerate(faces)])))
    assert (found.exact, found.near, found.leaks, found.blank, found.faint) == ([], [], [], [], [])
    assert found.copies == 0
    assert not found.leaking


def test_the_scan_does_not_depend_on_the_threads(faulty: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = scan(faulty)
    monkeypatch.setattr(scanning, "CHUNK", 1)
    monkeypatch.setattr(scanning, "THREADS", 5)
    calls: list[tuple[int, int]] = []
    assert scan(faulty, progress=lambda done, total: calls.append((done, total))) == expected
    assert calls == [(n + 1, 13) for n in range(13)]


def test_data_of_which_nothing_can_be_read_are_refused() -> None:
    with pytest.raises(DataError, match="no image can be read; a: not a readable image"):
        scan(Made([("a", "x", "all", None)]))


@pytest.fixture
def folder(faulty: Made, tmp_path: Path) -> Path:
    """The same data on disk, in train/ and test/."""
    for sample in faulty.samples:
        path = tmp_path / "data" / sample.split / faulty.class_names[sample.label] / f"{sample.name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image = faulty.images[sample.name]
        path.write_bytes(b"broken" if image is None else cv2.imencode(".png", image)[1].tobytes())
    return tmp_path / "data"


def squeezed(done: Done) -> str:
    return " ".join(done.out.replace("│", " ").split())


def test_the_command_prints_tables_and_leaves_figures_and_a_file(
    command: Command, folder: Path, tmp_path: Path, stages: list[str]
) -> None:
    out = tmp_path / "out"
    done = command("dataset", "audit", folder, "--out", out)
    assert done.status == 0, done.err
    assert stages == ["looking at images"]
    for line in (
        "images that are exact copies of others 5", "train images in test 2 1", "test images in train 2 2",
        "blank images 2", "nearly blank images 1",
        "broken images 1", "48x48 grey, 24x32 colour", "all 7 5",
    ):  # fmt: skip
        assert line in squeezed(done), line
    assert "11.png: not a readable image" in done.err
    assert json.loads((out / "audit.json").read_text())["data"] == str(folder)
    for name in ("classes", "conflicting_copies", "near_duplicates"):
        assert cv2.imread(str(out / f"{name}.png")).std() > 5, name


def test_strict_fails_on_leaks_alone_and_still_writes(command: Command, folder: Path, tmp_path: Path) -> None:
    done = command("dataset", "audit", folder, "--out", tmp_path / "out", "--strict")
    assert done.status == 1
    assert done.err.splitlines()[-1] == "scratchnet: the splits share images; see the leaks above"
    assert (tmp_path / "out" / "audit.json").exists()
    done = command("dataset", "audit", "drawn:14", "--out", tmp_path / "out", "--strict", "--near", 0)
    assert done.status == 0, done.err
    assert not (tmp_path / "out" / "conflicting_copies.png").exists(), "the earlier audit's figure is gone"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("no/such/folder",), "no/such/folder does not exist"),
        (("drawn:14", "--recorded"), "drawn:14 has no manifest.csv with recorded hashes; audit it without --recorded"),
    ],
)
def test_mistakes_end_in_one_sentence(
    arguments: tuple[str, ...], message: str, command: Command, tmp_path: Path
) -> None:
    done = command("dataset", "audit", *arguments, "--out", tmp_path / "out")
    assert done.status == 1
    assert message in done.err
    assert len(done.err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def write_dataset(folder: Path, images: Sequence[np.ndarray], splits: Sequence[str | None]) -> Manifest:
    """A dataset with a manifest whose images alternate between two classes."""
    rows = []
    for number, (image, split) in enumerate(zip(images, splits, strict=True), 1):
        name = ("Happy", "Sad")[number % 2]
        file = f"{name}/{name}_t_{number:05}.png"
        (folder / name).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / file), image)
        hashes = {"sha256": content_hash(image), "phash": perceptual_hash(image)}
        rows.append(Row(file, name, "t", number, split=split, **hashes))
    manifest = Manifest(folder, rows)
    manifest.write()
    return manifest


def test_recorded_hashes_give_the_same_findings_without_decoding(
    command: Command, faces: list[np.ndarray], tmp_path: Path
) -> None:
    images = [faces[0], faces[1], faces[0], brighter(faces[1])]
    manifest = write_dataset(tmp_path / "data", images, ["train", "train", "test", "test"])
    audits = []
    for options in ((), ("--recorded",)):
        done = command("dataset", "audit", tmp_path / "data", "--out", tmp_path / "out", *options)
        assert done.status == 0, done.err
        audits.append(json.loads((tmp_path / "out" / "audit.json").read_text()))
    read, recalled = audits
    assert read["leaks"] == [
        {"split": "train", "other": "test", "exact": 1, "near": 1},
        {"split": "test", "other": "train", "exact": 1, "near": 1},
    ]
    assert (read["blank"], recalled["blank"]) == ([], None)
    assert (read.pop("pixels_read"), recalled.pop("pixels_read")) == (True, False)
    for key in ("blank", "nearly_blank"):
        del read[key], recalled[key]
    assert read == recalled
    assert "blank images not looked for" in squeezed(done)
    # a header that is whole, and pixels that are not: the figures do without them
    path = tmp_path / "data" / manifest.rows[3].file
    path.write_bytes(path.read_bytes()[:60])
    done = command("dataset", "audit", tmp_path / "data", "--out", tmp_path / "out", "--recorded")
    assert done.status == 0, done.err
    (tmp_path / "data" / manifest.rows[0].file).unlink()
    (tmp_path / "data" / manifest.rows[1].file).write_text("no image")
    done = command("dataset", "audit", tmp_path / "data", "--out", tmp_path / "out", "--recorded")
    assert "broken images 2" in squeezed(done)
    manifest.rows[2] = replace(manifest.rows[2], phash=None)
    manifest.write()
    done = command("dataset", "audit", tmp_path / "data", "--out", tmp_path / "out", "--recorded")
    assert done.status == 1
    assert f"the manifest has no hashes of {manifest.rows[2].file}; audit without --recorded" in done.err


def test_copies_in_fer2013_are_those_that_a_dictionary_finds(shared_data: Path) -> None:
    """For the smallest class, so that it takes no longer than an instant."""
    archive = shared_data / "fer2013" / "archive.zip"
    if not archive.exists():
        pytest.skip(f"{archive} is not there")
    from pipelines.data.source import open_source

    source = open_source(archive)
    label = source.class_names.index("disgust")
    source.samples = [sample for sample in source.samples if sample.label == label]
    found = audit(scan(source))
    by_content: dict[bytes, list[Sample]] = {}
    for sample in source.samples:
        by_content.setdefault(source.read(sample).tobytes(), []).append(sample)
    assert found.copies == sum(len(group) - 1 for group in by_content.values()) > 0
    leaked = [
        sample
        for group in by_content.values()
        for sample in group
        if sample.split == "test" and any(other.split == "train" for other in group)
    ]
    assert found.leaks[1].exact == len(leaked)


def test_a_csv_is_audited_too(command: Command, faces: list[np.ndarray], tmp_path: Path) -> None:
    with (tmp_path / "faces.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["emotion", "pixels", "Usage"])
        for emotion, image in ((0, faces[0]), (3, faces[0]), (3, faces[1])):
            table.writerow([emotion, " ".join(map(str, image.ravel())), "Training"])
    done = command("dataset", "audit", tmp_path / "faces.csv", "--out", tmp_path / "out")
    assert done.status == 0, done.err
    assert "of these with conflicting labels 1" in squeezed(done)
