"""Activation functions by name, as layers' `activation=` takes them."""

from collections.abc import Callable
from typing import Any, TypeAlias

from scratchnet import ops
from scratchnet.ops import (
    elu,
    hard_sigmoid,
    hard_silu,
    leaky_relu,
    log_softmax,
    mish,
    relu,
    relu6,
    selu,
    sigmoid,
    silu,
    softmax,
    softplus,
    softsign,
    tanh,
)
from scratchnet.tensor import Tensor, as_tensor

__all__ = [
    "elu",
    "exponential",
    "gelu",
    "get",
    "hard_sigmoid",
    "hard_silu",
    "leaky_relu",
    "linear",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "softsign",
    "tanh",
]

Activation: TypeAlias = Callable[[Any], Tensor]


def linear(x: Any) -> Tensor:
    """`x` itself."""
    return as_tensor(x)


exponential = ops.exp


def gelu(x: Any, approximate: bool = False) -> Tensor:
    """`scratchnet.ops.gelu`, exact unless told otherwise."""
    return ops.gelu(x, approximate)


_BY_NAME: dict[str, Activation] = {
    "elu": elu,
    "exponential": exponential,
    "gelu": gelu,
    "hard_sigmoid": hard_sigmoid,
    "hard_silu": hard_silu,
    "hard_swish": hard_silu,
    "leaky_relu": leaky_relu,
    "linear": linear,
    "log_softmax": log_softmax,
    "mish": mish,
    "relu": relu,
    "relu6": relu6,
    "selu": selu,
    "sigmoid": sigmoid,
    "silu": silu,
    "softmax": softmax,
    "softplus": softplus,
    "softsign": softsign,
    "swish": silu,
    "tanh": tanh,
}


def get(identifier: str | Activation | None) -> Activation:
    """The function of a name; a function is returned as it is, None means `linear`.

    Raises:
        ValueError: there is no activation of this name.
    """
    if identifier is None:
        return linear
    if callable(identifier):
        return identifier
    if identifier not in _BY_NAME:
        raise ValueError(f"activation must be one of {', '.join(sorted(_BY_NAME))}, got {identifier!r}")
    return _BY_NAME[identifier]


def name_of(activation: Activation) -> str:
    """The name under which `get` finds the function again.

    Raises:
        ValueError: the function has no name here, so a model that uses it cannot be saved.
    """
    for name, function in _BY_NAME.items():
        if function is activation:
            return name
    raise ValueError(f"activation {activation!r} has no name, so it cannot be saved; use one of {', '.join(_BY_NAME)}")
