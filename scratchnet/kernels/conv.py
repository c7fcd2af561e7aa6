"""Two-dimensional convolution, NHWC with HWIO kernels: patches are gathered block by block and multiplied on the tile.

A block of patches is small enough for the second-level cache, so the patch matrix never exists as a whole. All three
passes share it:

    y        = patches(x) @ kernel
    d_kernel = patches(x)^T @ dy
    d_x      = scatter(dy @ kernel^T)      scatter adds each patch back to where it was gathered
"""

from typing import Any

import numpy as np
from numba import get_num_threads, prange

from scratchnet.arrays import FloatArray, Shape
from scratchnet.kernels.gemm import DEPTH_BLOCK, pack, packed_size, panel_product
from scratchnet.kernels.jit import kernel
from scratchnet.kernels.simd import ROWS, VECTOR_BYTES, VECTORS
from scratchnet.kernels.window import Window, covered

PATCH_BYTES = 256 * 1024  # of one block of patches
CHUNKS = 16  # partial sums of the kernel's gradient: a constant, so that sums do not depend on the threads
PARTIAL_BYTES = 64 * 2**20


@kernel
def _copy(source, target):
    # slices that begin at 0 let the compiler drop its checks for negative indices, and so use vectors
    for i in range(target.size):
        target[i] = source[i]


@kernel
def _add(source, target):
    for i in range(source.size):
        target[i] += source[i]


@kernel
def _gather(x, image, first, count, out_width, window, channel, channels, patches):
    """Row p of `patches` becomes the (height, width, channels) patch under output pixel first + p."""
    height, width = x.shape[1], x.shape[2]
    flat, row_size = x.reshape(-1), width * x.shape[3]
    run = window.width * channels
    step = window.dilation_w * x.shape[3]
    contiguous = step == channels  # the taps of one kernel row lie side by side
    for p in range(count):
        at = p * window.height * run
        top = (first + p) // out_width * window.stride_h - window.pad_top
        left = (first + p) % out_width * window.stride_w - window.pad_left
        tap_from, tap_end = covered(left, window.dilation_w, window.width, width)
        for kh in range(window.height):
            row = top + kh * window.dilation_h
            taps = patches[at : at + run]
            if row < 0 or row >= height:
                taps[:] = 0
            else:
                # of the first tap that lies inside the image
                start = (image * height + row) * row_size + left * x.shape[3] + tap_from * step + channel
                taps[: tap_from * channels] = 0
                if contiguous:
                    _copy(flat[start:], taps[tap_from * channels : tap_end * channels])
                else:
                    for tap in range(tap_end - tap_from):
                        first_channel = (tap_from + tap) * channels
                        _copy(flat[start + tap * step :], taps[first_channel : first_channel + channels])
                taps[tap_end * channels :] = 0
            at += run


@kernel
def _scatter(patches, image, first, count, out_width, window, channel, channels, dx):
    """Add row p of `patches` to the pixels it was gathered from."""
    height, width = dx.shape[1], dx.shape[2]
    flat, row_size = dx.reshape(-1), width * dx.shape[3]
    run = window.width * channels
    step = window.dilation_w * dx.shape[3]
    contiguous = step == channels
    for p in range(count):
        at = p * window.height * run
        top = (first + p) // out_width * window.stride_h - window.pad_top
        left = (first + p) % out_width * window.stride_w - window.pad_left
        tap_from, tap_end = covered(left, window.dilation_w, window.width, width)
        for kh in range(window.height):
            row = top + kh * window.dilation_h
            if 0 <= row < height:
                taps = patches[at : at + run]
                start = (image * height + row) * row_size + left * dx.shape[3] + tap_from * step + channel
                if contiguous:
                    _add(taps[tap_from * channels : tap_end * channels], flat[start:])
                else:
                    for tap in range(tap_end - tap_from):
                        first_channel = (tap_from + tap) * channels
                        _add(taps[first_channel : first_channel + channels], flat[start + tap * step :])
            at += run


