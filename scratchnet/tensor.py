"""Tensor: an array, its gradient, and the operation that made it. Reverse-mode differentiation, define-by-run."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from scratchnet.arrays import AnyArray, FloatArray, Shape, as_float_array, own_float_type
from scratchnet.kernels import buffers

# The gradients by the parents, None for a parent that needs none, from the gradient by the result.
Backward: TypeAlias = Callable[[FloatArray], Sequence[FloatArray | None]]

# Values of parameters by their `id`, which stand for those that they have meanwhile.
Values: TypeAlias = dict[int, Any]

RECORDING: ContextVar[bool] = ContextVar("recording", default=True)
READING: ContextVar[Values | None] = ContextVar("reading", default=None)


class Setting:
    """A context in which a switch has a value. A class, because generators as contexts take three times as long."""

    __slots__ = ("_token", "_value", "_variable")

    def __init__(self, variable: ContextVar[Any], value: Any) -> None:
        self._variable = variable
        self._value = value

    def __enter__(self) -> None:
        self._token = self._variable.set(self._value)

    def __exit__(self, *error: object) -> None:
        self._variable.reset(self._token)


def no_grad() -> AbstractContextManager[None]:
    """Within this context no operation is recorded: results need no gradient and keep nothing alive.

    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> with no_grad():
    ...     y = x * 2
    >>> y.requires_grad
    False
    """
    return Setting(RECORDING, False)


def reading(values: Values | None = None) -> AbstractContextManager[None]:
    """Within this context the engine takes parameters' `data` to read it, and is given the arrays themselves.

    Args:
        values: what some parameters have for it; by default what they have for it already, or what they are.
    """
    if values is None:
        values = READING.get()
    return Setting(READING, {} if values is None else values)


def held(owner: Any) -> Any:
    """What the values of `reading` have for `owner`; None if they have nothing."""
    values = READING.get()
    return None if values is None else values.get(id(owner))


class Creator(NamedTuple):
    """The operation that made a tensor."""

    operation: str
    parents: tuple["Tensor", ...]
    backward: Backward


class Tensor:
    """An n-dimensional array of float32 or float64 that remembers how it was computed.

    Args:
        data: an array, a nested sequence or a number. float32 and float64 arrays are taken as they are, without a copy;
            all other numbers become float32.
        requires_grad: whether `backward` of a result shall leave a gradient here.

    >>> x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    array([2., 4., 6.], dtype=float32)
    """

    __slots__ = ("__weakref__", "creator", "data", "grad", "logits", "requires_grad")
    __array_ufunc__ = None  # so that `array + tensor` comes to `Tensor.__radd__`

    def __init__(self, data: Any, requires_grad: bool = False) -> None:
        self.data: FloatArray = data.data if isinstance(data, Tensor) else as_float_array(data, "data")
        self.grad: FloatArray | None = None
        self.requires_grad = requires_grad
        self.creator: Creator | None = None
        # what a softmax or sigmoid was made of: losses compute from it without rounding to 0 or 1
        self.logits: tuple[str, Tensor] | None = None

    @property
    def shape(self) -> Shape:
        """The array's shape."""
        return self.data.shape

    @property
    def dtype(self) -> np.dtype[np.floating[Any]]:
        """float32 or float64."""
        return self.data.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.data.ndim

    @property
    def size(self) -> int:
        """The number of elements."""
        return self.data.size

    def numpy(self) -> FloatArray:
        """The array itself, not a copy."""
        return self.data

    def item(self) -> float:
        """The only element, as a Python number."""
        return float(self.data.item())

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> AnyArray:
        return np.array(self.data, dtype, copy=copy)

    def __len__(self) -> int:
        return len(self.data)

    def __repr__(self) -> str:
        with reading():
            values = np.array2string(self.data, threshold=20, precision=4, separator=", ")
        made_by = f", made by {self.creator.operation}" if self.creator else ""
        return f"{type(self).__name__}({values}, shape={self.shape}, dtype={self.dtype}{made_by})"

    def backward(self, cotangent: Any = None) -> None:
        """Add the gradient of this tensor to `.grad` of every tensor it was computed from that requires one.

        Only leaves keep a gradient: tensors made by the user, not by an operation. Gradients add up over calls until
        they are set to None.

        Args:
            cotangent: what the gradient of each of this tensor's elements is weighted with; of the tensor's shape.
                May be left out for a tensor of one element, and is 1 then.

        Raises:
            RuntimeError: the tensor does not require a gradient.
            ValueError: the cotangent's shape is not the tensor's.
        """
        if not self.requires_grad:
            raise RuntimeError("backward() on a tensor that does not require a gradient: nothing to differentiate")
        if cotangent is None:
            if self.size != 1:
                raise ValueError(
                    f"backward() needs a cotangent for a tensor of shape {self.shape}; only one element is 1"
                )
            seed = np.ones(self.shape, self.dtype)
        else:
            seed = np.array(cotangent, self.dtype)  # a copy: it may become a leaf's gradient
            if seed.shape != self.shape:
                raise ValueError(f"cotangent must have the tensor's shape {self.shape}, got {seed.shape}")

        with reading():
            self._propagate(seed)

    def _propagate(self, seed: FloatArray) -> None:
        pending: dict[int, FloatArray] = {id(self): seed}
        delivered: set[int] = set()
        for tensor in self._from_last_to_first():
            gradient = pending.pop(id(tensor), None)
            if gradient is None:
                continue
            if tensor.creator is None:
                tensor._add_to_grad(gradient, delivered)
                continue
            gradients = tensor.creator.backward(gradient)
            for parent, contribution in zip(tensor.creator.parents, gradients, strict=True):
                if contribution is None or not parent.requires_grad:
                    continue
                # parents of one operation may differ in precision, but no kernel takes arrays that do
                contribution = as_float_array(contribution, "gradient", parent.dtype)
                earlier = pending.get(id(parent))
                # never in place: an operation may hand the same array to several parents
                pending[id(parent)] = contribution if earlier is None else _sum(earlier, contribution)

    def _add_to_grad(self, gradient: FloatArray, delivered: set[int]) -> None:
        if self.grad is not None:
            self.grad = _sum(self.grad, gradient)
        elif id(gradient) in delivered or not buffers.is_whole(gradient):
            self.grad = gradient.copy()
        else:
            self.grad = gradient
            delivered.add(id(gradient))

    def _from_last_to_first(self) -> list["Tensor"]:
        """All tensors this one depends on, each before those it was made from."""
        order: list[Tensor] = []
        seen: set[int] = set()
        stack: list[tuple[Tensor, bool]] = [(self, False)]
        while stack:  # not recursive: networks are deeper than Python's stack
            tensor, expanded = stack.pop()
            if expanded:
                order.append(tensor)
            elif id(tensor) not in seen:
                seen.add(id(tensor))
                stack.append((tensor, True))
                if tensor.creator is not None:
                    stack.extend((parent, False) for parent in tensor.creator.parents if parent.requires_grad)
        return order[::-1]

    def __add__(self, other: Any) -> "Tensor":
        return ops.add(self, other)

    def __radd__(self, other: Any) -> "Tensor":
        return ops.add(other, self)

    def __sub__(self, other: Any) -> "Tensor":
        return ops.subtract(self, other)

    def __rsub__(self, other: Any) -> "Tensor":
        return ops.subtract(other, self)

    def __mul__(self, other: Any) -> "Tensor":
        return ops.multiply(self, other)

    def __rmul__(self, other: Any) -> "Tensor":
        return ops.multiply(other, self)

    def __truediv__(self, other: Any) -> "Tensor":
        return ops.divide(self, other)

    def __rtruediv__(self, other: Any) -> "Tensor":
        return ops.divide(other, self)

    def __pow__(self, exponent: float) -> "Tensor":
        return ops.power(self, exponent)

    def __neg__(self) -> "Tensor":
        return ops.negative(self)

    def __matmul__(self, other: Any) -> "Tensor":
        return ops.matmul(self, other)

    def __rmatmul__(self, other: Any) -> "Tensor":
        return ops.matmul(other, self)

    def __getitem__(self, index: Any) -> "Tensor":
        return ops.getitem(self, index)

    def sum(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> "Tensor":
        """The sum over `axis`, all axes by default."""
        return ops.sum(self, axis, keepdims)

    def mean(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> "Tensor":
        """The mean over `axis`, all axes by default."""
        return ops.mean(self, axis, keepdims)

    def max(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> "Tensor":
        """The maximum over `axis`, all axes by default."""
        return ops.max(self, axis, keepdims)

    def reshape(self, *shape: Any) -> "Tensor":
        """The same elements in another shape, given as one tuple or as several numbers; one of them may be -1."""
        return ops.reshape(self, shape[0] if len(shape) == 1 and isinstance(shape[0], Sequence) else shape)

    def transpose(self, *axes: Any) -> "Tensor":
        """The axes in another order; reversed by default."""
        order = axes[0] if len(axes) == 1 and isinstance(axes[0], Sequence) else axes
        return ops.transpose(self, tuple(order) or None)

    @property
    def T(self) -> "Tensor":  # noqa: N802  # NumPy's name
        """The axes in reverse order."""
        return ops.transpose(self)

    def matmul(self, other: Any) -> "Tensor":
        """The matrix product `self @ other`."""
        return ops.matmul(self, other)


def _sum(a: FloatArray, b: FloatArray) -> FloatArray:
    return np.add(a, b, out=buffers.empty_like(a))


def as_tensor(value: Any, like: Any = None) -> Tensor:
    """`value` as a tensor; what has no precision of its own, such as an int or a list, takes that of `like`.

    Args:
        value: a tensor, which is returned as it is, or what `Tensor` takes.
        like: another tensor or array of the same operation, or a float type.
    """
    if isinstance(value, Tensor):
        return value
    if like is None or own_float_type(value) is not None:
        return Tensor(value)
    return Tensor(as_float_array(value, "data", like if isinstance(like, np.dtype) else own_float_type(like)))


def is_recording(*parents: Tensor | None) -> bool:
    """Whether an operation on these tensors will be differentiated."""
    return RECORDING.get() and any(parent is not None and parent.requires_grad for parent in parents)


def record(data: FloatArray, operation: str, parents: tuple[Tensor, ...], backward: Backward) -> Tensor:
    """The result of an operation, with the way back to its parents where one of them requires a gradient."""
    result = Tensor(data)
    if is_recording(*parents):
        result.requires_grad = True
        result.creator = Creator(operation, parents, backward)
    return result


from scratchnet import ops  # noqa: E402  # the operations are made of tensors, and a tensor's operators are operations
