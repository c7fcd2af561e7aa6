"""The network of a feature extractor: three stages of convolution, ReLU and pooling, then a projection."""

import math
from collections.abc import Sequence

import numpy as np

from scratchnet import layers
from scratchnet.arrays import AnyArray, FloatArray, Shape
from scratchnet.features.images import in_shape, to_floats
from scratchnet.features.stage import Stage
from scratchnet.models import Model, Sequential

STAGES = 3
SMALLEST_MAP = 6  # pixels per side that pooling leaves, where the image has so many
POOL = 2
LARGER_POOLS = ((4, 2, 2), (4, 4, 2), (8, 4, 2), (8, 4, 4), (8, 8, 4), (8, 8, 8))
WIDE = 64  # pixels: stages of such images take one pass over them
POOLS = {"max": layers.MaxPooling2D, "average": layers.AveragePooling2D}


def pool_sizes(size: Shape) -> list[tuple[int, int]]:
    """The pooling windows of the three stages for images of a height and a width.

    Each side by itself: windows are 2 pixels long, but longer where 6 pixels or more remain in the end all the same,
    the first ones before the later ones. So 48 pixels end as 6, and 512 as 8. Of a side of less than 8 pixels, the last
    stages take no maxima.

    >>> pool_sizes((48, 48))
    [(2, 2), (2, 2), (2, 2)]
    >>> pool_sizes((512, 96))
    [(8, 4), (4, 2), (2, 2)]
    """
    return list(zip(*(_side_pools(side) for side in size[:2]), strict=True))


def _side_pools(side: int) -> list[int]:
    pools = [1] * STAGES
    for stage in range(STAGES):
        if side // math.prod(pools) >= POOL:
            pools[stage] = POOL
    for larger in LARGER_POOLS:
        if side // math.prod(larger) >= SMALLEST_MAP:
            pools = list(larger)
    return pools


def maps_network(shape: Shape, kernels: Sequence[FloatArray], pool: str, pools: Sequence[tuple[int, int]]) -> Model:
    """The stages and a `Flatten`.

    Args:
        shape: of an image.
        kernels: of the stages, (3, 3, maps below, filters).
        pool: a key of `POOLS`.
        pools: the window of each stage; (1, 1) leaves the pooling out.
    """
    stack: list[layers.Layer] = []
    for number, (kernel, window) in enumerate(zip(kernels, pools, strict=True), 1):
        name = f"stage_{number}"
        stack.append(
            layers.Conv2D(
                kernel.shape[3], kernel.shape[:2], padding="same", activation="relu", use_bias=False, trainable=False,
                name=f"{name}_filters",
            )
        )  # fmt: skip
        if window != (1, 1):
            stack.append(POOLS[pool](window, name=f"{name}_pool"))
    model = Sequential([layers.Input(shape), *stack, layers.Flatten(name="flatten")], name="maps")
    model.set_weights(kernels)
    return model


def whole_network(maps: Model, projection: tuple[FloatArray, FloatArray | None] | None, normalize: bool) -> Model:
    """The stages, the projection, and the normalisation if it is wanted.

    Args:
        maps: of `maps_network`, whose layers are shared.
        projection: a matrix (maps' size, dimension) and an offset (dimension,) or None; or None for no projection.
        normalize: whether results get the length 1.
    """
    result = maps.outputs[0]
    dense = None
    if projection is not None:
        matrix, offset = projection
        dense = layers.Dense(matrix.shape[1], use_bias=offset is not None, trainable=False, name="projection")
        result = dense(result)
    if normalize:
        result = layers.UnitNormalization(name="unit_length")(result)
    model = Model(maps.inputs[0], result, name="feature_extractor")
    if dense is not None and projection is not None:
        dense.set_weights([np.ascontiguousarray(part, np.float32) for part in projection if part is not None])
    return model


class Extraction:
    """A whole network for good, with the first stages of wide images in one pass each (see `Stage`).

    Args:
        model: of `whole_network`.
        kernels: of the stages.
        pool: a key of `POOLS`.
        pools: the window of each stage.
    """

    def __init__(
        self, model: Model, kernels: Sequence[FloatArray], pool: str, pools: Sequence[tuple[int, int]]
    ) -> None:
        self._stages: list[Stage] = []
        shape = model.input_shape[1:]
        rest = list(model.layers)
        for kernel, window in zip(kernels, pools, strict=True):
            if shape[1] < WIDE:
                break
            self._stages.append(Stage(kernel, window, pool == "average"))
            shape = (shape[0] // window[0], shape[1] // window[1], kernel.shape[3])
            rest = rest[1 if window == (1, 1) else 2 :]
        self._rest = model
        if self._stages:
            value = start = layers.Input(shape)
            for layer in rest:
                value = layer(value)
            self._rest = Model(start, value)

    def __call__(self, images: AnyArray, shape: Shape, batch_size: int) -> FloatArray:
        """The vectors of images or flat rows of numbers."""
        parts = [self._batch(images[start : start + batch_size], shape) for start in range(0, len(images), batch_size)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _batch(self, images: AnyArray, shape: Shape) -> FloatArray:
        if not self._stages:
            maps = to_floats(images, shape)
        else:
            maps = in_shape(images, shape)
            for number, stage in enumerate(self._stages, 1):
                maps = stage(maps, planar=number > 1, result_planar=number < len(self._stages))
        return np.asarray(self._rest.predict(maps, batch_size=len(maps)))
