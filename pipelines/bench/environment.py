"""What the figures depend on: the machine, and the versions of what was measured."""

import os
import platform
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import scratchnet as sn
from pipelines.bench.peers.base import Contender
from scratchnet.kernels.simd import VECTOR_BYTES

CPU_INFO = Path("/proc/cpuinfo")


def processor_name() -> str:
    """The processor's name as the machine calls it."""
    if CPU_INFO.exists():
        for line in CPU_INFO.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def available_cores() -> int:
    """The logical processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def describe_environment(contenders: Iterable[type[Contender]], threads: int) -> dict[str, Any]:
    """Processor, cores, threads, vector width, load, date and versions, as JSON can hold them."""
    versions = {"scratchnet": sn.__version__, "python": platform.python_version()}
    for contender in contenders:
        for distribution in contender.distributions:
            try:
                versions[distribution] = version(distribution)
            except PackageNotFoundError:  # installed under another name, such as tensorflow-cpu
                versions[distribution] = "unknown"
    return {
        "processor": processor_name(),
        "cores": available_cores(),
        "threads": threads,
        "vector_bits": 8 * VECTOR_BYTES,
        "system": f"{platform.system()} {platform.machine()}",
        # far above 0, something else was running
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else "unknown",
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "versions": versions,
    }
