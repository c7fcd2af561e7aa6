"""Reading recipes: those that come with the program, and the user's own, with changes from the command line."""

import json
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from pipelines.errors import UserError
from pipelines.parsing import parse_toml
from pipelines.reading import read_text
from pipelines.recipe import Recipe

SHOWN_FAULTS = 5
_WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false"}


def _shipped() -> dict[str, Traversable]:
    folder = resources.files("pipelines") / "recipes"
    return {
        file.name.removesuffix(".toml"): file
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if file.name.endswith(".toml")
    }


def recipe_names() -> list[str]:
    """The recipes that come with the program."""
    return list(_shipped())


def recipe_text(name: str) -> str:
    """The TOML of a recipe that comes with the program.

    Raises:
        UserError: there is no such recipe.
    """
    return _find(name).read_text(encoding="utf-8")


def _find(name: str) -> Traversable:
    shipped = _shipped()
    if name not in shipped:
        raise UserError(f"there is no recipe {name!r}; choose one of {', '.join(shipped)}, or give a .toml file")
    return shipped[name]


def load_recipe(name_or_path: str, changes: Sequence[str] = ()) -> Recipe:
    """The recipe of a name, or of a TOML file.

    Args:
        name_or_path: a path if it ends in `.toml`.
        changes: `section.field=value` each, the value as in TOML, or `none` to leave the field out. A layer is
            `network.NUMBER`, counted from 1.

    Raises:
        UserError: there is no such recipe, or something in it or in `changes` is wrong; the message says where.
    """
    source = Path(name_or_path) if name_or_path.endswith(".toml") else _find(name_or_path)
    content = _read(source, name_or_path)
    for change in changes:
        _apply(content, change)
    return parse_recipe(content, name_or_path).with_origin(name_or_path, tuple(changes))


