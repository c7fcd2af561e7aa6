"""Whole-model .h5 files in the manner of Keras 2 become models that predict the same."""

import json
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from keras2 import as_keras_2, save_as_keras_2
from keras_zoo import APPLICATIONS, SMALL, inputs_of, outputs_of, randomise
from oracle import keras

import scratchnet as sn

OLD = [name for name in SMALL if name != "all_kinds"]  # whose hard sigmoid is Keras 3's


@pytest.mark.parametrize("name", [*OLD, "MobileNetV2"])
def test_networks_predict_as_in_keras(name: str, tmp_path: Path) -> None:
    model = randomise({**SMALL, **APPLICATIONS}[name]())
    save_as_keras_2(model, tmp_path / "m.h5")
    ours = sn.load_model(tmp_path / "m.h5")
    x = inputs_of(model)
    for mine, other in zip(outputs_of(ours, x), outputs_of(model, x), strict=True):
        assert np.abs(mine - other).max() < 1e-4 * np.abs(other).max()
    before = ours.get_weights()
    ours.set_weights([weight * 0 for weight in before])
    ours.load_weights(tmp_path / "m.h5")
    for mine, old in zip(ours.get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, old)


def test_a_stack_may_tell_its_input_by_its_first_layer(tmp_path: Path) -> None:
    model = randomise(SMALL["fer_small"]())
    save_as_keras_2(model, tmp_path / "m.h5", "2.2.4", inputs_in_layers=True)
    ours = sn.load_model(tmp_path / "m.h5")
    assert ours.input_shape == (None, 48, 48, 1)
    x = inputs_of(model)
    assert np.abs(ours.predict(x) - outputs_of(model, x)[0]).max() < 1e-4


def test_archives_of_keras_2_13_key_their_weights_otherwise(tmp_path: Path) -> None:
    model = randomise(SMALL["misleading_names"]())
    model.save_weights(tmp_path / "m.weights.h5")
    with h5py.File(tmp_path / "m.weights.h5", "a") as file:
        file.move("layers", "_layer_checkpoint_dependencies")
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "2.13.1"}))
        archive.writestr("config.json", json.dumps(as_keras_2(model)))
        archive.write(tmp_path / "m.weights.h5", "model.weights.h5")
    x = inputs_of(model)
    wanted = outputs_of(model, x)[0]
    assert np.abs(sn.load_model(tmp_path / "m.keras").predict(x) - wanted).max() < 1e-4 * np.abs(wanted).max()


def test_the_other_hard_sigmoid_of_keras_2_is_refused(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, "hard_sigmoid", name="gate")])
    save_as_keras_2(model, tmp_path / "m.h5")
    with pytest.raises(
        sn.ModelFileError, match=r"layer 'gate' \(Dense\) asks for hard_sigmoid of Keras 2, which is an"
    ):
        sn.load_model(tmp_path / "m.h5")
    model.save(tmp_path / "new.keras")
    x = np.array([[-4.0, 2.0]], np.float32)
    np.testing.assert_allclose(sn.load_model(tmp_path / "new.keras").predict(x), model(x).numpy(), rtol=1e-6)


def test_names_with_slashes_are_read(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, name="block1_dense"), keras.layers.Dense(1)])
    save_as_keras_2(model, tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "a") as file:
        config = file.attrs["model_config"]
        config = config.decode() if isinstance(config, bytes) else config
        file.attrs["model_config"] = config.replace("block1_dense", "block1/dense")
        weights = file["model_weights"]
        names = [name.decode() if isinstance(name, bytes) else name for name in weights.attrs["layer_names"]]
        weights.attrs["layer_names"] = [name.replace("block1_dense", "block1/dense").encode() for name in names]
        weights.move("block1_dense", "block1/dense")
    x = np.ones((1, 2), np.float32)
    ours = sn.load_model(tmp_path / "m.h5")
    np.testing.assert_allclose(ours.predict(x), model(x).numpy(), rtol=1e-5)
    assert ours.layers[0].name == "block1_dense"
