"""The README of a dataset: what is in it, where it comes from, how it was made, and what it must not be taken for."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import scratchnet as sn
from pipelines.curation.description import NOT_STATED, Description, hash_content, read_description, write_description
from pipelines.curation.labelling import timestamp
from pipelines.curation.manifest import SPLITS, Manifest
from pipelines.curation.naming import REJECTED, UNLABELLED
from pipelines.curation.provenance import PROVENANCE_NAME, read_origins
from pipelines.errors import UserError
from pipelines.files import write_text
from pipelines.parsing import read_json
from pipelines.reading import read_text

CARD_NAME = "README.md"
EXTRACTION_NAME = "extraction.json"
FIRST_VERSION = "1.0"

CAVEAT = """\
The labels name the apparent expression of a face, as a person who looked at a single picture called it. They do not say
what anyone felt, and actors act. People often disagree about such labels; a model trained on them learns the
labellers' opinion, and the films' choice of people, light and make-up. Do not use it to judge real persons."""


def make_version(
    manifest: Manifest, *, name: str | None = None, version: str | None = None, rights: str | None = None
) -> Description:
    """Name what a dataset holds now; what is not given stays as it was described before.

    Args:
        manifest: The dataset.
        name: Of the dataset; the folder's by default.
        version: Of what it holds now; 1.0 by default.
        rights: To the footage.

    Raises:
        UserError: The content has changed since it was given its version, and no new version is named; there are no
            labelled images; or a text is not printable.
    """
    for what, text in (("name", name), ("version", version), ("rights", rights)):
        if text is not None and not (text.strip() and text.isprintable()):
            raise UserError(f"the {what} must be printable text in one line, got {text!r}")
    if not manifest.labelled():
        raise UserError(
            f"{manifest.folder} has no labelled images to describe; scratchnet dataset label gives them classes"
        )
    earlier = read_description(manifest.folder)
    content = hash_content(manifest)
    changed = earlier is None or earlier.content_hash != content
    if earlier is not None and changed and version in (None, earlier.version):
        raise UserError(
            f"{manifest.folder} has changed since version {earlier.version}; name the new one with --version"
        )
    same = earlier is not None and not changed and version in (None, earlier.version)
    return Description(
        name=name or (earlier.name if earlier else manifest.folder.resolve().name or "dataset"),
        version=version or (earlier.version if earlier else FIRST_VERSION),
        content_hash=content,
        classes=manifest.class_names(),
        images=len(manifest.labelled()),
        rights=rights or (earlier.rights if earlier else NOT_STATED),
        created=earlier.created if earlier and same else timestamp(),
        scratchnet=earlier.scratchnet if earlier and same else sn.__version__,
    )


def write_card(manifest: Manifest, description: Description) -> Path:
    """Write `dataset.json` and the README beside the manifest.

    Returns:
        The README's path.

    Raises:
        UserError: A README is there that this program did not write, or `extraction.json` is damaged.
        OSError: They cannot be written.
    """
    path = manifest.folder / CARD_NAME
    if path.exists() and _MARK not in read_text(path, "replace"):
        raise UserError(f"{path} was written by someone else; move it away, or include its text by hand afterwards")
    text = describe(manifest, description, _read_extraction(manifest.folder))
    write_text(path, text)
    write_description(manifest.folder, description)
    return path


_MARK = "<!-- written by scratchnet dataset card -->"


def describe(manifest: Manifest, description: Description, extraction: dict[str, Any] | None) -> str:
    """The README's text, in Markdown.

    Args:
        manifest: The dataset.
        description: Its name and version.
        extraction: What `extraction.json` says, if there is one.
    """
    sections = [
        f"# {_plain(description.name)}\n\n{_MARK}",
        _facts(manifest, description),
        f"## Images\n\n{_counts(manifest)}",
        f"## Source\n\n{_films(manifest)}\n\nRights to the footage: {_plain(description.rights)}.",
        f"## How it was made\n\n{_making(manifest, extraction)}",
        f"## What the labels mean\n\n{CAVEAT}",
        f"## Files\n\n{_FILES}",
    ]
    return "\n\n".join(sections) + "\n"


_FILES = """\
- `CLASS/CLASS_CONTRIBUTOR_NUMBER.png`: the images. A number belongs to one face of its contributor for ever.
- `manifest.csv`: a row per image, with film, time code, scene, face box, hashes, labeller, and the part it is in.
- `dataset.json`: name, version and content hash. `scratchnet dataset verify .` checks every file against both.
- `labels.jsonl`: every label that was ever given, in order.