def _read(source: Traversable | Path, origin: str) -> dict[str, Any]:
    """The parsed TOML, with what it takes from the recipe that it extends."""
    try:
        content = parse_toml(read_text(source) if isinstance(source, Path) else source.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"recipe {origin} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UserError(f"recipe {origin} is not valid TOML: {error}") from error
    base = content.pop("extends", None)
    if base is None:
        return content
    if not isinstance(base, str) or base == origin or base not in _shipped():
        known = ", ".join(name for name in _shipped() if name != origin)
        raise UserError(f"recipe {origin} must extend one of {known}, got extends = {base!r}")
    return _merged(_read(_find(base), base), content)


def _merged(base: dict[str, Any], changed: dict[str, Any]) -> dict[str, Any]:
    # tables field by field; everything else, lists of layers too, as a whole
    merged = dict(base)
    for key, value in changed.items():
        both = isinstance(value, dict) and isinstance(base.get(key), dict)
        merged[key] = _merged(base[key], value) if both else value
    return merged


def _apply(content: dict[str, Any], change: str) -> None:
    """Change one field of a recipe's parsed TOML."""
    path, equals, text = change.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        raise UserError(f"a change of a recipe is written section.field=value, got {change!r}")
    place: Any = content
    for key in keys[:-1]:
        place = place[_index(place, key, change)] if isinstance(place, list) else place.setdefault(key, {})
        if not isinstance(place, (dict, list)):
            raise UserError(f"{change!r}: {key} is a value, which has no fields")
    key = keys[-1]
    if isinstance(place, list):
        if text.strip() == "none":
            del place[_index(place, key, change)]
        else:
            place[_index(place, key, change)] = _value(text.strip())
    elif text.strip() == "none":
        place.pop(key, None)
    else:
        place[key] = _value(text.strip())


def _index(entries: list[Any], key: str, change: str) -> int:
    if not key.isdecimal() or not 1 <= int(key) <= len(entries):
        raise UserError(f"{change!r}: the layers are numbered from 1 to {len(entries)}, got {key!r}")
    return int(key) - 1


def _value(text: str) -> Any:
    # what is no TOML is a word that somebody left without quotes, as a shell makes it
    try:
        return parse_toml(f"value = {text}")["value"]
    except ValueError:
        return text


def parse_recipe(content: dict[str, Any], origin: str) -> Recipe:
    """A recipe from its parsed TOML.

    Raises:
        UserError: something in it is wrong.
    """
    try:
        recipe = Recipe.model_validate(content)
    except ValidationError as error:
        faults = [_told(fault["type"], fault["loc"], fault["msg"]) for fault in error.errors()]
        more = [f"and {len(faults) - SHOWN_FAULTS} more"] if len(faults) > SHOWN_FAULTS else []
        raise UserError(f"recipe {origin} is not valid: {'; '.join(faults[:SHOWN_FAULTS] + more)}") from error
    try:
        recipe.model_dump(mode="json")  # as its run will have to keep it
    except (ValueError, RecursionError) as error:
        raise UserError(f"recipe {origin} is not valid: its brackets are nested too deeply") from error
    return recipe


def _told(kind: str, place: tuple[str | int, ...], message: str) -> str:
    """A fault of a field; of an unknown one with those that may have been meant."""
    field = ".".join(map(str, place))
    if kind != "extra_forbidden":
        return f"{field or 'recipe'}: {message}"
    known = [row[0].strip("[]") for row in describe_fields()]
    meant = _meant(field, known)
    if meant:
        return f"{field}: there is no such field; did you mean {' or '.join(meant)}?"
    section = field.rpartition(".")[0]
    others = [name.rpartition(".")[2] for name in known if name.rpartition(".")[0] == section]
    return f"{field}: there is no such field; choose one of {', '.join(others)}"


def _meant(field: str, known: Sequence[str]) -> list[str]:
    """The fields that may have been meant: of the same name or the most like it, those in the nearest section first."""
    ends: dict[str, list[str]] = {}
    for name in known:
        ends.setdefault(name.rpartition(".")[2], []).append(name)
    close = get_close_matches(field.rpartition(".")[2], ends, n=1, cutoff=0.7)
    return get_close_matches(field, ends[close[0]], n=3, cutoff=0) if close else []


def describe_fields() -> list[list[str]]:
    """What a recipe may say: field, kind of value, value if left out, and meaning of each."""
    extends = "The name of a recipe that comes with the program; what is not said here is as it is there."
    return [["extends", _WORDS[str], "none", extends], *_describe(Recipe, "")]


def _describe(section: type[BaseModel], prefix: str) -> list[list[str]]:
    rows, below = [], []
    for name, field in section.model_fields.items():
        inner = next((kind for kind in (field.annotation, *get_args(field.annotation)) if _is_section(kind)), None)
        if inner is not None:
            below.append([f"[{prefix}{name}]", "", "", " ".join((inner.__doc__ or "").split("\n\n")[0].split())])
            below += _describe(inner, f"{prefix}{name}.")
            continue
        missing = "" if field.is_required() else json.dumps(field.get_default(call_default_factory=True))
        meaning = " ".join((field.description or "").split())
        rows.append([f"{prefix}{name}", _kind(field.annotation), missing.replace("null", "none"), meaning])
    return rows + below


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _kind(annotation: Any) -> str:
    """A type in the words of a TOML file."""
    if get_origin(annotation) is Annotated:
        return _kind(get_args(annotation)[0])
    if get_origin(annotation) is Literal:
        return " or ".join(json.dumps(value) for value in get_args(annotation))
    if get_origin(annotation) in (list, tuple):
        inner = next(kind for kind in get_args(annotation) if kind is not Ellipsis)
        return f"list of {_kind(inner)}"
    if get_origin(annotation) is dict:
        return "table"
    if isinstance(annotation, UnionType) or get_origin(annotation) is Union:
        return " or ".join(_kind(kind) for kind in get_args(annotation) if kind is not type(None))
    return _WORDS[annotation]
