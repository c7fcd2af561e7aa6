"""Update rules of the optimisers: all parameters in one pass, in place.

A `Table` holds where the arrays of many parameters lie. Their elements, taken as one long row, are cut into tasks of
`CHUNK` elements; a task consists of spans, each within one parameter. So a net of many small biases and one large
kernel keeps all threads equally busy, and starts them once. An element is computed from its own values alone, so the
bits depend neither on the threads nor on the other parameters.

In the formulas w is the weight, g its gradient and t the number of updates so far, this one included. Scalars have the
arrays' dtype: a Python float would widen the float32 loop. `decay` is learning rate times weight decay; decoupled from
the gradient, it shrinks each weight before the update.
"""

from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic

from scratchnet.arrays import FloatArray
from scratchnet.kernels.denormals import flush_denormals, restore
from scratchnet.kernels.jit import kernel

Scalar = np.floating[Any]

CHUNK = 16384  # 64 KB of float32: small enough to balance threads, large enough to hide their start
SERIAL_TASKS = 2  # so few run on the calling thread
SLOTS = 3  # arrays that a rule may remember for each parameter
SGD, MOMENTUM_SGD, NESTEROV_SGD, RMSPROP, ADAM, AMSGRAD = range(6)  # one kernel for all of them: it compiles once


@intrinsic  # type: ignore[untyped-decorator]
def _pointer(typing_context: Any, address: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(types.voidptr))

    return types.voidptr(types.int64), codegen


@kernel
def _array(address, first, size, like):
    """The elements from `first` of the array at an address; none where there is no array."""
    return numba.carray(_pointer(address + first * like.itemsize), size if address != 0 else 0, like.dtype)


@kernel
def _clipped(gradient, scale, limit):
    g = gradient * scale
    return limit if g > limit else (-limit if g < -limit else g)  # a NaN passes


@kernel
def _sgd(weights, gradient, decay, scale, limit, constants):
    learning_rate = constants[0]
    for i in range(weights.size):
        # w = w - lr g
        weights[i] = weights[i] - weights[i] * decay - learning_rate * _clipped(gradient[i], scale, limit)


@kernel
def _momentum_sgd(weights, gradient, momentums, decay, scale, limit, constants):
    learning_rate, momentum = constants[0], constants[1]
    for i in range(weights.size):
        # m = momentum m - lr g
        m = momentum * momentums[i] - learning_rate * _clipped(gradient[i], scale, limit)
        momentums[i] = m
        # w = w + m
        weights[i] = weights[i] - weights[i] * decay + m


@kernel
def _nesterov_sgd(weights, gradient, momentums, decay, scale, limit, constants):
    learning_rate, momentum = constants[0], constants[1]
    for i in range(weights.size):
        step = learning_rate * _clipped(gradient[i], scale, limit)
        # m = momentum m - lr g
        m = momentum * momentums[i] - step
        momentums[i] = m
        # one step ahead: w = w + momentum m - lr g
        weights[i] = weights[i] - weights[i] * decay + (momentum * m - step)


@kernel
def _rmsprop(weights, gradient, velocities, averages, momentums, decay, scale, limit, constants):
    learning_rate, rho, one_minus_rho, momentum, epsilon = (
        constants[0], constants[1], constants[2], constants[3], constants[4],
    )  # fmt: skip
    centered, has_momentum = averages.size > 0, momentums.size > 0
    for i in range(weights.size):
        g = _clipped(gradient[i], scale, limit)
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


@kernel
def _adam(weights, gradient, momentums, velocities, decay, scale, limit, constants):
    # alpha = lr sqrt(1 - beta_2^t) / (1 - beta_1^t) corrects the start from zero, where m and v are too small.
    alpha, one_minus_beta_1, one_minus_beta_2, epsilon = constants[0], constants[1], constants[2], constants[3]
    for i in range(weights.size):
        g = _clipped(gradient[i], scale, limit)
        # m = beta_1 m + (1 - beta_1) g
        m = momentums[i] + (g - momentums[i]) * one_minus_beta_1
        momentums[i] = m
        # v = beta_2 v + (1 - beta_2) g^2
        v = velocities[i] + (g * g - velocities[i]) * one_minus_beta_2
        velocities[i] = v
        # w = w - alpha m / (sqrt(v) + epsilon)
        weights[i] = weights[i] - weights[i] * decay - alpha * m / (np.sqrt(v) + epsilon)


