"""A run folder: everything that one training leaves behind.

config.json            the resolved recipe, seed, data and versions
split.csv              which sample was in which part
contents.csv           the hash of each training and validation image as the network saw it
history.csv            losses and metrics of every epoch
curves.png             the same as a picture
class_distribution.png how many images of each class each part has
augmented.png          what training makes of an image of each class
model.safetensors      the model that was kept, with its classes and preprocessing, whichever engine trained it
model.keras            the same for Keras, where that was the engine
metrics.json           what was measured, on which part
predictions_*.csv      what the model said of each image of a part; *.png shows some of them
confusion_matrix_*.png, roc_*.png, precision_recall_*.png, calibration_*.png
explain/               what the model looks at, where `scratchnet explain` was asked
clusters/              the images of a part in clusters, where `scratchnet cluster` was asked
features/              its vectors beside others, where `scratchnet compare-features` was asked
search/                images like a given one, where `scratchnet search` was asked
audit/                 what `scratchnet report` found among the images of the run
report.html            the report of the run
compare/               the model beside its Keras twin, where `scratchnet compare` was asked
backup/                while training is under way: where it goes on after an interruption
"""

import csv
import io
import math
import re
import shutil
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import scratchnet as sn
from pipelines.console import errors
from pipelines.data.opening import open_data
from pipelines.data.preprocessing import Preprocessing
from pipelines.data.sample import Source
from pipelines.engines import ENGINES, Engine
from pipelines.errors import UserError
from pipelines.files import write_json, write_text
from pipelines.measured import EvaluationFigures, Metrics
from pipelines.parsing import checked, damaged, read_json
from pipelines.reading import open_text, read_text
from pipelines.recipe import Recipe
from pipelines.recipe_files import parse_recipe
from pipelines.started import REMEDY, TEXT, StartedFolder
from scratchnet.models.flat import flatten

# a part of the run's own data, or of others: all-faces-0a1b2c3d; or what a cross-validation has held out
_PART = r"(train|validation|test|all|held_out)(-.+-[0-9a-f]{8})?"
CONTENT_COLUMNS = ["part", "name", "sha256"]  # of contents.csv
# what evaluations leave behind
_EVALUATED = re.compile(
    rf"predictions_{_PART}\.(csv|png)|(confusion_matrix|roc|precision_recall|calibration)_{_PART}(_normalised)?\.png"
)


_REMEDY = "delete what is wrong, and run scratchnet evaluate again"


