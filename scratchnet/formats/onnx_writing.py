"""Models as ONNX, the format that ONNX Runtime, OpenVINO and others run (https://onnx.ai)."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from scratchnet.formats.errors import ModelFileError
from scratchnet.formats.keras_description import check_layers, every_layer, input_names
from scratchnet.formats.onnx_graph import Graph, Layout, Value
from scratchnet.formats.onnx_layers import WRITERS
from scratchnet.formats.parsing import in_order
from scratchnet.formats.whole_file import write_bytes
from scratchnet.layers.symbolic import BatchShape
from scratchnet.models.model import Model
from scratchnet.tensor import reading

OPSET, IR_VERSION = 17, 8  # old enough for every runtime of the last years
LIMIT = 2**31 - 2**20  # bytes of one file of protocol buffers, and a little for what is not weights


def save_onnx(model: Model, path: Path) -> None:
    """Write an ONNX file; see `Model.save`.

    Raises:
        ValueError: the model has something that ONNX has no words for here.
        ModelFileError: onnx is not installed.
        OSError: the file cannot be written.
    """
    check_onnx(model, path)
    write_bytes(path, model_to_onnx(model))


def check_onnx(model: Model, path: Path) -> None:
    """Raise what writing would raise; nothing is written."""
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise ModelFileError(
            f'{path} needs onnx, which is not installed: pip install -e ".[onnx]" in the checkout'
        ) from error
    _check(model)


def _check(model: Model) -> None:
    check_layers(model, "cannot be written as ONNX", set(WRITERS))
    for layer in every_layer(model):
        if layer.dtype != "float32":
            raise ValueError(f"{layer.name} computes in {layer.dtype}; ONNX is written of float32 models only")
        if not isinstance(layer, Model):
            layer.get_config()  # names an activation that is the caller's own function
    size = sum(weight.size for weight in model.weights) * 4
    if size > LIMIT:
        raise ValueError(f"{model.name} has {size:,} bytes of weights; an ONNX file holds at most {LIMIT:,}")


def model_to_onnx(model: Model, batch: int | None = None, channels_first: bool = False) -> bytes:
    """The content of an ONNX file.

    Inputs and outputs have the names and shapes of the model's: images are NHWC, with one transposition before the
    first layer that needs NCHW.

    Args:
        model: built, of float32 layers.
        batch: a fixed size of the batch; any size by default.
        channels_first: whether images come in and go out as NCHW, without any transposition.

    Raises:
        ValueError: the model has something that ONNX has no words for here.
    """
    import onnx

    _check(model)
    graph = Graph(onnx)
    with reading():
        inputs = [
            Value(graph.name(name), tensor.shape, _outer_layout(tensor.shape, channels_first))
            for name, tensor in zip(input_names(model), model.inputs, strict=True)
        ]
        names = [graph.name("output") for _ in model.outputs]
        results = _write_model(graph, model, inputs)
        outputs = [_output(graph, value, name, channels_first) for value, name in zip(results, names, strict=True)]
        proto = onnx.helper.make_graph(
            graph.nodes,
            model.name,
            [_info(onnx, value, batch) for value in inputs],
            [_info(onnx, value, batch) for value in outputs],
            graph.constants,
        )
    content = onnx.helper.make_model(
        proto,
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="scratchnet",
    )
    described = {"class_names": model.class_names, "preprocessing": model.preprocessing}
    onnx.helper.set_model_props(
        content,
        {
            name: json.dumps(in_order(value), ensure_ascii=False)
            for name, value in described.items()
            if value is not None
        },
    )
    onnx.checker.check_model(content, full_check=True)
    result: bytes = content.SerializeToString()
    return result


def _write_model(graph: Graph, model: Model, inputs: list[Value]) -> list[Value]:
    """The model's nodes, those of models within it in their place; its results."""
    values = {id(tensor): value for tensor, value in zip(model.inputs, inputs, strict=True)}
    for node in model.nodes:
        given = [values[id(tensor)] for tensor in node.inputs]
        if isinstance(node.layer, Model):
            results = _write_model(graph, node.layer, given)
        else:
            shapes = [value.shape for value in given]
            shape = node.layer.compute_output_shape(shapes if node.as_list else shapes[0])
            results = [WRITERS[type(node.layer)](graph, node.layer, given, shape)]
        values.update({id(tensor): value for tensor, value in zip(node.outputs, results, strict=True)})
    return [values[id(tensor)] for tensor in model.outputs]


def _outer_layout(shape: BatchShape, channels_first: bool) -> Layout:
    return Layout.NCHW if channels_first and len(shape) == 4 else Layout.PLAIN


def _output(graph: Graph, value: Value, name: str, channels_first: bool) -> Value:
    """A value in the order that the world outside sees, under a name of its own: two outputs may be one value."""
    wanted = graph.nchw(value) if channels_first and len(value.shape) == 4 else graph.plain(value)
    graph.append("Identity", [wanted.name], name)
    return wanted._replace(name=name)


def _info(onnx: Any, value: Value, batch: int | None) -> Any:
    sizes = list(np.array(value.shape, object)[[0, 3, 1, 2]]) if value.layout is Layout.NCHW else list(value.shape)
    named = [f"{value.name}_axis_{axis}" if size is None else size for axis, size in enumerate(sizes)]
    return onnx.helper.make_tensor_value_info(value.name, onnx.TensorProto.FLOAT, [batch or "batch", *named[1:]])
