"""A trained model looks at the faces while people label, and says which it is least sure of."""

import hashlib
import threading
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np

import scratchnet as sn
from pipelines.curation.journal import Key
from pipelines.curation.labelling import Labelling
from pipelines.data.class_names import match_class
from pipelines.data.decode import decode_image
from pipelines.data.preprocessing import Preprocessing
from pipelines.errors import UserError
from pipelines.probabilities import class_probabilities
from pipelines.reading import open_regular
from pipelines.run import Run

BATCH = 16
MOST_AT_ONCE = 1024


def model_name(path: Path) -> str:
    """What a model is called where it is recorded: `NAME@HASH`, of its run's folder or its file, and of its content.

    Args:
        path: A run's folder or a model file.

    Raises:
        OSError: It cannot be read.
    """
    with open_regular(Run(path).model_path if path.is_dir() else path) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    name = "".join(character if character.isprintable() else "?" for character in path.resolve().name)
    return f"{name}@{digest[:12]}"


class Guesser(threading.Thread):
    """Guesses all faces that wait, some at a time, in the background.

    Args:
        model: With class names and preprocessing, as `load_run_model` gives it.
        labelling: Where the faces come from and the guesses go.
        name: Under which the model is recorded beside a label; see `model_name`.

    Raises:
        UserError: None of the model's classes is one of the dataset's.
    """

    def __init__(self, model: sn.Model, labelling: Labelling, name: str) -> None:
        super().__init__(name="guesser", daemon=True)
        names = tuple(model.class_names or ())
        self._classes = [match_class(name, labelling.classes) for name in names]
        if not any(self._classes):
            raise UserError(
                f"the model knows {', '.join(names)}, none of which is a class of the dataset: "
                f"{', '.join(labelling.classes)}"
            )
        self._model = model
        self._preprocessing = Preprocessing.from_config(model.preprocessing or {})
        self._labelling = labelling
        labelling.model_name = name
        self._stopping = threading.Event()

    def run(self) -> None:
        """Guess batch after batch; each time more are handed over at once, since that sorts all faces."""
        faces = iter(self._labelling.keys())
        guesses: dict[Key, dict[str, float]] = {}
        enough = BATCH
        self._labelling.guessing = True
        try:
            while not self._stopping.is_set() and (batch := list(islice(faces, BATCH))):
                guesses |= self.guess(batch)
                if len(guesses) >= enough:
                    self._labelling.add_guesses(guesses)
                    guesses, enough = {}, min(2 * enough, MOST_AT_ONCE)
            self._labelling.add_guesses(guesses)
        finally:
            self._labelling.guessing = False

    def guess(self, faces: Sequence[Key]) -> dict[Key, dict[str, float]]:
        """Probabilities by the dataset's classes; faces that cannot be read, or of which NaN is said, are left out."""
        images = {}
        for key in faces:
            row = self._labelling.row(key)
            if row is None:
                continue
            try:
                images[key] = self._preprocessing(decode_image(self._labelling.picture(key), row.file))
            except (OSError, UserError):
                continue  # the page shows that the image is missing, and verify says why
        if not images:
            return {}
        outputs = self._model.predict(self._preprocessing.scaled(np.stack(list(images.values()))))
        predicted = class_probabilities(outputs)
        return {key: self._by_class(row) for key, row in zip(images, predicted, strict=True) if np.isfinite(row).all()}

    def stop(self) -> None:
        """End after the batch under way."""
        self._stopping.set()
        self.join()

    def _by_class(self, probabilities: np.ndarray) -> dict[str, float]:
        guess: dict[str, float] = {}
        for name, value in zip(self._classes, probabilities, strict=True):
            if name is not None:
                guess[name] = guess.get(name, 0.0) + float(value)
        return guess
