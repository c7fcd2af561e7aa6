"""From Keras's description of a model to the model: stacks, graphs, models within models, shared layers."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from scratchnet.formats.keras_config import (
    GapError,
    as_list,
    as_mapping,
    check_origin,
    dtype_of,
    read_layer,
    shown,
)
from scratchnet.layers.base import Layer, snake_case
from scratchnet.layers.input import Input
from scratchnet.layers.symbolic import SymbolicTensor
from scratchnet.models.model import Model
from scratchnet.models.sequential import Sequential

MODELS = {"Functional": Model, "Model": Model, "Sequential": Sequential}
MAX_LAYERS = 4096
MAX_CALLS = 1 << 15
MAX_DEPTH = 32  # of models in models
INPUT_DTYPES = ("uint8", "int8", "int16", "int32", "int64")  # are converted by the first layer


@dataclass
class Entry:
    """A layer of a Keras model in its place, as weights are found by it.

    Attributes:
        key: its class in snake case; with a number behind it, Keras's name for its weights.
        name: Keras's name of the layer.
        layer: ours; None for an input.
        entries: of a model.
    """

    key: str
    name: str
    layer: Layer | None = None
    entries: "list[Entry] | None" = None

    def leaves(self) -> "Iterator[Entry]":
        """The layers that are no models, in order, those within models too."""
        if self.entries is None:
            yield self
        for entry in self.entries or ():
            yield from entry.leaves()


def entries_of(layer: Layer) -> Entry:
    """A model of ours as an `Entry`, as Keras would have saved it."""
    children = [entries_of(child) for child in layer.layers] if isinstance(layer, Model) else None
    key = type(layer).__name__
    if type(layer) is Model:
        key = "Functional"
    return Entry(snake_case(key), layer.name, layer, children)


class Reference(NamedTuple):
    """A tensor in a description: which layer's which call made it."""

    layer: str
    call: int
    tensor: int


@dataclass
class _Call:
    """One call of a layer, before its inputs are known."""

    layer: str
    inputs: list[Reference]
    as_list: bool


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
        if self._count > MAX_LAYERS or depth > MAX_DEPTH:
            raise ValueError(f"the model has more than {MAX_LAYERS} layers, or more than {MAX_DEPTH} levels")
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
        model = Sequential(stack, name=name, trainable=rest.get("trainable") is not False)
        return Entry("sequential", name, model, entries_with_layers)

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
        graph = _Graph(found, calls, self.version)
        for layer, entry in zip(described, entries, strict=True):
            if entry is not None and entry.layer is None:
                graph.tensors[Reference(entry.name, 0, 0)] = _input(layer)
        graph.run()
        inputs = graph.ends(config.get("input_layers"), "input_layers")
        outputs = graph.ends(config.get("output_layers"), "output_layers")
        trainable = config.get("trainable") is not False
        model = Model(inputs, outputs[0] if len(outputs) == 1 else outputs, name=name, trainable=trainable)
        return Entry("functional", name, model, [entry for entry in entries if entry is not None])

    def _calls(self, described: list[Mapping[str, Any]]) -> list[_Call]:
        calls: list[_Call] = []
        for layer in described:
            for node in as_list(layer.get("inbound_nodes", []), "inbound_nodes"):
                try:
                    inputs, several = _arguments(node)
                except GapError as gap:
                    self.gaps.append(f"layer {shown(_name_of(layer))} is called {gap}")
                    continue
                calls.append(_Call(_name_of(layer), inputs, several))
        if len(calls) > MAX_CALLS:
            raise ValueError(f"the model has more than {MAX_CALLS} calls of layers")
        return calls


