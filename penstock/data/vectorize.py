"""Functions of one element as functions of a batch: the same operations on arrays with one dimension more.

Only operations are taken whose results for a batch are, bit for bit, the results for its elements: elementwise ones,
those that move data, comparisons, reductions that do not round. Anything else, and anything with state or effects,
leaves the function as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.data.element import ElementFunction
from penstock.engine import context
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.static_value import constant_value
from penstock.graph.func_graph import FuncGraph, set_outputs
from penstock.runtime.lowering import pruned
from penstock.types import dtypes
from penstock.types.shapes import TensorShape
from penstock.types.tensors import SymbolicTensor

# One input; every number of the result depends on the same number of the input.
_UNARY = frozenset(
    """
    Abs AsString BitwiseNot Cast Ceil CheckNumerics Erf Exp Expm1 Floor Identity Inv Invert IsFinite IsInf IsNan Log Log1p
    LogicalNot Neg OnesLike Reciprocal Relu Relu6 Rint Round Rsqrt Sigmoid Sign Sqrt Square StopGradient StringLength
    StringLower StringStrip StringToNumber StringUpper Tanh ZerosLike
    """.split()
)
# Several inputs that are broadcast against each other.
_BROADCAST = frozenset(
    """
    Add AddV2 BitwiseAnd BitwiseOr BitwiseXor Div DivNoNan Equal FloorDiv FloorMod Greater GreaterEqual LeftShift Less
    LessEqual LogicalAnd LogicalOr Maximum Minimum Mod Mul MulNoNan NotEqual RealDiv RightShift SelectV2 SquaredDifference
    Sub TruncateDiv TruncateMod Xdivy
    """.split()
)
_CHECKS = {"CheckNumerics"}  # what it raises for a batch is raised again for the element
_REDUCTIONS = {"All", "Any", "Max", "Min"}
_INTEGER_REDUCTIONS = {"Sum", "Prod"}  # those of floats round, and round in another order


class _CannotError(Exception):
    """The function, or this operation, has no form for batches here."""


class _Vectorizer:
    """Adds the operations of a function to a graph whose elements are batches.

    Attributes:
      values: id of a tensor of the function -> its counterpart. batched: ids of those that have the batch dimension.
    """

    def __init__(self) -> None:
        self.values: dict[int, Any] = {}
        self.batched: set[int] = set()

    def add(self, operation: Any) -> None:
        """Adds an operation."""
        definition = operation.definition
        if (
            definition.nested
            or definition.make_stream is not None
            or (definition.stateful and operation.type not in _CHECKS)
        ):
            raise _CannotError
        inputs = [self.values[id(each)] for each in operation.inputs]
        if not any(id(each) in self.batched for each in operation.inputs):
            results = self._call(operation, inputs)
            self._note(operation, results, False)
            return
        rule = self._rule(operation)
        if rule is None:
            raise _CannotError
        self._note(operation, rule(self, operation, inputs), True)

    @staticmethod
    def _rule(operation: Any) -> Callable | None:
        if operation.type in _UNARY:
            return _unary
        if operation.type in _BROADCAST:
            return _broadcast
        if operation.type in _REDUCTIONS:
            return _reduce
        if operation.type in _INTEGER_REDUCTIONS and operation.inputs[0].dtype.is_integer:
            return _reduce
        return _RULES.get(operation.type)

    def _call(self, operation: Any, inputs: list, **changed: Any) -> list:
        definition = operation.definition
        attrs = {**operation.attrs, **changed}
        results = execute(operation.type, definition.group(inputs, attrs), attrs)
        return list(results) if isinstance(results, (list, tuple)) else [results]

    def _note(self, operation: Any, results: list, batched: bool) -> None:
        for old, new in zip(operation.outputs, results, strict=True):
            self.values[id(old)] = new
            if batched:
                self.batched.add(id(old))

    def is_batched(self, tensor: SymbolicTensor) -> bool:
        """Whether the counterpart of a tensor has the batch dimension."""
        return id(tensor) in self.batched


def _known_rank(tensor: SymbolicTensor) -> int:
    if tensor.shape.rank is None:
        raise _CannotError
    return tensor.shape.rank


def _known_shape(tensor: SymbolicTensor) -> list[int]:
    if not tensor.shape.is_fully_defined():
        raise _CannotError
    return tensor.shape.as_list()


def _known_value(tensor: SymbolicTensor) -> np.ndarray:
    value = constant_value(tensor)
    if value is None:
        raise _CannotError
    return value


def _only_first_batched(vector: _Vectorizer, operation: Any) -> None:
    if not vector.is_batched(operation.inputs[0]) or any(map(vector.is_batched, operation.inputs[1:])):
        raise _CannotError


def _constant(values: Any, like: np.ndarray) -> Any:
    return convert_to_tensor(np.asarray(values, like.dtype))


def _shifted(axes: np.ndarray, rank: int) -> np.ndarray:
    """Axes of an element as axes of a batch."""
    return np.where(axes < 0, axes + rank, axes) + 1


def _unary(vector: _Vectorizer, operation: Any, inputs: list) -> list:
    return vector._call(operation, inputs)


def _broadcast(vector: _Vectorizer, operation: Any, inputs: list) -> list:
    rank = max(_known_rank(each) for each in operation.inputs)
    aligned = []
    for old, new in zip(operation.inputs, inputs):
        missing = rank - _known_rank(old)
        if vector.is_batched(old) and missing:  # the batch dimension must stay the first
            shape = [-1] + [1] * missing + _known_shape(old)
            new = execute("Reshape", (new, convert_to_tensor(np.array(shape, np.int32))))
        aligned.append(new)
    return vector._call(operation, aligned)


def _reduce(vector: _Vectorizer, operation: Any, inputs: list) -> list:
    _only_first_batched(vector, operation)
    axes = _known_value(operation.inputs[1])
    shifted = _shifted(axes, _known_rank(operation.inputs[0]))
    return vector._call(operation, [inputs[0], _constant(shifted, axes)])


def _reshape(vector: _Vectorizer, operation: Any, inputs: list) -> list:
    _only_first_batched(vector, operation)
    shape = _known_shape(operation.outputs[0])
    return vector._call(
        operation, [inputs[0], convert_to_tensor(np.array([-1, *shape], np.int32))], Tshape=dtypes.int32
    )


def _expand_dims(vector: _Vectorizer, operation: Any, inputs: list) -> list:
    _only_first_batched(vector, operation)
    axis = _known_value(operation.inputs[1])
    shifted = np.where(axis >= 0, axis + 1, axis)
    return vector._call(operation, [inputs[0], _constant(shifted, axis)])


def _squeeze(vector: _Vectorizer, operation: Any, inputs: list) -> list:
    shape = _known_shape(operation.inputs[0])
    given = [int(each) for each in operation.attrs["squeeze_dims"]]
    axes = [each % len(shape) for each in given] or [axis for axis, dim in enumerate(shape) if dim == 1]
    if not axes:
        return inputs
    return vector._call(operation, inputs, squeeze_dims=[axis + 1 for axis in axes])


def _transpose(vector: _Vectorizer, operation: Any, inputs: list) -> list:
    _only_first_batched(vector, operation)
    order = _known_value(operation.inputs[1])
    return vector._call(operation, [inputs[0], _constant([0, *(_shifted(order, len(order)))], order)])


def _concat(vector: _Vectorizer, operation: Any, inputs: list) -> list:
    *parts, axis = operation.inputs
    if not all(map(vector.is_batched, parts)):
        raise _CannotError
    known = _known_value(axis)
    return vector._call(operation, [*inputs[:-1], _constant(_shifted(known, _known_rank(parts[0])), known)])


def _pack(vector: _Vectorizer, operation: Any, inputs: list) -> list:
    if not all(map(vector.is_batched, operation.inputs)):
        raise _CannotError
    axis = int(operation.attrs["axis"])
    return vector._call(operation, inputs, axis=axis + 1 if axis >= 0 else axis)


def _unpack(vector: _Vectorizer, operation: Any, inputs: list) -> list:
    axis = int(operation.attrs["axis"])
    return vector._call(operation, inputs, axis=axis + 1 if axis >= 0 else axis)


def _one_hot(vector: _Vectorizer, operation: Any, inputs: list) -> list:
    _only_first_batched(vector, operation)
    axis = int(operation.attrs["axis"])
    return vector._call(operation, inputs, axis=axis + 1 if axis >= 0 else axis)


def _gather(vector: _Vectorizer, operation: Any, inputs: list) -> list:
    """Rows of a table that is the same for all elements."""
    table, _, axis = operation.inputs
    if vector.is_batched(table) or vector.is_batched(axis) or operation.attrs["batch_dims"]:
        raise _CannotError
    if int(_known_value(axis)) != 0:
        raise _CannotError
    return vector._call(operation, inputs)


def _strided_slice(vector: _Vectorizer, operation: Any, inputs: list) -> list:
    _only_first_batched(vector, operation)
    begin, end, strides = (_known_value(each) for each in operation.inputs[1:])
    masks = {
        name: int(operation.attrs[name]) << 1
        for name in ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")
    }
    masks["begin_mask"] |= 1
    masks["end_mask"] |= 1
    bounds = [_constant([first, *rest], rest) for first, rest in ((0, begin), (0, end), (1, strides))]
    return vector._call(operation, [inputs[0], *bounds], **masks)


def _pad(vector: _Vectorizer, operation: Any, inputs: list) -> list:
    _only_first_batched(vector, operation)
    paddings = _known_value(operation.inputs[1])
    return vector._call(operation, [inputs[0], _constant([[0, 0], *paddings], paddings), *inputs[2:]])


def _reverse(vector: _Vectorizer, operation: Any, inputs: list) -> list:
    _only_first_batched(vector, operation)
    axes = _known_value(operation.inputs[1])
    return vector._call(
        operation, [inputs[0], _constant(_shifted(axes, _known_rank(operation.inputs[0])), axes)]
    )


def _arg(vector: _Vectorizer, operation: Any, inputs: list) -> list:
    _only_first_batched(vector, operation)
    axis = _known_value(operation.inputs[1])
    return vector._call(
        operation, [inputs[0], _constant(_shifted(axis, _known_rank(operation.inputs[0])), axis)]
    )


def _decode_csv(vector: _Vectorizer, operation: Any, inputs: list) -> list:
    _only_first_batched(vector, operation)
    return vector._call(operation, inputs)


def _parse_example(vector: _Vectorizer, operation: Any, inputs: list) -> list:
    """Dense features of a fixed size: the op takes one message or a vector of them."""
    _only_first_batched(vector, operation)
    if operation.attrs["sparse_types"] or operation.attrs["ragged_value_types"]:
        raise _CannotError
    for tensor in operation.outputs:
        _known_shape(tensor)
    return vector._call(operation, inputs)


_RULES: dict[str, Callable] = {
    "ArgMax": _arg,
    "ArgMin": _arg,
    "ConcatV2": _concat,
    "DecodeCSV": _decode_csv,
    "ExpandDims": _expand_dims,
    "GatherV2": _gather,
    "MirrorPad": _pad,
    "OneHot": _one_hot,
    "Pack": _pack,
    "Pad": _pad,
    "ParseExampleV2": _parse_example,
    "PadV2": _pad,
    "Reshape": _reshape,
    "ReverseV2": _reverse,
    "Squeeze": _squeeze,
    "StridedSlice": _strided_slice,
    "Transpose": _transpose,
    "Unpack": _unpack,
}


def vectorized(function: ElementFunction, dims: list[TensorShape]) -> FuncGraph | None:
    """The function on batches; None where it has no such form.

    Args:
      function: on elements.
      dims: the shapes of the arrays of an element, as far as they are known.

    Returns:
      A graph whose inputs are batches of the arrays of elements, then the function's captures.
    """
    graph = function.graph
    count = len(graph.inputs) - len(function.captures)
    if any(operation.control_inputs for operation in graph.get_operations()):
        return None
    target = FuncGraph(f"{function.name}_of_batches")
    target.outer_graph = graph.outer_graph
    vector = _Vectorizer()
    try:
        with context.building(target), context.tapes_stopped():
            for tensor, shape in zip(graph.inputs[:count], dims, strict=True):
                batch = target.add_input(tensor.dtype, TensorShape([None]).concatenate(shape), "batch")
                vector.values[id(tensor)] = batch
                vector.batched.add(id(tensor))
            for outside, placeholder in graph.captures:
                vector.values[id(placeholder)] = target.add_input(outside.dtype, outside.shape, "capture")
            for operation in pruned(graph):
                vector.add(operation)
            outputs = []
            for tensor in graph.outputs:
                if not vector.is_batched(tensor) or not tensor.shape.is_fully_defined():
                    return None
                outputs.append(vector.values[id(tensor)])
            set_outputs(target, outputs)
    except (_CannotError, ValueError, TypeError):
        return None
    return target
