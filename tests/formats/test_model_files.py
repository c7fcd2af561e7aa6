"""A model comes back from its file as it was; a file that cannot be used is named, with the remedy."""

import errno
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pairs import images
from safetensors import safe_open
from safetensors.numpy import save_file

import scratchnet as sn
from scratchnet import layers
from scratchnet.formats.container import read_container, write_container


def sequential() -> sn.Model:
    return sn.Sequential(
        [
            layers.Input((8, 8, 2)),
            layers.Conv2D(4, 3, activation="relu", kernel_regularizer="l2"),
            layers.BatchNormalization(),
            layers.Dropout(0.3),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(3, activation="softmax", kernel_initializer=sn.initializers.HeNormal(seed=3)),
        ]
    )


def every_layer() -> sn.Model:
    return sn.Sequential(
        [
            layers.Input((9, 9, 2)),
            layers.Rescaling(0.5, offset=-1),
            layers.ZeroPadding2D(((1, 0), (0, 1))),
            layers.SeparableConv2D(6, 3, depth_multiplier=2),
            layers.LeakyReLU(0.2),
            layers.DepthwiseConv2D((3, 2), padding="same", use_bias=False),
            layers.ReLU(6.0),
            layers.AveragePooling2D(2, padding="same"),
            layers.Activation("tanh"),
            layers.Conv2D(4, 2, dilation_rate=2, groups=2),
            layers.GlobalAveragePooling2D(keepdims=True),
            layers.Reshape((2, 2)),
            layers.Flatten(),
            layers.Dense(3),
            layers.Softmax(),
        ]
    )


def functional() -> sn.Model:
    x = layers.Input((8, 8, 2), name="image")
    shared = layers.Conv2D(2, 3, padding="same", name="shared")
    y = layers.Add()([shared(shared(x)), x])
    both = layers.Concatenate()([layers.GlobalMaxPooling2D()(y), layers.GlobalAveragePooling2D()(x)])
    return sn.Model(x, layers.Dense(3, activation="softmax")(both))


def nested() -> sn.Model:
    inner = sn.Sequential([layers.Input((8, 8, 2)), layers.Conv2D(2, 3, padding="same")], name="inner")
    x = layers.Input((8, 8, 2))
    return sn.Model(x, layers.Dense(3)(layers.Flatten()(inner(inner(x)))), name="outer")


def double() -> sn.Model:
    x = layers.Input((8, 8, 2), dtype="float64")
    y = layers.Conv2D(2, 3, dtype="float64")(x)
    return sn.Model(x, layers.Dense(3, dtype="float64")(layers.Flatten(dtype="float64")(y)))


def frozen() -> sn.Model:
    model = sequential()
    model.layers[0].trainable = False
    return model


MODELS: dict[str, Callable[[], sn.Model]] = {
    "sequential": sequential,
    "every layer": every_layer,
    "functional": functional,
    "nested": nested,
    "float64": double,
    "frozen": frozen,
}


def inputs_of(model: sn.Model, samples: int = 5) -> np.ndarray:
    shape = (samples, *model.input_shape[1:])
    return np.random.default_rng(0).standard_normal(shape).astype(model.dtype)


@pytest.mark.parametrize("kind", MODELS)
def test_a_model_comes_back_as_it_was(kind: str, tmp_path: Path) -> None:
    model = MODELS[kind]()
    model.save(tmp_path / "model.safetensors")
    loaded = sn.load_model(tmp_path / "model.safetensors")
    assert type(loaded) is type(model)
    assert loaded.get_config() == model.get_config()
    assert [weight.dtype for weight in loaded.weights] == [weight.dtype for weight in model.weights]
    assert [weight.trainable for weight in loaded.weights] == [weight.trainable for weight in model.weights]
    np.testing.assert_array_equal(loaded.predict(inputs_of(model)), model.predict(inputs_of(model)))
    assert not loaded.compiled


