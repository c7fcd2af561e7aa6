"""Data by name: a path, or the embedded default."""

from collections.abc import Sequence
from pathlib import Path

from pipelines.data.chosen_classes import ChosenClasses
from pipelines.data.drawn import DrawnFaces
from pipelines.data.errors import DataError
from pipelines.data.preprocessing import Preprocessing
from pipelines.data.sample import Source
from pipelines.data.source import open_source

DRAWN = "drawn"
DRAWN_COUNT, DRAWN_SEED = 4200, 0


def drawn_name(count: int, seed: int) -> str:
    """The name under which `open_data` draws so many faces with this seed."""
    return f"{DRAWN}:{count}:{seed}"


def is_drawn(name: str) -> bool:
    """Whether these data are faces that the program draws."""
    return name.partition(":")[0] == DRAWN


def resolve_name(name: str) -> str:
    """What means the same in any folder and in any later version: a path made absolute, drawn faces with their seed."""
    drawn = _parse_drawn(name)
    return drawn_name(*drawn) if drawn else str(Path(name).resolve())


def open_data(
    name: str,
    preprocessing: Preprocessing,
    class_names: Sequence[str] | None = None,
    chosen: Sequence[str] | None = None,
) -> Source:
    """Open the data of a name.

    Args:
        name: a path that `open_source` takes; or `drawn`, `drawn:COUNT` or `drawn:COUNT:SEED` for faces that the
            program draws itself.
        preprocessing: decides size and colour of the drawn faces.
        class_names: the classes in label order, where a model already has them; some may have no images then.
        chosen: these classes alone, in label order, whatever others there are; goes before `class_names`.

    Raises:
        DataError: the path cannot be used, its classes are others, or it lacks one that is chosen for a training.
    """
    if chosen is not None:
        return ChosenClasses(open_data(name, preprocessing), chosen, every=class_names is None)
    drawn = _parse_drawn(name)
    if drawn is None:
        return open_source(name, class_names)
    count, seed = drawn
    size = (preprocessing.height, preprocessing.width)
    return DrawnFaces(count, size=size, colour=preprocessing.channels == 3, seed=seed, class_names=class_names)


def _parse_drawn(name: str) -> tuple[int, int] | None:
    """Count and seed of drawn faces; None for a path."""
    word, *numbers = name.split(":")
    if word != DRAWN:
        return None
    if len(numbers) > 2 or not all(number.isdecimal() for number in numbers):
        raise DataError(f"drawn faces are asked for as drawn, drawn:COUNT or drawn:COUNT:SEED, got {name!r}")
    count, seed = [*map(int, numbers), *(DRAWN_COUNT, DRAWN_SEED)[len(numbers) :]]
    return count, seed
