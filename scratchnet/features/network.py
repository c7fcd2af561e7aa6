"""The network of a feature extractor: three stages of convolution, ReLU and pooling, then a projection."""

import math
from collections.abc import Sequence

import numpy as np

from scratchnet import layers
from scratchnet.arrays import FloatArray, Shape
from scratchnet.models import Model, Sequential

STAGES = 3
SMALLEST_MAP = 6  # pixels per side that pooling leaves, where the image has so many
POOL, LARGE_POOL = 2, 4
POOLS = {"max": layers.MaxPooling2D, "average": layers.AveragePooling2D}


def pool_sizes(size: Shape) -> list[tuple[int, int]]:
    """The pooling windows of the three stages for images of a height and a width.

    Each side by itself: a window is 2 pixels, but 4 in the first, then in the second and in the third stage, as long as
    6 pixels or more remain in the end; so 48 pixels end as 6, and 512 as 8. Sides too short for three windows of 2 and
    6 pixels keep them as long as one pixel remains.

    >>> pool_sizes((48, 48))
    [(2, 2), (2, 2), (2, 2)]
    >>> pool_sizes((512, 96))
    [(4, 4), (4, 2), (4, 2)]
    """
    return list(zip(*(_side_pools(side) for side in size[:2]), strict=True))


def _side_pools(side: int) -> list[int]:
    pools = [1] * STAGES
    for stage in range(STAGES):
        if side // math.prod(pools) >= POOL:
            pools[stage] = POOL
    for stage in range(STAGES):
        larger = [*pools[:stage], LARGE_POOL, *pools[stage + 1 :]]
        if side // math.prod(larger) >= SMALLEST_MAP:
            pools = larger
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
