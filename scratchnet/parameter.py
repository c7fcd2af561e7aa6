"""Parameter: a tensor that a layer owns. Who changes it, and who relies on it that it does not change meanwhile."""

import itertools
import os
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from scratchnet.arrays import AnyArray, FloatArray, FloatType, Shape, as_float_array
from scratchnet.kernels import buffers
from scratchnet.tensor import READING, RECORDING, Setting, Tensor, Values, reading

_constant: ContextVar[bool] = ContextVar("constant", default=False)
_versions = itertools.count(1)  # of everything: no two changes get one number, whichever threads make them
_latest = 0  # the number of the change that was noted last
_lock = threading.RLock()  # whoever writes to parameters holds it, and whoever wants the values of one moment


def _make_lock() -> None:
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):  # the parent's may have been held by a thread that the child does not have
    os.register_at_fork(after_in_child=_make_lock)


def note_change(owner: Any) -> None:
    """Give a parameter or a layer that has changed another version."""
    global _latest
    owner._version = _latest = next(_versions)  # in this order: who sees the second must find the first


def latest_change() -> int:
    """Another number whenever a parameter or a layer may have changed, anywhere."""
    return _latest


class Parameter(Tensor):
    """A tensor that a layer owns and training may change.

    Inference keeps to the values of one moment. It takes the arrays themselves, without a copy; who changes such a
    value afterwards gives the parameter another array. An array that was handed out by `data` stays the parameter's as
    long as it, or a view of it, is alive: it can be written to at any time, and so inference takes copies meanwhile,
    and compares.

    Args:
        data: the initial value; an array becomes the parameter's own, unless it is a view of another one.
        name: such as `kernel`.
        trainable: whether it has a gradient; batch normalisation's moving averages have none.
    """

    _version: int
    __slots__ = ("_lent", "_requires_grad", "_shared", "_value", "_version", "learned", "name", "regularizer")

    def __init__(self, data: Any, name: str, trainable: bool = True) -> None:
        self._value = _whole(data.data if isinstance(data, Tensor) else as_float_array(data, "data"))
        self._lent: weakref.ref[FloatArray] | None = None
        self._shared = False  # whether somebody relies on it that the array is not written to
        self.grad = self.creator = self.logits = None
        self.requires_grad = trainable
        self.name = name
        self.learned = trainable  # what its layer may freeze and thaw; statistics are never learned
        self.regularizer: Any = None
        note_change(self)

    def __getstate__(self) -> dict[str, Any]:
        kept = ("_value", "_requires_grad", "grad", "learned", "name", "regularizer")
        return {name: getattr(self, name) for name in kept}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self._lent, self._shared, self.creator, self.logits = None, False, None, None
        for name, value in state.items():
            setattr(self, name, value)
        self._value = _whole(self._value)  # an unpickled array may be a view of the bytes
        note_change(self)

    @property
    def data(self) -> FloatArray:
        """The value itself, not a copy: what is written to it is the parameter's. Setting it copies."""
        values = READING.get()
        if values is not None:
            value: FloatArray = values.get(id(self), self._value) if values else self._value
            return value
        with _lock:
            array = None if self._lent is None else self._lent()
            if array is None:
                self._make_own()
                memory: Any = self._value
                array = np.asarray(memoryview(memory))  # views of it keep it alive, and not `_value` alone
                self._lent = weakref.ref(array)
            note_change(self)
        return array

    @data.setter
    def data(self, value: Any) -> None:
        with _lock:
            if self._lent is None or self._lent() is not value:  # `data += 1` brings back what was handed out
                self._value = np.array(as_float_array(value, "data"), order="C")
                self._lent, self._shared = None, False
            self._show()
            note_change(self)

    @property
    def shape(self) -> Shape:
        return self._value.shape

    @property
    def dtype(self) -> FloatType:
        return self._value.dtype

    @property
    def ndim(self) -> int:
        return self._value.ndim

    @property
    def size(self) -> int:
        return self._value.size

    @property
    def version(self) -> int:
        """Another number whenever the value may have changed, be it that `data` was taken, and may be written to."""
        return self._version

    @property
    def requires_grad(self) -> bool:
        """Whether operations are recorded for its sake; never within `gradient_at`."""
        return self._requires_grad and not _constant.get()

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self._requires_grad = value

    @property
    def trainable(self) -> bool:
        """Whether training may change it."""
        return self._requires_grad

    @property
    def is_lent(self) -> bool:
        """Whether an array that was handed out is alive, or a view of it, and may be written to at any time."""
        return self._lent is not None and self._lent() is not None

    def assign(self, value: Any) -> None:
        """Overwrite the value; who predicts meanwhile does so by the old one or by the new one.

        Raises:
            ValueError: the shape differs.
        """
        assign_all([self], [value])

    def _overwrite(self, array: AnyArray) -> None:
        if self._shared:
            self._value, self._shared = np.array(array, self.dtype, order="C"), False
        else:
            self._value[...] = array
        self._show()

    def _show(self) -> None:
        """Who writes in the midst of a prediction reads there what it has written."""
        values = READING.get()
        if values and id(self) in values:
            values[id(self)] = self._value

    def _make_own(self) -> None:
        """Before the array is written to."""
        if self._shared:
            self._value, self._shared = self._value.copy(), False

    def _share(self) -> FloatArray:
        """The value as it is now: an array that the engine does not write to any more, nor anybody else."""
        if self.is_lent:
            return self._value.copy()
        self._shared = True
        return self._value


