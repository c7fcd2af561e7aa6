"""Layers with Keras's names, defaults and semantics."""

from scratchnet.layers.activation import ELU, Activation, LeakyReLU, ReLU, Softmax
from scratchnet.layers.base import Layer
from scratchnet.layers.convolution import Conv2D, DepthwiseConv2D, SeparableConv2D
from scratchnet.layers.core import Dense, Flatten, Reshape, ZeroPadding2D
from scratchnet.layers.input import Input
from scratchnet.layers.merging import Add, Average, Concatenate, Maximum, Minimum, Multiply, Subtract
from scratchnet.layers.normalization import BatchNormalization
from scratchnet.layers.pooling import AveragePooling2D, GlobalAveragePooling2D, GlobalMaxPooling2D, MaxPooling2D
from scratchnet.layers.regularization import Dropout
from scratchnet.layers.rescaling import Normalization, Rescaling
from scratchnet.layers.unit_normalization import UnitNormalization

__all__ = [
    "ELU",
    "Activation",
    "Add",
    "Average",
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
    "Maximum",
    "Minimum",
    "Multiply",
    "Normalization",
    "ReLU",
    "Rescaling",
    "Reshape",
    "SeparableConv2D",
    "Softmax",
    "Subtract",
    "UnitNormalization",
    "ZeroPadding2D",
]
