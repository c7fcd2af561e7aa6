"""What is compared: vectors by pixels, by filters that nobody has trained, by HOG, and by a trained network."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from pipelines.errors import UserError
from pipelines.features.layer_vectors import last_before_scores
from pipelines.features.vectors import Size, VectorMaker, open_maker
from pipelines.run import open_model

RANDOM_SEEDS = 3
# larger images are shrunk to this side before their pixels are vectors, which would not fit in memory otherwise
LARGEST_SIDE = 48


@dataclass(frozen=True)
class Contender:
    """A way to make vectors.

    Attributes:
        kind: `pixels`, `fixed`, `random`, `hog`, `trained` or `twin`.
        name: for tables.
        makers: one, or one for each seed.
    """

    kind: str
    name: str
    makers: Sequence[VectorMaker]


def open_contenders(model: Path | None, size: Size, layer: str | None, seed: int) -> list[Contender]:
    """Everything that can be compared here; without a model, nothing trained; without TensorFlow, no Keras twin.

    Args:
        model: a run's folder or a model file.
        size: of the images, which is the model's if there is one.
        layer: of the model; by default the last one before its class scores.
        seed: of random filters, the first of `RANDOM_SEEDS`, and of projections.

    Raises:
        UserError: the model cannot be used, or has no such layer.
        ModelFileError: its file cannot be used.
    """
    seeds = range(seed, seed + RANDOM_SEEDS)
    found = [
        _pixels(size),
        Contender("fixed", "fixed filters", [open_maker("fixed", size=size, seed=seed)]),
        Contender("random", "random filters", [open_maker("random", size=size, seed=own) for own in seeds]),
        Contender("hog", "HOG", [open_maker("hog", size=size)]),
    ]
    if model is None:
        return found
    chosen = layer or default_layer(model)
    found.append(Contender("trained", f"trained net ({chosen})", [open_maker(str(model), layer=chosen)]))
    if find_spec("tensorflow") is not None:
        twin = open_maker(str(model), layer=chosen, engine="keras")
        found.append(Contender("twin", "its Keras twin", [twin]))
    return found


def _pixels(size: Size) -> Contender:
    height, width, channels = size
    shrunk = min(1.0, LARGEST_SIDE / max(height, width))
    rows, columns = (max(1, round(side * shrunk)) for side in (height, width))
    name = "pixels" if shrunk == 1 else f"pixels ({rows}x{columns})"
    return Contender("pixels", name, [open_maker("pixels", size=(rows, columns, channels))])


def default_layer(path: Path) -> str:
    """The name of the layer before a model's class scores.

    Raises:
        UserError: it has none, or there is no such run or model.
        ModelFileError: the file cannot be used.
    """
    model = open_model(path)
    try:
        return last_before_scores(model)
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error
