"""Compiled kernels are kept, and nothing that can happen to the files does more than make a process compile again."""

import logging
import os
import platform
import re
import shutil
import stat
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import numba
import pytest
from llvmlite import binding
from processes import finish, run_python, start_python

from scratchnet.kernels import cache, processor

pytestmark = pytest.mark.slow

# Compiles one small kernel. Its lines are counted from their own beginning, so it is the same one after other lines.
TINY = """
exec('''
from scratchnet.kernels import jit
@jit.kernel
def twice(number):
    return 2 * number
assert twice(2) == 4
print(twice.stats.cache_misses.total())
''')
"""
# Runs that one for two types, and a parallel one, and prints how many had to be compiled.
SCRIPT = f"""
import contextlib, io
import numpy as np
from scratchnet.kernels import jit, pointwise
with contextlib.redirect_stdout(io.StringIO()):
    {TINY.strip()}
assert twice(2.5) == 5
x = np.arange(-40_000, 40_000).astype(np.float32)
y = pointwise.relu(x)
assert (y == np.maximum(x, 0)).all() and y.dtype == x.dtype
print(sum(sum(kernel.stats.cache_misses.values()) for kernel in jit.KERNELS))
"""
ALL = 4  # one for two types, and the parallel one and the serial part of it
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


SUMS = """
import sys
import numpy as np
from scratchnet.kernels import jit, norm
rng = np.random.default_rng(0)
x, dy, mean, scale = (rng.standard_normal(shape).astype(np.float32) for shape in ((98, 7, 4), (98, 7, 4), 4, 4))
print(np.stack(norm.gradient_sums(x, dy, norm.ChannelMap(scale, mean), mean)).tobytes().hex())
sys.exit(any(kernel.stats.cache_misses for kernel in jit.KERNELS))
"""


def test_a_process_that_compiles_computes_the_same_bits_as_one_that_loads(tmp_path):
    compiling, loading = (run_python(SUMS, SCRATCHNET_CACHE=str(tmp_path)) for _ in range(2))
    assert (compiling[0], loading[0]) == (1, 0), "the first compiles, the second does not"
    assert compiling[1] == loading[1]


ELSEWHERE = """
from scratchnet.kernels.jit import kernel
LARGEST = {largest}
@kernel
def inner(x):
    return min(x, LARGEST)
@kernel
def outer(x):
    return inner(x)
"""


def test_kernels_of_other_packages_follow_what_they_call(tmp_path):
    for largest in (3, 4):
        (tmp_path / "elsewhere.py").write_text(ELSEWHERE.format(largest=largest))
        code = "import sys; sys.path.append(sys.argv[1]); from elsewhere import outer; print(outer(9))"
        done = run_python(code, str(tmp_path), SCRATCHNET_CACHE=str(tmp_path / "cache"), PYTHONDONTWRITEBYTECODE="1")
        assert done == (0, f"{largest}\n", "")


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
    shutil.copy(files[-2], files[-1])
    assert compiled(folder_of(files)) == 1


def test_where_no_folder_can_be_made_kernels_run_without_one(tmp_path):
    (tmp_path / "file").write_text("")
    assert compiled(tmp_path / "file" / "cache") == ALL


def test_a_folder_that_cannot_be_written_is_read(files):
    truncate(files[0])
    before = files[0].read_bytes()
    # not by the folder's mode, which would not stop an administrator
    refusing = (
        "import pathlib\ndef refuse(*a, **k): raise PermissionError(13, 'read-only')\npathlib.Path.replace = refuse\n"
    )
    assert compiled(folder_of(files), refusing + SCRIPT) == 1
    assert files[0].read_bytes() == before


AS_A_SERVICE = """
import os
import numba
from scratchnet.kernels import cache
cache._NOTICEABLE_SECONDS = 0
numba.njit(lambda number: 3 * number)(1)  # imports what compiling needs, which may lie where others cannot read
os.setgroups([]), os.setgid(65534), os.setuid(65534)
"""


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="becomes another user")
def test_what_root_has_compiled_serves_other_users_who_are_told_when_it_lacks_something():
    with tempfile.TemporaryDirectory() as folder:  # pytest's are closed to others
        Path(folder).chmod(0o755)
        assert compiled(folder, TINY) == 1
        assert run_python(AS_A_SERVICE + TINY, SCRATCHNET_CACHE=folder) == NONE
        next(Path(folder).rglob("*.nbc")).unlink()
        status, output, errors = run_python(AS_A_SERVICE + TINY, SCRATCHNET_CACHE=folder)
        assert (status, output) == (0, "1\n")
        assert re.fullmatch(rf"compiling kernels, at every start: {folder}/kernels-\w+ cannot be written\n", errors)
        assert not list(Path(folder).rglob("*.nbc"))


