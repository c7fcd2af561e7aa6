"""Layers that shift and scale their inputs."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from scratchnet import ops
from scratchnet.arrays import AnyArray, Shape
from scratchnet.layers.base import Layer
from scratchnet.layers.symbolic import BatchShape
from scratchnet.parameter import assign_all
from scratchnet.tensor import Tensor

SMALLEST_DEVIATION = 1e-7  # Keras's epsilon
NUMBERS = 1 << 20  # that `adapt` looks at together, in float64


class Rescaling(Layer):
    """`x * scale + offset`, for example from bytes to [0, 1].

    Args:
        scale: the factor, one or one per channel.
        offset: what is added, one or one per channel.
        **kwargs: `name`, `trainable`, `dtype`.

    Raises:
        ValueError: they hold no numbers, or more than the inputs have channels.
    """

    def __init__(self, scale: float | Sequence[float], offset: float | Sequence[float] = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale = _checked(scale, "scale")
        self.offset = _checked(offset, "offset")

    def compute_output_shape(self, input_shape: BatchShape) -> BatchShape:
        for name in ("scale", "offset"):
            sizes = np.shape(getattr(self, name))
            own = input_shape[len(input_shape) - len(sizes) :] if len(sizes) <= len(input_shape) else ()
            if len(own) != len(sizes) or any(n not in {1, m} for n, m in zip(sizes, own, strict=True)):
                raise ValueError(f"{self.name} has the {name} of shape {sizes} for inputs of shape {input_shape}")
        return input_shape

    def build(self, input_shape: BatchShape) -> None:
        self.compute_output_shape(input_shape)  # for its error

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        scale, offset = np.asarray(self.scale, inputs.dtype), np.asarray(self.offset, inputs.dtype)
        return inputs * Tensor(scale) + Tensor(offset)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "scale": self.scale, "offset": self.offset}


class Normalization(Layer):
    """`(x - mean) / sqrt(variance)`, with statistics that `adapt` takes from data, or that are given.

    Args:
        axis: along which each place has statistics of its own, as one int, several, or None for one mean of everything.
        mean: of each such place, or one for all; None if `adapt` or a file provides it.
        variance: like the mean.
        invert: whether `x * sqrt(variance) + mean` is computed instead.
        **kwargs: `name`, `trainable`, `dtype`.

    Raises:
        ValueError: only one of mean and variance is given, or their shapes differ.

    >>> layer = Normalization(mean=3.0, variance=4.0)
    >>> layer(np.array([[1.0, 5.0]])).data
    array([[-1.,  1.]], dtype=float32)
    """

    def __init__(
        self, axis: int | Sequence[int] | None = -1, mean: Any = None, variance: Any = None, invert: bool = False,
        **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(**kwargs)
        self.axis = () if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
        self.mean, self.variance = _statistic(mean, "mean"), _statistic(variance, "variance")
        if np.shape(self.mean) != np.shape(self.variance) or (self.mean is None) != (self.variance is None):
            raise ValueError(f"mean and variance must be given together, in one shape, got {mean!r} and {variance!r}")
        if np.ndim(self.mean) > len(self.axis):
            raise ValueError(f"mean must not have more axes than axis={self.axis}, got {mean!r}")
        self.invert = bool(invert)

    def build(self, input_shape: BatchShape) -> None:
        rank = len(input_shape)
        if any(not -rank <= axis < rank for axis in self.axis):
            raise ValueError(f"{self.name} normalises axis {self.axis}, which shape {input_shape} does not have")
        self._kept = tuple(sorted({axis % rank for axis in self.axis}))
        sizes = tuple(input_shape[axis] for axis in self._kept)
        if len(sizes) != len(self.axis) or None in sizes:
            raise ValueError(f"{self.name} needs different axes of known size, got {self.axis} for {input_shape}")
        known: Shape = tuple(size for size in sizes if size is not None)
        self._broadcast = tuple(known[self._kept.index(axis)] if axis in self._kept else 1 for axis in range(rank))
        if self.mean is None:
            self._mean = self.add_weight("mean", known, "zeros", trainable=False)
            self._variance = self.add_weight("variance", known, "ones", trainable=False)
            self._count = self.add_weight("count", (), "zeros", trainable=False)  # as in Keras, which keeps it unused
        else:
            self._spread(np.asarray(self.mean, self.dtype))  # for its error

    def _spread(self, values: AnyArray) -> AnyArray:
        """Statistics in a shape that fits the inputs."""
        try:
            full = np.broadcast_to(values, [self._broadcast[axis] for axis in self._kept])
        except ValueError:
            raise ValueError(
                f"{self.name} has statistics of shape {values.shape} for inputs whose axes {self._kept} have the sizes "
                f"{[self._broadcast[axis] for axis in self._kept]}"
            ) from None
        return full.reshape(self._broadcast)

    def statistics(self, dtype: Any) -> tuple[Tensor, Tensor]:
        """The mean and the deviation, in shapes that fit the inputs."""
        if self.mean is None:
            mean, variance = self._mean.data, self._variance.data
        else:
            mean, variance = np.asarray(self.mean, self.dtype), np.asarray(self.variance, self.dtype)
        smallest = np.dtype(dtype).type(SMALLEST_DEVIATION)
        return Tensor(self._spread(mean)), Tensor(np.maximum(np.sqrt(self._spread(variance)), smallest))

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        shift, deviation = self.statistics(inputs.dtype)
        return inputs * deviation + shift if self.invert else ops.divide(inputs - shift, deviation)

    def compute_output_shape(self, input_shape: BatchShape) -> BatchShape:
        if self.built:
            self._check_sizes(input_shape)
        return input_shape

    def adapt(self, data: Any) -> None:
        """Take mean and variance from data, batch by batch in float64.

        Args:
            data: an array (samples, ...), or an iterable of such arrays, read once: a list of batches, a generator, a
                dataset. Of tuples, such as `(x, y)`, the first counts.

        Raises:
            ValueError: the statistics were given already, there are no numbers, or the data's shape does not fit.
        """
        if self.mean is not None:
            raise ValueError(f"{self.name} was given its mean and variance; leave them out to adapt it")
        count, mean, variance = 0, np.zeros(()), np.zeros(())
        for batch in _batches(data):
            self._ensure_built([(None, *batch.shape[1:])])
            self._check_sizes(batch.shape)
            others = tuple(axis for axis in range(batch.ndim) if axis not in self._kept)
            size = math.prod(batch.shape[axis] for axis in others)
            if not size:
                continue
            # the joint statistics of two sets: Chan, Golub & LeVeque, 1983, https://doi.org/10.2307/2683386
            share, step = size / (count + size), batch.mean(axis=others, dtype=np.float64) - mean
            count, mean = count + size, mean + step * share
            variance = (variance + step**2 * share) * (1 - share) + batch.var(axis=others, dtype=np.float64) * share
        if not count:
            raise ValueError(f"{self.name} cannot adapt to data without samples")
        assign_all([self._mean, self._variance], [mean, variance])

    def _check_sizes(self, shape: BatchShape) -> None:
        wanted = [self._broadcast[axis] for axis in self._kept]
        rank = len(self._broadcast)
        if len(shape) != rank or any(shape[axis] not in {None, self._broadcast[axis]} for axis in self._kept):
            raise ValueError(
                f"{self.name} was built for {rank} axes, of which {self._kept} have the sizes {wanted}, "
                f"got shape {shape}"
            )

    def get_config(self) -> dict[str, Any]:
        own = {"axis": list(self.axis), "mean": self.mean, "variance": self.variance, "invert": self.invert}
        return {**super().get_config(), **own}


def _batches(data: Any) -> Iterator[AnyArray]:
    """What `adapt` takes, as batches of about `NUMBERS` numbers."""

    def inputs(item: Any) -> Any:
        return item[0] if isinstance(item, tuple) and item else item

    several = isinstance(data, Iterable) and not hasattr(data, "__array__")
    if isinstance(data, Sequence) and data:  # one of Python's numbers is an array
        several = any(getattr(inputs(item), "ndim", 0) for item in data)
    for item in data if several else [data]:
        batch = np.asarray(inputs(item) if several else item)
        if batch.dtype.kind not in "biuf" or not batch.ndim:
            raise ValueError(f"data must hold arrays of numbers (samples, ...), got {item!r:.80}")
        rows = max(1, NUMBERS // max(1, math.prod(batch.shape[1:])))
        for start in range(0, len(batch), rows):
            yield batch[start : start + rows]


def _checked(value: Any, name: str) -> Any:
    """`value` as JSON can hold it, if it is a number, or several in a list or an array."""
    if value is None or np.asarray(value).dtype.kind not in "iuf":
        raise ValueError(f"{name} must hold numbers, got {value!r:.80}")
    return np.asarray(value).tolist()


def _statistic(value: Any, name: str) -> Any:
    return None if value is None else _checked(value, name)
