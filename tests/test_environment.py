"""What a process may use is what Numba starts with, and a variable that it cannot use ends in one sentence."""

import os
from collections.abc import Callable
from pathlib import Path

import numba
import pytest
from processes import ROOT, finish, run_python, start_command

from pipelines import machine
from pipelines import main as entry
from scratchnet import environment

V2 = "0::/\n"
V1 = "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n0::/\n"
MOUNT = "sys/fs/cgroup"

# what /proc/self/cgroup says, the files of the groups, and how many of eight processors may be used
QUOTAS = {
    "none": (None, {}, 8),
    "unlimited": (V2, {"cpu.max": "max 100000"}, 8),
    "two": (V2, {"cpu.max": "200000 100000"}, 2),
    "one and a half": (V2, {"cpu.max": "150000 100000"}, 2),
    "a hundredth": (V2, {"cpu.max": "1000 100000"}, 1),
    "more than there are": (V2, {"cpu.max": "6400000 100000"}, 8),
    "of a group around": ("0::/pod/box\n", {"pod/cpu.max": "300000 100000", "pod/box/cpu.max": "max 100000"}, 3),
    "of the inner group": ("0::/pod/box\n", {"pod/cpu.max": "500000 100000", "pod/box/cpu.max": "400000 100000"}, 4),
    "of a sibling": ("0::/pod/box\n", {"pod/other/cpu.max": "100000 100000"}, 8),
    "path outside": ("0::/../../other\n", {"cpu.max": "200000 100000"}, 2),
    "version 1": (
        V1,
        {"cpu,cpuacct/docker/abc/cpu.cfs_quota_us": "250000", "cpu,cpuacct/docker/abc/cpu.cfs_period_us": "50000"},
        5,
    ),
    "version 1, inside": (V1, {"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"}, 1),
    "version 1, unlimited": (V1, {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 8),
    "both versions": (V1, {"unified/cpu.max": "300000 100000"}, 3),
    "garbage": (V2, {"cpu.max": "many"}, 8),
    "no period": (V2, {"cpu.max": "100000 0"}, 8),
}


@pytest.fixture
def eight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)


@pytest.mark.usefixtures("eight")
@pytest.mark.parametrize(("said", "files", "expected"), QUOTAS.values(), ids=QUOTAS)
def test_no_more_processors_are_used_than_the_quota_allows(
    said: str | None, files: dict[str, str], expected: int, tmp_path: Path
) -> None:
    if said is not None:
        files = {"../../../proc/self/cgroup": said, **files}
    for name, text in files.items():
        path = Path(os.path.normpath(tmp_path / MOUNT / name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    assert environment.processors(tmp_path) == expected


def test_the_pipelines_count_as_the_engine_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "processors", lambda: 3)
    assert machine.available_cores() == 3


def test_processors_are_counted_in_one_place() -> None:
    counting = {
        str(path.relative_to(ROOT))
        for package in ("scratchnet", "pipelines")
        for path in (ROOT / package).rglob("*.py")
        if "cpu_count" in path.read_text() or "sched_getaffinity" in path.read_text()
    }
    # the machine's load is that of all its processors
    assert counting == {"scratchnet/environment.py", "pipelines/compare/training.py"}


# In a container of four processors with a quota of one and a half.
CONTAINER = """
import importlib.util, os, sys
os.sched_getaffinity = lambda process: set(range(4))
spec = importlib.util.spec_from_file_location("early", "scratchnet/environment.py")
early = importlib.util.module_from_spec(spec)
spec.loader.exec_module(early)
early._quotas = lambda root: [1.5]
if sys.argv[1] == "unset":
    os.environ.pop("NUMBA_NUM_THREADS", None)
if sys.argv[2] == "numba first":
    import numba
early.prepare_numba()
from scratchnet.kernels import jit
jit.processors = early.processors
jit._decide()
import numba
print(numba.config.NUMBA_NUM_THREADS, numba.get_num_threads())
"""


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="there are quotas on Linux alone")
@pytest.mark.parametrize(
    ("threads", "first", "expected"),
    [("unset", "scratchnet first", "2 2"), ("unset", "numba first", "4 2"), ("3", "scratchnet first", "3 3")],
)
def test_numba_starts_as_many_threads_as_the_quota_allows_unless_told_otherwise(
    threads: str, first: str, expected: str
) -> None:
    variables = {} if threads == "unset" else {"NUMBA_NUM_THREADS": threads}
    status, output, errors = run_python(CONTAINER, threads, first, **variables)
    assert (status, output) == (0, f"{expected}\n"), errors


