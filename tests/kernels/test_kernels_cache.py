"""Compiled kernels are kept, and nothing that can happen to the files does more than make a process compile again."""

import os
import platform
import re
import shutil
import time
from pathlib import Path

import pytest
from processes import finish, run_python, start_python

from scratchnet.kernels import cache

# Runs two kernels in two dtypes and prints how many had to be compiled.
SCRIPT = """
import numpy as np
from scratchnet.kernels import jit, pointwise
for dtype in (np.float32, np.float64):
    x = np.arange(-40_000, 40_000).astype(dtype)
    y = pointwise.relu(x)
    assert (y == np.maximum(x, 0)).all() and y.dtype == dtype
    assert (pointwise.relu_gradient(x, y) == y).all()
print(sum(sum(kernel.stats.cache_misses.values()) for kernel in jit.KERNELS))
"""
ALL = 8  # each of the two in two dtypes, and the serial part of each
NONE = (0, "0\n", "")


def compiled(folder, code=SCRIPT, **environment):
    """Run the script and return how many kernels it compiled."""
    status, output, errors = run_python(code, SCRATCHNET_CACHE=str(folder), **environment)
    assert status == 0, errors
    return int(output)


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A cache that one process has filled."""
    folder = tmp_path_factory.mktemp("cache")
    assert compiled(folder) == ALL
    return folder


@pytest.fixture
def files(filled, tmp_path):
    """The files of a copy of that cache."""
    shutil.copytree(filled, tmp_path / "cache")
    found = sorted((tmp_path / "cache").rglob("*.nbc"))
    assert len(found) == ALL
    return found


def folder_of(files):
    return files[0].parent.parent


def test_a_second_process_compiles_nothing_and_says_nothing(filled):
    assert run_python(SCRIPT, SCRATCHNET_CACHE=str(filled)) == NONE


def test_processes_may_start_together(tmp_path):
    started = [start_python(SCRIPT, SCRATCHNET_CACHE=str(tmp_path)) for _ in range(3)]
    for process in started:
        status, _, errors = finish(process)
        assert status == 0, errors
    assert run_python(SCRIPT, SCRATCHNET_CACHE=str(tmp_path)) == NONE
    assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} == {".nbc"}  # nothing is left lying about


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


DAMAGES = {
    "truncated": truncate,
    "flipped": flip_a_bit,
    "empty": lambda path: path.write_bytes(b""),
    "garbage": lambda path: path.write_bytes(os.urandom(5000)),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "unpicklable": lambda path: path.write_bytes(cache._sealed("another key", "no code")),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_compiled_anew(damage, files):
    for path in files[:3]:
        damage(path)
    assert compiled(folder_of(files)) == 3
    if all(path.is_file() for path in files):
        assert compiled(folder_of(files)) == 0  # and mended


def test_a_file_in_another_kernels_place_is_not_taken_for_it(files):
    shutil.copy(files[0], files[1])
    assert compiled(folder_of(files)) == 1


def test_where_no_folder_can_be_made_kernels_run_without_one(tmp_path):
    (tmp_path / "file").write_text("")
    assert compiled(tmp_path / "file" / "cache") == ALL


def test_a_folder_that_cannot_be_written_is_read(files):
    truncate(files[0])
    before = files[0].read_bytes()
    # not by the folder's mode, which would not stop an administrator
    refusing = (
        "import tempfile\ndef refuse(*a, **k): raise PermissionError(13, 'read-only')\ntempfile.mkstemp = refuse\n"
    )
    assert compiled(folder_of(files), refusing + SCRIPT) == 1
    assert files[0].read_bytes() == before


@pytest.mark.skipif(platform.machine().lower() not in {"x86_64", "amd64"}, reason="emulates an x86 processor")
def test_machines_of_several_kinds_share_a_folder(files):
    older = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": ""}
    assert compiled(folder_of(files), **older) == ALL
    assert compiled(folder_of(files), **older) == 0
    assert compiled(folder_of(files)) == 0


def test_settings_of_the_compiler_have_folders_of_their_own(files):
    assert compiled(folder_of(files), NUMBA_BOUNDSCHECK="1") == ALL
    assert compiled(folder_of(files)) == 0


def test_a_change_in_any_source_starts_a_fresh_folder(tmp_path, monkeypatch):
    shutil.copytree(Path(cache.__file__).parent, tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(cache, "__file__", str(tmp_path / "cache.py"))
    stamps = {cache.sources_stamp.__wrapped__()}
    for name in ("simd.py", "window.py"):  # neither holds a kernel
        (tmp_path / name).write_text((tmp_path / name).read_text() + "\n# changed\n")
        stamps.add(cache.sources_stamp.__wrapped__())
    (tmp_path / "new.py").write_text("")
    stamps.add(cache.sources_stamp.__wrapped__())
    assert len(stamps) == 4


def test_folders_that_were_not_used_for_a_month_are_removed_when_a_new_one_is_made(tmp_path, monkeypatch):
    old, used, foreign = (tmp_path / name for name in ("kernels-" + "0" * 16, "kernels-" + "1" * 16, "my-kernels"))
    for folder, days in ((old, 31), (used, 29), (foreign, 400)):
        folder.mkdir()
        (folder / "relu-0.nbc").write_bytes(b"code")
        os.utime(folder, times=(time.time() - days * 24 * 3600,) * 2)
    monkeypatch.setenv("SCRATCHNET_CACHE", str(tmp_path))
    made = cache.cache_folder.__wrapped__()
    assert sorted(tmp_path.iterdir()) == sorted([made, used, foreign])
    os.utime(made, times=(0, 0))
    cache.cache_folder.__wrapped__()
    assert time.time() - made.stat().st_mtime < 3600  # it counts as used now


CLOSURES = """
import numpy as np
from scratchnet.kernels import jit
def factory(factor):
    @jit.kernel
    def inner(x):
        return x * factor
    @jit.kernel
    def outer(x):
        return inner(x) + 1
    return outer
