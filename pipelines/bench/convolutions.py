"""The convolutions that are timed by themselves: 3x3, stride 1, `same`, in three directions."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipelines.bench.nets import Array

Direction = Literal["forward", "kernel gradient", "input gradient"]


@dataclass(frozen=True)
class Convolution:
    """A convolution of square images, or one of its gradients.

    Attributes:
        direction: what is computed: y from x and the kernel, the kernel's gradient from x and dy, or the input's
            gradient from dy and the kernel.
        size: height and width of the images.
        channels: of the input.
        filters: channels of the output.
        batch: number of images.
    """

    direction: Direction
    size: int
    channels: int
    filters: int
    batch: int = 32

    @property
    def name(self) -> str:
        """As the tables say it."""
        return f"{self.direction} {self.size}x{self.size} {self.channels}->{self.filters}, batch {self.batch}"

    @property
    def flops(self) -> int:
        """Operations of the direct computation, padding included; what Winograd's algorithm saves is not deducted."""
        return 2 * self.batch * self.size**2 * 9 * self.channels * self.filters

    def draw(self, seed: int = 0) -> tuple[Array, Array, Array]:
        """Images (batch, size, size, channels), a kernel (3, 3, channels, filters), a cotangent of the output."""
        rng = np.random.default_rng(seed)
        shapes = (
            (self.batch, self.size, self.size, self.channels),
            (3, 3, self.channels, self.filters),
            (self.batch, self.size, self.size, self.filters),
        )
        x, kernel, dy = (rng.standard_normal(shape, dtype=np.float32) for shape in shapes)
        return x, kernel, dy


CONVOLUTIONS = (
    Convolution("forward", 48, 32, 64),
    Convolution("forward", 12, 128, 256),
    Convolution("kernel gradient", 48, 32, 64),
    Convolution("kernel gradient", 12, 128, 256),
    Convolution("input gradient", 48, 32, 64),
    Convolution("input gradient", 12, 128, 256),
    Convolution("forward", 48, 1, 32),
)