REFUSED = [
    ("NUMBA_NUM_THREADS", "0", "a number from 1 to 8192"),
    ("NUMBA_NUM_THREADS", "-1", "a number from 1 to 8192"),
    ("NUMBA_NUM_THREADS", "many", "a number from 1 to 8192"),
    ("NUMBA_NUM_THREADS", "2.5", "a number from 1 to 8192"),
    ("NUMBA_NUM_THREADS", "", "a number from 1 to 8192"),
    ("NUMBA_NUM_THREADS", "1000000", "a number from 1 to 8192"),
    ("NUMBA_CPU_FEATURES", "nonsense", "names with + or - before them and commas between"),
    ("NUMBA_CPU_FEATURES", "+nonsense", "features that LLVM knows, such as +avx2"),
    ("NUMBA_CPU_NAME", "nonsense", "a processor that LLVM knows, such as haswell or x86-64-v3"),
    (
        "NUMBA_THREADING_LAYER", "nonsense",
        "one of default, safe, forksafe, threadsafe, tbb, omp, workqueue",
    ),
    ("NUMBA_THREADING_LAYER_PRIORITY", "omp", "the names tbb, omp, workqueue in any order, with spaces between"),
    ("NUMBA_DISABLE_JIT", "1", "0, since kernels need the compiler"),
]  # fmt: skip


@pytest.fixture
def set_variable(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Sets a variable, and what Numba reads from it when it is imported."""

    def set_both(variable: str, value: str) -> None:
        monkeypatch.setenv(variable, value)
        if variable != "NUMBA_NUM_THREADS":
            read = value.split() if variable.endswith("PRIORITY") else value
            monkeypatch.setattr(numba.config, variable.removeprefix("NUMBA_"), read)

    return set_both


@pytest.mark.parametrize(("variable", "value", "rule"), REFUSED)
def test_what_numba_cannot_use_is_named(
    variable: str, value: str, rule: str, set_variable: Callable[[str, str], None]
) -> None:
    set_variable(variable, value)
    with pytest.raises(environment.EnvironmentVariableError) as caught:
        environment.prepare_numba()
    assert str(caught.value) == f"the environment variable {variable} must be {rule}, got {value!r}"
    assert caught.value.variable == variable


@pytest.mark.parametrize("layer", ["tbb", "safe", "omp", "TBB"])
def test_a_threading_layer_must_be_installed(
    layer: str, set_variable: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "_is_there", lambda layer: layer == "workqueue")
    set_variable("NUMBA_THREADING_LAYER", layer)
    with pytest.raises(ValueError, match=r"NUMBA_THREADING_LAYER must be .* installed \(workqueue\), got"):
        environment.prepare_numba()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("NUMBA_NUM_THREADS", "1"),
        ("NUMBA_THREADING_LAYER", "workqueue"),
        ("NUMBA_THREADING_LAYER", "threadsafe"),
        ("NUMBA_THREADING_LAYER_PRIORITY", "omp workqueue tbb"),
        ("NUMBA_CPU_NAME", "generic"),
        ("NUMBA_CPU_FEATURES", ""),
    ],
)
def test_what_numba_can_use_is_taken(variable: str, value: str, set_variable: Callable[[str, str], None]) -> None:
    set_variable(variable, value)
    environment.prepare_numba()
    assert os.environ[variable] == value


def test_standard_error_is_as_before_when_llvm_was_asked(capfd: pytest.CaptureFixture[str]) -> None:
    environment._check_processor("generic", "")
    os.write(2, b"still here\n")
    assert capfd.readouterr().err == "still here\n"


# the second is read by Numba itself, while it is imported
@pytest.mark.parametrize(("variable", "value"), [("NUMBA_NUM_THREADS", "0"), ("NUMBA_OPT", "9")])
def test_the_command_ends_in_one_sentence_that_names_the_variable(variable: str, value: str) -> None:
    before = f"import os; os.environ[{variable!r}] = {value!r}"
    status, output, errors = finish(start_command("recipes", before=before))
    assert (status, output) == (1, "")
    assert len(errors.splitlines()) == 1
    assert errors.startswith(f"scratchnet: the environment variable {variable} must be ")
    assert f"got {value!r}" in errors


def test_a_mistake_of_our_own_is_not_blamed_on_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise ValueError("ours")

    monkeypatch.setattr(entry, "import_module", fail)
    with pytest.raises(ValueError, match="ours"):
        entry.main()
