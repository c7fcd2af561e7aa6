"""Recipes: what there is to say of a system in order to train it."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

import scratchnet as sn
from pipelines.data.augmentation import Augmentation
from pipelines.data.preprocessing import Preprocessing
from pipelines.errors import UserError
from scratchnet.models.building import build_layer

Positive = Annotated[int, Field(gt=0, lt=2**31)]
Share = Annotated[float, Field(gt=0, lt=1)]
Monitor = Literal["val_loss", "val_accuracy", "loss", "accuracy"]


class _Section(BaseModel):
    # an unknown field is a typing mistake, and would silently be left out of the training; the strings below the fields
    # are what `scratchnet recipes --fields` prints
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class InputSection(_Section):
    """What the network sees."""

    height: Positive
    """Pixels; images are resized to it."""
    width: Positive
    """Pixels."""
    channels: Literal[1, 3] = 1
    """1 for grey, 3 for RGB."""
    scale: float = 1 / 255
    """Pixels from 0 to 255 are multiplied by it."""
    offset: float = 0.0
    """Added after that."""


class DataSection(_Section):
    """Which data, and how they are divided."""

    validation: Share = 0.15
    """The share held back for validation where the data have no such split of their own."""
    test: Share = 0.15
    """The share held back for the test where the data have no splits at all."""
    classes: Annotated[tuple[str, ...], Field(min_length=2)] | None = None
    """The classes that are told apart, in label order; images of others are left out. All if left out."""

    @model_validator(mode="after")
    def _leaves_something(self) -> "DataSection":
        if self.validation + self.test >= 1:
            raise ValueError("validation and test together must leave something to train on")
        return self


class OptimizerSection(_Section):
    """The optimiser."""

    name: str
    """Its class, by Keras's name: `adam`, `sgd`, ..."""
    learning_rate: Annotated[float, Field(gt=0)]
    """At the beginning."""
    options: dict[str, Any] = {}
    """Further arguments of the class."""


class EarlyStoppingSection(_Section):
    """Stop when a figure no longer improves; off if the section is left out."""

    monitor: Monitor = "val_loss"
    """The figure."""
    patience: Positive
    """For so many epochs without improvement."""


class CheckpointSection(_Section):
    """Which epoch's weights are kept."""

    keep: Literal["best", "last"] = "best"
    """The best epoch's, or the last one's."""
    monitor: Monitor = "val_loss"
    """The figure that tells which is best."""


class PlateauSection(_Section):
    """Lower the learning rate when a figure no longer improves; off if the section is left out."""

    monitor: Monitor = "val_loss"
    """The figure."""
    factor: Share
    """The learning rate is multiplied by it."""
    patience: Positive
    """After so many epochs without improvement."""
    min_learning_rate: Annotated[float, Field(ge=0)] = 0.0
    """It never gets lower."""


class TrainingSection(_Section):
    """How the network is trained."""

    optimizer: OptimizerSection
    """See below."""
    loss: Literal["sparse_categorical_crossentropy", "binary_crossentropy"] = "sparse_categorical_crossentropy"
    """The binary one is for two classes and a network that ends with one sigmoid unit."""
    metrics: tuple[Literal["accuracy", "precision", "recall", "auc"], ...] = ("accuracy",)
    """Shown beside the loss. Precision and recall are those of the second of two classes."""
    class_weight: Literal["balanced"] | None = None
    """`balanced` weighs each class by images / (classes * images of the class)."""
    batch_size: Positive
    """Images per step."""
    epochs: Positive
    """How often to go through the training images, at most."""
    early_stopping: EarlyStoppingSection | None = None
    """See below."""
    checkpoint: CheckpointSection = CheckpointSection()
    """See below."""
    reduce_lr_on_plateau: PlateauSection | None = None
    """See below."""
    learning_rate_schedule: Literal["cosine"] | None = None
    """`cosine` lets the learning rate fall to zero over the epochs, along half a cosine (arXiv:1608.03983)."""

    @property
    def selects(self) -> bool:
        """Whether validation images choose anything: the epoch that is kept, the end, or the learning rate."""
        chosen = self.early_stopping is not None or self.reduce_lr_on_plateau is not None
        return chosen or self.checkpoint.keep == "best"

    @model_validator(mode="after")
    def _sets_the_rate_once(self) -> "TrainingSection":
        if self.learning_rate_schedule and self.reduce_lr_on_plateau:
            raise ValueError("learning_rate_schedule and reduce_lr_on_plateau both set the learning rate; choose one")
        return self

    @model_validator(mode="after")
    def _measures_accuracy(self) -> "TrainingSection":
        if "accuracy" not in self.metrics:
            raise ValueError("metrics must hold accuracy, which curves and reports show")
        return self


