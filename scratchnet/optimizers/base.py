"""What all optimisers share: the learning rate, clipping, weight decay and the state."""

import itertools
import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np

from scratchnet import schedules
from scratchnet.arrays import FLOAT_TYPES, FloatArray, Shape
from scratchnet.kernels.optim import Table
from scratchnet.parameter import Parameter, updating
from scratchnet.schedules import LearningRateSchedule
from scratchnet.tensor import reading

# Features of Keras's optimisers that scratchnet leaves out, and their inactive values in Keras's configs.
_ABSENT_FEATURES: Mapping[str, tuple[Any, ...]] = {
    "use_ema": (False, None),
    "loss_scale_factor": (None,),
    "gradient_accumulation_steps": (None,),
}
_ABSENT_DETAILS = ("ema_momentum", "ema_overwrite_frequency")


class Optimizer:
    """Base of the optimisers.

    Args:
        learning_rate: a number that is not negative, or a `LearningRateSchedule`.
        weight_decay: each update first shrinks every weight by this fraction times the learning rate (Loshchilov and
            Hutter, 2019, https://arxiv.org/abs/1711.05101). None for no decay.
        clipnorm: the largest norm of one parameter's gradient; a longer gradient is scaled down.
        clipvalue: the largest absolute value of a gradient's element; larger ones are cut.
        global_clipnorm: the largest norm of all gradients together; longer ones are scaled down together.
        name: a name for messages; the class's own in lower case by default.

    Raises:
        ValueError: if an argument is out of range, or more than one way of clipping is chosen.
    """

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        *,
        name: str | None = None,
    ) -> None:
        clipping = {"clipnorm": clipnorm, "clipvalue": clipvalue, "global_clipnorm": global_clipnorm}
        if sum(value is not None for value in clipping.values()) > 1:
            chosen = ", ".join(f"{key}={value}" for key, value in clipping.items())
            raise ValueError(f"only one of clipnorm, clipvalue and global_clipnorm may be set, got {chosen}")
        for key, value in {"weight_decay": weight_decay, **clipping}.items():
            if value is not None and not value >= 0:
                raise ValueError(f"{key} must not be negative, got {value}")
        self.name = name or type(self).__name__.lower()
        self.weight_decay = weight_decay
        self.clipnorm = clipnorm
        self.clipvalue = clipvalue
        self.global_clipnorm = global_clipnorm
        self.iterations = 0
        self.built = False
        self._learning_rate = _checked_learning_rate(learning_rate)
        self._parameters: list[Parameter] = []
        self._index: dict[int, int] = {}
        self._slots: dict[str, list[FloatArray]] = {}
        self._excluded: list[Parameter] = []
        self._excluded_names: re.Pattern[str] | None = None
        self._built_with: list[tuple[Any, Shape]] = []
        self._groups: list[_Group] = []
        self._grouped: tuple[list[Parameter], list[FloatArray]] = ([], [])

    def __getstate__(self) -> dict[str, Any]:
        # parameters are known by identity, which a copy's have not
        return {**vars(self), "_index": {}, "_groups": [], "_grouped": ([], [])}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._index = {id(parameter): index for index, parameter in enumerate(self._parameters)}

    @property
    def slot_names(self) -> list[str]:
        """What is remembered for each parameter, with these settings: `momentum` and the like."""
        return [name for name in self._slot_names() if name]

    @property
    def learning_rate(self) -> float:
        """The rate of the next update; settable unless a schedule decides it."""
        if isinstance(self._learning_rate, LearningRateSchedule):
            return self._learning_rate(self.iterations)
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, value: float | LearningRateSchedule) -> None:
        if isinstance(self._learning_rate, LearningRateSchedule) and not isinstance(value, LearningRateSchedule):
            raise TypeError(
                f"learning_rate cannot be set to {value!r} while {type(self._learning_rate).__name__} decides it; "
                "make the optimizer with a float learning_rate, or set another schedule"
            )
        self._learning_rate = _checked_learning_rate(value)

    def exclude_from_weight_decay(
        self, var_list: Iterable[Parameter] | None = None, var_names: Iterable[str] | None = None
    ) -> None:
        """Choose parameters whose weights do not decay, usually biases and normalisation.

        Args:
            var_list: the parameters themselves.
            var_names: regular expressions; a parameter whose name one of them is found in is excluded.

        Raises:
            ValueError: if the optimiser has been built.
        """
        if self.built:
            raise ValueError("exclude_from_weight_decay must be called before the optimizer is built")
        self._excluded = list(var_list or [])
        names = list(var_names or [])
        self._excluded_names = re.compile("|".join(names)) if names else None

    def build(self, parameters: Sequence[Parameter]) -> None:
        """Allocate the state of each parameter; a second call does nothing.

        Args:
            parameters: all that `apply` will be given. Their order names the entries of `variables`.

        Raises:
            ValueError: if a parameter's array is not a C-contiguous float array, or appears twice.
        """
        if self.built:
            return
        with reading():
            arrays = [parameter.data for parameter in parameters]
        for parameter, data in zip(parameters, arrays, strict=True):
            if not data.flags.c_contiguous or data.dtype not in FLOAT_TYPES:
                raise ValueError(
                    f"parameter {parameter.name!r} must be a C-contiguous float32 or float64 array, "
                    f"got {data.dtype} with strides {data.strides}"
                )
        self._parameters = list(parameters)
        self._index = {id(parameter): index for index, parameter in enumerate(parameters)}
        if len(self._index) != len(self._parameters):
            raise ValueError("parameters must be distinct, got one of them twice")
        self._slots = {name: [np.zeros_like(data) for data in arrays] for name in self.slot_names}
        self._built_with = [(data.dtype, data.shape) for data in arrays]
        self.built = True

    def apply(self, parameters: Sequence[Parameter]) -> None:
        """Update each parameter's `data` in place from its `grad`.

        A parameter without a gradient, or with `trainable` False, keeps its weights and its state.

        Args:
            parameters: among those that the optimiser was built with; the first call builds it.

        Raises:
            ValueError: for an unknown parameter, a gradient of another shape, or no gradient at all.
        """
        if not parameters:
            return
        self.build(parameters)
        trainable = [parameter for parameter in parameters if getattr(parameter, "trainable", True)]
        updated = [parameter for parameter in trainable if parameter.grad is not None]
        if trainable and not updated:
            raise ValueError("no parameter has a gradient; call backward() on the loss before the optimizer")
        with updating(updated):
            self._step(updated)

    def _step(self, updated: list[Parameter]) -> None:
        gradients = [self._checked_gradient(parameter) for parameter in updated]
        self._group(updated)
        for group in self._groups:
            group.table.set_gradients([gradients[number] for number in group.numbers])
        scales = self._scales(len(gradients))
        rate = self.learning_rate
        for group in self._groups:
            table = group.table
            decays = rate * (self.weight_decay or 0.0) * group.decaying
            scale = scales if isinstance(scales, float) else scales[group.numbers]
            table.set_factors(decays, scale, self.clipvalue or math.inf)
            self._update(table, rate, table.dtype.type)
            table.forget_gradients()
        self.iterations += 1

    def variables(self) -> dict[str, FloatArray]:
        """Return the whole state: iterations, the learning rate unless scheduled, and `adam/momentum/0` and the like.

        The state arrays are the optimiser's own, not copies.
        """
        prefix = type(self).__name__.lower()
        state: dict[str, FloatArray] = {f"{prefix}/iterations": np.array(self.iterations, np.int64)}
        if not isinstance(self._learning_rate, LearningRateSchedule):
            state[f"{prefix}/learning_rate"] = np.array(self._learning_rate, np.float64)
        for name, arrays in self._slots.items():
            state.update({f"{prefix}/{name}/{index}": array for index, array in enumerate(arrays)})
        return state

    def load_variables(self, variables: Mapping[str, FloatArray]) -> None:
        """Take over a state from `variables`; all of it or, after an error, nothing.

        Raises:
            ValueError: if the optimiser is not built, or an entry is missing, unknown or of another shape.
        """
        if not self.built:
            raise ValueError("the optimizer must be built before load_variables; call build(parameters) first")
        own = self.variables()
        for problem, names in {
            "lack": own.keys() - variables.keys(),
            "do not belong": variables.keys() - own.keys(),
        }.items():
            if names:
                raise ValueError(f"variables {problem}: {', '.join(sorted(names))}")
        for name, array in own.items():
            if np.shape(variables[name]) != array.shape:
                raise ValueError(f"variable {name!r} must have shape {array.shape}, got {np.shape(variables[name])}")
        for name, array in own.items():
            array[...] = variables[name]
        prefix = type(self).__name__.lower()
        self.iterations = int(own[f"{prefix}/iterations"])
        if not isinstance(self._learning_rate, LearningRateSchedule):
            self._learning_rate = float(own[f"{prefix}/learning_rate"])

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments as JSON-able values."""
        rate = self._learning_rate
        return {
            "name": self.name,
            "learning_rate": schedules.serialize(rate) if isinstance(rate, LearningRateSchedule) else rate,
            "weight_decay": self.weight_decay,
            "clipnorm": self.clipnorm,
            "clipvalue": self.clipvalue,
            "global_clipnorm": self.global_clipnorm,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Build an optimiser from what `get_config` returned, here or in Keras.

        Raises:
            ValueError: if a Keras feature is switched on that scratchnet does not have.
        """
        for feature, inactive in _ABSENT_FEATURES.items():
            if config.get(feature) not in inactive:
                raise ValueError(f"{feature} is not supported, got {config[feature]!r}")
        kept = {key: value for key, value in config.items() if key not in (*_ABSENT_FEATURES, *_ABSENT_DETAILS)}
        if isinstance(kept.get("learning_rate"), Mapping):
            kept["learning_rate"] = schedules.get(kept["learning_rate"])
        return cls(**kept)

    def _slot_names(self) -> tuple[str | None, ...]:
        # Names of the arrays that the rule remembers for each parameter, None for one that it is told to do without.
        return ()

    def _update(self, table: Table, rate: float, scalar: Callable[[float], Any]) -> None:
        # One update of all parameters of one dtype; `scalar` makes numbers of it.
        raise NotImplementedError

    def _group(self, parameters: list[Parameter]) -> None:
        # Parameters of one dtype go together. Where some share memory each goes alone, so that every update counts.
        arrays = [parameter.data for parameter in parameters]
        if _same(parameters, self._grouped[0]) and _same(arrays, self._grouped[1]):
            return
        alone = _share_memory(arrays)
        numbers: dict[Any, list[int]] = {}
        for number, parameter in enumerate(parameters):
            self._check_data(parameter)
            numbers.setdefault(number if alone else parameter.data.dtype, []).append(number)
        groups = []
        for members in numbers.values():
            indices = [self._index[id(parameters[number])] for number in members]
            slots = [[self._slots[name][i] for i in indices] if name else None for name in self._slot_names()]
            decaying = np.array([self._decays(parameters[number]) for number in members], np.float64)
            groups.append(_Group(members, decaying, Table([arrays[number] for number in members], slots)))
        self._groups, self._grouped = groups, (parameters, arrays)

    def _check_data(self, parameter: Parameter) -> None:
        # What was true when the optimiser was built must hold for an array that took the first one's place.
        data, dtype = parameter.data, self._built_with[self._index[id(parameter)]]
        if not data.flags.c_contiguous or not data.flags.writeable or (data.dtype, data.shape) != dtype:
            raise ValueError(
                f"data of {parameter.name!r} must stay a writeable C-contiguous array of {dtype[0]} and shape "
                f"{dtype[1]}, got {data.dtype}, shape {data.shape} and strides {data.strides}"
            )

    def _checked_gradient(self, parameter: Parameter) -> FloatArray:
        if id(parameter) not in self._index:
            raise ValueError(f"parameter {parameter.name!r} is unknown; the optimizer was built with others")
        gradient: FloatArray = np.asarray(parameter.grad, parameter.data.dtype, order="C")
        if gradient.shape != parameter.data.shape:
            raise ValueError(
                f"gradient of {parameter.name!r} must have shape {parameter.data.shape}, got {gradient.shape}"
            )
        return gradient

    def _scales(self, count: int) -> Any:
        # What clipping multiplies each of `count` gradients by: one number, or an array of them.
        if not self.clipnorm and not (self.global_clipnorm and count):
            return 1.0
        squares = np.empty(count, np.float64)
        for group in self._groups:
            squares[group.numbers] = group.table.square_sums()
        if self.clipnorm:
            return np.array([_scale(self.clipnorm, math.sqrt(square)) for square in squares])
        return _scale(self.global_clipnorm or math.inf, math.sqrt(sum(squares)))

    def _decays(self, parameter: Parameter) -> bool:
        by_name = self._excluded_names is not None and self._excluded_names.search(parameter.name) is not None
        return not by_name and not any(parameter is other for other in self._excluded)


