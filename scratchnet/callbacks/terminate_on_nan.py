"""A stop for runs that diverged."""

import math

from scratchnet.callbacks.base import Callback, Logs

__all__ = ["TerminateOnNaN"]


class TerminateOnNaN(Callback):
    """Stops training when the loss is NaN or infinite.

    Args:
        raise_error: whether to raise instead of stopping quietly.
    """

    def __init__(self, raise_error: bool = False) -> None:
        super().__init__()
        self.raise_error = raise_error

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Look at the loss.

        Raises:
            RuntimeError: if it is not finite and `raise_error` is set.
        """
        loss = (logs or {}).get("loss")
        if loss is None or math.isfinite(loss):
            return
        message = f"Batch {batch}: the loss is {loss}, terminating training"
        if self.raise_error:
            raise RuntimeError(message)
        print(message, flush=True)
        self.model.stop_training = True
