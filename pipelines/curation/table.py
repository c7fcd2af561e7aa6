"""The rows of `manifest.csv`, and what each cell may hold."""

import csv
import io
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from pipelines.curation.naming import NO_CLASSES, ImageName, check_class, check_contributor
from pipelines.errors import UserError

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class Row:
    """One image of a dataset. What is not known is None, an empty cell in the table.

    Attributes:
        file: Path in the dataset, with forward slashes; `C/C_T_N.png` as `naming` says.
        class_name: The class, or `unlabelled` or `rejected`; the column `class`.
        contributor: Who the image is from.
        number: The contributor's running number, from 1.
        film: The film's file name.
        time_code: Place in the film, `HH:MM:SS.mmm`.
        frame: Number of the frame as it was decoded, from 0.
        scene: Number of the scene within the film, from 0.
        face_x: Left edge of the face, in pixels of the film's frame.
        face_y: Upper edge of the face.
        face_width: Width of the face.
        face_height: Height of the face.
        score: What the detector said.
        sharpness: As measured on the normalised crop.
        light: Mean brightness of the crop.
        sha256: `hashes.content_hash` of the pixels as `decode_image` gives them, so that another compression of
            the same pixels keeps it.
        phash: `hashes.perceptual_hash` of the same pixels, 16 hexadecimal digits.
        labeller: Who gave the label.
        labelled_at: When, as ISO 8601 in UTC.
        split: `train`, `validation` or `test`.
        suggested: The class that a model suggested to the labeller, who saw it.
        suggested_by: Which model, as `guessing.model_name` calls it.
    """

    file: str
    class_name: str
    contributor: str
    number: int
    film: str | None = None
    time_code: str | None = None
    frame: int | None = None
    scene: int | None = None
    face_x: int | None = None
    face_y: int | None = None
    face_width: int | None = None
    face_height: int | None = None
    score: float | None = None
    sharpness: float | None = None
    light: float | None = None
    sha256: str | None = None
    phash: str | None = None
    labeller: str | None = None
    labelled_at: str | None = None
    split: str | None = None
    suggested: str | None = None
    suggested_by: str | None = None

    @property
    def name(self) -> ImageName:
        """The name that class, contributor and number make."""
        return ImageName(self.class_name, self.contributor, self.number)

    @property
    def key(self) -> tuple[str, int]:
        """Contributor and number, which stay the same when the label changes."""
        return self.contributor, self.number

    @property
    def is_labelled(self) -> bool:
        """Whether the image has a class."""
        return self.class_name not in NO_CLASSES


class Problem(NamedTuple):
    """A mistake in a table: its line, from 1 with the header, and a sentence about it."""

    line: int
    message: str


class TableLine(NamedTuple):
    """A row and the line of the table in which it ends."""

    line: int
    row: Row


def _text(cell: str) -> str:
    if not cell.isprintable():
        raise ValueError("must be printable text")
    return cell


# a manifest may come from elsewhere: none of its paths may lead out of the dataset, on any system
_SAFE_FILE = re.compile(r"(?!\.{1,2}(?:/|$))[^/\\:]+(?:/(?!\.{1,2}(?:/|$))[^/\\:]+)*")


def _safe_file(cell: str) -> str:
    if not _SAFE_FILE.fullmatch(cell):
        raise ValueError("must be a plain path within the dataset, with forward slashes")
    return _text(cell)


def _class(cell: str) -> str:
    return cell if cell in NO_CLASSES else check_class(cell)


def _whole(least: int) -> Callable[[str], int]:
    def parse(cell: str) -> int:
        if not (cell.isascii() and cell.removeprefix("-").isdecimal()) or len(cell) > 18 or int(cell) < least:
            raise ValueError(
                f"must be a whole number from {least} on" if least > -(10**9) else "must be a whole number"
            )
        return int(cell)

    return parse


