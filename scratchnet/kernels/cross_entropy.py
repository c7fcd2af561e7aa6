"""Cross-entropies of (rows, classes) logits and their gradients, row by row.

They run on the calling thread: a batch's logits are few. NumPy's exponential comes between two kernels, because it is
vectorised and the C library's is not.
"""

import math
from typing import NamedTuple

import numpy as np

from scratchnet.arrays import FloatArray, IntArray
from scratchnet.kernels import buffers
from scratchnet.kernels.denormals import flush_denormals, restore
from scratchnet.kernels.jit import kernel


class Softmax(NamedTuple):
    """The parts of a softmax, computed without overflow."""

    exponentials: FloatArray  # of the logits minus their row's largest, (rows, classes)
    totals: FloatArray  # the sums of the exponentials, (rows,)


@kernel
def _shift(z, shifted):
    mode = flush_denormals()
    for r in range(z.shape[0]):
        row, target = z[r], shifted[r]
        largest = row[0]
        for c in range(1, row.size):
            largest = largest if row[c] <= largest or largest != largest else row[c]  # a NaN stays
        for c in range(row.size):
            target[c] = row[c] - largest
    restore(mode)


@kernel
def _row_sum(row):
    total = row.dtype.type(0)
    for c in range(row.size):
        total += row[c]
    return total


@kernel
def first_outside(labels, classes):
    """The position of the first label that is not a class, or -1."""
    for r in range(labels.size):
        if labels[r] < 0 or labels[r] >= classes:
            return r
    return -1


@kernel
def _sparse_loss(labels, shifted, exponentials, totals, losses):
    mode = flush_denormals()
    for r in range(losses.size):
        totals[r] = _row_sum(exponentials[r])
        losses[r] = math.log(totals[r]) - shifted[r, labels[r]]
    restore(mode)


@kernel
def _gradient_row(dy, wanted, row, scale, target):
    for c in range(row.size):
        # softmax(z) * sum(t) - t
        target[c] = dy * (row[c] * scale - wanted[c])


@kernel
def _sparse_gradient(dy, labels, exponentials, totals, dz):
    mode = flush_denormals()
    for r in range(dy.size):
        target = dz[r]
        target[:] = 0
        target[labels[r]] = 1
        _gradient_row(dy[r], target, exponentials[r], dz.dtype.type(1) / totals[r], target)
    restore(mode)


@kernel
def _dense_loss(targets, shifted, exponentials, totals, losses):
    mode = flush_denormals()
    for r in range(losses.size):
        totals[r] = _row_sum(exponentials[r])
        logarithm = math.log(totals[r])
        wanted, row = targets[r], shifted[r]
        loss = losses.dtype.type(0)
        for c in range(row.size):
            loss += wanted[c] * (logarithm - row[c])
        losses[r] = loss
    restore(mode)


@kernel
def _dense_gradient(dy, targets, exponentials, totals, dz):
    mode = flush_denormals()
    for r in range(dy.size):
        _gradient_row(dy[r], targets[r], exponentials[r], _row_sum(targets[r]) / totals[r], dz[r])
    restore(mode)


def _parts(z: FloatArray) -> tuple[FloatArray, Softmax, FloatArray]:
    """The shifted logits, a softmax that lacks its totals, and room for the losses."""
    shifted, exponentials = buffers.empty_like(z), buffers.empty_like(z)
    _shift(z, shifted)
    np.exp(shifted, out=exponentials)
    return shifted, Softmax(exponentials, np.empty(len(z), z.dtype)), np.empty(len(z), z.dtype)


def sparse_loss(z: FloatArray, labels: IntArray) -> tuple[FloatArray, Softmax]:
    """`-log_softmax(z)[label]` for each row.

    Args:
        z: (rows, classes), C-contiguous as all arguments here; at least one class.
        labels: (rows,) of int64, each a class.

    Returns:
        The losses (rows,), and what `sparse_gradient` needs.
    """
    shifted, softmax, losses = _parts(z)
    _sparse_loss(labels, shifted, softmax.exponentials, softmax.totals, losses)
    return losses, softmax


def sparse_gradient(dy: FloatArray, labels: IntArray, softmax: Softmax) -> FloatArray:
    """The gradient by `z`, from the one by the losses."""
    dz = buffers.empty_like(softmax.exponentials)
    _sparse_gradient(dy, labels, softmax.exponentials, softmax.totals, dz)
    return dz


def dense_loss(z: FloatArray, targets: FloatArray) -> tuple[FloatArray, Softmax]:
    """`-sum(targets * log_softmax(z))` for each row.

    Args:
        z: (rows, classes), C-contiguous as all arguments here; at least one class.
        targets: (rows, classes), of the dtype of `z`.

    Returns:
        The losses (rows,), and what `dense_gradient` needs.
    """
    shifted, softmax, losses = _parts(z)
    _dense_loss(targets, shifted, softmax.exponentials, softmax.totals, losses)
    return losses, softmax


def dense_gradient(dy: FloatArray, targets: FloatArray, softmax: Softmax) -> FloatArray:
    """The gradient by `z`, from the one by the losses."""
    dz = buffers.empty_like(softmax.exponentials)
    _dense_gradient(dy, targets, softmax.exponentials, softmax.totals, dz)
    return dz
