"""Losses: how far predictions are from the truth, as one number to be made small."""

import warnings
from collections.abc import Callable, Mapping
from typing import Any, Self, TypeAlias

import numpy as np

from scratchnet import ops, serialization
from scratchnet.arrays import AnyArray, FloatArray
from scratchnet.tensor import Tensor, as_tensor

__all__ = [
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "Loss",
    "MeanSquaredError",
    "SparseCategoricalCrossentropy",
    "get",
    "serialize",
]

LossFunction: TypeAlias = Callable[[Any, Tensor], Tensor]

PROBABILITY_MARGIN = 1e-7  # bare probabilities are kept so far from 0 and 1, as in Keras


class Loss:
    """The base of all losses.

    Args:
        name: shown in logs.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def per_sample(self, y_true: Any, y_pred: Tensor) -> Tensor:
        """The loss of each sample, (batch,)."""
        raise NotImplementedError

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Tensor:
        """The mean over the batch; with weights, the weighted sum divided by the batch's size, as in Keras.

        Args:
            y_true: the targets.
            y_pred: the model's output.
            sample_weight: (batch,), or None for equal weights.

        Returns:
            A tensor of one element.

        Raises:
            ValueError: the shapes do not fit, or a label is out of range.
        """
        values = self.per_sample(y_true, as_tensor(y_pred))
        if sample_weight is not None:
            weights = np.asarray(sample_weight, values.dtype).reshape(-1)
            if weights.shape != values.shape:
                raise ValueError(
                    f"sample_weight must hold one number for each of {len(values)} samples, got {weights.shape}"
                )
            values = values * Tensor(weights)
        return values.mean()

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, as JSON can hold them."""
        return {"name": self.name}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The loss that `get_config` described."""
        return cls(**config)


class _CrossEntropy(Loss):
    def __init__(self, from_logits: bool, label_smoothing: float, name: str) -> None:
        super().__init__(name)
        if not 0 <= label_smoothing <= 1:
            raise ValueError(f"label_smoothing must lie between 0 and 1, got {label_smoothing!r}")
        self.from_logits = bool(from_logits)
        self.label_smoothing = label_smoothing

    def _logits(self, y_pred: Tensor, activation: str) -> Tensor | None:
        """Where the prediction came from, if that is known: no precision is lost in the probabilities then."""
        if y_pred.logits and y_pred.logits[0] == activation:
            if self.from_logits:
                warnings.warn(
                    f"{self.name} has from_logits=True, but the predictions come from a {activation}; "
                    f"its inputs are taken as the logits. Leave out one of the two",
                    stacklevel=4,
                )
            return y_pred.logits[1]
        return y_pred if self.from_logits else None

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "from_logits": self.from_logits, "label_smoothing": self.label_smoothing}


class CategoricalCrossentropy(_CrossEntropy):
    """`-sum(y_true * log(y_pred))` over the classes, for one-hot targets.

    Args:
        from_logits: whether the predictions are logits instead of probabilities. The output of a softmax is traced
            back to its logits in any case.
        label_smoothing: this share of each target is spread evenly over all classes.
        name: shown in logs.
    """

    def __init__(
        self, from_logits: bool = False, label_smoothing: float = 0.0, name: str = "categorical_crossentropy"
    ) -> None:
        super().__init__(from_logits, label_smoothing, name)

    def per_sample(self, y_true: Any, y_pred: Tensor) -> Tensor:
        targets = np.asarray(y_true, y_pred.dtype)
        if targets.shape != y_pred.shape:
            hint = "; for class numbers use sparse_categorical_crossentropy" if targets.ndim < y_pred.ndim else ""
            raise ValueError(f"targets must be one-hot of shape {y_pred.shape}, got {targets.shape}{hint}")
        return self._from_targets(targets, y_pred)

    def _from_targets(self, targets: FloatArray, y_pred: Tensor) -> Tensor:
        if self.label_smoothing:
            targets = targets * (1 - self.label_smoothing) + self.label_smoothing / targets.shape[-1]
        logits = self._logits(y_pred, "softmax")
        if logits is not None:
            return _mean_per_sample(ops.cross_entropy_with_logits(targets, logits))
        shares = y_pred / y_pred.sum(axis=-1, keepdims=True)
        logs = ops.log(ops.clip(shares, PROBABILITY_MARGIN, 1 - PROBABILITY_MARGIN))
        return _mean_per_sample(-(logs * Tensor(targets)).sum(axis=-1))


class SparseCategoricalCrossentropy(CategoricalCrossentropy):
    """The categorical cross-entropy for targets given as class numbers.

    Args:
        from_logits: as in `CategoricalCrossentropy`.
        label_smoothing: as in `CategoricalCrossentropy`.
        name: shown in logs.
    """

    def __init__(
        self, from_logits: bool = False, *, label_smoothing: float = 0.0, name: str = "sparse_categorical_crossentropy"
    ) -> None:
        super().__init__(from_logits, label_smoothing, name)

    def per_sample(self, y_true: Any, y_pred: Tensor) -> Tensor:
        labels = np.asarray(y_true)
        if labels.ndim == y_pred.ndim and labels.shape[-1] == 1:
            labels = labels[..., 0]
        if labels.shape != y_pred.shape[:-1]:
            raise ValueError(
                f"targets must be class numbers of shape {y_pred.shape[:-1]} for predictions of shape {y_pred.shape}, "
                f"got {labels.shape}; for one-hot targets use categorical_crossentropy"
            )
        classes = y_pred.shape[-1]
        with np.errstate(invalid="ignore"):  # a NaN is found below
            numbers = labels.astype(np.int64)
        if (numbers != labels).any() or (labels.size and (numbers.min() < 0 or numbers.max() >= classes)):
            wrong = labels[(numbers != labels) | (numbers < 0) | (numbers >= classes)].flat[0]
            raise ValueError(f"class numbers must be whole and lie in 0..{classes - 1}, got {wrong}")
        logits = None if self.label_smoothing else self._logits(y_pred, "softmax")
        if logits is not None:
            return _mean_per_sample(ops.sparse_cross_entropy_with_logits(numbers, logits))
        return self._from_targets(np.eye(classes, dtype=y_pred.dtype)[numbers], y_pred)


class BinaryCrossentropy(_CrossEntropy):
    """`-y_true log(y_pred) - (1 - y_true) log(1 - y_pred)`, the mean over each sample's outputs.

    Args:
        from_logits: whether the predictions are logits instead of probabilities. The output of a sigmoid is traced
            back to its logits in any case.
        label_smoothing: targets are moved toward 1/2 by this share.
        name: shown in logs.
    """

    def __init__(
        self, from_logits: bool = False, label_smoothing: float = 0.0, name: str = "binary_crossentropy"
    ) -> None:
        super().__init__(from_logits, label_smoothing, name)

    def per_sample(self, y_true: Any, y_pred: Tensor) -> Tensor:
        targets = _shaped_like(y_true, y_pred)
        if targets.size and not (targets.min() >= 0 and targets.max() <= 1):
            raise ValueError(f"binary targets must lie between 0 and 1, got {targets.min()} to {targets.max()}")
        if self.label_smoothing:
            targets = targets * (1 - self.label_smoothing) + self.label_smoothing / 2
        logits = self._logits(y_pred, "sigmoid")
        if logits is not None:
            return _mean_per_sample(ops.binary_cross_entropy_with_logits(targets, logits))
        p = ops.clip(y_pred, PROBABILITY_MARGIN, 1 - PROBABILITY_MARGIN)
        return _mean_per_sample(-(ops.log(p) * Tensor(targets) + ops.log(1 - p) * Tensor(1 - targets)))


class MeanSquaredError(Loss):
    """`(y_true - y_pred)^2`, the mean over each sample's outputs.

    Args:
        name: shown in logs.
    """

    def __init__(self, name: str = "mean_squared_error") -> None:
        super().__init__(name)

    def per_sample(self, y_true: Any, y_pred: Tensor) -> Tensor:
        return _mean_per_sample(ops.square(y_pred - Tensor(_shaped_like(y_true, y_pred))))


class CustomLoss(Loss):
    """A user's function `(y_true, y_pred) -> loss of each sample`, or of the batch as one number."""

    def __init__(self, function: LossFunction) -> None:
        super().__init__(getattr(function, "__name__", "loss"))
        self.function = function

    def per_sample(self, y_true: Any, y_pred: Tensor) -> Tensor:
        values = self.function(y_true, y_pred)
        if not isinstance(values, Tensor):
            raise TypeError(f"loss {self.name} must return a Tensor, got {type(values).__name__}")
        return values.reshape(1) if values.ndim == 0 else _mean_per_sample(values)


