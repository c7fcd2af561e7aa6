"""From finished films to the dataset: duplicates go, numbers are given, pictures and rows take their place.

Everything is decided first and written down as a plan. Carrying out a plan can be interrupted anywhere and done again,
so that a dataset is never left between two states for longer than until the next run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipelines.curation.hashes import distance, perceptual_hash
from pipelines.curation.manifest import Manifest, Row, has_manifest
from pipelines.curation.naming import REJECTED, UNLABELLED, ImageName
from pipelines.data.content import content_hash
from pipelines.data.decode import decode_image
from pipelines.errors import UserError
from pipelines.files import sync_folder, write_json
from pipelines.movies.duplicates import Candidate, covered_by
from pipelines.movies.film import time_code
from pipelines.movies.one_film import total
from pipelines.movies.quality import REASONS
from pipelines.movies.settings import Settings
from pipelines.movies.work import Found, Piece, Work
from pipelines.parsing import checked, read_json
from pipelines.reading import read_file

WORK, PLAN, REPORT = ".extraction", "plan.json", "extraction.json"


@dataclass(frozen=True)
class _Plan:
    """What `assemble` has decided, and `carry_out` does."""

    moves: Sequence[tuple[str, str]]
    rows: Sequence[Row]
    report: Mapping[str, Any]
    works: Sequence[str]


@dataclass(frozen=True, slots=True)
class FinishedFilm:
    """A film whose work is done.

    Args:
        name: What the manifest calls it.
        key: Tells this film under these settings from all others.
        fingerprint: Tells its content from that of other films.
        work: Where the work lies.
    """

    name: str
    key: str
    fingerprint: str
    work: Work


def read_report(folder: Path) -> list[dict[str, Any]]:
    """What is known of the films of a dataset, in the order in which they came; empty if there are none.

    Raises:
        UserError: The report cannot be read.
    """
    path = folder / REPORT
    if not path.exists():
        return []
    try:
        films = read_json(path)["films"]
        if not all({"film", "key", "fingerprint"} <= set(film) for film in films):
            raise KeyError("films")
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is damaged; restore it, or delete it to have its films extracted anew") from error
    return list(films)


def assemble(folder: Path, films: Sequence[FinishedFilm], contributor: str, settings: Settings) -> list[dict[str, Any]]:
    """Add what was found in some films to a dataset.

    Args:
        folder: The dataset.
        films: In the order in which their pictures are to be numbered.
        contributor: Whose pictures they are.
        settings: With which they were extracted.

    Returns:
        The reports of these films.

    Raises:
        UserError: A picture would take the place of a file that is not in the manifest.
        OSError: Something cannot be written; the next run goes on from there.
    """
    manifest = _manifest(folder)
    known = _known(manifest)
    entries = [(film, found) for film in films for piece in film.work.pieces() for found in piece.found]
    candidates = [candidate for _, candidate in known]
    candidates += [Candidate(found.sha256, found.phash, found.sharpness) for _, found in entries]
    instead = covered_by(candidates, settings.near)

    number = manifest.next_number(contributor)
    rows: list[Row] = []
    moves: list[tuple[str, str]] = []
    files = [row.file for row, _ in known]
    for position, (film, found) in enumerate(entries, len(known)):
        if instead[position] is not None:
            files.append("")
            continue
        rows.append(_row(film.name, found, contributor, number + len(rows)))
        files.append(rows[-1].file)
        _check_free(folder / files[-1])
        moves.append((str(film.work.picture(found).relative_to(folder)), files[-1]))
    outcomes = {}
    for position, (film, found) in enumerate(entries, len(known)):
        by = instead[position]
        stays = position if by is None else by
        outcomes[film.key, found.picture] = _Outcome(by is None, files[stays], candidates[stays])
    reports = [_report(film, outcomes) for film in films]
    plan = {
        "moves": moves + [move for film in films for move in _rejected_moves(folder, film)],
        "rows": [asdict(row) for row in rows],
        "report": {"settings": asdict(settings), "films": [*read_report(folder), *reports]},
        "works": [film.work.folder.name for film in films],
    }
    write_json(folder / WORK / PLAN, plan)
    carry_out(folder)
    return reports


def has_plan(folder: Path) -> bool:
    """Whether an earlier run left a plan that was not carried out in full."""
    return (folder / WORK / PLAN).exists()


def carry_out(folder: Path) -> None:
    """Carry out the plan that an earlier run left, or the rest of it; without a plan nothing happens.

    Raises:
        UserError: The plan cannot be read, or a picture that it speaks of is gone.
        OSError: Something cannot be written; the next run goes on from there.
    """
    path = folder / WORK / PLAN
    if not path.exists():
        return
    remedy = f"delete {path.parent} to extract these films anew"
    plan = checked(read_json(path, remedy), _Plan, path, remedy)
    manifest = _manifest(folder)
    present = {row.key for row in manifest.rows}  # some may have been labelled, and so renamed, since
    missing = {row.file for row in plan.rows if row.key not in present}
    for source, target in plan.moves:
        if (folder / source).exists():
            (folder / target).parent.mkdir(parents=True, exist_ok=True)
            (folder / source).replace(folder / target)
        elif target in missing and not (folder / target).exists():
            raise UserError(f"{folder / target} is gone; delete {path.parent} to extract these films anew")
    targets = {(folder / target).parent for _, target in plan.moves}
    for place in targets | {target.parent for target in targets}:  # before the plan goes
        if place.is_dir():
            sync_folder(place)
    manifest.rows += [row for row in plan.rows if row.key not in present]
    manifest.write()
    write_json(folder / REPORT, plan.report)
    path.unlink()
    for work in plan.works:
        Work(path.parent / work).remove()


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of a face: whether its picture stays, and the file and hashes of the one that stays."""

    stays: bool
    file: str
    kept: Candidate


