"""Placeholders that record how layers are connected, before there is any data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from scratchnet.tensor import Tensor

if TYPE_CHECKING:
    from scratchnet.layers.base import Layer

BatchShape: TypeAlias = tuple[int | None, ...]


class SymbolicTensor:
    """The place of a tensor in a model's graph.

    Args:
        shape: with None for the batch.
        node: the call of a layer that makes it; None for an input.
        index: which of the call's results it is.
        name: of an input.
        dtype: `float32` or `float64`.
    """

    def __init__(
        self, shape: BatchShape, node: Node | None = None, index: int = 0, name: str = "", dtype: str = "float32"
    ) -> None:
        self.shape = shape
        self.node = node
        self.index = index
        self.name = name
        self.dtype = dtype

    def __repr__(self) -> str:
        made_by = f"made by {self.node.layer.name}" if self.node else f"input {self.name}"
        return f"SymbolicTensor(shape={self.shape}, {made_by})"

    def _no_arithmetic(self, other: Any) -> Any:
        raise TypeError(
            "arithmetic on symbolic tensors is done by layers: use layers.Add()([a, b]) or layers.Concatenate()([a, b])"
        )

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __matmul__ = _no_arithmetic


class Node:
    """One call of a layer: what went in, what comes out."""

    def __init__(self, layer: Layer, inputs: list[SymbolicTensor], shapes: list[BatchShape], as_list: bool) -> None:
        self.layer = layer
        self.inputs = inputs
        self.as_list = as_list  # whether the layer takes a list, even of one
        self.outputs = [SymbolicTensor(shape, self, i, dtype=layer.dtype) for i, shape in enumerate(shapes)]

    def run(self, inputs: list[Tensor], training: bool) -> list[Tensor]:
        """The layer's results for actual tensors."""
        cast = self.layer._cast(inputs)
        result: Any = self.layer.call(cast if self.as_list else cast[0], training=training)
        return list(result) if isinstance(result, list | tuple) else [result]


def keras_order(nodes: list[Node], outputs: list[SymbolicTensor]) -> list[Layer]:
    """The layers of a traced graph in Keras's order, which is that of a model's weights.

    Layers further from the outputs come first (by the longest way, and a shared layer by its furthest call); among
    equals, the one that is met first on the way back from the outputs.

    Args:
        nodes: each after those it depends on.
        outputs: of the model.
    """
    depth = {id(node): 0 for node in nodes}
    layer_depth: dict[int, int] = {}
    for node in reversed(nodes):
        depth[id(node)] = max(depth[id(node)], layer_depth.get(id(node.layer), 0))
        layer_depth[id(node.layer)] = depth[id(node)]
        for tensor in node.inputs:
            if tensor.node is not None and id(tensor.node) in depth:
                depth[id(tensor.node)] = max(depth[id(tensor.node)], depth[id(node)] + 1)
    met: dict[int, int] = {}
    stack = list(reversed(outputs))
    seen: set[int] = set()
    while stack:
        source = stack.pop().node
        if source is None or id(source) in seen or id(source) not in depth:
            continue
        seen.add(id(source))
        met.setdefault(id(source.layer), len(met))
        stack.extend(reversed(source.inputs))
    layers = {id(node.layer): node.layer for node in nodes}
    return [layers[key] for key in sorted(layers, key=lambda key: (-layer_depth[key], met[key]))]


def trace(outputs: list[SymbolicTensor], inputs: list[SymbolicTensor]) -> list[Node]:
    """The calls that lead from `inputs` to `outputs`, each after those it depends on.

    Raises:
        ValueError: an output depends on an input that is not among `inputs`.
    """
    order: list[Node] = []
    done: set[int] = set()
    given = {id(tensor) for tensor in inputs}
    stack: list[tuple[SymbolicTensor, bool]] = [(tensor, False) for tensor in reversed(outputs)]
    while stack:
        tensor, expanded = stack.pop()
        if id(tensor) in given:
            continue
        if tensor.node is None:
            raise ValueError(f"the outputs depend on {tensor}, which is not among the model's inputs")
        if id(tensor.node) in done:
            continue
        if expanded:
            done.add(id(tensor.node))
            order.append(tensor.node)
        else:
            stack.append((tensor, True))
            stack.extend((parent, False) for parent in reversed(tensor.node.inputs))
    return order
