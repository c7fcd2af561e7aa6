"""The calls of layers that a Keras graph consists of: read, and made in an order in which their inputs are there."""

from collections import deque
from dataclasses import dataclass
from typing import Any, NamedTuple

from scratchnet.formats.keras_config import GapError
from scratchnet.formats.keras_entries import Entry
from scratchnet.formats.parsing import as_list, as_mapping, shown
from scratchnet.layers.symbolic import SymbolicTensor


class Reference(NamedTuple):
    """A tensor in a description: which layer's which call made it."""

    layer: str
    call: int
    tensor: int


@dataclass
class Call:
    """One call of a layer, before its inputs are known.

    Attributes:
        layer: its name.
        inputs: what it takes.
        as_list: whether it takes them as a list.
    """

    layer: str
    inputs: list[Reference]
    as_list: bool


class Graph:
    """Calls of layers, made as soon as their inputs are there.

    Args:
        entries: the layers by Keras's names.
        calls: of these layers.
        results: the places of the graph's outputs.
        version: of Keras, 2 or 3.

    Attributes:
        tensors: by their places, those of the inputs from the beginning.
    """

    def __init__(self, entries: dict[str, Entry], calls: list[Call], results: list[Reference], version: int) -> None:
        self.entries = entries
        self.results = results
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
        for source in [*self.results, *(source for call in self.calls for source in call.inputs)]:
            highest[source.layer] = max(highest.get(source.layer, 0), source.call)
        is_model = {name: entry.entries is not None for name, entry in self.entries.items()}
        return {
            name: int(is_model[name] and (highest[name] >= self._total[name] or highest[name] == 0))
            for name in self.entries
        }

    def run(self) -> None:
        """Make all calls; each waits for the calls that it depends on, and for the earlier ones of its layer.

        Raises:
            ValueError: some wait for one another, or for what does not exist.
        """
        waiting: dict[Reference, list[Call]] = {}
        ready = deque(self.calls)
        turns: dict[str, deque[Call]] = {name: deque() for name in self.entries}
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

    def _make(self, call: Call) -> list[Reference]:
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

    def ends(self, places: list[Reference]) -> list[SymbolicTensor]:
        """The tensors at the places of the graph's inputs or outputs.

        Raises:
            ValueError: one does not exist.
        """
        found = []
        for source in places:
            entry = self.entries.get(source.layer)
            resolved = self._resolved(source)
            if self.version >= 3 and entry is not None and entry.key == "functional":
                resolved = source._replace(call=source.call - 1)  # here a graph's own making is counted
            if resolved not in self.tensors:
                raise ValueError(f"an input or output of the graph is {shown(list(source))}, which does not exist")
            found.append(self.tensors[resolved])
        return found


def ends_of(description: Any, what: str) -> list[Reference]:
    """The places of a graph's inputs or outputs.

    Args:
        description: one place, or a list of places.
        what: they are, for the error message.

    Raises:
        ValueError: they are named, or something else.
    """
    if isinstance(description, dict):
        raise ValueError(f"{what} are named; scratchnet has lists of them: save the model with lists")
    places = as_list(description, what)
    single = len(places) == 3 and isinstance(places[0], str)
    return [reference_of(place) for place in ([places] if single else places)]


def arguments_of(node: Any) -> tuple[list[Reference], bool]:
    """The tensors that a call takes, and whether it takes them as a list.

    Args:
        node: as Keras 3 describes it, an object; or as Keras 2 does, a list.

    Raises:
        GapError: the call has arguments that layers here do not take.
        ValueError: it is no description of a call.
    """
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
        tensors, several = [reference_of(place) for place in places], len(places) > 1
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
    return reference_of(config.get("keras_history"))


def reference_of(place: Any) -> Reference:
    """A tensor's place: a layer's name, which of its calls, and which of that call's results.

    Raises:
        ValueError: it is something else.
    """
    parts = as_list(place, "a place in the graph")[:3]
    whole = [isinstance(part, int) and not isinstance(part, bool) for part in parts[1:]]
    if len(parts) != 3 or not isinstance(parts[0], str) or not all(whole):
        raise ValueError(f"a place in the graph must be a layer's name and two numbers, got {shown(place)}")
    return Reference(*parts)
