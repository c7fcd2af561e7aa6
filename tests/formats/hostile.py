"""Sound files made hostile."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import pytest

import scratchnet as sn

Config = dict[str, Any]


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