class Run(StartedFolder):
    """The files of one training."""

    kind = "run"
    format = "scratchnet run"
    config_name = "config.json"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.model_path = folder / "model.safetensors"
        self.keras_model_path = folder / "model.keras"
        self.contents_path = folder / "contents.csv"
        self.history_path = folder / "history.csv"
        self.metrics_path = folder / "metrics.json"
        self.backup_folder = folder / "backup"

    @property
    def finished(self) -> bool:
        """Whether the training has come to its end."""
        return "training" in self.metrics()

    def clear(self) -> None:
        """Delete what a run writes, and nothing else."""
        shutil.rmtree(self.backup_folder, ignore_errors=True)
        for name in ("new_faces", "compare", "explain", "audit", "clusters", "features", "search"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        own = [
            self.model_path,
            self.keras_model_path,
            self.history_path,
            self.split_path,
            self.contents_path,
            self.metrics_path,
            *(self.folder / name for name in ("class_distribution.png", "augmented.png", "curves.png", "report.html")),
        ]
        evaluated = [path for path in self.folder.iterdir() if path.is_file() and _EVALUATED.fullmatch(path.name)]
        # the configuration last: until then an interrupted deletion can be repeated
        for path in (*own, *evaluated, self.config_path):
            path.unlink(missing_ok=True)

    @property
    def engine(self) -> Engine:
        """What trained it, and is asked when it is evaluated."""
        engine: Engine = self.config().get("engine", "scratch")
        if engine not in ENGINES:
            raise UserError(f"{self.config_path} names the unknown engine {engine!r}")
        return engine

    @property
    def recipe(self) -> Recipe:
        """What was trained."""
        return parse_recipe(self.config()["recipe"], f"of {self.folder}")

    def open_data(self, name: str | None = None) -> Source:
        """The data it was trained on, or others, with the classes it knows.

        Args:
            name: as `pipelines.data.opening.open_data` takes it; the run's own if left out.

        Raises:
            UserError: the data cannot be used, or have other classes.
        """
        config = self.config()
        recipe = self.recipe
        chosen = config["classes"] if recipe.data.classes is not None else None
        return open_data(name or config["data"], recipe.preprocessing, config["classes"], chosen)

    def part_of(self, part: str) -> set[str]:
        """The names of the samples of a part; empty if it has none.

        Raises:
            UserError: it is not known, since split.csv is missing or damaged.
        """
        if not self.split_path.exists():
            raise UserError(
                f"{self.split_path} is missing, so it is not known which images {self.folder} was trained on; put it "
                "back, or train anew"
            )
        return {name for name, _, own in self.split() if own == part}

    def record_contents(self, parts: Mapping[str, Iterable[tuple[str, str]]], goes_on: bool) -> None:
        """Write contents.csv: which pixels the training sees.

        Args:
            parts: the (name, hash) of each image of `train` and `validation`; hashes are `Dataset.contents`.
            goes_on: whether an interrupted training has seen some of them already.

        Raises:
            UserError: the training goes on, and has seen others.
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(CONTENT_COLUMNS)
        for part, images in parts.items():
            writer.writerows([part, *image] for image in images)
        path = self.contents_path
        if goes_on and path.exists() and read_text(path, "surrogateescape") != text.getvalue():
            raise UserError(
                f"the pixels of the data have changed since the run in {self.folder} was interrupted; restore them, "
                f"{REMEDY}"
            )
        write_text(path, text.getvalue())

    def contents_of(self, part: str) -> frozenset[str] | None:
        """The hashes of the images of `train` or `validation`; None if the run's version did not record them yet.

        Raises:
            UserError: contents.csv is damaged.
        """
        try:
            with open_text(self.contents_path, newline="", **TEXT) as file:
                rows = list(csv.reader(file, strict=True))
        except FileNotFoundError:
            return None
        except csv.Error as error:
            raise UserError(f"{self.contents_path} is damaged: {error}") from error
        if not rows or rows[0] != CONTENT_COLUMNS or any(len(row) != len(CONTENT_COLUMNS) for row in rows):
            raise UserError(
                f"{self.contents_path} is damaged: it must have the columns {', '.join(CONTENT_COLUMNS)} in each line"
            )
        return frozenset(content for own, _, content in rows[1:] if own == part)

    def metrics(self) -> dict[str, Any]:
        """What has been measured so far.

        Raises:
            UserError: the file is damaged.
        """
        if not self.metrics_path.exists():
            return {}
        content: dict[str, Any] = read_json(self.metrics_path)
        others = checked(content, Metrics, self.metrics_path, _REMEDY).model_extra or {}
        for part, own in others.items():
            if isinstance(own, dict) and "confusion_matrix" in own:
                checked(own, EvaluationFigures, f"{self.metrics_path}, {part},", _REMEDY)
        return content

    def history(self) -> dict[str, list[float]]:
        """The figures of each epoch, by name; not a number where an epoch did not measure one."""
        try:
            with open_text(self.history_path, newline="") as file:
                reader = csv.DictReader(file)
                rows = list(reader)
        except (csv.Error, UnicodeDecodeError) as error:
            raise damaged(self.history_path, str(error)) from error
        names = [name for name in reader.fieldnames or () if name != "epoch"]
        return {name: [_figure(row[name]) for row in rows] for name in names}

    def add_metrics(self, **measured: Any) -> None:
        """Put more figures into metrics.json."""
        write_json(self.metrics_path, {**self.metrics(), **measured})


def _figure(cell: str | None) -> float:
    # CSVLogger writes NA for what it was not told, and a kill may cut its last line off
    try:
        return float(cell or "")
    except ValueError:
        return math.nan


def open_model(path: Path) -> sn.Model:
    """The model of a run folder, or of a model file.

    Raises:
        UserError: the run has no model yet, or the path does not exist.
        ModelFileError: the file cannot be used.
    """
    if path.is_dir():
        run = Run(path)
        run.config()
        if not run.model_path.exists():
            raise UserError(f"{path} has no model yet: its training was interrupted in the first epoch; train it again")
        path = run.model_path
    elif not path.exists():
        raise UserError(f"{path} does not exist; give a run folder or a model file (.safetensors, .keras or .h5)")
    with warnings.catch_warnings(record=True) as gaps:
        warnings.simplefilter("always")
        model = sn.load_model(path)
    for gap in gaps:  # of a Keras file: what is missing of its training
        errors.print(str(gap.message))
    return model


def load_run_model(path: Path) -> sn.Model:
    """A model as `open_model` finds it, that knows its classes and its preprocessing.

    Raises:
        UserError: it does not, or they do not fit it; the run has no model yet, or the path does not exist.
        ModelFileError: the file cannot be used.
    """
    model = open_model(path)
    check_run_model(model, path)
    return model


def check_run_model(model: sn.Model, path: Path) -> None:
    """Raise a UserError unless a model can be asked about images.

    That is: it says its classes and its preprocessing, takes the images of that, and gives a number for each class.

    Args:
        model: loaded from there.
        path: that messages name.
    """
    if not model.class_names or not model.preprocessing:
        raise UserError(
            f"{path} does not say its classes and preprocessing; train it with `scratchnet train`, or load it in "
            "Python, set class_names and preprocessing, and save it again"
        )
    made = Preprocessing.from_config(model.preprocessing or {})
    shape, classes = (None, made.height, made.width, made.channels), len(model.class_names or ())
    if not model.built or len(model.inputs) > 1 or isinstance(model.output_shape, list):
        raise UserError(f"{path} must take one image and give one result to be asked about images")
    try:
        output = model.compute_output_shape(shape)
    except ValueError as error:
        raise UserError(f"the preprocessing of {path} makes images of shape {shape[1:]}, but {error}") from error
    single = classes == 2 and output == (None, 1) and _ends_with_sigmoid(model)
    if output != (None, classes) and not single:
        raise UserError(
            f"{path} gives results of shape {output[1:]} for its {classes} class names; one each is needed, or, "
            "for two classes, one sigmoid unit"
        )


def _ends_with_sigmoid(model: sn.Model) -> bool:
    try:
        graph = flatten(model)
    except ValueError:  # it computes by a call of its own, which cannot be looked into
        return False
    last = graph.outputs[0].call
    return last >= 0 and getattr(graph.calls[last].layer, "activation", None) is sn.activations.sigmoid