class _Group(NamedTuple):
    """Parameters that are updated together."""

    numbers: list[int]  # which of the updated parameters
    decaying: FloatArray  # 1 where weight decay applies, else 0
    table: Table


def _checked_learning_rate(value: float | LearningRateSchedule) -> float | LearningRateSchedule:
    if isinstance(value, LearningRateSchedule):
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not 0 <= float(value) < math.inf:
        raise ValueError(f"learning_rate must be a finite number >= 0 or a LearningRateSchedule, got {value!r}")
    return float(value)


def _scale(largest: float, norm: float) -> float:
    # An infinite norm gives NaN, not 0: a diverged run must not look like a converged one.
    return largest / max(norm, largest) if math.isfinite(norm) else math.nan


def _same(these: Sequence[Any], those: Sequence[Any]) -> bool:
    return len(these) == len(those) and all(map(operator.is_, these, those))


def _share_memory(arrays: Sequence[FloatArray]) -> bool:
    ranges = sorted((array.__array_interface__["data"][0], array.nbytes) for array in arrays)
    return any(start + size > after for (start, size), (after, _) in itertools.pairwise(ranges))


def fraction(name: str, value: float) -> float:
    """Return `value` if it is between 0 and 1, else raise a ValueError that names the argument."""
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must be between 0 and 1, got {value}")
    return float(value)
