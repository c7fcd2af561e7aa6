"""A trained model as a plan of fused kernels: what `predict` runs.

Batch normalisation is folded into the convolution or dense layer before it, or becomes a scale and a shift at the end
of that layer's kernel; ReLU and max pooling join the kernel too; weights are packed once. Layers that have no kernel
of their own here run as they are. A plan belongs to one state of the model: see `Snapshot`.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numba import get_num_threads

from scratchnet import layers, ops
from scratchnet.activations import linear
from scratchnet.arrays import AnyArray, FloatArray, Shape
from scratchnet.kernels import conv, gemm, norm, probabilities
from scratchnet.kernels.patches import Affine
from scratchnet.layers.base import Layer
from scratchnet.layers.symbolic import Node, SymbolicTensor
from scratchnet.models.fusion import Step, chain, followers, is_relu, steps_by_itself
from scratchnet.models.program import Program, Stage
from scratchnet.models.schedule import Schedule
from scratchnet.models.snapshot import Snapshot
from scratchnet.ops.geometry import check_images, slide
from scratchnet.tensor import Tensor, reading

if TYPE_CHECKING:
    from scratchnet.models.model import Model

Run: TypeAlias = Callable[[list[Tensor], bool], list[Tensor]]

ARRAY_ACTIVATIONS: dict[Any, Callable[[FloatArray], FloatArray]] = {
    ops.softmax: probabilities.softmax,
    ops.sigmoid: probabilities.logistic,
}
SHAPES_KEPT = 32  # shapes of inputs whose programs a plan remembers: those that it was asked for last


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
        if type(layer) is layers.BatchNormalization and _has_one_precision(layer):
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


def _has_one_precision(layer: Layer) -> bool:
    """Whether all weights have the layer's; both can be set to others after it was built."""
    return all(value.dtype == layer.dtype for value in vars(layer).values() if isinstance(value, Tensor))


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
    """A convolution with its ending."""

    def __init__(self, layer: layers.Conv2D, ending: _Ending) -> None:
        self.layer = layer
        self.ending = ending
        scale, shift = ending.affine or (None, None)
        pooled = None if ending.pooled is None else np.ascontiguousarray(np.stack(ending.pooled))
        self.affine = Affine(scale, shift, pooled)
        self.fused = conv.Fused(ending.relu, ending.pool)
        self.prepared: dict[bool, conv.Prepared] = {}

    def stage(self, shape: Shape) -> Stage:
        """For images of this shape; threads that meet here do it twice, with one result."""
        layer, kernel, pool = self.layer, self.ending.kernel, self.fused.pool
        check_images(shape, layer.name)
        _check_channels(layer, shape, kernel.shape[2] * layer.groups)
        size = (shape[1], shape[2])
        window, out_size = slide(size, layer.kernel_size, layer.strides, layer.padding, layer.dilation_rate)
        if pool[0] > out_size[0] or pool[1] > out_size[1]:
            raise ValueError(f"pool_size {pool} does not fit the {out_size[0]}x{out_size[1]} pixels of {layer.name}")
        geometry = (window, out_size, layer.groups)
        winograd = conv.uses_winograd(kernel.shape, *geometry, kernel.dtype, pool)
        prepared = self.prepared.get(winograd)
        if prepared is None:
            prepared = conv.prepare(kernel, self.ending.bias, *geometry, pool, winograd, self.affine)
            self.prepared[winograd] = prepared
        return Stage(conv.bind(shape, kernel.dtype, prepared, window, out_size, layer.groups, self.fused), shape)


class _Dense:
    """A dense layer with its ending."""

    def __init__(self, layer: layers.Dense, ending: _Ending) -> None:
        self.layer = layer
        self.kernel = np.ascontiguousarray(ending.kernel)
        self.relu = ending.relu
        scale, shift = ending.affine or (None, None)
        self.after = gemm.finishing(self.kernel.shape[1], self.kernel.dtype, ending.bias, scale, shift)

    def stage(self, shape: Shape) -> Stage:
        """For inputs of this shape, whose leading axes all count rows."""
        depth, units = self.kernel.shape
        if shape[-1] != depth:
            raise ValueError(f"{self.layer.name} was built for {depth} features, got shape {shape}")
        rows = math.prod(shape[:-1])
        bound = gemm.bind(rows, self.kernel, self.after, self.relu)
        return Stage(bound._replace(shape=(*shape[:-1], units)), (rows, depth))


class _Activation:
    """An activation between two layers."""

    def __init__(self, function: Callable[[FloatArray], FloatArray]) -> None:
        self.function = function

    def stage(self, shape: Shape) -> Stage:
        """For an input of any shape."""

        def call(x: FloatArray, y: FloatArray, scratch: FloatArray) -> None:
            y[...] = self.function(x)

        return Stage(gemm.Bound(call, shape, (0,)), shape)


