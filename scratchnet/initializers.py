"""Initial values of weights.

A random initialiser keeps its seed, and every call starts again from it: one instance gives the same values for the
same shape each time, as in Keras. An instance made without a seed draws one from `scratchnet.random` when it is made.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

from scratchnet import random, serialization
from scratchnet.arrays import FloatArray, as_float_type

__all__ = [
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "compute_fans",
    "get",
    "serialize",
]


class Initializer:
    """Makes an array of initial values from a shape."""

    def __call__(self, shape: Sequence[int], dtype: DTypeLike = np.float32) -> FloatArray:
        """Return a new array.

        Args:
            shape: the array's shape.
            dtype: float32 or float64.
        """
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON-able values."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Build an initialiser from what `get_config` returned."""
        return cls(**config)


class Zeros(Initializer):
    """All values 0."""

    def __call__(self, shape: Sequence[int], dtype: DTypeLike = np.float32) -> FloatArray:
        return np.zeros(shape, as_float_type(dtype))


class Ones(Initializer):
    """All values 1."""

    def __call__(self, shape: Sequence[int], dtype: DTypeLike = np.float32) -> FloatArray:
        return np.ones(shape, as_float_type(dtype))


class Constant(Initializer):
    """All values the same.

    Args:
        value: the value.
    """

    def __init__(self, value: float = 0.0) -> None:
        self.value = value

    def __call__(self, shape: Sequence[int], dtype: DTypeLike = np.float32) -> FloatArray:
        return np.full(shape, self.value, as_float_type(dtype))

    def get_config(self) -> dict[str, Any]:
        return {"value": self.value}


class RandomInitializer(Initializer):
    """Base of the random ones: keeps the seed.

    Args:
        seed: a non-negative int, or None to draw one.

    Raises:
        ValueError: if `seed` is neither.
    """

    def __init__(self, seed: int | None = None) -> None:
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0):
            raise ValueError(f"seed must be a non-negative int or None, got {seed!r}")
        self.seed = seed
        self._drawn_seed = random.next_seed() if seed is None else int(seed)

    def _generator(self) -> np.random.Generator:
        return np.random.default_rng(self._drawn_seed)

    def get_config(self) -> dict[str, Any]:
        return {"seed": self.seed}


class RandomUniform(RandomInitializer):
    """Values spread evenly over `[minval, maxval)`.

    Args:
        minval: lower bound.
        maxval: upper bound.
        seed: see `RandomInitializer`.
    """

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None) -> None:
        super().__init__(seed)
        if not minval <= maxval:
            raise ValueError(f"minval must not exceed maxval, got minval={minval}, maxval={maxval}")
        self.minval = minval
        self.maxval = maxval

    def __call__(self, shape: Sequence[int], dtype: DTypeLike = np.float32) -> FloatArray:
        return random.uniform(self._generator(), shape, self.minval, self.maxval, dtype)

    def get_config(self) -> dict[str, Any]:
        return {"minval": self.minval, "maxval": self.maxval, **super().get_config()}


