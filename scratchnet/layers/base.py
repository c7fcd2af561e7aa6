"""Layer: a named piece of a network that owns its weights."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any, Self, cast

import numpy as np

from scratchnet import initializers, ops, regularizers
from scratchnet.arrays import FLOAT_TYPES, AnyArray, Shape, as_float_type
from scratchnet.layers.reserve import reserve
from scratchnet.layers.symbolic import BatchShape, Node, SymbolicTensor
from scratchnet.parameter import Parameter, assign_all, at_one_moment, note_change
from scratchnet.tensor import Tensor, as_tensor, reading

# Keras's options that change nothing with these values, or with None
ABSENT_OPTIONS = {"data_format": "channels_last", "activity_regularizer": None, "noise_shape": None}

_TYPES = {dtype.name: dtype for dtype in FLOAT_TYPES}
_names: Counter[str] = Counter()


def numbered(base: str, counts: Counter[str]) -> str:
    """`base` for the first call, then `base_1`, `base_2`, ..."""
    count = counts[base]
    counts[base] += 1
    return f"{base}_{count}" if count else base


def unique_name(base: str) -> str:
    """`base`, or with a number after it, as nobody in this process has had it yet."""
    return numbered(base, _names)


def snake_case(name: str) -> str:
    """`MaxPooling2D` -> `max_pooling2d`, as Keras names its layers."""
    separated = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", separated).lower()


def _once(build: Callable[["Layer", Any], None]) -> Callable[["Layer", Any], None]:
    @wraps(build)
    def build_once(self: "Layer", input_shape: Any) -> None:
        if not self.built:
            build(self, input_shape)
            self.built, self.built_for = True, input_shape
            self._freeze_or_thaw()

    return build_once


def is_made_up(layer: "Layer") -> bool:
    """Whether a layer's name looks like one that `unique_name` made."""
    return re.fullmatch(rf"{snake_case(type(layer).__name__)}(_\d+)?", layer.name) is not None


class _Checked:
    def __init__(self, check: Callable[[Any, str], Any]) -> None:
        self.check = check

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __set__(self, layer: "Layer", value: Any) -> None:
        vars(layer)[self.name] = self.check(value, self.name)


def checked(check: Callable[[Any, str], Any]) -> Any:
    """An attribute of a layer that is checked, and brought into its one form, whenever it is set.

    Args:
        check: called with the value and the attribute's name, returns what is kept.
    """
    return _Checked(check)


