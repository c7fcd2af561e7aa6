"""Models saved while training goes on."""

import math
import os
from pathlib import Path
from typing import Any

from scratchnet.callbacks.base import Logs
from scratchnet.callbacks.monitor import MonitorCallback

__all__ = ["ModelCheckpoint"]


class ModelCheckpoint(MonitorCallback):
    """Saves the model after every epoch, after so many batches, or whenever it is better than ever.

    Args:
        filepath: where to save. `{epoch:02d}`, `{val_loss:.2f}` and the like are filled in from the epoch (counted
            from 1) and the logs; `{batch}` too where `save_freq` is a number.
        monitor: the metric that tells which model is best.
        verbose: 1 to print what is saved.
        save_best_only: whether to save only when the metric has improved.
        save_weights_only: whether to save the weights alone.
        mode: `"min"`, `"max"` or `"auto"`, see `MonitorCallback`.
        save_freq: `"epoch"`, or a number of batches.
        initial_value_threshold: a value of the metric that the first saved model must beat.

    Raises:
        ValueError: if `save_freq` or `filepath` is not valid.
    """

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode)
        if save_freq != "epoch" and (isinstance(save_freq, (str, bool)) or save_freq < 1):
            raise ValueError(f'save_freq must be "epoch" or a positive number of batches, got {save_freq!r}')
        if not os.fspath(filepath) or Path(filepath).is_dir():
            raise ValueError(f"filepath must name a file, got {os.fspath(filepath)!r}")
        self.filepath = os.fspath(filepath)
        self.verbose = verbose
        self.save_best_only = save_best_only
        self.save_weights_only = save_weights_only
        self.save_freq = save_freq
        self.best = initial_value_threshold
        self._epoch = 0
        self._batches_since_save = 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        # what cannot be saved shall not be found out after an epoch
        check = getattr(self.model, "check_saveable", None)
        if check is not None:
            check(self.filepath, self.save_weights_only)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        if isinstance(self.save_freq, str):
            return
        self._batches_since_save += 1  # counted across epochs
        if self._batches_since_save >= self.save_freq:
            self._batches_since_save = 0
            self._save(self._epoch, logs or {}, {"batch": batch + 1})

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self.save_freq == "epoch":
            self._save(epoch, logs or {}, {})

    def get_state(self) -> dict[str, Any]:
        return {"best": self.best, "batches_since_save": self._batches_since_save}

    def set_state(self, state: dict[str, Any]) -> None:
        self.best = state["best"]
        self._batches_since_save = state["batches_since_save"]

    def _save(self, epoch: int, logs: Logs, batch: dict[str, int]) -> None:
        try:
            path = self.filepath.format(**{"epoch": epoch + 1, **batch, **logs})
        except KeyError as error:
            available = ", ".join(["epoch", *batch, *logs])
            raise KeyError(f"filepath {self.filepath!r} asks for {error}, available are: {available}") from error
        if self.save_best_only and not self._is_best(epoch, logs):
            return
        if self.verbose > 0:
            print(f"\nEpoch {epoch + 1}: saving the model to {path}", flush=True)
        if self.save_weights_only:
            self.model.save_weights(path)
        else:
            self.model.save(path)

    def _is_best(self, epoch: int, logs: Logs) -> bool:
        current = self.monitored(logs)
        if current is None:
            return True  # better a model too many than none
        if math.isnan(current):
            return False  # unlike Keras, which would keep a model that has diverged, and then nothing better than it
        if self.is_improvement(current, self.best):
            self.best = current
            return True
        if self.verbose > 0:
            print(f"\nEpoch {epoch + 1}: {self.monitor} did not improve from {self.best:.5f}", flush=True)
        return False
