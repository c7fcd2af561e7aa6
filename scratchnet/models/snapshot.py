"""A model at one moment, and whether it still is as it was then."""

from collections.abc import Iterable, Sequence

import numpy as np

from scratchnet.arrays import AnyArray
from scratchnet.kernels import conv
from scratchnet.layers.base import Layer
from scratchnet.layers.symbolic import Node
from scratchnet.parameter import Parameter, at_one_moment, latest_change, values_of


def configuration(layers: Iterable[Layer]) -> list[int]:
    """Other numbers whenever an attribute of a layer was set that plans are made by.

    Layers of the user's own run as they are, and may set what they like at every call.
    """
    return [layer._version for layer in layers if type(layer).__module__.startswith("scratchnet.layers.")]


class Snapshot:
    """What a graph's inference depends on, as it is now: the values of the weights, and how the layers are set.

    Args:
        graphs: the calls of a model, and those of each model within it.

    Attributes:
        weights: of all layers.
        values: what they are, for `reading`.
    """

    def __init__(self, graphs: Sequence[Sequence[Node]]) -> None:
        self._layers = list({id(node.layer): node.layer for nodes in graphs for node in nodes}.values())
        found = [weight for layer in self._layers for weight in (*layer.weights, *_given(layer))]
        self.weights = list({id(weight): weight for weight in found}.values())
        self._seen = latest_change()  # before anything is read: a change meanwhile is found later
        self._exact, self._configuration = conv.is_exact(), configuration(self._layers)
        with at_one_moment():
            self._versions = [weight.version for weight in self.weights]
            self._lent = [weight.is_lent for weight in self.weights]
            self.values = values_of(self.weights)
        self._is_watching = any(self._lent)

    def is_current(self) -> bool:
        """Whether everything is as it was. Whoever may be writing to weights: what they were before is current."""
        if self._seen == latest_change() and not self._is_watching and self._exact == conv.is_exact():
            return True
        return self._is_equal()

    def _is_equal(self) -> bool:
        """Whether all that may have changed is what it was nevertheless; waits only for those who write to that."""
        seen = latest_change()
        if self._exact != conv.is_exact() or self._configuration != configuration(self._layers):
            return False
        suspects = [
            number for number, weight in enumerate(self.weights)
            if weight.version != self._versions[number] or self._lent[number]
        ]  # fmt: skip
        if suspects and not self._are_equal(suspects):
            return False
        self._seen = seen
        return True

    def _are_equal(self, numbers: Sequence[int]) -> bool:
        with at_one_moment():
            for number in numbers:
                weight = self.weights[number]
                lent = weight.is_lent  # before comparing: who gives an array back may have written to it until then
                if not _same_bits(weight.data, self.values[id(weight)]):
                    return False
                self._versions[number], self._lent[number] = weight.version, lent
                if not lent:
                    self.values.update(values_of([weight]))
            self._is_watching = any(self._lent)
        return True


def _given(layer: Layer) -> list[Parameter]:
    """Weights that the user has put in the place of the layer's own."""
    return [value for value in vars(layer).values() if isinstance(value, Parameter)]


def _same_bits(a: AnyArray, b: AnyArray) -> bool:
    if a is b:
        return True
    return a.dtype == b.dtype and a.shape == b.shape and np.array_equal(_bits(a), _bits(b))


def _bits(array: AnyArray) -> AnyArray:
    return np.ascontiguousarray(array).view(f"u{array.itemsize}")
