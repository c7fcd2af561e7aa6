"""Model files that are cut, changed or crafted are refused, and a failed write loses nothing."""

import errno
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from own_models import functional, inputs_of, nested, sequential
from pairs import images
from safetensors import safe_open
from safetensors.numpy import save_file

import scratchnet as sn
from scratchnet.formats.container import read_container, write_container


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
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(source), None, str(target))

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
    with pytest.raises((OSError, KeyboardInterrupt)) as caught:
        new.save(path)
    assert isinstance(caught.value, KeyboardInterrupt) or caught.value.filename == str(path)
    monkeypatch.undo()
    assert [file.name for file in tmp_path.iterdir()] == ["m.safetensors"]
    np.testing.assert_array_equal(sn.load_model(path).predict(inputs_of(old)), old.predict(inputs_of(old)))


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