def test_several_inputs_and_outputs_come_back_in_their_order(tmp_path: Path) -> None:
    a, b = layers.Input((2,), name="a"), layers.Input((3,), name="b")
    joined = layers.Concatenate()([b, a])
    sn.Model([a, b], [layers.Dense(1)(joined), joined]).save(tmp_path / "m.safetensors")
    loaded = sn.load_model(str(tmp_path / "m.safetensors"))
    first, second = loaded.predict([np.zeros((4, 2)), np.ones((4, 3))])
    assert first.shape == (4, 1)
    np.testing.assert_array_equal(second, [[1, 1, 1, 0, 0]] * 4)


def test_classes_and_preprocessing_come_back(tmp_path: Path) -> None:
    model = sequential()
    model.class_names = ("froh", "traurig", "wütend")
    model.preprocessing = {"height": 8, "width": 8, "channels": 2, "scale": 1 / 255}
    model.save(tmp_path / "m.safetensors")
    loaded = sn.load_model(tmp_path / "m.safetensors")
    assert loaded.class_names == model.class_names
    assert loaded.preprocessing == model.preprocessing


OPTIMIZERS: dict[str, Callable[[], Any]] = {
    "adam": lambda: sn.optimizers.Adam(0.01, amsgrad=True),
    "sgd": lambda: sn.optimizers.SGD(sn.schedules.ExponentialDecay(0.05, 4, 0.5), momentum=0.9),
    "rmsprop": lambda: sn.optimizers.RMSprop(0.003, centered=True, momentum=0.5),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_training_goes_on_from_the_file_as_if_it_had_not_stopped(optimizer: str, tmp_path: Path) -> None:
    def plain() -> sn.Model:  # without dropout, whose random numbers belong to the run and not to the model
        x = layers.Input((8, 8, 2))
        y = layers.BatchNormalization()(layers.Conv2D(4, 3, activation="relu", kernel_regularizer="l2")(x))
        return sn.Model(x, layers.Dense(3, activation="softmax")(layers.Flatten()(y)))

    sn.set_random_seed(0)
    model = plain()
    model.compile(
        OPTIMIZERS[optimizer](), "sparse_categorical_crossentropy", metrics=["accuracy", sn.metrics.F1Score("macro")]
    )
    batches = [images(12, seed=seed) for seed in range(6)]
    model.compile(OPTIMIZERS[optimizer](), "sparse_categorical_crossentropy", metrics=["accuracy"])
    for x, y in batches[:3]:
        model.train_on_batch(x, y)
    model.save(tmp_path / "m.safetensors")
    loaded = sn.load_model(tmp_path / "m.safetensors")
    assert loaded.get_compile_config() == model.get_compile_config()
    assert loaded.optimizer.iterations == 3
    for x, y in batches[3:]:
        assert loaded.train_on_batch(x, y) == model.train_on_batch(x, y)
    for mine, other in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)


def test_metric_objects_and_weighted_metrics_come_back(tmp_path: Path) -> None:
    model = functional()
    model.compile(
        "adam",
        sn.losses.CategoricalCrossentropy(label_smoothing=0.1),
        metrics=[sn.metrics.TopKCategoricalAccuracy(k=2, name="top")],
        weighted_metrics=["accuracy"],
    )
    model.save(tmp_path / "m.safetensors")
    loaded = sn.load_model(tmp_path / "m.safetensors")
    x, y = images(9)
    targets = np.eye(3)[y]
    assert loaded.evaluate(x, targets, verbose=0, return_dict=True) == model.evaluate(
        x, targets, verbose=0, return_dict=True
    )


def test_a_model_with_a_loss_of_the_users_own_comes_back_uncompiled(tmp_path: Path) -> None:
    model = functional()
    model.compile("adam", lambda truth, output: (output * output).sum(-1))
    model.save(tmp_path / "m.safetensors")
    assert not sn.load_model(tmp_path / "m.safetensors").compiled


