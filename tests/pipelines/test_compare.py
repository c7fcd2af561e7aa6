"""`scratchnet compare` finds the differences that there are, and none where there are none."""

import json
import math
import sys
import tomllib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from oracle import keras, tf
from tiny import TINY, Command

import scratchnet as sn
from pipelines.bench.timing import Pace
from pipelines.compare import compare_models
from pipelines.compare import comparison as comparison_module
from pipelines.compare.comparison import Comparison
from pipelines.compare.differences import Difference, difference
from pipelines.compare.figures import save_comparison
from pipelines.compare.subject import Subject
from pipelines.compare.training import Trajectory
from pipelines.errors import UserError
from pipelines.run import Run
from pipelines.twin import to_keras
from scratchnet import layers

QUICK = Pace(rounds=1, budget=0, lead=0, pause=0)
STARTED = {
    "recipe": tomllib.loads(TINY), "data": "drawn:70:0", "classes": ["happy", "sad"], "epochs": 1, "limit": None,
    "seed": 0,
}  # fmt: skip


def net(compiled: bool = True) -> sn.Model:
    sn.set_random_seed(0)
    x = layers.Input((8, 8, 2), name="image")
    y = layers.Conv2D(4, 3, padding="same", activation="tanh", name="first", kernel_regularizer="l2")(x)
    y = layers.BatchNormalization(momentum=0.8, name="normal")(y)
    shared = layers.Conv2D(4, 3, padding="same", name="shared")
    y = layers.Add(name="sum")([shared(shared(y)), y])
    y = layers.Dropout(0.5, name="dropped")(layers.Flatten(name="flat")(y))
    model = sn.Model(x, layers.Dense(3, activation="softmax", name="last")(y))
    if compiled:
        model.compile(sn.optimizers.SGD(0.05, momentum=0.9), "sparse_categorical_crossentropy")
    return model


def batches(count: int = 2, seed: int = 0) -> list[Any]:
    rng = np.random.default_rng(seed)
    return [([rng.standard_normal((6, 8, 8, 2)).astype(np.float32)], rng.integers(0, 3, 6)) for _ in range(count)]


def quick(model: sn.Model, steps: int = 4, **options: Any) -> Comparison:
    return compare_models(model, options.pop("batches", batches()), steps, pace=None, **options)


def test_equal_models_are_found_equal() -> None:
    model = net()
    before = model.get_weights()
    found = quick(model)
    assert found.fault is None
    assert found.verdict.startswith("The same function: activations differ by at most ")
    names = [entry.name for entry in found.activations]
    assert names == ["first", "normal", "shared", "shared (call 2)", "sum", "flat", "dropped", "last", "output 1"]
    assert [entry.name for entry in found.gradients] == [
        "first/kernel", "first/bias", "normal/gamma", "normal/beta", "shared/kernel", "shared/bias", "last/kernel",
        "last/bias",
    ]  # fmt: skip
    assert found.trajectory is not None
    assert len(found.trajectory.ours) == len(found.trajectory.theirs) == 4
    assert "dropout is switched off in both" in found.notes[0]
    for weight, earlier in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, earlier)
    assert model.optimizer.iterations == 0
    assert model.get_layer("dropped").rate == 0.5