@kernel
def _product(a, a_row, a_col, rows, packed, depth, columns, c, c_at, c_row, accumulate, edge):
    """C (+)= A @ B for one block, B packed."""
    width = VECTOR_BYTES // packed.itemsize * VECTORS
    for k in range(0, depth, DEPTH_BLOCK):
        steps = min(DEPTH_BLOCK, depth - k)
        for first in range(0, columns, width):
            panel_product(
                a, k * a_col, a_row, a_col, rows, packed, depth, k, steps, first, columns,
                c, c_at, c_row, accumulate or k > 0, edge,
            )  # fmt: skip


@kernel(parallel=True)
def _forward(x, packed, bias, y, window, groups, block, patches, edges):
    batch, out_height, out_width, filters = y.shape
    channels, group_filters = x.shape[3] // groups, filters // groups
    depth, pixels = window.height * window.width * channels, out_height * out_width
    blocks = -(-pixels // block)
    flat, group_size = y.reshape(-1), packed.size // groups
    workers = patches.shape[0]
    for worker in prange(workers):
        for task in range(worker, batch * blocks, workers):
            image, first = task // blocks, task % blocks * block
            count = min(block, pixels - first)
            start = (image * pixels + first) * filters
            for group in range(groups):
                _gather(x, image, first, count, out_width, window, group * channels, channels, patches[worker])
                _product(
                    patches[worker], depth, 1, count, packed[group * group_size : (group + 1) * group_size], depth,
                    group_filters, flat, start + group * group_filters, filters, False, edges[worker],
                )  # fmt: skip
            for p in range(count):
                _add(bias, flat[start + p * filters :])


@kernel(parallel=True)
def _kernel_gradient(x, dy, window, groups, block, partial, patches, packed, edges):
    """partial[chunk, group] = sum of patches^T @ dy over the chunk's blocks."""
    batch, out_height, out_width, filters = dy.shape
    channels, group_filters = x.shape[3] // groups, filters // groups
    depth, pixels = window.height * window.width * channels, out_height * out_width
    blocks = -(-pixels // block)
    flat, chunks = dy.reshape(-1), partial.shape[0]
    for chunk in prange(chunks):
        partial[chunk] = 0
        for task in range(chunk * batch * blocks // chunks, (chunk + 1) * batch * blocks // chunks):
            image, first = task // blocks, task % blocks * block
            count = min(block, pixels - first)
            start = (image * pixels + first) * filters
            for group in range(groups):
                _gather(x, image, first, count, out_width, window, group * channels, channels, patches[chunk])
                pack(flat, start + group * group_filters, filters, 1, count, group_filters, packed[chunk])
                _product(
                    patches[chunk], 1, depth, depth, packed[chunk], count, group_filters,
                    partial[chunk, group], 0, group_filters, True, edges[chunk],
                )  # fmt: skip


@kernel(parallel=True)
def _input_gradient(dy, packed, dx, window, groups, block, patches, edges):
    """One image per task, because the patches of neighbouring blocks overlap."""
    batch, out_height, out_width, filters = dy.shape
    channels, group_filters = dx.shape[3] // groups, filters // groups
    depth, pixels = window.height * window.width * channels, out_height * out_width
    flat, group_size = dy.reshape(-1), packed.size // groups
    workers = patches.shape[0]
    for worker in prange(workers):
        for image in range(worker, batch, workers):
            dx[image] = 0
            for first in range(0, pixels, block):
                count = min(block, pixels - first)
                start = (image * pixels + first) * filters
                for group in range(groups):
                    _product(
                        flat[start + group * group_filters :], filters, 1, count,
                        packed[group * group_size : (group + 1) * group_size], group_filters,
                        depth, patches[worker], 0, depth, False, edges[worker],
                    )  # fmt: skip
                    _scatter(patches[worker], image, first, count, out_width, window, group * channels, channels, dx)


def _block_pixels(depth: int, itemsize: int, pixels: int) -> int:
    """How many patches make a block: a multiple of the tile's rows that fits the cache."""
    fitting = max(ROWS, PATCH_BYTES // (depth * itemsize) // ROWS * ROWS)
    return min(fitting, -(-pixels // ROWS) * ROWS)


def _edges(workers: int, dtype: np.dtype[np.floating[Any]]) -> FloatArray:
    return np.empty((workers, ROWS * VECTORS * VECTOR_BYTES // dtype.itemsize), dtype)


def _packed_groups(kernel: FloatArray, groups: int, transpose: bool) -> FloatArray:
    """Each group's (depth, filters) matrix, or its transpose, packed for the tile."""
    filters = kernel.shape[3] // groups
    depth = kernel[..., 0].size
    rows, columns = (filters, depth) if transpose else (depth, filters)
    size = packed_size(rows, columns, kernel.itemsize)
    packed = np.empty(groups * size, kernel.dtype)
    row, column = (1, groups * filters) if transpose else (groups * filters, 1)
    for group in range(groups):
        pack(kernel.reshape(-1), group * filters, row, column, rows, columns, packed[group * size :])
    return packed


def conv2d_forward(
    x: FloatArray, kernel: FloatArray, bias: FloatArray | None, window: Window, out_size: Shape, groups: int
) -> FloatArray:
    """Convolve.

    Args:
        x: (batch, height, width, channels), C-contiguous like every argument here.
        kernel: (kernel height, kernel width, channels / groups, filters).
        bias: (filters,) or None for zeros.
        out_size: the output's height and width.

    Returns:
        (batch, *out_size, filters).
    """
    batch, filters = x.shape[0], kernel.shape[3]
    y = np.empty((batch, *out_size, filters), x.dtype)
    depth = kernel[..., 0].size
    block = _block_pixels(depth, x.itemsize, out_size[0] * out_size[1])
    workers = get_num_threads()
    if bias is None:
        bias = np.zeros(filters, x.dtype)
    _forward(
        x, _packed_groups(kernel, groups, False), bias, y, window, groups, block,
        np.empty((workers, block * depth), x.dtype), _edges(workers, x.dtype),
    )  # fmt: skip
    return y


def conv2d_kernel_gradient(
    x: FloatArray, dy: FloatArray, kernel_shape: Shape, window: Window, groups: int
) -> FloatArray:
    """The loss's gradient by the kernel, from the one by the output, `dy` (batch, out height, out width, filters)."""
    filters = kernel_shape[3] // groups
    depth = kernel_shape[0] * kernel_shape[1] * kernel_shape[2]
    block = _block_pixels(depth, x.itemsize, dy.shape[1] * dy.shape[2])
    tasks = dy.shape[0] * -(-dy.shape[1] * dy.shape[2] // block)
    size = groups * depth * filters * x.itemsize
    chunks = max(1, min(CHUNKS, tasks, PARTIAL_BYTES // size))
    partial = np.empty((chunks, groups, depth * filters), x.dtype)
    _kernel_gradient(
        x, dy, window, groups, block, partial, np.empty((chunks, block * depth), x.dtype),
        np.empty((chunks, packed_size(block, filters, x.itemsize)), x.dtype), _edges(chunks, x.dtype),
    )  # fmt: skip
    total = partial.sum(axis=0).reshape(groups, depth, filters)
    return np.ascontiguousarray(total.transpose(1, 0, 2)).reshape(kernel_shape)


def conv2d_input_gradient(
    dy: FloatArray, kernel: FloatArray, x_shape: Shape, window: Window, groups: int
) -> FloatArray:
    """The loss's gradient by the input of shape `x_shape`, from the one by the output."""
    dx = np.empty(x_shape, dy.dtype)
    depth = kernel[..., 0].size
    block = _block_pixels(depth, dy.itemsize, dy.shape[1] * dy.shape[2])
    workers = get_num_threads()
    _input_gradient(
        dy, _packed_groups(kernel, groups, True), dx, window, groups, block,
        np.empty((workers, block * depth), dy.dtype), _edges(workers, dy.dtype),
    )  # fmt: skip
    return dx
