"""The same model gives the same bytes, in every format, whenever and by whichever process it is written."""

import json
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import scratchnet as sn
from scratchnet import layers
from scratchnet.formats.container import read_container, write_container

MODELS = ("m.safetensors", "m.keras", "m.onnx")
WEIGHTS = ("w.safetensors", "w.weights.h5")


def model(preprocessing: dict[Any, Any], trained: bool = True) -> sn.Model:
    """A model of names that do not depend on what else was built."""
    with sn.random.random_scope(1):
        x = layers.Input((8, 8, 2), name="image")
        y = layers.BatchNormalization(name="norm")(layers.Conv2D(3, 3, activation="relu", name="conv")(x))
        y = layers.Dense(3, activation="softmax", name="scores")(layers.Flatten(name="flat")(y))
        built = sn.Model(x, y, name="net")
        built.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        if trained:
            built.train_on_batch(np.linspace(-1, 1, 512).reshape(4, 8, 8, 2), np.array([0, 1, 2, 0]))
    built.class_names = ("a", "b", "gr\u00fcn")
    built.preprocessing = preprocessing
    return built


def write(built: sn.Model, folder: Path) -> dict[str, bytes]:
    for name in MODELS:
        built.save(folder / name)
    for name in WEIGHTS:
        built.save_weights(folder / name)
    return {name: (folder / name).read_bytes() for name in (*MODELS, *WEIGHTS)}


def same(first: dict[str, bytes], second: dict[str, bytes]) -> None:
    assert [name for name in first if first[name] != second[name]] == []


def test_another_process_at_another_time_writes_the_same_bytes(tmp_path: Path) -> None:
    code = "import sys, pathlib, test_same_bytes as t; t.write(t.model({}, trained=False), pathlib.Path(sys.argv[1]))"
    here = Path(__file__).parent
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join([str(here), *sys.path])}
    (tmp_path / "there").mkdir()
    subprocess.run([sys.executable, "-c", code, tmp_path / "there"], env=environment, check=True, timeout=120)
    theirs = {name: (tmp_path / "there" / name).read_bytes() for name in (*MODELS, *WEIGHTS)}
    same(write(model({}, trained=False), tmp_path), theirs)


def test_time_and_the_order_of_keys_leave_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = write(model({"b": 1, "a": {"y": [1, 2], "x": None}, 3: 4}), tmp_path)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 1e6)
    monkeypatch.setattr(time, "localtime", lambda *_: time.gmtime(1e9))
    same(first, write(model({"3": 4, "a": {"x": None, "y": [1, 2]}, "b": 1}), tmp_path))
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_a_model_that_is_read_is_written_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    model({"b": 1, "a": 2}).save(path)
    first = path.read_bytes()
    sn.load_model(path).save(path)
    assert path.read_bytes() == first


def test_arrays_may_come_in_any_order(tmp_path: Path) -> None:
    arrays = {f"{kind}/{n}": np.full((n, 2), n, kind) for n in range(4) for kind in ("float32", "float64", "int8")}
    meta = {"b": {"d": 1, "c": 2}, "a": 3}
    written = set()
    for turn in range(8):  # the library orders by chance
        order = np.random.default_rng(turn).permutation(sorted(arrays))
        path = tmp_path / f"{turn}.safetensors"
        write_container(path, {name: arrays[name] for name in order}, meta)
        written.add(path.read_bytes())
    assert len(written) == 1
    assert json.dumps(read_container(path, "")[1]) == json.dumps(meta), "a backup comes back in its own order"
    header = int.from_bytes(written.pop()[:8], "little")
    assert header % 8 == 0  # so that arrays lie where processors like them
