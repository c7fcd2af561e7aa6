"""Labelling by several tabs at once: who gets which face, what a key does, and how it is taken back.

The page and the command for a csv of labels are thin layers around this.
"""

import errno
import math
import os
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from pipelines.curation.history import History
from pipelines.curation.journal import Journal, Key, Label, Mark, Record
from pipelines.curation.manifest import Manifest, settle
from pipelines.curation.naming import REJECTED, UNLABELLED, ImageName
from pipelines.curation.table import Row
from pipelines.errors import UserError
from pipelines.reading import read_file

LEASE_SECONDS = 60  # for so long a face shown in one tab is not offered in another that is not heard of


def check_labeller(name: str) -> str:
    """Return a labeller's name without the blanks around it; `UserError` if nothing printable is left."""
    if not name.strip() or not name.strip().isprintable():
        raise UserError(f"a labeller's name must be printable text, got {name!r}")
    return name.strip()


def timestamp() -> str:
    """Now, as manifests say it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _read_inside(folder: Path, name: str) -> bytes:
    try:
        path = Path(os.path.realpath(folder / name, strict=True))  # Path.resolve raises no OSError for a loop of links
        if path.is_relative_to(folder.resolve()):
            return read_file(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UserError(f"{folder / name} cannot be read: {error.strerror}; put the image there") from error
    raise UserError(f"{folder / name} is a link that leads out of the dataset; put the image itself there")


@dataclass
class _Tab:
    # what a tab can take back, the latest last: a record it made, or a face it skipped
    steps: list[Record | Key] = field(default_factory=list)
    shown: tuple[Key, ...] = ()
    heard: float = 0.0


class Labelling:
    """The labels of a dataset while people are at work on it; every method may be called from any thread.

    Each label is in the journal, on the disk, before the method that gives it returns. Files and manifest follow with
    `settle`. Of two labels for one face the later counts, and the journal keeps both.

    Args:
        folder: The dataset, which the caller has locked.
        classes: The classes that may be given.
        review: Instead of the unlabelled faces, go through those of these classes.
        blind: Leave a model's guesses of test images aside, so that they do not sway whoever labels these.

    Attributes:
        guessing: Whether a model is still at work on guesses.
        model_name: The model that guesses; None if none does.
        trouble: Why files and manifest could not follow the labels the last time; None if they could.

    Raises:
        UserError: The manifest or the journal cannot be used.
    """

    def __init__(
        self, folder: Path, classes: Sequence[str], review: Iterable[str] | None = None, *, blind: bool = False
    ) -> None:
        self.classes = tuple(classes)
        self.manifest = Manifest.read(folder)
        self._journal = Journal(folder)
        self.guessing = False
        self.model_name: str | None = None
        self.trouble: str | None = None
        self._lock = threading.RLock()
        self._positions = {row.key: position for position, row in enumerate(self.manifest.rows)}
        self._marks = {
            row.key: Mark(row.class_name, row.labeller, row.labelled_at, row.suggested, row.suggested_by)
            for row in self.manifest.rows
        }
        self._blind = {row.key for row in self.manifest.rows if blind and row.split == "test"}
        self._counts = Counter(mark.class_name for mark in self._marks.values())
        wanted = {UNLABELLED} if review is None else set(review)
        self._waiting = {key: None for key, mark in self._marks.items() if mark.class_name in wanted}
        self._total = len(self._waiting)
        self._skipped: dict[Key, None] = {}
        self._tabs: dict[str, _Tab] = {}
        self._settling = threading.Lock()
        self._guesses: dict[Key, dict[str, float]] = {}
        self._done = {record.action for record in self._journal.records}
        self._history = History(self._journal.records)
        self._undone_skips: dict[str, Key] = {}

    @property
    def counts(self) -> Mapping[str, int]:
        """How many faces each class has, `unlabelled` and `rejected` among them."""
        return self._counts

    @property
    def waiting(self) -> int:
        """How many faces are still to be shown."""
        return len(self._waiting)

    @property
    def total(self) -> int:
        """How many there were to be shown at the start."""
        return self._total

    @property
    def guessed(self) -> int:
        """For how many faces a model has guessed."""
        return len(self._guesses)

    def keys(self) -> list[Key]:
        """The faces still to be shown, in their order."""
        with self._lock:
            return list(self._waiting)

    def row(self, key: Key) -> Row | None:
        """The row of a face, whose file is where it says; None if there is no such face."""
        with self._lock:
            position = self._positions.get(key)
            return None if position is None else self.manifest.rows[position]

    def picture(self, key: Key) -> bytes:
        """The file of a face, which is where its row says, or already in the folder of its new class.

        Raises:
            FileNotFoundError: There is no such face, or its file is missing.
            UserError: Something else lies there, such as a link that leads out of the dataset.
            OSError: It cannot be read.
        """
        # it may move between the look at its row and the opening of its file, so both places are tried twice
        for _ in range(2):
            row = self.row(key)
            names = [row.file, ImageName(self.class_of(key), *key).file] if row else []
            for name in dict.fromkeys(names):
                with suppress(FileNotFoundError):
                    return _read_inside(self.manifest.folder, name)
        raise FileNotFoundError(errno.ENOENT, "the file of the image is missing", f"{key[0]}/{key[1]}")

    def class_of(self, key: Key) -> str:
        """The class of a face, also if its file has not moved yet."""
        return self._marks[key].class_name

    def guess(self, key: Key) -> dict[str, float] | None:
        """A model's probabilities by class."""
        return self._guesses.get(key)

    def label(
        self, tab: str, action: str, key: Key, class_name: str, labeller: str, suggested: str | None = None
    ) -> None:
        """Give a face a class, or call it no face with `rejected`.

        Args:
            tab: Who takes it back, if anyone.
            action: A unique name: the same action is done once, however often it is asked for.
            key: The face.
            class_name: One of `classes`, or `rejected`.
            labeller: A person's name.
            suggested: The class that a model had suggested where the person saw it.

        Raises:
            UserError: There is no such face or class, or the labeller has no printable name.
            OSError: The label cannot be written down, and was not given.
        """
        if class_name not in (*self.classes, REJECTED):
            raise UserError(f"there is no class {class_name!r}; the classes are {', '.join(self.classes)}")
        if suggested is not None and suggested not in self.classes:
            raise UserError(f"there is no class {suggested!r} to suggest; the classes are {', '.join(self.classes)}")
        by = None if suggested is None else self.model_name
        mark = Mark(class_name, check_labeller(labeller), timestamp(), suggested, by)
        with self._lock:
            if action in self._done:
                return
            self._known(key)
            change = Label(key, mark, self._marks[key])
            self._tab(tab).steps.append(self._record(action, tab, [change]))
            self._waiting.pop(key, None)

    def label_many(self, by: str, action: str, classes: Mapping[Key, str], labeller: str) -> None:
        """Give many faces their classes at once: all of them, or none.

        Raises:
            UserError: The labeller has no printable name.
            OSError: They cannot be written down, and were not given.
        """
        who, at = check_labeller(labeller), timestamp()
        with self._lock:
            changes = []
            for key, name in classes.items():
                # where there is no label, nobody gave it
                mark = Mark(name, None, None) if name == UNLABELLED else Mark(name, who, at)
                changes.append(Label(key, mark, self._marks[key]))
            self._record(action, by, changes)

    def skip(self, tab: str, action: str, key: Key) -> None:
        """Show a face again when the others are through; `UserError` if there is no such face."""
        with self._lock:
            self._known(key)
            if action not in self._done:
                self._done.add(action)
                self._tab(tab).steps.append(key)
                if key in self._waiting:
                    self._skipped[key] = self._waiting.pop(key)
                    self._waiting[key] = None

    def undo(self, tab: str, action: str) -> Key | None:
        """Take back what this tab did last.

        A label that another tab has meanwhile replaced stays replaced.

        Returns:
            The face to show again; None if there is nothing to take back.

        Raises:
            OSError: It cannot be written down, and was not taken back.
        """
        with self._lock:
            if action in self._done:
                return self._undone_skips.get(action) or self._history.taken_back(action)
            steps = self._tab(tab).steps
            if not steps:
                return None
            step = steps[-1]
            if isinstance(step, Record):
                key = step.labels[0].key
                self._take_back(tab, action, step)
            else:
                key = step
                self._done.add(action)
                self._undone_skips[action] = key
            steps.pop()
            self._skipped.pop(key, None)
            self._waiting.pop(key, None)
            self._waiting = {key: None, **self._waiting}
            return key

    def queue(self, tab: str, count: int, first: Key | None = None) -> list[Key]:
        """The next faces for a tab; none that another tab is looking at, as long as there are others.

        Args:
            tab: Who asks.
            count: How many at most.
            first: A face that shall come first, because the tab is looking at it.
        """
        with self._lock:
            now = time.monotonic()
            state = self._tab(tab)
            state.heard = now
            taken: set[Key] = set()
            for name, other in self._tabs.items():
                if name != tab and now - other.heard < LEASE_SECONDS:
                    taken.update(other.shown)
            chosen = [first] if first is not None and first in self._waiting else []
            free = (key for key in self._waiting if key not in taken and key != first)
            chosen += islice(free, count - len(chosen))
            if not chosen:  # what is left is on other screens, and may stay there for ever
                chosen += islice(self._waiting, count)
            state.shown = tuple(chosen)
            return chosen

    def add_guesses(self, guesses: Mapping[Key, dict[str, float]]) -> None:
        """Take a model's probabilities by class, and let the faces that it is least sure of come first.

        Its margin counts: the most probable class's lead over the next. Under review that is the lead of the class that
        the face has over the best other one, so that likely mistakes come first. Skipped faces stay last.
        """
        with self._lock:
            self._guesses.update({key: guess for key, guess in guesses.items() if key not in self._blind})
            fresh = [key for key in self._waiting if key not in self._skipped]
            order = sorted(fresh, key=self._certainty)  # stable: faces without a guess keep their order at the end
            self._waiting = dict.fromkeys([*order, *(key for key in self._skipped if key in self._waiting)])

    def settle(self) -> None:
        """Move the files of the faces labelled so far, and write the manifest.

        Raises:
            UserError: A file is in the way.
            OSError: The disk refuses. The labels are safe in the journal either way.
        """
        with self._settling:
            settle(self.manifest, self._journal, self._lock)

    def try_to_settle(self) -> None:
        """Settle; what stands in the way becomes `trouble`, and the next time may succeed."""
        try:
            self.settle()
        except (UserError, OSError) as error:
            self.trouble = str(error)
        else:
            self.trouble = None

    def unsettled(self) -> int:
        """How many records wait for `settle`."""
        with self._lock:
            return len(self._journal.pending())

    def _certainty(self, key: Key) -> float:
        guess = self._guesses.get(key)
        if guess is None:
            return math.inf
        current = self._marks[key].class_name
        others = sorted((value for name, value in guess.items() if name != current), reverse=True)
        if current in guess:
            return guess[current] - (others[0] if others else 0)
        return others[0] - (others[1] if len(others) > 1 else 0) if others else 0

    def _known(self, key: Key) -> None:
        if key not in self._positions:
            raise UserError(f"the dataset has no image {key[1]} of {key[0]!r}")

    def _tab(self, name: str) -> _Tab:
        if name not in self._tabs:
            self._tabs[name] = _Tab([*self._history.steps(name)])  # a tab outlives the server
        return self._tabs[name]

    def _record(self, action: str, by: str, labels: Sequence[Label], undoes: int | None = None) -> Record:
        record = self._journal.add(action, by, labels, undoes)
        self._done.add(action)
        self._history.follow(record)
        for label in labels:
            self._counts[self._marks[label.key].class_name] -= 1
            self._counts[label.mark.class_name] += 1
            self._marks[label.key] = label.mark
        return record

    def _take_back(self, tab: str, action: str, record: Record) -> None:
        key = record.labels[0].key
        earlier = self._history.mark_without(record)
        changes = []
        if earlier is not None and key in self._marks:
            changes.append(Label(key, earlier, self._marks[key]))
        self._record(action, tab, changes, record.number)
