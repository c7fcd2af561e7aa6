"""How each layer is written as ONNX nodes (operations of opset 17)."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from scratchnet import layers as kinds
from scratchnet.arrays import AnyArray
from scratchnet.formats.onnx_activations import clip, write_activation
from scratchnet.formats.onnx_graph import Graph, Layout, Value
from scratchnet.layers.base import Layer
from scratchnet.layers.symbolic import BatchShape
from scratchnet.layers.unit_normalization import LEAST_NORM
from scratchnet.ops.geometry import slide

# what a layer makes of its inputs, which are those of one call
Writer: TypeAlias = Callable[[Graph, Any, list[Value], BatchShape], Value]


def _window(layer: Any, size: Sequence[int | None], kernel: tuple[int, int]) -> dict[str, Any]:
    """Strides, dilation and padding of a window over images; padding in numbers, as far as the size is known."""
    strides, dilation = layer.strides, getattr(layer, "dilation_rate", (1, 1))
    attributes: dict[str, Any] = {"kernel_shape": list(kernel), "strides": list(strides)}
    if dilation != (1, 1):
        attributes["dilations"] = list(dilation)
    if layer.padding == "valid":
        return attributes
    if any(length is None and stride > 1 for length, stride in zip(size, strides, strict=True)):
        return {**attributes, "auto_pad": "SAME_UPPER"}
    # at stride 1 the padding is the same for every size
    known = (size[0] or 1, size[1] or 1)
    window, out = slide(known, kernel, strides, "same", dilation)
    before = (window.pad_top, window.pad_left)
    totals = [max(0, (out[i] - 1) * strides[i] + (kernel[i] - 1) * dilation[i] + 1 - known[i]) for i in range(2)]
    return {**attributes, "pads": [*before, *(total - first for total, first in zip(totals, before, strict=True))]}


def _convolve(graph: Graph, base: str, value: Value, kernel: str, bias: Any, **attributes: Any) -> Value:
    inputs = [graph.nchw(value).name, kernel]
    if bias is not None:
        inputs.append(graph.weight(bias, f"{base}/bias", lambda array: array))
    return Value(graph.add("Conv", inputs, base, **attributes), value.shape, Layout.NCHW)


def _conv(graph: Graph, layer: kinds.Conv2D, values: list[Value], shape: BatchShape) -> Value:
    kernel = graph.weight(layer.kernel, f"{layer.name}/kernel", lambda array: array.transpose(3, 2, 0, 1))
    window = _window(layer, values[0].shape[1:3], layer.kernel_size)
    y = _convolve(graph, layer.name, values[0], kernel, layer.bias, group=layer.groups, **window)
    return write_activation(graph, layer.activation, y._replace(shape=shape), layer.name)


def _depthwise_kernel(array: AnyArray) -> AnyArray:
    # (rows, columns, channels, multiplier) -> (channels * multiplier, 1, rows, columns)
    rows, columns, channels, multiplier = array.shape
    return array.transpose(2, 3, 0, 1).reshape(channels * multiplier, 1, rows, columns)


def _depthwise(graph: Graph, layer: Any, values: list[Value], shape: BatchShape) -> Value:
    y = _depthwise_part(graph, layer, values[0], layer.bias)
    return write_activation(graph, layer.activation, y._replace(shape=shape), layer.name)


def _depthwise_part(graph: Graph, layer: Any, value: Value, bias: Any) -> Value:
    kernel = graph.weight(layer.depthwise_kernel, f"{layer.name}/depthwise_kernel", _depthwise_kernel)
    window = _window(layer, value.shape[1:3], layer.kernel_size)
    return _convolve(graph, layer.name, value, kernel, bias, group=value.shape[3], **window)


def _separable(graph: Graph, layer: kinds.SeparableConv2D, values: list[Value], shape: BatchShape) -> Value:
    mid = _depthwise_part(graph, layer, values[0], None)
    kernel = graph.weight(
        layer.pointwise_kernel, f"{layer.name}/pointwise_kernel", lambda array: array.transpose(3, 2, 0, 1)
    )
    y = _convolve(graph, layer.name, mid, kernel, layer.bias)
    return write_activation(graph, layer.activation, y._replace(shape=shape), layer.name)


def _dense(graph: Graph, layer: kinds.Dense, values: list[Value], shape: BatchShape) -> Value:
    (value,) = values
    base, image = layer.name, value.image
    bias = None if layer.bias is None else graph.weight(layer.bias, f"{base}/bias", lambda array: array)
    if len(value.shape) == 2:
        kernel = graph.weight(layer.kernel, f"{base}/kernel", lambda array: _rows_as_nchw(array, image), str(image))
        y = graph.add("Gemm", [value.name, kernel, *([bias] if bias else [])], base)
    else:
        kernel = graph.weight(layer.kernel, f"{base}/kernel", lambda array: array)
        y = graph.add("MatMul", [graph.plain(value).name, kernel], base)
        y = graph.add("Add", [y, bias], base) if bias else y
    return write_activation(graph, layer.activation, Value(y, shape), base)


def _rows_as_nchw(kernel: AnyArray, image: tuple[int, int, int] | None) -> AnyArray:
    """The kernel's rows in the order in which the flattened images lie."""
    if image is None:
        return kernel
    return kernel.reshape(*image, -1).transpose(2, 0, 1, 3).reshape(kernel.shape)


