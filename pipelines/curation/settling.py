"""Bringing files and rows up to date with the journal: a face that was labelled moves to its class's folder.

It can be cut off at any point and repeated: files that have moved already are found where they are.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from pipelines.curation.journal import Key, Mark, Record, last_marks
from pipelines.curation.naming import ImageName
from pipelines.curation.table import Row
from pipelines.errors import UserError
from pipelines.files import sync_folder


def settle_rows(folder: Path, rows: Sequence[Row], records: Sequence[Record]) -> list[Row]:
    """Move the files that the records speak of, and return the rows as they are then, in the same order.

    Records about images that have no row any more are passed over, and so are files that are missing: the label is kept
    in the row, and `verify` names the file.

    Args:
        folder: The dataset, which the caller has locked.
        rows: Its rows before.
        records: The pending ones.

    Raises:
        UserError: Another file is in the way; everything before it has moved, nothing was overwritten.
        OSError: A file cannot be moved.
    """
    marks = last_marks(records)
    # where an interrupted move may have left a file
    stations: dict[Key, list[str]] = {}
    for record in records:
        for label in record.labels:
            names = [ImageName(mark.class_name, *label.key).file for mark in (label.was, label.mark)]
            stations.setdefault(label.key, []).extend(names)
    settled = []
    touched: set[Path] = set()
    for row in rows:
        if row.key in marks:
            marked = mark_row(row, marks[row.key])
            touched |= _move(folder, [row.file, *stations[row.key]], marked.file)
            settled.append(marked)
        else:
            settled.append(row)
    for path in sorted(touched):
        sync_folder(path)
    return settled


def mark_row(row: Row, mark: Mark) -> Row:
    """A row with another label, and the file name that goes with it."""
    return dataclasses.replace(
        row,
        file=ImageName(mark.class_name, *row.key).file,
        class_name=mark.class_name,
        labeller=mark.labeller,
        labelled_at=mark.labelled_at,
        suggested=mark.suggested,
        suggested_by=mark.suggested_by,
    )


def _move(folder: Path, stations: Sequence[str], target: str) -> set[Path]:
    # the folders that changed
    goal = folder / target
    start = next((folder / name for name in stations if name != target and (folder / name).is_file()), None)
    if start is None:
        return set()
    if goal.exists():
        raise UserError(f"{start} should become {goal}, where another file lies; move one of them away")
    if not goal.parent.is_dir():
        goal.parent.mkdir()
        sync_folder(folder)
    start.rename(goal)
    return {start.parent, goal.parent}