class Layer:
    """The base of all layers. A subclass states its weights in `build` and its function in `call`.

    Args:
        name: unique in a model; made from the class's name by default.
        trainable: whether training changes the weights.
        dtype: of weights and results, `float32` or `float64`; None means `float32`.
        input_shape: of one sample; a `Sequential` that begins with this layer then needs no `Input`.
        **absent: options of Keras that scratchnet lacks, as long as they ask for nothing, such as
            `data_format="channels_last"` or `kernel_constraint=None`.

    Raises:
        ValueError: an option asks for something that scratchnet lacks.
        TypeError: Keras has no such option either.
    """

    takes_list = False  # whether `call` takes a list of tensors
    built_for: Any = None  # the shape that `build` was given
    dtype = checked(lambda value, _: as_float_type(value).name)
    _version = 0  # another number whenever an attribute was set that may decide what the layer computes

    def __init__(
        self,
        *,
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = "float32",
        input_shape: Shape | None = None,
        **absent: Any,
    ) -> None:
        self.name = unique_name(snake_case(type(self).__name__)) if name is None else check_name(name)
        self.dtype = dtype
        _refuse_absent(type(self).__name__, absent)
        self.declared_input_shape = input_shape
        self.built = False
        self._parameters: list[Parameter] = []
        self._trainable = bool(trainable)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Let every `build` make the weights once only, whether the user calls it or the first input does."""
        super().__init_subclass__(**kwargs)
        if "build" in vars(cls):
            cls.build = _once(cls.build)  # type: ignore[assignment, method-assign]

    def __setattr__(self, name: str, value: Any) -> None:
        """Tell those who have planned with the layer's attributes that one has changed."""
        super().__setattr__(name, value)
        if not name.startswith("_"):
            note_change(self)

    def build(self, input_shape: Any) -> None:
        """Create the weights for inputs of this shape, (None, ...) with None for the batch."""
        self.built = True

    def call(self, inputs: Any, training: bool = False) -> Any:
        """The layer's function."""
        raise NotImplementedError(f"{type(self).__name__} must define call(inputs, training)")

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The output's shape for inputs of this shape; the same by default."""
        return input_shape

    def __call__(self, inputs: Any, training: bool = False) -> Any:
        """Apply the layer to arrays or tensors, or connect it to symbolic ones.

        Args:
            inputs: one array, `Tensor` or symbolic tensor, or a list of them where the layer merges several.
            training: whether dropout drops and batch normalisation uses the batch's statistics.

        Returns:
            A `Tensor` for arrays and tensors, a symbolic tensor for symbolic ones.

        Raises:
            ValueError: the inputs' shapes do not fit the layer.
        """
        several = isinstance(inputs, list | tuple) and (
            self.takes_list or any(isinstance(x, Tensor | SymbolicTensor | np.ndarray) for x in inputs)
        )
        if several and not self.takes_list and len(inputs) == 1:
            inputs, several = inputs[0], False
        if several and not self.takes_list:
            raise ValueError(f"{self.name} takes one input, got a list of {len(inputs)}")
        if self.takes_list and not several:
            raise ValueError(f"{self.name} takes a list of inputs, got one {type(inputs).__name__}")
        values = list(inputs) if several else [inputs]
        if any(isinstance(value, SymbolicTensor) for value in values):
            return self._connect(values, several)
        tensors = self._cast(values)
        self._ensure_built([(None, *tensor.shape[1:]) for tensor in tensors])
        with reading():
            return self.call(tensors if several else tensors[0], training=training)

    def _connect(self, inputs: list[SymbolicTensor], as_list: bool) -> Any:
        if not all(isinstance(value, SymbolicTensor) for value in inputs):
            raise ValueError(f"{self.name} got symbolic tensors and arrays together")
        shapes = [value.shape for value in inputs]
        self._ensure_built(shapes)
        out = self.compute_output_shape(shapes if as_list else shapes[0])
        several = isinstance(out, list)
        node = Node(self, inputs, out if several else [out], as_list)
        return node.outputs if several else node.outputs[0]

    def _ensure_built(self, shapes: list[BatchShape]) -> None:
        if not self.built:
            self.build(shapes if self.takes_list else shapes[0])

    def _cast(self, inputs: Sequence[Any]) -> list[Tensor]:
        """The inputs in the precision that the layer computes in."""
        return [cast_to(value, self.dtype) for value in inputs]

    def add_weight(
        self,
        name: str,
        shape: Shape,
        initializer: Any = "glorot_uniform",
        regularizer: Any = None,
        trainable: bool = True,
    ) -> Parameter:
        """Create a weight; called in `build`.

        Raises:
            ValueError: the initialiser is unknown, or an axis is not positive.
        """
        if any(not isinstance(size, int) or size < 1 for size in shape):
            raise ValueError(
                f"weight {name!r} of {self.name} would have the shape {shape}; every axis must be positive"
            )
        initial = cast(initializers.Initializer, initializers.get(initializer))
        values = reserve(shape, self.dtype, f"{name} of layer {self.name!r}")
        parameter = Parameter(initial(shape, self.dtype) if values is None else values, name, trainable)
        parameter.regularizer = regularizers.get(regularizer)
        self._parameters.append(parameter)
        return parameter

    @property
    def trainable(self) -> bool:
        """Whether training changes the weights. A frozen batch normalisation also keeps to its moving statistics."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)
        self._freeze_or_thaw()

    def _freeze_or_thaw(self) -> None:
        for parameter in self._parameters:
            parameter.requires_grad = self._trainable and parameter.learned

    @property
    def weights(self) -> list[Parameter]:
        """All weights: first those of the layer's function, then statistics, in Keras's order."""
        return list(self._parameters)

    @property
    def trainable_weights(self) -> list[Parameter]:
        """The weights that training changes."""
        return [weight for weight in self.weights if weight.trainable]

    @property
    def non_trainable_weights(self) -> list[Parameter]:
        """The weights that training leaves alone."""
        return [weight for weight in self.weights if not weight.trainable]

    def get_weights(self) -> list[AnyArray]:
        """Copies of all weights, in the order of `weights`."""
        with at_one_moment():
            return [weight.data.copy() for weight in self.weights]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Overwrite all weights; who predicts meanwhile does so by the old ones or by the new ones.

        Raises:
            ValueError: there are too few or too many, or one has another shape.
        """
        own = self.weights
        if len(weights) != len(own):
            raise ValueError(f"{self.name} has {len(own)} weights, got {len(weights)}")
        values = [np.asarray(value, weight.dtype) for weight, value in zip(own, weights, strict=True)]
        for weight, value in zip(own, values, strict=True):  # all are checked before one is changed
            if weight.shape != value.shape:
                raise ValueError(f"{self.name}: {weight.name} has shape {weight.shape}, got {value.shape}")
        assign_all(own, values)

    def count_params(self) -> int:
        """The number of all weights' elements.

        Raises:
            ValueError: the layer has not seen an input's shape yet.
        """
        if not self.built:
            raise ValueError(f"{self.name} has no weights yet: call it, or build it with an input shape, first")
        return sum(weight.size for weight in self.weights)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, as JSON can hold them."""
        return {"name": self.name, "trainable": self._trainable, "dtype": self.dtype}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The layer that `get_config` described, with fresh weights."""
        return cls(**config)

    def counters(self) -> dict[str, int]:
        """State besides the weights that a resumed training needs; see `Dropout`."""
        return {}

    def set_counters(self, counters: Mapping[str, int]) -> None:
        """Restore what `counters` returned."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


def cast_to(value: Any, dtype: str) -> Tensor:
    """A tensor in a precision; numbers that have none of their own come in it without a detour by another one."""
    wanted = _TYPES[dtype]
    tensor = value if isinstance(value, Tensor) else as_tensor(value, like=wanted)
    return tensor if tensor.dtype == wanted else ops.cast(tensor, wanted)


def check_name(name: Any) -> str:
    """Raise a ValueError unless `name` can name a layer."""
    if not isinstance(name, str) or not name or "/" in name or not name.isprintable():
        raise ValueError(f"name must be a non-empty, printable string without '/', got {name!r}")
    return name


def check_positive(value: Any, name: str) -> int:
    """Raise a ValueError unless `value` is a positive int."""
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} must be a positive int, got {value!r}")
    return int(value)


def check_number(value: Any, name: str) -> float:
    """Raise a ValueError unless `value` is a number."""
    if not isinstance(value, int | float | np.number) or isinstance(value, bool):
        raise ValueError(f"{name} must be a number, got {value!r}")
    return float(value) if isinstance(value, np.number) else value


def check_axis(axis: Any, rank: int, layer: Layer) -> None:
    """Raise a ValueError unless `axis` is one of an input with so many axes."""
    if not isinstance(axis, int) or isinstance(axis, bool) or not -rank <= axis < rank:
        raise ValueError(f"axis of {layer.name} must be one of the {rank} of its inputs, got {axis!r}")


def check_width(input_shape: BatchShape, layer: Layer) -> None:
    """Raise a ValueError if a built layer has its weights for another size of the last axis."""
    own = layer.built_for  # still None within a `build` that says by itself that it is done
    if own is not None and (len(input_shape) < 2 or input_shape[-1] not in {None, own[-1]}):
        raise ValueError(f"{layer.name} was built for inputs of shape {own}, got {input_shape}")


def _refuse_absent(layer: str, options: Mapping[str, Any]) -> None:
    for option, value in options.items():
        if not (option in ABSENT_OPTIONS or option.endswith("_constraint")):
            raise TypeError(f"{layer} has no option {option!r}")
        if value != ABSENT_OPTIONS.get(option) and value is not None:
            raise ValueError(f"{layer}: {option}={value!r} is not supported; leave it out")


def known_channels(input_shape: BatchShape, layer: Layer) -> int:
    """The last axis of NHWC images.

    Raises:
        ValueError: the shape is not that of images.
    """
    if len(input_shape) != 4 or input_shape[-1] is None:
        raise ValueError(f"{layer.name} needs images of shape (batch, height, width, channels), got {input_shape}")
    return input_shape[-1]
