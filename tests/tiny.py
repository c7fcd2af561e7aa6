"""A recipe as small as can be trained, and the command as the tests call it."""

from collections.abc import Callable
from typing import NamedTuple

TINY = """
name = "tiny"
description = "As little as can be trained"

[input]
height = 16
width = 16

[data]
validation = 0.2
test = 0.2

[augmentation]
horizontal_flip = true
rotation = 10

[[network]]
layer = "Conv2D"
filters = 4
kernel_size = 3
strides = 2
activation = "relu"
[[network]]
layer = "BatchNormalization"
momentum = 0.9
[[network]]
layer = "Flatten"
[[network]]
layer = "Dropout"
rate = 0.2
[[network]]
layer = "Dense"
units = "classes"
activation = "softmax"

[training]
batch_size = 16
epochs = 2

[training.optimizer]
name = "adam"
learning_rate = 0.01

[training.reduce_lr_on_plateau]
factor = 0.5
patience = 1
"""

# the same, where nothing is chosen by validation images
PLAIN = TINY[: TINY.index("[training.reduce")] + '[training.checkpoint]\nkeep = "last"\n'


class Done(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    err: str


Command = Callable[..., Done]
