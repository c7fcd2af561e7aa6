"""The `scratchnet` command: what each subcommand takes, and how mistakes end."""

import json
import sys
import zlib
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer

import scratchnet as sn
from pipelines.commands import compare, crossval, recipes, train
from pipelines.commands.dataset import dataset
from pipelines.commands.options import SeedOption
from pipelines.console import console, errors, progress, report_skipped, table
from pipelines.data.dataset import Dataset
from pipelines.data.opening import open_data, resolve_name
from pipelines.data.preprocessing import Preprocessing
from pipelines.errors import TrainingInterruptedError, UserError

INTERRUPTED = 130  # the exit status of a command that Ctrl-C has ended

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
def evaluate(
    run: Annotated[Path, typer.Argument(help="A run's folder, or a model file (.safetensors, .keras or .h5).")],
    data: Annotated[str | None, typer.Option(help="Labelled images as in train; the run's own by default.")] = None,
    split: Annotated[
        str | None,
        typer.Option(help="train, validation, test or all; by default the test images, or all if none are set aside."),
    ] = None,
) -> None:
    """Print accuracy, macro F1 and the figures of each class."""
    from pipelines import engines, evaluation
    from pipelines.run import Run, load_run_model

    model = load_run_model(run)
    folder = Run(run) if run.is_dir() else None
    if data is None:
        if folder is None:
            raise UserError(f"{run} is a model file, which does not say its data; pass --data")
        data = str(folder.config()["data"])
    preprocessing = Preprocessing.from_config(model.preprocessing or {})
    source = folder.open_data(data) if folder else open_data(data, preprocessing, model.class_names)
    name = resolve_name(data)
    same_data = folder is not None and name == folder.config()["data"]
    samples, part = evaluation.choose_samples(source, split, folder if same_data else None)
    with progress("reading images") as advance:
        dataset = Dataset(source, samples, preprocessing, progress=advance)
    report_skipped(source, [dataset])
    predicted = engines.predict(folder.engine if folder else "scratch", model, dataset).argmax(axis=-1)
    result = evaluation.evaluate_predictions(dataset.labels, predicted, dataset.class_names)
    evaluation.print_evaluation(result, f"{run} on {data}, {part}")
    if folder is not None:
        seen = evaluation.seen_in_training(samples, folder) if same_data else 0
        if seen:
            errors.print(f"{seen:,} of these images were trained on, so the figures are too good")
        # other data are told apart by their path, of which the file's name is not enough
        key = part if same_data else f"{part}-{Path(name).stem}-{zlib.crc32(name.encode(errors='replace')):08x}"
        folder.add_metrics(**{key: {"data": name, **result.to_json()}})
        evaluation.save_matrix(folder, key, result)


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(help="A run's folder, or a model file (.safetensors, .keras or .h5).")],
    images: Annotated[list[Path], typer.Argument(help="Image files of any format, size and colour.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Print the class probabilities of each image; faces should fill it, as in the training images."""
    from pipelines.predict import predict_images
    from pipelines.run import load_run_model

    loaded = load_run_model(model)
    predictions = predict_images(loaded, images)
    if as_json:
        print(json.dumps([prediction.to_json() for prediction in predictions], indent=2, ensure_ascii=False))
    else:
        readable = [prediction for prediction in predictions if prediction.probabilities]
        rows = [
            [p.image, str(p.best), *(f"{value:.3f}" for value in (p.probabilities or {}).values())] for p in readable
        ]
        if rows:
            console.print(table("", ["image", "class", *(loaded.class_names or ())], rows))
    failed = [prediction for prediction in predictions if prediction.error]
    for prediction in failed:
        errors.print(f"{prediction.image}: {prediction.error}")
    if failed:
        raise typer.Exit(1)


@app.command()
def bench(
    nets: Annotated[str, typer.Option(help="Which networks, by letter.")] = "ABCD",
    only: Annotated[
        str | None,
        typer.Option(
            help="Some of train, infer, one, ops, startup, memory, threads, separated by commas; all by default."
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


for command in (train, crossval, recipes, compare):
    command.register(app)


def run() -> None:
    """Run the command; a mistake ends in one sentence and a non-zero exit status, without a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a file name need not be valid UTF-8
    try:
        app()
    except TrainingInterruptedError as stopped:
        _fail(str(stopped), INTERRUPTED)
    except (UserError, sn.ModelFileError) as error:
        _fail(str(error))
    except (KeyboardInterrupt, SystemExit) as ended:
        if isinstance(ended, SystemExit) and ended.code != INTERRUPTED:  # Typer turns Ctrl-C into an exit with this
            raise
        _fail("interrupted", INTERRUPTED)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _fail(f"{where}{error.strerror or error}")


def _fail(sentence: str, status: int = 1) -> None:
    errors.print(f"scratchnet: {sentence}")
    sys.exit(status)