def _batch_normalization(
    graph: Graph, layer: kinds.BatchNormalization, values: list[Value], shape: BatchShape
) -> Value:
    value, base = values[0], layer.name
    mean, variance = layer.moving_mean, layer.moving_variance
    gamma = np.ones_like(mean.data) if layer.gamma is None else layer.gamma.data
    beta = np.zeros_like(mean.data) if layer.beta is None else layer.beta.data
    if value.layout is Layout.NCHW or (value.layout is Layout.PLAIN and len(shape) == 2):
        named = {"gamma": gamma, "beta": beta, "moving_mean": mean.data, "moving_variance": variance.data}
        constants = [graph.constant(array, f"{base}/{name}") for name, array in named.items()]
        y = graph.add("BatchNormalization", [value.name, *constants], base, epsilon=float(layer.epsilon))
        return value._replace(name=y)
    # ONNX normalises the second axis; the last one is multiplied and added to
    value = graph.plain(value)
    factor = gamma.astype(np.float64) / np.sqrt(variance.data.astype(np.float64) + layer.epsilon)
    offset = beta - mean.data * factor
    y = graph.add("Mul", [value.name, graph.constant(factor.astype(np.float32), f"{base}/factor")], base)
    y = graph.add("Add", [y, graph.constant(offset.astype(np.float32), f"{base}/offset")], base)
    return value._replace(name=y)


def _pool(operation: str, **attributes: Any) -> Writer:
    def write(graph: Graph, layer: Any, values: list[Value], shape: BatchShape) -> Value:
        window = _window(layer, values[0].shape[1:3], layer.pool_size)
        y = graph.add(operation, [graph.nchw(values[0]).name], layer.name, **window, **attributes)
        return Value(y, shape, Layout.NCHW)

    return write


def _global_pool(operation: str) -> Writer:
    def write(graph: Graph, layer: Any, values: list[Value], shape: BatchShape) -> Value:
        (value,) = values
        axes = [value.axis(1), value.axis(2)]
        y = graph.add(operation, [value.name], layer.name, axes=axes, keepdims=int(layer.keepdims))
        return Value(y, shape, value.layout if layer.keepdims else Layout.PLAIN)

    return write


def _activation(graph: Graph, layer: kinds.Activation, values: list[Value], shape: BatchShape) -> Value:
    return write_activation(graph, layer.activation, values[0], layer.name)


