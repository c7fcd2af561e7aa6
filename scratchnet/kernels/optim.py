"""Update rules of the optimisers: one pass over the weights each, in place.

All arrays are flat and of one dtype, and so are the scalars: a Python float would widen the float32 loop. `decay` is
learning rate times weight decay; decoupled from the gradient, it shrinks each weight before the update. An element is
computed from its own values alone, in chunks that do not depend on the number of threads.

In the formulas w is the weight, g its gradient and t the number of updates so far, this one included.
"""

from typing import Any

import numba
import numpy as np

from scratchnet.arrays import FloatArray
from scratchnet.kernels.jit import kernel

Scalar = np.floating[Any]

CHUNK = 16384  # 64 KB of float32: small enough to balance threads, large enough to hide their start


@kernel(parallel=True)
def sgd(weights: FloatArray, gradient: FloatArray, learning_rate: Scalar, decay: Scalar) -> None:
    for chunk in numba.prange((weights.size + CHUNK - 1) // CHUNK):
        for i in range(chunk * CHUNK, min(weights.size, (chunk + 1) * CHUNK)):
            # w = w - lr g
            weights[i] = weights[i] - weights[i] * decay - learning_rate * gradient[i]


@kernel(parallel=True)
def momentum_sgd(
    weights: FloatArray,
    gradient: FloatArray,
    momentums: FloatArray,
    learning_rate: Scalar,
    momentum: Scalar,
    decay: Scalar,
    nesterov: bool,
) -> None:
    for chunk in numba.prange((weights.size + CHUNK - 1) // CHUNK):
        for i in range(chunk * CHUNK, min(weights.size, (chunk + 1) * CHUNK)):
            step = learning_rate * gradient[i]
            # m = momentum m - lr g
            m = momentum * momentums[i] - step
            momentums[i] = m
            # w = w + m; Nesterov looks one step ahead: w = w + momentum m - lr g
            update = momentum * m - step if nesterov else m
            weights[i] = weights[i] - weights[i] * decay + update


@kernel(parallel=True)
def rmsprop(
    weights: FloatArray,
    gradient: FloatArray,
    velocities: FloatArray,
    averages: FloatArray,
    momentums: FloatArray,
    learning_rate: Scalar,
    rho: Scalar,
    one_minus_rho: Scalar,
    momentum: Scalar,
    epsilon: Scalar,
    decay: Scalar,
) -> None:
    # An empty array of averages means not centered, an empty array of momentums means none.
    centered = averages.size > 0
    has_momentum = momentums.size > 0
    for chunk in numba.prange((weights.size + CHUNK - 1) // CHUNK):
        for i in range(chunk * CHUNK, min(weights.size, (chunk + 1) * CHUNK)):
            g = gradient[i]
            # v = rho v + (1 - rho) g^2
            v = rho * velocities[i] + one_minus_rho * (g * g)
            velocities[i] = v
            if centered:
                # a = rho a + (1 - rho) g; v - a^2 is the gradient's variance
                a = rho * averages[i] + one_minus_rho * g
                averages[i] = a
                v = v - a * a
            update = learning_rate * g / np.sqrt(v + epsilon)
            if has_momentum:
                # m = momentum m + lr g / sqrt(v + epsilon)
                update = momentum * momentums[i] + update
                momentums[i] = update
            # w = w - m
            weights[i] = weights[i] - weights[i] * decay - update


@kernel(parallel=True)
def adam(
    weights: FloatArray,
    gradient: FloatArray,
    momentums: FloatArray,
    velocities: FloatArray,
    maxima: FloatArray,
    alpha: Scalar,
    one_minus_beta_1: Scalar,
    one_minus_beta_2: Scalar,
    epsilon: Scalar,
    decay: Scalar,
) -> None:
    # alpha = lr sqrt(1 - beta_2^t) / (1 - beta_1^t) corrects the start from zero, where m and v are too small.
    # An empty array of maxima means plain Adam, a full one AMSGrad.
    amsgrad = maxima.size > 0
    for chunk in numba.prange((weights.size + CHUNK - 1) // CHUNK):
        for i in range(chunk * CHUNK, min(weights.size, (chunk + 1) * CHUNK)):
            g = gradient[i]
            # m = beta_1 m + (1 - beta_1) g
            m = momentums[i] + (g - momentums[i]) * one_minus_beta_1
            momentums[i] = m
            # v = beta_2 v + (1 - beta_2) g^2
            v = velocities[i] + (g * g - velocities[i]) * one_minus_beta_2
            velocities[i] = v
            if amsgrad:
                # v never shrinks: v = max over all steps. Written so that NaN wins.
                v = maxima[i] if maxima[i] > v else v
                maxima[i] = v
            # w = w - alpha m / (sqrt(v) + epsilon)
            weights[i] = weights[i] - weights[i] * decay - alpha * m / (np.sqrt(v) + epsilon)
