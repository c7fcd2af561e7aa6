"""Crafted and damaged files end in a `ModelFileError` that names the place, and in nothing else.

The first four tests follow the published holes of Keras's own loader: what was executed there is only refused here.
"""

import json
import stat
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from fuzz import MUTATIONS, Samples, fuzz, make_samples
from oracle import keras

import scratchnet as sn

Config = dict[str, Any]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The members of a sound `.keras` file, and the same model as `.h5`."""
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="first"), keras.layers.Dense(2)])
    folder = tmp_path_factory.mktemp("sound")
    model.save(folder / "m.keras")
    model.save(folder / "m.h5")
    model.save_weights(folder / "m.weights.h5")
    with zipfile.ZipFile(folder / "m.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    weights = (folder / "m.weights.h5").read_bytes()
    return {**members, "h5": (folder / "m.h5").read_bytes(), "weights": weights}


def archive(sound: dict[str, bytes], path: Path, change: Callable[[Config], Any] = lambda config: None) -> Path:
    """A `.keras` file whose description was changed."""
    config = json.loads(sound["config.json"])
    change(config)
    with zipfile.ZipFile(path, "w") as target:
        for name in ("metadata.json", "model.weights.h5"):
            target.writestr(name, sound[name])
        target.writestr("config.json", json.dumps(config))
    return path


def hdf5(sound: dict[str, bytes], path: Path, change: Callable[[Any], Any], kind: str = "h5") -> Path:
    """An HDF5 file that was changed with h5py."""
    path.write_bytes(sound[kind])
    with h5py.File(path, "a") as file:
        change(file)
    return path


def first_layer(config: Config) -> Config:
    layer: Config = config["config"]["layers"][1]
    return layer


def refused(path: Path, match: str, action: Callable[[Path], Any] = sn.load_model) -> str:
    with pytest.raises(sn.ModelFileError, match=match) as caught:
        action(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


# ---- the published holes


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


# ---- descriptions


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


# ---- the zip


def zipped(path: Path, members: list[tuple[str | zipfile.ZipInfo, bytes]], packing: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", packing) as target:
        for name, content in members:
            target.writestr(name, content)
    return path


def required(sound: dict[str, bytes]) -> list[tuple[str | zipfile.ZipInfo, bytes]]:
    return [(name, sound[name]) for name in ("metadata.json", "config.json", "model.weights.h5")]


@pytest.mark.parametrize(
    "name", ["../evil.py", "/etc/evil", "assets/../../evil", "assets\\..\\evil", "C:/evil", "evil.py", "code/x.pyc"]
)
def test_members_that_do_not_belong_are_refused(name: str, sound: dict[str, bytes], tmp_path: Path) -> None:
    refused(zipped(tmp_path / "m.keras", [*required(sound), (name, b"x")]), "is none of a .keras file's")
    assert [path.name for path in tmp_path.iterdir()] == ["m.keras"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_that_come_twice_are_refused(sound: dict[str, bytes], tmp_path: Path) -> None:
    twice = [*required(sound), ("config.json", b"{}")]
    refused(zipped(tmp_path / "m.keras", twice), r"two members of the name 'config\.json'")


def test_links_are_refused(sound: dict[str, bytes], tmp_path: Path) -> None:
    link = zipfile.ZipInfo("assets/x")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    refused(zipped(tmp_path / "m.keras", [*required(sound), (link, b"/etc/passwd")]), "is a link")


@pytest.mark.parametrize("name", ["config.json", "model.weights.h5"])
def test_missing_members_are_named(name: str, sound: dict[str, bytes], tmp_path: Path) -> None:
    left = [member for member in required(sound) if member[0] != name]
    refused(zipped(tmp_path / "m.keras", left), f"its member {name} is missing")


@pytest.mark.parametrize("name", ["config.json", "model.weights.h5"])
def test_decompression_bombs_are_not_unpacked(name: str, sound: dict[str, bytes], tmp_path: Path) -> None:
    members = [(key, bytes(64 << 20) if key == name else content) for key, content in required(sound)]
    path = zipped(tmp_path / "m.keras", members, zipfile.ZIP_DEFLATED)
    tracemalloc.start()
    refused(path, rf"its member {name} would grow from \d+ to 67108864 bytes")
    assert tracemalloc.get_traced_memory()[1] < 2 << 20
    tracemalloc.stop()


def test_a_bomb_that_lies_about_its_size_is_not_unpacked(sound: dict[str, bytes], tmp_path: Path) -> None:
    members = [(key, bytes(64 << 20) if key == "config.json" else content) for key, content in required(sound)]
    path = zipped(tmp_path / "m.keras", members, zipfile.ZIP_DEFLATED)
    real, lie = (64 << 20).to_bytes(4, "little"), (1000).to_bytes(4, "little")
    data = path.read_bytes()
    assert data.count(real) == 2  # beside the member and in the directory
    path.write_bytes(data.replace(real, lie))
    tracemalloc.start()
    refused(path, "the archive is damaged|not of the size")
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()


def test_zeros_that_compress_well_are_no_bomb(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(1000, kernel_initializer="zeros")])
    model.save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as source:
        members: list[tuple[str | zipfile.ZipInfo, bytes]] = [(name, source.read(name)) for name in source.namelist()]
    assert sn.load_model(zipped(tmp_path / "z.keras", members, zipfile.ZIP_DEFLATED)).count_params() == 65_000


@pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_ways_of_compressing_are_refused(packing: int, sound: dict[str, bytes], tmp_path: Path) -> None:
    refused(zipped(tmp_path / "m.keras", required(sound), packing), "compressed in a way that Keras does not use")


# ---- HDF5


def dataset(file: Any) -> Any:
    """The group of the first layer's weights."""
    if "model_weights" not in file:
        return file["layers/dense/vars"]
    layer = file["model_weights/first"]
    return layer[layer.attrs["weight_names"][0]].parent


