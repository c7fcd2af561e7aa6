"""The two engines that train and use a network: ours, and Keras on its twin."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import scratchnet as sn
from pipelines.data.dataset import Batch, Dataset
from pipelines.probabilities import class_probabilities
from scratchnet.arrays import FloatArray
from scratchnet.callbacks import Callback

Engine = Literal["scratch", "keras"]
ENGINES: tuple[Engine, ...] = ("scratch", "keras")


def fit(
    engine: Engine,
    model: sn.Model,
    training: Dataset,
    validation: Dataset,
    epochs: int,
    callbacks: Sequence[Callback],
    class_weight: Mapping[int, float] | None = None,
) -> dict[str, list[Any]]:
    """Train a model: same batches, same initial weights and same callbacks with either engine.

    Args:
        engine: which of them.
        model: compiled. With Keras it keeps its weights, but for what callbacks save of it.
        training: its epochs are gone through in their order.
        validation: looked at after each epoch.
        epochs: how often to go through the training data.
        callbacks: scratchnet's, with Keras too.
        class_weight: the weight of each class number in the loss.

    Returns:
        The figures of each epoch.

    Raises:
        UserError: Keras is asked for and not installed.
        ValueError: the data do not fit the model.
    """
    if engine == "keras":
        from pipelines.keras_engine import fit_keras

        return fit_keras(model, training, validation, epochs, callbacks, class_weight)
    return model.fit(
        training,
        epochs=epochs,
        validation_data=validation,
        verbose=0,
        callbacks=callbacks,
        class_weight=class_weight,
    ).history


def predict(engine: Engine, model: sn.Model, batches: Iterable[Batch]) -> FloatArray:
    """A probability for each class: float (samples, classes), in the batches' order.

    Args:
        engine: asked; with Keras, on the model's twin.
        model: with as many outputs as there are classes, or one sigmoid unit for two classes.
        batches: of a dataset, for example.

    Raises:
        UserError: Keras is asked for and not installed.
    """
    if engine == "keras":
        from pipelines.keras_engine import predict_keras

        return class_probabilities(predict_keras(model, batches))
    return class_probabilities(model.predict(batches))