def _whole(array: FloatArray) -> FloatArray:
    return array if buffers.is_whole(array) and array.flags.c_contiguous else np.array(array, order="C")


def assign_all(parameters: Sequence[Parameter], values: Sequence[Any]) -> None:
    """Overwrite the values of some parameters together: nobody predicts by some old and some new ones.

    Raises:
        ValueError: a shape differs; nothing is changed then.
    """
    # a value may be what another of the parameters has handed out, and will be overwritten before its turn comes
    convert = np.array if any(parameter.is_lent for parameter in parameters) else np.asarray
    arrays = [convert(value, parameter.dtype) for parameter, value in zip(parameters, values, strict=True)]
    for parameter, array in zip(parameters, arrays, strict=True):
        if array.shape != parameter.shape:
            raise ValueError(
                f"{parameter.name} has shape {parameter.shape}, cannot take a value of shape {array.shape}"
            )
    with _lock:
        try:
            for parameter, array in zip(parameters, arrays, strict=True):
                parameter._overwrite(array)
        finally:  # only now: until then, who asks goes on with the old values
            for parameter in parameters:
                note_change(parameter)


def values_of(parameters: Iterable[Parameter]) -> Values:
    """The values of some parameters at one moment, for `reading`. Nobody writes to the arrays; nor may the caller."""
    with _lock:
        return {id(parameter): parameter._share() for parameter in parameters}


@contextmanager
def at_one_moment() -> Iterator[None]:
    """Within this context nobody else writes to parameters, and `data` is taken to be read, as it is now."""
    with _lock, reading({}):
        yield


@contextmanager
def updating(parameters: Iterable[Any]) -> Iterator[None]:
    """Within this context the arrays of some parameters may be written to; that is one change of all of them."""
    own = [parameter for parameter in parameters if isinstance(parameter, Parameter)]
    with _lock, reading({}):
        for parameter in own:
            parameter._make_own()
        try:
            yield
        finally:
            for parameter in own:
                note_change(parameter)


def gradients(
    compute: Callable[[], Tensor], cotangent: FloatArray, parameters: Sequence[Parameter]
) -> list[FloatArray | None]:
    """The gradients by some parameters of what `compute` returns, recorded for this; their `grad` is left alone.

    None for a parameter that the result does not depend on.
    """
    earlier = [parameter.grad for parameter in parameters]
    try:
        for parameter in parameters:
            parameter.grad = None
        with Setting(RECORDING, True), reading():
            result = compute()
            if result.requires_grad:
                result.backward(cotangent)
        return [parameter.grad for parameter in parameters]
    finally:
        for parameter, gradient in zip(parameters, earlier, strict=True):
            parameter.grad = gradient


def gradient_at(value: FloatArray, compute: Callable[[Tensor], Tensor]) -> FloatArray | None:
    """The gradient by an array of the sum of what `compute` makes of it, all parameters being constants.

    Nothing is left behind: neither gradients nor versions of parameters change, so any number of threads may
    differentiate one model at once. None if the result does not depend on the array.
    """
    leaf = Tensor(value, requires_grad=True)
    with Setting(RECORDING, True), reading(), Setting(_constant, True):
        result = compute(leaf)
        if result.requires_grad:
            result.backward(np.ones(result.shape))
    return leaf.grad
