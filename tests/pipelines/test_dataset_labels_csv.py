"""Labels from a csv are all used or, when anything is wrong, none; each mistake is named by its line."""

from pathlib import Path

import pytest
from face_sets import classes_of, make_dataset
from tiny import Command

from pipelines.curation.emotions import FIVE
from pipelines.curation.journal import Journal
from pipelines.curation.labels_csv import read_labels
from pipelines.curation.manifest import Manifest
from pipelines.errors import UserError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_dataset(tmp_path / "faces", ["unlabelled"] * 4 + ["Happy"])
    return tmp_path / "faces"


def table(folder: Path, *lines: str, header: str = "file,class") -> Path:
    path = folder.parent / "labels.csv"
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def test_labels_are_given_and_may_be_given_again_under_any_name_an_image_ever_had(
    command: Command, folder: Path
) -> None:
    path = table(
        folder, "unlabelled/unlabelled_ana_00001.png,Sad", "unlabelled_ana_00002.png,happy",
        "Happy_ana_00005.png,ANGRY", r"unlabelled\unlabelled_ana_00003.png,rejected",
    )  # fmt: skip
    done = command("dataset", "label", folder, "--from", path, "--labeller", "cy")
    assert done.status == 0, done.err
    expected = {1: "Sad", 2: "Happy", 3: "rejected", 4: "unlabelled", 5: "Angry"}
    assert classes_of(folder) == expected
    assert {row.labeller for row in Manifest.read(folder).rows} == {"cy", None}
    done = command("dataset", "label", folder, "--from", path)
    assert "0 labels" in done.out
    assert "4 were so already" in done.out
    assert len(Journal(folder).records) == 1
    again = table(folder, "Sad/Sad_ana_00001.png,Neutral", "unlabelled_ana_00005.png,unlabelled")
    assert command("dataset", "label", folder, "--from", again).status == 0
    assert classes_of(folder) == {**expected, 1: "Neutral", 5: "unlabelled"}
    row = Manifest.read(folder).rows[4]
    assert (row.labeller, row.labelled_at) == (None, None)


def test_every_mistake_is_named_by_its_line_and_nothing_is_changed(command: Command, folder: Path) -> None:
    before = (folder / "manifest.csv").read_bytes()
    path = table(
        folder, "unlabelled_ana_00001.png,Sad", "unlabelled_ana_00009.png,Sad", "unlabelled_ana_00002.png,Bored",
        "unlabelled_ana_00001.png,Sad", "unlabelled/unlabelled_ana_00001.png,Happy", "unlabelled_ana_00003.png",
        "Sad_ana_00004.png,Sad", "Happy/unlabelled_ana_00004.png,Sad",
    )  # fmt: skip
    done = command("dataset", "label", folder, "--from", path)
    assert done.status == 1
    for mistake in (
        "has 7 mistakes, so no label was changed",
        "line 3: the dataset has no image 'unlabelled_ana_00009.png'",
        "line 4: there is no class 'Bored'; the classes are Happy, Sad, Angry, Surprised, Neutral",
        "line 5: 'unlabelled_ana_00001.png' is in line 2 already",
        "line 6: 'unlabelled/unlabelled_ana_00001.png' is 'Happy', but 'Sad' in line 2",
        "line 7: has 1 cells where 2 are needed",
        "line 8: the dataset has no image 'Sad_ana_00004.png'",
        "line 9: the dataset has no image 'Happy/unlabelled_ana_00004.png'",
    ):
        assert mistake in done.err
    assert (folder / "manifest.csv").read_bytes() == before
    assert not Journal(folder).path.exists()


def test_many_mistakes_are_cut_short(folder: Path) -> None:
    path = table(folder, *[f"x{number},Sad" for number in range(50)])
    with pytest.raises(UserError, match="has 50 mistakes") as caught:
        read_labels(path, Manifest.read(folder), FIVE)
    assert "and 30 more" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"name,class\n", "line 1: the column 'file' is missing; the header must be file,class"),
        (b"", "line 1: the column 'file' is missing"),
        (b"file,class\n", "holds no labels below its header"),
        (b"file,class\n\xff,Sad\n", "is not UTF-8 text"),
        (b'file,class\n"a"b,Sad\n', "line 2: not readable as csv"),
    ],
)
def test_a_file_that_is_no_table_of_labels_is_refused(folder: Path, content: bytes, message: str) -> None:
    path = folder.parent / "labels.csv"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        read_labels(path, Manifest.read(folder), FIVE)
    assert message in str(caught.value)


def test_further_columns_another_order_and_a_spreadsheets_mark_are_no_obstacle(folder: Path) -> None:
    path = folder.parent / "labels.csv"
    path.write_bytes(b"\xef\xbb\xbfNote,Class,File\r\nx,sad,unlabelled_ana_00001.png\r\n")
    assert read_labels(path, Manifest.read(folder), FIVE) == {("ana", 1): "Sad"}


def test_wrong_use_of_the_command_is_one_sentence(command: Command, folder: Path, tmp_path: Path) -> None:
    for arguments, message in [
        ((tmp_path / "nowhere",), "is not a dataset: it has no manifest.csv"),
        ((folder, "--from", tmp_path / "none.csv"), "none.csv cannot be read"),
        ((folder, "--from", table(folder, "a,b"), "--review", "Sad"), "leave out --model, --review and --blind"),
        ((folder, "--from", table(folder, "a,b"), "--blind"), "leave out --model, --review and --blind"),
        ((folder, "--blind"), "name the model with --model"),
        ((folder, "--review", "Bored"), "there is no class 'Bored' to review"),
        ((folder, "--review", "Sad"), "has no Sad images"),
        ((folder, "--classes", "a,a"), "the class 'a' is asked for twice"),
        ((folder, "--model", tmp_path / "none"), "does not exist"),
        ((folder, "--from", table(folder, "unlabelled_ana_00001.png,Sad"), "--labeller", "a\nb"), "printable text"),
    ]:
        done = command("dataset", "label", *arguments, "--no-browser")
        assert done.status == 1
        assert message in done.err
