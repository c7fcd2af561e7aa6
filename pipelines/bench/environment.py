"""What the figures depend on: the machine, and the versions of what was measured."""

import os
import platform
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import scratchnet as sn
from pipelines.bench.peers.base import Contender
from pipelines.machine import available_cores, processor_name
from scratchnet.kernels.simd import VECTOR_BYTES


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
