"""The entry point of `scratchnet`; it must run where only the engine is installed."""

import sys
from importlib import import_module
from importlib.util import find_spec

from pipelines.interruption import end_at_once, raise_interrupts

NEEDED = (
    "cv2", "filelock", "flask", "imagehash", "jinja2", "joblib", "matplotlib", "PIL", "pydantic", "rich", "scenedetect",
    "scipy", "sklearn", "typer", "waitress",
)  # fmt: skip


def main() -> None:
    """Run the command line, or say in one sentence what is missing or wrong for it."""
    end_at_once()  # what is imported below takes its time, and a signal then would fill the screen
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        print(
            "The scratchnet command needs the extra 'pipelines', which is not installed "
            f'(missing: {", ".join(missing)}): pip install -e ".[pipelines]" in the checkout',
            file=sys.stderr,
        )
        sys.exit(1)
    try:
        import_module("scratchnet")
    except ValueError as error:
        if not hasattr(error, "variable"):  # of the environment; its class cannot be imported without the package
            raise
        print(f"scratchnet: {error}", file=sys.stderr)
        sys.exit(1)
    from pipelines.cli import run

    raise_interrupts()
    try:
        run()
    finally:
        end_at_once()


if __name__ == "__main__":
    main()
