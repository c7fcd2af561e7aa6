"""Objects to and from JSON-able descriptions, through allow-lists.

A description names its class, and only classes in the registry that the caller passes can be built from it: a model
file cannot make the engine run anything else.
"""

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar, cast, overload

__all__ = ["Configurable", "deserialize", "serialize"]


class Configurable(Protocol):
    """What every serialisable object offers."""

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON-able values."""
        ...


T = TypeVar("T")


def serialize(obj: Configurable | None) -> dict[str, Any] | None:
    """Describe `obj` as `{"class_name": ..., "config": ...}`; None stays None."""
    return None if obj is None else {"class_name": type(obj).__name__, "config": obj.get_config()}


@overload
def deserialize(kind: str, registry: Mapping[str, type[T]], value: None, base: type[T]) -> None: ...


@overload
def deserialize(kind: str, registry: Mapping[str, type[T]], value: T | str | Mapping[str, Any], base: type[T]) -> T: ...


def deserialize(kind: str, registry: Mapping[str, type[T]], value: object, base: type[T]) -> T | None:
    """Turn any accepted way of naming an object into the object.

    Args:
        kind: what is being named, for the error message: `"optimizer"`.
        registry: the classes that may be built, by name. `HeNormal`, `he_normal` and `henormal` all find `HeNormal`.
        value: an instance, a name (the object is built with its defaults), a description made by `serialize` (or by
            Keras), or None.
        base: the class whose instances are passed through as they are.

    Returns:
        An instance of `base`, or None for None.

    Raises:
        ValueError: for an unknown name, arguments that the class does not take, or a value of another type.
    """
    if value is None or isinstance(value, base):
        return value
    if isinstance(value, str):
        return _find(kind, registry, value)()
    if isinstance(value, Mapping) and isinstance(value.get("class_name"), str):
        cls = _find(kind, registry, value["class_name"])
        config = value.get("config")
        try:
            return cast(T, cls.from_config(dict(config or {})))  # type: ignore[attr-defined]
        except TypeError as error:
            raise ValueError(f"config of {kind} {cls.__name__!r} does not fit its arguments: {error}") from error
    raise ValueError(
        f'{kind} must be a name, a {base.__name__} or a dict with "class_name" and "config", got {value!r}'
    )


def _find(kind: str, registry: Mapping[str, type[T]], name: str) -> type[T]:
    for known, cls in registry.items():
        if _plain(known) == _plain(name):
            return cls
    raise ValueError(f"{kind} must be one of {', '.join(sorted(registry))}, got {name!r}")


def _plain(name: str) -> str:
    # CamelCase and snake_case spellings of one name meet here.
    return name.replace("_", "").lower()