class Published(_Section):
    """What the authors of the system have reported, as shares of 1; not used in training."""

    system: str
    """The title of their work."""
    data: str = ""
    """What they trained and measured on."""
    images: Positive | None = None
    """How many images these are in all; left out where nobody else has them."""
    accuracy: dict[Literal["train", "validation", "test"], Share] = {}
    """By part."""
    macro_f1: Share | None = None
    """The mean of the classes' F1."""
    f1: dict[str, Share] = {}
    """By class."""
    recall: dict[str, Share] = {}
    """By class."""
    folds: tuple[Share, ...] = ()
    """The accuracy of each fold of a cross-validation."""
    note: str = ""
    """What one must know to compare."""


class Recipe(_Section):
    """A system to train."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    """Of the run's folder too."""
    description: str
    """One line."""
    input: InputSection
    """See below."""
    data: DataSection = DataSection()
    """See below."""
    augmentation: Augmentation = Augmentation()
    """See below."""
    network: Annotated[list[dict[str, Any]], Field(min_length=1)]
    """Layers with their arguments, `layer` being the class, with Keras's names. The word `classes` as a layer's `units`
    or `filters` stands for the number of classes in the data."""
    training: TrainingSection
    """See below."""
    published: Published | None = None
    """See below."""

    _origin: str = PrivateAttr("")
    _changes: tuple[str, ...] = PrivateAttr(())

    @property
    def origin(self) -> str:
        """The name or the file it was read from."""
        return self._origin

    @property
    def changes(self) -> tuple[str, ...]:
        """What was set otherwise than in the file, as `section.field=value`."""
        return self._changes

    def with_origin(self, origin: str, changes: tuple[str, ...]) -> "Recipe":
        """The same, knowing where it comes from."""
        recipe = self.model_copy()
        recipe._origin, recipe._changes = origin, changes
        return recipe

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
            except OverflowError as error:
                raise UserError(f"recipe {self.name}, layer {number}: a number is too large") from error
        self._check_output(model.output_shape, len(class_names))
        optimizer = self.training.optimizer
        try:
            model.compile(
                {
                    "class_name": optimizer.name,
                    "config": {"learning_rate": optimizer.learning_rate, **optimizer.options},
                },
                self.training.loss,
                metrics=list(self.training.metrics),
            )
        except ValueError as error:
            raise UserError(f"recipe {self.name}: {error}") from error
        model.class_names = class_names
        model.preprocessing = self.preprocessing.to_config()
        return model

    def _check_output(self, shape: Any, classes: int) -> None:
        binary = self.training.loss == "binary_crossentropy"
        if binary and classes != 2:
            raise UserError(
                f"recipe {self.name} tells two classes apart, but the data have {classes}; name two of them, "
                'as in --set \'data.classes=["happy", "sad"]\', or choose another recipe'
            )
        if shape != (None, 1 if binary else classes):
            end = 'units = 1 and activation = "sigmoid"' if binary else 'units = "classes"'
            raise UserError(
                f"recipe {self.name}: the network's output has shape {shape}, but the data have {classes} classes; "
                f"end it with a Dense layer of {end}"
            )


def without_published(recipe: dict[str, Any]) -> dict[str, Any]:
    """What trains, of a recipe as configurations hold it: what others have published can be told otherwise later."""
    return {key: value for key, value in recipe.items() if key not in ("published", "description")}


def _layer(entry: dict[str, Any], classes: int) -> sn.layers.Layer:
    if not isinstance(entry.get("layer"), str):
        raise ValueError(f'every layer needs its class, as in layer = "Conv2D", got {entry!r}')
    config = {name: classes if value == "classes" else value for name, value in entry.items() if name != "layer"}
    return build_layer({"class_name": entry["layer"], "config": config})
