"""Sequential: layers one after the other."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from scratchnet.layers.base import Layer
from scratchnet.layers.input import Input
from scratchnet.layers.symbolic import BatchShape, SymbolicTensor
from scratchnet.models.model import Model, describe
from scratchnet.parameter import Parameter


class Sequential(Model):
    """A stack of layers; each takes what the one before it returns.

    Args:
        layers: may begin with an `Input`. Without one, the weights are created when the first data comes.
        name: made up by default.
        trainable: whether training changes the weights.

    >>> from scratchnet import layers
    >>> model = Sequential([layers.Input((4,)), layers.Dense(3, activation="softmax")])
    >>> model.count_params()
    15
    """

    def __init__(
        self, layers: Sequence[Layer | SymbolicTensor] = (), *, name: str | None = None, trainable: bool = True
    ) -> None:
        Layer.__init__(self, name=name, trainable=trainable)
        self.class_names = None
        self.preprocessing = None
        self._stack: list[Layer] = []
        self._input: SymbolicTensor | None = None
        for layer in layers:
            self._put(layer)
        if self._stack and self._input is not None:
            self._grow()

    def add(self, layer: Layer | SymbolicTensor) -> None:
        """Put a layer on top.

        Raises:
            ValueError: an `Input` that is not the first, a name that is there already, or a layer that does not fit.
            TypeError: neither a layer nor an `Input`.
        """
        before = list(self._stack), self._input
        self._put(layer)
        if self._stack and self._input is not None:
            try:
                self._grow()
            except BaseException:
                self._stack, self._input = before  # a layer that does not fit is not there
                raise

    def _put(self, layer: Layer | SymbolicTensor) -> None:
        if isinstance(layer, SymbolicTensor):
            if self._stack or self._input is not None or layer.node is not None:
                raise ValueError("only the first element of a Sequential may be an Input")
            self._input, self.dtype = layer, layer.dtype
            return
        if not isinstance(layer, Layer):
            raise TypeError(f"a Sequential holds layers, got {layer!r}")
        if any(layer.name == other.name for other in self._stack):
            raise ValueError(f"layer names must be unique in a model, {self.name} has {layer.name!r} already")
        if not self._stack and self._input is None:
            self.dtype = layer.dtype  # also of the first data, which tell the input's shape
            if layer.declared_input_shape is not None:
                self._input = Input(layer.declared_input_shape, dtype=layer.dtype)
        self._stack.append(layer)

    def _grow(self) -> None:
        assert self._input is not None
        output = self._input
        for layer in self._stack:
            output = layer(output)
        self._connect_graph(self._input, output)
        if not self._trainable:
            self.trainable = False

    @property
    def layers(self) -> list[Layer]:
        """The layers in their order."""
        return list(self._stack)

    def build(self, input_shape: BatchShape) -> None:
        """Create all weights for inputs of this shape, (None, ...) with None for the batch."""
        if not self._stack:
            raise ValueError(f"{self.name} has no layers; add some first")
        if self._input is None:
            self._input = Input(input_shape[1:], dtype=self._stack[0].dtype)
            self._grow()

    def _require_graph(self) -> None:
        if not self.built:
            raise ValueError(
                f"{self.name} has no weights yet: begin with an Input, call build(input_shape) or fit first"
            )

    @property
    def input_shape(self) -> Any:
        self._require_graph()
        return super().input_shape

    @property
    def output_shape(self) -> Any:
        self._require_graph()
        return super().output_shape

    @property
    def weights(self) -> list[Parameter]:
        self._require_graph()
        return super().weights

    def get_config(self) -> dict[str, Any]:
        shape = None if self._input is None else list(self._input.shape[1:])
        return {
            "name": self.name,
            "trainable": self._trainable,
            "input_shape": shape,
            "dtype": None if self._input is None else self._input.dtype,
            "layers": [describe(layer) for layer in self._stack],
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        from scratchnet.models.building import build_layer

        stack: list[Layer | SymbolicTensor] = [build_layer(description) for description in config["layers"]]
        if config["input_shape"] is not None:
            stack.insert(0, Input(config["input_shape"], dtype=config["dtype"]))
        return cls(stack, name=config["name"], trainable=config["trainable"])
