"""What is settled before the first kernel is defined: Numba's threads, and the variables that it reads.

The package imports this module first, since Numba reads most of its environment when it is imported.
"""

import math
import os
import re
import sys
import tempfile
import warnings
from importlib import import_module
from pathlib import Path

_LAYERS = ("tbb", "omp", "workqueue")
_MOST_THREADS = 8192  # as many as Linux can have processors
_NOT_PARSED = re.compile(r"Environment variable '(\w+)' is defined but its associated value '(.*?)' could not be", re.S)


class EnvironmentVariableError(ValueError):
    """An environment variable has a value with which kernels cannot run.

    Attributes:
        variable: its name.
    """

    def __init__(self, variable: str, rule: str, value: str) -> None:
        super().__init__(f"the environment variable {variable} must be {rule}, got {value!r}")
        self.variable = variable


def processors(root: Path = Path("/")) -> int:
    """How many processors this process may use: those it may run on, and no more than its container's quota of time.

    Args:
        root: of the file system.

    Returns:
        At least 1; a part of a processor counts as a whole one.
    """
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([here, *(math.ceil(quota) for quota in _quotas(root))]))


def _quotas(root: Path) -> list[float]:
    """The processors that each control group around this process, of version 1 or 2, lets it use."""
    groups = root / "sys/fs/cgroup"
    found = []
    for line in (_text(root / "proc/self/cgroup") or "").splitlines():
        controllers, _, path = line.partition(":")[2].partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        mounts = [groups / controllers, groups / "cpu"] if controllers else [groups, groups / "unified"]
        group = Path(path.strip("/"))
        # a container may be shown its path outside, which it does not have; its own group is the root of its mount then
        inside = [group, *group.parents] if ".." not in group.parts else [Path()]
        for place in {mount / part for mount in mounts for part in inside}:
            if controllers:
                limits = [_text(place / "cpu.cfs_quota_us"), _text(place / "cpu.cfs_period_us")]
            else:
                limits = [*(_text(place / "cpu.max") or "").split()]
            try:
                quota, period = (int(limit or "") for limit in limits)
            except ValueError:  # "max", or there are no such files
                continue
            if quota > 0 and period > 0:
                found.append(quota / period)
    return found


def _text(path: Path) -> str | None:
    try:
        return path.read_text()
    except OSError:
        return None


def prepare_numba() -> None:
    """Import Numba, with as many threads as there are processors for them and with variables that it can use.

    Raises:
        EnvironmentVariableError: one that it cannot.
    """
    threads = os.environ.get("NUMBA_NUM_THREADS")
    if threads is not None and not (threads.strip().isdecimal() and 1 <= int(threads) <= _MOST_THREADS):
        raise EnvironmentVariableError("NUMBA_NUM_THREADS", f"a number from 1 to {_MOST_THREADS}", threads)
    features = os.environ.get("NUMBA_CPU_FEATURES")
    if features and not all(re.fullmatch(r"[+-][\w.-]+", feature) for feature in features.split(",")):
        rule = "names with + or - before them and commas between"
        raise EnvironmentVariableError("NUMBA_CPU_FEATURES", rule, features)
    # Numba counts processors without regard to quotas; it reads this variable when it is imported and must find the
    # same value later
    if threads is None and "numba" not in sys.modules and hasattr(os, "sched_getaffinity"):
        count = processors()
        if count < len(os.sched_getaffinity(0)):
            os.environ["NUMBA_NUM_THREADS"] = str(count)

    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Environment variable 'NUMBA_", RuntimeWarning)
        try:
            from numba import config
        except RuntimeWarning as warning:
            parsed = _NOT_PARSED.match(str(warning))
            if parsed is None:
                raise
            name, value = parsed.groups()
            rule = "0, 1, 2, 3 or max" if name == "NUMBA_OPT" else "a number"
            raise EnvironmentVariableError(name, rule, value) from None
    if config.DISABLE_JIT:
        raise EnvironmentVariableError(
            "NUMBA_DISABLE_JIT", "0, since kernels need the compiler", str(config.DISABLE_JIT)
        )
    _check_threading_layer(str(config.THREADING_LAYER).lower(), list(config.THREADING_LAYER_PRIORITY))
    if config.CPU_NAME or config.CPU_FEATURES:
        _check_processor(config.CPU_NAME or "", config.CPU_FEATURES or "")


def _check_threading_layer(chosen: str, priority: list[str]) -> None:
    kinds = ("default", "safe", "forksafe", "threadsafe", *_LAYERS)
    if chosen not in kinds:
        raise EnvironmentVariableError("NUMBA_THREADING_LAYER", f"one of {', '.join(kinds)}", chosen)
    if sorted(priority) != sorted(_LAYERS):
        rule = f"the names {', '.join(_LAYERS)} in any order, with spaces between"
        raise EnvironmentVariableError("NUMBA_THREADING_LAYER_PRIORITY", rule, " ".join(priority))
    needed = {"safe": "tbb"}.get(chosen, chosen)
    if needed in _LAYERS and not _is_there(needed):
        rule = f"a threading layer that is installed ({', '.join(filter(_is_there, _LAYERS))})"
        raise EnvironmentVariableError("NUMBA_THREADING_LAYER", rule, chosen)


def _is_there(layer: str) -> bool:
    try:
        if layer == "tbb":
            import_module("numba.np.ufunc.parallel")._check_tbb_version_compatible()
        import_module(f"numba.np.ufunc.{layer if layer == 'workqueue' else layer + 'pool'}")
    except ImportError:
        return False
    return True


def _check_processor(name: str, features: str) -> None:
    """Ask LLVM, which knows the names, but tells of others on the process's standard error alone, and goes on."""
    from llvmlite import binding
    from numba.core.codegen import initialize_llvm

    initialize_llvm()
    target = binding.Target.from_default_triple()
    with tempfile.TemporaryFile() as said:
        before = os.dup(2)
        os.dup2(said.fileno(), 2)
        try:
            target.create_target_machine(cpu=name, features=features)
        finally:
            os.dup2(before, 2)
            os.close(before)
        said.seek(0)
        complaints = said.read().decode(errors="replace")
    if "not a recognized processor" in complaints:
        rule = "a processor that LLVM knows, such as haswell or x86-64-v3"
        raise EnvironmentVariableError("NUMBA_CPU_NAME", rule, name)
    if "not a recognized feature" in complaints:
        raise EnvironmentVariableError("NUMBA_CPU_FEATURES", "features that LLVM knows, such as +avx2", features)
