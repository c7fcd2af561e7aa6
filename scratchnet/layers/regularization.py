"""Dropout."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from scratchnet import ops
from scratchnet.arrays import Shape
from scratchnet.layers.base import Layer, check_positive
from scratchnet.ops.dropout import check_rate, check_seed
from scratchnet.random import next_seed
from scratchnet.tensor import Tensor

FACTOR = 0xD1342543DE82EF95  # odd, and so spreads consecutive calls over all 64 bits


class Dropout(Layer):
    """In training, zero each element with probability `rate` and scale the rest by 1 / (1 - rate).

    What is dropped depends on the seed and on how often the layer was called in training, on nothing else.
    Srivastava et al., 2014, https://jmlr.org/papers/v15/srivastava14a.html.

    Args:
        rate: at least 0 and below 1.
        seed: of the layer's own random numbers; drawn by default, see `set_random_seed`.
        noise_shape: what is dropped together: of each axis 1 where one draw serves the whole axis, else its size or
            None. `(None, 1, 1, 1)` drops whole images, as stochastic depth does (Huang et al., 2016,
            https://arxiv.org/abs/1603.09382).
        **kwargs: `name`, `trainable`, `dtype`.
    """

    def __init__(
        self, rate: float, seed: int | None = None, *, noise_shape: Sequence[int | None] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.rate = check_rate(rate)
        self.noise_shape = None if noise_shape is None else tuple(noise_shape)
        for size in self.noise_shape or ():
            if size is not None:
                check_positive(size, "noise_shape's sizes")
        self.seed = seed
        self._key = next_seed() if seed is None else check_seed(seed)
        self._calls = 0

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        if not training or self.rate == 0:
            return inputs
        self._calls += 1
        key = (self._key + self._calls * FACTOR) % 2**64
        shape = self._drawn_shape(inputs.shape)
        if shape is None:
            return ops.dropout(inputs, self.rate, key)
        return inputs * ops.dropout(np.ones(shape, inputs.dtype), self.rate, key)

    def _drawn_shape(self, shape: Shape) -> Shape | None:
        """The shape of what is drawn, None for one draw per element."""
        if self.noise_shape is None:
            return None
        fits = len(self.noise_shape) == len(shape)
        if not fits or any(size not in {None, 1, own} for own, size in zip(shape, self.noise_shape, strict=True)):
            raise ValueError(f"{self.name}: noise_shape {self.noise_shape} does not fit inputs of shape {shape}")
        return tuple(own if size is None else size for own, size in zip(shape, self.noise_shape, strict=True))

    def counters(self) -> dict[str, int]:
        return {"key": self._key, "calls": self._calls}

    def set_counters(self, counters: Mapping[str, int]) -> None:
        self._key, self._calls = counters["key"], counters["calls"]

    def get_config(self) -> dict[str, Any]:
        noise_shape = None if self.noise_shape is None else list(self.noise_shape)
        return {**super().get_config(), "rate": self.rate, "seed": self.seed, "noise_shape": noise_shape}
