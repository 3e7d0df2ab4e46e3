"""Fusions: patterns of operations in a compiled piece that one native kernel computes.

XLA fuses elementwise operations with each other, but not with a kernel that it calls, and not several results into one
pass. `find` looks for patterns among the operations of a piece; lowering calls the kernel in place of a pattern's last
operation, and XLA drops what then has no use. A pattern's inner values have no other use, so nothing is computed twice.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from penstock.graph.patterns import matches
from penstock.ops.nn import conv_ops as nn_conv_ops
from penstock.ops.nn import depthwise_ops as nn_depthwise_ops
from penstock.ops.nn import pool_ops as nn_pool_ops
from penstock.ops.variables import native_updates
from penstock.runtime import (
    fused_attention,
    fused_batch_normalization,
    fused_convolutions,
    fused_dropout,
    fused_layers,
    fused_rows,
    fused_scaling,
)
from penstock.runtime.fused_convolutions import RESHAPES, biased_convolution, unshaped
from penstock.runtime.lowering import written_tensors
from penstock.types import dtypes

# values of tensors by id -> the results of the last operation; None where no kernel takes the values
Compute = Callable[[dict[int, Any]], Sequence[Any] | None]


@dataclass(frozen=True, slots=True)
class Fusion:
    """One pattern.

    Attributes:
      name: for people. reason: one line. last: the op types of the pattern's last operation.
      match: (operation, uses) -> how to compute its output; None where the pattern is not there.
    """

    name: str
    reason: str
    last: tuple[str, ...]
    match: Callable[[Any, Uses], Compute | None]


class Uses:
    """Where the tensors of a piece are used."""

    def __init__(self, operations: Iterable[Any], leaving: Iterable[Any]):
        self._count: dict[int, int] = {id(each): 2 for each in leaving}
        self._inside: set[int] = set()
        self._writes: dict[int, list[Any]] = {}
        self._order: dict[int, int] = {}
        self._reads: dict[int, set[int]] = {}  # of a variable: its values
        self._products: list[Any] = []
        self._users: dict[int, list[Any]] = {}
        self._leaving = {id(each) for each in leaving}
        # What the match of one operation found for another, by that one's id.
        self.planned: dict[int, Compute] = {}
        self.normalizations: dict[int, fused_rows.LayerNormalization] = {}  # by what its gradients know of it
        # A tensor that a pattern computes only inside -> the pattern's result.
        self.computed_in: dict[int, Any] = {}
        for operation in operations:
            for each in operation.inputs:
                self._users.setdefault(id(each), []).append(operation)
            self._order[id(operation)] = len(self._order)
            self._inside.update(id(each) for each in operation.outputs)
            if operation.type == "ReadVariableOp":
                self._reads.setdefault(id(operation.inputs[0]), set()).add(id(operation.outputs[0]))
            elif operation.type in _PRODUCTS:
                self._products.append(operation)
            for each in written_tensors(operation):
                self._writes.setdefault(id(each), []).append(operation)
            if operation.type not in _ONLY_SHAPES:
                for each in operation.inputs:
                    self._count[id(each)] = self._count.get(id(each), 0) + 1

    def sole_producer(self, tensor: Any, types: Iterable[str], uses: int = 1) -> Any | None:
        """The operation of the piece that computes `tensor` for one use only (or so many), if it has one of the types."""
        if id(tensor) in self._inside and self._count.get(id(tensor)) == uses and tensor.op.type in types:
            return tensor.op
        return None

    def users(self, tensor: Any) -> list[Any]:
        """The operations of the piece that use a tensor which it computes; none where others use it too."""
        if id(tensor) in self._leaving or id(tensor) not in self._inside:
            return []
        return self._users.get(id(tensor), [])

    def of_elements(self, tensor: Any) -> list[Any] | None:
        """The operations of the piece that use a tensor, or its elements in another shape; None where others do too."""
        if id(tensor) in self._leaving or id(tensor) not in self._inside:
            return None
        found = []
        for each in self._users.get(id(tensor), []):
            nested = self.of_elements(each.outputs[0]) if each.type in RESHAPES else [each]
            if nested is None:
                return None
            found += [user for user in nested if user.type not in _ONLY_SHAPES]
        return found

    def sole_write(self, resource: Any) -> Any | None:
        """The only operation of the piece that assigns a variable."""
        found = self._writes.get(id(resource), [])
        return found[0] if len(found) == 1 else None

    def products_of(self, resource: Any) -> list[Any]:
        """What products and convolutions in the piece make of a variable's value."""
        values = self._reads.get(id(resource), set())
        return [
            self.computed_in.get(id(each.outputs[0]), each.outputs[0])
            for each in self._products
            if any(id(tensor) in values for tensor in each.inputs) and id(each.outputs[0]) in self._count
        ]

    def feeds_products_before(self, resource: Any, write: Any) -> bool:
        """Whether a variable is written by one operation, and otherwise read for products before it."""
        reads = [each for each in self._users[id(resource)] if each is not write]
        return all(
            each.type == "ReadVariableOp"
            and id(each.outputs[0]) not in self._leaving
            and all(
                user in self._products and self.in_order(each, user, write)
                for user in self._users.get(id(each.outputs[0]), [])
            )
            for each in reads
        )

    def is_only_for(self, values: Sequence[Any], resource: Any) -> bool:
        """Whether these values, each used once, are all that is read of a variable which is written once."""
        return {id(each) for each in values} == self._reads.get(id(resource), set()) and (
            len(self._users[id(resource)]) == len(values) + 1
            and all(self._count.get(id(each)) == 1 for each in values)
        )

    def in_order(self, *operations: Any) -> bool:
        """Whether operations of the piece run in this order."""
        places = [self._order.get(id(each), -1) for each in operations]
        return -1 not in places and places == sorted(places)


