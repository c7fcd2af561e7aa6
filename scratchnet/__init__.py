"""scratchnet: a CNN framework written from scratch in Python and Numba, with Keras's names.

>>> import numpy as np
>>> import scratchnet as sn
>>> sn.set_random_seed(0)
>>> model = sn.Sequential([sn.layers.Input((8, 8, 1)), sn.layers.Flatten(), sn.layers.Dense(2, activation="softmax")])
>>> model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
>>> history = model.fit(np.zeros((4, 8, 8, 1)), np.array([0, 1, 0, 1]), epochs=1, verbose=0)
>>> model.predict(np.zeros((1, 8, 8, 1))).shape
(1, 2)
"""
# ruff: noqa: E402  # Numba is prepared before anything imports it

import importlib
from types import ModuleType

from scratchnet.environment import prepare_numba

prepare_numba()

from scratchnet import (
    activations,
    callbacks,
    explain,
    initializers,
    layers,
    losses,
    metrics,
    ops,
    optimizers,
    regularizers,
    schedules,
)
from scratchnet.formats.errors import ModelFileError
from scratchnet.formats.loading import load_model
from scratchnet.kernels.conv import set_exact
from scratchnet.layers import Input
from scratchnet.models import Model, Sequential
from scratchnet.parameter import Parameter
from scratchnet.random import set_random_seed
from scratchnet.startup import warmup
from scratchnet.tensor import Tensor, no_grad

__version__ = "0.1.0"

__all__ = [
    "Input",
    "Model",
    "ModelFileError",
    "Parameter",
    "Sequential",
    "Tensor",
    "__version__",
    "activations",
    "callbacks",
    "explain",
    "initializers",
    "layers",
    "load_model",
    "losses",
    "metrics",
    "no_grad",
    "ops",
    "optimizers",
    "regularizers",
    "schedules",
    "set_exact",
    "set_random_seed",
    "warmup",
]


def __getattr__(name: str) -> ModuleType:
    """`scratchnet.features` needs scikit-learn, so it is imported when it is first asked for."""
    if name == "features":
        return importlib.import_module("scratchnet.features")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
