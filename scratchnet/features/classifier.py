"""ScratchClassifier: a scratchnet network as a scikit-learn classifier."""

import tempfile
from collections.abc import Callable
from numbers import Real
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from scratchnet import layers
from scratchnet.arrays import AnyArray, FloatArray, Shape
from scratchnet.callbacks import EarlyStopping
from scratchnet.features.images import as_rows, checked_shape, to_floats
from scratchnet.formats.loading import load_model
from scratchnet.models import Model, Sequential
from scratchnet.optimizers import Optimizer
from scratchnet.optimizers import get as get_optimizer
from scratchnet.optimizers import serialize as serialize_optimizer
from scratchnet.random import random_scope

LARGEST_SEED = 2**31 - 1
FILTERS = (16, 32, 64)
UNITS = 64
LEAST_SIDE = 4  # pixels of a map that is pooled once more


def default_network(input_shape: Shape, classes: int) -> Model:
    """A small network with a softmax: for images three convolutions with pooling, for vectors two dense layers.

    Args:
        input_shape: (height, width, channels), or (features,).
        classes: how many.
    """
    stack: list[Any] = [layers.Input(input_shape)]
    if len(input_shape) == 3:
        side = min(input_shape[:2])
        for filters in FILTERS:
            stack.append(layers.Conv2D(filters, 3, padding="same", activation="relu"))
            if side >= LEAST_SIDE:
                stack.append(layers.MaxPooling2D())
                side //= 2
        stack.append(layers.GlobalAveragePooling2D() if side > 2 * LEAST_SIDE else layers.Flatten())
    else:
        # pixels and the like are not centred; what is learned from them is this layer's business
        stack += [layers.BatchNormalization(), layers.Dense(UNITS, activation="relu")]
    stack += [layers.Dense(UNITS, activation="relu"), layers.Dense(classes, activation="softmax")]
    return Sequential(stack)


class ScratchClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A network that scikit-learn trains, searches and validates like any of its classifiers.

    Args:
        build: called with (input_shape, classes), returns a `scratchnet.Model` with that many outputs, probabilities in
            the order of `classes_`; None for `default_network`.
        image_shape: (height, width, channels) of what comes as flat rows; None leaves rows as vectors. Images (n,
            height, width, channels) need none.
        epochs: at most so many.
        batch_size: of training.
        optimizer: a name, such as "adam", or an optimiser, which is copied.
        learning_rate: of the optimiser; None leaves it as it is.
        validation_fraction: of the images, which are held back and say which epoch's weights are kept; 0 for none.
        patience: training stops after so many epochs without a better loss on these; None never stops early.
        class_weight: None, "balanced", which lets rare classes count more, or a dict by label.
        random_state: a seed, a generator, or None.
        verbose: as in `Model.fit`.

    Attributes:
        classes_: the labels, sorted.
        model_: the trained network.
        history_: loss and accuracy of each epoch.
        n_features_in_: numbers per image.

    >>> images = np.zeros((8, 6, 6, 1))
    >>> images[::2] = 1
    >>> labels = ["bright", "dark"] * 4
    >>> ScratchClassifier(epochs=20, learning_rate=0.01, random_state=0).fit(images, labels).score(images, labels)
    1.0
    """

    def __init__(
        self,
        build: Callable[[Shape, int], Model] | None = None,
        image_shape: Any = None,
        epochs: int = 20,
        batch_size: int = 32,
        optimizer: Any = "adam",
        learning_rate: float | None = None,
        validation_fraction: float = 0.0,
        patience: int | None = None,
        class_weight: Any = None,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.build = build
        self.image_shape = image_shape
        self.epochs = epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.class_weight = class_weight
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803  # scikit-learn's name
        """Train a fresh network.

        Args:
            X: images (n, height, width, channels) or rows (n, features); bytes count from 0 to 1.
            y: (n,) labels of any kind.

        Raises:
            ValueError: a parameter is wrong, or images and labels do not fit.
        """
        self._check_parameters()
        if y is None:
            raise ValueError("requires y to be passed, but the target y is None")
        shape = None if self.image_shape is None else checked_shape(self.image_shape, "image_shape")
        rows, found, labels = as_rows(self, X, shape, reset=True, y=y)
        check_classification_targets(labels)
        self.classes_, targets = np.unique(labels, return_inverse=True)
        self.input_shape_: Shape = shape or found or (rows.shape[1],)
        seed = int(check_random_state(self.random_state).randint(LARGEST_SEED))
        with random_scope(seed):
            self._train(rows, targets, seed)
        return self

    def predict(self, X: Any) -> AnyArray:  # noqa: N803
        """The label of each image, (n,).

        Raises:
            NotFittedError: `fit` was not called.
            ValueError: the images are not of the shape that `fit` got.
        """
        probabilities = self.predict_proba(X)
        chosen: AnyArray = self.classes_[probabilities.argmax(axis=1)]
        return chosen

    def predict_proba(self, X: Any) -> FloatArray:  # noqa: N803
        """The probabilities of the classes, (n, classes) in the order of `classes_`, as `predict`."""
        check_is_fitted(self, "model_")
        shape = self.input_shape_
        rows, _, _ = as_rows(self, X, shape if len(shape) == 3 else None, reset=False)
        return np.asarray(self.model_.predict(to_floats(rows, shape), batch_size=int(self.batch_size)))

    def _check_parameters(self) -> None:
        for name in ("epochs", "batch_size", "patience"):
            value = getattr(self, name)
            absent = value is None and name == "patience"
            if not absent and (not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 1):
                raise ValueError(f"{name} must be a positive int, got {value!r}")
        fraction = self.validation_fraction
        if not isinstance(fraction, Real) or not 0 <= fraction < 1:
            raise ValueError(f"validation_fraction must be at least 0 and below 1, got {fraction!r}")
        if self.build is not None and not callable(self.build):
            raise ValueError(f"build must be a function of (input_shape, classes), or None, got {self.build!r}")
        if self.patience is not None and not self.validation_fraction:
            raise ValueError("patience needs a validation_fraction above 0 to look at")

    def _fresh_optimizer(self) -> Optimizer:
        """The optimiser with nothing in its memory; the caller's own is left as it is."""
        given = get_optimizer(self.optimizer)
        fresh = get_optimizer(serialize_optimizer(given))
        if fresh is None:
            raise ValueError(f"optimizer must be a name or an optimiser, got {self.optimizer!r}")
        if self.learning_rate is not None:
            fresh.learning_rate = self.learning_rate
        return fresh

    def _train(self, rows: AnyArray, targets: AnyArray, seed: int) -> None:
        count = len(self.classes_)
        if count < 2:
            raise ValueError(f"y must hold at least two classes, got one class: {self.classes_.tolist()[0]!r}")
        model = (self.build or default_network)(self.input_shape_, count)
        if not isinstance(model, Model) or model.output_shape != (None, count):
            raise ValueError(f"build must return a scratchnet.Model with the output (None, {count}), got {model!r}")
        model.compile(self._fresh_optimizer(), "sparse_categorical_crossentropy", metrics=["accuracy"])
        train, held = np.arange(len(rows)), None
        if self.validation_fraction:
            train, held = train_test_split(
                train, test_size=self.validation_fraction, random_state=seed, stratify=targets
            )
        weights = compute_class_weight(self.class_weight, classes=self.classes_, y=self.classes_[targets])
        self.history_ = model.fit(
            to_floats(rows[train], self.input_shape_),
            targets[train],
            batch_size=int(self.batch_size),
            epochs=int(self.epochs),
            verbose=self.verbose,
            class_weight=None if self.class_weight is None else dict(enumerate(weights)),
            validation_data=None if held is None else (to_floats(rows[held], self.input_shape_), targets[held]),
            callbacks=[] if held is None else [
                EarlyStopping(patience=int(self.patience or self.epochs), restore_best_weights=True)
            ],
        ).history  # fmt: skip
        self.n_iter_ = len(self.history_["loss"])
        self.model_ = model

    def __getstate__(self) -> dict[str, Any]:
        """The network as the bytes of its own file, which hold no code."""
        state: dict[str, Any] = super().__getstate__()
        if isinstance(state.get("model_"), Model):
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "model.safetensors"
                state["model_"].save(path)
                state = {**state, "model_": path.read_bytes()}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Read the network again."""
        content = state.get("model_")
        if isinstance(content, bytes):
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "model.safetensors"
                path.write_bytes(content)
                state = {**state, "model_": load_model(path)}
        super().__setstate__(state)
