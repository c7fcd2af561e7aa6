"""Differentiable operations: each takes arrays or tensors and returns a tensor that knows its way back."""

from scratchnet.ops.activations import (
    elu,
    gelu,
    leaky_relu,
    log_softmax,
    relu,
    relu6,
    sigmoid,
    silu,
    softmax,
    softplus,
    tanh,
)
from scratchnet.ops.arithmetic import (
    abs,  # the field's own name
    add,
    cast,
    clip,
    divide,
    exp,
    log,
    maximum,
    minimum,
    multiply,
    negative,
    power,
    sqrt,
    square,
    subtract,
)
from scratchnet.ops.conv import conv2d, depthwise_conv2d
from scratchnet.ops.cross_entropy import (
    binary_cross_entropy_with_logits,
    cross_entropy_with_logits,
    sparse_cross_entropy_with_logits,
)
from scratchnet.ops.dropout import dropout
from scratchnet.ops.linear import dense, matmul
from scratchnet.ops.norm import batch_normalization, batch_normalization_training
from scratchnet.ops.pool import average_pool2d, global_average_pool2d, global_max_pool2d, max_pool2d
from scratchnet.ops.reduction import (
    max,
    mean,
    sum,
)
from scratchnet.ops.shape import concatenate, getitem, pad, reshape, transpose

__all__ = [
    "abs",
    "add",
    "average_pool2d",
    "batch_normalization",
    "batch_normalization_training",
    "binary_cross_entropy_with_logits",
    "cast",
    "clip",
    "concatenate",
    "conv2d",
    "cross_entropy_with_logits",
    "dense",
    "depthwise_conv2d",
    "divide",
    "dropout",
    "elu",
    "exp",
    "gelu",
    "getitem",
    "global_average_pool2d",
    "global_max_pool2d",
    "leaky_relu",
    "log",
    "log_softmax",
    "matmul",
    "max",
    "max_pool2d",
    "maximum",
    "mean",
    "minimum",
    "multiply",
    "negative",
    "pad",
    "power",
    "relu",
    "relu6",
    "reshape",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "sparse_cross_entropy_with_logits",
    "sqrt",
    "square",
    "subtract",
    "sum",
    "tanh",
    "transpose",
]
