"""What readers and writers of descriptions need: JSON within bounds, and errors that show what stands in a file."""

import json
from collections.abc import Mapping
from typing import Any

MAX_JSON = 16 << 20  # bytes of a description: 3 of them can become 70 in memory; those of large models have one million
MAX_TEXT = 60  # of a file's own words in a message


def shown(value: Any) -> str:
    """A value from a file as a message can show it."""
    text = repr(value)
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}..."


def in_order(value: Any) -> Any:
    """A value with the keys of its objects in alphabetical order, so that equal ones become equal texts."""
    if isinstance(value, Mapping):
        return {key: in_order(value[key]) for key in sorted(value, key=str)}
    return [in_order(item) for item in value] if isinstance(value, list | tuple) else value


def as_mapping(value: Any, what: str) -> Mapping[str, Any]:
    """`value`, if it is an object.

    Raises:
        ValueError: it is something else.
    """
    if not isinstance(value, dict):
        raise ValueError(f"{what} must be an object, got {shown(value)}")
    return value


def as_list(value: Any, what: str) -> list[Any]:
    """`value`, if it is a list.

    Raises:
        ValueError: it is something else.
    """
    if not isinstance(value, list):
        raise ValueError(f"{what} must be a list, got {shown(value)}")
    return value


def parse_json(data: bytes | str, what: str) -> Mapping[str, Any]:
    """An object in JSON.

    Raises:
        ValueError: it is damaged, absurdly large or deep, or something else.
    """
    if len(data) > MAX_JSON:
        raise ValueError(f"{what} has {len(data)} bytes; {MAX_JSON} are allowed")
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{what} is not JSON ({error})") from error
    return as_mapping(value, what)
