"""Several tabs label at once: the later label counts, each tab takes back its own, no face is shown twice in vain."""

from pathlib import Path

import pytest
from face_sets import classes_of, make_dataset

from pipelines.curation.emotions import FIVE, SEVEN, choose_classes
from pipelines.curation.journal import Journal
from pipelines.curation.labelling import Labelling
from pipelines.data.class_names import match_class
from pipelines.errors import UserError

ONE, TWO, THREE, FOUR, FIVE_ = (("ana", number) for number in range(1, 6))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_dataset(tmp_path, ["unlabelled"] * 4 + ["Happy"])
    return tmp_path


@pytest.fixture
def work(folder: Path) -> Labelling:
    return Labelling(folder, FIVE)


def test_labels_skips_and_rejections_do_what_they_say(work: Labelling, folder: Path) -> None:
    assert work.queue("a", 9) == [ONE, TWO, THREE, FOUR]
    work.label("a", "1", ONE, "Sad", "bo")
    work.skip("a", "2", TWO)
    work.label("a", "3", THREE, "rejected", "bo")
    assert work.queue("a", 9) == [FOUR, TWO]
    assert (work.counts["Sad"], work.counts["unlabelled"], work.counts["rejected"], work.waiting) == (1, 2, 1, 2)
    work.settle()
    assert classes_of(folder) == {1: "Sad", 2: "unlabelled", 3: "rejected", 4: "unlabelled", 5: "Happy"}
    row = work.row(ONE)
    assert row is not None
    assert row.labeller == "bo"
    assert row.labelled_at is not None


def test_a_tab_takes_back_its_own_steps_one_by_one_and_sees_the_face_again(work: Labelling, folder: Path) -> None:
    work.label("a", "1", ONE, "Sad", "bo")
    work.label("b", "2", TWO, "Happy", "cy")
    work.skip("a", "3", THREE)
    work.label("a", "4", FOUR, "Angry", "bo")
    assert [work.undo("a", f"u{n}") for n in range(4)] == [FOUR, THREE, ONE, None]
    assert work.queue("a", 9) == [ONE, THREE, FOUR]
    work.settle()
    assert classes_of(folder)[1] == "unlabelled"
    assert classes_of(folder)[2] == "Happy"
    row = work.row(ONE)
    assert row is not None
    assert (row.labeller, row.labelled_at) == (None, None)


def test_an_undo_reaches_behind_the_moving_of_files_and_a_restart(work: Labelling, folder: Path) -> None:
    work.label("a", "1", ONE, "Sad", "bo")
    work.settle()
    again = Labelling(folder, FIVE)
    assert again.undo("b", "u0") is None
    assert again.undo("a", "u1") == ONE
    again.settle()
    assert classes_of(folder)[1] == "unlabelled"


def test_of_two_labels_the_later_counts_both_are_recorded_and_each_is_taken_back_alone(work: Labelling) -> None:
    work.label("a", "1", ONE, "Sad", "bo")
    work.label("b", "2", ONE, "Happy", "cy")
    assert work.class_of(ONE) == "Happy"
    assert work.undo("a", "3") == ONE
    assert work.class_of(ONE) == "Happy"
    assert work.undo("b", "4") == ONE
    assert work.class_of(ONE) == "unlabelled"
    records = Journal(work.manifest.folder).records
    assert [(record.by, record.undoes) for record in records] == [("a", None), ("b", None), ("a", 1), ("b", 2)]


def test_taking_back_the_later_of_two_labels_brings_the_earlier_again(work: Labelling) -> None:
    work.label("a", "1", ONE, "Sad", "bo")
    work.label("b", "2", ONE, "Happy", "cy")
    work.undo("b", "3")
    assert work.class_of(ONE) == "Sad"
    assert work.counts["Happy"] == 1


def test_an_action_that_is_sent_twice_is_done_once_even_after_a_restart(work: Labelling, folder: Path) -> None:
    for labelling in (work, work, Labelling(folder, FIVE)):
        labelling.label("a", "1", ONE, "Sad", "bo")
    assert len(Journal(folder).records) == 1
    again = Labelling(folder, FIVE)
    assert [again.undo("a", "u") for _ in range(3)] == [ONE, ONE, ONE]
    assert Labelling(folder, FIVE).undo("a", "u") == ONE
    assert len(Journal(folder).records) == 2


def test_a_face_on_one_screen_is_not_offered_on_another_while_there_are_others(work: Labelling) -> None:
    assert work.queue("a", 2) == [ONE, TWO]
    assert work.queue("b", 9) == [THREE, FOUR]
    assert work.queue("c", 2) == [ONE, TWO]


