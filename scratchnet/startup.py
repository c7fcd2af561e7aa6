"""Compiling ahead of the first use."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from scratchnet import layers, ops, optimizers
from scratchnet.arrays import FloatArray, as_float_type
from scratchnet.environment import processors
from scratchnet.kernels.cache import cache_folder
from scratchnet.models import Sequential
from scratchnet.parameter import Parameter
from scratchnet.random import random_scope
from scratchnet.tensor import Tensor

Make = Callable[..., Tensor]


def warmup(dtype: DTypeLike = "float32", verbose: bool = False) -> None:
    """Compile every kernel, or load it where an earlier process has compiled it, so that no later call has to wait.

    Useful before a measurement, in a container's build, or when a service starts. Without it each kernel is compiled
    at its first use, as that of `scratchnet.features` for wide images always is. Random numbers drawn later are the
    same with and without it.

    Args:
        dtype: float32 or float64; each has its own machine code.
        verbose: whether to print how long each part takes.

    Raises:
        ValueError: another dtype.
    """
    wanted = as_float_type(dtype)
    with _helper(wanted.name):
        _run(wanted.name, _MAIN, verbose)
    _run(wanted.name, _PARTS, verbose)


@contextmanager
def _helper(dtype: str) -> Iterator[None]:
    """Meanwhile another process compiles half of the kernels: Numba lets only one thread of a process compile."""
    folder = cache_folder()
    if folder is None or processors() < 2 or any(folder.iterdir()):
        yield
        return
    code = f"from scratchnet import startup; startup._run({dtype!r}, startup._HELPED, False)"
    path = os.pathsep.join(entry or os.curdir for entry in sys.path)  # the same package, wherever it was found
    helper = subprocess.Popen(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield
        helper.wait()  # whatever became of it: what it has not compiled is compiled here
    finally:
        helper.kill()


@random_scope()
def _run(dtype: str, names: Iterable[str], verbose: bool) -> None:
    def make(*shape: int) -> Tensor:
        return Tensor(np.linspace(-1, 1, int(np.prod(shape))).reshape(shape).astype(dtype), requires_grad=True)

    for name in names:
        start = time.perf_counter()
        _PARTS[name](make)
        if verbose:
            print(f"{name}: {time.perf_counter() - start:.1f} s", flush=True)


# Together these enter every kernel with every kind of argument that operations, optimisers and models pass to it.


def _differentiate(*results: Tensor) -> None:
    for result in results:
        result.backward(np.ones_like(result.data))


def _convolutions(make: Make) -> None:
    for channels, groups in ((1, 1), (3, 1), (4, 2), (32, 1)):
        x, kernel, bias = make(2, 9, 9, channels), make(3, 3, channels // groups, 36), make(36)
        for strides, padding in ((1, "same"), (2, "valid")):
            _differentiate(ops.conv2d(x, kernel, bias, strides, padding, groups=groups))
            _differentiate(ops.conv2d(x, kernel, None, strides, padding, groups=groups))
    _differentiate(ops.conv2d(make(2, 9, 9, 8), make(1, 1, 8, 8), make(8)))
    _differentiate(ops.conv2d(make(2, 9, 9, 8), make(3, 3, 8, 8), make(8), dilation_rate=2))
    _differentiate(ops.conv2d(make(2, 9, 9, 8), make(3, 3, 8, 8), make(8), 2, relu=True, pool_size=2))


def _winograd_convolutions(make: Make) -> None:
    x, kernel, bias = make(3, 12, 12, 16), make(3, 3, 16, 16), make(16)
    _differentiate(ops.conv2d(x, kernel, bias, padding="same"))
    _differentiate(ops.conv2d(x, kernel, bias, padding="same", relu=True, pool_size=2))


def _depthwise_convolutions(make: Make) -> None:
    for multiplier in (1, 2):
        x, kernel, bias = make(2, 9, 9, 8), make(3, 3, 8, multiplier), make(8 * multiplier)
        for strides, padding in ((1, "same"), (2, "valid")):
            _differentiate(ops.depthwise_conv2d(x, kernel, bias, strides, padding))
            _differentiate(ops.depthwise_conv2d(x, kernel, None, strides, padding))


def _products(make: Make) -> None:
    for rows in (1, 3, 8, 70):
        _differentiate(ops.matmul(make(rows, 40), make(40, 70)) + make(70))


def _pools(make: Make) -> None:
    x = make(2, 6, 6, 8)
    for pool in (ops.max_pool2d, ops.average_pool2d):
        _differentiate(pool(x, 2), pool(x, 3, 2, "same"), pool(x, 3, 1))
    _differentiate(ops.global_average_pool2d(x), ops.global_max_pool2d(x))


def _normalizations(make: Make) -> None:
    for x in (make(3, 8), make(2, 5, 5, 8)):
        _differentiate(ops.batch_normalization_training(x, make(8), make(8))[0])
        _differentiate(ops.batch_normalization(x, make(8), Tensor(np.ones(8, x.dtype)), -1, make(8), make(8)))


def _pointwise(make: Make) -> None:
    x, large = make(3, 5), make(60, 60)
    _differentiate(ops.relu(x), ops.gelu(x, approximate=False), ops.dropout(x, 0.5, seed=0), ops.sigmoid(x))
    _differentiate(ops.softmax(x), ops.softmax(large), ops.sigmoid(large))


def _losses(make: Make) -> None:
    z = make(3, 5)
    _differentiate(
        ops.sparse_cross_entropy_with_logits(np.arange(3), z),
        ops.cross_entropy_with_logits(np.full((3, 5), 0.2, z.dtype), z),
    )


def _optimizers(make: Make) -> None:
    for optimizer in (
        optimizers.SGD(),
        optimizers.SGD(momentum=0.5),
        optimizers.SGD(momentum=0.5, nesterov=True),
        optimizers.RMSprop(global_clipnorm=1.0),
        optimizers.Adam(),
        optimizers.Adam(amsgrad=True),
    ):
        weight = Parameter(make(5).data, "weight")
        weight.grad = np.ones(5, weight.dtype)
        optimizer.apply([weight])


def _models(make: Make) -> None:
    x: FloatArray = make(3, 12, 12, 1).data
    options: dict[str, Any] = {"dtype": x.dtype.name}  # names of their own leave the counter of later layers alone
    model = Sequential(
        [
            layers.Conv2D(4, 3, padding="same", activation="relu", name="warmup_conv", **options),
            layers.BatchNormalization(name="warmup_norm", **options),
            layers.MaxPooling2D(name="warmup_pool", **options),
            layers.Conv2D(8, 3, name="warmup_second", **options),
            layers.BatchNormalization(name="warmup_second_norm", **options),
            layers.ReLU(name="warmup_relu", **options),
            layers.Flatten(name="warmup_flatten", **options),
            layers.Dropout(0.5, name="warmup_dropout", **options),
            layers.Dense(5, activation="softmax", name="warmup_dense", **options),
        ],
        name="warmup",
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    model.train_on_batch(x, np.arange(3))
    for batch in (x, x[:1]):
        model.predict(batch)


_PARTS: Mapping[str, Callable[[Make], None]] = {
    "convolutions": _convolutions,
    "Winograd's convolutions": _winograd_convolutions,
    "depthwise convolutions": _depthwise_convolutions,
    "matrix products": _products,
    "pools": _pools,
    "normalizations": _normalizations,
    "pointwise": _pointwise,
    "losses": _losses,
    "optimizers": _optimizers,
    "models": _models,
}
# what the first process and its helper compile at the same time
_MAIN = ("Winograd's convolutions", "pools", "optimizers", "pointwise", "losses")
_HELPED = ("convolutions", "matrix products", "normalizations", "depthwise convolutions")
