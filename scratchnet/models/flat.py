"""A graph as one list of calls, the models within it spelled out: what looks into a network goes through that."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

from scratchnet.layers.base import Layer
from scratchnet.layers.symbolic import BatchShape, Node
from scratchnet.models.model import Model
from scratchnet.tensor import Tensor

INPUTS = -1  # stands for the number of a call in the places of the model's inputs


class Place(NamedTuple):
    """Where a tensor comes from: the number of a call, or `INPUTS`, and which of its results it is."""

    call: int
    result: int


class FlatCall(NamedTuple):
    """One call of a layer.

    Attributes:
        name: the layer's; from its second call on with `(call 2)` behind it. Those of the models around it, if any,
            stand before it: `backbone/conv`.
        path: the names of the models around the layer, from the outermost to the innermost, and its own.
        node: the call in the graph of its own model.
        inputs: where its tensors come from.
        shapes: of its results, with None for the batch.
    """

    name: str
    path: tuple[str, ...]
    node: Node
    inputs: tuple[Place, ...]
    shapes: tuple[BatchShape, ...]

    @property
    def layer(self) -> Layer:
        """What is called."""
        return self.node.layer


class FlatGraph(NamedTuple):
    """A model's calls.

    Attributes:
        calls: each after those it depends on.
        outputs: where the model's results come from.
        named: where the first result of each call is, by its name; also of each model within the model.
    """

    calls: list[FlatCall]
    outputs: list[Place]
    named: dict[str, Place]

    def takers(self, place: Place) -> list[int]:
        """The numbers of the calls that take a tensor."""
        return [number for number, call in enumerate(self.calls) if place in call.inputs]


Values: TypeAlias = dict[Place, Tensor]


def flatten(model: Model) -> FlatGraph:
    """The calls of a model and of all models within it.

    A model that is called twice comes twice. One whose class has a `call` of its own counts as a layer.

    Raises:
        ValueError: the model has no graph yet, or computes by a `call` of its own.
    """
    model._require_graph()
    if not _is_plain(model):
        raise ValueError(
            f"{model.name} is a {type(model).__name__}, which computes by a call of its own: "
            "its layers cannot be looked into"
        )
    graph = FlatGraph([], [], {})
    inputs = [(Place(INPUTS, index), tensor.shape) for index, tensor in enumerate(model.inputs)]
    graph.outputs.extend(place for place, _ in _spell_out(model, inputs, "", (), graph))
    return graph


def _is_plain(model: Model) -> bool:
    return type(model).call is Model.call


_Wire: TypeAlias = tuple[Place, BatchShape]


def _spell_out(
    model: Model, inputs: Sequence[_Wire], prefix: str, path: tuple[str, ...], graph: FlatGraph
) -> list[_Wire]:
    """Append a model's calls; its results."""
    wires = {id(symbol): wire for symbol, wire in zip(model.inputs, inputs, strict=True)}
    count: Counter[str] = Counter()
    for node in model.nodes:
        layer = node.layer
        given = [wires[id(tensor)] for tensor in node.inputs]
        count[layer.name] += 1
        name = f"{prefix}{layer.name}" + (f" (call {count[layer.name]})" if count[layer.name] > 1 else "")
        if isinstance(layer, Model) and _is_plain(layer):
            results = _spell_out(layer, given, f"{name}/", (*path, layer.name), graph)
        else:
            results = _append(node, given, name, (*path, layer.name), graph)
        graph.named[name] = results[0][0]
        wires.update({id(symbol): wire for symbol, wire in zip(node.outputs, results, strict=True)})
    return [wires[id(tensor)] for tensor in model.outputs]


def _append(node: Node, given: list[_Wire], name: str, path: tuple[str, ...], graph: FlatGraph) -> list[_Wire]:
    places, shapes = zip(*given, strict=True)
    out: Any = node.layer.compute_output_shape(list(shapes) if node.as_list else shapes[0])
    results = tuple(out) if isinstance(out, list) else (out,)
    number = len(graph.calls)
    graph.calls.append(FlatCall(name, path, node, places, results))
    return [(Place(number, index), shape) for index, shape in enumerate(results)]


def run_calls(graph: FlatGraph, values: Values, start: int, stop: int) -> None:
    """Run the calls from `start` on, up to `stop` and without it, in inference; what none of the later ones takes goes.

    Args:
        graph: of `flatten`.
        values: what the calls take; their results come in.
        start: the number of the first call.
        stop: after the last; the results of the last stay in any case.
    """
    last = {place: number for number, call in enumerate(graph.calls) for place in call.inputs}
    last.update(dict.fromkeys(graph.outputs, len(graph.calls)))
    for number in range(start, stop):
        call = graph.calls[number]
        results = call.node.run([values[place] for place in call.inputs], training=False)
        values.update({Place(number, index): result for index, result in enumerate(results)})
        for place in [place for place in values if last.get(place, INPUTS) <= number < stop - 1]:
            del values[place]
