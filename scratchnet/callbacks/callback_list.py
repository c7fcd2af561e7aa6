"""Several callbacks called as one."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from scratchnet.callbacks.backup_and_restore import BackupAndRestore
from scratchnet.callbacks.base import Callback, Logs
from scratchnet.callbacks.history import History

__all__ = ["CallbackList"]


class CallbackList(Callback):
    """Passes every event on to all its callbacks, in order.

    `BackupAndRestore` comes after all others, wherever it stands: it saves what they have made of an epoch, and
    restores them after they have reset themselves.

    Args:
        callbacks: one callback, several, or None for none.
        add_history: whether to append a `History` if there is none.
        model: the model that is trained, if known yet.
        **params: what the callbacks find in their `params`.

    Raises:
        TypeError: if one of `callbacks` is not a `Callback`.
    """

    def __init__(
        self,
        callbacks: Iterable[Callback] | Callback | None = None,
        add_history: bool = False,
        model: Any = None,
        **params: Any,
    ) -> None:
        super().__init__()
        if not isinstance(callbacks, Callback | Iterable | None):
            raise TypeError(f"callbacks must be instances of Callback, got {callbacks!r}")
        self.callbacks = [callbacks] if isinstance(callbacks, Callback) else list(callbacks or [])
        for callback in self.callbacks:
            if not isinstance(callback, Callback):
                raise TypeError(f"callbacks must be instances of Callback, got {callback!r}")
        if add_history and not any(isinstance(callback, History) for callback in self.callbacks):
            self.callbacks.append(History())
        # In the order in which they are called: the sort keeps the user's, but for the backup.
        self.callbacks.sort(key=lambda callback: isinstance(callback, BackupAndRestore))
        self.initial_epoch: int | None = None
        for callback in self.callbacks:
            callback.callback_list = self
        if model is not None:
            self.set_model(model)
        self.set_params(params)

    @property
    def history(self) -> History | None:
        """The `History` in the list, if any."""
        return next((callback for callback in self.callbacks if isinstance(callback, History)), None)

    def set_model(self, model: Any) -> None:
        super().set_model(model)
        for callback in self.callbacks:
            callback.set_model(model)

    def set_params(self, params: dict[str, Any]) -> None:
        super().set_params(params)
        for callback in self.callbacks:
            callback.set_params(params)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Begin training; afterwards `initial_epoch` is the epoch to go on with, or None for a run that starts anew.

        Going on also restores `model.stop_training`: look at it before the first epoch.
        """
        self.initial_epoch = None
        self._call("on_train_begin", logs=logs)

    def on_train_end(self, logs: Logs | None = None) -> None:
        self._call("on_train_end", logs=logs)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._call("on_epoch_begin", epoch, logs=logs)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self._call("on_epoch_end", epoch, logs=logs)

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        self._call("on_train_batch_begin", batch, logs=logs)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._call("on_train_batch_end", batch, logs=logs)

    def on_test_begin(self, logs: Logs | None = None) -> None:
        self._call("on_test_begin", logs=logs)

    def on_test_end(self, logs: Logs | None = None) -> None:
        self._call("on_test_end", logs=logs)

    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        self._call("on_test_batch_begin", batch, logs=logs)

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._call("on_test_batch_end", batch, logs=logs)

    def _call(self, event: str, *position: int, logs: Logs | None) -> None:
        # One dict for all: what the first callback adds, such as the learning rate, the later ones see.
        shared = {name: _plain(value) for name, value in (logs or {}).items()}
        for callback in self.callbacks:
            getattr(callback, event)(*position, logs=shared)


def _plain(value: Any) -> Any:
    # Numbers become Python floats, so that logs can be written as JSON; one score per class stays an array.
    is_number = isinstance(value, (int, float, np.generic)) or (isinstance(value, np.ndarray) and value.ndim == 0)
    return float(value) if is_number else value
