"""Layers with Keras's names, defaults and semantics."""

from scratchnet.layers.activation import Activation, LeakyReLU, ReLU, Softmax
from scratchnet.layers.base import Layer
from scratchnet.layers.convolution import Conv2D, DepthwiseConv2D, SeparableConv2D
from scratchnet.layers.core import Dense, Flatten, Rescaling, Reshape, ZeroPadding2D
from scratchnet.layers.input import Input
from scratchnet.layers.merging import Add, Concatenate
from scratchnet.layers.normalization import BatchNormalization
from scratchnet.layers.pooling import AveragePooling2D, GlobalAveragePooling2D, GlobalMaxPooling2D, MaxPooling2D
from scratchnet.layers.regularization import Dropout

__all__ = [
    "Activation",
    "Add",
    "AveragePooling2D",
    "BatchNormalization",
    "Concatenate",
    "Conv2D",
    "Dense",
    "DepthwiseConv2D",
    "Dropout",
    "Flatten",
    "GlobalAveragePooling2D",
    "GlobalMaxPooling2D",
    "Input",
    "Layer",
    "LeakyReLU",
    "MaxPooling2D",
    "ReLU",
    "Rescaling",
    "Reshape",
    "SeparableConv2D",
    "Softmax",
    "ZeroPadding2D",
]
