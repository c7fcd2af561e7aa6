"""Data by name: a path, or the embedded default."""

from collections.abc import Sequence
from pathlib import Path

from pipelines.data.drawn import DrawnFaces
from pipelines.data.preprocessing import Preprocessing
from pipelines.data.sample import Source
from pipelines.data.source import open_source

DRAWN = "drawn"
DRAWN_COUNT = 4200


def resolve_name(name: str) -> str:
    """`drawn`, or the path made absolute, so that it means the same from any folder."""
    return name if name == DRAWN else str(Path(name).resolve())


def open_data(
    name: str, preprocessing: Preprocessing, class_names: Sequence[str] | None = None, count: int = DRAWN_COUNT
) -> Source:
    """Open the data of a name.

    Args:
        name: a path that `open_source` takes, or `drawn` for faces that the program draws itself.
        preprocessing: decides size and colour of the drawn faces.
        class_names: the classes in label order, where a model already has them.
        count: of the drawn faces.

    Raises:
        DataError: the path cannot be used, or its classes are others.
    """
    if name == DRAWN:
        size = (preprocessing.height, preprocessing.width)
        return DrawnFaces(count, size=size, colour=preprocessing.channels == 3, class_names=class_names)
    return open_source(name, class_names)
