"""Crafted and damaged files end in a `ModelFileError` that names the place, and in nothing else.

The first four tests follow the published holes of Keras's own loader: what was executed there is only refused here.
"""

import json
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hostile import Config, archive, first_layer, hdf5, refused
from oracle import keras

import scratchnet as sn


def test_cve_2025_1550_a_function_by_its_module_is_not_imported(
    sound: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The description named any function of any module, with its arguments, as a layer or inside one."""
    monkeypatch.chdir(tmp_path)
    evil = {"module": "os", "class_name": "function", "config": "system", "registered_name": "system"}

    def as_layer(config: Config) -> None:
        config["config"]["layers"][1] = {**evil, "name": "x", "inbound_nodes": [{"args": ["touch hit"], "kwargs": {}}]}

    def as_activation(config: Config) -> None:
        first_layer(config)["config"]["activation"] = evil

    def as_initializer(config: Config) -> None:
        first_layer(config)["config"]["kernel_initializer"] = evil

    def as_model(config: Config) -> None:
        config |= {"module": "subprocess", "class_name": "Popen", "config": {"args": "touch hit"}}

    for number, change in enumerate((as_layer, as_activation, as_initializer, as_model)):
        refused(archive(sound, tmp_path / f"{number}.keras", change), "uses what scratchnet does not have|must be")
    assert not (tmp_path / "hit").exists()


def test_cve_2025_8747_functions_of_keras_itself_are_not_called(sound: dict[str, bytes], tmp_path: Path) -> None:
    """The list of trusted modules led through Keras's own `get_file`, which downloads and writes."""

    def change(config: Config) -> None:
        config["config"]["layers"][1] = {
            "module": "keras.utils", "class_name": "function", "config": "get_file", "registered_name": "get_file",
            "name": "get_file", "build_config": {"input_shape": ["https://example.org/x", "/tmp/x"]},
        }  # fmt: skip

    refused(
        archive(sound, tmp_path / "m.keras", change), "the configuration must be an object|comes from 'keras.utils'"
    )


def test_cve_2025_9905_lambda_in_h5_is_refused(sound: dict[str, bytes], tmp_path: Path) -> None:
    """`.h5` files were loaded without the safe mode that `.keras` files had."""
    code = {"class_name": "__lambda__", "config": {"value": "4wEAAAAAAAAA", "defaults": None, "closure": None}}

    def change(file: Any) -> None:
        config = json.loads(file.attrs["model_config"])
        config["config"]["layers"][1] = {"class_name": "Lambda", "config": {"name": "evil", "function": code}}
        file.attrs["model_config"] = json.dumps(config)

    message = refused(hdf5(sound, tmp_path / "m.h5", change), "layer 'evil' \\(Lambda\\) carries Python code")
    assert "code from a file is never run" in message


def test_cve_2025_9906_safe_mode_cannot_be_switched_off_by_the_file(sound: dict[str, bytes], tmp_path: Path) -> None:
    """The description first called `enable_unsafe_deserialization`, then used a Lambda."""

    def change(config: Config) -> None:
        switch = {
            "module": "keras.config", "class_name": "function", "config": "enable_unsafe_deserialization",
            "registered_name": "enable_unsafe_deserialization", "name": "switch",
        }  # fmt: skip
        code = {"module": "keras.layers", "class_name": "Lambda", "config": {"name": "evil"}, "registered_name": None}
        config["config"]["layers"][1:] = [{**switch, "config": {}}, code]

    message = refused(archive(sound, tmp_path / "m.keras", change), "uses what scratchnet does not have")
    assert "'switch' (function) is a class of the file's author" in message
    assert "'evil' (Lambda) carries Python code" in message


def test_all_gaps_are_named_at_once(tmp_path: Path) -> None:
    image = keras.Input((8, 8, 2))
    x = keras.layers.Conv2DTranspose(3, 3, name="up")(image)
    x = keras.layers.LayerNormalization(name="norm")(x)
    inner = keras.Sequential([keras.Input((10, 10, 3)), keras.layers.UpSampling2D(name="deep")], name="inner")
    x = keras.layers.Conv2D(2, 3, kernel_constraint="non_neg", activity_regularizer="l2", name="bound")(inner(x))
    x = keras.layers.PReLU(name="p")(x) / 2.0
    model = keras.Model(image, keras.layers.Dense(2, dtype="mixed_float16", name="half")(keras.layers.Flatten()(x)))
    for form in ("keras", "h5"):
        model.save(tmp_path / f"m.{form}")
        message = refused(tmp_path / f"m.{form}", "Replace them in Keras and save the model again")
        for part in (
            "'up' (Conv2DTranspose) is a layer that scratchnet does not have", "'norm' (LayerNormalization)",
            "'deep' (UpSampling2D)", "'bound' (Conv2D) asks for", "kernel_constraint=", "activity_regularizer=",
            "'p' (PReLU)", "(TrueDivide)", "'half' (Dense)", "computes in 'mixed_float16'",
        ):  # fmt: skip
            assert part in message, part


OPTIONS: dict[str, tuple[Callable[[Config], Any], str]] = {
    "unknown": (lambda c: c.update(mystery=3), "mystery=3"),
    "constraint": (lambda c: c.update(kernel_constraint={"class_name": "NonNeg"}), "kernel_constraint="),
    "policy": (lambda c: c.update(dtype={"class_name": "DTypePolicy", "config": {"name": "bfloat16"}}), "bfloat16"),
    "quantised": (
        lambda c: c.update(dtype={"class_name": "QuantizedDTypePolicy", "config": {"name": "float32"}}),
        "computes in 'QuantizedDTypePolicy'",
    ),
    "lora": (lambda c: c.update(lora_rank=4), "lora_rank=4"),
    "quantisation": (lambda c: c.update(quantization_config={"class_name": "Int8"}), "quantization_config="),
    "activation": (lambda c: c.update(activation="custom>evil"), "activation must be one of"),
    "initialiser": (lambda c: c.update(kernel_initializer={"class_name": "Evil", "config": {}}), "must be one of"),
    "initialiser of the author": (
        lambda c: c.update(kernel_initializer={"module": "evil", "class_name": "Zeros", "config": {}}),
        "comes from 'evil', not from keras.initializers",
    ),
    "regulariser of the author": (
        lambda c: c.update(
            kernel_regularizer={"module": None, "class_name": "L2", "config": {}, "registered_name": "evil>L2"}
        ),
        "is a class of the file's author, 'evil>L2'",
    ),
    "units": (lambda c: c.update(units=-1), "units must be a positive int"),
    "type": (lambda c: c.update(units=[1, 2]), "units must be a positive int"),
    "nested": (lambda c: c.update(units={"class_name": "__lambda__", "config": {}}), "units="),
}


@pytest.mark.parametrize("kind", OPTIONS)
def test_options_that_are_not_known_are_refused_by_name(kind: str, sound: dict[str, bytes], tmp_path: Path) -> None:
    change, match = OPTIONS[kind]
    path = archive(sound, tmp_path / "m.keras", lambda config: change(first_layer(config)["config"]))
    assert "layer 'first' (Dense)" in refused(path, match)


LAYERS: dict[str, tuple[dict[str, Any], str]] = {
    "module": ({"module": "evil.layers"}, "comes from 'evil.layers', not from keras.layers"),
    "no module": ({"module": None}, "comes from None"),
    "custom": ({"registered_name": "evil>Dense"}, "is a class of the file's author, 'evil>Dense'"),
    "an operation of the same name": ({"module": "keras.src.ops.numpy"}, "not from keras.layers"),
    "no class": ({"class_name": ["Dense"]}, "is a layer that scratchnet does not have"),
    "no configuration": ({"config": None}, "must be"),
    "base class": ({"class_name": "Layer"}, "is a layer that scratchnet does not have"),
    "another part of ours": ({"class_name": "Parameter"}, "is a layer that scratchnet does not have"),
}


@pytest.mark.parametrize("kind", LAYERS)
def test_layers_from_elsewhere_are_refused(kind: str, sound: dict[str, bytes], tmp_path: Path) -> None:
    change, match = LAYERS[kind]
    refused(archive(sound, tmp_path / "m.keras", lambda config: first_layer(config).update(change)), match)


@pytest.mark.parametrize("units", [10**6, 10**9, 2**62, 10**30])
def test_absurd_shapes_are_refused_before_memory_is_taken(units: int, sound: dict[str, bytes], tmp_path: Path) -> None:
    path = archive(sound, tmp_path / "m.keras", lambda config: first_layer(config)["config"].update(units=units))
    tracemalloc.start()
    refused(path, "kernel of layer 'first' with shape .* is larger than what the file has for it")
    assert tracemalloc.get_traced_memory()[1] < 2 << 20
    tracemalloc.stop()


@pytest.mark.parametrize("units", [10**6, 2**62])
def test_our_own_files_cannot_ask_for_more_than_they_hold(units: int, tmp_path: Path) -> None:
    from scratchnet.formats.container import read_container, write_container

    path = tmp_path / "m.safetensors"
    sn.Sequential([sn.Input((4,)), sn.layers.Dense(3)]).save(path)
    arrays, meta = read_container(path, "")
    meta["model"]["config"]["layers"][0]["config"]["units"] = units
    write_container(path, arrays, meta)
    tracemalloc.start()
    refused(path, "kernel of layer .* with shape .* is larger than what the file has for it")
    assert tracemalloc.get_traced_memory()[1] < 2 << 20
    tracemalloc.stop()


def test_a_description_may_not_be_absurdly_deep_or_long(sound: dict[str, bytes], tmp_path: Path) -> None:
    def deep(config: Config) -> None:
        stack = dict(config)
        for _ in range(100):
            stack = {"class_name": "Sequential", "config": {"name": "s", "layers": [stack]}}
        config |= stack

    def long(config: Config) -> None:
        config["config"]["layers"] *= 2000

    refused(archive(sound, tmp_path / "deep.keras", deep), "more than 32 levels")
    refused(archive(sound, tmp_path / "long.keras", long), "more than 2048 layers")
    with zipfile.ZipFile(tmp_path / "json.keras", "w") as target:
        target.writestr("config.json", "[" * 10**6)
        target.writestr("model.weights.h5", sound["model.weights.h5"])
    refused(tmp_path / "json.keras", r"config\.json is not JSON")


def test_models_within_models_may_not_multiply_without_end(sound: dict[str, bytes], tmp_path: Path) -> None:
    def place(name: str, call: int) -> dict[str, Any]:
        config = {"shape": [None, 4], "dtype": "float32", "keras_history": [name, call, 0]}
        return {"args": [{"class_name": "__keras_tensor__", "config": config}], "kwargs": {}}

    def change(config: Config) -> None:
        start = {
            "module": "keras.layers", "class_name": "InputLayer", "name": "i", "inbound_nodes": [],
            "config": {"batch_shape": [None, 4], "dtype": "float32", "name": "i"},
        }  # fmt: skip
        inner: Config = {"module": "keras.layers", "class_name": "Flatten", "config": {"name": "f0"}}
        for level in range(1, 20):
            name = inner["config"]["name"]
            calls = [place("i", 0), *(place(name, call) for call in range(19))]
            model = {"name": f"f{level}", "layers": [start, {**inner, "name": name, "inbound_nodes": calls}]}
            model |= {"input_layers": ["i", 0, 0], "output_layers": [name, 19 + (level > 1), 0]}
            inner = {"module": "keras", "class_name": "Functional", "config": model}
        config.clear()
        config |= inner

    refused(archive(sound, tmp_path / "m.keras", change), "one call of the model makes 160000 calls of layers")


def test_graphs_that_lead_in_circles_or_nowhere_are_refused(tmp_path: Path) -> None:
    image = keras.Input((2,))
    model = keras.Model(image, keras.layers.Dense(2, name="b")(keras.layers.Dense(2, name="a")(image)))
    model.save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as source:
        sound = {name: source.read(name) for name in source.namelist()}

    def feeding(layer: str, call: int = 0) -> Callable[[Config], Any]:
        def change(config: Config) -> None:
            argument = config["config"]["layers"][1]["inbound_nodes"][0]["args"][0]
            argument["config"]["keras_history"] = [layer, call, 0]

        return change

    for change in (feeding("b"), feeding("a"), feeding("nobody"), feeding("b", 10**12)):
        refused(archive(sound, tmp_path / "c.keras", change), "leads in a circle or refers to what does not exist")
    refused(
        archive(sound, tmp_path / "c.keras", lambda c: c["config"].update(output_layers=["b", 7, 0])), "does not exist"
    )
    refused(archive(sound, tmp_path / "c.keras", lambda c: c["config"].update(output_layers={"x": 1})), "are named")
