"""HDF5 files that are not plain arrays in plain groups are refused."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hostile import hdf5, refused

import scratchnet as sn


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
