"""Adam and its variants AMSGrad and AdamW."""

from collections.abc import Callable
from typing import Any

import numpy as np

from scratchnet.kernels.optim import Table
from scratchnet.optimizers.base import Optimizer, fraction
from scratchnet.schedules import LearningRateSchedule


class Adam(Optimizer):
    """Momentum, divided by a running average of the gradient's size (Kingma and Ba, 2015, arXiv:1412.6980).

    Args:
        learning_rate: see `Optimizer`.
        beta_1: how much of the average gradient each step keeps, between 0 and 1.
        beta_2: how much of the average squared gradient each step keeps, between 0 and 1.
        epsilon: keeps the divisor from 0 (the paper's epsilon hat).
        amsgrad: whether to divide by the largest average so far (Reddi et al., 2018,
            https://openreview.net/forum?id=ryQu7f-RZ).
        weight_decay: this and the rest: see `Optimizer`.
    """

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        *,
        name: str | None = None,
    ) -> None:
        super().__init__(learning_rate, weight_decay, clipnorm, clipvalue, global_clipnorm, name=name)
        self.beta_1 = fraction("beta_1", beta_1)
        self.beta_2 = fraction("beta_2", beta_2)
        self.epsilon = epsilon
        self.amsgrad = amsgrad

    def get_config(self) -> dict[str, Any]:
        own = {"beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon, "amsgrad": self.amsgrad}
        return {**super().get_config(), **own}

    def _slot_names(self) -> tuple[str | None, ...]:
        return ("momentum", "velocity", "velocity_hat") if self.amsgrad else ("momentum", "velocity")

    def _update(self, table: Table, rate: float, scalar: Callable[[float], Any]) -> None:
        # In the weights' own precision, as in Keras: in float32, 1 - beta_2^1 is .00099999 and the first steps feel it.
        t, one = scalar(self.iterations + 1), scalar(1)
        alpha = scalar(rate) * np.sqrt(one - scalar(self.beta_2) ** t) / (one - scalar(self.beta_1) ** t)
        table.adam(alpha, scalar(1 - self.beta_1), scalar(1 - self.beta_2), scalar(self.epsilon), self.amsgrad)


class AdamW(Adam):
    """Adam with weight decay on by default (Loshchilov and Hutter, 2019, https://arxiv.org/abs/1711.05101).

    Args:
        learning_rate: see `Optimizer`.
        weight_decay: see `Optimizer`; must be given.
        beta_1: this and the rest: see `Adam`.
    """

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        *,
        name: str | None = None,
    ) -> None:
        if weight_decay is None:
            raise ValueError("weight_decay must be a number, got None; use Adam for none")
        clipping = {"clipnorm": clipnorm, "clipvalue": clipvalue, "global_clipnorm": global_clipnorm}
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay, **clipping, name=name)
