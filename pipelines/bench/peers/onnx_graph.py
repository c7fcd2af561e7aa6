"""The networks as ONNX, written node by node from the weights."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from pipelines.bench.nets import Array, LayerSpec, Net, Shape

OPSET, IR_VERSION = 17, 8  # old enough for every runtime of the last years
_ACTIVATIONS = {"relu": "Relu", "softmax": "Softmax", "sigmoid": "Sigmoid"}


class _Graph:
    """Nodes one after the other, each taking what the last one gave."""

    def __init__(self) -> None:
        import onnx

        self._onnx = onnx
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._value = "x"

    def add(self, operation: str, *constants: Array, **attributes: Any) -> None:
        names = [f"{operation}_{len(self._nodes)}_{number}" for number in range(len(constants))]
        for name, constant in zip(names, constants, strict=True):
            self._constants.append(self._onnx.numpy_helper.from_array(np.ascontiguousarray(constant), name))
        result = f"{operation}_{len(self._nodes)}"
        self._nodes.append(self._onnx.helper.make_node(operation, [self._value, *names], [result], **attributes))
        self._value = result

    def to_bytes(self, input_shape: Shape, output_shape: Shape) -> bytes:
        helper, kind = self._onnx.helper, self._onnx.TensorProto.FLOAT
        graph = helper.make_graph(
            self._nodes,
            "net",
            [helper.make_tensor_value_info("x", kind, input_shape)],
            [helper.make_tensor_value_info(self._value, kind, output_shape)],
            self._constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        self._onnx.checker.check_model(model)
        content: bytes = model.SerializeToString()
        return content


def net_to_onnx(net: Net, weights: Sequence[Array], batch: int) -> bytes:
    """The network for a fixed number of NCHW images, ONNX's layout.

    Args:
        net: the network.
        weights: in Keras's order.
        batch: images per call.
    """
    graph, rest = _Graph(), iter(weights)
    flattened: Shape | None = None
    for layer, (before, _) in zip(net.layers, pairwise(net.shapes()), strict=True):
        if layer.kind == "Flatten":
            flattened = before
        _add_layer(graph, layer, rest, flattened)
        if layer.kind == "Dense":
            flattened = None  # only the first one after it sees another order
    return graph.to_bytes((batch, net.input_shape[2], *net.input_shape[:2]), (batch, net.outputs))


def _add_layer(graph: _Graph, layer: LayerSpec, rest: Iterator[Array], flattened: Shape | None) -> None:
    kind, options = layer
    if kind == "Conv2D":
        pads = [(options["kernel_size"] - 1) // 2 if options["padding"] == "same" else 0] * 4
        graph.add("Conv", next(rest).transpose(3, 2, 0, 1), next(rest), pads=pads)
    elif kind == "BatchNormalization":
        graph.add("BatchNormalization", *(next(rest) for _ in range(4)), epsilon=options["epsilon"])
    elif kind == "MaxPooling2D":
        size = [options["pool_size"]] * 2
        graph.add("MaxPool", kernel_shape=size, strides=size)
    elif kind == "Flatten":
        graph.add("Flatten")
    elif kind == "Dense":
        kernel = next(rest)
        if flattened is not None:  # rows in the order of NHWC, while the graph flattens NCHW
            kernel = kernel.reshape(*flattened, -1).transpose(2, 0, 1, 3).reshape(kernel.shape)
        graph.add("Gemm", kernel, next(rest))
    elif kind == "ReLU":
        graph.add("Relu")
    if options.get("activation"):
        graph.add(_ACTIVATIONS[options["activation"]])


def convolution_to_onnx(kernel: Array, input_shape: Shape) -> bytes:
    """A 3x3 convolution with zeros around the image.

    Args:
        kernel: (3, 3, channels, filters).
        input_shape: of the NCHW images.
    """
    graph = _Graph()
    graph.add("Conv", kernel.transpose(3, 2, 0, 1), pads=[1, 1, 1, 1])
    return graph.to_bytes(input_shape, (input_shape[0], kernel.shape[3], *input_shape[2:]))
