"""OpenVINO on the CPU, computing in float32 as everybody here."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.bench.convolutions import Convolution
from pipelines.bench.nets import Array, Net
from pipelines.bench.peers.base import Contender, Variants, Weights, Work
from pipelines.bench.peers.onnx_graph import convolution_to_onnx, net_to_onnx
from pipelines.bench.peers.onnx_runtime import to_nchw


class OpenvinoCpu(Contender):
    """All threads on one request; a batch also divided among streams, one request with a part of it on each."""

    name = "openvino"
    title = "OpenVINO"
    modules = ("onnx", "openvino")
    distributions = ("openvino",)

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        import openvino

        self._core: Any = openvino.Core()

    def _compile(self, model: bytes | str, streams: int = 1) -> Any:
        settings: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": self.threads,
            "PERFORMANCE_HINT": "LATENCY" if streams == 1 else "THROUGHPUT",
            "NUM_STREAMS": streams,
        }
        return self._core.compile_model(self._core.read_model(model), "CPU", settings)

    def _latency(self, model: bytes | str, images: Array) -> Callable[[], Array]:
        request = self._compile(model).create_infer_request()

        def run() -> Array:
            output: Array = request.infer({0: images}, share_inputs=True, share_outputs=True)[0]
            return output

        return run

    def _streams(self, model: bytes, images: Array) -> Callable[[], Array]:
        compiled = self._compile(model, self.threads)
        requests = [compiled.create_infer_request() for _ in range(self.threads)]
        parts = np.split(images, self.threads)

        def run() -> Array:
            for request, part in zip(requests, parts, strict=True):
                request.start_async({0: part}, share_inputs=True)
            for request in requests:
                request.wait()
            return np.concatenate([request.get_output_tensor(0).data for request in requests])

        return run

    def infer(self, net: Net, weights: Weights, x: Array) -> Variants:
        weights = net.draw_weights() if weights is None else weights
        images = to_nchw(x)
        variants: Variants = {"latency": self._latency(net_to_onnx(net, weights, len(x)), images)}
        if self.threads > 1 and len(x) % self.threads == 0:
            part = len(x) // self.threads
            variants["streams"] = self._streams(net_to_onnx(net, weights, part), images)
        return variants

    def convolve(self, case: Convolution, x: Array, kernel: Array, dy: Array) -> Work | None:
        if case.direction != "forward":
            return None
        images = to_nchw(x)
        run = self._latency(convolution_to_onnx(kernel, images.shape), images)
        return Work(run, lambda result: result.transpose(0, 2, 3, 1))

    def predict_first(self, net: Net, x: Array, model_file: Path) -> Array:
        return self._latency(str(model_file), to_nchw(x))()
