"""What a model says of labelled images: kept as csv, so that everything else can be made again without the images."""

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

import scratchnet as sn
from pipelines.data.dataset import Batch, Dataset
from pipelines.data.parts import known_groups
from pipelines.engines import Engine, predict
from pipelines.errors import UserError
from pipelines.files import write_text
from pipelines.probabilities import require_finite
from pipelines.reading import open_text
from pipelines.run import Run
from pipelines.started import TEXT

# how far the sum of a softmax in float32 may be from 1
ROUNDING = 1e-3


@dataclass(frozen=True)
class Predictions:
    """What a model says of some images.

    Args:
        names: (images,) of the images, as their source has them.
        labels: int64 (images,), the true classes.
        probabilities: float64 (images, classes).
        class_names: in label order.
        groups: int64 (images,), the same for images that belong together, such as frames of one scene; None where
            nothing is known of it.

    Raises:
        UserError: there are no images, or a probability is not a finite number.
    """

    names: tuple[str, ...]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    class_names: tuple[str, ...]
    groups: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        """Refuse what no figure can be made of."""
        if not self.names:
            raise UserError("there are no predictions to evaluate")
        shape = (len(self.names), len(self.class_names))
        if self.labels.shape != shape[:1] or self.probabilities.shape != shape:
            raise ValueError(
                f"labels and probabilities must have the shapes {shape[:1]} and {shape}, "
                f"got {self.labels.shape} and {self.probabilities.shape}"
            )
        require_finite(self.probabilities, self.names)

    @cached_property
    def predicted(self) -> NDArray[np.int64]:
        """The most probable class of each image: int64 (images,); the first of equally probable ones."""
        return np.asarray(self.probabilities.argmax(axis=1), np.int64)

    @cached_property
    def is_distribution(self) -> bool:
        """Whether the numbers are probabilities of classes that exclude each other, and not logits, for example."""
        return bool((self.probabilities >= 0).all() and (abs(self.probabilities.sum(axis=1) - 1) < ROUNDING).all())


def predictions_of(
    model: sn.Model,
    dataset: Dataset,
    engine: Engine = "scratch",
    progress: Callable[[int, int], None] | None = None,
) -> Predictions:
    """Ask a model about a dataset, whose batches come in their own order.

    Args:
        model: with an output for each class, or one sigmoid unit for two classes.
        dataset: not shuffled.
        engine: which computes.
        progress: called with (done, total) batches.

    Raises:
        UserError: Keras is asked for and not installed, or what is said is not finite.
    """
    probabilities = predict(engine, model, dataset if progress is None else _Watched(dataset, progress))
    return Predictions(
        tuple(sample.name for sample in dataset.samples),
        dataset.labels,
        np.asarray(probabilities, np.float64),
        dataset.class_names,
        known_groups(dataset.samples),
    )


class _Watched:
    """The batches of a dataset, each reported when the next one is asked for."""

    def __init__(self, dataset: Dataset, progress: Callable[[int, int], None]) -> None:
        self._dataset, self._progress = dataset, progress

    def __iter__(self) -> Iterator[Batch]:
        for number, batch in enumerate(self._dataset, 1):
            yield batch
            self._progress(number, len(self._dataset))


def predictions_name(part: str) -> str:
    """The name of the file with the predictions of a part."""
    return f"predictions_{part}.csv"


def save_predictions(run: Run, part: str, predictions: Predictions) -> None:
    """Write predictions_<part>.csv: name, class, then a probability per class, from which no digit is missing.

    The number of the group stands between name and class where groups are known.
    """
    text = io.StringIO()
    # with all text in quotes, a name may hold any character
    writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    groups = predictions.groups
    writer.writerow(["name", *([] if groups is None else ["group"]), "class", *predictions.class_names])
    for i, (name, label, row) in enumerate(
        zip(predictions.names, predictions.labels.tolist(), predictions.probabilities.tolist(), strict=True)
    ):
        group = [] if groups is None else [int(groups[i])]
        writer.writerow([name, *group, predictions.class_names[label], *row])
    write_text(run.folder / predictions_name(part), text.getvalue())


def load_predictions(run: Run, part: str) -> Predictions:
    """The predictions that `save_predictions` wrote, bit for bit.

    Args:
        run: that was evaluated.
        part: `test`, or another key of its metrics.json.

    Raises:
        UserError: there are none, or the file is damaged.
    """
    path = run.folder / predictions_name(part)
    try:
        with open_text(path, newline="", **TEXT) as file:
            reader = csv.reader(file, strict=True)
            head = next(reader, [])
            rows = list(reader)
    except FileNotFoundError as error:
        raise UserError(
            f"{run.folder} has no predictions of its {part} images; make them with scratchnet evaluate {run.folder}"
        ) from error
    except csv.Error as error:
        raise UserError(f"{path} is damaged: {error}; write it again with scratchnet evaluate") from error
    try:
        return _parse(head, rows)
    except (ValueError, OverflowError) as error:
        raise UserError(f"{path} is damaged: {error}; write it again with scratchnet evaluate") from error


def _parse(head: list[str], rows: list[list[str]]) -> Predictions:
    grouped = head[1:3] == ["group", "class"]
    before = 2 + grouped
    class_names = tuple(head[before:])
    if head[:before] != ["name", *["group"] * grouped, "class"] or len(class_names) < 2:
        raise ValueError("it must begin with the columns name, class, and one for each class")
    numbers = {name: label for label, name in enumerate(class_names)}
    for line, row in enumerate(rows, 2):
        if len(row) != len(head):
            raise ValueError(f"row {line} has {len(row)} cells where {len(head)} are needed")
        if row[before - 1] not in numbers:
            raise ValueError(f"row {line} has the class {row[before - 1]!r}, which has no column")
    return Predictions(
        tuple(row[0] for row in rows),
        np.array([numbers[row[before - 1]] for row in rows], np.int64),
        np.array([[float(cell) for cell in row[before:]] for row in rows]).reshape(len(rows), len(class_names)),
        class_names,
        np.array([int(row[1]) for row in rows], np.int64) if grouped else None,
    )
