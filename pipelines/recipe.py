"""Recipes: a system to train, described in TOML."""

import tomllib
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

import scratchnet as sn
from pipelines.data.augmentation import Augmentation
from pipelines.data.preprocessing import Preprocessing
from pipelines.errors import UserError
from scratchnet.models.building import build_layer

Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(gt=0, lt=1)]
Monitor = Literal["val_loss", "val_accuracy", "loss", "accuracy"]


class _Section(BaseModel):
    # an unknown field is a typing mistake, and would silently be left out of the training
    model_config = ConfigDict(extra="forbid", frozen=True)


class InputSection(_Section):
    """What the network sees."""

    height: Positive
    width: Positive
    channels: Literal[1, 3] = 1
    scale: float = 1 / 255
    offset: float = 0.0


class DataSection(_Section):
    """How the data are divided.

    `validation` and `test` are shares held back where the data have no such split of their own.
    """

    validation: Share = 0.15
    test: Share = 0.15

    @model_validator(mode="after")
    def _leaves_something(self) -> "DataSection":
        if self.validation + self.test >= 1:
            raise ValueError("validation and test together must leave something to train on")
        return self


class OptimizerSection(_Section):
    """The optimiser; `options` are those of its class."""

    name: str
    learning_rate: Annotated[float, Field(gt=0)]
    options: dict[str, Any] = {}


class EarlyStoppingSection(_Section):
    """Stop when the monitored figure has not improved for `patience` epochs."""

    monitor: Monitor = "val_loss"
    patience: Positive


class CheckpointSection(_Section):
    """Keep the weights of the best epoch."""

    monitor: Monitor = "val_loss"


class PlateauSection(_Section):
    """Multiply the learning rate by `factor` when the monitored figure has not improved for `patience` epochs."""

    monitor: Monitor = "val_loss"
    factor: Share
    patience: Positive
    min_learning_rate: Annotated[float, Field(ge=0)] = 0.0


class TrainingSection(_Section):
    """How the network is trained. Labels are class numbers, so the cross-entropy is the sparse one."""

    optimizer: OptimizerSection
    loss: Literal["sparse_categorical_crossentropy"] = "sparse_categorical_crossentropy"
    batch_size: Positive
    epochs: Positive
    early_stopping: EarlyStoppingSection | None = None
    checkpoint: CheckpointSection = CheckpointSection()
    reduce_lr_on_plateau: PlateauSection | None = None


class Recipe(_Section):
    """A system to train.

    `augmentation` says how training images are varied in each epoch; see `pipelines.data.augmentation`.

    `network` lists layers with their arguments, `layer` being the class. The word `classes` as a layer's `units` or
    `filters` stands for the number of classes in the data.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    description: str
    input: InputSection
    data: DataSection = DataSection()
    augmentation: Augmentation = Augmentation()
    network: Annotated[list[dict[str, Any]], Field(min_length=1)]
    training: TrainingSection

    @property
    def preprocessing(self) -> Preprocessing:
        """How images become inputs."""
        return Preprocessing(**self.input.model_dump())

    def build_model(self, class_names: tuple[str, ...]) -> sn.Model:
        """The network with fresh weights, compiled.

        Raises:
            UserError: a layer is unknown, its arguments do not fit, or the output does not have one unit per class.
        """
        size = (self.input.height, self.input.width, self.input.channels)
        model = sn.Sequential([sn.Input(size)], name=self.name.replace("-", "_"))
        for number, entry in enumerate(self.network, 1):
            try:
                model.add(_layer(entry, len(class_names)))
            except ValueError as error:
                raise UserError(f"recipe {self.name}, layer {number}: {error}") from error
        if model.output_shape != (None, len(class_names)):
            raise UserError(
                f"recipe {self.name}: the network's output has shape {model.output_shape}, but the data have "
                f'{len(class_names)} classes; end it with a Dense layer of units = "classes"'
            )
        optimizer = self.training.optimizer
        try:
            model.compile(
                {
                    "class_name": optimizer.name,
                    "config": {"learning_rate": optimizer.learning_rate, **optimizer.options},
                },
                self.training.loss,
                metrics=["accuracy"],
            )
        except ValueError as error:
            raise UserError(f"recipe {self.name}: {error}") from error
        model.class_names = class_names
        model.preprocessing = self.preprocessing.to_config()
        return model


def _layer(entry: dict[str, Any], classes: int) -> sn.layers.Layer:
    if not isinstance(entry.get("layer"), str):
        raise ValueError(f'every layer needs its class, as in layer = "Conv2D", got {entry!r}')
    config = {name: classes if value == "classes" else value for name, value in entry.items() if name != "layer"}
    return build_layer({"class_name": entry["layer"], "config": config})


def _shipped() -> dict[str, Traversable]:
    folder = resources.files("pipelines") / "recipes"
    return {
        file.name.removesuffix(".toml"): file
        for file in sorted(folder.iterdir(), key=lambda file: file.name)
        if file.name.endswith(".toml")
    }


def recipe_names() -> list[str]:
    """The recipes that come with the program."""
    return list(_shipped())


def load_recipe(name_or_path: str) -> Recipe:
    """The recipe of a name, or of a TOML file.

    Raises:
        UserError: there is no such recipe, or something in it is wrong; the message says where.
    """
    source: Traversable | Path
    if name_or_path.endswith(".toml"):
        source = Path(name_or_path)
    else:
        shipped = _shipped()
        if name_or_path not in shipped:
            raise UserError(
                f"there is no recipe {name_or_path!r}; choose one of {', '.join(shipped)}, or give a .toml file"
            )
        source = shipped[name_or_path]
    try:
        content = tomllib.loads(source.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"recipe {name_or_path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"recipe {name_or_path} is not valid TOML: {error}") from error
    return parse_recipe(content, name_or_path)


def parse_recipe(content: dict[str, Any], origin: str) -> Recipe:
    """A recipe from its parsed TOML.

    Raises:
        UserError: something in it is wrong.
    """
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(str(part) for part in fault['loc']) or 'recipe'}: {fault['msg']}" for fault in error.errors()
        )
        raise UserError(f"recipe {origin} is not valid: {faults}") from error