def _manifest(folder: Path) -> Manifest:
    return Manifest.read(folder) if has_manifest(folder) else Manifest(folder)


def _known(manifest: Manifest) -> list[tuple[Row, Candidate]]:
    # the pictures of the dataset, as far as they can be compared; those that a labeller rejected shall not come again
    known = []
    for row in manifest.rows:
        hashes = (row.sha256, row.phash) if row.sha256 and row.phash else _hashes(manifest.folder / row.file)
        if hashes is not None:
            known.append((row, Candidate(*hashes, 0.0, fixed=True)))
    return known


def _hashes(path: Path) -> tuple[str, str] | None:
    # of a picture whose row does not tell them; a broken one covers nothing
    try:
        pixels = decode_image(read_file(path), str(path))
    except (OSError, UserError):
        return None
    return content_hash(pixels), perceptual_hash(pixels)


def _row(film: str, found: Found, contributor: str, number: int) -> Row:
    x, y, width, height = found.box
    return Row(
        file=ImageName(UNLABELLED, contributor, number).file,
        class_name=UNLABELLED,
        contributor=contributor,
        number=number,
        film=film,
        time_code=time_code(found.seconds),
        frame=found.frame,
        scene=found.scene,
        face_x=x,
        face_y=y,
        face_width=width,
        face_height=height,
        score=found.score,
        sharpness=found.sharpness,
        light=found.light,
        sha256=found.sha256,
        phash=found.phash,
    )


def _check_free(path: Path) -> None:
    if path.exists():
        raise UserError(f"{path} is not in the manifest but in the way of a new picture; move it elsewhere")


def _rejected_moves(folder: Path, film: FinishedFilm) -> list[tuple[str, str]]:
    base = film.work.folder / "rejected"
    pictures = sorted(base.glob("*/*.png"))
    return [
        (str(path.relative_to(folder)), f"{REJECTED}/{path.parent.name}/{film.key[:8]}-{path.name}")
        for path in pictures
    ]


def _report(film: FinishedFilm, outcomes: dict[tuple[str, str], _Outcome]) -> dict[str, Any]:
    pieces = film.work.pieces()
    counts = total(pieces)
    gone = _gone(film, pieces, outcomes)
    return {
        "film": film.name,
        "key": film.key,
        "fingerprint": film.fingerprint,
        "seconds": pieces[-1].seconds,
        "announced_frames": pieces[-1].announced,
        **asdict(counts),
        "rejected": {reason: counts.rejected[reason] for reason in REASONS if reason in counts.rejected},
        "scenes": pieces[-1].position["scene"] + 1,
        "kept": sum(len(piece.found) + len(piece.gone) for piece in pieces) - len(gone),
        "duplicates": gone,
    }


def _gone(
    film: FinishedFilm, pieces: Sequence[Piece], outcomes: dict[tuple[str, str], _Outcome]
) -> list[dict[str, Any]]:
    # each duplicate of a film with the file that stays; what a picture made way for may itself have gone later
    gone = [(found, outcomes[film.key, by]) for piece in pieces for found, by in piece.gone]
    for piece in pieces:
        outcome = [(found, outcomes[film.key, found.picture]) for found in piece.found]
        gone += [entry for entry in outcome if not entry[1].stays]
    return [_told(found, outcome) for found, outcome in sorted(gone, key=lambda entry: entry[0].picture)]


def _told(found: Found, outcome: _Outcome) -> dict[str, Any]:
    return {
        "time_code": time_code(found.seconds),
        "frame": found.frame,
        "face": list(found.box),
        "sharpness": found.sharpness,
        "kept": outcome.file,
        "same_pixels": found.sha256 == outcome.kept.sha256,
        "bits": distance(found.phash, outcome.kept.phash),
    }
