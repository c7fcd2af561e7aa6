"""Labels from a csv file: columns `file` and `class`. All of them are used, or none."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pipelines.curation.journal import Journal, Key
from pipelines.curation.manifest import Manifest
from pipelines.curation.naming import NO_CLASSES, UNLABELLED, parse_name
from pipelines.data.class_names import class_key
from pipelines.errors import UserError
from pipelines.reading import open_text

SHOWN_MISTAKES = 20
HEADER = ["file", "class"]


@dataclass(frozen=True)
class _Line:
    number: int
    file: str
    class_name: str


def read_labels(path: Path, manifest: Manifest, classes: Sequence[str]) -> dict[Key, str]:
    """The class that a csv gives to each of a dataset's images.

    An image is named by its path in the dataset or by its file name alone, as it is now or as it was called under an
    earlier label. Classes match without regard to case; `rejected` and `unlabelled` are understood too.

    Args:
        path: The csv, with a header; further columns are passed over.
        manifest: The dataset.
        classes: The classes that may be given.

    Raises:
        UserError: The file cannot be read, or has mistakes: all of them are named, each with its line.
    """
    lines, mistakes = _read(path)
    names = {class_key(name): name for name in (*classes, *NO_CLASSES)}
    finder = _Finder(manifest)
    labels: dict[Key, str] = {}
    first: dict[Key, _Line] = {}
    for line in lines:
        key = finder.find(line.file)
        class_name = names.get(class_key(line.class_name))
        if key is None:
            mistakes.append((line.number, f"the dataset has no image {line.file!r}"))
        if class_name is None:
            mistakes.append(
                (line.number, f"there is no class {line.class_name!r}; the classes are {', '.join(classes)}")
            )
        if key is None or class_name is None:
            continue
        if key in labels:
            line_before = first[key].number
            if labels[key] == class_name:
                mistakes.append((line.number, f"{line.file!r} is in line {line_before} already"))
            else:
                mistakes.append(
                    (line.number, f"{line.file!r} is {class_name!r}, but {labels[key]!r} in line {line_before}")
                )
            continue
        labels[key], first[key] = class_name, line
    if mistakes:
        raise UserError(_describe(path, mistakes))
    return labels


class _Finder:
    """Finds an image by any name that it has or had."""

    def __init__(self, manifest: Manifest) -> None:
        self._classes: dict[Key, set[str]] = {row.key: {row.class_name, UNLABELLED} for row in manifest.rows}
        self._files = {row.file: row.key for row in manifest.rows}
        for record in Journal(manifest.folder).records:
            for label in record.labels:
                if label.key in self._classes:
                    self._classes[label.key] |= {label.mark.class_name, label.was.class_name}

    def find(self, file: str) -> Key | None:
        path = PurePosixPath(file.replace("\\", "/"))
        if str(path) in self._files:
            return self._files[str(path)]
        name = parse_name(path.name)
        if name is None or name.class_name not in self._classes.get(name.key, ()):
            return None
        return name.key if path.parent.name in ("", name.class_name) else None


def _read(path: Path) -> tuple[list[_Line], list[tuple[int, str]]]:
    try:
        with open_text(path, "utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = [cell.strip().casefold() for cell in next(reader, [])]
            missing = [name for name in HEADER if name not in header]
            if missing:
                raise UserError(f"{path}, line 1: the column {missing[0]!r} is missing; the header must be file,class")
            columns = [header.index(name) for name in HEADER]
            lines, mistakes = [], []
            for cells in reader:
                if len(cells) == len(header):
                    lines.append(_Line(reader.line_num, *(cells[column].strip() for column in columns)))
                elif cells:
                    mistakes.append((reader.line_num, f"has {len(cells)} cells where {len(header)} are needed"))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}") from error
    except csv.Error as error:
        raise UserError(f"{path}, line {reader.line_num}: not readable as csv, {error}") from error
    if not lines and not mistakes:
        raise UserError(f"{path} holds no labels below its header")
    return lines, mistakes


def _describe(path: Path, mistakes: list[tuple[int, str]]) -> str:
    listed = "".join(f"\n  line {line}: {message}" for line, message in sorted(mistakes)[:SHOWN_MISTAKES])
    more = f"\n  and {len(mistakes) - SHOWN_MISTAKES} more" if len(mistakes) > SHOWN_MISTAKES else ""
    noun = "mistake" if len(mistakes) == 1 else "mistakes"
    return f"{path} has {len(mistakes)} {noun}, so no label was changed:{listed}{more}"
