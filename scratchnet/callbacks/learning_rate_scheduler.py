"""A learning rate chosen anew each epoch."""

import inspect
from collections.abc import Callable

import numpy as np

from scratchnet.callbacks.base import Callback, Logs

__all__ = ["LearningRateScheduler"]


class LearningRateScheduler(Callback):
    """Sets the learning rate at the beginning of each epoch, and logs it at the end.

    Args:
        schedule: a function of the epoch, or of the epoch and the present learning rate, that returns a float.
        verbose: 1 to print each rate.
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        super().__init__()
        self.schedule = schedule
        self.verbose = verbose

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Set the rate.

        Raises:
            ValueError: if the schedule does not return a float.
        """
        present = self.model.optimizer.learning_rate
        rate = self.schedule(epoch, present) if _takes_two(self.schedule) else self.schedule(epoch)
        if not isinstance(rate, (float, np.floating)):
            raise ValueError(f"schedule must return a float, got {rate!r} for epoch {epoch}")
        self.model.optimizer.learning_rate = float(rate)
        if self.verbose > 0:
            print(f"\nEpoch {epoch + 1}: LearningRateScheduler sets the learning rate to {rate}.", flush=True)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if logs is not None:
            logs["learning_rate"] = float(self.model.optimizer.learning_rate)


def _takes_two(function: Callable[..., float]) -> bool:
    try:
        inspect.signature(function).bind(0, 0.0)
    except TypeError:
        return False
    except ValueError:  # a built-in that does not tell
        return True
    return True
