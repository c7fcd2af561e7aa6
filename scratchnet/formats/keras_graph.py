"""From Keras's description of a model to the model: stacks, graphs, models within models, shared layers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from scratchnet.formats.keras_calls import Call, Graph, Reference, arguments_of, ends_of
from scratchnet.formats.keras_config import GapError, check_origin, dtype_of, read_layer
from scratchnet.formats.keras_entries import Entry
from scratchnet.formats.limits import MAX_CALLS, check_size, checked_cost
from scratchnet.formats.parsing import as_list, as_mapping, shown
from scratchnet.layers.base import Layer, snake_case
from scratchnet.layers.input import Input
from scratchnet.layers.symbolic import SymbolicTensor
from scratchnet.models.model import Model
from scratchnet.models.sequential import Sequential

MODELS = {"Functional": Model, "Model": Model, "Sequential": Sequential}
INPUT_DTYPES = ("uint8", "int8", "int16", "int32", "int64")  # are converted by the first layer


@dataclass
class ModelReader:
    """Builds a model and remembers what is missing for it.

    Attributes:
        version: of Keras, 2 or 3.
        custom: the caller's own layer classes by name.
        gaps: what scratchnet lacks, a sentence each.
    """

    version: int
    custom: Mapping[str, type[Layer]]
    gaps: list[str] = field(default_factory=list)
    _count: int = 0

    def read(self, description: Any, depth: int = 0) -> Entry | None:
        """The layer or model of a description; None if it has gaps.

        Raises:
            ValueError: the description contradicts itself, or is absurdly large.
        """
        description = as_mapping(description, "the description of a layer")
        class_name = description.get("class_name")
        self._count += 1
        check_size(self._count, depth)
        name = _name_of(description)
        try:
            return self._read_one(description, name, depth)
        except GapError as gap:
            self.gaps.append(f"layer {shown(name)} ({shown(class_name).strip(chr(39))}) {gap}")
            return None

    def _read_one(self, description: Mapping[str, Any], name: str, depth: int) -> Entry | None:
        class_name = description.get("class_name")
        if class_name == "InputLayer":
            check_origin(description, "layers")
            return Entry("input_layer", name)
        ours = name.replace("/", "_")  # Keras 2 allowed it
        if isinstance(class_name, str) and class_name in MODELS and class_name not in self.custom:
            check_origin(description, "")
            read = self._sequential if class_name == "Sequential" else self._functional
            return read(description, ours, depth)
        layer = read_layer(description, ours, self.custom, self.version)
        return Entry(snake_case(str(class_name)), name, layer)

    def _sequential(self, description: Mapping[str, Any], name: str, depth: int) -> Entry | None:
        config = description.get("config")
        described = config if isinstance(config, list) else as_list(as_mapping(config, name).get("layers"), "layers")
        rest = config if isinstance(config, dict) else {}
        _refuse_other_options(rest, {"build_input_shape", "layers"})
        entries = [self.read(layer, depth + 1) for layer in described]
        if self.gaps:
            return None
        found = [entry for entry in entries if entry is not None]
        stack: list[Any] = [entry.layer for entry in found if entry.layer is not None]
        start = _beginning(described, rest)
        if start is not None:
            stack.insert(0, start)
        # inputs are not among the layers whose weights Keras saves for a Sequential
        entries_with_layers = [entry for entry in found if entry.layer is not None]
        cost = checked_cost(entry.cost for entry in entries_with_layers)
        model = Sequential(stack, name=name, trainable=rest.get("trainable") is not False)
        return Entry("sequential", name, model, entries_with_layers, cost)

    def _functional(self, description: Mapping[str, Any], name: str, depth: int) -> Entry | None:
        config = as_mapping(description.get("config"), f"the configuration of {shown(name)}")
        _refuse_other_options(config, {"input_layers", "layers", "output_layers"})
        described = [as_mapping(layer, "a layer") for layer in as_list(config.get("layers"), "layers")]
        entries = [self.read(layer, depth + 1) for layer in described]
        calls = self._calls(described)
        if self.gaps:
            return None
        found = {_name_of(layer): entry for layer, entry in zip(described, entries, strict=True) if entry is not None}
        if len(found) != len(described):
            raise ValueError(f"model {shown(name)} has several layers of one name")
        cost = checked_cost(found[call.layer].cost + len(call.inputs) - 1 for call in calls)
        first, last = (ends_of(config.get(ends), ends) for ends in ("input_layers", "output_layers"))
        graph = Graph(found, calls, last, self.version)
        for layer, entry in zip(described, entries, strict=True):
            if entry is not None and entry.layer is None:
                graph.tensors[Reference(entry.name, 0, 0)] = _input(layer)
        graph.run()
        inputs, outputs = graph.ends(first), graph.ends(last)
        trainable = config.get("trainable") is not False
        model = Model(inputs, outputs[0] if len(outputs) == 1 else outputs, name=name, trainable=trainable)
        return Entry("functional", name, model, [entry for entry in entries if entry is not None], cost)

    def _calls(self, described: list[Mapping[str, Any]]) -> list[Call]:
        calls: list[Call] = []
        for layer in described:
            for node in as_list(layer.get("inbound_nodes", []), "inbound_nodes"):
                try:
                    inputs, several = arguments_of(node)
                except GapError as gap:
                    self.gaps.append(f"layer {shown(_name_of(layer))} is called {gap}")
                    continue
                calls.append(Call(_name_of(layer), inputs, several))
        if len(calls) > MAX_CALLS:
            raise ValueError(f"the model has more than {MAX_CALLS} calls of layers")
        return calls


def _name_of(description: Mapping[str, Any]) -> str:
    config = description.get("config")
    name = description.get("name", config.get("name") if isinstance(config, dict) else None)
    if name is None and isinstance(config, list):
        return "sequential"
    if not isinstance(name, str) or not name:
        raise ValueError(f"the name of a layer must be a word, got {shown(name)}")
    return name


def _refuse_other_options(config: Mapping[str, Any], known: set[str]) -> None:
    known = known | {"dtype", "name", "trainable"}
    if config.get("dtype") is not None:
        dtype_of(config["dtype"])
    lacking = [f"{key}={shown(value)}" for key, value in config.items() if key not in known and value is not None]
    if lacking:
        raise GapError(f"asks for {', '.join(lacking)}")


def _input(description: Mapping[str, Any]) -> SymbolicTensor:
    """The place of an `InputLayer`; batches of any size are taken, whatever Keras's had."""
    config = as_mapping(description.get("config"), "the configuration of an input")
    shape = config.get("batch_shape", config.get("batch_input_shape"))
    dtype = config.get("dtype")
    dtype = "float32" if dtype in INPUT_DTYPES else dtype_of(dtype)
    wrong = [key for key in ("sparse", "ragged", "optional") if config.get(key)]
    if wrong:
        raise ValueError(f"input {shown(config.get('name'))} is {' and '.join(wrong)}, which scratchnet's are not")
    name = config.get("name")
    name = name.replace("/", "_") if isinstance(name, str) else name  # as with the names of layers
    return Input(as_list(shape, "the shape of an input")[1:], dtype=dtype, name=name)


def _beginning(described: list[Any], config: Mapping[str, Any]) -> SymbolicTensor | None:
    """Where a `Sequential` begins, if that is known before it is called."""
    first = as_mapping(described[0], "a layer") if described else {}
    own = first.get("config")
    if first.get("class_name") == "InputLayer":
        return _input(first)
    shape = config.get("build_input_shape")
    if isinstance(own, dict):
        shape = own.get("batch_input_shape") or own.get("batch_shape") or shape
    if not isinstance(shape, list):
        return None
    return Input(shape[1:], dtype=dtype_of(own.get("dtype") if isinstance(own, dict) else None))
