"""The base of all callbacks."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scratchnet.callbacks.callback_list import CallbackList

__all__ = ["Callback", "Logs"]

Logs = dict[str, Any]
"""Metric name to value. All callbacks of one event share one dict and may add to it."""


class Callback:
    """Something that training tells what it is doing. Override the methods of the events that matter.

    `model` and `params` (`verbose`, `epochs`, `steps`) are set before training begins, and `callback_list` is the list
    that this callback is in. To stop training, set `model.stop_training`.
    """

    model: Any = None
    params: dict[str, Any]
    callback_list: "CallbackList | None" = None

    def __init__(self) -> None:
        self.params = {}

    def set_model(self, model: Any) -> None:
        """Learn which model is trained."""
        self.model = model

    def set_params(self, params: dict[str, Any]) -> None:
        """Learn how it is trained."""
        self.params = params

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Training begins."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Training has ended; not called after an exception."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """An epoch begins; epochs count from 0."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """An epoch has ended, validation included; `logs` holds its metrics, validation's with `val_` before."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """A training step begins; batches count from 0 in every epoch."""

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """A training step has ended; `logs` holds the metrics of the epoch so far."""

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Evaluation or validation begins."""

    def on_test_end(self, logs: Logs | None = None) -> None:
        """Evaluation or validation has ended."""

    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """An evaluation step begins."""

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """An evaluation step has ended."""

    def get_state(self) -> dict[str, Any]:
        """Return all that the callback must remember to go on after an interruption.

        Returns:
            A dict of JSON-able values and NumPy arrays, nested in lists and dicts at will.
        """
        return {}

    def set_state(self, state: dict[str, Any]) -> None:
        """Take over what `get_state` returned. Called after `on_train_begin` when an interrupted run goes on."""
