"""Dropout."""

from collections.abc import Mapping
from typing import Any

from scratchnet import ops
from scratchnet.layers.base import Layer
from scratchnet.ops.dropout import check_rate, check_seed
from scratchnet.random import next_seed
from scratchnet.tensor import Tensor


class Dropout(Layer):
    """In training, zero each element with probability `rate` and scale the rest by 1 / (1 - rate).

    What is dropped depends on the seed and on how often the layer was called in training, on nothing else.
    Srivastava et al., 2014, https://jmlr.org/papers/v15/srivastava14a.html.

    Args:
        rate: at least 0 and below 1.
        seed: of the layer's own random numbers; drawn from the global generator by default.
        **kwargs: `name`, `trainable`, `dtype`.
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = check_rate(rate)
        self.seed = seed
        self._key = next_seed() if seed is None else check_seed(seed)
        self._calls = 0

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        if not training or self.rate == 0:
            return inputs
        self._calls += 1
        # an odd factor spreads consecutive calls over all 64 bits
        return ops.dropout(inputs, self.rate, (self._key + self._calls * 0xD1342543DE82EF95) % 2**64)

    def counters(self) -> dict[str, int]:
        return {"key": self._key, "calls": self._calls}

    def set_counters(self, counters: Mapping[str, int]) -> None:
        self._key, self._calls = counters["key"], counters["calls"]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}
