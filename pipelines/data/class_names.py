"""Class names as people write them: compared without regard to case or Unicode form."""

import unicodedata
from collections.abc import Iterable, Sequence

from pipelines.data.errors import DataError

# how other datasets call the seven
_SYNONYMS = {
    "happy": ("happiness", "joy"),
    "sad": ("sadness",),
    "angry": ("anger",),
    "surprised": ("surprise",),
    "neutral": (),
    "disgust": ("disgusted",),
    "fear": ("fearful", "afraid"),
}
_MEANING = {word: meaning for meaning, words in _SYNONYMS.items() for word in (meaning, *words)}


def class_key(name: str) -> str:
    """The form under which two spellings of a class name are the same: trimmed, composed, case folded."""
    return unicodedata.normalize("NFC", name.strip()).casefold()


def order_classes(found: Iterable[str], class_names: Sequence[str] | None, where: str) -> tuple[str, ...]:
    """The classes in label order: as asked for, or alphabetical.

    Args:
        found: Names of the classes that are there; several spellings of one count once, the first stays.
        class_names: The order asked for; None for alphabetical order.
        where: The data's own name, for messages.

    Raises:
        DataError: `class_names` has an empty or a double name, or lacks a class that was found; or fewer than two
            classes are left.
    """
    spellings: dict[str, str] = {}
    for name in found:
        spellings.setdefault(class_key(name), name)
    if class_names is None:
        ordered = tuple(spellings[key] for key in sorted(spellings))
    else:
        ordered = tuple(class_names)
        _check_agreement(ordered, spellings, where)
    if len(ordered) < 2:
        raise DataError(f"{where} has one class only, {', '.join(map(repr, ordered))}; a classifier needs two or more")
    return ordered


def _check_agreement(asked: tuple[str, ...], spellings: dict[str, str], where: str) -> None:
    keys = [class_key(name) for name in asked]
    for position, (key, name) in enumerate(zip(keys, asked, strict=True)):
        if not key:
            raise DataError(f"class_names must not hold an empty name, got {asked!r}")
        if key in keys[:position]:
            raise DataError(f"class_names must be distinct without regard to case, got {name!r} twice in {asked!r}")
    for key, name in spellings.items():
        if key not in keys:
            raise DataError(f"{where} has the class {name!r}, which is not among the class names {', '.join(asked)}")


def match_class(name: str, classes: Sequence[str]) -> str | None:
    """The class that another dataset's or model's class means: `surprise` is `Surprised`; None if there is none."""
    keys = {class_key(candidate): candidate for candidate in classes}
    if class_key(name) in keys:
        return keys[class_key(name)]
    meaning = _MEANING.get(class_key(name))
    return next((candidate for key, candidate in keys.items() if meaning and _MEANING.get(key) == meaning), None)
