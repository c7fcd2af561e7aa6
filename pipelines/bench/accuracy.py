"""How far Winograd's algorithm and the definition are from the exact 3x3 convolution, in millionths."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from pipelines.bench.convolutions import Convolution
from pipelines.bench.nets import Array
from pipelines.bench.results import EXACTLY, OURS, Figure, Row

MILLION = 1e6
OUTLIER = 1e5
LAYERS = ((24, 64, 64, 8), (12, 128, 256, 16))  # pixels along a side, channels, filters, images


class _Results(NamedTuple):
    forward: Array
    input_gradient: Array
    kernel_gradient: Array


def _compute(arrays: Sequence[Array], exactly: bool) -> _Results:
    import scratchnet as sn
    from scratchnet.kernels import conv

    x, kernel, dy = arrays
    before = conv.is_exact()
    sn.set_exact(exactly)
    try:
        image, weights = sn.Tensor(x, requires_grad=True), sn.Tensor(kernel, requires_grad=True)
        y = sn.ops.conv2d(image, weights, padding="same")
        y.backward(dy)
    finally:
        sn.set_exact(before)
    assert image.grad is not None
    assert weights.grad is not None
    return _Results(y.data, image.grad, weights.grad)


def _three_ways(arrays: Sequence[Array]) -> list[_Results]:
    """By the definition in float64; in float32 as the engine chooses, and by the definition."""
    wide = [array.astype(np.float64) for array in arrays]
    return [_compute(wide, exactly=True), _compute(arrays, exactly=False), _compute(arrays, exactly=True)]


def _row(case: str, exact: Array, computed: Sequence[Array], unit: float) -> Row:
    """A row of the largest errors of Winograd's algorithm and of the definition, as multiples of `unit`."""
    errors = [float(np.abs(result - exact).max()) / unit * MILLION for result in computed]
    figures = {name: Figure(error, error, error) for name, error in zip((OURS, EXACTLY), errors, strict=True)}
    return Row("accuracy", case, figures, errors[0])


def accuracy_rows(size: int, channels: int, filters: int, batch: int, seed: int = 0) -> Iterator[Row]:
    """The largest errors of a convolution and its gradients, for normally distributed images, kernels and cotangents.

    Args:
        size: height and width of the images.
        channels: of the images.
        filters: channels of the result.
        batch: number of images.
        seed: of the numbers.

    Yields:
        Errors of the sums and of the input's gradient as parts of the largest of them, of the kernel's gradient as
        parts of its root mean square, and, where one input is an outlier of 1e5, of the sums that do not see it as
        parts of the largest that do.
    """
    arrays = Convolution("forward", size, channels, filters, batch).draw(seed)
    exact, *computed = _three_ways(arrays)
    name = f"{size}x{size} {channels}->{filters}"
    for case, field in (("forward", 0), ("input gradient", 1)):
        largest = float(np.abs(exact[field]).max())
        yield _row(f"{case} {name}, of the largest", exact[field], [results[field] for results in computed], largest)
    rms = float(np.sqrt(np.mean(exact.kernel_gradient**2)))
    case = f"kernel gradient {name}, of the root mean square"
    yield _row(case, exact.kernel_gradient, [results.kernel_gradient for results in computed], rms)
    middle = size // 2
    arrays[0][0, middle, middle, 0] = OUTLIER
    unseeing = np.ones((size, size), bool)
    unseeing[middle - 1 : middle + 2, middle - 1 : middle + 2] = False
    sums = [results.forward[0] for results in _three_ways(arrays)]
    largest, unseen = float(np.abs(sums[0]).max()), [y[unseeing] for y in sums]
    yield _row(f"beside an outlier {name}, of the largest", unseen[0], unseen[1:], largest)