`scratchnet train RECIPE --data .` trains on it."""


def _facts(manifest: Manifest, description: Description) -> str:
    waiting = sum(row.class_name == UNLABELLED for row in manifest.rows)
    facts = [
        ("version", _plain(description.version)),
        ("made", f"{description.created}, with scratchnet {description.scratchnet}"),
        ("images", f"{description.images:,} labelled" + (f", {waiting:,} without a label" if waiting else "")),
        ("classes", ", ".join(description.classes)),
        ("content hash", f"`{description.content_hash}`"),
    ]
    return _table(["", ""], facts)


def _counts(manifest: Manifest) -> str:
    counts = Counter((row.class_name, row.split) for row in manifest.labelled())
    parts: list[str | None] = [part for part in SPLITS if any(split == part for _, split in counts)]
    if not parts:
        rows = [(name, f"{counts[name, None]:,}") for name in manifest.class_names()]
        return _table(["class", "images"], [*rows, ("all", f"{counts.total():,}")])
    if any(split is None for _, split in counts):
        parts.append(None)
    header = ["class", *(part or "in no part" for part in parts), "all"]
    body = []
    for name in [*manifest.class_names(), None]:
        figures = [
            sum(count for (class_name, split), count in counts.items() if name in (None, class_name) and split == part)
            for part in parts
        ]
        body.append((name or "all", *(f"{figure:,}" for figure in figures), f"{sum(figures):,}"))
    return _table(header, body)


def _films(manifest: Manifest) -> str:
    films = Counter(row.film for row in manifest.labelled())
    scenes: dict[str | None, set[int | None]] = defaultdict(set)
    for row in manifest.labelled():
        scenes[row.film].add(row.scene)
    rows = [
        (_plain(film or "not stated"), f"{len(scenes[film] - {None}):,}", f"{count:,}")
        for film, count in sorted(films.items(), key=lambda item: (item[0] is None, item[0] or ""))
    ]
    return _table(["film", "scenes", "images"], rows)


def _making(manifest: Manifest, extraction: dict[str, Any] | None) -> str:
    labelled = manifest.labelled()
    people = Counter(row.labeller for row in labelled if row.labeller)
    times = sorted(row.labelled_at for row in labelled if row.labelled_at)
    lines = []
    if extraction is not None:
        lines.append("Faces were taken from the films by `scratchnet dataset extract`, as `extraction.json` tells.")
    contributors = Counter(row.contributor for row in labelled)
    lines.append(f"Contributors: {', '.join(f'{name} ({count:,})' for name, count in sorted(contributors.items()))}.")
    if people:
        who = ", ".join(f"{_plain(name)} ({count:,})" for name, count in sorted(people.items()))
        lines.append(f"Labellers: {who}; from {times[0]} to {times[-1]}." if times else f"Labellers: {who}.")
    rejected = sum(row.class_name == REJECTED for row in manifest.rows)
    if rejected:
        lines.append(f"Labellers called {rejected:,} pictures no face; they lie in `rejected/`.")
    origins = read_origins(manifest.folder)
    copies = sum(row.key in origins for row in labelled)
    if copies:
        lines.append(f"{copies:,} images are varied copies of training images, which `{PROVENANCE_NAME}` names.")
    text = " ".join(lines)
    for films, settings in _settings(extraction or {}):
        values = [(_plain(name), _plain(str(value))) for name, value in sorted(settings.items())]
        what = f"extraction of {_plain(', '.join(films))}" if films else "extraction"
        text += f"\n\n{_table([f'setting of the {what}', 'value'], values)}"
    return text


def _settings(extraction: dict[str, Any]) -> list[tuple[list[str], dict[str, Any]]]:
    # films with the settings they share; no names where all share them
    found: list[tuple[list[str], dict[str, Any]]] = []
    films = extraction.get("films")
    for report in [extraction, *(films if isinstance(films, list) else [])]:
        settings = report.get("settings") if isinstance(report, dict) else None
        if not isinstance(settings, dict) or not settings:
            continue
        names = next((names for names, known in found if known == settings), None)
        if names is None:
            found.append((names := [], settings))
        if "film" in report:
            names.append(str(report["film"]))
    return [([], settings) for _, settings in found] if len(found) == 1 else found


def _read_extraction(folder: Path) -> dict[str, Any] | None:
    path = folder / EXTRACTION_NAME
    try:
        content = read_json(path)
    except FileNotFoundError:
        return None
    return content if isinstance(content, dict) else None


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    rule = ["---", *("---:" for _ in header[1:])]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [header, rule, *rows])


def _plain(text: str) -> str:
    # names come from files and people: none of them may become a link or a tag
    return "".join(f"\\{character}" if character in r"\`*_{}[]<>()#|!~$&" else character for character in text)