class RandomNormal(RandomInitializer):
    """Values from a normal distribution.

    Args:
        mean: its mean.
        stddev: its standard deviation.
        seed: see `RandomInitializer`.
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        super().__init__(seed)
        if not stddev >= 0:
            raise ValueError(f"stddev must not be negative, got {stddev}")
        self.mean = mean
        self.stddev = stddev

    def __call__(self, shape: Sequence[int], dtype: DTypeLike = np.float32) -> FloatArray:
        return random.normal(self._generator(), shape, self.mean, self.stddev, dtype)

    def get_config(self) -> dict[str, Any]:
        return {"mean": self.mean, "stddev": self.stddev, **super().get_config()}


class TruncatedNormal(RandomNormal):
    """Values from a normal distribution, redrawn when further than two standard deviations from the mean.

    Args:
        mean: the mean.
        stddev: the standard deviation before truncation.
        seed: see `RandomInitializer`.
    """

    def __call__(self, shape: Sequence[int], dtype: DTypeLike = np.float32) -> FloatArray:
        return random.truncated_normal(self._generator(), shape, self.mean, self.stddev, dtype)


class VarianceScaling(RandomInitializer):
    """Zero-mean values with variance `scale / n`, so that signals keep their size from layer to layer.

    Args:
        scale: a positive factor.
        mode: `n` is `"fan_in"` (inputs of one unit), `"fan_out"`, or `"fan_avg"`, their mean.
        distribution: `"truncated_normal"`, `"untruncated_normal"` or `"uniform"`. The variance is that of the values
            after truncation.
        seed: see `RandomInitializer`.
        input_axes: axes whose lengths multiply to fan_in; needs `output_axes`. By default all but the last.
        output_axes: axes whose lengths multiply to fan_out.

    Raises:
        ValueError: if an argument is none of these.
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(seed)
        distribution = {"normal": "truncated_normal"}.get(distribution.lower(), distribution.lower())
        if not scale > 0:
            raise ValueError(f"scale must be positive, got {scale}")
        if mode not in ("fan_in", "fan_out", "fan_avg"):
            raise ValueError(f'mode must be "fan_in", "fan_out" or "fan_avg", got {mode!r}')
        if distribution not in ("truncated_normal", "untruncated_normal", "uniform"):
            raise ValueError(
                f'distribution must be "truncated_normal", "untruncated_normal" or "uniform", got {distribution!r}'
            )
        self.scale = scale
        self.mode = mode
        self.distribution = distribution
        self.input_axes = None if input_axes is None else tuple(input_axes)
        self.output_axes = None if output_axes is None else tuple(output_axes)

    def __call__(self, shape: Sequence[int], dtype: DTypeLike = np.float32) -> FloatArray:
        fan_in, fan_out = compute_fans(shape, self.input_axes, self.output_axes)
        n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        variance = self.scale / max(1.0, n)
        generator = self._generator()
        if self.distribution == "uniform":  # the variance of U(-limit, limit) is limit^2 / 3
            limit = math.sqrt(3 * variance)
            return random.uniform(generator, shape, -limit, limit, dtype)
        if self.distribution == "untruncated_normal":
            return random.normal(generator, shape, 0.0, math.sqrt(variance), dtype)
        return random.truncated_normal(generator, shape, 0.0, math.sqrt(variance) / _TRUNCATED_STDDEV, dtype)

    def get_config(self) -> dict[str, Any]:
        config = {"scale": self.scale, "mode": self.mode, "distribution": self.distribution}
        return {**config, **self._seed_and_axes()}

    def _seed_and_axes(self) -> dict[str, Any]:
        # Older Keras versions know no axes: they are named only where they are set.
        axes = {"input_axes": self.input_axes, "output_axes": self.output_axes}
        return {"seed": self.seed, **{name: list(value) for name, value in axes.items() if value is not None}}


