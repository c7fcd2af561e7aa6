"""The `scratchnet` command: what each subcommand takes, and how mistakes end."""

import errno
import sys
import traceback
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer

import scratchnet as sn
from pipelines.commands import (
    cluster,
    compare,
    compare_features,
    crossval,
    evaluate,
    explain,
    predict,
    recipes,
    report,
    search,
    train,
)  # fmt: skip
from pipelines.commands.dataset import dataset
from pipelines.commands.options import SeedOption
from pipelines.console import console, errors
from pipelines.errors import TrainingInterruptedError, UserError
from pipelines.interruption import exit_status

FAULT = 70  # the exit status after a fault of the program itself, as sysexits.h has it
TYPERS_INTERRUPTED = 130  # the exit status that Typer makes of a KeyboardInterrupt
PLACE = "choose another place"
REMEDIES = {
    "ENOSPC": f"make room there, or {PLACE}",
    "EDQUOT": f"your share of this disk is used up: make room there, or {PLACE}",
    "EFBIG": f"files there must not be so large: {PLACE}",
    "EROFS": f"nothing can be written there: {PLACE}",
    "EACCES": f"change its permissions, or {PLACE}",
    "EPERM": f"change its permissions, or {PLACE}",
}

app = typer.Typer(
    name="scratchnet",
    help="Train, evaluate and use CNNs for facial expressions, on an engine written from scratch.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(dataset, name="dataset")


def _show_version(wanted: bool) -> None:
    if wanted:
        console.print(f"scratchnet {sn.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    pass


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for everything the demo writes.")] = Path("runs/demo"),
    images: Annotated[int, typer.Option(min=70, help="How many faces to draw; a fifth of them is the test.")] = 2800,
    epochs: Annotated[int, typer.Option(min=1, help="How often to go through the training images.")] = 6,
    seed: SeedOption = 0,
) -> None:
    """Draw faces, train on them, evaluate, and use the model; beside Keras where TensorFlow is installed.

    Nothing is downloaded. An earlier demo in the same folder is replaced.
    """
    from pipelines.demo import run_demo

    run_demo(out, images, epochs, seed)


@app.command()
def bench(
    nets: Annotated[str, typer.Option(help="Which networks, by letter.")] = "ABCD",
    only: Annotated[
        str | None,
        typer.Option(
            help="Some of train, infer, one, features, ops, startup, memory, threads, accuracy, with commas; all by "
            "default."
        ),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Turns per contender; more of them give steadier medians.")] = 3,
    threads: Annotated[
        int | None, typer.Option(min=1, help="How many each contender may use; all there are by default.")
    ] = None,
    peers: Annotated[
        str | None,
        typer.Option(
            help="Some of keras, torch, onnxruntime, openvino, numpy, separated by commas, or none; by default those "
            "that are installed."
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the report, its figures and the chart.")] = Path("runs/bench"),
) -> None:
    """Measure the engine beside TensorFlow, PyTorch, ONNX Runtime, OpenVINO and NumPy, as far as they are installed.

    All contenders compute the same networks with the same weights, in turns. The extra 'bench' brings ONNX Runtime and
    OpenVINO, 'keras' TensorFlow; PyTorch is taken where it is installed. Nothing else should run meanwhile.
    """
    from pipelines.bench.command import run_bench

    run_bench(out, nets, only, rounds, threads, peers)


COMMANDS = (
    train, evaluate, predict, crossval, explain, report, recipes, compare, cluster, compare_features, search,
)  # fmt: skip
for command in COMMANDS:
    command.register(app)


def run() -> None:
    """Run the command; a mistake ends in one sentence and a non-zero exit status, our own fault in a traceback too."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a file name need not be valid UTF-8
    try:
        app()
    except TrainingInterruptedError as stopped:
        _fail(str(stopped), exit_status())
    except (UserError, sn.ModelFileError) as error:
        _fail(str(error))
    except (KeyboardInterrupt, SystemExit) as ended:
        if isinstance(ended, SystemExit) and ended.code != TYPERS_INTERRUPTED:
            raise
        _fail("interrupted", exit_status())
    except MemoryError:
        _fail("there is not enough memory for this; choose smaller images, a smaller batch or a smaller network")
    except OSError as error:
        _fail(describe_os_error(error))
    except Exception:
        traceback.print_exc()
        _fail("this is a fault of the program, not of what it was given; please report it with the lines above", FAULT)


def describe_os_error(error: OSError) -> str:
    """What the system refused, where, and what helps, as far as that is known."""
    code = errno.errorcode.get(error.errno or 0, "")
    # what is printed has no name, and may go to a file too
    where = error.filename or ("the output" if code in {"ENOSPC", "EDQUOT", "EFBIG"} else None)
    told = str(error.strerror or error)
    if where is None:
        return told
    return f"{where}: {told}; {REMEDIES[code]}" if code in REMEDIES else f"{where}: {told}"


def _fail(sentence: str, status: int = 1) -> None:
    with suppress(OSError):  # a terminal that was closed
        errors.print(f"scratchnet: {sentence}")
    sys.exit(status)
