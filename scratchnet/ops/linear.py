"""Matrix products."""

import math
from typing import Any

import numpy as np

from scratchnet.arrays import FloatArray
from scratchnet.kernels import gemm, pointwise
from scratchnet.ops.arithmetic import unbroadcast
from scratchnet.tensor import Tensor, as_tensor, record


def _product(a: FloatArray, b: FloatArray) -> FloatArray:
    """`a @ b` for any leading axes, on our own kernel: its bits depend neither on the threads nor on a BLAS."""
    if b.ndim == 2:
        rows = math.prod(a.shape[:-1])  # -1 would not do: it is ambiguous where an axis is empty
        return gemm.matmul(a.reshape(rows, a.shape[-1]), b).reshape(*a.shape[:-1], b.shape[-1])
    leading = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    count = math.prod(leading)
    left = np.broadcast_to(a, leading + a.shape[-2:]).reshape(count, *a.shape[-2:])
    right = np.broadcast_to(b, leading + b.shape[-2:]).reshape(count, *b.shape[-2:])
    y = np.empty((count, a.shape[-2], b.shape[-1]), np.result_type(a, b))
    for i in range(count):
        y[i] = gemm.matmul(left[i], right[i])
    return y.reshape(*leading, *y.shape[1:])


def matmul(a: Any, b: Any) -> Tensor:
    """The matrix product over the last two axes, with the leading ones broadcast; vectors are rejected.

    Args:
        a: (..., rows, depth).
        b: (..., depth, columns).

    Raises:
        ValueError: the shapes do not fit.
    """
    a, b = as_tensor(a, like=b), as_tensor(b, like=a)
    if a.ndim < 2 or b.ndim < 2 or a.shape[-1] != b.shape[-2]:
        raise ValueError(f"matmul needs shapes (..., m, k) and (..., k, n), got {a.shape} and {b.shape}")

    def backward(dy: FloatArray) -> tuple[FloatArray | None, ...]:
        # d(ab) = da b + a db  =>  by a: dy b^T, by b: a^T dy
        if a.ndim == b.ndim == 2:
            return (
                gemm.matmul(dy, b.data, transpose_b=True).astype(a.dtype, copy=False) if a.requires_grad else None,
                gemm.matmul(a.data, dy, transpose_a=True).astype(b.dtype, copy=False) if b.requires_grad else None,
            )
        by_a = unbroadcast(_product(dy, b.data.swapaxes(-1, -2)), a) if a.requires_grad else None
        by_b = unbroadcast(_product(a.data.swapaxes(-1, -2), dy), b) if b.requires_grad else None
        return by_a, by_b

    try:
        y = _product(a.data, b.data)
    except ValueError:
        raise ValueError(f"the leading axes of {a.shape} and {b.shape} cannot be broadcast together") from None
    return record(y, "matmul", (a, b), backward)


def dense(x: Any, kernel: Any, bias: Any = None, *, relu: bool = False) -> Tensor:
    """`x @ kernel + bias` over the last axis, and a ReLU in the same pass.

    Args:
        x: (..., features).
        kernel: (features, units).
        bias: (units,), or None.
        relu: whether sums below 0 become 0.

    Returns:
        (..., units).

    Raises:
        ValueError: the shapes do not fit.
    """
    x, kernel = as_tensor(x, like=kernel), as_tensor(kernel, like=x)
    bias = None if bias is None else as_tensor(bias, like=kernel)
    if x.ndim < 1 or kernel.ndim != 2 or x.shape[-1:] != kernel.shape[:1]:
        raise ValueError(f"dense needs shapes (..., features) and (features, units), got {x.shape} and {kernel.shape}")
    if bias is not None and bias.shape != kernel.shape[1:]:
        raise ValueError(f"bias must have shape {kernel.shape[1:]}, got {bias.shape}")
    dtype = np.result_type(x.data, kernel.data)
    rows = x.data.reshape(math.prod(x.shape[:-1]), x.shape[-1])
    after = None if bias is None else gemm.finishing(len(bias), dtype, bias.data)
    y = gemm.matmul(rows, kernel.data, after=after, relu=relu)

    def backward(dy: FloatArray) -> tuple[FloatArray | None, ...]:
        dz = np.ascontiguousarray(dy).reshape(y.shape)
        if relu:
            dz = pointwise.relu_gradient(dz, y)
        by_x = by_kernel = None
        if x.requires_grad:
            by_x = gemm.matmul(dz, kernel.data, transpose_b=True).reshape(x.shape)
        if kernel.requires_grad:
            by_kernel = gemm.matmul(rows, dz, transpose_a=True)
        return (by_x, by_kernel) if bias is None else (by_x, by_kernel, pointwise.column_sums(dz))

    result = y.reshape(*x.shape[:-1], kernel.shape[1])
    return record(result, "dense", (x, kernel) if bias is None else (x, kernel, bias), backward)
