"""Measurements that need a process of their own: start-up and peak memory."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelines.bench.peers.base import Contender
from pipelines.bench.timing import Pace, Timing, interleave

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 900  # seconds after which a process has hung


class FreshProcessError(RuntimeError):
    """A fresh process has failed; the message is its last words."""


def run_child(*arguments: object, threads: int, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Run `pipelines.bench.child` and return what it printed.

    Args:
        arguments: the task, the contender's name, the threads, and so on.
        threads: for libraries that are told by their environment.
        environment: further variables.

    Raises:
        FreshProcessError: it failed, or did not end.
    """
    count = str(threads)
    variables = {
        **os.environ,
        "NUMBA_NUM_THREADS": count,
        "OMP_NUM_THREADS": count,
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
        **(environment or {}),
    }
    command = [sys.executable, "-m", "pipelines.bench.child", *map(str, arguments)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=variables, timeout=LIMIT, check=False)
    except subprocess.TimeoutExpired as error:
        raise FreshProcessError(f"{arguments[1]} did not end within {LIMIT} seconds") from error
    if done.returncode:
        last_words = (done.stderr.strip().splitlines() or [f"it ended with status {done.returncode}"])[-1]
        raise FreshProcessError(f"{arguments[1]} failed: {last_words}")
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def time_first_predictions(
    contenders: Sequence[type[Contender]], model_file: Path, threads: int, rounds: int
) -> dict[str, Timing]:
    """From the start of a process to its end after the first prediction of net A, caches warm.

    Args:
        contenders: who.
        model_file: net A as ONNX, for those that read it.
        threads: how many each may use.
        rounds: processes per contender, besides one that does not count.

    Raises:
        FreshProcessError: a process failed.
    """
    calls = {
        contender.name: lambda name=contender.name: run_child("first", name, threads, model_file, threads=threads)
        for contender in contenders
    }
    return interleave(calls, Pace(rounds=rounds, budget=0, lead=0, pause=0.05))


def time_cold_compile(threads: int) -> Timing:
    """A process that compiles every kernel into an empty cache; once, since it takes long.

    Raises:
        FreshProcessError: the process failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        run_child("compile", "scratchnet", threads, threads=threads, environment={"SCRATCHNET_CACHE": folder})
        seconds = time.perf_counter() - started
    return Timing(seconds, seconds, seconds, 1)


def training_memory(contender: type[Contender], net: str, threads: int, steps: int = 4) -> tuple[int, int]:
    """Resident memory of a process that trains: its growth from before the network was built, and the peak, in bytes.

    Before, the library has been imported, and has trained a tiny network, so that everything it needs is loaded. Where
    a library has several ways to train, the leanest counts.

    Raises:
        FreshProcessError: a process failed.
    """
    found: list[tuple[int, int]] = []
    variants = 1
    while len(found) < variants:
        result = run_child("memory", contender.name, threads, net, steps, len(found), threads=threads)
        variants = len(result["variants"])
        found.append((result["most"] - result["before"], result["most"]))
    return min(found)
