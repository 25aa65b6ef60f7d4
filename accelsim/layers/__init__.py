"""Operators: shapes, parameters, MACs and lowering. One file per family."""

from accelsim.layers.base import Layer, Shape
from accelsim.layers.conv import Conv2d
from accelsim.layers.elementwise import Activation, Add, BatchNorm2d, ReLU, ReLU6, Sigmoid, Softmax, Tanh
from accelsim.layers.linear import Linear
from accelsim.layers.pool import AvgPool2d, GlobalAvgPool, MaxPool2d
from accelsim.layers.shape import Concat, Flatten, Slice
from accelsim.layers.work import Move, VectorWork, WorkItem

__all__ = [
    "Activation",
    "Add",
    "AvgPool2d",
    "BatchNorm2d",
    "Concat",
    "Conv2d",
    "Flatten",
    "GlobalAvgPool",
    "Layer",
    "Linear",
    "MaxPool2d",
    "Move",
    "ReLU",
    "ReLU6",
    "Shape",
    "Sigmoid",
    "Slice",
    "Softmax",
    "Tanh",
    "VectorWork",
    "WorkItem",
]
