"""Which classes a dataset has: its own, those asked for, or the usual emotions."""

from collections.abc import Iterable, Sequence

from pipelines.curation.naming import check_class
from pipelines.data.class_names import class_key
from pipelines.errors import UserError

FIVE = ("Happy", "Sad", "Angry", "Surprised", "Neutral")
SEVEN = (*FIVE, "Disgust", "Fear")
MOST_CLASSES = 9  # one digit key each


def choose_classes(asked: str | None, found: Iterable[str]) -> tuple[str, ...]:
    """The classes to label with, in the order of their keys.

    Args:
        asked: `5`, `7`, or names separated by commas. None means the five, or the dataset's own if it has others.
        found: The classes that already have images; those not asked for come last, and their spelling goes before.

    Raises:
        UserError: A name cannot be a class's, occurs twice, or there are too few or too many.
    """
    spelled = {class_key(name): name for name in sorted(found)}
    wanted: Sequence[str]
    if asked is None:
        usual = {class_key(name) for name in SEVEN}
        wanted = FIVE if usual.issuperset(spelled) else list(spelled.values())
    elif asked.strip() in ("5", "7"):
        wanted = FIVE if asked.strip() == "5" else SEVEN
    else:
        wanted = [check_class(name.strip()) for name in asked.split(",")]
    chosen: dict[str, str] = {}
    for name in wanted:
        if class_key(name) in chosen:
            raise UserError(f"the class {name!r} is asked for twice; name each once")
        chosen[class_key(name)] = spelled.get(class_key(name), name)
    names = tuple({**spelled, **chosen}[key] for key in [*chosen, *(key for key in spelled if key not in chosen)])
    if not 2 <= len(names) <= MOST_CLASSES:
        raise UserError(
            f"there must be 2 to {MOST_CLASSES} classes, got {', '.join(names)}; name all of them with --classes"
        )
    return names
