"""Learning rates that follow the training step.

Steps count the optimiser's updates, from 0. A schedule is a plain function of the step, so a resumed run continues it
exactly where it stopped.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, Self

from scratchnet import serialization

__all__ = ["CosineDecay", "ExponentialDecay", "LearningRateSchedule", "PiecewiseConstantDecay", "get", "serialize"]


class LearningRateSchedule:
    """Maps a step to a learning rate."""

    def __call__(self, step: int) -> float:
        """Return the learning rate of the update that follows `step` earlier ones."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON-able values."""
        raise NotImplementedError

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Build a schedule from what `get_config` returned."""
        return cls(**config)


class PiecewiseConstantDecay(LearningRateSchedule):
    """`values[0]` up to and including step `boundaries[0]`, then `values[1]`, and so on.

    Args:
        boundaries: increasing steps.
        values: one learning rate more than there are boundaries.
        name: kept for Keras's sake.

    Raises:
        ValueError: if the lengths do not match or the boundaries do not increase.
    """

    def __init__(self, boundaries: Sequence[float], values: Sequence[float], name: str = "PiecewiseConstant") -> None:
        if len(values) != len(boundaries) + 1:
            raise ValueError(
                f"values must hold one learning rate more than boundaries has steps, "
                f"got {len(values)} values and {len(boundaries)} boundaries"
            )
        if any(left >= right for left, right in itertools.pairwise(boundaries)):
            raise ValueError(f"boundaries must increase, got {list(boundaries)}")
        self.boundaries = list(boundaries)
        self.values = list(values)
        self.name = name

    def __call__(self, step: int) -> float:
        passed = sum(step > boundary for boundary in self.boundaries)
        return float(self.values[passed])

    def get_config(self) -> dict[str, Any]:
        return {"boundaries": self.boundaries, "values": self.values, "name": self.name}


class ExponentialDecay(LearningRateSchedule):
    """Multiplies by `decay_rate` every `decay_steps` steps.

    Args:
        initial_learning_rate: the rate at step 0.
        decay_steps: a positive number of steps.
        decay_rate: the factor.
        staircase: whether to multiply once every `decay_steps` steps instead of a little at each.
        name: kept for Keras's sake.

    Raises:
        ValueError: if `decay_steps` is not positive.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
        name: str = "ExponentialDecay",
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = _positive("decay_steps", decay_steps)
        self.decay_rate = decay_rate
        self.staircase = staircase
        self.name = name

    def __call__(self, step: int) -> float:
        # initial * rate^(step / steps), the exponent rounded down on a staircase
        exponent = step // self.decay_steps if self.staircase else step / self.decay_steps
        return float(self.initial_learning_rate * self.decay_rate**exponent)

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "decay_rate": self.decay_rate,
            "staircase": self.staircase,
            "name": self.name,
        }


class CosineDecay(LearningRateSchedule):
    """Falls along half a cosine, after an optional linear warm-up (Loshchilov and Hutter, 2017, arXiv:1608.03983).

    Args:
        initial_learning_rate: the rate at step 0.
        decay_steps: the fall's length in steps, not counting the warm-up.
        alpha: the rate after the fall, as a fraction of the rate before it.
        name: kept for Keras's sake.
        warmup_target: the rate at the end of the warm-up, where the fall starts; None for no warm-up, whatever
            `warmup_steps` says.
        warmup_steps: the warm-up's length in steps.

    Raises:
        ValueError: if `decay_steps` is not positive or `warmup_steps` is negative.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        alpha: float = 0.0,
        name: str = "CosineDecay",
        warmup_target: float | None = None,
        warmup_steps: int = 0,
    ) -> None:
        if warmup_steps < 0:
            raise ValueError(f"warmup_steps must not be negative, got {warmup_steps}")
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = _positive("decay_steps", decay_steps)
        self.alpha = alpha
        self.name = name
        self.warmup_target = warmup_target
        self.warmup_steps = warmup_steps

    def __call__(self, step: int) -> float:
        peak, start = self.initial_learning_rate, 0
        if self.warmup_target is not None:
            peak, start = self.warmup_target, self.warmup_steps
        if step < start:
            return self.initial_learning_rate + (peak - self.initial_learning_rate) * step / start
        # peak * ((1 - alpha) * (1 + cos(pi * progress)) / 2 + alpha)
        progress = min(step - start, self.decay_steps) / self.decay_steps
        cosine = 0.5 * (1 + math.cos(math.pi * progress))
        return peak * ((1 - self.alpha) * cosine + self.alpha)

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "alpha": self.alpha,
            "name": self.name,
            "warmup_target": self.warmup_target,
            "warmup_steps": self.warmup_steps,
        }


def _positive(name: str, value: int) -> int:
    if not value > 0:
        raise ValueError(f"{name} must be positive, got {value}")
    return value


_REGISTRY: Mapping[str, type[LearningRateSchedule]] = {
    "PiecewiseConstantDecay": PiecewiseConstantDecay,
    "ExponentialDecay": ExponentialDecay,
    "CosineDecay": CosineDecay,
}


def get(identifier: LearningRateSchedule | Mapping[str, Any] | None) -> LearningRateSchedule | None:
    """Return the schedule that `identifier` describes, see `scratchnet.serialization.deserialize`."""
    return serialization.deserialize("schedule", _REGISTRY, identifier, LearningRateSchedule)


def serialize(schedule: LearningRateSchedule | None) -> dict[str, Any] | None:
    """Describe a schedule so that `get` can build it again."""
    return serialization.serialize(schedule)
