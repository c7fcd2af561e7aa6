"""A model written as ONNX computes in ONNX Runtime what it computes here."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from every_layer import LAYERS
from hypothesis import given, settings
from random_models import models

import scratchnet as sn
from scratchnet import layers
from scratchnet.formats.onnx_writing import OPSET, model_to_onnx

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


def run(content: bytes, *arrays: np.ndarray) -> list[np.ndarray]:
    """What ONNX Runtime computes."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    names = [entry.name for entry in session.get_inputs()]
    result: list[np.ndarray] = session.run(None, dict(zip(names, arrays, strict=True)))
    return result


def inputs_of(model: sn.Model, samples: int, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((samples, *tensor.shape[1:])).astype(np.float32) for tensor in model.inputs]


def check_equal(model: sn.Model, content: bytes | None = None, samples: int = 3) -> None:
    content = model_to_onnx(model) if content is None else content
    x = inputs_of(model, samples)
    ours = model.predict(x if len(x) > 1 else x[0])
    theirs = run(content, *x)
    for mine, other in zip(ours if isinstance(ours, list) else [ours], theirs, strict=True):
        assert mine.shape == other.shape
        np.testing.assert_allclose(other, mine, rtol=0, atol=1e-5 * max(1.0, np.abs(mine).max()))


def operations(content: bytes) -> list[str]:
    return [node.op_type for node in onnx.load_from_string(content).graph.node]


def alone(layer: layers.Layer, *shape: int) -> sn.Model:
    """A model of one layer whose weights are random."""
    model = sn.Sequential([layers.Input(shape), layer])
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in model.weights])
    return model


@pytest.mark.parametrize("behind", [False, True], ids=["alone", "behind a convolution"])
@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=lambda value: getattr(value, "name", str(value)))
def test_every_layer_computes_the_same(layer: layers.Layer, shape: tuple[int, ...], behind: bool) -> None:
    fresh = type(layer).from_config({**layer.get_config(), "name": "layer"})
    if not behind:
        check_equal(alone(fresh, *shape))
    elif len(shape) == 3:  # its input then lies as NCHW, and its output goes on to a convolution if it is an image
        images = layers.Input(shape)
        result = fresh(layers.Conv2D(shape[-1], 3, padding="same")(images))
        if len(result.shape) == 4:
            result = layers.Conv2D(2, 1)(result)
        check_equal(sn.Model(images, result))


@pytest.mark.parametrize("kind", ["Add", "Average", "Maximum", "Minimum", "Multiply", "Subtract"])
@pytest.mark.parametrize("many", [False, True], ids=["images", "several vectors"])
def test_every_merge_computes_the_same(kind: str, many: bool) -> None:
    merge = getattr(layers, kind)()
    if many:
        x = layers.Input((6,))
        parts = [layers.Dense(5)(x) for _ in range(2 if kind == "Subtract" else 3)]
    else:  # one side comes out of a convolution, the other does not; one pixel is broadcast
        x = layers.Input((5, 4, 3))
        parts = [layers.Conv2D(3, 3, padding="same")(x), layers.GlobalMaxPooling2D(keepdims=True)(x)]
    check_equal(sn.Model(x, merge(parts)))


@pytest.mark.parametrize("follower", ["dense", "softmax", "normalised", "rescaled", "output", "joined", "reshaped"])
def test_flattened_images_have_the_order_of_nhwc(follower: str) -> None:
    images = layers.Input((5, 4, 2))
    flat = layers.Flatten()(layers.Conv2D(3, 3)(images))
    results = {
        "dense": lambda: layers.Dense(4)(layers.Dropout(0.1)(layers.ReLU()(flat))),
        "softmax": lambda: layers.Softmax()(flat),
        "normalised": lambda: layers.BatchNormalization()(flat),
        "rescaled": lambda: layers.Rescaling(list(np.arange(18.0)))(flat),
        "output": lambda: flat,
        "joined": lambda: layers.Concatenate()([flat, layers.ReLU()(flat)]),
        "reshaped": lambda: layers.Reshape((9, 2))(flat),
    }
    check_equal(sn.Model(images, results[follower]()))


@given(models())
@settings(max_examples=60)
def test_random_models_compute_the_same(model: sn.Model) -> None:
    check_equal(model)


def test_transpositions_are_at_the_edges_only() -> None:
    x = layers.Input((16, 16, 3))
    y = layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    z = layers.BatchNormalization()(layers.MaxPooling2D()(layers.Concatenate()([y, layers.Softmax()(y)])))
    z = layers.Add()([z, layers.SeparableConv2D(8, 3, padding="same")(layers.ZeroPadding2D(0)(z))])
    assert operations(model_to_onnx(sn.Model(x, z))).count("Transpose") == 2
    flat = sn.Model(x, layers.Dense(2)(layers.Flatten()(z)))
    assert operations(model_to_onnx(flat)).count("Transpose") == 1
    assert operations(model_to_onnx(flat, channels_first=True)).count("Transpose") == 0
    pooled = sn.Model(x, layers.Dense(2)(layers.GlobalAveragePooling2D()(z)))
    assert operations(model_to_onnx(pooled)).count("Transpose") == 1


