"""What the command prints, and the progress bars that long work shows."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from pipelines.data.dataset import Dataset
from pipelines.data.sample import Source
from scratchnet.callbacks import Callback

# no markup: file names may hold [brackets] and :colons:
console = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
errors = Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)

if not console.is_terminal:
    console.width = 250  # a file has no edge at which a table would have to be cut

SHOWN_SKIPPED = 10
_bars = True


def no_bars() -> None:
    """Print lines alone from now on, because other processes print to the same terminal."""
    global _bars
    _bars = False


def _bar(screen: Console = console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=screen,
        transient=True,
        disable=not (_bars and screen.is_terminal),  # in a log file a bar would be noise
    )


@contextmanager
def progress(description: str, screen: Console = console) -> Iterator[Callable[[int, int], None]]:
    """A bar that is told (done, total) and disappears at the end; `errors` as its screen keeps it out of results."""
    with _bar(screen) as bar:
        task = bar.add_task(description, total=None, note="")
        yield lambda done, total: bar.update(task, completed=done, total=total)


def report_skipped(source: Source, datasets: list[Dataset]) -> None:
    """Name the images that could not be read."""
    skipped = [*source.skipped, *(entry for dataset in datasets for entry in dataset.skipped)]
    for name, reason in skipped[:SHOWN_SKIPPED]:
        errors.print(f"[yellow]skipped[/] {escape(name)}: {escape(reason)}", markup=True)
    if len(skipped) > SHOWN_SKIPPED:
        errors.print(f"skipped {len(skipped) - SHOWN_SKIPPED} more")


class TrainingProgress(Callback):
    """A bar per epoch, and a line when it has ended."""

    def __init__(self, label: str = "") -> None:
        super().__init__()
        self.label = label
        self._bar: Progress | None = None
        self._seconds: list[float] = []
        self._started = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._started = time.monotonic()
        self._bar = _bar()
        self._bar.start()
        name = f"{self.label}epoch {epoch + 1}/{self.params['epochs']}"
        self._task = self._bar.add_task(name, total=self.params["steps"], note="")

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=batch + 1, note=f"loss {(logs or {}).get('loss', 0):.4f}")

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.close()
        figures = "  ".join(f"{name} {value:.4g}" for name, value in (logs or {}).items() if np.ndim(value) == 0)
        self._seconds.append((logs or {}).get("seconds", time.monotonic() - self._started))  # without compiling
        left = self.params["epochs"] - epoch - 1
        rest = f"  left {duration(left * float(np.median(self._seconds)))}" if left else ""
        console.print(f"{self.label}epoch {epoch + 1}/{self.params['epochs']}  {figures}{rest}")

    def close(self) -> None:
        """Take the bar away, also after an interruption."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def duration(seconds: float) -> str:
    """A time as it is told: 40 s, 12 min, 3.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def table(title: str, columns: list[str], rows: list[list[str]], text: int = 1) -> Table:
    """A table whose first columns, as many as `text` says, are text and whose others are figures."""
    result = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        result.add_column(column, justify="left" if number < text else "right", overflow="fold")  # never cut a name
    for row in rows:
        result.add_row(*row)
    return result