def replace(file: Any, name: str, value: Any) -> None:
    group = dataset(file)
    del group[name]
    if callable(value):
        value(group, name)
    else:
        group[name] = value


def external(group: Any, name: str) -> None:
    group.create_dataset(name, (4, 3), "f4", external=[("/etc/passwd", 0, 48)])


def virtual(group: Any, name: str) -> None:
    layout = h5py.VirtualLayout((4, 3), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (4, 3))
    group.create_virtual_dataset(name, layout)


def filtered(group: Any, name: str) -> None:
    group.create_dataset(name, data=np.zeros((4, 3), "f4"), compression="gzip")


def bomb(group: Any, name: str) -> None:
    group.create_dataset(name, (2**20, 2**20), "f4", compression="gzip", chunks=(1024, 1024))


VALUES: dict[str, tuple[Any, str]] = {
    "external link": (h5py.ExternalLink("/etc/passwd", "/x"), "is a link to another place|newer layout"),
    "soft link": (h5py.SoftLink("/model_weights/dense_1"), "is a link to another place"),
    "external storage": (external, "takes its data from another file, which is not followed"),
    "virtual dataset": (virtual, "virtual layout|newer layout"),
    "filter": (filtered, "is compressed or filtered"),
    "bomb": (bomb, "is compressed or filtered"),
    "half floats": (np.zeros((4, 3), "f2"), "is float16 of shape"),
    "double floats": (np.zeros((4, 3), "f8"), "is float64 of shape"),
    "whole numbers": (np.zeros((4, 3), "i4"), "is int32 of shape"),
    "big-endian": (np.zeros((4, 3), ">f4"), "has a floating-point type of 4 bytes, which is not among"),
    "another shape": (np.zeros((3, 4), "f4"), r"is float32 of shape \(3, 4\), but kernel of layer 'first' is"),
    "strings": (np.array([b"x"] * 12).reshape(4, 3), "holds strings"),
    "references": (lambda group, name: group.create_dataset(name, (4, 3), h5py.ref_dtype), "has a reference type"),
    "compound": (np.zeros((4, 3), [("a", "f4")]), "has a compound type"),
    "never written": (lambda group, name: group.create_dataset(name, (4, 3), "f4"), "has no data"),
    "nothing": (np.zeros((0, 3), "f4"), r"is float32 of shape \(0, 3\)"),
}


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("form", ["h5", "weights"])
def test_datasets_that_are_not_plain_arrays_of_the_right_kind_are_refused(
    kind: str, form: str, sound: dict[str, bytes], tmp_path: Path
) -> None:
    value, match = VALUES[kind]
    name = "kernel" if form == "h5" else "0"
    path = hdf5(sound, tmp_path / "m.h5", lambda file: replace(file, name, value), form)
    if form == "h5":
        refused(path, match)
    model = sn.Sequential([sn.Input((4,)), sn.layers.Dense(3, name="first"), sn.layers.Dense(2)])
    before = model.get_weights()
    refused(path, match, model.load_weights)
    for mine, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, old)


