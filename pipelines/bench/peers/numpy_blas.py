"""What NumPy can do: patches copied into a matrix (im2col), multiplied by whatever BLAS it found."""

import numpy as np

from pipelines.bench.convolutions import Convolution
from pipelines.bench.nets import Array, Net
from pipelines.bench.peers.base import Contender, Variants, Weights, Work


class NumpyBlas(Contender):
    """Convolutions only; it has no networks."""

    name = "numpy"
    title = "NumPy im2col"
    modules = ("numpy",)
    distributions = ("numpy",)
    predicts = False

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        from threadpoolctl import threadpool_limits

        threadpool_limits(threads, user_api="blas")

    def infer(self, net: Net, weights: Weights, x: Array) -> Variants:
        return {}

    def convolve(self, case: Convolution, x: Array, kernel: Array, dy: Array) -> Work:
        taps = kernel.reshape(-1, case.filters)
        cotangents = dy.reshape(-1, case.filters)
        if case.direction == "forward":
            return Work(lambda: (_patches(x) @ taps).reshape(dy.shape))
        if case.direction == "kernel gradient":
            return Work(lambda: (_patches(x).T @ cotangents).reshape(kernel.shape))
        return Work(lambda: _scattered(cotangents @ taps.T, x.shape))


def _patches(x: Array) -> Array:
    """(pixels, 9 * channels): the neighbourhood of each pixel, zeros around the image."""
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    return windows.transpose(0, 1, 2, 4, 5, 3).reshape(-1, 9 * x.shape[3])


def _scattered(patches: Array, shape: tuple[int, ...]) -> Array:
    """Each patch added back to where it was taken from."""
    batch, height, width, channels = shape
    patches = patches.reshape(batch, height, width, 3, 3, channels)
    dx = np.zeros((batch, height + 2, width + 2, channels), patches.dtype)
    for row in range(3):
        for column in range(3):
            dx[:, row : row + height, column : column + width] += patches[:, :, :, row, column]
    return dx[:, 1:-1, 1:-1]
