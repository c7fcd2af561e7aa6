"""A callback made of functions."""

from collections.abc import Callable
from typing import Any

from scratchnet.callbacks.base import Callback

__all__ = ["LambdaCallback"]


class LambdaCallback(Callback):
    """Calls the given functions at the events of the same name.

    Args:
        **functions: functions by event, such as `on_epoch_end=lambda epoch, logs: ...`, with the arguments of the
            event's method in `Callback`. None is ignored.

    Raises:
        TypeError: if there is no such event, or its value cannot be called.
    """

    def __init__(self, **functions: Callable[..., Any] | None) -> None:
        super().__init__()
        for event, function in functions.items():
            if not event.startswith("on_") or not hasattr(Callback, event):
                raise TypeError(f"functions must be named after an event of Callback, got {event!r}")
            if function is None:
                continue
            if not callable(function):
                raise TypeError(f"{event} must be a function, got {function!r}")
            setattr(self, event, function)