def test_missing_and_surplus_weights_are_named(sound: dict[str, bytes], tmp_path: Path) -> None:
    model = sn.Sequential([sn.Input((4,)), sn.layers.Dense(3), sn.layers.Dense(2)])

    def lacking(file: Any) -> None:
        del file["layers/dense_1/vars/1"]

    def surplus(file: Any) -> None:
        file["layers/dense_1/vars/2"] = np.zeros(2, "f4")

    def own(file: Any) -> None:
        file["vars/0"] = np.zeros(2, "f4")

    changed = [(lacking, r"lacks weights layers/dense_1/vars/1 \(bias of layer"), (own, "has surplus weights vars/0")]
    for change, match in [*changed, (surplus, "has surplus weights layers/dense_1/vars/2")]:
        refused(hdf5(sound, tmp_path / "m.weights.h5", change, "weights"), match, model.load_weights)

    def lacking_too(file: Any) -> None:
        file["model_weights/first"].attrs["weight_names"] = file["model_weights/first"].attrs["weight_names"][:1]

    def surplus_too(file: Any) -> None:
        dataset(file)["evil"] = np.zeros(2, "f4")

    def listed_twice(file: Any) -> None:
        file["model_weights/first"].attrs["weight_names"] = [*file["model_weights/first"].attrs["weight_names"][:1]] * 2

    for change, match in [
        (lacking_too, "/model_weights/first has 1 weights, layer 'first' has 2"),
        (surplus_too, "has surplus weights /model_weights/first/.*/evil"),
        (listed_twice, "it lists a weight twice"),
    ]:
        refused(hdf5(sound, tmp_path / "m.h5", change), match)


def test_arrays_over_one_another_are_refused(sound: dict[str, bytes], tmp_path: Path) -> None:
    def linked(file: Any) -> None:
        file["layers/dense_1/vars/1"] = file["layers/dense/vars/0"]

    def without(file: Any) -> None:
        del file["layers/dense_1/vars/1"]
        linked(file)

    model = sn.Sequential([sn.Input((4,)), sn.layers.Dense(3), sn.layers.Dense(2)])
    path = hdf5(sound, tmp_path / "m.weights.h5", without, "weights")
    refused(path, "is reached twice", model.load_weights)


def test_groups_in_circles_are_refused(sound: dict[str, bytes], tmp_path: Path) -> None:
    def circle(file: Any) -> None:
        file["layers/dense/vars/again"] = file["layers"]

    model = sn.Sequential([sn.Input((4,)), sn.layers.Dense(3), sn.layers.Dense(2)])
    path = hdf5(sound, tmp_path / "m.weights.h5", circle, "weights")
    refused(path, "is reached twice", model.load_weights)


def test_weights_without_a_model_say_what_to_do(sound: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "m.weights.h5").write_bytes(sound["weights"])
    refused(tmp_path / "m.weights.h5", "holds weights without a model; build the model and call load_weights")


def test_the_newer_layout_says_what_to_do(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "m.h5", "w", libver="latest") as file:
        file["x"] = np.zeros(3)
    refused(tmp_path / "m.h5", "newer layout; load it in Keras and save it again")


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n", b"\x80\x04pickle", b"x" * 1000])
@pytest.mark.parametrize("name", ["m.keras", "m.h5", "m.safetensors"])
def test_other_files_are_refused(content: bytes, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    refused(tmp_path / name, "damaged|cannot be read")
    model = sn.Sequential([sn.Input((4,)), sn.layers.Dense(3)])
    refused(tmp_path / name, "damaged|cannot be read", model.load_weights)


def test_a_path_without_a_file_is_named(tmp_path: Path) -> None:
    refused(tmp_path / "no.keras", "is not a file; check the path")
    refused(tmp_path, "is not a file; check the path")


# ---- mutations


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    return make_samples(tmp_path_factory.mktemp("samples"))


@pytest.mark.parametrize("kind", MUTATIONS)
def test_mutated_files_load_or_are_refused(kind: str, samples: Samples, tmp_path: Path) -> None:
    results = fuzz(samples, kind, range(60), tmp_path)
    assert results.total() == 60
    assert results["refused"] > 5


def test_the_harness_notices_what_it_should(samples: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(path: Path) -> sn.Model:
        raise KeyError(path)

    sound_model = sn.load_model
    calls = iter([sound_model, crash])
    monkeypatch.setattr(sn, "load_model", lambda path: next(calls)(path))
    with pytest.raises(AssertionError, match=r"\.h5 number 5: KeyError"):
        fuzz(samples, ".h5", range(5, 6), tmp_path)
