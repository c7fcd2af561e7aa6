"""PyTorch, eagerly, with channels-last tensors, the faster layout on processors."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from pipelines.bench.convolutions import Convolution
from pipelines.bench.nets import Array, LayerSpec, Net, Shape
from pipelines.bench.peers.base import Contender, Variants, Weights, Work


class TorchEager(Contender):
    """Modules in inference mode, and a step of Adam with the default implementation, which treats weights together."""

    name = "torch"
    title = "PyTorch"
    modules = ("torch",)
    distributions = ("torch",)
    trains = True

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        import torch

        torch.set_num_threads(threads)
        self._torch: Any = torch

    def _build(self, net: Net, weights: Weights) -> Any:
        """The network up to its last activation, which in training is part of the loss."""
        torch = self._torch
        rest = None if weights is None else iter(weights)
        modules: list[Any] = []
        for layer, (before, after) in zip(net.layers, pairwise(net.shapes()), strict=True):
            modules.extend(self._modules(layer, before, after, rest))
        modules.pop()
        return torch.nn.Sequential(*modules).to(memory_format=torch.channels_last)

    def _modules(self, layer: LayerSpec, before: Shape, after: Shape, rest: Iterator[Array] | None) -> Iterator[Any]:
        torch, nn = self._torch, self._torch.nn
        kind, options = layer
        module = {
            "Conv2D": lambda: nn.Conv2d(before[-1], after[-1], options["kernel_size"], padding=options["padding"]),
            # Keras's momentum is the share of the old average, PyTorch's that of the new value
            "BatchNormalization": lambda: (nn.BatchNorm2d if len(before) == 3 else nn.BatchNorm1d)(
                before[-1], eps=options["epsilon"], momentum=1 - options["momentum"]
            ),
            "ReLU": nn.ReLU,
            "MaxPooling2D": lambda: nn.MaxPool2d(options["pool_size"]),
            "Flatten": lambda: _flatten_channels_last(torch),
            "Dense": lambda: nn.Linear(before[-1], after[-1]),
            "Dropout": lambda: nn.Dropout(options["rate"]),
        }[kind]()
        names = {
            "Conv2D": ("weight", "bias"),
            "Dense": ("weight", "bias"),
            "BatchNormalization": ("weight", "bias", "running_mean", "running_var"),
        }.get(kind, ())
        if rest is not None:
            with torch.no_grad():
                for name in names:
                    value = next(rest)
                    if name == "weight" and value.ndim == 4:
                        value = value.transpose(3, 2, 0, 1)
                    elif name == "weight":
                        value = value.T
                    getattr(module, name).copy_(torch.from_numpy(np.ascontiguousarray(value)))
        yield module
        if layer.options.get("activation"):
            yield _activation(nn, layer)

    def _images(self, x: Array) -> Any:
        """NHWC in memory, which PyTorch calls channels-last and shows as NCHW."""
        return self._torch.from_numpy(x).permute(0, 3, 1, 2).contiguous(memory_format=self._torch.channels_last)

    def infer(self, net: Net, weights: Weights, x: Array) -> Variants:
        torch = self._torch
        model = self._build(net, weights)
        model = model.append(_activation(torch.nn, net.layers[-1])).eval()
        images = self._images(x)

        def predict() -> Any:
            with torch.inference_mode():
                return model(images).numpy()

        return {"inference_mode": predict}

    def train(self, net: Net, weights: Weights, x: Array, y: Array) -> Variants:
        torch = self._torch
        model = self._build(net, weights).train()
        images, targets = self._images(x), torch.from_numpy(y)
        functional = torch.nn.functional
        loss_of: Callable[..., Any] = (
            functional.binary_cross_entropy_with_logits
            if net.loss == "binary_crossentropy"
            else functional.cross_entropy
        )
        optimizer = torch.optim.Adam(model.parameters(), net.learning_rate, eps=1e-7)  # Keras's epsilon

        def step() -> float:
            optimizer.zero_grad(set_to_none=True)
            loss = loss_of(model(images), targets)
            loss.backward()
            optimizer.step()
            return float(loss.item())

        return {"eager": step}

    def convolve(self, case: Convolution, x: Array, kernel: Array, dy: Array) -> Work:
        torch = self._torch
        images, cotangent = self._images(x), self._images(dy)
        weights = torch.from_numpy(kernel).permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last)
        if case.direction == "forward":

            def forward() -> Any:
                with torch.inference_mode():
                    return torch.nn.functional.conv2d(images, weights, padding=1)

            return Work(forward, lambda result: result.permute(0, 2, 3, 1).numpy())
        wanted = [case.direction == "input gradient", case.direction == "kernel gradient", False]
        place, order = (0, (0, 2, 3, 1)) if wanted[0] else (1, (2, 3, 1, 0))

        def backward() -> Any:
            with torch.inference_mode():
                return torch.ops.aten.convolution_backward(
                    cotangent, images, weights, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1, wanted
                )[place]

        return Work(backward, lambda result: result.permute(*order).numpy())


def _activation(nn: Any, layer: LayerSpec) -> Any:
    return {"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "softmax": lambda: nn.Softmax(1)}[layer.options["activation"]]()


def _flatten_channels_last(torch: Any) -> Any:
    """Flattening in the order of memory costs nothing, and is Keras's order."""

    class FlattenChannelsLast(torch.nn.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            return x.permute(0, 2, 3, 1).flatten(1)

    return FlattenChannelsLast()
