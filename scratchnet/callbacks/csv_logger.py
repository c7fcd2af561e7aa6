"""A table of all epochs on disk."""

import csv
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from scratchnet.callbacks.base import Callback, Logs
from scratchnet.formats.whole_file import naming, whole_file, write_bytes

__all__ = ["CSVLogger"]


class CSVLogger(Callback):
    """Writes one row per epoch: the epoch's number, then the metrics in alphabetical order.

    Where `BackupAndRestore` lets an interrupted run go on, or `append` is set and `fit` starts at a later epoch than
    the first, the file keeps the rows of the epochs before and drops the others: each epoch stands there once.

    Args:
        filename: the file.
        separator: what separates columns.
        append: whether to keep what is in the file when a run starts at the first epoch; it is replaced otherwise.
    """

    def __init__(self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False) -> None:
        super().__init__()
        self.filename = os.fspath(filename)
        self.separator = separator
        self.append = append
        self._columns: list[str] | None = None
        self._restored = False
        self._prepared = False

    def on_train_begin(self, logs: Logs | None = None) -> None:
        # The file is not touched before the first epoch: only then it is known where the run goes on.
        self._columns = None
        self._restored = False
        self._prepared = False

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        if not self._prepared:
            self._prepare(epoch)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Write the row.

        Raises:
            ValueError: if the file's columns are others than those of the logs.
        """
        logs = logs or {}
        if not self._prepared:
            self._prepare(epoch)
        if self._columns is None:
            self._columns = sorted(logs)
            if not any(name.startswith("val_") for name in logs):
                self._columns += [f"val_{name}" for name in self._columns]  # validation may come in later epochs
            self._write([["epoch", *self._columns]])
        unknown = logs.keys() - set(self._columns)
        if unknown:
            raise ValueError(f"{self.filename} has no column for {', '.join(sorted(unknown))}; log to another file")
        self._write([[epoch, *(_cell(logs.get(name, "NA")) for name in self._columns)]])

    def get_state(self) -> dict[str, Any]:
        return {"restored": True}

    def set_state(self, state: dict[str, Any]) -> None:
        self._restored = True

    def _prepare(self, epoch: int) -> None:
        self._prepared = True
        path = Path(self.filename)
        resumed = epoch > 0 and (self._restored or self.append)
        if not path.exists() or not (resumed or self.append):
            write_bytes(path, b"")
            return
        with path.open(newline="") as file:
            rows = list(csv.reader(file, delimiter=self.separator))
        if not rows:
            return
        self._columns = rows[0][1:]
        if resumed:
            kept = [row for row in rows[1:] if len(row) == len(rows[0]) and row[0].isdigit() and int(row[0]) < epoch]
            # Replaced in one step: an interruption must not cost the rows.
            with whole_file(path) as temporary, temporary.open("w", newline="") as file:
                csv.writer(file, delimiter=self.separator).writerows([rows[0], *kept])

    def _write(self, rows: list[list[Any]]) -> None:
        # Opened for each epoch, so that the row is on disk at once and no file stays open after an exception.
        path = Path(self.filename)
        with naming(path), path.open("a", newline="") as file:
            csv.writer(file, delimiter=self.separator).writerows(rows)
            file.flush()
            os.fsync(file.fileno())


def _cell(value: Any) -> Any:
    if isinstance(value, Iterable) and not isinstance(value, str):
        return f'"[{", ".join(map(str, value))}]"'
    return value
