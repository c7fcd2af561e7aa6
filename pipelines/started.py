"""A folder that work was started in: what it was started with, and whether the same work goes on in it."""

import csv
import io
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field

from pipelines.data.sample import Sample
from pipelines.errors import UserError
from pipelines.files import file_in_the_way, remove_leftovers, write_json, write_text
from pipelines.lock import folder_lock, is_empty
from pipelines.machine import versions
from pipelines.parsing import Count, Told, checked, damaged, read_json
from pipelines.reading import open_text, read_text
from pipelines.recipe import without_published

# a file name need not be valid UTF-8, and must come back as it was
TEXT: Any = {"encoding": "utf-8", "errors": "surrogateescape"}
COLUMNS = ["name", "class", "part"]  # of split.csv
REMEDY = "choose another --out, or pass --overwrite"


class Settings(Told):
    """What work is started with."""

    recipe: dict[str, Any]
    data: str
    classes: Annotated[list[str], Field(min_length=1)]
    epochs: Annotated[Count, Field(ge=1)]
    limit: Count | None
    seed: Annotated[int, Field(ge=0)]
    engine: str = "scratch"
    origin: str = ""
    changes: list[str] = Field(default_factory=list)


class StartedFolder(ABC):
    """A folder with the configuration of the work in it, and with the part that each sample of the data has there.

    Args:
        folder: where it is; nothing is read or written yet.
    """

    kind: ClassVar[str]
    """What the work is called in messages."""
    format: ClassVar[str]
    """What its configuration calls itself."""
    config_name: ClassVar[str]
    """The file of its configuration."""
    settings: ClassVar[type[Settings]] = Settings
    """What its configuration holds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config_path = folder / self.config_name
        self.split_path = folder / "split.csv"

    @property
    @abstractmethod
    def finished(self) -> bool:
        """Whether the work has come to its end."""

    @abstractmethod
    def clear(self) -> None:
        """Delete what the work writes, and nothing else."""

    @property
    def is_started(self) -> bool:
        """Whether the folder is one of this kind; other programs have files of the same name."""
        return self.config_path.exists() and self._content().get("format") == self.format

    @contextmanager
    def locked(self, wait: float = 0) -> Iterator[None]:
        """Keep other commands out of the folder, from before it is looked at until the work in it is done.

        Args:
            wait: seconds to wait for another command to finish.

        Raises:
            UserError: another command works there, or the folder holds something else, which is left untouched.
        """
        self._check_place()
        with folder_lock(self.folder, wait):
            yield

    def start(self, config: Mapping[str, Any], split: str, overwrite: bool) -> bool:
        """Make the folder ready for work of this configuration; nothing is written if it is refused.

        Args:
            config: what decides the result.
            split: which sample is in which part, from `describe_parts`.
            overwrite: whether earlier work in this folder may be deleted.

        Returns:
            Whether interrupted work of the same configuration goes on.

        Raises:
            UserError: the folder holds finished work, work of another configuration or other data, or something else.
        """
        self._check_place()
        goes_on = False
        if self.folder.is_dir() and not is_empty(self.folder):
            if overwrite:
                self.clear()
            elif self.finished:
                raise UserError(f"{self.folder} holds a finished {self.kind}; {REMEDY}")
            else:
                self._check_same(config, split)
                goes_on = True
        if not goes_on:
            write_json(self.config_path, {"format": self.format, **config, "versions": versions()})
        write_text(self.split_path, split)
        return goes_on

    def config(self) -> dict[str, Any]:
        """The configuration the work was started with.

        Raises:
            UserError: the folder has none, it is damaged, or it is another program's.
        """
        content = self._content()
        if content.get("format") != self.format:
            raise UserError(f"{self.folder} is not a {self.kind}: its {self.config_name} is another program's")
        checked(content, self.settings, self.config_path)
        return content

    def split(self) -> list[tuple[str, str, str]]:
        """The (name, class, part) of each sample; empty if there is no split.csv.

        Raises:
            UserError: the file is damaged.
        """
        if not self.split_path.exists():
            return []
        try:
            with open_text(self.split_path, newline="", **TEXT) as file:
                rows = list(csv.reader(file, strict=True))
        except csv.Error as error:
            raise damaged(self.split_path, str(error)) from error
        if not rows or rows[0] != COLUMNS or any(len(row) != len(COLUMNS) for row in rows):
            raise damaged(self.split_path, f"it must have the columns {', '.join(COLUMNS)} in each line")
        return [(name, class_name, part) for name, class_name, part in rows[1:]]

    def _check_place(self) -> None:
        remove_leftovers(self.folder)
        if file := file_in_the_way(self.folder):
            raise UserError(f"{file} is a file; choose another --out")
        if self.folder.is_dir() and not is_empty(self.folder) and not self.is_started:
            raise UserError(f"{self.folder} is not empty and is not a {self.kind}; choose another --out")

    def _content(self) -> dict[str, Any]:
        try:
            content = read_json(self.config_path)
        except OSError as error:
            raise UserError(f"{self.folder} is not a {self.kind}: it has no readable {self.config_name}") from error
        if not isinstance(content, dict):
            raise damaged(self.config_path, "it holds no settings by name")
        return content

    def differing(self, config: Mapping[str, Any]) -> str | None:
        """The first setting of `config` with which the work here was not started; None if there is none.

        Raises:
            UserError: as `config` does.
        """
        earlier, wanted = self.config(), json.loads(json.dumps(config))
        for content in (earlier, wanted):
            content["recipe"] = without_published(content["recipe"])
        # one recipe may come from two files, and what is grouped follows from the data, which the split tells
        keys = (key for key in wanted if key not in ("origin", "changes", "grouped"))
        return next((key for key in keys if earlier.get(key) != wanted[key]), None)

    def _check_same(self, config: Mapping[str, Any], split: str) -> None:
        if key := self.differing(config):
            raise UserError(
                f"{self.folder} holds an unfinished {self.kind} with another {key}; "
                f"repeat its command to go on, {REMEDY}"
            )
        if self.split_path.exists() and read_text(self.split_path, "surrogateescape") != split:
            raise UserError(
                f"the data have changed since the {self.kind} in {self.folder} was interrupted; restore them, {REMEDY}"
            )


def repeating(overwrite: bool) -> str:
    """The command that goes on with work that was started with `overwrite`, in words."""
    return "the same command without --overwrite" if overwrite else "the same command"


def describe_parts(parts: Mapping[str, Sequence[Sample]], class_names: Sequence[str]) -> str:
    """Which sample is in which part, as csv."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for part, samples in parts.items():
        writer.writerows([sample.name, class_names[sample.label], part] for sample in samples)
    return text.getvalue()
