"""Files that a user names are regular ones that memory can hold, wherever they are opened; others are named."""

import ast
import os
import socket
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny import Command

import pipelines
from pipelines import reading
from pipelines.curation.labels_csv import read_labels
from pipelines.curation.manifest import Manifest
from pipelines.data.preprocessing import Preprocessing
from pipelines.data.source import open_source
from pipelines.errors import UserError
from pipelines.faces import faces_of_files
from pipelines.features.filter_vectors import FilterMaker
from pipelines.features.search import read_query
from pipelines.movies.film import Film
from pipelines.movies.yunet_model import yunet_model
from pipelines.reading import open_regular, read_file, read_text
from pipelines.recipe_files import load_recipe
from pipelines.run import Run, open_model

GREY = Preprocessing(8, 8, 1)


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def make_endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def make_folder(path: Path) -> None:
    path.mkdir()


def make_dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def make_loop(path: Path) -> None:
    path.symlink_to(path.name)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (make_pipe, "is a pipe, not a regular file"),
        (make_socket, "is a socket, not a regular file"),
        (make_endless, "is a device, not a regular file"),
        (make_folder, "is a folder, not a file"),
        (make_dangling, "No such file"),
        (make_loop, "Too many levels of symbolic links"),
    ],
)
def test_what_is_no_regular_file_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None], reason: str
) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    make(Path("x.png"))
    for read in (open_regular, read_file, read_text):
        with pytest.raises(OSError, match=r"x\.png") as caught:
            read(Path("x.png"))
        assert reason in str(caught.value.strerror)
        assert caught.value.filename == "x.png"


def test_a_pipe_that_takes_a_files_place_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe, file = tmp_path / "pipe", tmp_path / "file"
    os.mkfifo(pipe)
    file.write_bytes(b"x")
    monkeypatch.setattr(Path, "stat", lambda self: os.stat(file))  # noqa: PTH116
    with pytest.raises(OSError, match="is a pipe"):
        open_regular(pipe)


def test_a_file_that_is_too_large_is_told_with_both_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.png"
    monkeypatch.setattr(reading, "LARGEST_BYTES", 1000)
    path.write_bytes(bytes(1000))
    assert len(read_file(path)) == 1000
    with path.open("ab") as file:
        file.truncate(2**40)  # sparse
    with pytest.raises(OSError, match="has 1,099,511,627,776 bytes, the limit is 1,000"):
        read_file(path)


def test_text_comes_as_path_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes(b"a\r\nb\n")
    assert read_text(path) == path.read_text()
    path.write_bytes(b"caf\xe9")
    assert read_text(path, "surrogateescape") == "caf\udce9"
    with pytest.raises(UnicodeDecodeError):
        read_text(path)


def _run(path: Path) -> object:
    return Run(path.parent).config()


@pytest.mark.parametrize(
    ("name", "use"),
    [
        ("x.csv", open_source),
        ("x.zip", open_source),
        ("x.toml", lambda path: load_recipe(str(path))),
        ("x.csv", lambda path: read_labels(path, Manifest(path.parent), ("happy", "sad"))),
        ("x.safetensors", open_model),
        ("x.keras", open_model),
        ("config.json", _run),
        ("x.png", read_query),
        ("x.png", lambda path: faces_of_files([path], GREY)),
        ("x.npy", lambda path: FilterMaker("fixed", GREY, filters=path)),
        ("x.mp4", Film),
        ("x.onnx", yunet_model),
    ],
)
@pytest.mark.parametrize("make", [make_pipe, make_endless])
def test_no_entry_waits_for_a_pipe_or_reads_a_device(
    tmp_path: Path, name: str, use: Callable[[Path], object], make: Callable[[Path], None]
) -> None:
    path = tmp_path / name
    make(path)
    told = r"not a regular file|is not a file|none of the image|no readable"
    with pytest.raises((UserError, OSError, ValueError), match=told):
        use(path)


def test_images_that_are_no_regular_files_are_skipped_by_name(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = cv2.imencode(".png", np.arange(64, dtype=np.uint8).reshape(8, 8))[1].tobytes()
    for name in ("happy", "sad"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(2):
            (tmp_path / "data" / name / f"{number}.png").write_bytes(image)
    monkeypatch.chdir(tmp_path / "data" / "happy")
    for make in (make_pipe, make_endless, make_socket, make_dangling):
        make(Path(f"{make.__name__}.png"))
    done = command("dataset", "audit", tmp_path / "data", "--out", tmp_path / "audit")
    assert done.status == 0, done.err
    for make, reason in (
        (make_pipe, "a pipe"), (make_endless, "a device"), (make_socket, "a socket"), (make_dangling, "No such file"),
    ):  # fmt: skip
        line = next(line for line in done.err.splitlines() if f"happy/{make.__name__}.png" in line)
        assert line.startswith("broken")
        assert reason in line


def test_nothing_opens_a_users_file_by_itself() -> None:
    # those that may: the helper itself, and readers of files that only this program or the system has
    own = {"reading.py", "machine.py", "movies/yunet_model.py", "recipe_files.py", "movies/work.py", "files.py",
           "labelpage/serving.py", "labelpage/app.py"}  # fmt: skip
    folder = Path(pipelines.__file__).parent
    found = []
    for path in sorted(folder.rglob("*.py")):
        name = path.relative_to(folder).as_posix()
        for node in ast.walk(ast.parse(path.read_text())):
            called = node.func if isinstance(node, ast.Call) else None
            if isinstance(called, ast.Attribute) and called.attr in {"read_bytes", "read_text", "fromfile", "imread"}:
                found.append(name)
    assert {name for name in found if not name.startswith("bench/")} <= own
