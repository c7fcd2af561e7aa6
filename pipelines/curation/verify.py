"""Whether a dataset is what its manifest says: every image there, unchanged, at its name, and nothing besides."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from pipelines.curation.description import hash_content, read_description
from pipelines.curation.journal import JOURNAL_NAME, Journal
from pipelines.curation.manifest import MANIFEST_NAME, Manifest, find_repeats, has_manifest, read_table
from pipelines.curation.naming import NO_CLASSES, parse_name
from pipelines.curation.table import Row, TableLine
from pipelines.data.content import content_hash
from pipelines.data.decode import decode_image
from pipelines.data.errors import DataError
from pipelines.data.layout import is_visible
from pipelines.errors import UserError
from pipelines.reading import read_file
from scratchnet.environment import processors


class Finding(NamedTuple):
    """Something that is wrong.

    Attributes:
        kind: `missing`, `altered`, `unreadable`, `unhashed`, `surplus`, `misnamed`, `contradiction`, `table`,
            `journal` or `version`.
        where: The file in the dataset, or the table's line.
        message: What is wrong about it.
    """

    kind: str
    where: str
    message: str


def verify_dataset(folder: Path, progress: Callable[[int, int], None] | None = None) -> tuple[int, list[Finding]]:
    """Compare a dataset with its manifest; nothing is changed, but labels that a crash left pending are settled first.

    Args:
        folder: The dataset.
        progress: Called with (done, total) while images are read.

    Returns:
        How many rows there are, and everything that is wrong.

    Raises:
        UserError: There is no table at all.
    """
    trouble = _settle(folder)
    lines, problems = read_table(folder)
    findings = [Finding("table", f"{MANIFEST_NAME}:{line}", message) for line, message in problems]
    repeats = find_repeats(lines)
    findings += [Finding("contradiction", f"{MANIFEST_NAME}:{line}", message) for line, message in repeats]
    findings += _check_names(lines)
    findings += _check_twins(lines)
    findings += _check_images(folder, [row for _, row in lines], progress)
    findings += _find_surplus(folder, [row for _, row in lines])
    if not problems and not repeats:
        findings += trouble
    if not findings:
        findings += _check_version(folder)
    return len(lines) + len(problems), findings


def _settle(folder: Path) -> list[Finding]:
    # what stands in the way, unless the table does, whose mistakes are named one by one
    try:
        Journal(folder)
        Manifest.read(folder)
    except UserError as error:
        return [Finding("journal", JOURNAL_NAME, str(error))] if has_manifest(folder) else []
    return []


def _check_names(lines: Sequence[TableLine]) -> Iterator[Finding]:
    for line, row in lines:
        if row.file != row.name.file:
            yield Finding("misnamed", row.file, f"class and number in line {line} make {row.name.file}")


def _check_twins(lines: Sequence[TableLine]) -> Iterator[Finding]:
    # the same pixels under two labels, or in two parts
    first: dict[str, TableLine] = {}
    for entry in lines:
        row = entry.row
        if row.sha256 is None or not row.is_labelled:
            continue
        twin = first.setdefault(row.sha256, entry)
        if twin.row.class_name != row.class_name:
            yield Finding(
                "contradiction", row.file, f"has the pixels of {twin.row.file} in line {twin.line}, another class"
            )
        elif twin.row.split != row.split:
            yield Finding(
                "contradiction",
                row.file,
                f"is {row.split or 'in no part'}, but its pixels are also those of {twin.row.file}, "
                f"{twin.row.split or 'in no part'}",
            )


def _check_images(folder: Path, rows: Sequence[Row], progress: Callable[[int, int], None] | None) -> Iterator[Finding]:
    # decoding and hashing both run outside the interpreter's lock
    with ThreadPoolExecutor(processors(), thread_name_prefix="verify") as pool:
        for done, finding in enumerate(pool.map(lambda row: _check_image(folder, row), rows), 1):
            if finding is not None:
                yield finding
            if progress is not None:
                progress(done, len(rows))


def _check_image(folder: Path, row: Row) -> Finding | None:
    path = folder / row.file
    try:
        pixels = decode_image(read_file(path), row.file)
    except FileNotFoundError:
        return Finding("missing", row.file, "the file is not there")
    except OSError as error:
        return Finding("unreadable", row.file, error.strerror or str(error))
    except DataError as error:
        return Finding("unreadable", row.file, str(error).removeprefix(f"{row.file}: "))
    if row.sha256 is None:
        return Finding("unhashed", row.file, "the manifest has no sha256 to compare with")
    found = content_hash(pixels)
    if found != row.sha256:
        return Finding(
            "altered", row.file, f"its pixels' hash is {found[:12]}..., the manifest has {row.sha256[:12]}..."
        )
    return None


def _find_surplus(folder: Path, rows: Sequence[Row]) -> Iterator[Finding]:
    known = {row.file for row in rows}
    classes = {row.class_name for row in rows} | set(NO_CLASSES)
    for inner in sorted(path for path in folder.iterdir() if path.is_dir() and is_visible(path.name)):
        for path in sorted(inner.iterdir()):
            file = f"{inner.name}/{path.name}"
            # folders within rejected/ hold what extraction threw away, kept to be looked at
            if not is_visible(path.name) or path.is_dir() or file in known:
                continue
            if inner.name in classes or parse_name(path.name) is not None:
                yield Finding("surplus", file, _reason(path.name, inner.name))
    for path in sorted(folder.glob("*.png")):
        if parse_name(path.name) is not None:
            yield Finding("surplus", path.name, "the manifest has no such file; images lie in their class's folder")


def _reason(name: str, folder: str) -> str:
    parsed = parse_name(name)
    if parsed is None:
        return "the manifest has no such file, and its name is not C_T_N.png"
    if parsed.class_name != folder:
        return f"the manifest has no such file, and its name says the class {parsed.class_name}"
    return "the manifest has no such file"


def _check_version(folder: Path) -> Iterator[Finding]:
    described = read_description(folder)
    if described is not None and hash_content(Manifest.read(folder)) != described.content_hash:
        yield Finding(
            "version",
            "dataset.json",
            f"images, classes or splits are not those of version {described.version}; "
            "restore them, or make a new version with dataset card --version",
        )
