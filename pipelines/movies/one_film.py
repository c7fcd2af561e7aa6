"""One film from front to back: decode, follow scenes, look for faces, measure them, and commit what was found."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import cv2
import numpy as np
from numpy.typing import NDArray

from pipelines.curation.hashes import perceptual_hash
from pipelines.data.content import content_hash
from pipelines.data.errors import DataError
from pipelines.movies.crop import cut_out
from pipelines.movies.detectors import Detector, Face, load_detector
from pipelines.movies.drawn_film import DrawnFilm
from pipelines.movies.duplicates import Candidate, covered_by
from pipelines.movies.film import Film, Frame
from pipelines.movies.quality import Measures, measure
from pipelines.movies.scenes import Position, Sampler
from pipelines.movies.settings import Settings
from pipelines.movies.work import Counts, Found, Piece, Work, write_picture
from pipelines.workers import end_with_parent

# a piece ends early when so many faces passed, which bounds the memory it needs
FACES_PER_PIECE = 48
TELL_SECONDS = 0.3

_thread_lock = Lock()
_working = 0
_threads_before = 1


@dataclass(frozen=True, slots=True)
class Job:
    """One film to extract; it can be sent to another process.

    Args:
        source: The film's file, or the film that the program is to draw.
        work: Folder of its unfinished work.
        settings: How to extract.
        model: The bytes of the detector's model, if it needs one.
        main_process: Id of the process that wants the result.
    """

    source: Path | DrawnFilm
    work: Path
    settings: Settings
    model: bytes | None
    main_process: int


@dataclass(frozen=True, slots=True)
class Done:
    """How the work on one film ended.

    Args:
        error: Why the film could not be read, or None.
        film_seconds: Length of the part that was gone through now, not in an earlier run.
        seconds: Time that took.
    """

    error: str | None = None
    film_seconds: float = 0.0
    seconds: float = 0.0


def extract_film(job: Job) -> Done:
    """Do the work on one film, or the rest of it.

    The film's frames are decoded and looked at in a single thread: several films keep several processors busy.

    Returns:
        That it was done, or why the film could not be read.

    Raises:
        OSError: The work cannot be written; what was committed stays.
    """
    end_with_parent(job.main_process)
    work = Work(job.work)
    pieces = work.pieces()
    if pieces and pieces[-1].end:
        return Done()
    started = time.perf_counter()
    with _one_thread():
        try:
            film = Film(_file(job))
        except (DataError, OSError) as error:
            if isinstance(error, OSError) and isinstance(job.source, DrawnFilm):
                raise  # it could not be written
            return Done(error=str(error) if isinstance(error, DataError) else f"{job.source}: {error.strerror}")
        with film:
            begun = pieces[-1].seconds if pieces else 0.0
            seconds = _go_through(film, job, work, pieces)
    if seconds is None:
        return Done(error=f"{job.source}: no frame of the film can be decoded")
    return Done(film_seconds=seconds - begun, seconds=time.perf_counter() - started)


def _go_through(film: Film, job: Job, work: Work, pieces: list[Piece]) -> float | None:
    watch = _Watch(work)
    extraction = _Extraction(job, work, pieces)
    frames = film.frames(start=pieces[-1].last_frame if pieces else 0)
    if pieces:
        frame = next(frames, None)  # the last one of the last piece; the next is compared with it
        if frame is not None:
            extraction.sampler.see(frame)
    for frame in frames:
        extraction.take(frame)
        watch.pass_on(frame)
        if extraction.is_full():
            extraction.commit()
    if extraction.is_empty():
        return None
    extraction.piece.announced = film.announced
    extraction.commit(end=True)
    return extraction.last.seconds


class _Extraction:
    """Takes frames in order and gathers what is in them, piece by piece."""

    def __init__(self, job: Job, work: Work, pieces: list[Piece]) -> None:
        settings = job.settings
        self._number, self.last = len(pieces), pieces[-1] if pieces else Piece()
        self.piece = Piece()
        self._settings, self._work = settings, work
        self._detector: Detector = load_detector(settings.detector, job.model)
        self._pictures: list[NDArray[np.uint8]] = []
        self._kept_rejected: dict[str, int] = {}
        for earlier in pieces:
            for reason, count in earlier.counts.rejected.items():
                self._kept_rejected[reason] = self._kept_rejected.get(reason, 0) + count
        self.sampler = Sampler(
            settings.interval, settings.frames_per_scene, settings.scene_threshold, settings.min_scene,
            Position(**pieces[-1].position) if pieces else None,
        )  # fmt: skip

    def take(self, frame: Frame) -> None:
        self.piece.counts.frames += 1
        self.piece.last_frame, self.piece.seconds = frame.number, frame.seconds
        if not self.sampler.pick(frame):
            return
        thresholds = self._settings.thresholds(frame.pixels.shape)
        self.piece.counts.sampled += 1
        for index, face in enumerate(self._detector.find(frame.pixels, thresholds.size)):
            self.piece.counts.faces += 1
            measures = measure(frame.pixels, face)
            reason = thresholds.refuse(measures)
            picture = cut_out(frame.pixels, face, self._settings.face_share) if self._is_wanted(reason) else None
            if reason is not None:
                self._reject(reason, f"{frame.number:08d}-{index:02d}.png", picture)
            elif picture is not None:
                self._keep(frame, index, face, measures, picture)

    def _is_wanted(self, reason: str | None) -> bool:
        return reason is None or self._kept_rejected.get(reason, 0) < self._settings.keep_rejected

    def _reject(self, reason: str, name: str, picture: NDArray[np.uint8] | None) -> None:
        rejected = self.piece.counts.rejected
        rejected[reason] = rejected.get(reason, 0) + 1
        self._kept_rejected[reason] = self._kept_rejected.get(reason, 0) + 1
        if picture is not None:
            write_picture(self._work.rejected(reason, name), picture)

    def _keep(self, frame: Frame, index: int, face: Face, measures: Measures, picture: NDArray[np.uint8]) -> None:
        self._pictures.append(picture)
        self.piece.found.append(
            Found(
                frame=frame.number,
                index=index,
                seconds=frame.seconds,
                scene=self.sampler.position.scene,
                box=(face.x, face.y, face.width, face.height),
                score=round(measures.score, 4),
                sharpness=round(measures.sharpness, 4),
                light=round(measures.light, 3),
                sha256=content_hash(picture),
                phash=perceptual_hash(picture),
            )
        )

    def is_empty(self) -> bool:
        """Whether no frame came, in this run or an earlier one."""
        return not self._number and not self.piece.counts.frames

    def is_full(self) -> bool:
        return self.piece.counts.frames >= self._settings.frames_per_piece or len(self.piece.found) >= FACES_PER_PIECE

    def commit(self, *, end: bool = False) -> None:
        """Write the piece with the pictures that stay, and begin the next."""
        piece, every = self.piece, self.piece.found
        instead = covered_by([Candidate(f.sha256, f.phash, f.sharpness) for f in every], self._settings.near)
        piece.found = [found for found, by in zip(every, instead, strict=True) if by is None]
        piece.gone = [(found, every[by].picture) for found, by in zip(every, instead, strict=True) if by is not None]
        for found, picture, by in zip(every, self._pictures, instead, strict=True):
            if by is None:
                write_picture(self._work.picture(found), picture)
        if not piece.counts.frames:  # the film ended where the piece before did
            piece.last_frame, piece.seconds = self.last.last_frame, self.last.seconds
        piece.position, piece.end = self.sampler.position.to_json(), end
        self._work.commit(self._number, piece)
        self._number += 1
        self.last, self.piece, self._pictures = piece, Piece(), []


class _Watch:
    """Tells how far the work is, not too often."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._next = 0.0

    def pass_on(self, frame: Frame) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + TELL_SECONDS
        self._work.tell(frame.number + 1, frame.seconds)


def _file(job: Job) -> Path:
    if isinstance(job.source, Path):
        return job.source
    path = job.work / "film.avi"
    if not path.exists():
        job.source.write(path)
    return path


@contextmanager
def _one_thread() -> Iterator[None]:
    # the order in which threads find faces would decide between overlapping ones; the setting is the whole process's,
    # so where films share a process the first one makes it and the last one takes it back
    global _working, _threads_before
    with _thread_lock:
        if not _working:
            _threads_before = cv2.getNumThreads()
            cv2.setNumThreads(1)
        _working += 1
    try:
        yield
    finally:
        with _thread_lock:
            _working -= 1
            if not _working:
                cv2.setNumThreads(_threads_before)


def total(pieces: list[Piece]) -> Counts:
    """The counts of all pieces together."""
    counts = Counts()
    for piece in pieces:
        counts.add(piece.counts)
    return counts