_ONLY_SHAPES = {"Shape", "Size", "Rank"}
_PRODUCTS = {"MatMul", "BatchMatMulV2", "Einsum", "Conv2DBackpropInput", "Conv3DBackpropInputV2"}

_CONVOLUTIONS = {
    "Conv2D": nn_conv_ops.biased_convolution_of,
    "Conv3D": nn_conv_ops.biased_convolution_of,
    "DepthwiseConv2dNative": nn_depthwise_ops.biased_convolution_of,
}


def _convolution_and_bias(operation: Any, uses: Uses, relu: bool) -> Compute | None:
    convolution = biased_convolution(operation, uses, _CONVOLUTIONS)
    if convolution is None:
        return None
    biased, bias = operation.inputs

    def compute(values: dict[int, Any]) -> Any:
        x, w = (values[id(each)] for each in convolution.inputs)
        attrs = convolution.definition.attrs_for_kernel(convolution.attrs)
        found = _CONVOLUTIONS[convolution.type](x, w, values[id(bias)], relu, **attrs)
        return None if found is None else [found.reshape(values[id(biased)].shape)]

    return compute


def _biased(operation: Any, uses: Uses, relu: bool = False) -> Compute | None:
    return _convolution_and_bias(operation, uses, relu) or fused_layers.dense(operation, uses, relu)


def _and_relu(operation: Any, uses: Uses) -> Compute | None:
    biased = uses.sole_producer(operation.inputs[0], ("BiasAdd",))
    found = None if biased is None else _biased(biased, uses, relu=True)
    return found or _scaled_and_relu(operation, uses)


def _scaled_and_relu(operation: Any, uses: Uses) -> Compute | None:
    return fused_scaling.activated(operation, uses, _CONVOLUTIONS)


def _scaled(operation: Any, uses: Uses) -> Compute | None:
    return fused_scaling.scaled(operation, uses, _CONVOLUTIONS)


def _relu_gradient(operation: Any, uses: Uses) -> Compute | None:
    """ReluGrad(gradient, features), where a kernel computes the gradient; reshapes may stand between."""
    gradient, features = operation.inputs
    while (reshape := uses.sole_producer(gradient, RESHAPES)) is not None:
        gradient = reshape.inputs[0]
    return _after_max_pool(operation, uses, gradient, features) or _after_convolution(
        operation, uses, gradient
    )


def _after_convolution(operation: Any, uses: Uses, gradient: Any) -> Compute | None:
    """The gradient of a convolution's input is 0 where Relu before it gave 0."""
    convolution = uses.sole_producer(gradient, ("Conv2DBackpropInput", "Conv3DBackpropInputV2"))
    if convolution is None:
        return None
    uses.computed_in[id(convolution.outputs[0])] = operation.outputs[0]
    return functools.partial(fused_convolutions.relu_and_input_gradient, operation, convolution)