@kernel
def _amsgrad(weights, gradient, momentums, velocities, maxima, decay, scale, limit, constants):
    alpha, one_minus_beta_1, one_minus_beta_2, epsilon = constants[0], constants[1], constants[2], constants[3]
    for i in range(weights.size):
        g = _clipped(gradient[i], scale, limit)
        m = momentums[i] + (g - momentums[i]) * one_minus_beta_1
        momentums[i] = m
        v = velocities[i] + (g * g - velocities[i]) * one_minus_beta_2
        velocities[i] = v
        # unlike in Adam v never shrinks: v = max over all steps. Written so that NaN wins.
        v = maxima[i] if maxima[i] > v else v
        maxima[i] = v
        weights[i] = weights[i] - weights[i] * decay - alpha * m / (np.sqrt(v) + epsilon)


@kernel
def _update_task(rule, task, like, addresses, spans, tasks, factors, limit, constants):
    mode = flush_denormals()
    for span in range(tasks[task], tasks[task + 1]):
        p, first, size = spans[span, 0], spans[span, 1], spans[span, 2]
        decay, scale = factors[p, 0], factors[p, 1]
        weights, gradient = _array(addresses[p, 0], first, size, like), _array(addresses[p, 1], first, size, like)
        slot_1, slot_2 = _array(addresses[p, 2], first, size, like), _array(addresses[p, 3], first, size, like)
        slot_3 = _array(addresses[p, 4], first, size, like)
        if rule == SGD:
            _sgd(weights, gradient, decay, scale, limit, constants)
        elif rule == MOMENTUM_SGD:
            _momentum_sgd(weights, gradient, slot_1, decay, scale, limit, constants)
        elif rule == NESTEROV_SGD:
            _nesterov_sgd(weights, gradient, slot_1, decay, scale, limit, constants)
        elif rule == RMSPROP:
            _rmsprop(weights, gradient, slot_1, slot_2, slot_3, decay, scale, limit, constants)
        elif rule == ADAM:
            _adam(weights, gradient, slot_1, slot_2, decay, scale, limit, constants)
        else:
            _amsgrad(weights, gradient, slot_1, slot_2, slot_3, decay, scale, limit, constants)
    restore(mode)


@kernel(parallel=True)
def _update(rule, like, addresses, spans, tasks, factors, limit, constants):
    count = tasks.size - 1
    if count <= SERIAL_TASKS:
        for task in range(count):
            _update_task(rule, task, like, addresses, spans, tasks, factors, limit, constants)
    else:
        for task in numba.prange(count):
            _update_task(rule, task, like, addresses, spans, tasks, factors, limit, constants)


@kernel
def _square_sums_of(task, like, addresses, spans, tasks, sums):
    mode = flush_denormals()
    for span in range(tasks[task], tasks[task + 1]):
        gradient = _array(addresses[spans[span, 0], 1], spans[span, 1], spans[span, 2], like)
        total = 0.0  # float64, so that the square of a large gradient does not overflow before it can be clipped
        for i in range(gradient.size):
            total += np.float64(gradient[i]) * np.float64(gradient[i])
        sums[span] = total
    restore(mode)


@kernel(parallel=True)
def _square_sums(like, addresses, spans, tasks, sums):
    count = tasks.size - 1
    if count <= SERIAL_TASKS:
        for task in range(count):
            _square_sums_of(task, like, addresses, spans, tasks, sums)
    else:
        for task in numba.prange(count):
            _square_sums_of(task, like, addresses, spans, tasks, sums)


