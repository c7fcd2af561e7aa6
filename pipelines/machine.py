"""The machine, and the versions of packages, that something was measured with."""

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numba

import scratchnet as sn
from scratchnet.environment import processors

PACKAGES = ("numpy", "numba", "opencv-python", "scikit-learn", "tensorflow")
CPU_INFO = Path("/proc/cpuinfo")


def processor_name() -> str:
    """The processor's name as the machine calls it."""
    if CPU_INFO.exists():
        for line in CPU_INFO.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def available_cores() -> int:
    """The logical processors that this process may use, within the quota of its container."""
    return processors()


def versions() -> dict[str, str]:
    """What figures may depend on besides the configuration of what was run."""
    found = {
        "scratchnet": sn.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "processor": processor_name(),
        "processors": str(available_cores()),
        "threads": str(numba.get_num_threads()),
    }
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