class _Chain:
    """Convolutions and dense layers, one after the other, and an activation at the end."""

    def __init__(self, layer: Layer) -> None:
        self.layer = layer
        self.parts: list[_Convolution | _Dense | _Activation | None] = []  # None flattens
        self.activation: Any = None
        self._programs: OrderedDict[tuple[Any, ...], Program] = OrderedDict()

    def run(self, inputs: list[Tensor], training: bool) -> list[Tensor]:
        x = np.ascontiguousarray(self.layer._cast(inputs)[0].data)
        program = self._remembered(x.shape)
        if program is None:
            program = self._programs[x.shape, get_num_threads()] = self._program(x.shape, x.dtype)
            while len(self._programs) > SHAPES_KEPT:
                self._programs.popitem(last=False)
        result = Tensor(program(x))
        return [result if self.activation is None else self.activation(result)]

    def run_again(self, x: AnyArray) -> FloatArray | None:
        """As `run`, but from array to array, if it has seen such an array before; no checks are needed then."""
        program = self._remembered(x.shape)
        if program is None or x.dtype != program.dtype or not x.flags.carray:
            return None
        if self.activation is None:
            return program(x)
        function = ARRAY_ACTIVATIONS.get(self.activation)
        return None if function is None else function(program(x))

    def _remembered(self, shape: Shape) -> Program | None:
        key = (shape, get_num_threads())
        try:
            self._programs.move_to_end(key)
            return self._programs[key]
        except KeyError:  # also where another thread has just let it go
            return None

    def _program(self, shape: Shape, dtype: np.dtype[np.floating[Any]]) -> Program:
        stages: list[Stage] = []
        for part in self.parts:
            if part is None:
                shape = (shape[0], math.prod(shape[1:]))
            else:
                stages.append(part.stage(shape))
                shape = stages[-1].bound.shape
        return Program(stages, shape, dtype)


class _Normalization:
    """A normalisation by its moving averages, and a ReLU behind it."""

    def __init__(self, layer: layers.BatchNormalization, relu: bool) -> None:
        self.layer = layer
        self.channels = norm.ChannelMap(*scale_and_shift(layer), post_relu=relu)

    def run(self, inputs: list[Tensor], training: bool) -> list[Tensor]:
        x = np.ascontiguousarray(self.layer._cast(inputs)[0].data)
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
    while taken < len(calls):
        layer = calls[taken].layer
        if chain.activation is not None and type(layer) is not layers.Dropout:
            function = ARRAY_ACTIVATIONS.get(chain.activation)
            if function is None:
                break
            chain.parts.append(_Activation(function))
            chain.activation = None
        taken += 1
        if type(layer) is layers.Flatten:
            chain.parts.append(None)
        elif (type(layer) is layers.Conv2D or type(layer) is layers.Dense) and _has_one_precision(layer):
            ending = _Ending(layer.kernel.data, None if layer.bias is None else layer.bias.data)
            is_convolution = isinstance(layer, layers.Conv2D)
            joined, chain.activation = _gather(ending, layer.activation, calls[taken:], can_pool=is_convolution)
            chain.parts.append(
                _Convolution(layer, ending) if isinstance(layer, layers.Conv2D) else _Dense(layer, ending)
            )
            taken += len(joined)
        elif type(layer) is not layers.Dropout:
            taken -= 1
            break
    return (chain, taken) if any(chain.parts) else (None, 0)


def lower(nodes: Sequence[Node], outputs: Sequence[SymbolicTensor]) -> list[Step]:
    """The steps of a graph's inference, by the values that `reading` has for the weights; they keep these arrays."""
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
            elif type(node.layer) is layers.BatchNormalization and _has_one_precision(node.layer):
                calls = following[: 1 + (len(following) > 1 and is_relu(following[1].layer))]
                run = _Normalization(node.layer, relu=len(calls) > 1).run
        joined.update(id(call) for call in calls)
        steps.append(Step(node.inputs, calls[-1].outputs, run))
    return steps


class Lowered(Schedule):
    """A graph's inference; any number of threads may run it at once."""

    def __init__(self, nodes: Sequence[Node], inputs: list[SymbolicTensor], outputs: list[SymbolicTensor]) -> None:
        steps = lower(nodes, outputs)
        super().__init__(steps, inputs, outputs)
        self._whole: _Chain | None = None
        if len(steps) == len(inputs) == len(outputs) == 1:
            chain = getattr(steps[0].run, "__self__", None)
            if isinstance(chain, _Chain) and chain.layer.dtype == inputs[0].dtype:
                self._whole = chain
        # where neither layers nor functions of the user's run, nothing but the kernels' own arrays is read
        self.is_closed = self._whole is not None and self._whole.activation in {None, *ARRAY_ACTIVATIONS}

    def run_again(self, x: Any) -> FloatArray | None:
        """The output for an array like one that was run before, if the whole graph is one chain of kernels."""
        return self._whole.run_again(x) if self._whole is not None and type(x) is np.ndarray else None


class Plan(Snapshot):
    """A model's inference as the model is now.

    Attributes:
        lowered: its graph, to be run while `reading` has `values`: what runs as it is takes its weights there, and so
            does a model within the model its own graph.
    """

    def __init__(self, model: Model) -> None:
        inner = _models_within(model.nodes)
        super().__init__([model.nodes, *(other.nodes for other in inner)])
        self._graphs = [(other, other.nodes) for other in inner]
        with reading(self.values):
            self.values.update({id(other): Lowered(other.nodes, other.inputs, other.outputs) for other in inner})
            self.lowered = Lowered(model.nodes, model.inputs, model.outputs)

    def _is_equal(self) -> bool:
        return all(model.nodes is nodes for model, nodes in self._graphs) and super()._is_equal()


def _models_within(nodes: Sequence[Node]) -> list[Model]:
    from scratchnet.models.model import Model

    found = [node.layer for node in nodes if isinstance(node.layer, Model)]
    return [model for other in found for model in (other, *_models_within(other.nodes))]
