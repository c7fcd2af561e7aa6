"""What the command prints, and the progress bars that long work shows."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from pipelines.data.dataset import Dataset
from pipelines.data.opening import is_drawn
from pipelines.data.sample import Source
from scratchnet.callbacks import Callback

# no markup: file names may hold [brackets] and :colons:
console = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
errors = Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)

if not console.is_terminal:
    console.width = 250  # a file has no edge at which a table would have to be cut

SHOWN_SKIPPED = 10
TELL_SECONDS = 60.0  # between lines about how far a stage is
_bars = True
_stages = 0  # how many are under way, one within the other


class Advance(Protocol):
    """Takes note of how far a stage is; the last word says what is under way now."""

    def __call__(self, done: int, total: int, now: str = "") -> None: ...


def no_bars() -> None:
    """Print neither bars nor stages from now on, because other processes print to the same terminal."""
    global _bars
    _bars = False


def _screen() -> Console | None:
    """Where a bar can be watched; None where both outputs go to files, also if these shall have colours."""
    return next((screen for screen in (console, errors) if screen.is_interactive and screen.file.isatty()), None)


def _bar() -> Progress:
    screen = _screen()
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=screen,
        transient=True,
        disable=screen is None or not _bars,  # in a log file a bar would be noise
    )


@contextmanager
def progress(description: str) -> Iterator[Advance]:
    """A stage of long work: a bar that disappears at the end, or lines on the standard error where nobody watches.

    The lines say that it begins, what is under way in it, and once a minute how far it is. Results on the standard
    output stay as they are, and of a stage within another one no beginning is told.
    """
    global _stages
    _stages += 1
    try:
        if _bars and _screen() is None:
            yield _Lines(description, nested=_stages > 1)
        else:
            with _bar() as bar:
                task = bar.add_task(description, total=None, note="")
                yield lambda done, total, now="": bar.update(task, completed=done, total=total, note=now)
    finally:
        _stages -= 1


class _Lines:
    """Tells of a stage line by line."""

    def __init__(self, description: str, nested: bool) -> None:
        self._description, self._now = description, ""
        self._told = time.monotonic()
        if not nested:
            errors.print(f"{description} ...")

    def __call__(self, done: int, total: int, now: str = "") -> None:
        if now != self._now:
            self._now = now
            errors.print(f"{self._description}: {now} ({done + 1:,} of {total:,}) ...")
        elif time.monotonic() - self._told >= TELL_SECONDS and done < total:
            errors.print(f"{self._description}: {done:,} of {total:,} ...")
        else:
            return
        self._told = time.monotonic()


def report_data(
    name: str, source: Source, parts: Mapping[str, int], *, limit: int | None = None, screen: Console = console
) -> None:
    """Say which images are used, of how many, and what is left out.

    Args:
        name: of the data, as `pipelines.data.opening.open_data` takes it.
        source: of the images.
        parts: how many are used, and for what: `training`, or `all`.
        limit: of these, if there is one.
        screen: `errors` keeps it out of results.
    """
    drawn = ", synthetic faces that the program draws (--data takes images of your own)" if is_drawn(name) else ""
    used = [f"{number:,}" if part == "all" else f"{number:,} {part}" for part, number in parts.items()]
    listed = " and ".join(filter(None, [", ".join(used[:-1]), used[-1]]))
    total = len(source.samples)
    rest = f" of {total:,} in all" if total > sum(parts.values()) else ""
    limited = f" (a limit of {limit:,})" if limit is not None else ""
    classes = f"{len(source.class_names)} classes: {', '.join(source.class_names)}"
    screen.print(f"data: {name}{drawn}; {listed} images{rest}{limited}, {classes}")
    if source.left_out:
        errors.print(f"left out: {'; '.join(map(str, source.left_out))}")


def report_skipped(source: Source, datasets: list[Dataset]) -> None:
    """Name the images that could not be read."""
    skipped = [*source.skipped, *(entry for dataset in datasets for entry in dataset.skipped)]
    for name, reason in skipped[:SHOWN_SKIPPED]:
        errors.print(f"[yellow]skipped[/] {escape(name)}: {escape(reason)}", markup=True)
    if len(skipped) > SHOWN_SKIPPED:
        errors.print(f"skipped {len(skipped) - SHOWN_SKIPPED:,} more, {len(skipped):,} images in all")


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