def test_the_figures_are_those_of_a_comparison_by_hand() -> None:
    """A twin whose every weight is a little larger, so that the differences are far above rounding."""
    x, y = batches(1)[0]
    model = sn.Sequential([layers.Input((8, 8, 2)), layers.Flatten(), layers.Dense(3, name="only")])
    model.compile(sn.optimizers.SGD(0.1), sn.losses.SparseCategoricalCrossentropy(from_logits=True))
    kernel, bias = model.get_weights()
    twin = to_keras(model)
    twin.set_weights([kernel * 1.01, bias + 0.5])
    found = quick(model, steps=2, batches=[(x, y)], twin=twin)

    flat = x[0].reshape(6, -1)
    mine, other = flat @ kernel + bias, flat @ (kernel * 1.01) + bias + 0.5
    only = next(entry for entry in found.activations if entry.name == "only")
    assert only.largest == pytest.approx(np.abs(mine - other).max(), rel=1e-4)
    assert only.relative == pytest.approx(np.abs(mine - other).max() / np.abs(other).max(), rel=1e-4)

    def loss_and_gradients(weights: list[np.ndarray]) -> tuple[float, list[np.ndarray]]:
        variables = [tf.constant(weight) for weight in weights]
        with tf.GradientTape() as tape:
            tape.watch(variables)
            logits = tf.matmul(flat, variables[0]) + variables[1]
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits))
        return float(loss), [np.asarray(gradient) for gradient in tape.gradient(loss, variables)]

    sets = {"ours": [kernel, bias], "theirs": [kernel * np.float32(1.01), bias + np.float32(0.5)]}
    losses: dict[str, list[float]] = {"ours": [], "theirs": []}
    first: dict[str, list[np.ndarray]] = {}
    for side, weights in sets.items():
        for _ in range(2):
            loss, gradients = loss_and_gradients(weights)
            first.setdefault(side, gradients)
            losses[side].append(loss)
            weights = [weight - np.float32(0.1) * step for weight, step in zip(weights, gradients, strict=True)]
    for entry, mine, other in zip(found.gradients, first["ours"], first["theirs"], strict=True):
        assert entry.largest == pytest.approx(np.abs(mine - other).max(), rel=1e-3)
        assert entry.relative == pytest.approx(np.abs(mine - other).max() / np.abs(other).max(), rel=1e-3)
    assert found.trajectory is not None
    assert found.trajectory.ours == pytest.approx(losses["ours"], rel=1e-5)
    assert found.trajectory.theirs == pytest.approx(losses["theirs"], rel=1e-5)
    apart = [abs(a - b) / max(losses["theirs"]) for a, b in zip(losses["ours"], losses["theirs"], strict=True)]
    assert found.trajectory.apart() == pytest.approx(apart, rel=1e-3)


@pytest.mark.parametrize("layer", ["first", "shared", "last"])
def test_one_wrong_weight_is_found_in_its_layer(layer: str) -> None:
    model = net()
    plain = net()
    plain.get_layer("dropped").rate = 0.0
    twin = to_keras(plain)
    kernel, bias = twin.get_layer(layer).get_weights()
    kernel.reshape(-1)[0] += 0.05
    twin.get_layer(layer).set_weights([kernel, bias])
    found = quick(model, twin=twin)
    assert found.fault is not None
    assert found.fault.startswith(f"activations differ at {layer}, by ")
    assert found.verdict.startswith("Not the same function: activations differ at")


