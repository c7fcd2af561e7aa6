"""Everything that is wrong with a dataset is found; its card says what it holds, and its version is true."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import pytest
from face_sets import make_dataset, pixels_of
from tiny import Command

from pipelines.curation.card import describe, make_version, write_card
from pipelines.curation.description import hash_content, read_description
from pipelines.curation.journal import Journal, Label, Mark
from pipelines.curation.manifest import Manifest
from pipelines.curation.verify import verify_dataset
from pipelines.errors import UserError

CLASSES = ["Happy", "Happy", "Sad", "Sad", "unlabelled", "rejected"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_dataset(tmp_path / "faces", CLASSES)
    return tmp_path / "faces"


def rewrite(folder: Path, number: int, **changes: object) -> None:
    manifest = Manifest.read(folder)
    manifest.rows = [replace(row, **changes) if row.number == number else row for row in manifest.rows]  # type: ignore[arg-type]
    manifest.write()


def test_a_sound_dataset_is_found_sound(command: Command, folder: Path) -> None:
    for kept in ("rejected/too-dark/00000001-00.png", "audit/duplicates.png"):
        (folder / kept).parent.mkdir(exist_ok=True)
        (folder / kept).write_bytes(b"")
    for also in (".hidden", "Happy/.DS_Store", "extraction.json", "notes.txt"):
        (folder / also).write_text("")
    done = command("dataset", "verify", folder)
    assert done == (0, f"{folder}: 6 images are what the manifest says\n", "")


def test_another_compression_of_the_same_pixels_is_no_change(folder: Path) -> None:
    path = str(folder / "Happy/Happy_ana_00001.png")
    before = Path(path).read_bytes()
    cv2.imwrite(path, pixels_of(1)[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 0])
    assert Path(path).read_bytes() != before
    assert verify_dataset(folder) == (6, [])


def change_a_pixel(folder: Path) -> None:
    pixels = pixels_of(1)
    pixels[0, 0, 0] ^= 1
    cv2.imwrite(str(folder / "Happy/Happy_ana_00001.png"), pixels[..., ::-1])


FAULTS: list[tuple[Callable[[Path], object], str, str, str]] = [
    (lambda d: (d / "Sad/Sad_ana_00003.png").unlink(), "missing", "Sad/Sad_ana_00003.png", "not there"),
    (change_a_pixel, "altered", "Happy/Happy_ana_00001.png", "its pixels' hash is"),
    (lambda d: (d / "Sad/Sad_ana_00003.png").write_bytes(b"x"), "unreadable", "Sad/Sad_ana_00003.png", "not a reada"),
    (lambda d: rewrite(d, 1, sha256=None), "unhashed", "Happy/Happy_ana_00001.png", "no sha256"),
    (lambda d: (d / "Sad/mine.png").write_bytes(b""), "surplus", "Sad/mine.png", "its name is not C_T_N.png"),
    (lambda d: (d / "Sad/Happy_bo_00001.png").write_bytes(b""), "surplus", "Sad/Happy_bo_00001.png", "class Happy"),
    (lambda d: (d / "Happy_bo_00001.png").write_bytes(b""), "surplus", "Happy_bo_00001.png", "no such file"),
    (lambda d: ((d / "Fear").mkdir(), (d / "Fear/Fear_bo_00001.png").write_bytes(b"")), "surplus",
     "Fear/Fear_bo_00001.png", "no such file"),
    (lambda d: rewrite(d, 3, class_name="Happy"), "misnamed", "Sad/Sad_ana_00003.png", "Happy/Happy_ana_00003.png"),
    (lambda d: (cv2.imwrite(str(d / "Sad/Sad_ana_00003.png"), pixels_of(1)[..., ::-1]),
                rewrite(d, 3, sha256=Manifest.read(d).rows[0].sha256)),
     "contradiction", "Sad/Sad_ana_00003.png", "pixels of Happy/Happy_ana_00001.png in line 2, another class"),
    (lambda d: (cv2.imwrite(str(d / "Happy/Happy_ana_00002.png"), pixels_of(1)[..., ::-1]),
                rewrite(d, 2, sha256=Manifest.read(d).rows[0].sha256, split="test"), rewrite(d, 1, split="train")),
     "contradiction", "Happy/Happy_ana_00002.png", "is test, but its pixels are also those of"),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "kind", "where", "why"), FAULTS, ids=[f"{fault[1]} {fault[2]}" for fault in FAULTS])
def test_a_fault_is_found_named_and_ends_with_status_1(
    command: Command, folder: Path, spoil: Callable[[Path], object], kind: str, where: str, why: str
) -> None:
    spoil(folder)
    _, findings = verify_dataset(folder)
    assert [(finding.kind, finding.where) for finding in findings] == [(kind, where)]
    assert why in findings[0].message
    done = command("dataset", "verify", folder)
    assert done.status == 1
    assert where in done.out
    assert f"1 {kind}" in done.err


def test_all_faults_of_a_table_are_listed_beside_those_of_the_files(folder: Path) -> None:
    path = folder / "manifest.csv"
    text = path.read_text().replace(",ana,1,film", ",ana,one,film").replace(",ana,4,film", ",ana,3,film")
    path.write_text(text)
    (folder / "Happy/Happy_ana_00002.png").unlink()
    _, findings = verify_dataset(folder)
    assert {(finding.kind, finding.where) for finding in findings} == {
        ("table", "manifest.csv:2"),
        ("contradiction", "manifest.csv:5"),
        ("misnamed", "Sad/Sad_ana_00004.png"),
        ("missing", "Happy/Happy_ana_00002.png"),
        ("surplus", "Happy/Happy_ana_00001.png"),
    }


def test_labels_that_a_killed_page_left_are_completed_first(folder: Path) -> None:
    label = Label(("ana", 5), Mark("Sad", "bo", "2025-02-01T00:00:00Z"), Mark("unlabelled", None, None))
    Journal(folder).add("a", "tab", [label])
    assert verify_dataset(folder) == (6, [])
    assert (folder / "Sad/Sad_ana_00005.png").exists()


def test_a_damaged_journal_and_a_file_in_the_way_of_a_label_are_found(folder: Path) -> None:
    label = Label(("ana", 5), Mark("Sad", "bo", "2025-02-01T00:00:00Z"), Mark("unlabelled", None, None))
    journal = Journal(folder)
    journal.add("a", "tab", [label])
    (folder / "Sad/Sad_ana_00005.png").write_bytes(b"mine")
    kinds = [finding.kind for finding in verify_dataset(folder)[1]]
    assert kinds == ["surplus", "journal"]
    (folder / "Sad/Sad_ana_00005.png").unlink()
    journal.path.write_text("{}\n")
    assert [finding.kind for finding in verify_dataset(folder)[1]] == ["journal"]


def test_a_folder_without_manifest_is_no_dataset(command: Command, tmp_path: Path) -> None:
    for subcommand in ("verify", "card", "split"):
        done = command("dataset", subcommand, tmp_path)
        assert (done.status, done.err) == (1, f"scratchnet: {tmp_path} is not a dataset: it has no manifest.csv\n")
    assert list(tmp_path.iterdir()) == []


def test_the_card_says_what_the_dataset_holds(command: Command, folder: Path) -> None:
    (folder / "extraction.json").write_text(json.dumps({"settings": {"min_light": 40.0}, "films": []}))
    assert command("dataset", "split", folder, "--ratios", 50, 50, "--plain").status == 0
    done = command("dataset", "card", folder, "--name", "My [faces]", "--rights", "CC BY 4.0")
    assert done.status == 0, done.err
    text = (folder / "README.md").read_text()
    for part in (
        r"# My \[faces\]",
        "| version | 1.0 |",
        "4 labelled, 1 without a label",
        "| class | train | test | all |",
        "| Happy | 1 | 1 | 2 |",
        "| all | 2 | 2 | 4 |",
        "| film.mp4 | 4 | 4 |",
        "Rights to the footage: CC BY 4.0.",
        "apparent expression",
        r"| min\_light | 40.0 |",
        "Labellers: ana (4)",
        "called 1 pictures no face",
    ):
        assert part in text, part
    described = read_description(folder)
    assert described is not None
    assert (described.name, described.version, described.images) == ("My [faces]", "1.0", 4)
    assert described.classes == ("Happy", "Sad")
    assert described.content_hash == hash_content(Manifest.read(folder))
    assert verify_dataset(folder) == (6, [])


def test_films_that_were_taken_with_different_settings_are_told_apart(folder: Path) -> None:
    films = [{"film": name, "settings": {"near": near}} for name, near in [("a.mp4", 4), ("b.mp4", 8), ("c.mp4", 4)]]
    manifest = Manifest.read(folder)
    text = describe(manifest, make_version(manifest), {"films": films})
    assert "| setting of the extraction of a.mp4, c.mp4 | value |" in text
    assert "| setting of the extraction of b.mp4 | value |" in text
    text = describe(manifest, make_version(manifest), {"films": films[::2]})
    assert "| setting of the extraction | value |" in text


def test_rights_are_not_stated_unless_they_are_and_stay_then(command: Command, folder: Path) -> None:
    assert "not stated" in command("dataset", "card", folder).out
    assert "mine" in command("dataset", "card", folder, "--rights", "mine").out
    assert "mine" in command("dataset", "card", folder).out
    first = [(folder / name).read_bytes() for name in ("README.md", "dataset.json")]
    assert command("dataset", "card", folder).status == 0
    assert [(folder / name).read_bytes() for name in ("README.md", "dataset.json")] == first


def test_a_changed_dataset_is_noticed_and_needs_a_new_version(command: Command, folder: Path) -> None:
    assert command("dataset", "card", folder).status == 0
    labels = folder.parent / "labels.csv"
    labels.write_text("file,class\nunlabelled_ana_00005.png,Happy\n")
    assert command("dataset", "label", folder, "--from", labels).status == 0
    done = command("dataset", "verify", folder)
    assert done.status == 1
    assert "those of version 1.0" in done.out
    for again in ([], ["--version", "1.0"]):
        done = command("dataset", "card", folder, *again)
        assert done.status == 1
        assert "has changed since version 1.0; name the new one with --version" in done.err
    assert command("dataset", "card", folder, "--version", "1.1").status == 0
    assert command("dataset", "verify", folder).status == 0


def test_the_content_hash_depends_on_pixels_classes_and_splits_alone(folder: Path) -> None:
    manifest = Manifest.read(folder)
    first = hash_content(manifest)
    same = Manifest(folder, [replace(row, labeller="x", film="y") for row in manifest.rows[::-1]])
    assert hash_content(same) == first
    for number, change in [(1, {"split": "test"}), (1, {"class_name": "Sad"}), (1, {"sha256": "0" * 64})]:
        rows = [replace(row, **change) if row.number == number else row for row in manifest.rows]  # type: ignore[arg-type]
        assert hash_content(Manifest(folder, rows)) != first
    assert hash_content(Manifest(folder, manifest.rows[1:])) != first


def test_a_readme_that_someone_else_wrote_stays(folder: Path) -> None:
    (folder / "README.md").write_text("mine")
    manifest = Manifest.read(folder)
    with pytest.raises(UserError, match=r"README\.md was written by someone else"):
        write_card(manifest, make_version(manifest))
    assert (folder / "README.md").read_text() == "mine"
    assert read_description(folder) is None


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": "scratchnet dataset"}', '{"format": "x", "name": 1}'])
def test_a_damaged_description_is_named(folder: Path, content: str) -> None:
    (folder / "dataset.json").write_text(content)
    with pytest.raises(UserError, match=r"dataset\.json is (damaged|no description)"):
        make_version(Manifest.read(folder))
