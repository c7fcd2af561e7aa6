"""Files of Keras become models that predict what Keras predicts, without Keras."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_zoo import APPLICATIONS, SMALL, inputs_of, outputs_of, randomise
from oracle import keras
from processes import run_python

import scratchnet as sn

FORMATS = ("keras", "h5")

BLOCKED = """
import sys
for name in ("tensorflow", "keras", "tf_keras", "h5py", "tensorboard", "jax", "torch"):
    sys.modules[name] = None  # importing it is an error now
import json, pathlib
import numpy as np
import scratchnet as sn
for case in json.loads(sys.argv[1]):
    with np.load(case["data"]) as data:
        inputs = [data[name] for name in sorted(data.files) if name.startswith("x")]
        wanted = [data[name] for name in sorted(data.files) if name.startswith("y")]
    model = sn.load_model(case["model"])
    results = model.predict(inputs if len(inputs) > 1 else inputs[0])
    results = results if isinstance(results, list) else [results]
    errors = [float(np.abs(a - b).max() / np.abs(b).max()) for a, b in zip(results, wanted, strict=True)]
    print(case["model"], max(errors), model.count_params())
"""


def relative(ours: np.ndarray, theirs: np.ndarray) -> float:
    assert ours.shape == theirs.shape
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


def save_case(name: str, model: Any, folder: Path, form: str) -> dict[str, str]:
    inputs = inputs_of(model)
    listed = inputs if isinstance(inputs, list) else [inputs]
    outputs = outputs_of(model, inputs)
    data = folder / f"{name}.npz"
    np.savez(data, **{f"x{i}": x for i, x in enumerate(listed)}, **{f"y{i}": y for i, y in enumerate(outputs)})
    model.save(folder / f"{name}.{form}")
    return {"model": str(folder / f"{name}.{form}"), "data": str(data)}


def test_every_network_predicts_as_in_keras_where_no_tensorflow_can_be_imported(tmp_path: Path) -> None:
    cases, parameters = [], []
    for name, build in {**SMALL, **APPLICATIONS}.items():
        keras.utils.set_random_seed(0)
        model = randomise(build())
        for form in FORMATS if name in SMALL else FORMATS[:1]:
            cases.append(save_case(name, model, tmp_path, form))
            parameters.append(model.count_params())
    status, out, err = run_python(BLOCKED, json.dumps(cases))
    assert status == 0, err
    lines = [line.rsplit(" ", 2) for line in out.splitlines()]
    assert [line[0] for line in lines] == [case["model"] for case in cases]
    assert [int(line[2]) for line in lines] == parameters
    too_far = [line for line in lines if not float(line[1]) < 1e-4]
    assert not too_far


@pytest.mark.parametrize("name", SMALL)
def test_weights_alone_go_into_the_same_network(name: str, tmp_path: Path) -> None:
    theirs = randomise(SMALL[name]())
    theirs.save(tmp_path / "whole.keras")
    ours = sn.load_model(tmp_path / "whole.keras")
    randomise(theirs, seed=7)
    x = inputs_of(theirs)
    wanted = outputs_of(theirs, x)
    theirs.save_weights(tmp_path / "m.weights.h5")
    theirs.save(tmp_path / "m.keras")
    theirs.save(tmp_path / "m.h5")
    before = [weight.data.copy() for weight in ours.weights]
    for file in ("m.weights.h5", "m.keras", "m.h5"):
        for weight, value in zip(ours.weights, before, strict=True):
            weight.assign(value)
        ours.load_weights(tmp_path / file)
        for mine, other in zip(outputs_of(ours, x), wanted, strict=True):
            assert relative(mine, other) < 1e-4


def refused_weights(folder: Path, first: Any, second: Any, message: str) -> None:
    """Save one Keras model and another's weights; loading the latter into the former fails and changes nothing."""
    first.save(folder / "a.keras")
    second.save_weights(folder / "b.weights.h5")
    model = sn.load_model(folder / "a.keras")
    before = model.get_weights()
    with pytest.raises(sn.ModelFileError, match=message):
        model.load_weights(folder / "b.weights.h5")
    for mine, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, old)


