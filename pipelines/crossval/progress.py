"""How far a cross-validation is, as its folders tell whoever looks, in whatever process the folds are trained."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from pipelines.console import console, duration
from pipelines.crossval.results import HELD_OUT
from pipelines.errors import UserError
from pipelines.reading import read_text
from pipelines.run import Run
from pipelines.workers import meanwhile

LOOK_SECONDS = 1.0
TELL_SECONDS = 60.0


class Progress(NamedTuple):
    """How far the work is.

    Attributes:
        folds: that are done.
        epochs: that are done, of all folds; a fold that is done counts as if it had not stopped early.
    """

    folds: int
    epochs: int


def look(runs: Sequence[Run], epochs: int) -> Progress:
    """How far the folds are.

    Args:
        runs: of the folds.
        epochs: that each takes at most.
    """
    finished = [_is_done(run) for run in runs]
    rows = [epochs if done else min(_rows(run), epochs) for run, done in zip(runs, finished, strict=True)]
    return Progress(sum(finished), sum(rows))


def tell(now: Progress, begun: Progress, folds: int, epochs: int, seconds: float) -> str:
    """How far the work is, and how long the rest may take, as a line.

    Args:
        now: how far it is.
        begun: how far it was when this session began.
        folds: how many there are.
        epochs: that each takes at most.
        seconds: since this session began.
    """
    line = f"{now.folds} of {folds} folds done, {now.epochs} of {folds * epochs} epochs"
    done, left = now.epochs - begun.epochs, folds * epochs - now.epochs
    return f"{line}, about {duration(seconds / done * left)} left" if done > 0 and left else line


@contextmanager
def told(runs: Sequence[Run], epochs: int) -> Iterator[None]:
    """Meanwhile print a line whenever a fold is done, and once a minute as long as epochs are.

    Args:
        runs: of the folds.
        epochs: that each takes at most.
    """
    began, begun = time.monotonic(), look(runs, epochs)
    last, at = begun, began

    def watch() -> None:
        nonlocal last, at
        now = look(runs, epochs)
        due = time.monotonic() - at >= TELL_SECONDS and now.epochs > last.epochs
        if (now.folds > last.folds or due) and now.folds < len(runs):
            console.print(tell(now, begun, len(runs), epochs, time.monotonic() - began))
            last, at = now, time.monotonic()

    with meanwhile(watch, LOOK_SECONDS):
        yield


def _is_done(run: Run) -> bool:
    try:
        return run.metrics().get(HELD_OUT) is not None
    except (OSError, UserError):  # whoever reads it for its figures says what is wrong with it
        return False


def _rows(run: Run) -> int:
    try:
        return max(read_text(run.history_path).count("\n") - 1, 0)
    except OSError:  # not there yet
        return 0
