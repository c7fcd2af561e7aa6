"""ONNX Runtime on its CPU provider."""

from pathlib import Path
from typing import Any

import numpy as np

from pipelines.bench.convolutions import Convolution
from pipelines.bench.nets import Array, Net
from pipelines.bench.peers.base import Contender, Variants, Weights, Work
from pipelines.bench.peers.onnx_graph import convolution_to_onnx, net_to_onnx


class OnnxRuntime(Contender):
    """All graph optimisations; images lie as NCHW, the only layout it knows."""

    name = "onnxruntime"
    title = "ONNX Runtime"
    modules = ("onnx", "onnxruntime")
    distributions = ("onnxruntime",)

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        import onnxruntime

        self._ort: Any = onnxruntime

    def _session(self, model: bytes | str) -> Any:
        options = self._ort.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.graph_optimization_level = self._ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        return self._ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def infer(self, net: Net, weights: Weights, x: Array) -> Variants:
        session = self._session(net_to_onnx(net, net.draw_weights() if weights is None else weights, len(x)))
        images = to_nchw(x)
        return {"session": lambda: session.run(None, {"x": images})[0]}

    def convolve(self, case: Convolution, x: Array, kernel: Array, dy: Array) -> Work | None:
        if case.direction != "forward":
            return None
        images = to_nchw(x)
        session = self._session(convolution_to_onnx(kernel, images.shape))
        return Work(lambda: session.run(None, {"x": images})[0], lambda result: result.transpose(0, 2, 3, 1))

    def predict_first(self, net: Net, x: Array, model_file: Path) -> Array:
        output: Array = self._session(str(model_file)).run(None, {"x": to_nchw(x)})[0]
        return output


def to_nchw(x: Array) -> Array:
    """Images in the order channels, rows, columns."""
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2))
