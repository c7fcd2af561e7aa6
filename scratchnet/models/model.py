"""Model: a graph of layers with one or more inputs and outputs."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Self

from scratchnet import ops
from scratchnet.arrays import AnyArray
from scratchnet.layers.base import Layer, cast_to, is_made_up, numbered, snake_case
from scratchnet.layers.symbolic import BatchShape, Node, SymbolicTensor, keras_order, trace
from scratchnet.models.fusion import plan_steps
from scratchnet.models.inference import Plan
from scratchnet.models.schedule import Schedule
from scratchnet.models.snapshot import configuration
from scratchnet.models.summary import summary_text
from scratchnet.models.training import Trainer
from scratchnet.parameter import Parameter, assign_all, gradients, values_of
from scratchnet.tensor import Tensor, held, is_recording, no_grad, reading, record

Symbolic = SymbolicTensor | Sequence[SymbolicTensor]


class Model(Trainer):
    """A network of any acyclic shape: branches, residuals, shared layers, models within models.

    Args:
        inputs: what `Input` returned, one or a list.
        outputs: what calling layers on it returned, one or a list.
        name: made up by default.
        trainable: whether training changes the weights.

    Attributes:
        class_names: the classes in the order of the output, or None. Saved with the model.
        preprocessing: how images become inputs, as the caller wants it described, or None. Saved with the model.

    Raises:
        ValueError: an output does not depend on the inputs given, or two layers have one name.

    >>> from scratchnet import layers
    >>> x = layers.Input((8, 8, 3))
    >>> y = layers.Conv2D(3, 3, padding="same", activation="relu")(x)
    >>> model = Model(x, layers.Add()([x, y]))
    >>> model.count_params()
    84
    """

    _inference: Plan | None = None

    def __init__(self, inputs: Symbolic, outputs: Symbolic, *, name: str | None = None, trainable: bool = True) -> None:
        super().__init__(name=name)
        self.class_names: tuple[str, ...] | None = None
        self.preprocessing: dict[str, Any] | None = None
        self._connect_graph(inputs, outputs)
        if not trainable:
            self.trainable = False

    def _connect_graph(self, inputs: Symbolic, outputs: Symbolic) -> None:
        for role, value in {"inputs": inputs, "outputs": outputs}.items():
            tensors = [value] if isinstance(value, SymbolicTensor) else list(value)
            if not tensors or not all(isinstance(tensor, SymbolicTensor) for tensor in tensors):
                raise ValueError(f"{role} must be symbolic tensors, made by Input and by calling layers, got {value!r}")
            setattr(self, role, tensors)
        self.inputs: list[SymbolicTensor]
        self.outputs: list[SymbolicTensor]
        self.nodes = trace(self.outputs, self.inputs)
        self._single = isinstance(outputs, SymbolicTensor)
        self._ordered_layers = keras_order(self.nodes, self.outputs)
        names = [layer.name for layer in self.layers]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"layer names must be unique in a model, these are not: {', '.join(twice)}")
        self._scheduled: tuple[list[int], Schedule] | None = None
        self._inference = None
        self.takes_list = len(self.inputs) > 1
        self.dtype = self.inputs[0].dtype
        self.built = True

    @property
    def layers(self) -> list[Layer]:
        """The layers, each once, in Keras's order: those further from the outputs first."""
        return list(self._ordered_layers)

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """The layer of a name, or of a place in `layers`.

        Raises:
            ValueError: there is none, or neither name nor place is given.
        """
        if (name is None) == (index is None):
            raise ValueError(f"get_layer needs either a name or an index, got name={name!r} and index={index!r}")
        if index is not None:
            if not -len(self.layers) <= index < len(self.layers):
                raise ValueError(f"{self.name} has {len(self.layers)} layers, got index {index}")
            return self.layers[index]
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise ValueError(f"{self.name} has no layer {name!r}; it has {', '.join(layer.name for layer in self.layers)}")

    @property
    def input_shape(self) -> Any:
        """The shape of the input, with None for the batch; a list where there are several."""
        return self.inputs[0].shape if len(self.inputs) == 1 else [tensor.shape for tensor in self.inputs]

    @property
    def output_shape(self) -> Any:
        """The shape of the output, with None for the batch; a list where there are several."""
        return self.outputs[0].shape if self._single else [tensor.shape for tensor in self.outputs]

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_inference": None, "_scheduled": None}  # a copy makes its own

    def _require_graph(self) -> None:
        """Raise a ValueError if the graph is not known yet."""

    def _cast(self, inputs: Sequence[Any]) -> list[Tensor]:
        if not self.built:
            return super()._cast(inputs)
        if len(inputs) != len(self.inputs):
            raise ValueError(f"{self.name} has {len(self.inputs)} inputs, got {len(inputs)}")
        return [cast_to(value, symbol.dtype) for value, symbol in zip(inputs, self.inputs, strict=True)]

    def call(self, inputs: Any, training: bool = False) -> Any:
        self._require_graph()
        tensors = self._cast(list(inputs) if isinstance(inputs, list | tuple) else [inputs])
        for symbol, tensor in zip(self.inputs, tensors, strict=True):
            _check_shape(tensor.shape, symbol.shape, self.name)
        if training or any(tensor.requires_grad for tensor in tensors):
            results = self._steps().run(tensors, training)
        else:
            results = self._infer(tensors)
        return results[0] if self._single else results

    def _steps(self) -> Schedule:
        """The calls of the layers, as these are set now."""
        now = configuration(self._ordered_layers)
        if self._scheduled is None or self._scheduled[0] != now:
            self._scheduled = now, Schedule(plan_steps(self.nodes, self.outputs), self.inputs, self.outputs)
        return self._scheduled[1]

    def _current_plan(self) -> Plan | None:
        if not self.built:
            return None
        plan = self._inference
        if plan is None or not plan.is_current():
            plan = self._inference = Plan(self)  # threads that meet here build it twice, each a right one
        return plan

    def _infer(self, tensors: list[Tensor]) -> list[Tensor]:
        """The results by the plan; they can be differentiated by the weights all the same."""
        lowered = held(self)
        if lowered is not None:  # in the midst of a prediction
            results: list[Tensor] = lowered.run(tensors, training=False)
            return results
        plan = self._current_plan()
        assert plan is not None  # the graph is there
        if plan.lowered.is_closed:
            results = plan.lowered.run(tensors, training=False)
        else:
            with no_grad(), reading(dict(plan.values)):
                results = plan.lowered.run(tensors, training=False)
        if not is_recording(*plan.weights):
            return results
        return [self._differentiable(tensors, number, result) for number, result in enumerate(results)]

    def _by(self, plan: Plan | None) -> AbstractContextManager[None]:
        return reading(None if plan is None else {**plan.values, id(self): plan.lowered})

    def _predict_batch(self, x: Any, plan: Plan | None) -> list[AnyArray]:
        if plan is not None and type(self).call is Model.call:  # the short way; a subclass's own may do anything
            y = plan.lowered.run_again(x)
            if y is not None:
                return [y]
        return super()._predict_batch(x, plan)

    def _differentiable(self, tensors: list[Tensor], number: int, result: Tensor) -> Tensor:
        """A result whose way back runs the layers one by one, which the plan did not record."""
        weights = self.trainable_weights
        kind, target = result.logits or ("", result)

        def again() -> Tensor:
            output = self._steps().run(tensors, training=False)[number]
            return output.logits[1] if output.logits else output

        recorded = record(target.data, "model", tuple(weights), lambda dy: gradients(again, dy, weights))
        if not kind:
            return recorded
        return ops.softmax(recorded) if kind == "softmax" else ops.sigmoid(recorded)

    def compute_output_shape(self, input_shape: Any) -> Any:
        given = [input_shape] if len(self.inputs) == 1 else list(input_shape)
        shapes: dict[int, BatchShape] = {}
        for symbol, shape in zip(self.inputs, given, strict=True):
            _check_shape(shape, symbol.shape, self.name)
            shapes[id(symbol)] = shape
        for node in self.nodes:
            arguments = [shapes[id(tensor)] for tensor in node.inputs]
            out = node.layer.compute_output_shape(arguments if node.as_list else arguments[0])
            results = out if isinstance(out, list) else [out]
            shapes.update({id(symbol): shape for symbol, shape in zip(node.outputs, results, strict=True)})
        results = [shapes[id(tensor)] for tensor in self.outputs]
        return results[0] if self._single else results

    @property
    def weights(self) -> list[Parameter]:
        """All weights, layer by layer, each once."""
        return list({id(weight): weight for layer in self.layers for weight in layer.weights}.values())

    @property
    def trainable(self) -> bool:
        """Whether training changes the weights; setting it sets it on every layer."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)
        for layer in self.layers:
            layer.trainable = value

    def _layers_by_local_name(self) -> dict[str, Layer]:
        """The layers by names that depend on nothing but the model.

        Names that were made up are counted anew: a model that is built a second time in one process, or in another
        one, takes the weights of the first.
        """
        chosen = {layer.name for layer in self.layers if not is_made_up(layer)}
        counts: Counter[str] = Counter()
        named: dict[str, Layer] = {}
        for layer in self.layers:
            name = layer.name
            if is_made_up(layer):
                name = numbered(snake_case(type(layer).__name__), counts)
                while name in chosen:
                    name = numbered(snake_case(type(layer).__name__), counts)
            named[name] = layer
        return named

    def named_weights(self) -> dict[str, Parameter]:
        """All weights by `layer/weight`, models within models spelled out; layers without a name are counted."""
        named: dict[str, Parameter] = {}
        for layer_name, layer in self._layers_by_local_name().items():
            own = layer.named_weights() if isinstance(layer, Model) else {w.name: w for w in layer.weights}
            named.update({f"{layer_name}/{name}": weight for name, weight in own.items()})
        return named

    def counters(self) -> dict[str, Any]:
        """State besides the weights that a resumed training needs, by layer."""
        return {name: state for name, layer in self._layers_by_local_name().items() if (state := layer.counters())}

    def set_counters(self, counters: Mapping[str, Any]) -> None:
        """Restore what `counters` returned."""
        own = self._layers_by_local_name()
        for name, state in counters.items():
            own[name].set_counters(state)

    def summary(self, print_fn: Callable[[str], None] = print) -> None:
        """Print the layers with their output shapes and numbers of weights."""
        print_fn(summary_text(self))

    def save(self, path: str | Path) -> None:
        """Write the model into one file, which appears under its name only when it is complete.

        The same model gives the same bytes, in every format.

        - `.safetensors`: everything, for `scratchnet.load_model`: the architecture, the weights, class names,
          preprocessing, and how the model is trained.
        - `.keras`: the same for Keras 3, which trains on where this training stopped. Keras itself does not look at
          class names and preprocessing. A loss that is a function of the caller's own stays behind, and with it the
          optimiser. Needs h5py (extra `keras-files`).
        - `.onnx`: the function alone, with class names and preprocessing as metadata, for ONNX Runtime and others.
          Needs onnx (extra `onnx`).

        Args:
            path: its extension chooses the format.

        Raises:
            ValueError: another extension, or something in the model that the format has no words for.
            ModelFileError: the format needs a package that is not installed.
            OSError: the file cannot be written.
        """
        from scratchnet.formats.saving import save_model

        save_model(self, path)

    def check_saveable(self, path: str | Path, weights_only: bool = False) -> None:
        """Raise the ValueError that `save`, or `save_weights`, would raise; nothing is written."""
        from scratchnet.formats.saving import check_saveable

        check_saveable(self, path, weights_only)

    def save_weights(self, path: str | Path) -> None:
        """Write only the weights; see `load_weights`.

        Args:
            path: ends in `.safetensors`, or in `.weights.h5` for Keras's `load_weights`.

        Raises:
            ValueError: another extension, or for `.weights.h5` a layer that Keras lacks.
            ModelFileError: `.weights.h5` needs h5py, which is not installed.
            OSError: the file cannot be written.
        """
        from scratchnet.formats.saving import save_weights

        save_weights(self, path)

    def load_weights(self, path: str | Path) -> None:
        """Take the weights from a file that `save` or `save_weights` wrote, here or in Keras.

        Args:
            path: of a safetensors file of ours, or of a `.weights.h5`, `.h5` or `.keras` file.

        Raises:
            ModelFileError: the file cannot be read, or its weights are not this model's; the model is as it was then.
        """
        from scratchnet.formats.loading import load_weights

        load_weights(self, path)

    def get_config(self) -> dict[str, Any]:
        place: dict[int, list[Any]] = {id(tensor): ["input", i] for i, tensor in enumerate(self.inputs)}
        for position, node in enumerate(self.nodes):
            place.update({id(tensor): [position, i] for i, tensor in enumerate(node.outputs)})
        return {
            "name": self.name,
            "trainable": self._trainable,
            "inputs": [{"shape": list(t.shape[1:]), "name": t.name, "dtype": t.dtype} for t in self.inputs],
            "layers": [describe(layer) for layer in self.layers],
            "calls": [_describe_call(node, place) for node in self.nodes],
            "outputs": place[id(self.outputs[0])] if self._single else [place[id(t)] for t in self.outputs],
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        from scratchnet.models.building import functional_arguments

        inputs, outputs = functional_arguments(config)
        return cls(inputs, outputs, name=config["name"], trainable=config["trainable"])

    def training_state(self) -> tuple[dict[str, AnyArray], dict[str, Any]]:
        """Weights, optimiser and counters: what a training that goes on later needs. Arrays, and values for JSON."""
        named = self.named_weights()
        values = values_of(named.values())
        arrays: dict[str, AnyArray] = {f"weights/{name}": values[id(weight)] for name, weight in named.items()}
        arrays |= {f"optimizer/{name}": value for name, value in self.optimizer.variables().items()}
        return arrays, {"counters": self.counters(), "shuffle_seed": self._shuffle_seed}

    def load_training_state(self, arrays: Mapping[str, AnyArray], meta: Mapping[str, Any]) -> None:
        """Restore what `training_state` returned.

        Raises:
            ValueError: the state is of another model or optimiser.
        """
        own = {f"weights/{name}": weight for name, weight in self.named_weights().items()}
        given = {name for name in arrays if name.startswith("weights/")}
        if given != own.keys() or any(arrays[name].shape != weight.shape for name, weight in own.items()):
            raise ValueError("the saved training is of a model with other layers or shapes")
        self.optimizer.load_variables(
            {name.removeprefix("optimizer/"): value for name, value in arrays.items() if name.startswith("optimizer/")}
        )
        assign_all(list(own.values()), [arrays[name] for name in own])
        self.set_counters(meta["counters"])
        self._shuffle_seed = meta["shuffle_seed"]


def describe(layer: Layer) -> dict[str, Any]:
    """A layer as JSON can hold it."""
    return {"class_name": type(layer).__name__, "config": layer.get_config()}


def _describe_call(node: Node, place: Mapping[int, list[Any]]) -> dict[str, Any]:
    return {"layer": node.layer.name, "inputs": [place[id(t)] for t in node.inputs], "as_list": node.as_list}


def _check_shape(shape: BatchShape, expected: BatchShape, name: str) -> None:
    fits = len(shape) == len(expected) and all(
        wanted is None or size is None or size == wanted for size, wanted in zip(shape, expected, strict=True)
    )
    if not fits:
        wanted = ", ".join("any" if size is None else str(size) for size in expected[1:])
        raise ValueError(f"{name} takes inputs of shape (batch, {wanted}), got {tuple(shape)}")
