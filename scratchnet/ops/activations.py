"""Activation functions; each derivative stands beside its value."""

import math
from typing import Any

import numpy as np

from scratchnet.arrays import FloatArray
from scratchnet.kernels import pointwise, probabilities
from scratchnet.tensor import Tensor, as_tensor, record


def relu(x: Any) -> Tensor:
    """`max(x, 0)`."""
    x = as_tensor(x)
    y = pointwise.relu(np.asarray(x.data, order="C"))
    return record(y, "relu", (x,), lambda dy: (pointwise.relu_gradient(np.asarray(dy, order="C"), y),))


def relu6(x: Any) -> Tensor:
    """`min(max(x, 0), 6)`."""
    x = as_tensor(x)
    y = np.clip(x.data, 0, 6)
    return record(y, "relu6", (x,), lambda dy: (dy * ((x.data > 0) & (x.data < 6)),))


def leaky_relu(x: Any, negative_slope: float = 0.2) -> Tensor:
    """`x` where it is positive, else `negative_slope * x`."""
    x = as_tensor(x)
    slope = x.dtype.type(negative_slope)
    y = np.where(x.data > 0, x.data, slope * x.data)
    return record(y, "leaky_relu", (x,), lambda dy: (np.where(x.data > 0, dy, slope * dy),))


def elu(x: Any, alpha: float = 1.0) -> Tensor:
    """`x` where it is positive, else `alpha * (exp(x) - 1)` (Clevert et al., 2015, https://arxiv.org/abs/1511.07289)."""
    x = as_tensor(x)
    alpha = x.dtype.type(alpha)
    below = alpha * np.expm1(np.minimum(x.data, 0))
    y = np.where(x.data > 0, x.data, below)
    return record(y, "elu", (x,), lambda dy: (np.where(x.data > 0, dy, dy * (below + alpha)),))


def gelu(x: Any, approximate: bool = True) -> Tensor:
    """`x` times the normal distribution function (Hendrycks & Gimpel, 2016, https://arxiv.org/abs/1606.08415).

    Args:
        x: any shape.
        approximate: through tanh, or exactly, through the error function. Layers' `activation="gelu"` is the exact one.
    """
    x = as_tensor(x)
    value = x.data
    if approximate:
        a, b = x.dtype.type(math.sqrt(2 / math.pi)), x.dtype.type(0.044715)
        t = np.tanh(a * (value + b * value**3))
        below = (1 + t) / 2
        slope = below + value * (1 - t * t) / 2 * a * (1 + 3 * b * value * value)
    else:
        below = (1 + pointwise.erf(np.asarray(value, order="C") / x.dtype.type(math.sqrt(2)))) / 2
        density = np.exp(-value * value / 2) / x.dtype.type(math.sqrt(2 * math.pi))
        slope = below + value * density
    return record(value * below, "gelu", (x,), lambda dy: (dy * slope,))


def silu(x: Any) -> Tensor:
    """`x * sigmoid(x)`, also called swish."""
    x = as_tensor(x)
    s = probabilities.logistic(x.data)
    return record(x.data * s, "silu", (x,), lambda dy: (dy * s * (1 + x.data * (1 - s)),))


def mish(x: Any) -> Tensor:
    """`x * tanh(softplus(x))` (Misra, 2019, https://arxiv.org/abs/1908.08681)."""
    x = as_tensor(x)
    t = np.tanh(np.maximum(x.data, 0) + np.log1p(np.exp(-np.abs(x.data))))
    s = probabilities.logistic(x.data)  # the derivative of softplus
    return record(x.data * t, "mish", (x,), lambda dy: (dy * (t + x.data * (1 - t * t) * s),))


def hard_sigmoid(x: Any) -> Tensor:
    """`min(max(x / 6 + 1/2, 0), 1)`: a sigmoid of three straight lines."""
    x = as_tensor(x)
    slope = x.dtype.type(1 / 6)
    y = np.clip(x.data * slope + x.dtype.type(0.5), 0, 1)
    return record(y, "hard_sigmoid", (x,), lambda dy: (dy * slope * (np.abs(x.data) < 3),))


def hard_silu(x: Any) -> Tensor:
    """`x * hard_sigmoid(x)`, also called hard swish (Howard et al., 2019, https://arxiv.org/abs/1905.02244)."""
    x = as_tensor(x)
    inside = hard_sigmoid(x).data
    slope = inside + x.data * (np.abs(x.data) < 3) / x.dtype.type(6)
    return record(x.data * inside, "hard_silu", (x,), lambda dy: (dy * slope,))


def selu(x: Any) -> Tensor:
    """`scale * elu(x, alpha)` that keeps mean and variance (Klambauer et al., 2017, https://arxiv.org/abs/1706.02515)."""
    x = as_tensor(x)
    alpha, scale = x.dtype.type(1.6732632423543772), x.dtype.type(1.0507009873554805)
    below = alpha * np.expm1(np.minimum(x.data, 0))
    y = scale * np.where(x.data > 0, x.data, below)
    return record(y, "selu", (x,), lambda dy: (scale * np.where(x.data > 0, dy, dy * (below + alpha)),))


def softsign(x: Any) -> Tensor:
    """`x / (1 + |x|)`."""
    x = as_tensor(x)
    below = 1 / (1 + np.abs(x.data))
    return record(x.data * below, "softsign", (x,), lambda dy: (dy * below * below,))


def sigmoid(x: Any) -> Tensor:
    """`1 / (1 + exp(-x))`."""
    x = as_tensor(x)
    y = probabilities.logistic(x.data)
    result = record(y, "sigmoid", (x,), lambda dy: (dy * y * (1 - y),))
    result.logits = ("sigmoid", x)
    return result


def softplus(x: Any) -> Tensor:
    """`log(1 + exp(x))`."""
    x = as_tensor(x)
    y = np.maximum(x.data, 0) + np.log1p(np.exp(-np.abs(x.data)))  # no overflow, and no warning at NaN
    return record(y, "softplus", (x,), lambda dy: (dy * probabilities.logistic(x.data),))


def tanh(x: Any) -> Tensor:
    """The hyperbolic tangent."""
    x = as_tensor(x)
    y = np.tanh(x.data)
    return record(y, "tanh", (x,), lambda dy: (dy * (1 - y * y),))


def softmax(x: Any, axis: int = -1) -> Tensor:
    """Exponentials divided by their sum along `axis`."""
    x = as_tensor(x)
    y = probabilities.softmax(x.data, axis)

    def backward(dy: FloatArray) -> tuple[FloatArray]:
        # dy_i/dx_j = y_i (1[i = j] - y_j)
        return (y * (dy - (dy * y).sum(axis=axis, keepdims=True)),)

    result = record(y, "softmax", (x,), backward)
    if axis in {-1, x.ndim - 1}:
        result.logits = ("softmax", x)
    return result


def log_softmax(x: Any, axis: int = -1) -> Tensor:
    """The logarithm of `softmax`, computed without overflow."""
    x = as_tensor(x)
    shifted = x.data - x.data.max(axis=axis, keepdims=True)
    y = shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))

    def backward(dy: FloatArray) -> tuple[FloatArray]:
        return (dy - np.exp(y) * dy.sum(axis=axis, keepdims=True),)

    return record(y, "log_softmax", (x,), backward)
