"""Steps in order, and which results nothing needs any more."""

from collections.abc import Sequence

from scratchnet.layers.symbolic import SymbolicTensor
from scratchnet.models.fusion import Step
from scratchnet.tensor import Tensor


class Schedule:
    """A graph's steps, ready to run on tensors.

    Args:
        steps: each after those it depends on.
        inputs: of the graph.
        outputs: of the graph.
    """

    def __init__(self, steps: Sequence[Step], inputs: list[SymbolicTensor], outputs: list[SymbolicTensor]) -> None:
        self.inputs = [id(symbol) for symbol in inputs]
        self.outputs = [id(symbol) for symbol in outputs]
        last = {id(symbol): number for number, step in enumerate(steps) for symbol in [*step.inputs, *step.outputs]}
        self._symbols = [*inputs, *outputs, *(symbol for step in steps for symbol in [*step.inputs, *step.outputs])]
        self.steps = [
            (
                step.run,
                [id(symbol) for symbol in step.inputs],
                [id(symbol) for symbol in step.outputs],
                [symbol for symbol, at in last.items() if at == number and symbol not in self.outputs],
            )
            for number, step in enumerate(steps)
        ]

    def run(self, tensors: list[Tensor], training: bool) -> list[Tensor]:
        """The outputs for some inputs; what no later step needs is let go at once."""
        values = dict(zip(self.inputs, tensors, strict=True))
        for run, inputs, outputs, finished in self.steps:
            results = run([values[symbol] for symbol in inputs], training)
            values.update(zip(outputs, results, strict=True))
            for symbol in finished:
                del values[symbol]
        return [values[symbol] for symbol in self.outputs]
