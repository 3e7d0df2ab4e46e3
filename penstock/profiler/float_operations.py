"""How many float operations a node takes: a table from op types to formulas, with TensorFlow's counts."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any


class UnknownShapeError(ValueError):
    """A size that the count needs is not known."""


def _size(tensor: Any) -> int:
    found = tensor.shape.num_elements()
    if found is None:
        raise UnknownShapeError(f"{tensor.name}: its shape {tensor.shape} is not fully known")
    return found


def _per_element(count: int) -> Callable[[Any], int]:
    """So many for each element of the result."""
    return lambda op: _size(op.outputs[0]) * count


def _update(op: Any) -> int:
    return _size(op.inputs[1])


def _reduction(finish: int) -> Callable[[Any], int]:
    """One for each element that goes in, and `finish` for each that comes out instead of the last one."""
    return lambda op: _size(op.inputs[0]) + _size(op.outputs[0]) * (finish - 1)


def _matmul(op: Any) -> int:
    transposed = op.attrs.get("transpose_a", op.attrs.get("adj_x", False))
    dims = op.inputs[0].shape.as_list()
    inner = dims[-2 if transposed else -1]
    if inner is None:
        raise UnknownShapeError(f"{op.name}: the inner size is not known")
    return _size(op.outputs[0]) * inner * 2


def _convolution(op: Any) -> int:
    """Two for each element of the result and of one filter."""
    kernel = op.inputs[1]
    return 2 * _size(op.outputs[0]) * (_size(kernel) // kernel.shape.as_list()[-1])


def _depthwise(op: Any) -> int:
    height, width = op.inputs[1].shape.as_list()[:2]
    return 2 * _size(op.outputs[0]) * height * width


def _backprop(image: Callable[[Any], Any], kernel: Callable[[Any], Any]) -> Callable[[Any], int]:
    def count(op: Any) -> int:
        _, height, width, _ = op.attrs["strides"]
        shape = image(op).shape.as_list()
        return 2 * _size(image(op)) * _size(kernel(op)) // (shape[-1] * height * width)

    return count


def _pool(tensor: Callable[[Any], Any], times: int = 1, more: int = 0) -> Callable[[Any], int]:
    return lambda op: (math.prod(op.attrs["ksize"]) * times + more) * _size(tensor(op))


def _output(op: Any) -> Any:
    return op.outputs[0]


def _input(index: int) -> Callable[[Any], Any]:
    return lambda op: op.inputs[index]


_COUNTS: dict[str, Callable[[Any], int]] = {
    **dict.fromkeys(("Reciprocal", "Square", "Log", "Neg"), _per_element(1)),
    **dict.fromkeys(
        (
            "Add", "AddV2", "Sub", "Mul", "RealDiv", "Maximum", "Minimum", "Pow", "GreaterEqual", "Greater", "LessEqual",
            "Less", "Equal", "NotEqual", "BiasAdd",
        ),
        _per_element(1),
    ),
    "Rsqrt": _per_element(2),
    "SquaredDifference": _per_element(2),
    "RsqrtGrad": _per_element(4),
    "Softmax": _per_element(5),
    "L2Loss": lambda op: 3 * _size(op.inputs[0]) - 1,
    **dict.fromkeys(("AssignAddVariableOp", "AssignSubVariableOp"), _update),
    **dict.fromkeys(("Sum", "ArgMax", "ArgMin", "BiasAddGrad"), _reduction(0)),
    "Mean": _reduction(1),
    "AddN": lambda op: _size(op.outputs[0]) * (len(op.inputs) - 1),
    **dict.fromkeys(("MatMul", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3"), _matmul),
    **dict.fromkeys(("Conv2D", "Conv3D"), _convolution),
    "DepthwiseConv2dNative": _depthwise,
    "Conv2DBackpropInput": _backprop(_output, _input(1)),
    "Conv2DBackpropFilter": _backprop(_input(0), _output),
    **dict.fromkeys(("AvgPool", "MaxPool"), _pool(_output)),
    "AvgPoolGrad": _pool(_input(1), times=2),
    "MaxPoolGrad": _pool(_input(1), more=1),
    "Dilation2D": lambda op: 2 * _size(op.outputs[0]) * math.prod(op.inputs[1].shape.as_list()[:2]),
}  # fmt: skip


def float_operations(operation: Any) -> int:
    """The float operations of a node; 0 where its op is not in the table, or a size is not known."""
    count = _COUNTS.get(operation.type)
    if count is None:
        return 0
    try:
        return int(count(operation))
    except (UnknownShapeError, TypeError):  # a size is None
        return 0
