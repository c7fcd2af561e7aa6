"""Which calls of layers run as one: what follows a convolution or a normalisation joins its passes over memory.

    Conv2D -> ReLU -> MaxPooling2D
    BatchNormalization -> ReLU -> MaxPooling2D

with either of the last two left out. A layer joins only if nothing else takes what it is given, and the results are
those of the layers one after the other.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from scratchnet import layers, ops
from scratchnet.activations import linear
from scratchnet.layers.base import Layer
from scratchnet.layers.symbolic import Node, SymbolicTensor
from scratchnet.tensor import Tensor


class Step(NamedTuple):
    """One or more calls of layers that run together: what goes in, what comes out."""

    inputs: list[SymbolicTensor]
    outputs: list[SymbolicTensor]
    run: Callable[[list[Tensor], bool], list[Tensor]]


def is_relu(layer: Layer) -> bool:
    """Whether the layer is exactly max(x, 0)."""
    if type(layer) is layers.ReLU:
        return layer.max_value is None and not layer.negative_slope and not layer.threshold
    return type(layer) is layers.Activation and layer.activation is ops.relu


def steps_by_itself(layer: Layer) -> bool:
    """Whether the layer is a max pool whose windows do not overlap, of at most 256 pixels and without padding."""
    return (
        type(layer) is layers.MaxPooling2D
        and layer.strides == layer.pool_size
        and layer.padding == "valid"
        and layer.pool_size[0] * layer.pool_size[1] <= 256
    )


def followers(nodes: Sequence[Node], outputs: Sequence[SymbolicTensor]) -> dict[int, Node]:
    """For each tensor that only one call takes, and that is no output of the model, that call."""
    uses = Counter(id(tensor) for node in nodes for tensor in node.inputs)
    uses.update(id(tensor) for tensor in outputs)
    return {id(tensor): node for node in nodes for tensor in node.inputs if uses[id(tensor)] == 1}


def chain(node: Node, only: dict[int, Node]) -> list[Node]:
    """The calls that follow one another from `node` on, as long as each has one tensor and one taker."""
    found = [node]
    while len(node.outputs) == 1 and (following := only.get(id(node.outputs[0]))) is not None:
        if len(following.inputs) != 1 or following.as_list or following.layer.dtype != node.layer.dtype:
            break
        found.append(following)
        node = following
    return found


def plan_steps(nodes: Sequence[Node], outputs: Sequence[SymbolicTensor]) -> list[Step]:
    """The calls of a graph as steps, in order."""
    only = followers(nodes, outputs)
    steps: list[Step] = []
    joined: set[int] = set()
    for node in nodes:
        if id(node) in joined:
            continue
        calls = _joining(node, chain(node, only)[1:])
        joined.update(id(call) for call in calls)
        last = calls[-1] if calls else node
        steps.append(Step(node.inputs, last.outputs, _Together(node, calls).run if calls else node.run))
    return steps


def _joining(node: Node, following: list[Node]) -> list[Node]:
    """Those of the following calls that join the first."""
    convolution = type(node.layer) is layers.Conv2D and node.layer.activation in {ops.relu, linear}
    if not convolution and type(node.layer) is not layers.BatchNormalization:
        return []
    calls: list[Node] = []
    if following and is_relu(following[0].layer):
        calls.append(following[0])
    pool = following[len(calls)].layer if len(following) > len(calls) else None
    if isinstance(pool, layers.MaxPooling2D) and (
        steps_by_itself(pool) if convolution else type(pool) is layers.MaxPooling2D
    ):
        calls.append(following[len(calls)])
    return calls


class _Together:
    """A layer and those that join it; an object and no closure, so that a copy of a model has copies of its layers."""

    def __init__(self, node: Node, calls: list[Node]) -> None:
        last = calls[-1].layer
        self.layer = node.layer
        self.relu = is_relu(calls[0].layer)
        self.pool = last if isinstance(last, layers.MaxPooling2D) else None

    def run(self, inputs: list[Tensor], training: bool) -> list[Tensor]:
        layer, pool = self.layer, self.pool
        x = layer._cast(inputs)[0]
        if isinstance(layer, layers.Conv2D):
            return [layer.call_with(x, self.relu, None if pool is None else pool.pool_size)]
        assert isinstance(layer, layers.BatchNormalization)
        return [layer.call_with(x, training, self.relu, pool)]
