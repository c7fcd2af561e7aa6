"""The processor that kernels are compiled for: the level that this one reaches, so that machines can share the code.

Code for the very model of a processor may use instructions that another of the same level lacks. Kernels gain nothing
by them: what counts is how wide the vector registers are.
"""

import platform
from collections.abc import Mapping

from llvmlite import binding
from numba.core import config
from numba.core.registry import cpu_target

_V3 = "cx16 sahf crc32 popcnt sse4.2 avx2 bmi bmi2 f16c fma lzcnt movbe"
# LLVM's names of levels and of the features that they stand for, the highest first
_LEVELS = {"x86-64-v4": f"{_V3} avx512f avx512bw avx512cd avx512dq avx512vl", "x86-64-v3": _V3}
_WIDEST = {"x86-64-v4", "skylake-avx512", "cascadelake", "icelake-server", "sapphirerapids", "znver4", "znver5"}
_NARROWEST = {"generic", "x86-64", "x86-64-v2", "nehalem", "westmere"}


def level(features: Mapping[str, bool]) -> str | None:
    """The highest level whose features are all there; None where it would leave wider registers or others unused."""
    for name, needed in _LEVELS.items():
        if all(features.get(feature) for feature in needed.split()):
            return name
        if features.get("avx512f"):  # too few of its relatives for the level, and too good for the one below
            return None
    return None


def choose_level() -> None:
    """Let Numba compile for this machine's level, unless the user has chosen, or something has been compiled."""
    chosen = config.CPU_NAME is not None or config.CPU_FEATURES is not None or not config.ENABLE_AVX
    begun = "_toplevel_target_context" in vars(cpu_target)
    if chosen or begun or platform.machine().lower() not in {"x86_64", "amd64"}:
        return
    name = level(binding.get_host_cpu_features())
    if name is not None:
        config.CPU_NAME, config.CPU_FEATURES = name, ""


def registers() -> tuple[int, int]:
    """Bytes per vector register, and how many such registers there are."""
    if platform.machine().lower() in {"arm64", "aarch64"}:
        return 16, 32
    if config.CPU_NAME and config.CPU_NAME != "host":
        if config.CPU_NAME in _WIDEST:
            return 64, 32
        return (16, 16) if config.CPU_NAME in _NARROWEST else (32, 16)
    features = binding.get_host_cpu_features()
    if features.get("avx512f"):
        return 64, 32
    return (32, 16) if features.get("avx2") and features.get("fma") else (16, 16)