def test_a_tab_that_is_silent_for_long_holds_nothing_back(work: Labelling, monkeypatch: pytest.MonkeyPatch) -> None:
    work.queue("a", 2)
    monkeypatch.setattr("pipelines.curation.labelling.LEASE_SECONDS", 0)
    assert work.queue("b", 1) == [ONE]


def test_the_face_that_a_tab_is_looking_at_stays_first(work: Labelling) -> None:
    assert work.queue("a", 3, first=THREE) == [THREE, ONE, TWO]
    work.label("b", "1", THREE, "Sad", "bo")
    assert work.queue("a", 3, first=THREE) == [ONE, TWO, FOUR]


def test_uncertain_faces_come_first_and_those_without_a_guess_last(work: Labelling) -> None:
    work.skip("a", "1", TWO)
    sure, unsure = {"Happy": 0.9, "Sad": 0.1}, {"Happy": 0.5, "Sad": 0.45}
    work.add_guesses({ONE: sure, FOUR: unsure, TWO: unsure})
    assert work.keys() == [FOUR, ONE, THREE, TWO]
    assert work.guess(ONE) == sure


def test_under_review_faces_that_the_model_doubts_come_first(tmp_path: Path) -> None:
    make_dataset(tmp_path, ["Happy", "Happy", "Sad", "Happy", "unlabelled"])
    work = Labelling(tmp_path, FIVE, {"Happy"})
    assert work.keys() == [ONE, TWO, FOUR]
    work.add_guesses({ONE: {"Happy": 0.9, "Sad": 0.1}, TWO: {"Happy": 0.2, "Sad": 0.8}, FOUR: {"Happy": 0.6}})
    assert work.keys() == [TWO, FOUR, ONE]
    work.label("a", "1", TWO, "Sad", "bo")
    work.label("a", "2", FOUR, "Happy", "bo")
    assert work.keys() == [ONE]
    work.settle()
    assert classes_of(tmp_path) == {1: "Happy", 2: "Sad", 3: "Sad", 4: "Happy", 5: "unlabelled"}


@pytest.mark.parametrize(
    ("key", "class_name", "labeller", "message"),
    [
        (ONE, "Bored", "bo", "there is no class 'Bored'; the classes are Happy, Sad"),
        (ONE, "unlabelled", "bo", "there is no class 'unlabelled'"),
        (("ana", 99), "Sad", "bo", "the dataset has no image 99 of 'ana'"),
        (ONE, "Sad", " ", "a labeller's name must be printable text"),
        (ONE, "Sad", "a\nb", "a labeller's name must be printable text"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(
    work: Labelling, key: tuple[str, int], class_name: str, labeller: str, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        work.label("a", "1", key, class_name, labeller)
    assert not Journal(work.manifest.folder).path.exists()


def test_trouble_with_a_file_is_told_and_goes_when_it_is_mended(work: Labelling, folder: Path) -> None:
    (folder / "Sad").mkdir()
    blocker = folder / "Sad" / "Sad_ana_00001.png"
    blocker.write_bytes(b"mine")
    work.label("a", "1", ONE, "Sad", "bo")
    work.try_to_settle()
    assert work.trouble is not None
    assert "Sad_ana_00001.png" in work.trouble
    blocker.unlink()
    work.try_to_settle()
    assert work.trouble is None
    assert classes_of(folder)[1] == "Sad"


def test_classes_are_the_five_unless_others_are_asked_for_or_there() -> None:
    assert choose_classes(None, []) == FIVE == choose_classes("5", [])
    assert choose_classes("7", []) == SEVEN
    assert choose_classes(None, ["Fear", "happy"]) == ("happy", *FIVE[1:], "Fear")
    assert choose_classes(None, ["cat", "dog"]) == ("cat", "dog")
    assert choose_classes("Cat, Dog", ["dog", "bee"]) == ("Cat", "dog", "bee")
    for asked in ("one", "a,A", "a,,b", "a,un_x", "a,rejected", "a,b,c,d,e,f,g,h,i,j"):
        with pytest.raises(UserError):
            choose_classes(asked, [])


def test_other_datasets_names_of_the_emotions_are_understood() -> None:
    assert [match_class(name, SEVEN) for name in ("surprise", "HAPPY", "anger", "disgusted", "contempt")] == [
        "Surprised", "Happy", "Angry", "Disgust", None,
    ]  # fmt: skip
    assert match_class("fear", FIVE) is None
