"""What a crafted file of our own may ask for: little time and memory, and nothing that a terminal would obey."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import scratchnet as sn
from scratchnet.formats import container, limits
from scratchnet.formats.container import read_container, write_container
from scratchnet.formats.parsing import parse_json

Description = dict[str, Any]


@pytest.fixture
def crafted(tmp_path: Path) -> Callable[[Description], Path]:
    """A file whose model is described like this; its checksums are right."""

    def write(model: Description) -> Path:
        path = tmp_path / "m.safetensors"
        write_container(path, {}, {"format": "scratchnet model", "version": 1, "model": model})
        return path

    return write


def flatten(name: str) -> Description:
    return {"class_name": "Flatten", "config": {"name": name, "trainable": True, "dtype": "float32"}}


def stack(*layers: Description, name: str = "stack", shape: list[int] | None = None) -> Description:
    config = {"name": name, "trainable": True, "dtype": "float32", "input_shape": shape or [4], "layers": list(layers)}
    return {"class_name": "Sequential", "config": config}


def calling(inner: Description, times: int, name: str) -> Description:
    """A graph that calls one layer several times, one after the other."""
    calls = [{"layer": inner["config"]["name"], "inputs": [["input", 0]], "as_list": False}]
    calls += [{**calls[0], "inputs": [[number, 0]]} for number in range(times - 1)]
    start = {"name": "i", "shape": [4], "dtype": "float32"}
    config = {"name": name, "trainable": True, "inputs": [start], "layers": [inner], "calls": calls}
    return {"class_name": "Model", "config": {**config, "outputs": [times - 1, 0]}}


def test_what_is_within_the_limits_is_built(crafted: Callable[[Description], Path]) -> None:
    model = stack(flatten("a"), calling(calling(flatten("b"), 3, "inner"), 2, "outer"))
    x = np.ones((2, 4), np.float32)
    np.testing.assert_array_equal(sn.load_model(crafted(model)).predict(x), x)


def test_models_within_models_may_not_be_absurdly_deep(crafted: Callable[[Description], Path]) -> None:
    model: Description = flatten("f")
    for level in range(limits.MAX_DEPTH + 1):
        model = stack(model, name=f"s{level}")
    with pytest.raises(sn.ModelFileError, match="more than 32 levels"):
        sn.load_model(crafted(model))


def test_layers_may_not_be_absurdly_many(crafted: Callable[[Description], Path]) -> None:
    model = stack(*(flatten(f"f{number}") for number in range(limits.MAX_LAYERS)))
    with pytest.raises(sn.ModelFileError, match="more than 2048 layers"):
        sn.load_model(crafted(model))


def test_calls_may_not_multiply_without_end(crafted: Callable[[Description], Path]) -> None:
    model: Description = flatten("f")
    for level in range(30):
        model = calling(model, 20, f"m{level}")
    with pytest.raises(sn.ModelFileError, match="one call of the model makes 160000 calls of layers; 65536 are"):
        sn.load_model(crafted(model))


def test_many_inputs_count_like_many_calls(crafted: Callable[[Description], Path]) -> None:
    join = {"class_name": "Add", "config": {"name": "add", "trainable": True, "dtype": "float32"}}
    model = calling(join, 1, "wide")
    model["config"]["calls"][0] |= {"inputs": [["input", 0]] * 10_000, "as_list": True}
    with pytest.raises(sn.ModelFileError, match="one call of the model makes 200000 calls of layers"):
        sn.load_model(crafted(calling(model, 20, "outer")))


def test_layers_may_not_make_absurdly_much_of_a_sample(crafted: Callable[[Description], Path]) -> None:
    config = {"name": "p", "trainable": True, "dtype": "float32", "padding": [[10**9, 0], [0, 10**9]]}
    path = crafted(stack({"class_name": "ZeroPadding2D", "config": config}, shape=[8, 8, 1]))
    with pytest.raises(sn.ModelFileError, match="layer 'p' would make 10000000160000000"):
        sn.load_model(path)


@pytest.mark.parametrize("description", [None, [], {"class_name": ["Model"], "config": {}}, {"class_name": "Model"}])
def test_what_is_no_description_is_left_to_those_who_build_it(description: Any) -> None:
    limits.check_description(description)
    limits.check_description(stack(description))


def test_the_callers_own_classes_are_not_looked_into() -> None:
    deep = stack()
    for _ in range(100):
        deep = stack(deep)
    with pytest.raises(ValueError, match="32 levels"):
        limits.check_description(deep)
    limits.check_description(deep, custom={"Sequential"})


def test_what_no_reader_would_take_is_not_written(tmp_path: Path) -> None:
    model = sn.Sequential([sn.Input((2,)), sn.layers.Flatten()])
    for _ in range(limits.MAX_DEPTH):
        model = sn.Sequential([sn.Input((2,)), model])
    for attempt in (model.save, model.check_saveable):
        with pytest.raises(ValueError, match="32 levels"):
            attempt(tmp_path / "m.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_what_json_cannot_hold_is_not_written(tmp_path: Path) -> None:
    model = sn.Sequential([sn.Input((2,)), sn.layers.Dense(1)])
    model.preprocessing = {"mean": np.ones(3)}
    with pytest.raises(ValueError, match=r"m\.safetensors cannot be written: JSON cannot hold its description"):
        model.save(tmp_path / "m.safetensors")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["[" * 10**6, '{"a":' * 10**6, "{", "", "[]", "7"])
def test_json_that_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"it is not JSON|it must be an object"):
        parse_json(text, "it")


def test_json_may_not_be_absurdly_long(
    crafted: Callable[[Description], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = crafted(stack(flatten("a")))
    for module in ("parsing", "container"):
        monkeypatch.setattr(f"scratchnet.formats.{module}.MAX_JSON", 100)
    with pytest.raises(sn.ModelFileError, match=r"its description has [0-9]+ bytes; 100 are allowed"):
        sn.load_model(path)
    with pytest.raises(ValueError, match=r"its description has [0-9]+ bytes; 100 are allowed"):
        write_container(tmp_path / "n.safetensors", {}, {"text": "x" * 100})
    assert not (tmp_path / "n.safetensors").exists()


def test_a_description_of_brackets_alone_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "_as_json", lambda path, meta: "[" * 10**6)
    write_container(tmp_path / "m.safetensors", {}, {})
    with pytest.raises(sn.ModelFileError, match="is damaged: its description is not JSON"):
        read_container(tmp_path / "m.safetensors", "copy it again")


LONG = "long " * 14_000


def reads_briefly(path: Path, most: int) -> str:
    with pytest.raises(sn.ModelFileError) as caught:
        sn.load_model(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    assert len(message) < len(str(path)) + most, message
    return message


@pytest.mark.parametrize(
    "model",
    [
        stack(flatten("/" + LONG)),
        stack(flatten("a"), name="/" + LONG),
        stack(flatten("\x1b" + LONG)),
        stack(*(flatten(f"{LONG}{n // 2}") for n in range(4))),
        {"class_name": LONG, "config": {}},
        stack({"class_name": LONG, "config": {}}),
        stack({"class_name": "Dense", "config": {"units": LONG}}),
        stack({"class_name": "Dense", "config": {"units": 1, "activation": LONG}}),
        stack({"class_name": "Dense", "config": {LONG: 1}}),
        stack({"class_name": "Dense", "config": {"units": 1, "kernel_initializer": {"class_name": LONG}}}),
        stack({"class_name": "Reshape", "config": {"target_shape": [LONG] * 100}}),
        stack({"class_name": "Normalization", "config": {"mean": [[0.5] * 9000], "variance": 1}}),
        calling(flatten("a"), 2, "graph") | {"config": {"layers": [], "inputs": [], "calls": [{"layer": LONG}]}},
        [LONG],
    ],
    ids=lambda model: str(model)[:40],
)
def test_messages_are_short_whatever_a_file_holds(model: Any, crafted: Callable[[Description], Path]) -> None:
    reads_briefly(crafted(model), 330)


@pytest.mark.parametrize(
    "meta",
    [
        {"version": LONG},
        {"format": LONG},
        {"class_names": LONG},
        {"class_names": [LONG, 3]},
        {"preprocessing": LONG},
        {"training": LONG},
        {"training": {"optimizer": LONG, "loss": "mse", "metrics": [], "weighted_metrics": []}},
        {"training": {"optimizer": "sgd", "loss": {"class_name": LONG}, "metrics": [], "weighted_metrics": []}},
        {"training": {"optimizer": "sgd", "loss": "mse", "metrics": [LONG], "weighted_metrics": []}},
    ],
    ids=lambda meta: str(meta)[:40],
)
def test_messages_are_short_whatever_stands_beside_the_model(meta: Description, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    write_container(path, {}, {"format": "scratchnet model", "version": 1, "model": stack(flatten("a")), **meta})
    reads_briefly(path, 330)


def test_messages_are_short_however_many_weights_are_lacking(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    meta = {"format": "scratchnet model", "version": 1, "model": stack(flatten("a"))}
    write_container(path, {f"weights/{number}{LONG[:300]}": np.zeros(1) for number in range(200)}, meta)
    assert "has surplus weights" in reads_briefly(path, 330)
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("config.json", "{}")
        archive.writestr(LONG[:60_000], "")
    reads_briefly(tmp_path / "m.keras", 330)


def test_messages_hold_nothing_that_a_terminal_would_obey(crafted: Callable[[Description], Path]) -> None:
    for name in ("\x1b[2Jgone", "two\nlines", "half \ud800"):
        unknown: Description = {"class_name": name, "config": {}}
        for model in (stack(flatten(name)), stack(flatten("a"), name=name), unknown):
            with pytest.raises(sn.ModelFileError) as caught:
                sn.load_model(crafted(model))
            assert str(caught.value).isprintable()
    assert str(sn.ModelFileError("größer\x1b[1m")) == "größer\\x1b[1m"