@pytest.mark.parametrize("lost", [0.5, 1e-4])
def test_a_wrong_gradient_is_found_where_activations_agree(lost: float) -> None:
    class Slow(keras.layers.Layer):
        """Passes everything on, but not all of the gradient."""

        def call(self, inputs: Any) -> Any:
            return (1 - lost) * inputs + tf.stop_gradient(lost * inputs)

    model = sn.Sequential([layers.Input((8, 8, 2)), layers.Flatten(name="flat"), layers.Dense(4, name="inner")])
    model.add(layers.Activation("linear", name="slow"))
    model.add(layers.Dense(3, name="outer"))
    model.compile("sgd", sn.losses.SparseCategoricalCrossentropy(from_logits=True))
    parts = [keras.layers.Flatten(name="flat"), keras.layers.Dense(4, name="inner"), Slow(name="slow")]
    twin = keras.Sequential([keras.Input((8, 8, 2)), *parts, keras.layers.Dense(3, name="outer")])
    twin.set_weights(model.get_weights())
    twin.compile(keras.optimizers.SGD(0.01), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    found = quick(model, twin=twin)
    assert max(entry.relative for entry in found.activations) < 1e-5
    assert found.fault is not None
    assert found.fault.startswith("gradients differ at inner/")


def test_a_gradient_that_should_be_zero_is_no_difference() -> None:
    """A bias before batch normalisation: what is computed for it is nothing but rounding."""
    model = sn.Sequential([layers.Input((8, 8, 2)), layers.Conv2D(4, 3, name="before"), layers.BatchNormalization()])
    for layer in (layers.ReLU(), layers.MaxPooling2D(2), layers.Flatten(), layers.Dense(3, activation="softmax")):
        model.add(layer)
    model.compile("sgd", "sparse_categorical_crossentropy")
    found = quick(model)
    bias = next(entry for entry in found.gradients if entry.name == "before/bias")
    assert bias.largest < 1e-12
    assert found.fault is None


def test_another_learning_rate_is_found_in_the_losses() -> None:
    model = net()
    plain = net()
    plain.compile(sn.optimizers.SGD(0.1, momentum=0.9), "sparse_categorical_crossentropy")
    plain.get_layer("dropped").rate = 0.0
    found = quick(model, twin=to_keras(plain))
    assert found.fault is not None
    assert found.fault.startswith("losses differ from training step 2 on")


def test_the_optimisers_state_is_part_of_the_comparison() -> None:
    model = net()
    for x, y in batches(3, seed=1):
        model.train_on_batch(x[0], y)
    assert quick(model, steps=6).fault is None


def test_a_model_that_is_not_compiled_is_trained_on_the_squared_error() -> None:
    y = np.random.default_rng(0).standard_normal((6, 3)).astype(np.float32)
    found = quick(net(compiled=False), batches=[(batches(1)[0][0], y)])
    assert found.fault is None
    assert any("both are trained with Adam on the mean squared error" in note for note in found.notes)


def test_several_outputs_are_compared_by_a_random_sum_and_not_trained() -> None:
    a, b = layers.Input((3,)), layers.Input((2,))
    joined = layers.Concatenate()([a, b])
    hidden = layers.Dense(4, activation="tanh", kernel_regularizer="l1")(joined)
    model = sn.Model([a, b], [hidden, layers.Dense(2)(hidden)])
    rng = np.random.default_rng(0)
    x = [rng.standard_normal((5, n)).astype(np.float32) for n in (3, 2)]
    found = quick(model, batches=[(x, np.zeros(5))])
    assert found.fault is None
    assert [entry.name for entry in found.activations][-2:] == ["output 1", "output 2"]
    assert len(found.gradients) == 4
    assert found.trajectory is None
    assert "not trained" in found.notes[0]


def test_layers_of_models_within_are_named_by_their_way() -> None:
    inner = sn.Sequential([layers.Input((8, 8, 2)), layers.Conv2D(2, 3, padding="same", name="deep")], name="inner")
    x = layers.Input((8, 8, 2))
    model = sn.Model(x, layers.Dense(3, name="end")(layers.Flatten(name="flat")(inner(inner(x)))))
    model.compile("sgd", sn.losses.SparseCategoricalCrossentropy(from_logits=True))
    found = quick(model)
    assert found.fault is None
    assert [e.name for e in found.activations][:2] == ["inner/deep", "inner (call 2)/deep"]
    assert [e.name for e in found.gradients][:2] == ["inner/deep/kernel", "inner/deep/bias"]


def test_frozen_models_are_not_trained() -> None:
    frozen = net()
    frozen.trainable = False
    found = quick(frozen)
    assert found.fault is None
    assert found.gradients == []
    assert found.trajectory is None
    assert any("all weights are frozen" in note for note in found.notes)


def test_what_tensorflow_cannot_differentiate_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise tf.errors.UnimplementedError(None, None, "no such gradient\n\tin detail")

    monkeypatch.setattr(comparison_module, "compare_gradients", fail)
    found = quick(net())
    assert found.fault is None
    assert found.gradients == []
    assert found.trajectory is None
    assert (
        "TensorFlow cannot differentiate this model here, so gradients and training are left out: " in found.notes[-1]
    )
    assert found.notes[-1].endswith("no such gradient")


def test_differences_are_measured_as_they_say() -> None:
    assert difference("a", "k", [1.0, 2.0], [1.0, 4.0])[2:4] == (2.0, 0.5)
    assert difference("a", "k", [1e-9], [0.0], least=1e-3)[2:4] == (1e-9, 1e-6)
    assert difference("a", "k", [0.0], [0.0])[2:4] == (0.0, 0.0)
    assert difference("a", "k", [np.inf, 1.0], [np.inf, 1.0]).relative == 0
    for ours in ([np.nan, 1.0], [[1.0, 1.0]]):
        assert difference("a", "k", ours, [1.0, 1.0]).relative == math.inf


def test_what_is_not_a_number_is_never_the_same() -> None:
    good = [Difference("a", "Dense", 0.0, 0.0)]
    assert Comparison([Difference("a", "Dense", math.inf, math.inf)], [], None, []).fault is not None
    trajectory = Trajectory([1.0, math.nan], [1.0, 0.9], [1.0, 0.9])
    assert Comparison(good, good, trajectory, []).fault == (
        "losses differ from training step 2 on, by a value that is not a number"
    )
    both = Trajectory([1.0, math.inf], [1.0, math.inf], [1.0, math.inf])
    assert Comparison(good, good, both, []).fault is None


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder whose model takes drawn faces."""
    folder = tmp_path_factory.mktemp("compare") / "run"
    sn.set_random_seed(0)
    model = sn.Sequential([layers.Input((16, 16, 1)), layers.Conv2D(4, 3, strides=2, activation="relu")])
    for layer in (layers.Flatten(), layers.Dropout(0.3), layers.Dense(7, activation="softmax")):
        model.add(layer)
    model.compile(sn.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.class_names = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
    model.preprocessing = {"height": 16, "width": 16, "channels": 1, "scale": 1 / 255, "offset": 0.0}
    run = Run(folder)
    run.start(STARTED, "name,class,part\n", overwrite=False)
    model.save(run.model_path)
    return folder


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Timing in an instant, on few images."""
    monkeypatch.setattr("pipelines.compare.subject.MOST_IMAGES", 48)
    monkeypatch.setattr(comparison_module, "PACE", QUICK)
    monkeypatch.setattr(comparison_module.compare_models, "__defaults__", (50, QUICK, None))


def test_the_command_prints_draws_and_writes_everything(command: Command, trained: Path) -> None:
    done = command("compare", trained, "--steps", 5)
    assert done.status == 0, done.err
    for part in (
        "beside its Keras twin on 48 samples (drawn faces) in batches of 16",
        "activations of each layer", "gradients by each weight", "losses of 5 training steps", "a training step of 16",
        "an image alone", "note: dropout is switched off", "The same function: ",
    ):  # fmt: skip
        assert part in done.out
    folder = trained / "compare"
    for name in ("activations", "gradients", "training", "times"):
        picture = cv2.imread(str(folder / f"{name}.png"))
        assert picture is not None
        assert picture.std() > 10
    written = json.loads((folder / "compare.json").read_text())
    assert written["same"] is True
    assert written["verdict"] in done.out
    assert len(written["training"]["ours"]) == 5
    assert {entry["what"] for entry in written["seconds"]} >= {"an image alone", "an image in a batch of 16"}
    assert all(entry["ours"] > 0 and entry["theirs"] > 0 for entry in written["seconds"])
    assert written["data"] == "drawn faces"
    assert sorted(path.name for path in folder.iterdir()) == [
        "activations.png", "compare.json", "gradients.png", "times.png", "training.png",
    ]  # fmt: skip


def test_a_difference_changes_the_verdict_and_the_status(
    command: Command, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(model: sn.Model) -> Any:
        twin = to_keras(model)
        kernel, bias = (
            twin.get_layer("conv2d").get_weights() if "conv2d" in names(twin) else twin.layers[0].get_weights()
        )
        kernel[0, 0, 0, 0] = np.nan
        twin.layers[0].set_weights([kernel, bias])
        return twin

    def names(twin: Any) -> list[str]:
        return [layer.name for layer in twin.layers]

    monkeypatch.setattr(comparison_module, "to_keras", wrong)
    done = command("compare", trained, "--steps", 2, "--out", tmp_path / "out")
    assert done.status == 1
    first = sn.load_model(trained / "model.safetensors").layers[0].name
    assert f"Not the same function: activations differ at {first}, by a value that is not a number" in done.out
    text = (tmp_path / "out" / "compare.json").read_text()
    written = json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert written["same"] is False
    assert written["activations"][0]["relative"] == "inf"


def test_labelled_images_and_single_files_are_taken(
    command: Command, trained: Path, faces: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = command("compare", trained / "model.safetensors", "--data", faces["zip"], "--steps", 2)
    assert done.status == 0, done.err
    assert f"on 32 samples ({faces['zip']}) in batches of 32" in done.out
    assert (tmp_path / "runs" / "compare" / "compare.json").exists()


def test_a_keras_file_is_compared_too(command: Command, tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(4, activation="relu"), keras.layers.Dense(2)])
    model.compile("adam", "mse")
    model.save(tmp_path / "model.keras")
    done = command("compare", tmp_path / "model.keras", "--steps", 3, "--out", tmp_path / "out")
    assert done.status == 0, done.err
    assert "(random numbers) in batches of 32" in done.out


@pytest.mark.parametrize(
    ("shape", "classes", "data"),
    [((16, 16, 1), 7, "drawn faces"), ((16, 16, 3), 7, "drawn faces"), ((6, 16, 1), 7, "random numbers"),
     ((16, 16, 2), 7, "random numbers"), ((20,), 3, "random numbers")],
)  # fmt: skip
def test_without_data_drawn_faces_are_taken_where_they_fit(
    shape: tuple[int, ...], classes: int, data: str, tmp_path: Path
) -> None:
    model = sn.Sequential([layers.Input(shape), layers.Flatten(), layers.Dense(classes, activation="softmax")])
    model.compile("adam", "categorical_crossentropy")
    model.save(tmp_path / "m.safetensors")
    subject = Subject(tmp_path / "m.safetensors", None, 0)
    assert subject.data == data
    x, y = subject.batches[0]
    assert x[0].shape == (32, *shape)
    assert y.shape == (32, classes)
    np.testing.assert_array_equal(y.sum(axis=1), 1)
    again = Subject(tmp_path / "m.safetensors", None, 0)
    np.testing.assert_array_equal(again.batches[0][0][0], x[0])


def test_images_are_taken_by_models_of_any_size(tmp_path: Path, faces: dict[str, Path]) -> None:
    model = sn.Sequential([layers.Input((None, None, 1)), layers.Conv2D(2, 3), layers.GlobalAveragePooling2D()])
    model.add(layers.Dense(7, activation="softmax"))
    model.class_names = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
    model.preprocessing = {"height": 24, "width": 20, "channels": 1}
    model.save(tmp_path / "m.safetensors")
    for data in (None, str(faces["zip"])):
        x, y = Subject(tmp_path / "m.safetensors", data, 0).batches[0]
        assert x[0].shape == (32, 24, 20, 1)
        assert y.shape == (32, 7)


def test_figures_of_very_many_layers_show_the_largest_differences(tmp_path: Path) -> None:
    found = [Difference(f"layer{number}", "Dense", 1e-7, 1e-7 * (number + 1)) for number in range(1000)]
    (picture, *_) = save_comparison(Comparison(found, [], None, []), tmp_path)
    assert picture.name == "activations.png"
    height = cv2.imread(str(picture)).shape[0]
    assert 10_000 < height < 13_000


def test_targets_are_such_as_the_loss_takes(tmp_path: Path) -> None:
    for units, loss, shape in ((1, "binary_crossentropy", (32, 1)), (3, "sparse_categorical_crossentropy", (32,))):
        model = sn.Sequential([layers.Input((4,)), layers.Dense(units)])
        model.compile("sgd", loss)
        model.save(tmp_path / "m.safetensors")
        subject = Subject(tmp_path / "m.safetensors", None, 0)
        y = subject.batches[0][1]
        assert y.shape == shape
        assert set(np.unique(y)) <= set(range(max(units, 2)))


def test_mistakes_end_in_one_sentence(
    command: Command, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    bare = sn.Sequential([layers.Input((4,)), layers.Dense(2)])
    bare.save(tmp_path / "bare.safetensors")
    for arguments, message in (
        ((tmp_path / "nothing",), "nothing does not exist; give a run folder or"),
        ((tmp_path,), "is not a run"),
        ((trained, "--out", tmp_path / "file"), "file is a file; choose another --out"),
        ((trained, "--data", tmp_path / "none"), "none"),
        ((tmp_path / "bare.safetensors", "--data", "drawn:70"), "does not say its preprocessing"),
    ):
        done = command("compare", *arguments)
        assert done.status == 1, arguments
        assert message in done.err
        assert "Traceback" not in done.err
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    done = command("compare", trained)
    assert done.status == 1
    assert 'this needs TensorFlow, which is not installed: pip install -e ".[keras]"' in done.err


def test_a_model_that_keras_lacks_is_named() -> None:
    class Mine(layers.Layer):
        def call(self, inputs: Any, training: bool = False) -> Any:
            return inputs

    model = sn.Sequential([layers.Input((8, 8, 2)), Mine(name="special")])
    with pytest.raises(ValueError, match="special is a Mine, which Keras does not have"):
        compare_models(model, batches())


def test_a_model_without_weights_is_refused(tmp_path: Path) -> None:
    sn.Sequential([layers.Input((3,)), layers.Dense(1)]).save_weights(tmp_path / "w.safetensors")
    with pytest.raises(sn.ModelFileError, match="holds weights without a model"):
        Subject(tmp_path / "w.safetensors", None, 0)
    assert issubclass(UserError, ValueError)


def test_overwriting_a_run_takes_its_comparison_along(trained: Path, tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.start(STARTED, "", overwrite=False)
    (run.folder / "compare").mkdir()
    (run.folder / "compare" / "compare.json").write_text("{}")
    run.start({**STARTED, "seed": 1}, "", overwrite=True)
    assert not (run.folder / "compare").exists()
