"""RMSprop."""

from collections.abc import Callable
from typing import Any

from scratchnet.kernels.optim import Table
from scratchnet.optimizers.base import Optimizer, fraction
from scratchnet.schedules import LearningRateSchedule


class RMSprop(Optimizer):
    """Divides each gradient by a running average of its size (Hinton, 2012, Coursera lecture 6e).

    Args:
        learning_rate: see `Optimizer`.
        rho: how much of the running average each step keeps, between 0 and 1.
        momentum: fraction of the last step that is taken again, between 0 and 1.
        epsilon: keeps the divisor from 0.
        centered: whether to divide by the gradient's estimated deviation instead of its size (Graves, 2013,
            https://arxiv.org/abs/1308.0850).
        weight_decay: this and the rest: see `Optimizer`.
    """

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        *,
        name: str | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm, name=name)
        self.rho = fraction("rho", rho)
        self.momentum = fraction("momentum", momentum)
        self.epsilon = epsilon
        self.centered = centered

    def get_config(self) -> dict[str, Any]:
        own = {"rho": self.rho, "momentum": self.momentum, "epsilon": self.epsilon, "centered": self.centered}
        return {**super().get_config(), **own}

    def _slot_names(self) -> tuple[str | None, ...]:
        return ("velocity", "average_gradient" if self.centered else None, "momentum" if self.momentum else None)

    def _update(self, table: Table, rate: float, scalar: Callable[[float], Any]) -> None:
        momentum, epsilon = scalar(self.momentum), scalar(self.epsilon)
        table.rmsprop(scalar(rate), scalar(self.rho), scalar(1 - self.rho), momentum, epsilon)
