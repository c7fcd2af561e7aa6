"""Archives that would write, unpack or link what they should not are refused."""

import stat
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from hostile import refused
from oracle import keras

import scratchnet as sn


def zipped(path: Path, members: list[tuple[str | zipfile.ZipInfo, bytes]], packing: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", packing) as target:
        for name, content in members:
            target.writestr(name, content)
    return path


def required(sound: dict[str, bytes]) -> list[tuple[str | zipfile.ZipInfo, bytes]]:
    return [(name, sound[name]) for name in ("metadata.json", "config.json", "model.weights.h5")]


@pytest.mark.parametrize(
    "name", ["../evil.py", "/etc/evil", "assets/../../evil", "assets\\..\\evil", "C:/evil", "evil.py", "code/x.pyc"]
)
def test_members_that_do_not_belong_are_refused(name: str, sound: dict[str, bytes], tmp_path: Path) -> None:
    refused(zipped(tmp_path / "m.keras", [*required(sound), (name, b"x")]), "is none of a .keras file's")
    assert [path.name for path in tmp_path.iterdir()] == ["m.keras"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_that_come_twice_are_refused(sound: dict[str, bytes], tmp_path: Path) -> None:
    twice = [*required(sound), ("config.json", b"{}")]
    refused(zipped(tmp_path / "m.keras", twice), r"two members of the name 'config\.json'")


def test_links_are_refused(sound: dict[str, bytes], tmp_path: Path) -> None:
    link = zipfile.ZipInfo("assets/x")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    refused(zipped(tmp_path / "m.keras", [*required(sound), (link, b"/etc/passwd")]), "is a link")


@pytest.mark.parametrize("name", ["config.json", "model.weights.h5"])
def test_missing_members_are_named(name: str, sound: dict[str, bytes], tmp_path: Path) -> None:
    left = [member for member in required(sound) if member[0] != name]
    refused(zipped(tmp_path / "m.keras", left), f"its member {name} is missing")


@pytest.mark.parametrize("name", ["config.json", "model.weights.h5"])
def test_decompression_bombs_are_not_unpacked(name: str, sound: dict[str, bytes], tmp_path: Path) -> None:
    members = [(key, bytes(64 << 20) if key == name else content) for key, content in required(sound)]
    path = zipped(tmp_path / "m.keras", members, zipfile.ZIP_DEFLATED)
    tracemalloc.start()
    refused(path, rf"its member {name} would grow from \d+ to 67108864 bytes")
    assert tracemalloc.get_traced_memory()[1] < 2 << 20
    tracemalloc.stop()


def test_a_bomb_that_lies_about_its_size_is_not_unpacked(sound: dict[str, bytes], tmp_path: Path) -> None:
    members = [(key, bytes(64 << 20) if key == "config.json" else content) for key, content in required(sound)]
    path = zipped(tmp_path / "m.keras", members, zipfile.ZIP_DEFLATED)
    real, lie = (64 << 20).to_bytes(4, "little"), (1000).to_bytes(4, "little")
    data = path.read_bytes()
    assert data.count(real) == 2  # beside the member and in the directory
    path.write_bytes(data.replace(real, lie))
    tracemalloc.start()
    refused(path, "the archive is damaged|not of the size")
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()


def test_zeros_that_compress_well_are_no_bomb(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(1000, kernel_initializer="zeros")])
    model.save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as source:
        members: list[tuple[str | zipfile.ZipInfo, bytes]] = [(name, source.read(name)) for name in source.namelist()]
    assert sn.load_model(zipped(tmp_path / "z.keras", members, zipfile.ZIP_DEFLATED)).count_params() == 65_000


@pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_ways_of_compressing_are_refused(packing: int, sound: dict[str, bytes], tmp_path: Path) -> None:
    refused(zipped(tmp_path / "m.keras", required(sound), packing), "compressed in a way that Keras does not use")