def test_padding_is_written_in_numbers_where_the_size_is_known() -> None:
    x = layers.Input((7, 7, 1))
    (node,) = (
        node
        for node in onnx.load_from_string(
            model_to_onnx(sn.Model(x, layers.Conv2D(1, 4, strides=2, padding="same")(x)))
        ).graph.node
        if node.op_type == "Conv"
    )
    (pads,) = (list(attribute.ints) for attribute in node.attribute if attribute.name == "pads")
    assert pads == [1, 1, 2, 2]  # 4 outputs need 3 * 2 + 4 = 10 pixels: 3 more than there are, most of them behind


@pytest.mark.parametrize("strides", [1, 2])
def test_images_of_any_size_are_taken_where_the_model_takes_them(strides: int) -> None:
    x = layers.Input((None, None, 2))
    y = layers.MaxPooling2D(3, strides=strides, padding="same")(layers.Conv2D(3, 4, strides=strides, padding="same")(x))
    model = sn.Model(x, layers.GlobalAveragePooling2D()(y))
    content = model_to_onnx(model)
    for size in (6, 7, 9):
        images = np.random.default_rng(size).standard_normal((2, size, size + 1, 2)).astype(np.float32)
        np.testing.assert_allclose(run(content, images)[0], model.predict(images), rtol=0, atol=1e-5)


def test_weights_of_a_shared_layer_are_stored_once() -> None:
    x = layers.Input((6, 6, 2))
    shared = layers.Conv2D(2, 3, padding="same")
    content = model_to_onnx(sn.Model(x, shared(shared(shared(x)))))
    assert len(onnx.load_from_string(content).graph.initializer) == 2


def test_a_fixed_batch_and_nchw_images_can_be_asked_for() -> None:
    x = layers.Input((6, 5, 2))
    model = sn.Model(x, layers.Conv2D(3, 3)(x))
    content = model_to_onnx(model, batch=4, channels_first=True)
    graph = onnx.load_from_string(content).graph
    assert [d.dim_value for d in graph.input[0].type.tensor_type.shape.dim] == [4, 2, 6, 5]
    images = inputs_of(model, 4)[0]
    (result,) = run(content, np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
    np.testing.assert_allclose(result.transpose(0, 2, 3, 1), model.predict(images), atol=1e-5)


def test_one_value_may_be_several_outputs_and_an_input_an_output() -> None:
    x = layers.Input((3,), name="output")
    y = layers.Dense(2)(x)
    model = sn.Model(x, [y, x, y])
    check_equal(model)


def test_classes_and_preprocessing_are_in_the_metadata(tmp_path: Path) -> None:
    model = alone(layers.Dense(2), 3)
    model.class_names = ("süß", "b")
    model.preprocessing = {"height": 4, "scale": 0.5}
    model.save(tmp_path / "model.onnx")
    content = onnx.load(str(tmp_path / "model.onnx"))
    properties = {entry.key: json.loads(entry.value) for entry in content.metadata_props}
    assert properties == {"class_names": ["süß", "b"], "preprocessing": {"height": 4, "scale": 0.5}}
    assert content.opset_import[0].version == OPSET >= 17
    assert content.producer_name == "scratchnet"
    check_equal(model, (tmp_path / "model.onnx").read_bytes())
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


class Mine(layers.Layer):
    """A layer that only this test knows."""

    def call(self, inputs: Any, training: bool = False) -> Any:
        return inputs


def test_all_layers_that_onnx_lacks_are_named_at_once(tmp_path: Path) -> None:
    inner = sn.Sequential([layers.Input((3,)), Mine(name="deep")])
    model = sn.Sequential([layers.Input((3,)), Mine(name="first"), inner])
    with pytest.raises(ValueError, match="first is a Mine, deep is a Mine, which cannot be written as ONNX"):
        model.save(tmp_path / "model.onnx")
    with pytest.raises(ValueError, match="deep is a Mine"):
        model.check_saveable(tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_what_onnx_has_no_words_for_is_named(tmp_path: Path) -> None:
    x = layers.Input((3,), dtype="float64")
    double = sn.Model(x, layers.Dense(2, dtype="float64", name="wide")(x))
    with pytest.raises(ValueError, match="wide computes in float64; ONNX is written of float32 models only"):
        double.save(tmp_path / "model.onnx")
    own = alone(layers.Dense(2, activation=lambda x: x), 3)
    with pytest.raises(ValueError, match="has no name, so it cannot be saved"):
        own.save(tmp_path / "model.onnx")
    with pytest.raises(ValueError, match="has no weights yet"):
        sn.Sequential([layers.Dense(2)]).save(tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_without_the_package_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(sn.ModelFileError, match=r'model\.onnx needs onnx, .* pip install -e "\.\[onnx\]"'):
        alone(layers.Dense(2), 3).save(tmp_path / "model.onnx")
