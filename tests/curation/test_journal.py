"""What was confirmed is never lost: whatever a crash leaves behind, the next reader of the manifest completes it."""

import json
from pathlib import Path

import pytest
from face_sets import classes_of, make_dataset
from filelock import FileLock, Timeout

from pipelines.curation import manifest as manifests
from pipelines.curation.journal import Journal, Label, Mark, has_pending
from pipelines.curation.manifest import Manifest, settle
from pipelines.errors import UserError
from pipelines.lock import LOCK_NAME, LockedError, folder_lock

BEFORE = Mark("unlabelled", None, None)


def happy(number: int, class_name: str = "Happy", was: Mark = BEFORE) -> Label:
    return Label(("ana", number), Mark(class_name, "bo", "2025-02-01T00:00:00Z"), was)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_dataset(tmp_path, ["unlabelled"] * 4)
    return tmp_path


def test_records_are_read_as_they_were_written(folder: Path) -> None:
    journal = Journal(folder)
    first = journal.add("a1", "tab", [happy(1)])
    journal.mark_settled(1)
    second = journal.add("a2", "tab", [happy(1, "Sad"), happy(2)], undoes=1)
    again = Journal(folder)
    assert again.records == [first, second]
    assert (again.settled, again.pending()) == (1, [second])


def test_a_model_that_suggested_is_read_as_written_and_earlier_records_name_none(folder: Path) -> None:
    journal = Journal(folder)
    plain = journal.add("a1", "tab", [happy(1)])
    mark = Mark("Happy", "bo", "2025-02-01T00:00:00Z", "Sad", "fer@0123456789ab")
    suggested = journal.add("a2", "tab", [Label(("ana", 2), mark, BEFORE)])
    text = journal.path.read_text()
    journal.path.write_text(
        text.replace('"suggested":null,"suggested_by":null', '"more":1')
    )  # as of an earlier version
    assert text != journal.path.read_text()
    assert Journal(folder).records == [plain, suggested]


def test_a_reader_of_the_manifest_brings_pending_labels_into_files_and_table(folder: Path) -> None:
    Journal(folder).add("a", "tab", [happy(1), happy(3, "Sad")])
    assert has_pending(folder)
    assert classes_of(folder) == {1: "Happy", 2: "unlabelled", 3: "Sad", 4: "unlabelled"}
    row = Manifest.read(folder).rows[0]
    assert (row.labeller, row.labelled_at) == ("bo", "2025-02-01T00:00:00Z")
    assert not has_pending(folder)


def test_a_record_that_a_crash_cut_short_did_not_happen_and_is_written_over(folder: Path) -> None:
    journal = Journal(folder)
    journal.add("a1", "tab", [happy(1)])
    journal.add("a2", "tab", [happy(2)])
    whole = journal.path.read_bytes()
    first = whole.index(b"\n") + 1
    for cut in range(first, len(whole)):
        journal.path.write_bytes(whole[:cut])
        torn = Journal(folder)
        assert len(torn.records) == 1
        torn.add("a3", "tab", [happy(3)])
        assert [record.action for record in Journal(folder).records] == ["a1", "a3"]


class CrashError(Exception):
    """The process ends here."""


@pytest.mark.parametrize("moves", [0, 1, 2, 3])
def test_a_crash_after_any_move_is_repaired(folder: Path, monkeypatch: pytest.MonkeyPatch, moves: int) -> None:
    journal = Journal(folder)
    journal.add("a1", "tab", [happy(1), happy(2), happy(3)])
    journal.add("a2", "tab", [happy(2, "Sad", happy(2).mark)])
    left = [moves]
    rename = Path.rename

    def stop(path: Path, target: Path) -> Path:
        if not left[0]:
            raise CrashError
        left[0] -= 1
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", stop)
        if moves == 3:
            patch.setattr(manifests, "write_text", lambda *_: (_ for _ in ()).throw(CrashError))
        with pytest.raises(CrashError):
            settle(Manifest._load(folder), journal)
    assert classes_of(folder) == {1: "Happy", 2: "Sad", 3: "Happy", 4: "unlabelled"}


