"""What callbacks that watch one metric share."""

import warnings

import numpy as np

from scratchnet.callbacks.base import Callback, Logs

__all__ = ["MonitorCallback"]

# Parts of metric names that tell which way is better, where the model's metrics do not.
_HIGHER = ("acc", "auc", "precision", "recall", "f1", "fscore", "f_score")
_LOWER = ("loss", "error", "mse", "mae", "crossentropy")


class MonitorCallback(Callback):
    """Base of the callbacks that watch one metric.

    Args:
        monitor: the metric's name in the logs.
        mode: `"min"` if lower is better, `"max"` if higher is, `"auto"` to tell from the metric.
        min_delta: smaller changes are no improvement.

    Raises:
        ValueError: if `mode` is none of these.
    """

    def __init__(self, monitor: str = "val_loss", mode: str = "auto", min_delta: float = 0.0) -> None:
        super().__init__()
        if mode not in ("auto", "min", "max"):
            raise ValueError(f'mode must be "auto", "min" or "max", got {mode!r}')
        self.monitor = monitor
        self.mode = mode
        self.min_delta = abs(min_delta)
        self.best: float | None = None
        self._warned = False

    def monitored(self, logs: Logs | None) -> float | None:
        """Return the metric's value; None, with a warning the first time, if the logs do not have it.

        Raises:
            ValueError: if it is not one number.
        """
        value = (logs or {}).get(self.monitor)
        if value is None and not self._warned:
            self._warned = True
            warnings.warn(
                f"{type(self).__name__} watches {self.monitor!r}, which is not available; "
                f"available are: {', '.join(logs or {}) or 'none'}",
                stacklevel=2,
            )
        if value is not None and np.ndim(value) > 0:
            raise ValueError(f"monitor must name a metric with one value, got {self.monitor!r} of {np.shape(value)}")
        return None if value is None else float(value)

    def is_improvement(self, value: float, reference: float | None) -> bool:
        """Tell whether `value` is better than `reference` by more than `min_delta`; anything is better than None.

        Raises:
            ValueError: if mode is `"auto"` and nothing tells which way is better.
        """
        if self._direction() == "max":
            return reference is None or value - self.min_delta > reference
        return reference is None or value + self.min_delta < reference

    def _direction(self) -> str:
        if self.mode != "auto":
            return self.mode
        name = self.monitor.removeprefix("val_")
        for metric in getattr(self.model, "metrics", None) or []:
            if getattr(metric, "name", None) == name and getattr(metric, "direction", None):
                return {"up": "max", "down": "min"}[metric.direction]
        if any(part in name for part in _LOWER):
            return "min"
        if any(part in name for part in _HIGHER):
            return "max"
        raise ValueError(
            f'mode must be "min" or "max", "auto" cannot tell which is better for monitor={self.monitor!r}'
        )