def _shaped_like(y_true: Any, y_pred: Tensor) -> AnyArray:
    targets = np.asarray(y_true, y_pred.dtype)
    if targets.ndim == y_pred.ndim - 1 and y_pred.shape[-1] == 1:
        targets = targets[..., None]
    if targets.shape != y_pred.shape:
        raise ValueError(f"targets must have the predictions' shape {y_pred.shape}, got {targets.shape}")
    return targets


def _mean_per_sample(values: Tensor) -> Tensor:
    return values.reshape(len(values), -1).mean(axis=1) if values.ndim > 1 else values


_REGISTRY: Mapping[str, type[Loss]] = {
    "sparse_categorical_crossentropy": SparseCategoricalCrossentropy,
    "categorical_crossentropy": CategoricalCrossentropy,
    "binary_crossentropy": BinaryCrossentropy,
    "mean_squared_error": MeanSquaredError,
    "mse": MeanSquaredError,
}


def get(identifier: Loss | str | Mapping[str, Any] | LossFunction) -> Loss:
    """The loss of a name, a config or a function; a loss is returned as it is.

    Raises:
        ValueError: there is no loss of this name.
    """
    if not isinstance(identifier, Loss) and callable(identifier):
        return CustomLoss(identifier)
    return serialization.deserialize("loss", _REGISTRY, identifier, Loss)


def serialize(loss: Loss) -> dict[str, Any] | None:
    """The loss as JSON can hold it; None for a user's own function."""
    return None if isinstance(loss, CustomLoss) else serialization.serialize(loss)
