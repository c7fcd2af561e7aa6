"""Arguments of sliding windows: checked once, turned into what the kernels need."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from scratchnet.kernels.window import Window

Pair: TypeAlias = int | Sequence[int]


LARGEST = 2**31  # kernels compute places in images from these


def pair(value: Any, name: str) -> tuple[int, int]:
    """One positive int for both axes, or a pair of them, as a pair.

    Raises:
        ValueError: anything else.
    """
    numbers = [value, value] if isinstance(value, int | np.integer) else value
    valid = isinstance(numbers, Sequence) and not isinstance(numbers, str) and len(numbers) == 2
    if not valid or any(not isinstance(n, int | np.integer) or isinstance(n, bool) or n < 1 for n in numbers):
        raise ValueError(f"{name} must be a positive int or a pair of them, got {value!r}")
    if max(numbers) >= LARGEST:
        raise ValueError(f"{name} must lie below {LARGEST}, got {value!r}")
    return int(numbers[0]), int(numbers[1])


def check_padding(padding: Any, name: str = "padding") -> str:
    """`valid` or `same`, in any case.

    Raises:
        ValueError: anything else.
    """
    if not isinstance(padding, str) or padding.lower() not in {"valid", "same"}:
        raise ValueError(f"{name} must be 'valid' or 'same', got {padding!r}")
    return padding.lower()


def _axis(size: int, window: int, stride: int, dilation: int, padding: str) -> tuple[int, int]:
    """Output size and padding before the first element, TensorFlow's way: what is left over goes behind the last."""
    span = (window - 1) * dilation + 1
    if padding == "valid":
        return max(0, (size - span) // stride + 1), 0
    out = -(-size // stride)
    return out, max(0, (out - 1) * stride + span - size) // 2


def slide(
    size: tuple[int, int],
    window: tuple[int, int],
    strides: tuple[int, int],
    padding: str,
    dilation: tuple[int, int] = (1, 1),
) -> tuple[Window, tuple[int, int]]:
    """The window over an image of `size` and the output's size.

    Raises:
        ValueError: the window does not fit into the image.
    """
    out_height, top = _axis(size[0], window[0], strides[0], dilation[0], padding)
    out_width, left = _axis(size[1], window[1], strides[1], dilation[1], padding)
    if out_height < 1 or out_width < 1:
        raise ValueError(
            f"a window of {window} with dilation {dilation} does not fit into an image of {tuple(size)}; "
            "use a smaller window, padding='same' or larger images"
        )
    return Window(*window, *strides, *dilation, top, left), (out_height, out_width)


def slid_size(
    sizes: Sequence[int | None],
    window: tuple[int, int],
    strides: tuple[int, int],
    padding: str,
    dilation: tuple[int, int] = (1, 1),
) -> tuple[int | None, int | None]:
    """The output's height and width, as far as the image's are known; None for those that are not.

    Raises:
        ValueError: the window does not fit into the image.
    """
    fitting = (window[0] - 1) * dilation[0] + 1, (window[1] - 1) * dilation[1] + 1
    height, width = (fit if size is None else size for size, fit in zip(sizes, fitting, strict=True))
    _, out = slide((height, width), window, strides, padding, dilation)
    return None if sizes[0] is None else out[0], None if sizes[1] is None else out[1]


def check_images(x_shape: Sequence[int], operation: str) -> None:
    """Raise a ValueError unless the shape is that of NHWC images."""
    if len(x_shape) != 4:
        raise ValueError(f"{operation} needs images of shape (batch, height, width, channels), got {tuple(x_shape)}")
