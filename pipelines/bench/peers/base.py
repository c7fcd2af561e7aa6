"""What every contender can be asked for; each library is imported when its contender is made, not before."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from pipelines.bench.convolutions import Convolution
from pipelines.bench.nets import Array, Net

Variants = dict[str, Callable[[], Any]]
Weights = Sequence[Array] | None


class Work(NamedTuple):
    """Something to time, and how to look at its result.

    Attributes:
        run: what is timed; its result may lie in the library's own layout.
        array: turns the result into an array as scratchnet lays it out, outside the timing.
    """

    run: Callable[[], Any]
    array: Callable[[Any], Array] = np.asarray


class Contender(ABC):
    """A library at its best fair setting: float32, a given number of threads.

    Making one imports the library and sets its threads.

    Args:
        threads: how many it may use.

    Attributes:
        name: as the command takes it.
        title: as the tables say it.
        modules: what must be importable.
        distributions: whose versions the report names.
        predicts: whether `infer` returns something.
        trains: whether `train` returns something.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    modules: ClassVar[tuple[str, ...]] = ()
    distributions: ClassVar[tuple[str, ...]] = ()
    predicts: ClassVar[bool] = True
    trains: ClassVar[bool] = False

    def __init__(self, threads: int) -> None:
        self.threads = threads

    @classmethod
    def installed(cls) -> bool:
        """Whether the library is there; it is not imported to find out."""
        return all(find_spec(module) for module in cls.modules)

    @abstractmethod
    def infer(self, net: Net, weights: Weights, x: Array) -> Variants:
        """Ways to compute the network's output for some images.

        Args:
            net: the network.
            weights: in Keras's order; the library's own fresh ones if None.
            x: (batch, height, width, channels).

        Returns:
            By name, calls that return a NumPy array (batch, outputs); none where the library has no networks.
        """

    def train(self, net: Net, weights: Weights, x: Array, y: Array) -> Variants:
        """Ways to take a step of Adam on a batch; empty where the library does not train.

        Args:
            net: the network.
            weights: as in `infer`.
            x: (batch, height, width, channels).
            y: the targets of `Net.draw_batch`.

        Returns:
            By name, calls that change the weights and return the loss.
        """
        return {}

    def convolve(self, case: Convolution, x: Array, kernel: Array, dy: Array) -> Work | None:
        """A convolution or one of its gradients, or None where the library has no such function.

        Args:
            case: what to compute.
            x: (batch, size, size, channels).
            kernel: (3, 3, channels, filters).
            dy: (batch, size, size, filters).
        """
        return None

    def predict_first(self, net: Net, x: Array, model_file: Path) -> Array:
        """The network's output on the shortest way from nothing, for the time that a fresh process takes.

        Args:
            net: the network, to be built with fresh weights.
            x: (batch, height, width, channels).
            model_file: the network as ONNX, for libraries that do not build but read.
        """
        return np.asarray(next(iter(self.infer(net, None, x).values()))())
