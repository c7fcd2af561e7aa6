"""Optimisers: from gradients to new weights. The arithmetic is in `scratchnet.kernels.optim`."""

from collections.abc import Mapping
from typing import Any

from scratchnet import serialization
from scratchnet.optimizers.adam import Adam, AdamW
from scratchnet.optimizers.base import Optimizer
from scratchnet.optimizers.rmsprop import RMSprop
from scratchnet.optimizers.sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "RMSprop", "get", "serialize"]

_REGISTRY: Mapping[str, type[Optimizer]] = {"sgd": SGD, "rmsprop": RMSprop, "adam": Adam, "adamw": AdamW}


def get(identifier: Optimizer | str | Mapping[str, Any] | None) -> Optimizer | None:
    """Return the optimiser that `identifier` names, see `scratchnet.serialization.deserialize`."""
    return serialization.deserialize("optimizer", _REGISTRY, identifier, Optimizer)


def serialize(optimizer: Optimizer | None) -> dict[str, Any] | None:
    """Describe an optimiser, without its state, so that `get` can build it again."""
    return serialization.serialize(optimizer)