def _number(cell: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError("must be a finite number")
    return value


def _pattern(regex: str, meaning: str) -> Callable[[str], str]:
    compiled = re.compile(regex)

    def parse(cell: str) -> str:
        if not compiled.fullmatch(cell):
            raise ValueError(f"must be {meaning}")
        return cell

    return parse


_CELLS: dict[str, Callable[[str], Any]] = {
    "file": _safe_file,
    "class": _class,
    "contributor": check_contributor,
    "number": _whole(1),
    "film": str,  # a file's name, which may hold anything
    "time_code": _pattern(r"\d{2,}:[0-5]\d:[0-5]\d\.\d{3}", "HH:MM:SS.mmm"),
    "frame": _whole(0),
    "scene": _whole(0),
    "face_x": _whole(-(10**9)),  # a face may begin beyond the frame's edge
    "face_y": _whole(-(10**9)),
    "face_width": _whole(1),
    "face_height": _whole(1),
    "score": _number,
    "sharpness": _number,
    "light": _number,
    "sha256": _pattern("[0-9a-f]{64}", "64 hexadecimal digits"),
    "phash": _pattern("[0-9a-f]{16}", "16 hexadecimal digits"),
    "labeller": _text,
    "labelled_at": _pattern(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "a time such as 2025-01-31T09:30:00Z"),
    "split": _pattern("|".join(SPLITS), f"one of {', '.join(SPLITS)}"),
    "suggested": check_class,
    "suggested_by": _text,
}
COLUMNS = tuple(_CELLS)
_EARLIER = COLUMNS[: COLUMNS.index("suggested")]  # of tables that were written before models were recorded
_NEEDED = {"file", "class", "contributor", "number"}
_REMEMBERED = 4096  # values per column


def parse_table(text: str, where: str) -> tuple[list[TableLine], list[Problem]]:
    """The rows of a table, and every line that cannot be one.

    Args:
        text: The whole file.
        where: What messages call it.

    Raises:
        UserError: The header is not that of a manifest, or the text is not csv at all.
    """
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    lines: list[TableLine] = []
    problems: list[Problem] = []
    # most columns repeat few values: what was read once is looked up, so that 100,000 rows take two seconds
    parsers = [(column, parse, dict[str, Any]()) for column, parse in _CELLS.items()]
    try:
        header = next(reader, [])
        _check_header(header, where)
        parsers = parsers[: len(header)]
        for cells in reader:
            if not cells:
                continue
            try:
                lines.append(TableLine(reader.line_num, _parse_row(cells, parsers)))
            except ValueError as error:
                problems.append(Problem(reader.line_num, str(error)))
    except csv.Error as error:
        raise UserError(f"{where}, line {reader.line_num}: not readable as csv, {error}") from error
    return lines, problems


def _check_header(header: list[str], where: str) -> None:
    if tuple(header) in (COLUMNS, _EARLIER):
        return
    missing = [name for name in COLUMNS if name not in header]
    surplus = [name for name in header if name not in COLUMNS]
    detail = f"the column {missing[0]!r} is missing" if missing else "the columns are in another order"
    detail = f"the column {surplus[0]!r} is unknown" if surplus and not missing else detail
    raise UserError(f"{where}, line 1: {detail}; the columns are {','.join(COLUMNS)}")


def _parse_row(cells: list[str], parsers: list[tuple[str, Callable[[str], Any], dict[str, Any]]]) -> Row:
    if len(cells) != len(parsers):
        raise ValueError(f"has {len(cells)} cells where {len(parsers)} are needed")
    values: list[Any] = []
    for cell, (column, parse, known) in zip(cells, parsers, strict=True):
        if cell in known:
            values.append(known[cell])
            continue
        if cell:
            try:
                value = parse(cell)
            except ValueError as error:
                raise ValueError(f"column {column!r}: {error}, got {cell!r}") from error
        elif column in _NEEDED:
            raise ValueError(f"column {column!r} is empty")
        else:
            value = None
        if len(known) < _REMEMBERED:
            known[cell] = value
        values.append(value)
    return Row(*values)


def format_table(rows: Iterable[Row]) -> str:
    """The text of a table with these rows, in their order."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(
        (
            row.file,
            row.class_name,
            row.contributor,
            row.number,
            row.film and row.film.replace("\r", "\n"),  # csv would leave a carriage return unquoted
            row.time_code,
            row.frame,
            row.scene,
            row.face_x,
            row.face_y,
            row.face_width,
            row.face_height,
            row.score,
            row.sharpness,
            row.light,
            row.sha256,
            row.phash,
            row.labeller,
            row.labelled_at,
            row.split,
            row.suggested,
            row.suggested_by,
        )
        for row in rows
    )
    return text.getvalue()