class _Graph:
    """Calls of layers, made as soon as their inputs are there."""

    def __init__(self, entries: dict[str, Entry], calls: list[_Call], version: int) -> None:
        self.entries = entries
        self.calls = calls
        self.version = version
        self.tensors: dict[Reference, SymbolicTensor] = {}
        self.made = dict.fromkeys(entries, 0)
        self._total = dict.fromkeys(entries, 0)
        for call in calls:
            self._total[call.layer] += 1
        self._offsets = self._first_calls()

    def _first_calls(self) -> dict[str, int]:
        """For each layer the number that descriptions give to its first call: Keras 2 counts a model's own making."""
        if self.version >= 3:
            return dict.fromkeys(self.entries, 0)
        highest = dict.fromkeys(self.entries, 0)
        for call in self.calls:
            for source in call.inputs:
                highest[source.layer] = max(highest.get(source.layer, 0), source.call)
        is_model = {name: entry.entries is not None for name, entry in self.entries.items()}
        return {
            name: int(is_model[name] and (highest[name] >= self._total[name] or highest[name] == 0))
            for name in self.entries
        }

    def run(self) -> None:
        """Make all calls; each waits for the calls that it depends on, and for the earlier ones of its layer."""
        waiting: dict[Reference, list[_Call]] = {}
        ready = deque(self.calls)
        turns: dict[str, deque[_Call]] = {name: deque() for name in self.entries}
        for call in self.calls:
            turns[call.layer].append(call)
        while ready:
            call = ready.popleft()
            if not turns[call.layer] or turns[call.layer][0] is not call:
                continue  # its turn comes when the earlier ones are made
            missing = next((ref for ref in map(self._resolved, call.inputs) if ref not in self.tensors), None)
            if missing is not None:
                waiting.setdefault(missing, []).append(call)
                continue
            turns[call.layer].popleft()
            for reference in self._make(call):
                ready.extend(waiting.pop(reference, ()))
            if turns[call.layer]:
                ready.append(turns[call.layer][0])
        left = sorted(name for name, calls in turns.items() if calls)
        if left:
            raise ValueError(f"the graph leads in a circle or refers to what does not exist at {shown(left[:5])}")

    def _resolved(self, source: Reference) -> Reference:
        return source._replace(call=source.call - self._offsets.get(source.layer, 0))

    def _make(self, call: _Call) -> list[Reference]:
        layer = self.entries[call.layer].layer
        if layer is None:
            raise ValueError(f"the input {shown(call.layer)} has inputs")
        inputs = [self.tensors[self._resolved(source)] for source in call.inputs]
        result = layer(inputs if call.as_list or layer.takes_list or len(inputs) > 1 else inputs[0])
        results = result if isinstance(result, list) else [result]
        number = self.made[call.layer]
        self.made[call.layer] += 1
        made = [Reference(call.layer, number, position) for position in range(len(results))]
        self.tensors.update(zip(made, results, strict=True))
        return made

    def ends(self, description: Any, what: str) -> list[SymbolicTensor]:
        """The graph's inputs or outputs."""
        if isinstance(description, dict):
            raise ValueError(f"{what} are named; scratchnet has lists of them: save the model with lists")
        places = as_list(description, what)
        if len(places) == 3 and isinstance(places[0], str):
            places = [places]
        found = []
        for place in places:
            source = _reference(place)
            entry = self.entries.get(source.layer)
            resolved = self._resolved(source)
            if self.version >= 3 and entry is not None and entry.key == "functional":
                resolved = source._replace(call=source.call - 1)  # here a graph's own making is counted
            if resolved not in self.tensors:
                raise ValueError(f"{what} refer to {shown(place)}, which does not exist")
            found.append(self.tensors[resolved])
        return found


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
    return Input(as_list(shape, "the shape of an input")[1:], dtype=dtype, name=str(config.get("name")))


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


def _arguments(node: Any) -> tuple[list[Reference], bool]:
    """The tensors that a call takes, and whether it takes them as a list."""
    if isinstance(node, dict):
        options = as_mapping(node.get("kwargs", {}), "kwargs")
        arguments = as_list(node.get("args"), "args")
        if len(arguments) != 1:
            raise GapError(f"with {len(arguments)} arguments; layers of scratchnet take one, or a list")
        several = isinstance(arguments[0], list)
        tensors = [_keras_tensor(value) for value in (arguments[0] if several else arguments)]
    else:
        places = as_list(node, "a call")
        if places and isinstance(places[0], str):
            places = [places]
        options = {}
        for place in places:
            options |= as_mapping(place[3], "a call's options") if isinstance(place, list) and len(place) == 4 else {}
        tensors, several = [_reference(place) for place in places], len(places) > 1
    if not tensors:
        raise GapError("without a tensor")
    for key, value in options.items():
        if not (value is None or (key == "training" and value is False)):
            raise GapError(f"with {key}={shown(value)}")
    return tensors, several


def _keras_tensor(value: Any) -> Reference:
    config = value.get("config") if isinstance(value, dict) else None
    if not isinstance(config, dict) or value.get("class_name") != "__keras_tensor__":
        raise GapError(f"with {shown(value)} in place of a tensor")
    return _reference(config.get("keras_history"))


def _reference(place: Any) -> Reference:
    parts = as_list(place, "a place in the graph")[:3]
    whole = [isinstance(part, int) and not isinstance(part, bool) for part in parts[1:]]
    if len(parts) != 3 or not isinstance(parts[0], str) or not all(whole):
        raise ValueError(f"a place in the graph must be a layer's name and two numbers, got {shown(place)}")
    return Reference(*parts)
