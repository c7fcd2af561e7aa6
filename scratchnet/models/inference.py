"""A trained model as a plan of fused kernels: what `predict` runs.

Batch normalisation is folded into the convolution or dense layer before it, or becomes a scale and a shift at the end
of that layer's kernel; ReLU and max pooling join the kernel too; weights are packed once. Layers that have no kernel
of their own here run as they are. A plan belongs to one state of the weights: see `Parameter.version`.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numba import get_num_threads

from scratchnet import layers, ops
from scratchnet.activations import linear
from scratchnet.arrays import FloatArray, Shape
from scratchnet.kernels import conv, gemm, norm
from scratchnet.kernels.patches import Affine
from scratchnet.layers.base import Layer
from scratchnet.layers.symbolic import Node, SymbolicTensor
from scratchnet.models.fusion import Step, chain, followers, is_relu, steps_by_itself
from scratchnet.models.schedule import Schedule
from scratchnet.ops.geometry import check_images, slide
from scratchnet.tensor import Parameter, Tensor

Run: TypeAlias = Callable[[list[Tensor], bool], list[Tensor]]
ArrayFunction: TypeAlias = Callable[[FloatArray], FloatArray]

SIZES_KEPT = 64  # sizes of batches and images whose geometry a plan remembers


class _Ending:
    """What follows a layer's sums, gathered call by call: `pool(relu(sums) * scale + shift) * scale + shift`."""

    def __init__(self, kernel: FloatArray, bias: FloatArray | None) -> None:
        self.kernel = kernel
        self.bias = bias
        self.relu = False
        self.pool: Shape = (0, 0)
        self.affine: tuple[FloatArray, FloatArray] | None = None
        self.pooled: tuple[FloatArray, FloatArray] | None = None

    def take(self, layer: Layer, can_pool: bool) -> bool:
        """Whether the layer's call could be joined; it is then."""
        if type(layer) is layers.Dropout or (type(layer) is layers.Activation and layer.activation is linear):
            return True
        if is_relu(layer):
            if self.affine is not None or self.pooled is not None:
                return False
            self.relu = True  # max(0, .) and a max pool may change places
            return True
        if can_pool and steps_by_itself(layer) and not self.pool[0]:
            assert isinstance(layer, layers.MaxPooling2D)
            self.pool = layer.pool_size
            return True
        if type(layer) is layers.BatchNormalization:
            self._normalize(*scale_and_shift(layer))
            return True
        return False

    def _normalize(self, scale: FloatArray, shift: FloatArray) -> None:
        if self.pool[0]:
            self.pooled = _composed(self.pooled, scale, shift)
        elif self.relu or self.affine is not None:
            self.affine = _composed(self.affine, scale, shift)
        else:
            self.kernel = self.kernel * scale
            self.bias = shift if self.bias is None else self.bias * scale + shift


def _composed(
    earlier: tuple[FloatArray, FloatArray] | None, scale: FloatArray, shift: FloatArray
) -> tuple[FloatArray, FloatArray]:
    return (scale, shift) if earlier is None else (earlier[0] * scale, earlier[1] * scale + shift)


def scale_and_shift(layer: layers.BatchNormalization) -> tuple[FloatArray, FloatArray]:
    """A normalisation by its moving averages as `x * scale + shift`."""
    mean, variance = layer.moving_mean.data, layer.moving_variance.data
    scale = 1 / np.sqrt(variance + variance.dtype.type(layer.epsilon))
    if layer.gamma is not None:
        scale = scale * layer.gamma.data
    shift = -mean * scale if layer.beta is None else layer.beta.data - mean * scale
    return scale, shift


def _gather(ending: _Ending, activation: Any, following: list[Node], can_pool: bool) -> tuple[list[Node], Any]:
    """Join what can be joined; returns the calls and an activation that remains to be applied, or None."""
    if activation is ops.relu:
        ending.relu = True
    elif activation is not linear:
        return [], activation
    calls = []
    for node in following:
        if not ending.take(node.layer, can_pool):
            break
        calls.append(node)
    return calls, None


class _Convolution:
    """A convolution with its ending, from array to array."""

    def __init__(self, layer: layers.Conv2D, ending: _Ending) -> None:
        self.layer = layer
        self.ending = ending
        scale, shift = ending.affine or (None, None)
        pooled = None if ending.pooled is None else np.ascontiguousarray(np.stack(ending.pooled))
        self.affine = Affine(scale, shift, pooled)
        self.fused = conv.Fused(ending.relu, ending.pool)
        self.bound: dict[tuple[Any, ...], ArrayFunction] = {}
        self.prepared: dict[bool, conv.Prepared] = {}

    def __call__(self, x: FloatArray) -> FloatArray:
        key = (x.shape, get_num_threads())
        function = self.bound.get(key)
        if function is None:
            function = self._bind(x.shape)
            if len(self.bound) < SIZES_KEPT:
                self.bound[key] = function
        return function(x)

    def _bind(self, shape: Shape) -> ArrayFunction:
        """For images of this shape; threads that meet here do it twice, with one result."""
        layer, kernel, pool = self.layer, self.ending.kernel, self.fused.pool
        check_images(shape, layer.name)
        _check_channels(layer, shape, kernel.shape[2] * layer.groups)
        size = (shape[1], shape[2])
        window, out_size = slide(size, layer.kernel_size, layer.strides, layer.padding, layer.dilation_rate)
        if pool[0] > out_size[0] or pool[1] > out_size[1]:
            raise ValueError(f"pool_size {pool} does not fit the {out_size[0]}x{out_size[1]} pixels of {layer.name}")
        geometry = (window, out_size, layer.groups, shape[0])
        winograd = conv.uses_winograd(kernel.shape, *geometry, kernel.dtype, pool, prepared=True)
        prepared = self.prepared.get(winograd)
        if prepared is None:
            prepared = conv.prepare(kernel, self.ending.bias, *geometry, pool, winograd, self.affine)
            self.prepared[winograd] = prepared
        return conv.bind(shape, kernel.dtype, prepared, window, out_size, layer.groups, self.fused)


