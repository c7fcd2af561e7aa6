"""`manifest.csv`: one row per image of a dataset, and the dataset's memory of where each came from."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Any

from pipelines.curation.journal import Journal, has_pending
from pipelines.curation.settling import settle_rows
from pipelines.curation.table import COLUMNS, SPLITS, Problem, Row, TableLine, format_table, parse_table
from pipelines.errors import UserError
from pipelines.files import write_text
from pipelines.lock import LockedError, folder_lock
from pipelines.reading import read_file

__all__ = ["COLUMNS", "MANIFEST_NAME", "SPLITS", "Manifest", "Problem", "Row", "has_manifest", "require_manifest"]

MANIFEST_NAME = "manifest.csv"


def has_manifest(folder: Path) -> bool:
    """Whether a folder is a dataset with a manifest."""
    return (folder / MANIFEST_NAME).is_file()


def require_manifest(folder: Path) -> None:
    """Refuse a folder that is no dataset, before anything is written to it, a lock for example.

    Raises:
        UserError: There is no manifest.
    """
    if not has_manifest(folder):
        raise UserError(f"{folder} is not a dataset: it has no {MANIFEST_NAME}")


class Manifest:
    """The rows of a dataset, in the table's order. Nothing is written before `write`.

    Args:
        folder: The dataset.
        rows: One per image; no file and no pair of contributor and number may occur twice.

    Raises:
        UserError: A file, or a contributor's number, occurs twice.
    """

    def __init__(self, folder: Path, rows: Iterable[Row] = ()) -> None:
        self.folder = folder
        self.rows = list(rows)
        repeated = find_repeats([TableLine(line, row) for line, row in enumerate(self.rows, 2)])
        if repeated:
            raise first_error(self.path, repeated)

    @property
    def path(self) -> Path:
        """The table's file."""
        return self.folder / MANIFEST_NAME

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """Read a dataset's table.

        Labels that a label page wrote down but could not bring into the table before it was killed are brought there
        first, unless another command is at work on the dataset, or it cannot be written to.

        Args:
            folder: The dataset.

        Raises:
            UserError: There is no table, or it cannot be one: the sentence names file, line and column.
        """
        if has_pending(folder):
            with suppress(LockedError, OSError), folder_lock(folder):
                settle(cls._load(folder), Journal(folder))
        return cls._load(folder)

    @classmethod
    def _load(cls, folder: Path) -> "Manifest":
        lines, problems = read_table(folder)
        problems += find_repeats(lines)
        if problems:
            raise first_error(folder / MANIFEST_NAME, problems)
        manifest = cls.__new__(cls)  # the rows have just been checked
        manifest.folder, manifest.rows = folder, [row for _, row in lines]
        return manifest

    def write(self) -> None:
        """Write the table, whole or not at all."""
        write_text(self.path, format_table(self.rows))

    def next_number(self, contributor: str) -> int:
        """The number for a contributor's next image, larger than any that was given before."""
        return max((row.number for row in self.rows if row.contributor == contributor), default=0) + 1

    def labelled(self) -> list[Row]:
        """The rows that have a class."""
        return [row for row in self.rows if row.is_labelled]

    def class_names(self) -> tuple[str, ...]:
        """The classes that have an image, alphabetically without regard to case."""
        return tuple(sorted({row.class_name for row in self.labelled()}, key=lambda name: (name.casefold(), name)))


def settle(manifest: Manifest, journal: Journal, guard: AbstractContextManager[Any] | None = None) -> None:
    """Bring what is pending in the journal into files, rows and table; the caller has locked the dataset.

    Args:
        manifest: The rows, which are replaced.
        journal: What was labelled.
        guard: Held while journal, rows and files are used, but not while the table is written: so a thread can settle
            while others go on labelling.

    Raises:
        UserError: A file is in the way.
        OSError: A file cannot be moved, or the table not be written; repeating it goes on.
    """
    guard = guard or nullcontext()
    with guard:
        pending = journal.pending()
        if not pending:
            return
        manifest.rows = rows = settle_rows(manifest.folder, manifest.rows, pending)
    write_text(manifest.path, format_table(rows))
    with guard:
        journal.mark_settled(pending[-1].number)


def read_table(folder: Path) -> tuple[list[TableLine], list[Problem]]:
    """The rows of a dataset's table as they stand there, and the lines that cannot be rows.

    Raises:
        UserError: There is no table, it cannot be read, or its header is another.
    """
    require_manifest(folder)
    path = folder / MANIFEST_NAME
    try:
        # spreadsheets put a mark before the first column; a film's name need not be valid UTF-8
        text = read_file(path).decode("utf-8-sig", "surrogateescape")
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    return parse_table(text, str(path))


def find_repeats(lines: Sequence[TableLine]) -> list[Problem]:
    """Rows whose file, or whose contributor and number, an earlier row has too."""
    files: dict[str, int] = {}
    keys: dict[tuple[str, int], int] = {}
    problems = []
    for line, row in lines:
        first = files.setdefault(row.file, line)
        if first != line:
            problems.append(Problem(line, f"column 'file': line {first} has the same, {row.file!r}"))
        elif (first := keys.setdefault(row.key, line)) != line:
            contributor, number = row.key
            problems.append(Problem(line, f"column 'number': line {first} has {number} of {contributor!r} already"))
    return problems


def first_error(where: str | Path, problems: Sequence[Problem]) -> UserError:
    """The error that names the first of a table's problems."""
    problem = min(problems)
    return UserError(f"{where}, line {problem.line}: {problem.message}")
