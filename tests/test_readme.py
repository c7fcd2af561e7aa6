"""The README's examples run as they stand there."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

import scratchnet as sn

README = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
FEATURES = [example for example in EXAMPLES if "FeatureExtractor" in example]
WITH_FILES = [example for example in EXAMPLES if "images" in example and example not in FEATURES]
EXPLAINING = [example for example in WITH_FILES if "grad_cam" in example]
KERAS = [example for example in WITH_FILES if '"model.keras"' in example]


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == 5
    assert len(WITH_FILES) == 2
    assert len(EXPLAINING) == len(KERAS) == len(FEATURES) == 1


def test_the_example_of_explanations_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    end = [sn.layers.Flatten(), sn.layers.Dense(3, activation="softmax")]
    model = sn.Sequential([sn.Input((16, 16, 1)), sn.layers.Conv2D(4, 3, activation="relu"), *end])
    model.save(tmp_path / "faces.keras")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"images": np.random.default_rng(0).random((2, 16, 16, 1), np.float32)}
    exec(EXPLAINING[0], names)
    assert names["where"].shape == names["pixels"].shape == (2, 16, 16)
    assert names["maps"].shape == (2, 14, 14, 4)


def test_the_example_of_features_runs_and_is_short() -> None:
    assert len([line for line in FEATURES[0].splitlines() if line]) < 10
    names: dict[str, Any] = {}
    exec(FEATURES[0], names)
    assert names["vectors"].shape == (1797, 128)
    np.testing.assert_allclose(np.linalg.norm(names["vectors"], axis=1), 1, rtol=1e-5)
    assert adjusted_rand_score(names["y"], names["clusters"]) > 0.2
    assert names["classifier"].score(names["images"], names["y"]) > 0.8


@pytest.mark.parametrize("example", [example for example in EXAMPLES if example not in WITH_FILES + FEATURES])
def test_an_example_runs(
    example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(example, names)
    assert capsys.readouterr().out
    if "model" in names:
        assert (tmp_path / "digits.safetensors").exists()


def test_the_example_of_a_keras_model_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from oracle import keras

    stack = [keras.Input((48, 48, 1)), keras.layers.Conv2D(2, 5, strides=4), keras.layers.Flatten()]
    theirs = keras.Sequential([*stack, keras.layers.Dense(3, "softmax")])
    theirs.save(tmp_path / "model.keras")
    theirs.set_weights([weight + 0.1 for weight in theirs.get_weights()])
    theirs.save_weights(tmp_path / "other.weights.h5")
    images = np.random.default_rng(0).random((4, 48, 48, 1), np.float32)
    monkeypatch.chdir(tmp_path)
    exec(KERAS[0], {"images": images})
    written = ["faces.keras", "faces.onnx", "faces.safetensors", "faces.weights.h5"]
    assert sorted(path.name for path in tmp_path.glob("faces.*")) == written
    again = sn.load_model("faces.keras")
    assert again.class_names == ("happy", "neutral", "sad")
    np.testing.assert_allclose(again.predict(images), theirs.predict(images, verbose=0), rtol=1e-4)
    assert np.asarray(keras.models.load_model("faces.keras")(images)).shape == (4, 3)
