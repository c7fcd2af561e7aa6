"""A fresh process that measures one contender from its first import on.

Called as `python -m pipelines.bench.child TASK NAME THREADS ...`; prints one JSON object.

    first NAME THREADS MODEL_FILE    import, build net A, predict one image
    memory NAME THREADS NET STEPS N  import, a tiny network, then training steps in the library's Nth way: bytes of
                                     resident memory before, and at most
    compile scratchnet THREADS       compile every kernel
"""

import importlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipelines.bench.nets import NETS, TINY
from pipelines.bench.peers import BY_NAME

STATUS = Path("/proc/self/status")


def resident() -> tuple[int, int]:
    """Bytes of memory that this process holds now, and the most it has ever held.

    Linux's `ru_maxrss` would not do: a process inherits it from the one that started it. Elsewhere it must, and stands
    for both.
    """
    if STATUS.exists():
        lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines() if line.startswith("Vm"))
        now, most = (int(lines[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))
        return now, most
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return most, most


def _first(name: str, threads: int, model_file: str) -> dict[str, Any]:
    net = NETS["A"]
    x, _ = net.draw_batch(1)
    output = BY_NAME[name](threads).predict_first(net, x, Path(model_file))
    return {"shape": list(output.shape)}


def _memory(name: str, threads: int, net_name: str, steps: str, variant: str) -> dict[str, Any]:
    net = NETS[net_name]
    contender = BY_NAME[name](threads)
    x, y = net.draw_batch(net.batch)
    # a step of a tiny network first: what a library loads or compiles only then is not memory of this training
    for step in contender.train(TINY, None, *TINY.draw_batch(TINY.batch)).values():
        step()
    before, _ = resident()
    variants = contender.train(net, None, x, y)
    step = list(variants.values())[int(variant)]
    for _ in range(int(steps)):
        step()
    _, most = resident()
    return {"before": before, "most": most, "variants": list(variants)}


def _compile(name: str, threads: int) -> dict[str, Any]:
    contender: Any = importlib.import_module(name)
    contender.warmup()
    return {}


def main() -> None:
    """Do the task, print its result, and end at once, without the interpreter's clearing up."""
    task, name, threads, *rest = sys.argv[1:]
    tasks: dict[str, Callable[..., dict[str, Any]]] = {"first": _first, "memory": _memory, "compile": _compile}
    result = tasks[task](name, int(threads), *rest)
    print(json.dumps(result), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
