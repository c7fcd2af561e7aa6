"""`labels.jsonl`: every label that was ever given, written down before anything else happens.

A line is a record: one keystroke, or one csv of labels. It is on the disk (fsync) before the labeller hears that it was
saved, so a crash loses nothing that was confirmed, and a line that a crash cut short never happened. Moving the files
and writing the manifest comes later, for many records at once; a line `{"settled": N, "last": M}` says that the records
up to N are in the manifest, and that M had been written by then.

It is a text file and not a database because it then stays with the dataset as the history of its labels, which anyone
can read and compare; one process writes at a time (`lock`), which is all that a local page needs.
"""

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pipelines.curation.naming import NO_CLASSES, check_class, check_contributor
from pipelines.errors import UserError
from pipelines.files import naming, sync_folder
from pipelines.parsing import parse_json
from pipelines.reading import open_regular, read_file

JOURNAL_NAME = "labels.jsonl"
Key = tuple[str, int]


class Mark(NamedTuple):
    """What a manifest says of an image's label: class (or `unlabelled`, `rejected`), who gave it, and when.

    Then which class a model suggested to the labeller, and which model, if one did.
    """

    class_name: str
    labeller: str | None
    labelled_at: str | None
    suggested: str | None = None
    suggested_by: str | None = None


class Label(NamedTuple):
    """An image, named by contributor and number, with its new mark and the one before."""

    key: Key
    mark: Mark
    was: Mark


@dataclass(frozen=True, slots=True)
class Record:
    """What happened at once: all of it, or none.

    Attributes:
        number: From 1, in the order of writing.
        action: Unique name given by whoever asked for it, so that asking twice does it once.
        by: Which tab or command asked.
        labels: What changed.
        undoes: The number of the record that is taken back.
    """

    number: int
    action: str
    by: str
    labels: tuple[Label, ...]
    undoes: int | None = None


class Journal:
    """The journal of a dataset; whoever appends holds the dataset's lock.

    Args:
        folder: The dataset. The file is made with the first record.

    Attributes:
        records: All of them.
        settled: The number up to which the manifest has them.

    Raises:
        UserError: The file is damaged anywhere but in its last line.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / JOURNAL_NAME
        self.records: list[Record] = []
        self.settled = 0
        # bytes up to the end of the last whole line: a line that was cut short is written over
        self._length = 0
        self._read()

    def pending(self) -> list[Record]:
        """The records that the manifest does not have yet."""
        return self.records[self.settled :]

    def add(self, action: str, by: str, labels: Iterable[Label], undoes: int | None = None) -> Record:
        """Write a record; it is on the disk when this returns.

        Raises:
            OSError: It cannot be written; it then did not happen.
        """
        record = Record(len(self.records) + 1, action, by, tuple(labels), undoes)
        self._append(_to_json(record))
        self.records.append(record)
        return record

    def mark_settled(self, number: int) -> None:
        """Write down that the manifest has the records up to this one."""
        self._append({"settled": number, "last": len(self.records)})
        self.settled = number

    def _append(self, content: dict[str, Any]) -> None:
        data = (json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n").encode()
        new = not self.path.exists()
        with naming(self.path), self.path.open("ab") as file:
            file.truncate(self._length)
            try:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                file.truncate(self._length)
                raise
        if new:
            sync_folder(self.path.parent)
        self._length += len(data)

    def _read(self) -> None:
        try:
            data = read_file(self.path)
        except FileNotFoundError:
            return
        self._length = data.rfind(b"\n") + 1
        for line, text in enumerate(data[: self._length].splitlines(), 1):
            try:
                content = parse_json(text, "its JSON")
                if "settled" in content:
                    self.settled = int(content["settled"])
                    continue
                record = _from_json(content)
                self._check(record)
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                raise UserError(
                    f"{self.path}, line {line}: damaged ({error}); restore the file, or move it away to go on without "
                    "the history of the labels"
                ) from error
            self.records.append(record)

    def _check(self, record: Record) -> None:
        if record.number != len(self.records) + 1:
            raise ValueError(f"record {record.number} follows record {len(self.records)}")
        if record.undoes is not None:
            undone = self.records[record.undoes - 1] if 1 <= record.undoes < record.number else None
            if undone is None or undone.undoes is not None or len(undone.labels) != 1:
                raise ValueError(f"record {record.undoes} cannot be taken back")


def has_pending(folder: Path) -> bool:
    """Whether a dataset's journal may have records that its manifest has not; looks at the last line only."""
    try:
        with open_regular(folder / JOURNAL_NAME) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 128))  # a line that says what is settled is shorter
            tail = file.read()
    except FileNotFoundError:
        return False
    try:
        last = parse_json(tail[: tail.rfind(b"\n")].rpartition(b"\n")[2], folder)
        return bool(last["settled"] != last["last"])
    except (ValueError, TypeError, KeyError):
        return size > 0


def last_marks(records: Sequence[Record]) -> dict[Key, Mark]:
    """The mark that each image has after these records."""
    return {label.key: label.mark for record in records for label in record.labels}


def _to_json(record: Record) -> dict[str, Any]:
    content: dict[str, Any] = {"record": record.number, "action": record.action, "by": record.by}
    if record.undoes is not None:
        content["undoes"] = record.undoes
    content["labels"] = [
        {"contributor": key[0], "number": key[1], **mark._asdict(), "was": was._asdict()}
        for key, mark, was in record.labels
    ]
    return content


def _from_json(content: dict[str, Any]) -> Record:
    labels = tuple(
        Label((check_contributor(entry["contributor"]), int(entry["number"])), _mark(entry), _mark(entry["was"]))
        for entry in content["labels"]
    )
    return Record(int(content["record"]), str(content["action"]), str(content["by"]), labels, content.get("undoes"))


def _mark(entry: dict[str, Any]) -> Mark:
    name, suggested = entry["class_name"], entry.get("suggested")  # which earlier journals lack
    return Mark(
        name if name in NO_CLASSES else check_class(name),
        entry["labeller"],
        entry["labelled_at"],
        None if suggested is None else check_class(suggested),
        entry.get("suggested_by"),
    )