@pytest.fixture
def umask():
    """Sets the umask for one test."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


@pytest.mark.skipif(os.name != "posix", reason="needs modes")
@pytest.mark.parametrize(("mask", "file", "folder"), [(0o022, 0o644, 0o755), (0o077, 0o600, 0o700), (0, 0o644, 0o755)])
def test_others_may_read_what_the_umask_allows_and_never_write(mask, file, folder, umask, tmp_path, monkeypatch):
    monkeypatch.setenv("SCRATCHNET_CACHE", str(tmp_path / "new" / "cache"))
    umask(mask)
    made = cache.cache_folder.__wrapped__()
    cache._write(made / "relu-0.nbc", b"code")
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (made / "relu-0.nbc", made, made.parent, made.parent.parent)]
    assert modes == [file, folder, folder, folder]
    assert [path.name for path in made.iterdir()] == ["relu-0.nbc"]


# where a folder stands, its mode, and what is wrong
DOUBTS = {
    "group": ("cache", 0o775, "others may write to"),
    "world": ("cache", 0o777, "others may write to"),
    "world without group": ("cache", 0o757, "others may write to"),
    "a parent": ("", 0o777, "others may write to"),
    "a sticky parent": ("", 0o1777, None),
    "the folder itself": ("cache/kernels", 0o775, "others may write to"),
    "the folder itself, sticky": ("cache/kernels", 0o1777, "others may write to"),
    "readable": ("cache", 0o755, None),
}


@pytest.mark.skipif(os.name != "posix", reason="needs modes")
@pytest.mark.parametrize(("place", "mode", "doubt"), DOUBTS.values(), ids=DOUBTS)
def test_a_folder_that_others_may_write_is_not_used(place, mode, doubt, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(cache, "sources_stamp", lambda: "0" * 16)
    monkeypatch.setenv("SCRATCHNET_CACHE", str(tmp_path / "there" / "cache"))
    folder = tmp_path / "there" / "cache" / ("kernels-" + "0" * 16)
    folder.mkdir(parents=True)
    doubted = tmp_path / "there" / place.replace("kernels", folder.name)
    doubted.chmod(mode)
    found = cache.cache_folder.__wrapped__()
    assert found == (None if doubt else folder)
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(said) == (doubt is not None)
    for sentence in said:
        assert sentence.startswith(f"no compiled kernels are kept in {folder.parent}: {doubt} {doubted}; ")
        assert "$SCRATCHNET_CACHE" in sentence


@pytest.mark.skipif(os.name != "posix", reason="needs modes")
def test_nothing_is_made_below_a_folder_that_others_may_write(tmp_path, monkeypatch):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o777)
    monkeypatch.setenv("SCRATCHNET_CACHE", str(tmp_path / "shared" / "cache"))
    assert cache.cache_folder.__wrapped__() is None
    assert not list((tmp_path / "shared").iterdir())


@pytest.mark.skipif(os.name != "posix", reason="needs owners")
@pytest.mark.parametrize(
    ("owner", "user", "trusted"), [(1000, 1000, True), (0, 1000, True), (1001, 1000, False), (1000, 0, False)]
)
def test_a_folder_belongs_to_its_user_or_to_root(owner, user, trusted, tmp_path, monkeypatch):
    status = SimpleNamespace(st_uid=owner, st_gid=owner, st_mode=stat.S_IFDIR | 0o755)
    monkeypatch.setattr(Path, "stat", lambda path: status)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    doubt = cache._doubt(Path("/cache"), True)
    assert (doubt is None) is trusted
    assert trusted or doubt.startswith("/cache belongs to another user; ")


@pytest.mark.skipif(os.name != "posix", reason="needs owners")
def test_a_folder_above_may_belong_to_whoever_owns_everything(monkeypatch):
    owners = {"/": 65534, "/home": 65534, "/home/ann": 1000, "/home/bob": 1001}

    def status(path):
        return SimpleNamespace(st_uid=owners[str(path)], st_gid=1, st_mode=stat.S_IFDIR | 0o755)

    monkeypatch.setattr(Path, "stat", status)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    doubted = {(place, last) for place in owners for last in (False, True) if cache._doubt(Path(place), last)}
    assert doubted == {("/", True), ("/home", True), ("/home/bob", False), ("/home/bob", True)}


@pytest.mark.skipif(os.name != "posix", reason="needs groups")
@pytest.mark.parametrize(
    ("user", "group", "members", "private"),
    [
        ("ann", "ann", [], True),
        ("ann", "ann", ["ann"], True),
        ("ann", "ann", ["bob"], False),
        ("ann", "users", [], False),
        ("root", "root", [], False),
    ],
)
def test_a_group_is_private_when_it_is_its_users_alone(user, group, members, private, monkeypatch):
    uid = 0 if user == "root" else 1000
    monkeypatch.setattr("pwd.getpwuid", lambda number: SimpleNamespace(pw_name=user, pw_uid=uid))
    monkeypatch.setattr("grp.getgrgid", lambda number: SimpleNamespace(gr_name=group, gr_mem=members))
    assert cache._is_private(1000) is private


@pytest.mark.skipif(os.name != "posix", reason="needs modes")
def test_pickles_that_others_may_have_written_are_not_read(tmp_path):
    assert [compiled(tmp_path, TINY), compiled(tmp_path, TINY)] == [1, 0]
    tmp_path.chmod(0o777)
    status, output, errors = run_python(TINY, SCRATCHNET_CACHE=str(tmp_path))
    assert (status, output) == (0, "1\n"), errors
    assert errors.count("\n") == errors.count(f"others may write to {tmp_path}; ") == 1
    tmp_path.chmod(0o755)
    assert compiled(tmp_path, TINY) == 0


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="gives a file away")
def test_a_file_of_another_user_is_not_read(tmp_path):
    assert compiled(tmp_path, TINY) == 1
    os.chown(next(tmp_path.rglob("*.nbc")), 1234, 1234)
    assert [compiled(tmp_path, TINY), compiled(tmp_path, TINY)] == [1, 0]


@pytest.mark.skipif(platform.machine().lower() not in {"x86_64", "amd64"}, reason="emulates an x86 processor")
def test_machines_of_several_kinds_share_a_folder(files):
    older = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": ""}
    assert compiled(folder_of(files), **older) == ALL
    assert compiled(folder_of(files), **older) == 0
    assert compiled(folder_of(files)) == 0


LEVELS = {
    "x86-64-v4": ("x86-64-v4", []),
    "without one of its features": (None, ["avx512vl"]),
    "without wide registers": ("x86-64-v3", ["avx512f", "avx512bw", "avx512vl"]),
    "without FMA": (None, ["avx512f", "fma"]),
    "without AVX": (None, ["avx512f", "avx2", "fma"]),
}


@pytest.mark.parametrize(("expected", "lacking"), LEVELS.values(), ids=LEVELS)
def test_a_level_needs_all_its_features_and_leaves_no_wide_register_unused(expected, lacking):
    there = dict.fromkeys([*processor._LEVELS["x86-64-v4"].split(), "amx-tile", "avx512vnni"], True)
    assert processor.level(there | dict.fromkeys(lacking, False)) == expected


LEVEL = processor.level(binding.get_host_cpu_features()) if platform.machine() in {"x86_64", "AMD64"} else None
OTHER_MODEL = f"""
from llvmlite import binding
features = binding.get_host_cpu_features()
for name in features:
    features[name] = name in {processor._LEVELS.get(LEVEL, "").split()}