class Doubling(layers.Layer):
    """Twice its input."""

    def call(self, inputs: Any, training: bool = False) -> Any:
        return inputs * 2


def test_the_users_own_layers_come_back_only_if_they_are_handed_in(tmp_path: Path) -> None:
    model = sn.Sequential([layers.Input((3,)), Doubling()])
    model.save(tmp_path / "m.safetensors")
    with pytest.raises(sn.ModelFileError, match=r"m\.safetensors.*unknown layer class 'Doubling'.*custom_objects"):
        sn.load_model(tmp_path / "m.safetensors")
    loaded = sn.load_model(tmp_path / "m.safetensors", custom_objects={"Doubling": Doubling})
    np.testing.assert_array_equal(loaded.predict(np.ones((2, 3))), np.full((2, 3), 2))
    with pytest.raises(sn.ModelFileError):  # what was handed in is not remembered
        sn.load_model(tmp_path / "m.safetensors")


def test_a_layer_that_cannot_be_described_is_refused_before_the_file_is_touched(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    sequential().save(path)
    before = path.read_bytes()
    odd = sn.Sequential([layers.Input((3,)), layers.Dense(2, activation=lambda x: x)])
    with pytest.raises(ValueError, match="cannot be saved"):
        odd.save(path)
    assert path.read_bytes() == before


def test_weights_alone_go_into_a_model_of_the_same_shape(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    model = sequential()
    model.save_weights(path)
    other = sn.Sequential.from_config(model.get_config())
    x = inputs_of(model)
    assert not np.array_equal(other.predict(x), model.predict(x))
    other.load_weights(path)
    np.testing.assert_array_equal(other.predict(x), model.predict(x))
    with pytest.raises(sn.ModelFileError, match=r"w\.safetensors holds weights without a model.*load_weights"):
        sn.load_model(path)


def test_the_same_network_built_again_takes_the_weights_though_its_layers_are_numbered_on(tmp_path: Path) -> None:
    for build in (sequential, functional, nested):
        first, second = build(), build()
        first.save_weights(tmp_path / "w.safetensors")
        second.load_weights(tmp_path / "w.safetensors")
        np.testing.assert_array_equal(second.predict(inputs_of(first)), first.predict(inputs_of(first)))


def test_layers_with_names_that_look_made_up_keep_their_own_weights(tmp_path: Path) -> None:
    def build() -> sn.Model:
        x = layers.Input((3,))
        y = layers.Conv2D(3, 1, name="dense_1")(layers.Reshape((1, 1, 3))(x))
        y = layers.Dense(3, name="dense_7")(layers.Dense(3)(layers.Dense(3)(layers.Flatten()(y))))
        return sn.Model(x, y)

    first, second = build(), build()
    assert len(first.named_weights()) == len(first.weights) == 8
    assert "dense_1/kernel" in first.named_weights()
    first.save_weights(tmp_path / "w.safetensors")
    second.load_weights(tmp_path / "w.safetensors")
    np.testing.assert_array_equal(second.predict(inputs_of(first)), first.predict(inputs_of(first)))


def test_weights_are_taken_from_a_whole_model_too(tmp_path: Path) -> None:
    model = functional()
    model.compile("adam", "mse")
    model.save(tmp_path / "m.safetensors")
    other = sn.Model.from_config(model.get_config())
    other.load_weights(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(other.predict(inputs_of(model)), model.predict(inputs_of(model)))


@pytest.mark.parametrize("name", ["m.pt", "m.h5", "m", "safetensors", "m.weights.h5.txt"])
def test_another_extension_is_refused(name: str, tmp_path: Path) -> None:
    model = sequential()
    for write in (model.save, model.check_saveable):
        with pytest.raises(ValueError, match=r"must end in \.safetensors or \.keras or \.onnx, got .*" + name):
            write(tmp_path / name)
    with pytest.raises(ValueError, match=r"must end in \.safetensors or \.weights\.h5, got "):
        model.save_weights(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_keras_older_format_is_told_from_a_typing_mistake(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"Keras's older \.h5 is not written, \.keras has taken its place"):
        sequential().save(tmp_path / "m.h5")


def test_missing_folders_are_made(tmp_path: Path) -> None:
    sequential().save(tmp_path / "a" / "b" / "m.safetensors")
    assert isinstance(sn.load_model(tmp_path / "a" / "b" / "m.safetensors"), sn.Sequential)


class Full:
    """A file on a disk that is full after some bytes."""

    def __init__(self, file: Any) -> None:
        self.file = file

    def __enter__(self) -> "Full":
        return self

    def __exit__(self, *error: object) -> None:
        self.file.close()

    def write(self, content: bytes) -> None:
        self.file.write(content[:100])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.open

    def open_full(path: Path, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        file = real(path, mode, *arguments, **options)
        return Full(file) if "w" in mode else file

    monkeypatch.setattr(Path, "open", open_full)


def failing_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)


def failing_rename(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(source: Path, target: Path) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "replace", fail)


def interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", fail)


@pytest.mark.parametrize("fail", [full_disk, failing_fsync, failing_rename, interrupted])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    fail: Callable[[pytest.MonkeyPatch], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.safetensors"
    old, new = sequential(), sequential()
    old.save(path)
    fail(monkeypatch)
    with pytest.raises((OSError, KeyboardInterrupt)):
        new.save(path)
    monkeypatch.undo()
    assert [file.name for file in tmp_path.iterdir()] == ["m.safetensors"]
    np.testing.assert_array_equal(sn.load_model(path).predict(inputs_of(old)), old.predict(inputs_of(old)))


def test_what_a_crash_left_behind_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / ".m.safetensors.tmp").write_bytes(b"half a file")
    sequential().save(tmp_path / "m.safetensors")
    assert [file.name for file in tmp_path.iterdir()] == ["m.safetensors"]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    model = sequential()
    model.class_names = ("a", "b", "c")
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.train_on_batch(*images(4))
    model.save(tmp_path / "m.safetensors")
    return tmp_path / "m.safetensors"


def refused(path: Path) -> str:
    """The message with which a file is refused; it names the file."""
    with pytest.raises(sn.ModelFileError) as caught:
        sn.load_model(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_truncated_files_are_refused(saved: Path) -> None:
    content = saved.read_bytes()
    for length in [0, 1, 7, 8, 9, 100, *range(200, len(content), len(content) // 60), len(content) - 1]:
        saved.write_bytes(content[:length])
        assert "damaged" in refused(saved), length


def test_flipped_bits_are_noticed(saved: Path) -> None:
    content = saved.read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    rng = np.random.default_rng(0)
    places = [*range(10), *rng.integers(0, header, 300).tolist(), *rng.integers(header, len(content), 300).tolist()]
    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(rng.integers(8))
        saved.write_bytes(damaged)
        refused(saved)
    saved.write_bytes(content)
    assert isinstance(sn.load_model(saved), sn.Sequential)


def test_files_of_other_kinds_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    assert "check the path" in refused(path)
    path.mkdir()
    assert "is not a file" in refused(path)
    path.rmdir()
    path.write_text("a recipe for pancakes\n" * 50)
    assert "not a safetensors file" in refused(path)
    path.write_bytes(b"")
    assert "damaged" in refused(path)
    save_file({"x": np.zeros(3)}, path)
    assert "scratchnet did not write it" in refused(path)
    write_container(path, {}, {"format": "something else"})
    assert "not a scratchnet model" in refused(path)


def rewritten(path: Path, change: Callable[[dict[str, Any], dict[str, Any]], None]) -> Path:
    """The same file with other contents, and a checksum that is right."""
    arrays, meta = read_container(path, "")
    change(arrays, meta)
    write_container(path, arrays, meta)
    return path


def test_a_newer_version_is_refused_with_the_advice_to_update(saved: Path) -> None:
    message = refused(rewritten(saved, lambda arrays, meta: meta.update(version=99)))
    assert "version 99" in message
    assert "update" in message


def first_weight(arrays: dict[str, Any]) -> str:
    return next(name for name in arrays if name.startswith("weights/"))


def first_layer(meta: dict[str, Any]) -> dict[str, Any]:
    layer: dict[str, Any] = meta["model"]["config"]["layers"][0]
    return layer


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda arrays, meta: arrays.pop(first_weight(arrays)), "lacks weights weights/"),
        (lambda arrays, meta: arrays.update({"weights/extra": np.zeros(2)}), "has surplus weights weights/extra"),
        (
            lambda arrays, meta: arrays.update({next(n for n in arrays if n.endswith("/kernel")): np.zeros((2, 2))}),
            r"must hold floats of shape .*, got float64 of shape \(2, 2\)",
        ),
        (
            lambda arrays, meta: arrays.update(
                {name: value.astype(np.int32) for name, value in arrays.items() if name.startswith("weights/")}
            ),
            "must hold floats",
        ),
        (lambda arrays, meta: arrays.update({"optimizer/adam/velocity/99": np.zeros(2)}), "cannot be restored"),
        (lambda arrays, meta: meta["training"].update(loss="hinge"), "cannot be restored"),
        (lambda arrays, meta: first_layer(meta).update(class_name="Lambda"), "unknown layer class 'Lambda'"),
        (lambda arrays, meta: first_layer(meta).update(class_name="os.system"), "unknown layer class 'os.system'"),
        (lambda arrays, meta: meta["model"].update(class_name="Dense", config={"units": 3}), "not a model"),
    ],
)  # fmt: skip
def test_contents_that_contradict_each_other_are_named(
    change: Callable[[dict[str, Any], dict[str, Any]], None], message: str, saved: Path
) -> None:
    rewritten(saved, change)
    with pytest.raises(sn.ModelFileError, match=message) as caught:
        sn.load_model(saved)
    assert str(saved) in str(caught.value)


def test_refused_weights_change_nothing(saved: Path) -> None:
    model = sn.load_model(saved)
    before = model.get_weights()
    rewritten(saved, lambda arrays, meta: arrays.update({next(n for n in arrays if "bias" in n): np.zeros(99)}))
    with pytest.raises(sn.ModelFileError):
        model.load_weights(saved)
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)
    with pytest.raises(sn.ModelFileError, match="of another model"):
        functional().load_weights(saved)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from leaves(item, (*path, key))


def test_a_crafted_description_loads_or_is_refused_but_raises_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    model = nested()
    model.class_names = ("a", "b", "c")
    model.compile("adam", "mse", metrics=["mae"])
    model.save(path)
    arrays, meta = read_container(path, "")
    odd: list[Any] = [None, -1, 0, 2.5, "odd", [], {}, [[]], True, 2**70]
    refusals = 0
    for place in [place for place in leaves(meta) if place]:
        for value in odd:
            crafted = json.loads(json.dumps(meta))
            parent = crafted
            for key in place[:-1]:
                parent = parent[key]
            parent[place[-1]] = value
            write_container(path, arrays, crafted)
            try:
                sn.load_model(path)
            except sn.ModelFileError as error:
                refusals += str(path) in str(error)
            except Exception as error:
                raise AssertionError(f"{place} = {value!r}: {error!r}") from error
    assert refusals > 300


def test_the_header_can_be_read_by_any_safetensors_reader(saved: Path) -> None:
    with safe_open(saved, framework="numpy") as file:
        meta = json.loads(file.metadata()["meta"])
    assert meta["format"] == "scratchnet model"
    assert meta["class_names"] == ["a", "b", "c"]
    assert meta["model"]["class_name"] == "Sequential"