for factor in (2, 3):
    assert factory(factor)(10) == 10 * factor + 1
print(sum(sum(kernel.stats.cache_misses.values()) for kernel in jit.KERNELS))
"""


def test_kernels_that_differ_in_their_closure_alone_are_told_apart(tmp_path):
    assert compiled(tmp_path, CLOSURES) == 4
    assert compiled(tmp_path, CLOSURES) == 0


NOTE = re.compile("compiling kernels, first run only: .+\n")
IMPATIENT = "from scratchnet.kernels import cache\ncache._NOTICEABLE_SECONDS = {}\n"


def test_one_line_tells_what_takes_so_long(tmp_path):
    status, output, errors = run_python(IMPATIENT.format(0) + SCRIPT, SCRATCHNET_CACHE=str(tmp_path))
    assert (status, output) == (0, f"{ALL}\n")
    assert NOTE.fullmatch(errors)
    assert run_python(IMPATIENT.format(0) + SCRIPT, SCRATCHNET_CACHE=str(tmp_path)) == NONE


def test_nothing_is_said_about_a_compilation_that_takes_no_time(tmp_path):
    result = run_python(IMPATIENT.format(1000) + SCRIPT, SCRATCHNET_CACHE=str(tmp_path))
    assert result == (0, f"{ALL}\n", "")


BOUNDS = """
import numpy as np, sys
from numba import prange
from scratchnet.kernels.jit import kernel
@kernel
def serial(x, at):
    return x[at]
@kernel(parallel=True)
def parallel(x, y, shift):
    for i in prange(y.size):
        y[i] = x[i + shift]
x, y = np.arange(5.0), np.zeros(5)
assert serial(x, 4) == 4
parallel(x, y, 0)
assert (y == x).all()
try:
    {call}
except IndexError:
    print("caught")
"""


@pytest.mark.parametrize("call", ["serial(x, 5)", "serial(x, -6)", "parallel(x, y, 1)"])
def test_with_bounds_checks_an_index_that_is_out_of_range_is_caught(call, tmp_path):
    environment = {"SCRATCHNET_CACHE": str(tmp_path), "NUMBA_BOUNDSCHECK": "1"}
    status, output, errors = run_python(BOUNDS.format(call=call), **environment)
    assert (status, output) == (0, "caught\n"), errors
