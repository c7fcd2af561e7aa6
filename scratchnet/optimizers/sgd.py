"""Gradient descent."""

from collections.abc import Callable
from typing import Any

from scratchnet.kernels.optim import Table
from scratchnet.optimizers.base import Optimizer, fraction
from scratchnet.schedules import LearningRateSchedule


class SGD(Optimizer):
    """Gradient descent, with or without momentum.

    Args:
        learning_rate: see `Optimizer`.
        momentum: fraction of the last step that is taken again, between 0 and 1 (Polyak, 1964).
        nesterov: whether to look one step ahead (Nesterov, 1983; in this form Sutskever et al., 2013,
            https://proceedings.mlr.press/v28/sutskever13.html).
        weight_decay: this and the rest: see `Optimizer`.
    """

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        *,
        name: str | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm, name=name)
        self.momentum = fraction("momentum", momentum)
        self.nesterov = nesterov

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "momentum": self.momentum, "nesterov": self.nesterov}

    def _slot_names(self) -> tuple[str | None, ...]:
        return ("momentum",) if self.momentum else ()

    def _update(self, table: Table, rate: float, scalar: Callable[[float], Any]) -> None:
        if self.momentum:
            table.momentum_sgd(scalar(rate), scalar(self.momentum), self.nesterov)
        else:
            table.sgd(scalar(rate))
