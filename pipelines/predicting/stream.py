"""Many images through a model: read ahead, asked about in batches, answered in order, in memory that does not grow."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

import scratchnet as sn
from pipelines.data.decode import decode_image
from pipelines.data.errors import DataError
from pipelines.data.preprocessing import Preprocessing
from pipelines.movies.detectors import Face
from pipelines.predicting.faces import FaceFinder
from pipelines.predicting.inputs import Picture
from pipelines.predicting.prediction import FacePrediction, Prediction, Probabilities
from pipelines.probabilities import class_probabilities, require_finite
from pipelines.reading import read_file
from scratchnet.environment import processors

# inputs that the model is asked about at once
BATCH = 64
# bytes of decoded images that wait for their answers, where they are wanted for drawing
HELD_BYTES = 48 * 2**20
# images that are decoded ahead, beside one for each thread
AHEAD = 2

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known of a picture in the end.

    Attributes:
        picture: What was asked about.
        prediction: What the model says.
        pixels: The decoded image, uint8 (height, width) grey or (height, width, 3) RGB; None if it could not be read,
            or is not wanted.
    """

    picture: Picture
    prediction: Prediction
    pixels: Pixels | None = None


@dataclass(slots=True)
class _Waiting:
    """A picture on its way: its inputs, of which each has a face where faces were looked for."""

    picture: Picture
    error: str | None = None
    inputs: list[Pixels] = field(default_factory=list)
    faces: list[Face] | None = None
    pixels: Pixels | None = None


def predict_images(model: sn.Model, paths: Sequence[Path]) -> list[Prediction]:
    """Ask a model about image files; one that cannot be read does not stop the others.

    Args:
        model: with `class_names` and `preprocessing`.
        paths: of image files in any format, size and colour.
    """
    pictures = [Picture(str(path), PurePosixPath(path.name), partial(read_file, path)) for path in paths]
    return [answer.prediction for answer in predict_pictures(model, pictures)]


def predict_pictures(
    model: sn.Model,
    pictures: Sequence[Picture],
    finder: FaceFinder | None = None,
    *,
    keep_pixels: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Answer]:
    """Ask a model about pictures, one answer for each, in their order.

    One that cannot be read does not stop the others.

    Args:
        model: with `class_names` and `preprocessing`.
        pictures: what to ask about.
        finder: looks for faces, of which each is asked about; without it, the whole image is the face.
        keep_pixels: whether the answers have the decoded images.
        progress: called with (done, total) pictures, each when it has been read and its faces been found.

    Raises:
        UserError: the model says what is not finite.
    """
    reader = _Reader(Preprocessing.from_config(model.preprocessing or {}), finder, keep_pixels)
    batch: list[_Waiting] = []
    inputs = held = 0
    for done, waiting in enumerate(reader.read(pictures), 1):
        if progress is not None:
            progress(done, len(pictures))
        batch.append(waiting)
        inputs += len(waiting.inputs)
        held += 0 if waiting.pixels is None else waiting.pixels.nbytes
        if inputs >= BATCH or held >= HELD_BYTES or len(batch) >= 4 * BATCH:
            yield from _answers(model, reader.preprocessing, batch)
            batch, inputs, held = [], 0, 0
    yield from _answers(model, reader.preprocessing, batch)


class _Reader:
    """Reads pictures in several threads, in order; looks for faces in the calling one, since a detector serves one."""

    def __init__(self, preprocessing: Preprocessing, finder: FaceFinder | None, keep_pixels: bool) -> None:
        self.preprocessing = preprocessing
        self._finder = finder
        self._keep_pixels = keep_pixels

    def read(self, pictures: Sequence[Picture]) -> Iterator[_Waiting]:
        threads = min(4, processors())
        pool = ThreadPoolExecutor(threads, thread_name_prefix="predict")
        pending: deque[Future[_Waiting]] = deque()
        try:
            for picture in pictures:
                pending.append(pool.submit(self._read, picture))
                if len(pending) > threads + AHEAD:
                    yield self._search(pending.popleft().result())
            while pending:
                yield self._search(pending.popleft().result())
        finally:
            # also reached when the consumer leaves its loop early: the generator is closed then
            pool.shutdown(cancel_futures=True)

    def _read(self, picture: Picture) -> _Waiting:
        try:
            pixels = decode_image(picture.load(), picture.name)
        except OSError as error:
            return _Waiting(picture, error.strerror or str(error))
        except DataError as error:
            return _Waiting(picture, str(error).removeprefix(f"{picture.name}: "))
        waiting = _Waiting(picture)
        if self._finder is None:
            waiting.inputs.append(self.preprocessing(pixels))
        if self._finder is not None or self._keep_pixels:
            waiting.pixels = pixels
        return waiting

    def _search(self, waiting: _Waiting) -> _Waiting:
        if self._finder is not None and waiting.pixels is not None:
            found = self._finder(waiting.pixels)
            waiting.faces = [face for face, _ in found]
            waiting.inputs = [self.preprocessing(cut) for _, cut in found]
            if not self._keep_pixels:
                waiting.pixels = None
        return waiting


def _answers(model: sn.Model, preprocessing: Preprocessing, batch: Sequence[_Waiting]) -> Iterator[Answer]:
    inputs = [image for waiting in batch for image in waiting.inputs]
    rows: Iterator[NDArray[np.float32]] = iter(())
    if inputs:
        probabilities = class_probabilities(model.predict(preprocessing.scaled(np.stack(inputs))))
        require_finite(probabilities, [waiting.picture.name for waiting in batch for _ in waiting.inputs])
        rows = iter(probabilities)
    names = tuple(model.class_names or ())
    for waiting in batch:
        said: list[Probabilities] = [
            {name: float(value) for name, value in zip(names, next(rows), strict=True)} for _ in waiting.inputs
        ]
        yield Answer(waiting.picture, _prediction(waiting, said), waiting.pixels)


def _prediction(waiting: _Waiting, said: list[Probabilities]) -> Prediction:
    name = waiting.picture.name
    if waiting.error is not None:
        return Prediction(name, error=waiting.error)
    if waiting.faces is not None:
        return Prediction(name, faces=tuple(map(FacePrediction, waiting.faces, said)))
    return Prediction(name, said[0])
