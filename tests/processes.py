"""Fresh Python processes that import the package under test."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def start_python(code: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """Start `code` in a new interpreter where every warning is an error."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,  # `-c` imports from here first
        env={**os.environ, **environment},
    )


def start_command(*arguments: object, before: str = "") -> subprocess.Popen[str]:
    """Start `scratchnet` with these arguments, after some code in the same process."""
    return subprocess.Popen(
        [sys.executable, "-c", f"{before}\nfrom pipelines.main import main; main()", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """The exit code, the standard output and the standard error of a process that must end within minutes."""
    try:
        output, errors = process.communicate(timeout=300)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return process.returncode, output, errors


def without_stages(errors: str) -> str:
    """The standard error without the lines that long work tells its stages by."""
    return "".join(line for line in errors.splitlines(keepends=True) if not line.endswith(" ...\n"))


def run_python(code: str, *arguments: str, **environment: str) -> tuple[int, str, str]:
    """`finish` of `start_python`."""
    return finish(start_python(code, *arguments, **environment))
