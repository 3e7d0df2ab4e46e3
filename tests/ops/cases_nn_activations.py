"""Cases for activations, bias, softmax and the fused cross entropies: see `op_cases.py` for what a case is."""

from __future__ import annotations

import ml_dtypes
import numpy as np

from tests.ops.op_cases import Case, distinct, floats, integers, positive

_X = distinct(3, 5, step=0.37)  # no element at a kink


def _unary(op, **attrs):
    return [
        Case(op, [_X], attrs, grad=True),
        Case(op, [floats(0, 3)], attrs),
        Case(op, [floats(4, dtype=ml_dtypes.bfloat16)], attrs),
        Case(op, [[-np.inf, np.inf, np.nan, 0.0]], attrs),
    ]


def _gradient(op, **attrs):
    return Case(op, [floats(3, 5), _X], attrs, grad=True)


def _probabilities(*shape):
    """The op's gradient holds for labels that sum to 1."""

    def make(rng):
        values = rng.uniform(0.1, 1.0, shape)
        return (values / values.sum(-1, keepdims=True)).astype(np.float32)

    return make


def _one_hot(rows, classes):
    return np.eye(classes, dtype=np.float32)[np.arange(rows) % classes]


CASES = [
    *_unary("Relu"),
    *_unary("Relu6"),
    *_unary("LeakyRelu", alpha=0.3),
    *_unary("Elu"),
    *_unary("Selu"),
    Case("Relu", [integers(5)]),
    Case("Relu6", [integers(5, low=-9, high=9, dtype=np.uint8)]),
    Case("Elu", [integers(5)], raises="InvalidArgumentError"),
    _gradient("ReluGrad"),
    _gradient("Relu6Grad"),
    _gradient("LeakyReluGrad", alpha=0.3),
    _gradient("EluGrad"),
    _gradient("SeluGrad"),
    Case("Softmax", [floats(3, 5)], grad=True),
    Case("Softmax", [floats(2, 3, 4)], grad=True),
    Case("Softmax", [[1000.0, 1001.0, -np.inf]]),
    Case("Softmax", [floats(3, 0)]),
    Case("Softmax", [floats(5, dtype=np.float16)]),
    Case("LogSoftmax", [floats(3, 5)], grad=True),
    Case("LogSoftmax", [[1000.0, 1001.0, -np.inf]]),
    Case("BiasAdd", [floats(2, 3, 4), floats(4)], grad=True),
    Case("BiasAdd", [floats(2, 3, 4, 5), floats(3)], {"data_format": "NCHW"}, grad=True),
    Case("BiasAdd", [integers(2, 3), integers(3)]),
    Case("BiasAddV1", [floats(2, 3, 4), floats(4)], grad=True),
    Case("BiasAdd", [floats(2, 3), floats(2)], raises="InvalidArgumentError"),
    Case("BiasAdd", [floats(2, 3), floats(3, 1)], raises="InvalidArgumentError"),
    Case("BiasAddGrad", [floats(2, 3, 4)], grad=True),
    Case("BiasAddGrad", [floats(2, 3, 4, 5)], {"data_format": "NCHW"}, grad=True),
    Case("SoftmaxCrossEntropyWithLogits", [floats(4, 3), _probabilities(4, 3)], grad=True),
    Case("SoftmaxCrossEntropyWithLogits", [floats(4, 3), _one_hot(4, 3)], grad=[0]),
    Case("SoftmaxCrossEntropyWithLogits", [floats(4, 3), _probabilities(1, 3)], grad=True),
    Case("SoftmaxCrossEntropyWithLogits", [[[0.0, -np.inf]], [[1.0, 0.0]]]),
    Case("SoftmaxCrossEntropyWithLogits", [floats(4, 3), positive(4, 2)], raises="InvalidArgumentError"),
    Case("SparseSoftmaxCrossEntropyWithLogits", [floats(4, 3), [0, 2, 1, 2]], grad=[0]),
    Case("SparseSoftmaxCrossEntropyWithLogits", [floats(2, 3), np.array([0, 2])]),
    Case("SparseSoftmaxCrossEntropyWithLogits", [floats(2, 3), [0, 3]], raises="InvalidArgumentError"),
    Case("SparseSoftmaxCrossEntropyWithLogits", [floats(2, 3), [0]], raises="InvalidArgumentError"),
]
