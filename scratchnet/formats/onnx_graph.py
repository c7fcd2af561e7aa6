"""Nodes and constants of an ONNX graph, and the order in which its values lie in memory.

ONNX wants images as NCHW, layers here mean NHWC. A value therefore remembers its layout, and is transposed only where
an operation needs the other one, once per value: between two convolutions there is never a transposition.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, NamedTuple

import numpy as np

from scratchnet.arrays import AnyArray
from scratchnet.layers.symbolic import BatchShape
from scratchnet.parameter import Parameter

# where each axis of NHWC is found in NCHW
_IN_NCHW = (0, 2, 3, 1)


class Layout(Enum):
    """How a value lies in memory."""

    PLAIN = "as the layer means it"
    NCHW = "images, channels before rows"
    FLAT_NCHW = "rows of (channels, height, width) where the layer means (height, width, channels)"


class Value(NamedTuple):
    """A result in the graph.

    Attributes:
        name: in the graph.
        shape: as the layer means it, None for the batch; images are NHWC here, whatever the layout.
        layout: how it lies in memory.
        image: (height, width, channels) before flattening, for `FLAT_NCHW`.
    """

    name: str
    shape: BatchShape
    layout: Layout = Layout.PLAIN
    image: tuple[int, int, int] | None = None

    def axis(self, axis: int) -> int:
        """Where an axis that the layer means lies in memory."""
        positive = axis % len(self.shape)
        return _IN_NCHW[positive] if self.layout is Layout.NCHW else positive


class Graph:
    """A graph that grows node by node.

    Args:
        onnx: the package.
    """

    def __init__(self, onnx: Any) -> None:
        self._onnx = onnx
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._counts: Counter[str] = Counter()
        self._taken: set[str] = set()
        self._shared: dict[tuple[int, str], str] = {}
        self._transposed: dict[tuple[str, Layout], Value] = {}

    def name(self, base: str) -> str:
        """A name that nothing else in the graph has."""
        name = base
        while name in self._taken:
            self._counts[base] += 1
            name = f"{base}_{self._counts[base]}"
        self._taken.add(name)
        return name

    def constant(self, array: Any, base: str) -> str:
        """Put a constant into the graph; its name."""
        name = self.name(base)
        self.constants.append(self._onnx.numpy_helper.from_array(np.array(array, order="C"), name))
        return name

    def weight(self, weight: Parameter, base: str, change: Callable[[AnyArray], AnyArray], key: str = "") -> str:
        """Put a weight into the graph, once for all calls of its layer.

        Args:
            weight: of the layer.
            base: of the constant's name.
            change: to what ONNX wants, such as another order of axes.
            key: tells apart the forms in which one weight is wanted.
        """
        found = self._shared.get((id(weight), key))
        if found is None:
            found = self._shared[id(weight), key] = self.constant(change(weight.data), base)
        return found

    def add(self, operation: str, inputs: Sequence[str], base: str, **attributes: Any) -> str:
        """Append a node of one result; the result's name."""
        result = self.name(base)
        self.append(operation, inputs, result, **attributes)
        return result

    def append(self, operation: str, inputs: Sequence[str], result: str, **attributes: Any) -> None:
        """Append a node whose result has a name that `name` has given."""
        self.nodes.append(self._onnx.helper.make_node(operation, list(inputs), [result], name=result, **attributes))

    def nchw(self, value: Value) -> Value:
        """Images with their channels before their rows."""
        if value.layout is Layout.NCHW:
            return value
        return self._transpose(self.plain(value), Layout.NCHW, [0, 3, 1, 2])

    def plain(self, value: Value) -> Value:
        """A value as the layer means it."""
        if value.layout is Layout.PLAIN:
            return value
        if value.layout is Layout.NCHW:
            return self._transpose(value, Layout.PLAIN, [0, 2, 3, 1])
        found = self._transposed.get((value.name, Layout.PLAIN))
        if found is None:
            assert value.image is not None
            height, width, channels = value.image
            shape = self.constant(np.array([0, channels, height, width], np.int64), f"{value.name}/image")
            image = self.add("Reshape", [value.name, shape], f"{value.name}/image")
            image = self.add("Transpose", [image], f"{value.name}/nhwc", perm=[0, 2, 3, 1])
            found = Value(self.add("Flatten", [image], f"{value.name}/flat", axis=1), value.shape)
            self._transposed[value.name, Layout.PLAIN] = found
        return found

    def _transpose(self, value: Value, layout: Layout, order: list[int]) -> Value:
        found = self._transposed.get((value.name, layout))
        if found is None:
            base = f"{value.name}/{'nchw' if layout is Layout.NCHW else 'nhwc'}"
            found = Value(self.add("Transpose", [value.name], base, perm=order), value.shape, layout)
            self._transposed[value.name, layout] = found
            self._transposed[found.name, value.layout] = value  # the way back needs no node
        return found