def _after_max_pool(operation: Any, uses: Uses, gradient: Any, features: Any) -> Compute | None:
    """ReluGrad(MaxPoolGrad(x, y, dy), x): what passes a maximum of 0 is 0."""
    pool = uses.sole_producer(gradient, ("MaxPoolGrad",))
    if pool is None or unshaped(pool.inputs[0]) is not unshaped(features):
        return None
    users = uses.of_elements(unshaped(features)) or []
    over_x = len(users) == 3 and {each.type for each in users} == {"MaxPool", "MaxPoolGrad", "ReluGrad"}

    def compute(values: dict[int, Any]) -> Any:
        x, y, dy = (values[id(each)] for each in pool.inputs)
        found = nn_pool_ops.max_pool_and_relu_gradient_of(
            x, y, dy, over_x=over_x, **pool.definition.attrs_for_kernel(pool.attrs)
        )
        return None if found is None else [found.reshape(values[id(operation.inputs[0])].shape)]

    return compute


_ADAM_STEP = (
    "RealDiv",
    ("Mul", ("ReadVariableOp", "m"), "step"),
    ("AddV2", ("Sqrt", ("ReadVariableOp", "v")), "epsilon"),
)
_ADAM_M = ("Mul", ("Sub", "g", "m_before"), "first")
_ADAM_V = ("Mul", ("Sub", "squares", "v_before"), "second")


def _step_reads(delta: Any) -> dict[str, Any]:
    """The reads of m and v behind what matches `_ADAM_STEP`."""
    numerator, denominator = (each.op for each in delta.op.inputs)
    root = next(each.op for each in denominator.inputs if each.op.type == "Sqrt")
    read = next(each.op for each in numerator.inputs if each.op.type == "ReadVariableOp")
    return {"m": read, "v": root.inputs[0].op}


@dataclass(frozen=True, slots=True)
class AdamUpdate:
    """Computes what is fused into an update of a variable and its two moments.

    Attributes:
      gradient: the gradient's tensor, where one moment moves to it and the other to its square; else None.
      compute: `compute(values, by)`, where `by(variable, m, v, rates, after=)` takes the place of the kernels' choice.
      is_alone: `is_alone(values)`: whether nothing else uses the three, but products with the variable that are computed already.
    """

    gradient: Any
    compute: Callable[..., Sequence[Any] | None]
    is_alone: Callable[[dict[int, Any]], bool]

    def __call__(self, values: dict[int, Any], by: Callable | None = None) -> Sequence[Any] | None:
        """Updates the three, by another function where one is given; None where it does not take the values."""
        return self.compute(values, by)


def _adam(operation: Any, uses: Uses) -> AdamUpdate | None:
    """m += (g - m) first; v += (squares - v) second; p -= m step / (sqrt(v) + epsilon)."""
    p, delta = operation.inputs
    found: dict[str, Any] = {}
    if p.dtype is not dtypes.resource or not matches(_ADAM_STEP, delta, found):
        return None
    for name, pattern in (("m", _ADAM_M), ("v", _ADAM_V)):
        write = uses.sole_write(found[name])
        if (
            write is None
            or write.type != "AssignAddVariableOp"
            or not matches(pattern, write.inputs[1], found)
        ):
            return None
        before = found[f"{name}_before"].op
        if before.type != "ReadVariableOp" or before.inputs[0] is not found[name]:
            return None
        after = _step_reads(delta)[name]
        if after.inputs[0] is not found[name] or not uses.in_order(before, write, after, operation):
            return None
    if uses.sole_write(p) is not operation:
        return None
    squared = found["squares"].op
    update, operands = native_updates.adam_rows, _sums_of_rows(found["g"], found["squares"], uses)
    if squared.type == "Square" and squared.inputs[0] is found["g"]:
        update, operands = native_updates.adam_product, _factors(found["g"], uses)
        del found["squares"]

    def compute(values: dict[int, Any], by: Callable | None) -> Any:
        products = uses.products_of(p)
        variables = [values[id(each)] for each in (p, found["m"], found["v"])]
        value, m, v = variables[0].value, values[id(found["m_before"])], values[id(found["v_before"])]
        others = [values[id(found[name])] for name in ("g", "squares") if name in found]
        rates = [values[id(found[name])] for name in ("first", "second", "step", "epsilon")]
        if any(each is None or each.shape != value.shape for each in (value, m, v, *others)) or any(
            map(np.ndim, rates)
        ):
            return None
        after = [values[id(each)] for each in products if id(each) in values]
        new = None if by is None else by(value, m, v, rates, after=after)
        if by is None and operands is not None:
            new = update(value, m, v, rates, *(values[id(each)] for each in operands), after=after)
        if by is None and new is None:
            new = native_updates.adam(value, m, v, rates, *others, after=after)
        if new is None:
            return None
        for variable, updated in zip(variables, new):
            variable.assign(updated)
        return ()

    only_here = uses.feeds_products_before(p, operation) and all(
        uses.is_only_for([found[f"{name}_before"], _step_reads(delta)[name].outputs[0]], found[name])
        for name in ("m", "v")
    )

    def is_alone(values: dict[int, Any]) -> bool:
        return only_here and all(id(each) in values for each in uses.products_of(p))

    return AdamUpdate(None if "squares" in found else found["g"], compute, is_alone)