class Table:
    """The weights of some parameters and what an optimiser remembers for them, ready to be updated together.

    Args:
        weights: C-contiguous arrays of one dtype, which do not share memory.
        slots: for each kind of memory, in the order of the rule's arguments, an array for each parameter, or None.
    """

    def __init__(self, weights: Sequence[FloatArray], slots: Sequence[Sequence[FloatArray] | None]) -> None:
        self.dtype = weights[0].dtype
        self._arrays = (weights, slots)  # keeps the addresses valid
        self._gradients: list[FloatArray] = []
        self._like = np.empty(0, self.dtype)
        self._addresses = np.zeros((len(weights), 2 + SLOTS), np.int64)
        self._addresses[:, 0] = _addresses_of(weights)
        for number, slot in enumerate(slots):
            if slot is not None:
                self._addresses[:, 2 + number] = _addresses_of(slot)
        self._spans, self._tasks = _divide([array.size for array in weights])
        self._factors = np.empty((len(weights), 2), self.dtype)
        self._limit = self.dtype.type(np.inf)

    def __reduce__(self) -> Any:
        return Table, self._arrays  # a copy's arrays lie elsewhere

    def set_gradients(self, gradients: Sequence[FloatArray]) -> None:
        """Take the gradients of the next update: C-contiguous arrays of the weights' dtype and shapes."""
        self._gradients = list(gradients)
        self._addresses[:, 1] = _addresses_of(gradients)

    def forget_gradients(self) -> None:
        """Let go of the gradients, whose memory can then be used for other things."""
        self._gradients = []

    def square_sums(self) -> FloatArray:
        """The sum of each gradient's squared elements, in float64."""
        sums = np.empty(len(self._spans), np.float64)
        _square_sums(self._like, self._addresses, self._spans, self._tasks, sums)
        totals: FloatArray = np.bincount(self._spans[:, 0], sums, len(self._addresses)).astype(np.float64)
        return totals

    def set_factors(self, decays: Any, scales: Any, limit: float) -> None:
        """What comes before the update, as numbers or arrays with one number for each parameter.

        Args:
            decays: learning rate times weight decay.
            scales: what each gradient is multiplied by.
            limit: the largest absolute value of a gradient's element after that; larger ones are cut.
        """
        self._factors[:, 0] = decays
        self._factors[:, 1] = scales
        self._limit = self.dtype.type(limit)

    def _run(self, rule: int, *constants: Scalar) -> None:
        _update(
            rule, self._like, self._addresses, self._spans, self._tasks, self._factors, self._limit,
            np.array(constants, self.dtype),
        )  # fmt: skip

    def sgd(self, learning_rate: Scalar) -> None:
        """Plain gradient descent."""
        self._run(SGD, learning_rate)

    def momentum_sgd(self, learning_rate: Scalar, momentum: Scalar, nesterov: bool) -> None:
        """Gradient descent with momentum; slots: momentums."""
        self._run(NESTEROV_SGD if nesterov else MOMENTUM_SGD, learning_rate, momentum)

    def rmsprop(
        self, learning_rate: Scalar, rho: Scalar, one_minus_rho: Scalar, momentum: Scalar, epsilon: Scalar
    ) -> None:
        """RMSprop; slots: velocities, averages (None unless centered), momentums (None for none)."""
        self._run(RMSPROP, learning_rate, rho, one_minus_rho, momentum, epsilon)

    def adam(
        self, alpha: Scalar, one_minus_beta_1: Scalar, one_minus_beta_2: Scalar, epsilon: Scalar, amsgrad: bool
    ) -> None:
        """Adam or AMSGrad; slots: momentums, velocities, maxima (None unless AMSGrad)."""
        self._run(AMSGRAD if amsgrad else ADAM, alpha, one_minus_beta_1, one_minus_beta_2, epsilon)


def _addresses_of(arrays: Sequence[FloatArray]) -> list[int]:
    return [array.__array_interface__["data"][0] for array in arrays]


def _divide(sizes: Sequence[int]) -> tuple[Any, Any]:
    """Spans (parameter, first element, size), and the span that each task begins with; a last entry ends the last."""
    spans: list[tuple[int, int, int]] = []
    tasks, room = [0], CHUNK
    for parameter, size in enumerate(sizes):
        first = 0
        while first < size:
            taken = min(room, size - first)
            spans.append((parameter, first, taken))
            first, room = first + taken, room - taken
            if room == 0:
                tasks.append(len(spans))
                room = CHUNK
    if tasks[-1] < len(spans):
        tasks.append(len(spans))
    return np.array(spans, np.int64).reshape(-1, 3), np.array(tasks, np.int64)
