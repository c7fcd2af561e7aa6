"""A Keras model's layers in their places."""

from collections.abc import Iterator
from dataclasses import dataclass

from scratchnet.layers.base import Layer, snake_case
from scratchnet.models.model import Model


@dataclass
class Entry:
    """A layer of a Keras model in its place, as weights are found by it.

    Attributes:
        key: its class in snake case; with a number behind it, Keras's name for its weights.
        name: Keras's name of the layer.
        layer: ours; None for an input.
        entries: of a model.
        cost: how many calls of layers one call of it makes.
    """

    key: str
    name: str
    layer: Layer | None = None
    entries: "list[Entry] | None" = None
    cost: int = 1

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