class _NamedScaling(VarianceScaling):
    # A VarianceScaling whose factor, mode and distribution are fixed by its name.
    _scale: float
    _mode: str
    _distribution: str

    def __init__(
        self,
        seed: int | None = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(self._scale, self._mode, self._distribution, seed, input_axes, output_axes)

    def get_config(self) -> dict[str, Any]:
        return self._seed_and_axes()


class GlorotUniform(_NamedScaling):
    """Uniform, variance `2 / (fan_in + fan_out)` (Glorot and Bengio, 2010, https://proceedings.mlr.press/v9/glorot10a)."""

    _scale, _mode, _distribution = 1.0, "fan_avg", "uniform"


class GlorotNormal(_NamedScaling):
    """Truncated normal, variance `2 / (fan_in + fan_out)` (Glorot and Bengio, 2010)."""

    _scale, _mode, _distribution = 1.0, "fan_avg", "truncated_normal"


class HeUniform(_NamedScaling):
    """Uniform, variance `2 / fan_in`, for ReLU networks (He et al., 2015, https://arxiv.org/abs/1502.01852)."""

    _scale, _mode, _distribution = 2.0, "fan_in", "uniform"


class HeNormal(_NamedScaling):
    """Truncated normal, variance `2 / fan_in`, for ReLU networks (He et al., 2015)."""

    _scale, _mode, _distribution = 2.0, "fan_in", "truncated_normal"


class LecunUniform(_NamedScaling):
    """Uniform, variance `1 / fan_in` (LeCun et al., Efficient BackProp, 1998; Klambauer et al., 2017, for SELU)."""

    _scale, _mode, _distribution = 1.0, "fan_in", "uniform"


class LecunNormal(_NamedScaling):
    """Truncated normal, variance `1 / fan_in` (LeCun et al., 1998)."""

    _scale, _mode, _distribution = 1.0, "fan_in", "truncated_normal"


class Orthogonal(RandomInitializer):
    """A random matrix with orthonormal rows or columns (Saxe et al., 2014, https://arxiv.org/abs/1312.6120).

    The last axis counts the columns, all others together the rows; whichever are fewer are orthonormal.

    Args:
        gain: factor on the matrix.
        seed: see `RandomInitializer`.
    """

    def __init__(self, gain: float = 1.0, seed: int | None = None) -> None:
        super().__init__(seed)
        self.gain = gain

    def __call__(self, shape: Sequence[int], dtype: DTypeLike = np.float32) -> FloatArray:
        if len(shape) < 2:
            raise ValueError(f"shape must have at least two axes for an orthogonal matrix, got {tuple(shape)}")
        rows, columns = math.prod(shape[:-1]), shape[-1]
        gaussian = self._generator().standard_normal((max(rows, columns), min(rows, columns)))
        q, r = np.linalg.qr(gaussian)
        # QR leaves each column's sign to the algorithm; the signs of r make the matrix uniformly distributed.
        q *= np.sign(np.diag(r))
        matrix = self.gain * (q if rows >= columns else q.T)
        return np.ascontiguousarray(matrix, as_float_type(dtype)).reshape(shape)

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain, **super().get_config()}


def compute_fans(
    shape: Sequence[int],
    input_axes: Sequence[int] | None = None,
    output_axes: Sequence[int] | None = None,
) -> tuple[int, int]:
    """Count the inputs and outputs that one weight tensor connects.

    Args:
        shape: `(inputs, outputs)` of a dense kernel, `(*window, inputs, outputs)` of a convolution's, where the fans
            are multiplied by the window's size. The single axis of a vector counts as both.
        input_axes: axes whose lengths multiply to fan_in, where both lists of axes are given.
        output_axes: axes whose lengths multiply to fan_out.

    Returns:
        `(fan_in, fan_out)`.
    """
    if input_axes is not None and output_axes is not None:
        return math.prod(shape[axis] for axis in input_axes), math.prod(shape[axis] for axis in output_axes)
    if len(shape) < 2:
        size = math.prod(shape)
        return size, size
    window = math.prod(shape[:-2])
    return window * shape[-2], window * shape[-1]


# The standard deviation of a standard normal distribution cut off at +-2: sqrt(1 - 2 * 2 * density(2) / mass(-2..2)).
_TRUNCATED_STDDEV = math.sqrt(1 - 4 * math.exp(-2) / math.sqrt(2 * math.pi) / math.erf(math.sqrt(2)))


_REGISTRY: Mapping[str, type[Initializer]] = {
    "zeros": Zeros,
    "ones": Ones,
    "constant": Constant,
    "random_uniform": RandomUniform,
    "random_normal": RandomNormal,
    "truncated_normal": TruncatedNormal,
    "variance_scaling": VarianceScaling,
    "glorot_uniform": GlorotUniform,
    "glorot_normal": GlorotNormal,
    "he_uniform": HeUniform,
    "he_normal": HeNormal,
    "lecun_uniform": LecunUniform,
    "lecun_normal": LecunNormal,
    "orthogonal": Orthogonal,
}


def get(identifier: Initializer | str | Mapping[str, Any] | None) -> Initializer | None:
    """Return the initialiser that `identifier` names, see `scratchnet.serialization.deserialize`."""
    return serialization.deserialize("initializer", _REGISTRY, identifier, Initializer)


def serialize(initializer: Initializer | None) -> dict[str, Any] | None:
    """Describe an initialiser so that `get` can build it again."""
    return serialization.serialize(initializer)