def test_weights_of_another_network_leave_the_model_as_it_was(tmp_path: Path) -> None:
    models = [randomise(SMALL[name]()) for name in ("misleading_names", "all_kinds")]
    refused_weights(tmp_path, *models, r"b\.weights\.h5 .* it lacks weights .*is it of another model\?")


def test_one_weight_of_another_shape_leaves_the_model_as_it_was(tmp_path: Path) -> None:
    models = [
        keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), keras.layers.Dense(units)]) for units in (2, 5)
    ]
    refused_weights(tmp_path, *models, r"/layers/dense_1/vars/0 is float32 of shape \(4, 5\), but kernel of")


def test_the_kind_of_a_file_is_told_by_its_contents(tmp_path: Path) -> None:
    model = randomise(SMALL["misleading_names"]())
    x = inputs_of(model)
    wanted = outputs_of(model, x)[0]
    for form in FORMATS:
        model.save(tmp_path / f"m.{form}")
        (tmp_path / f"m.{form}").rename(tmp_path / "m.model")
        assert relative(sn.load_model(tmp_path / "m.model").predict(x), wanted) < 1e-4
    ours = sn.load_model(tmp_path / "m.model")
    ours.save(tmp_path / "m.safetensors")
    (tmp_path / "m.safetensors").rename(tmp_path / "m.keras")
    np.testing.assert_array_equal(sn.load_model(tmp_path / "m.keras").predict(x), ours.predict(x))


def test_what_was_read_can_be_saved_as_our_own(tmp_path: Path) -> None:
    for name in ("all_kinds", "twice_used", "frozen_parts"):
        model = randomise(SMALL[name]())
        model.save(tmp_path / "m.keras")
        ours = sn.load_model(tmp_path / "m.keras")
        ours.save(tmp_path / "m.safetensors")
        x = inputs_of(model)
        again = outputs_of(sn.load_model(tmp_path / "m.safetensors"), x)
        for mine, old in zip(again, outputs_of(ours, x), strict=True):
            np.testing.assert_array_equal(mine, old)


def test_what_was_frozen_stays_frozen(tmp_path: Path) -> None:
    model = SMALL["frozen_parts"]()
    for form in FORMATS:
        model.save(tmp_path / f"m.{form}")
        ours = sn.load_model(tmp_path / f"m.{form}")
        assert [w.trainable for w in ours.weights] == [w.trainable for w in model.weights]


def test_float64_models_are_read_as_such(tmp_path: Path) -> None:
    image = keras.Input((4,), dtype="float64")
    model = keras.Model(image, keras.layers.Dense(3, dtype="float64")(image))
    for form in FORMATS:
        model.save(tmp_path / f"m.{form}")
        ours = sn.load_model(tmp_path / f"m.{form}")
        x = np.random.default_rng(0).random((2, 4))
        assert ours.predict(x).dtype == np.float64
        np.testing.assert_allclose(ours.predict(x), model(x).numpy(), rtol=1e-12)  # its predict makes float32 of x


def test_nan_in_weights_is_a_value_like_others(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.layers[0].kernel.assign([[np.nan], [np.inf]])
    model.save(tmp_path / "m.keras")
    assert np.isnan(sn.load_model(tmp_path / "m.keras").get_weights()[0][0, 0])


class Double(sn.layers.Layer):
    """A layer of the caller's own."""

    def call(self, inputs: Any, training: bool = False) -> Any:
        return inputs * 2


def test_the_callers_own_classes_can_be_handed_in(tmp_path: Path) -> None:
    @keras.saving.register_keras_serializable("mine", name="Double")
    class KerasDouble(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return x * 2

    KerasDouble.__name__ = "Double"
    model = keras.Sequential([keras.Input((2,)), KerasDouble(), keras.layers.Dense(2)])
    model.save(tmp_path / "m.keras")
    with pytest.raises(sn.ModelFileError, match=r"layer 'double' \(Double\) is a class of the file's author"):
        sn.load_model(tmp_path / "m.keras")
    ours = sn.load_model(tmp_path / "m.keras", custom_objects={"Double": Double})
    x = np.ones((1, 2), np.float32)
    np.testing.assert_allclose(ours.predict(x), model.predict(x, verbose=0), rtol=1e-6)