def _leaky_relu(graph: Graph, layer: kinds.LeakyReLU, values: list[Value], shape: BatchShape) -> Value:
    y = graph.add("LeakyRelu", [values[0].name], layer.name, alpha=float(layer.negative_slope))
    return values[0]._replace(name=y)


def _elu(graph: Graph, layer: kinds.ELU, values: list[Value], shape: BatchShape) -> Value:
    return values[0]._replace(name=graph.add("Elu", [values[0].name], layer.name, alpha=float(layer.alpha)))


def _relu(graph: Graph, layer: kinds.ReLU, values: list[Value], shape: BatchShape) -> Value:
    x, base, slope = values[0].name, layer.name, float(layer.negative_slope)
    if layer.threshold:
        # x above the threshold, else slope * (x - threshold)
        threshold, factor = (graph.constant(np.float32(n), f"{base}/constant") for n in (layer.threshold, slope))
        below = graph.add("Mul", [graph.add("Sub", [x, threshold], f"{base}/below"), factor], f"{base}/below")
        above = graph.add("Greater", [x, threshold], f"{base}/above")
        y = graph.add("Where", [above, x, below], base)
    else:
        y = graph.add("LeakyRelu", [x], base, alpha=slope) if slope else graph.add("Relu", [x], base)
    if layer.max_value is not None:
        y = clip(graph, y, base, None, layer.max_value)
    return values[0]._replace(name=y)


def _softmax(graph: Graph, layer: kinds.Softmax, values: list[Value], shape: BatchShape) -> Value:
    value = graph.plain(values[0]) if values[0].layout is Layout.FLAT_NCHW else values[0]
    return value._replace(name=graph.add("Softmax", [value.name], layer.name, axis=value.axis(layer.axis)))


def _same(graph: Graph, layer: Layer, values: list[Value], shape: BatchShape) -> Value:
    return values[0]


def _flatten(graph: Graph, layer: kinds.Flatten, values: list[Value], shape: BatchShape) -> Value:
    (value,) = values
    image = value.shape[1:]
    if value.layout is Layout.NCHW and None not in image:
        y = graph.add("Flatten", [value.name], layer.name, axis=1)
        height, width, channels = (int(size or 0) for size in image)
        if channels == 1 or height * width == 1:  # both orders are one
            return Value(y, shape)
        return Value(y, shape, Layout.FLAT_NCHW, (height, width, channels))
    return Value(graph.add("Flatten", [graph.plain(value).name], layer.name, axis=1), shape)


def _reshape(graph: Graph, layer: kinds.Reshape, values: list[Value], shape: BatchShape) -> Value:
    target = graph.constant(np.array([0, *layer.target_shape], np.int64), f"{layer.name}/shape")  # 0 keeps the batch
    return Value(graph.add("Reshape", [graph.plain(values[0]).name, target], layer.name), shape)


def _rescaling(graph: Graph, layer: kinds.Rescaling, values: list[Value], shape: BatchShape) -> Value:
    (value,) = values
    numbers = [np.asarray(number, np.float32) for number in (layer.scale, layer.offset)]
    if value.layout is not Layout.PLAIN and any(number.size > 1 for number in numbers):
        value = graph.plain(value)
    scale, offset = (graph.constant(number, f"{layer.name}/constant") for number in numbers)
    y = graph.add("Mul", [value.name, scale], layer.name)
    return Value(graph.add("Add", [y, offset], layer.name), shape, value.layout, value.image)


def _normalization(graph: Graph, layer: kinds.Normalization, values: list[Value], shape: BatchShape) -> Value:
    value = graph.plain(values[0])
    shift, deviation = (graph.constant(part.data, f"{layer.name}/constant") for part in layer.statistics(np.float32))
    if layer.invert:
        y = graph.add("Add", [graph.add("Mul", [value.name, deviation], layer.name), shift], layer.name)
    else:
        y = graph.add("Div", [graph.add("Sub", [value.name, shift], layer.name), deviation], layer.name)
    return Value(y, shape)


