"""The layers of Keras that can be read, and for each the options that are taken over, or that must ask for nothing."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from scratchnet import layers
from scratchnet.layers.base import Layer


class Spec(NamedTuple):
    """How a layer of Keras is read.

    Attributes:
        make: our layer.
        options: passed on, by Keras's name.
        renamed: options that Keras 2 called otherwise, and their names now.
        unused: options without an effect on the layer, whatever their value.
    """

    make: type[Layer]
    options: frozenset[str]
    renamed: Mapping[str, str] = {}
    unused: frozenset[str] = frozenset()


def _spec(make: type[Layer], options: str = "", unused: str = "", **renamed: str) -> Spec:
    return Spec(make, frozenset(options.split()), renamed, frozenset(unused.split()))


_WINDOW = "kernel_size strides padding dilation_rate activation use_bias bias_initializer bias_regularizer"
_KERNEL = "kernel_initializer kernel_regularizer"
_DEPTHWISE = "depth_multiplier depthwise_initializer depthwise_regularizer"
_POOL = "pool_size strides padding"

SPECS: Mapping[str, Spec] = {
    "Activation": _spec(layers.Activation, "activation"),
    "Add": _spec(layers.Add),
    "Average": _spec(layers.Average),
    "AveragePooling2D": _spec(layers.AveragePooling2D, _POOL),
    "BatchNormalization": _spec(
        layers.BatchNormalization,
        "axis momentum epsilon center scale beta_initializer gamma_initializer moving_mean_initializer "
        "moving_variance_initializer beta_regularizer gamma_regularizer",
        unused="renorm_momentum",  # `renorm` itself must be off
    ),
    "Concatenate": _spec(layers.Concatenate, "axis"),
    "Conv2D": _spec(layers.Conv2D, f"filters groups {_WINDOW} {_KERNEL}"),
    "Dense": _spec(layers.Dense, f"units activation use_bias bias_initializer bias_regularizer {_KERNEL}"),
    "DepthwiseConv2D": _spec(layers.DepthwiseConv2D, f"{_WINDOW} {_DEPTHWISE}", unused=_KERNEL),
    "Dropout": _spec(layers.Dropout, "rate seed noise_shape"),
    "ELU": _spec(layers.ELU, "alpha"),
    "Flatten": _spec(layers.Flatten),
    "GlobalAveragePooling2D": _spec(layers.GlobalAveragePooling2D, "keepdims"),
    "GlobalMaxPooling2D": _spec(layers.GlobalMaxPooling2D, "keepdims"),
    "LeakyReLU": _spec(layers.LeakyReLU, "negative_slope", alpha="negative_slope"),
    "MaxPooling2D": _spec(layers.MaxPooling2D, _POOL),
    "Maximum": _spec(layers.Maximum),
    "Minimum": _spec(layers.Minimum),
    "Multiply": _spec(layers.Multiply),
    "Normalization": _spec(layers.Normalization, "axis mean variance invert"),
    "ReLU": _spec(layers.ReLU, "max_value negative_slope threshold"),
    "Rescaling": _spec(layers.Rescaling, "scale offset"),
    "Reshape": _spec(layers.Reshape, "target_shape"),
    "SeparableConv2D": _spec(
        layers.SeparableConv2D,
        f"filters {_WINDOW} {_DEPTHWISE} pointwise_initializer pointwise_regularizer",
        unused=_KERNEL,  # Keras 2 writes those of its base class
    ),
    "Softmax": _spec(layers.Softmax, "axis"),
    "Subtract": _spec(layers.Subtract),
    "UnitNormalization": _spec(layers.UnitNormalization, "axis"),
    "ZeroPadding2D": _spec(layers.ZeroPadding2D, "padding"),
}

# Options that scratchnet lacks, and the values with which they ask for nothing. So does None everywhere.
ASK_FOR_NOTHING: Mapping[str, tuple[Any, ...]] = {
    "activity_regularizer": (),
    "adjustment": (),
    "autocast": (True,),
    "batch_input_shape": (),  # read where a `Sequential` begins
    "batch_shape": (),
    "data_format": ("channels_last",),
    "fused": (True, False),
    "groups": (1,),
    "lora_alpha": (),
    "lora_rank": (),
    "noise_shape": (),
    "quantization_config": (),
    "quantization_mode": (),
    "renorm": (False,),
    "renorm_clipping": (),
    "renorm_momentum": (),
    "sparse": (False,),
    "synchronized": (False,),
    "virtual_batch_size": (),
}

# Where a class is asked for that must not, or cannot, be built: why.
REFUSED: Mapping[str, str] = {
    "Lambda": "carries Python code, and code from a file is never run",
    "SlicingOpLambda": "is a TensorFlow operation, not a layer",
    "TFOpLambda": "is a TensorFlow operation, not a layer",
    "TensorFlowOpLayer": "is a TensorFlow operation, not a layer",
    "TFSMLayer": "runs another file's code, which is never done",
}
