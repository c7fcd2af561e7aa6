"""Our own engine, through the same doors as a user."""

from pipelines.bench.convolutions import Convolution
from pipelines.bench.nets import Array, Net
from pipelines.bench.peers.base import Contender, Variants, Weights, Work


class Scratchnet(Contender):
    """`predict` and `train_on_batch` of a model, and the operations."""

    name = "scratchnet"
    title = "scratchnet"
    modules = ("scratchnet",)
    distributions = ("numpy", "numba")
    trains = True

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        import numba

        import scratchnet

        numba.set_num_threads(threads)
        self._sn = scratchnet

    def infer(self, net: Net, weights: Weights, x: Array) -> Variants:
        model = net.build()
        if weights is not None:
            model.set_weights(weights)
        return {"predict": lambda: model.predict(x, batch_size=len(x))}

    def train(self, net: Net, weights: Weights, x: Array, y: Array) -> Variants:
        model = net.build()
        if weights is not None:
            model.set_weights(weights)
        return {"train_on_batch": lambda: model.train_on_batch(x, y)}

    def convolve(self, case: Convolution, x: Array, kernel: Array, dy: Array) -> Work:
        sn = self._sn
        by_input, by_kernel = case.direction == "input gradient", case.direction == "kernel gradient"
        images, weights = sn.Tensor(x, requires_grad=by_input), sn.Tensor(kernel, requires_grad=by_kernel)
        if case.direction == "forward":
            return Work(lambda: sn.ops.conv2d(images, weights, padding="same").data)
        creator = sn.ops.conv2d(images, weights, padding="same").creator
        assert creator is not None  # one of the two requires a gradient
        return Work(lambda: creator.backward(dy)[0 if by_input else 1])
