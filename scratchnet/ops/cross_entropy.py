"""Cross-entropies from logits, one value per sample: fused, because their gradients are simple and stable together."""

import math
from typing import Any

import numpy as np

from scratchnet.arrays import FloatArray, IntArray
from scratchnet.kernels import cross_entropy
from scratchnet.tensor import Tensor, as_tensor, record


def _rows(logits: Tensor) -> FloatArray:
    if logits.ndim == 0 or logits.shape[-1] == 0:
        raise ValueError(f"logits must have shape (..., classes) with at least one class, got {logits.shape}")
    return np.ascontiguousarray(logits.data).reshape(math.prod(logits.shape[:-1]), logits.shape[-1])


def _flat(dy: FloatArray) -> FloatArray:
    return np.array(dy, order="C").reshape(-1)  # a copy: it may be one number, repeated, which kernels do not take


def cross_entropy_with_logits(targets: FloatArray, logits: Any) -> Tensor:
    """`-sum(targets * log_softmax(logits))` over the last axis.

    Args:
        targets: (..., classes), the wanted probabilities; not differentiated.
        logits: (..., classes).

    Returns:
        (...), one value per sample.

    Raises:
        ValueError: the shapes do not fit, or there is no such class.
    """
    logits = as_tensor(logits)
    z = _rows(logits)
    if targets.shape != logits.shape:
        raise ValueError(f"targets must have the logits' shape {logits.shape}, got {targets.shape}")
    targets = np.array(targets, z.dtype, order="C").reshape(z.shape)
    losses, softmax = cross_entropy.dense_loss(z, targets)

    def backward(dy: FloatArray) -> tuple[FloatArray]:
        return (cross_entropy.dense_gradient(_flat(dy), targets, softmax).reshape(logits.shape),)

    return record(losses.reshape(logits.shape[:-1]), "cross_entropy_with_logits", (logits,), backward)


def sparse_cross_entropy_with_logits(labels: IntArray, logits: Any) -> Tensor:
    """`-log_softmax(logits)[label]` over the last axis; a logit of -inf rules its class out.

    Args:
        labels: (...), class numbers.
        logits: (..., classes).

    Returns:
        (...), one value per sample.

    Raises:
        ValueError: the shapes do not fit, or there is no such class.
    """
    logits = as_tensor(logits)
    z = _rows(logits)
    if np.shape(labels) != logits.shape[:-1]:
        raise ValueError(f"labels must have shape {logits.shape[:-1]}, got {np.shape(labels)}")
    classes = np.array(labels, np.int64, order="C").reshape(-1)
    wrong = cross_entropy.first_outside(classes, z.shape[1])
    if wrong >= 0:
        raise ValueError(f"labels must lie in 0..{z.shape[1] - 1}, got {classes[wrong]}")
    losses, softmax = cross_entropy.sparse_loss(z, classes)

    def backward(dy: FloatArray) -> tuple[FloatArray]:
        return (cross_entropy.sparse_gradient(_flat(dy), classes, softmax).reshape(logits.shape),)

    return record(losses.reshape(logits.shape[:-1]), "sparse_cross_entropy_with_logits", (logits,), backward)


def binary_cross_entropy_with_logits(targets: FloatArray, logits: Any) -> Tensor:
    """`-t log sigmoid(z) - (1 - t) log(1 - sigmoid(z))`, element by element.

    Args:
        targets: the wanted probabilities, of the logits' shape; not differentiated.
        logits: any shape.
    """
    logits = as_tensor(logits)
    z = logits.data
    targets = targets.astype(z.dtype, copy=False)
    decay = np.exp(-np.abs(z))
    loss = np.maximum(z, 0) - z * targets + np.log1p(decay)

    def backward(dy: FloatArray) -> tuple[FloatArray]:
        # sigmoid(z) - t
        return (dy * (np.where(z >= 0, 1, decay) / (1 + decay) - targets),)

    return record(loss, "binary_cross_entropy_with_logits", (logits,), backward)