def _unit_normalization(graph: Graph, layer: kinds.UnitNormalization, values: list[Value], shape: BatchShape) -> Value:
    value = graph.plain(values[0])
    norm = graph.add("ReduceL2", [value.name], layer.name, axes=list(layer.axes), keepdims=1)
    norm = graph.add("Max", [norm, graph.constant(np.float32(LEAST_NORM), f"{layer.name}/least")], layer.name)
    return Value(graph.add("Div", [value.name, norm], layer.name), shape)


def _zero_padding(graph: Graph, layer: kinds.ZeroPadding2D, values: list[Value], shape: BatchShape) -> Value:
    (value,) = values
    pads = np.zeros((2, 4), np.int64)
    for axis, sides in zip((1, 2), layer.padding, strict=True):
        pads[:, value.axis(axis)] = sides
    y = graph.add("Pad", [value.name, graph.constant(pads.reshape(-1), f"{layer.name}/pads")], layer.name)
    return Value(y, shape, value.layout)


def _alike(graph: Graph, values: list[Value]) -> list[Value]:
    """The values in one layout."""
    if any(value.layout is Layout.NCHW for value in values) and all(len(value.shape) == 4 for value in values):
        return [graph.nchw(value) for value in values]
    if len({(value.layout, value.image) for value in values}) == 1:
        return values
    return [graph.plain(value) for value in values]


def _merge(operation: str) -> Writer:
    def write(graph: Graph, layer: Any, values: list[Value], shape: BatchShape) -> Value:
        values = _alike(graph, values)
        y = values[0].name
        if operation in {"Max", "Mean", "Min"}:  # these take any number of inputs
            y = graph.add(operation, [value.name for value in values], layer.name)
        else:
            for value in values[1:]:
                y = graph.add(operation, [y, value.name], layer.name)
        return Value(y, shape, values[0].layout, values[0].image)

    return write


def _concatenate(graph: Graph, layer: kinds.Concatenate, values: list[Value], shape: BatchShape) -> Value:
    values = _alike(graph, values)
    if values[0].layout is Layout.FLAT_NCHW:
        values = [graph.plain(value) for value in values]
    y = graph.add("Concat", [value.name for value in values], layer.name, axis=values[0].axis(layer.axis))
    return Value(y, shape, values[0].layout)


WRITERS: dict[type[Layer], Writer] = {
    kinds.Activation: _activation,
    kinds.Add: _merge("Add"),
    kinds.Average: _merge("Mean"),
    kinds.AveragePooling2D: _pool("AveragePool", count_include_pad=0),
    kinds.BatchNormalization: _batch_normalization,
    kinds.Concatenate: _concatenate,
    kinds.Conv2D: _conv,
    kinds.Dense: _dense,
    kinds.DepthwiseConv2D: _depthwise,
    kinds.Dropout: _same,
    kinds.ELU: _elu,
    kinds.Flatten: _flatten,
    kinds.GlobalAveragePooling2D: _global_pool("ReduceMean"),
    kinds.GlobalMaxPooling2D: _global_pool("ReduceMax"),
    kinds.LeakyReLU: _leaky_relu,
    kinds.MaxPooling2D: _pool("MaxPool"),
    kinds.Maximum: _merge("Max"),
    kinds.Minimum: _merge("Min"),
    kinds.Multiply: _merge("Mul"),
    kinds.Normalization: _normalization,
    kinds.ReLU: _relu,
    kinds.Rescaling: _rescaling,
    kinds.Reshape: _reshape,
    kinds.SeparableConv2D: _separable,
    kinds.Softmax: _softmax,
    kinds.Subtract: _merge("Sub"),
    kinds.UnitNormalization: _unit_normalization,
    kinds.ZeroPadding2D: _zero_padding,
}
