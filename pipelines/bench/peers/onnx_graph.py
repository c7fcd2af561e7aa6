"""The networks as ONNX, for the runtimes that read it."""

from collections.abc import Sequence

import numpy as np

from pipelines.bench.nets import Array, Net, Shape


def net_to_onnx(net: Net, weights: Sequence[Array], batch: int) -> bytes:
    """The network for a fixed number of NCHW images, ONNX's own layout, without any transposition.

    Args:
        net: the network.
        weights: in Keras's order.
        batch: images per call.
    """
    from scratchnet.formats.onnx_writing import model_to_onnx

    model = net.build()
    model.set_weights(weights)
    return model_to_onnx(model, batch, channels_first=True)


def convolution_to_onnx(kernel: Array, input_shape: Shape) -> bytes:
    """A 3x3 convolution with zeros around the image.

    Args:
        kernel: (3, 3, channels, filters).
        input_shape: of the NCHW images.
    """
    import scratchnet as sn
    from scratchnet.formats.onnx_writing import model_to_onnx

    batch, channels, height, width = input_shape
    layer = sn.layers.Conv2D(kernel.shape[3], 3, padding="same", use_bias=False)
    model = sn.Sequential([sn.Input((height, width, channels), name="x"), layer])
    layer.set_weights([np.ascontiguousarray(kernel)])
    return model_to_onnx(model, batch, channels_first=True)
