"""Films in, a dataset of unlabelled faces out: several films at a time, taken up again wherever it was stopped."""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from joblib import delayed
from joblib.externals.loky.process_executor import TerminatedWorkerError

from pipelines.curation.manifest import has_manifest
from pipelines.curation.naming import check_contributor
from pipelines.data.errors import DataError
from pipelines.data.layout import is_visible
from pipelines.errors import TrainingInterruptedError, UserError
from pipelines.lock import folder_lock
from pipelines.movies.assemble import REPORT, WORK, FinishedFilm, assemble, carry_out, has_plan, read_report
from pipelines.movies.detectors import YUNET
from pipelines.movies.drawn_film import DrawnFilm
from pipelines.movies.film import Film, check_file
from pipelines.movies.one_film import Done, Job, extract_film
from pipelines.movies.settings import Settings
from pipelines.movies.work import Work
from pipelines.movies.yunet_model import yunet_model
from pipelines.reading import open_regular
from pipelines.workers import meanwhile, remove_leftovers_below, started_workers

CONTRIBUTOR = "film"
WATCH_SECONDS = 0.3
# a film is known again by its size and by so many parts of it, so that long films need not be read twice
PARTS, PART_BYTES = 64, 2**16


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the work on one film is.

    Args:
        name: The film.
        seconds: Of the film that were gone through.
        total: Its length as its header has it, or None.
    """

    name: str
    seconds: float
    total: float | None


@dataclass(slots=True)
class Extraction:
    """What an extraction did.

    Args:
        films: The reports of the films that were added, as `extraction.json` has them.
        speeds: For each of them, seconds of film per second of work; None where nothing was left to do.
        known: Names of films that the dataset had already.
        repeated: Names of films that were given more than once.
        failed: Names of films that could not be read, each with a sentence.
    """

    films: list[dict[str, Any]] = field(default_factory=list)
    speeds: list[float | None] = field(default_factory=list)
    known: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)


Watch = Callable[[Sequence[Progress]], None]


@dataclass(frozen=True, slots=True)
class _Entry:
    """A film that is to be extracted."""

    name: str
    key: str
    fingerprint: str
    job: Job
    length: float | None


def extract(
    films: Sequence[str | Path],
    folder: Path,
    settings: Settings | None = None,
    *,
    contributor: str = CONTRIBUTOR,
    model: Path | None = None,
    download: bool = True,
    jobs: int | None = None,
    watch: Watch | None = None,
) -> Extraction:
    """Add the faces in films to a dataset, or begin one.

    The result depends on the films, their order, the settings and the dataset, and on nothing else: neither on the
    number of processes nor on interruptions. Films run in parallel through joblib; with `jobs` None they follow
    `joblib.parallel_config`, which may name another backend, as long as all machines see `folder` and the films.

    Args:
        films: Files, or `drawn`, `drawn:SECONDS`, `drawn:SECONDS:SEED` for a film that the program draws.
        folder: The dataset.
        settings: How to extract.
        contributor: Whose pictures they are: the T of `C_T_N.png`.
        model: YuNet's file, if it is to be used and does not lie in the cache.
        download: Whether YuNet may be fetched otherwise.
        jobs: How many films to work on at once; None as joblib is configured, one by one by default.
        watch: Is called several times a second, from another thread.

    Raises:
        UserError: An argument is wrong, the folder holds something else, or another command works on it.
        OSError: The folder cannot be written to, for want of room or of rights. What was done is kept: the same call
            goes on from there.
    """
    settings = settings or Settings()
    check_contributor(contributor)
    if not films:
        raise UserError("no films were given")
    network = yunet_model(model, download=download) if settings.detector == YUNET else None
    sources = [_source(given) for given in films]
    result = Extraction()
    _check_folder(folder)
    with folder_lock(folder):
        carry_out(folder)
        (folder / WORK).mkdir(exist_ok=True)
        entries = _entries(sources, folder, settings, network, result)
        done = _run([entry.job for entry in entries], jobs, [(entry.name, entry.length) for entry in entries], watch)
        finished = []
        for entry, end in zip(entries, done, strict=True):
            if end.error is not None:
                result.failed.append((entry.name, end.error))
                Work(entry.job.work).remove()
                continue
            finished.append(FinishedFilm(entry.name, entry.key, entry.fingerprint, Work(entry.job.work)))
            result.speeds.append(end.film_seconds / end.seconds if end.seconds else None)
        if finished:
            result.films = assemble(folder, finished, contributor, settings)
        _tidy(folder)
    return result


def _check_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; give a folder for the dataset")
    remove_leftovers_below(folder)
    if folder.is_dir() and not has_manifest(folder) and not has_plan(folder):
        strange = sorted(path.name for path in folder.iterdir() if is_visible(path.name) and path.name != REPORT)
        if strange:
            raise UserError(
                f"{folder} holds other things ({strange[0]}) and no manifest; give a new folder, or one of a dataset"
            )


def _entries(
    sources: Sequence[Path | DrawnFilm], folder: Path, settings: Settings, network: bytes | None, result: Extraction
) -> list[_Entry]:
    recorded = read_report(folder)
    names = {film["fingerprint"]: film["film"] for film in recorded}
    keys = {film["key"] for film in recorded}
    stamp = settings.stamp(network)
    entries: list[_Entry] = []
    seen: set[str] = set()
    for source in sources:
        try:
            fingerprint, length = _identify(source)
        except (DataError, OSError) as error:
            sentence = str(error) if isinstance(error, DataError) else f"{source}: {error.strerror}"
            result.failed.append((str(source), sentence))
            continue
        key = f"{fingerprint[:24]}-{stamp}"
        name = names.setdefault(fingerprint, _name(source, set(names.values())))
        if fingerprint in seen:
            result.repeated.append(str(source))
        elif key in keys:
            result.known.append(name)
        else:
            job = Job(source, folder / WORK / key, settings, network, os.getpid())
            entries.append(_Entry(name, key, fingerprint, job, length))
        seen.add(fingerprint)
    return entries


def _source(given: str | Path) -> Path | DrawnFilm:
    drawn = DrawnFilm.parse(given) if isinstance(given, str) else None
    return drawn if drawn is not None else Path(given)


def _identify(source: Path | DrawnFilm) -> tuple[str, float | None]:
    """What tells a film's content from others', and its length as announced."""
    if isinstance(source, DrawnFilm):
        return hashlib.sha256(f"{source}".encode()).hexdigest(), float(source.seconds)
    check_file(source)
    size = source.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with open_regular(source) as file:
        for part in range(PARTS):
            file.seek(max(0, size - PART_BYTES) * part // (PARTS - 1))
            digest.update(file.read(PART_BYTES))
    with Film(source) as film:
        return digest.hexdigest(), film.announced_seconds


def _name(source: Path | DrawnFilm, taken: set[str]) -> str:
    """The file's name; where another film has it, with the folder's or a number."""
    if isinstance(source, DrawnFilm):
        return str(source)
    plain = "".join(c if c.isprintable() else "?" for c in source.name)
    folder = "".join(c if c.isprintable() else "?" for c in source.resolve().parent.name)
    candidates = [plain, f"{folder}/{plain}", *(f"{plain} ({n})" for n in range(2, len(taken) + 3))]
    return next(name for name in candidates if name not in taken)


def _run(
    jobs: list[Job], processes: int | None, lengths: Sequence[tuple[str, float | None]], watch: Watch | None
) -> list[Done]:
    if not jobs:
        return []
    with _watched(jobs, lengths, watch):
        try:
            with started_workers(processes, len(jobs)) as parallel:
                return list(parallel(delayed(extract_film)(job) for job in jobs))
        except KeyboardInterrupt as error:
            for job in jobs:
                remove_leftovers_below(job.work)
            raise TrainingInterruptedError("interrupted; the same command goes on from here") from error
        except TerminatedWorkerError as error:
            raise UserError(
                "a process that extracted a film was ended from outside, perhaps for want of memory; what was done is "
                "kept, and the same command goes on from there"
            ) from error


@contextmanager
def _watched(jobs: list[Job], lengths: Sequence[tuple[str, float | None]], watch: Watch | None) -> Iterator[None]:
    """Tell `watch` how far the films are, as the workers note it down."""
    if watch is None:
        yield
        return

    def look() -> None:
        told = [Work(job.work).told()[1] for job in jobs]
        watch([Progress(name, at, length) for (name, length), at in zip(lengths, told, strict=True)])

    with meanwhile(look, WATCH_SECONDS):
        yield


def _tidy(folder: Path) -> None:
    """Remove what is left of films that are in the dataset, and the folder of works if nothing is in it."""
    for film in read_report(folder):
        Work(folder / WORK / film["key"]).remove()
    with suppress(OSError):  # work on other films may wait there
        (folder / WORK).rmdir()