binding.get_host_cpu_features = lambda: features
binding.get_host_cpu_name = lambda: "another"
"""


@pytest.mark.skipif(LEVEL is None, reason="this processor is of no level")
def test_another_model_of_the_same_level_uses_the_same_files(files):
    assert compiled(folder_of(files), OTHER_MODEL + SCRIPT) == 0


@pytest.mark.skipif(LEVEL is None, reason="this processor is of no level")
def test_where_something_has_been_compiled_for_this_very_processor_so_are_kernels(tmp_path):
    begun = "import numba\nnumba.njit(lambda x: x)(1)\n"
    assert [compiled(tmp_path, code + TINY) for code in (begun, "", begun, "")] == [1, 1, 0, 0]


def test_all_that_changes_the_code_is_in_the_folders_name(monkeypatch):
    stamps = {cache.sources_stamp.__wrapped__()}
    for name in cache._SETTINGS:
        with monkeypatch.context() as patch:
            patch.setattr(numba.config, name, "another")
            stamps.add(cache.sources_stamp.__wrapped__())
    for place, name in ((cache.numba, "__version__"), (cache.llvmlite, "__version__"), (cache, "numpy_version")):
        with monkeypatch.context() as patch:
            patch.setattr(place, name, "another")
            stamps.add(cache.sources_stamp.__wrapped__())
    assert "USING_SVML" in cache._SETTINGS
    assert len(stamps) == 4 + len(cache._SETTINGS)


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