def _sums_of_rows(g: Any, squares: Any, uses: Uses) -> Sequence[Any] | None:
    """The rows and ids of a sparse gradient that is summed into `g`, and its squares into `squares`, for nothing else."""
    sums = uses.sole_producer(g, ("UnsortedSegmentSum",))
    of_squares = uses.sole_producer(squares, ("UnsortedSegmentSum",))
    if sums is None or of_squares is None:
        return None
    rows, ids, _ = sums.inputs
    squared = of_squares.inputs[0].op
    if of_squares.inputs[1] is not ids or squared.type != "Square" or squared.inputs[0] is not rows:
        return None
    return rows, ids


def _factors(g: Any, uses: Uses) -> Sequence[Any] | None:
    """The matrices a and b of a gradient a^T b that is used for nothing but the update: for both moments."""
    product = uses.sole_producer(g, ("MatMul",), uses=2)
    if product is None or not product.attrs["transpose_a"] or product.attrs["transpose_b"]:
        return None
    return product.inputs


def _row_kernel(operation: Any, uses: Uses) -> Compute | None:
    rows = fused_rows.layer_normalization(operation, uses) or fused_rows.gelu_gradient(operation, uses)
    return rows or _scaled(operation, uses)


def _product(operation: Any, uses: Uses) -> Compute | None:
    return fused_rows.gelu(operation, uses) or fused_dropout.gradient(operation, uses)


FUSIONS: tuple[Fusion, ...] = (
    Fusion("convolution-bias", "the bias is added while the result is in registers", ("BiasAdd",), _biased),
    Fusion("convolution-bias-relu", "so is the activation function applied", ("Relu",), _and_relu),
    Fusion("convolution-pool", "what a pool reduces is never in memory", ("MaxPool",), fused_convolutions.pooled),
    Fusion("convolution-gradients", "all of an image, while in cache", ("Conv2DBackpropFilter",), fused_convolutions.gradients),
    Fusion("convolution-scale-relu6", "so are numbers for each channel", ("Relu6",), _scaled_and_relu),
    Fusion("convolution-scale", "as batch normalization in one op has them", fused_scaling.BATCH_NORMALIZATIONS, _scaled),
    Fusion("adam", "three variables are updated in one pass", ("AssignSubVariableOp",), _adam),
    Fusion("attention", "the matrix of scores is never in memory as a whole", ("Einsum",), fused_attention.match),
    Fusion("layer-normalization", "mean and variance are found while a row is in cache", ("AddV2",), _row_kernel),
    Fusion("moments", "mean and variance of channels in one pass", ("Mean",), fused_batch_normalization.moments),
    Fusion("channel-sums", "and so their gradients", ("Sum",), fused_batch_normalization.sums),
    Fusion("gelu", "erf is computed again for the gradient, not kept", ("Mul",), _product),
    Fusion("dropout", "by vectors of bools, on all threads", ("SelectV2",), fused_dropout.forward),
    Fusion("relu-gradient", "it is applied while a pool or convolution writes its gradient", ("ReluGrad",), _relu_gradient),
)  # fmt: skip


def find(operations: Sequence[Any], leaving: Iterable[Any]) -> dict[int, Compute]:
    """By the id of a pattern's last operation: how to compute that one's output.

    Args:
      operations: those of a compiled piece.
      leaving: the tensors that are used outside of it.
    """
    by_type = {kind: fusion for fusion in FUSIONS for kind in fusion.last}
    uses = None
    found = {}
    for operation in operations:
        fusion = by_type.get(operation.type)
        if fusion is not None:
            uses = uses or Uses(operations, leaving)
            if id(operation) in uses.planned:
                continue
            compute = fusion.match(operation, uses)
            if compute is not None:
                found[id(operation)] = compute
    return found if uses is None else {**uses.planned, **found}