def test_a_crash_between_table_and_journal_is_repaired_and_labels_given_meanwhile_are_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(folder)
    journal.add("a1", "tab", [happy(1)])
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "mark_settled", lambda *_: (_ for _ in ()).throw(CrashError))
        with pytest.raises(CrashError):
            settle(Manifest._load(folder), journal)
    assert has_pending(folder)
    journal.add("a2", "tab", [happy(1, "Sad", happy(1).mark)])
    assert classes_of(folder)[1] == "Sad"


def test_what_is_added_while_the_table_is_written_stays_pending(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(folder)
    journal.add("a1", "tab", [happy(1)])
    write = manifests.write_text

    def meanwhile(path: Path, text: str) -> None:
        journal.add("a2", "tab", [happy(2)])
        write(path, text)

    with monkeypatch.context() as patch:
        patch.setattr(manifests, "write_text", meanwhile)
        settle(Manifest._load(folder), journal)
    assert json.loads(journal.path.read_text().splitlines()[-1]) == {"settled": 1, "last": 2}
    assert has_pending(folder)
    assert classes_of(folder) == {1: "Happy", 2: "Happy", 3: "unlabelled", 4: "unlabelled"}


def test_a_file_in_the_way_is_never_overwritten(folder: Path) -> None:
    Journal(folder).add("a", "tab", [happy(1)])
    (folder / "Happy").mkdir()
    (folder / "Happy" / "Happy_ana_00001.png").write_bytes(b"mine")
    with pytest.raises(UserError, match=r"Happy_ana_00001\.png, where another file lies"):
        Manifest.read(folder)
    assert (folder / "Happy" / "Happy_ana_00001.png").read_bytes() == b"mine"
    (folder / "Happy" / "Happy_ana_00001.png").unlink()
    assert classes_of(folder)[1] == "Happy"


def test_a_label_for_an_image_whose_file_is_gone_is_kept(folder: Path) -> None:
    Journal(folder).add("a", "tab", [happy(1)])
    (folder / "unlabelled" / "unlabelled_ana_00001.png").unlink()
    assert Manifest.read(folder).rows[0].class_name == "Happy"


def test_damage_within_the_journal_is_named_by_its_line(folder: Path) -> None:
    journal = Journal(folder)
    journal.add("a1", "tab", [happy(1)])
    journal.add("a2", "tab", [happy(2)])
    text = journal.path.read_text()
    journal.add("a3", "tab", [], undoes=1)
    undone = journal.path.read_text()
    for damaged in (
        undone.replace('"undoes":1', '"undoes":3'),
        undone.replace('"undoes":1', '"undoes":"x"'),
        "{}\n" + text,
        text.replace('"record":2', '"record":3'),
        text.replace("Happy", "../up", 1),
    ):
        journal.path.write_text(damaged)
        with pytest.raises(UserError, match=r"labels\.jsonl, line [123]: damaged .*; restore the file"):
            Journal(folder)


def test_a_full_disk_takes_nothing_back_and_adds_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(folder)
    journal.add("a1", "tab", [happy(1)])
    whole = journal.path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(OSError, match="No space left"):
            journal.add("a2", "tab", [happy(2)])
    assert journal.path.read_bytes() == whole
    assert journal.add("a3", "tab", [happy(3)]).number == 2


def test_a_locked_dataset_is_read_as_it_stands(folder: Path) -> None:
    Journal(folder).add("a", "tab", [happy(1)])

    def locked(*_: object) -> None:
        raise LockedError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifests, "folder_lock", locked)
        assert Manifest.read(folder).rows[0].class_name == "unlabelled"


def test_the_lock_may_be_taken_again_by_its_holder_and_ends_with_the_first(folder: Path) -> None:
    other = FileLock(folder / LOCK_NAME)
    with folder_lock(folder):
        with folder_lock(folder):
            pass
        with pytest.raises(Timeout):
            other.acquire(timeout=0)
    with other.acquire(timeout=0):
        assert other.is_locked
