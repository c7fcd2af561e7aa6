"""Cross-entropies from logits, one value per sample: fused, because their gradients are simple and stable together."""

from typing import Any

import numpy as np

from scratchnet.arrays import FloatArray, IntArray
from scratchnet.tensor import Tensor, as_tensor, record


def cross_entropy_with_logits(targets: FloatArray, logits: Any) -> Tensor:
    """`-sum(targets * log_softmax(logits))` over the last axis.

    Args:
        targets: (..., classes), the wanted probabilities; not differentiated.
        logits: (..., classes).

    Returns:
        (...), one value per sample.
    """
    logits = as_tensor(logits)
    z = logits.data
    targets = targets.astype(z.dtype, copy=False)
    shifted = z - z.max(axis=-1, keepdims=True)
    exponentials = np.exp(shifted)
    total = exponentials.sum(axis=-1, keepdims=True)
    loss = (targets * (np.log(total) - shifted)).sum(axis=-1)

    def backward(dy: FloatArray) -> tuple[FloatArray]:
        # softmax(z) * sum(t) - t
        return (dy[..., None] * (exponentials / total * targets.sum(axis=-1, keepdims=True) - targets),)

    return record(loss, "cross_entropy_with_logits", (logits,), backward)


def sparse_cross_entropy_with_logits(labels: IntArray, logits: Any) -> Tensor:
    """`-log_softmax(logits)[label]` over the last axis; a logit of -inf rules its class out.

    Args:
        labels: (...), class numbers.
        logits: (..., classes).

    Returns:
        (...), one value per sample.
    """
    logits = as_tensor(logits)
    z = logits.data
    shifted = z - z.max(axis=-1, keepdims=True)
    exponentials = np.exp(shifted)
    total = exponentials.sum(axis=-1, keepdims=True)
    at = np.asarray(labels)[..., None]
    loss = np.log(total[..., 0]) - np.take_along_axis(shifted, at, -1)[..., 0]

    def backward(dy: FloatArray) -> tuple[FloatArray]:
        # softmax(z) - 1[class = label]
        by_logits = exponentials / total
        np.put_along_axis(by_logits, at, np.take_along_axis(by_logits, at, -1) - 1, -1)
        return (dy[..., None] * by_logits,)

    return record(loss, "sparse_cross_entropy_with_logits", (logits,), backward)


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