class _Dense:
    """A dense layer with its ending, from array to array."""

    def __init__(self, layer: layers.Dense, ending: _Ending) -> None:
        self.layer = layer
        self.kernel = np.ascontiguousarray(ending.kernel)
        self.relu = ending.relu
        scale, shift = ending.affine or (None, None)
        self.after = gemm.finishing(self.kernel.shape[1], self.kernel.dtype, ending.bias, scale, shift)

    def __call__(self, x: FloatArray) -> FloatArray:
        if x.shape[-1] != len(self.kernel):
            raise ValueError(f"{self.layer.name} was built for {len(self.kernel)} features, got shape {x.shape}")
        if x.ndim == 2:
            return gemm.matmul(x, self.kernel, after=self.after, relu=self.relu)
        y = gemm.matmul(x.reshape(-1, x.shape[-1]), self.kernel, after=self.after, relu=self.relu)
        return y.reshape(*x.shape[:-1], y.shape[-1])


def _flatten(x: FloatArray) -> FloatArray:
    return x.reshape(len(x), math.prod(x.shape[1:]))


class _Chain:
    """Functions of arrays, one after the other, and an activation at the end."""

    def __init__(self, layer: Layer) -> None:
        self.layer = layer
        self.functions: list[ArrayFunction] = []
        self.activation: Any = None

    def run(self, inputs: list[Tensor], training: bool) -> list[Tensor]:
        x = np.ascontiguousarray(self.layer._cast(inputs[0]).data)
        for function in self.functions:
            x = function(x)
        result = Tensor(x)
        return [result if self.activation is None else self.activation(result)]


class _Normalization:
    """A normalisation by its moving averages, and a ReLU behind it."""

    def __init__(self, layer: layers.BatchNormalization, relu: bool) -> None:
        self.layer = layer
        self.channels = norm.ChannelMap(*scale_and_shift(layer), post_relu=relu)

    def run(self, inputs: list[Tensor], training: bool) -> list[Tensor]:
        x = np.ascontiguousarray(self.layer._cast(inputs[0]).data)
        _check_channels(self.layer, x.shape, len(self.channels.scale))
        return [Tensor(norm.map_channels(x, self.channels))]


def _check_channels(layer: Layer, shape: Shape, channels: int) -> None:
    # the graph's shapes fit, but a layer of the user's may return another one than it has said
    if shape[-1] != channels:
        raise ValueError(f"{layer.name} was built for {channels} channels, got shape {shape}")


def _chained(calls: list[Node]) -> tuple[_Chain | None, int]:
    """As many of the calls as can run from array to array, and their number."""
    chain = _Chain(calls[0].layer)
    taken = 0
    while taken < len(calls) and chain.activation is None:
        layer = calls[taken].layer
        taken += 1
        if type(layer) is layers.Flatten:
            chain.functions.append(_flatten)
        elif type(layer) is layers.Conv2D or type(layer) is layers.Dense:
            ending = _Ending(layer.kernel.data, None if layer.bias is None else layer.bias.data)
            is_convolution = isinstance(layer, layers.Conv2D)
            joined, chain.activation = _gather(ending, layer.activation, calls[taken:], can_pool=is_convolution)
            chain.functions.append(
                _Convolution(layer, ending) if isinstance(layer, layers.Conv2D) else _Dense(layer, ending)
            )
            taken += len(joined)
        elif type(layer) is not layers.Dropout:
            taken -= 1
            break
    return (chain, taken) if chain.functions else (None, 0)


def lower(nodes: Sequence[Node], outputs: Sequence[SymbolicTensor]) -> list[Step]:
    """The steps of a graph's inference; they keep copies of the weights, or the weights themselves, as they are now."""
    only = followers(nodes, outputs)
    steps: list[Step] = []
    joined: set[int] = set()
    for node in nodes:
        if id(node) in joined:
            continue
        calls, run = [node], node.run
        if len(node.inputs) == 1 and not node.as_list:
            following = chain(node, only)
            whole, taken = _chained(following)
            if whole is not None:
                calls, run = following[:taken], whole.run
            elif type(node.layer) is layers.BatchNormalization:
                calls = following[: 1 + (len(following) > 1 and is_relu(following[1].layer))]
                run = _Normalization(node.layer, relu=len(calls) > 1).run
        joined.update(id(call) for call in calls)
        steps.append(Step(node.inputs, calls[-1].outputs, run))
    return steps


class Plan(Schedule):
    """A graph's inference for one state of its weights; any number of threads may run it at once.

    Args:
        nodes: of the graph.
        inputs: of the graph.
        outputs: of the graph.
        weights: of all its layers.
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        inputs: list[SymbolicTensor],
        outputs: list[SymbolicTensor],
        weights: Sequence[Parameter],
    ) -> None:
        self.weights = list(weights)
        self.state = self.current_state()  # before the weights are read: a change meanwhile makes the plan stale
        super().__init__(lower(nodes, outputs), inputs, outputs)

    def current_state(self) -> tuple[int, ...]:
        """What the plan depends on besides the graph."""
        return (int(conv.is_exact()), *[weight.version for weight in self.weights])
