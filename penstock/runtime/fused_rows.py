"""Layer normalization and GELU as Keras writes them, and their gradients, found among the operations of a compiled piece.

    scaled = rsqrt(variance + epsilon) * gamma
    y = x * scaled + (-mean * scaled + beta)

    y = 0.5 * v * (1 + erf(v * sqrt(0.5)))

One kernel computes y, and another all gradients, from x again. XLA makes five passes for a layer normalization and seven
for its gradients, and it keeps what the kernels compute anew.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from penstock.engine.static_value import constant_value
from penstock.graph.patterns import matches
from penstock.ops.nn import native_rows

if TYPE_CHECKING:
    from penstock.runtime.fusion import Compute, Uses

_SCALED = ("Mul", ("Rsqrt", ("AddV2", "variance", "epsilon")), "gamma")
_NORMALIZED = (
    "AddV2",
    ("Mul", "x", "scaled"),
    ("AddV2", ("Mul", ("Neg", "mean"), "scaled"), "beta"),
)
_VARIANCE = ("Mean", ("SquaredDifference", "x", "still"), "axis")

# The gradient with respect to x comes by three ways: by the product, the variance, and the mean.
_BY_MEAN = (
    "BroadcastTo",
    ("RealDiv", ("Neg", ("Reshape", ("Sum", ("Mul", "dy", "scaled"), "a"), "b")), "c"),
    "d",
)
_TIMES_DY = ("AddV2", ("Mul", "x", "dy"), ("Mul", ("Neg", "mean"), "dy"))
_HALF_BY_VARIANCE = (
    "BroadcastTo",
    ("RealDiv", ("MulNoNan", "power", ("Reshape", ("Sum", ("Mul", _TIMES_DY, "gamma"), "e"), "f")), "g"),
    "h",
)
_PART_OF_GAMMA = ("Mul", ("Rsqrt", ("AddV2", "variance", "epsilon")), "times dy")
_BY_VARIANCE = ("Mul", ("AddV2", _HALF_BY_VARIANCE, _HALF_BY_VARIANCE), ("Sub", "x", "still"))
_BY_PRODUCT = ("Mul", "dy", "scaled")
_GRADIENT = ("AddV2", ("AddV2", _BY_PRODUCT, _BY_VARIANCE), _BY_MEAN)
_GRADIENT_AND_OTHERS = ("AddV2", ("AddV2", ("AddV2", "others", _BY_PRODUCT), _BY_VARIANCE), _BY_MEAN)


@dataclass(frozen=True, eq=False, slots=True)
class LayerNormalization:
    """One that was found: the tensors that it is computed from."""

    found: dict[str, Any]
    epsilon: float

    def values(self, values: dict[int, Any], *names: str) -> list[Any]:
        """The values of tensors; those of gamma and beta without the dimensions of size 1 before the last."""
        arrays = [values[id(self.found[name])] for name in names]
        return [each if name == "x" else each.reshape(-1) for name, each in zip(names, arrays)]


def layer_normalization(operation: Any, uses: Uses) -> Compute | None:
    """How to compute an AddV2 that is a layer normalization's result, or its gradient with respect to x."""
    return _normalized(operation, uses) or _gradient(operation, uses)


def _normalized(operation: Any, uses: Uses) -> Compute | None:
    found: dict[str, Any] = {}
    if not matches(_NORMALIZED, operation.outputs[0], found) or not matches(_SCALED, found["scaled"], found):
        return None
    mean, x = found["mean"], found["x"]
    if not matches(_VARIANCE, found["variance"], found) or not _is_mean_of_rows(mean, x, x):
        return None
    if found["still"] is not mean and not matches(("StopGradient", "mean"), found["still"], found):
        return None
    epsilon = constant_value(found["epsilon"])
    if (
        epsilon is None
        or epsilon.ndim
        or not _is_mean_of_rows(found["variance"], found["variance"].op.inputs[0], x)
    ):
        return None
    if not all(_is_of_columns(found[name], x) for name in ("gamma", "beta")):
        return None
    normalization = LayerNormalization(found, float(epsilon))
    uses.normalizations[id(found["scaled"])] = normalization

    def compute(values: dict[int, Any]) -> Sequence[Any] | None:
        x, gamma, beta = normalization.values(values, "x", "gamma", "beta")
        y = native_rows.layer_normalization(x, gamma, beta, normalization.epsilon)
        return None if y is None else [y]

    return compute


def _is_mean_of_rows(mean: Any, averaged: Any, x: Any) -> bool:
    """Whether a tensor is the mean of each row of another one, which has the shape of x; rows stay."""
    if mean.op.type != "Mean" or mean.op.inputs[0] is not averaged or not mean.op.attrs["keep_dims"]:
        return False
    axis = constant_value(mean.op.inputs[1])
    last = ([-1], [(x.shape.rank or 0) - 1])
    return axis is not None and axis.reshape(-1).tolist() in last


def _is_of_columns(tensor: Any, x: Any) -> bool:
    """Whether a tensor has one element for each column of x, and stands for it wherever it is broadcast."""
    columns, shape = x.shape[-1], tensor.shape
    return columns is not None and shape.is_fully_defined() and shape.as_list()[-1:] == [columns] and (
        shape.num_elements() == columns
    )  # fmt: skip


def _gradient(operation: Any, uses: Uses) -> Compute | None:
    found: dict[str, Any] = {}
    if not any(matches(_BY_MEAN, each, found) for each in operation.inputs):
        return None
    # The product may be matched either way round.
    pair = found["dy"], found["scaled"]
    normalization = next((n for each in pair if (n := uses.normalizations.get(id(each)))), None)
    if normalization is None:
        return None
    known = normalization.found
    dy = pair[0] if known["scaled"] is pair[1] else pair[1]
    found = {name: known[name] for name in ("x", "gamma", "mean", "still", "scaled")} | {"dy": dy}
    tensor = operation.outputs[0]
    if not matches(_GRADIENT, tensor, found) and not matches(_GRADIENT_AND_OTHERS, tensor, found):
        return None
    if dy.shape.rank != known["x"].shape.rank or not _is_inverse_cubed(found["power"], known["variance"]):
        return None

    key = object()  # of the three gradients, among the values

    def gradients(values: dict[int, Any]) -> Sequence[Any] | None:
        if id(key) not in values:  # the first that is asked for
            x, gamma = normalization.values(values, "x", "gamma")
            values[id(key)] = native_rows.layer_normalization_gradient(
                x, gamma, values[id(dy)], normalization.epsilon
            )
        return values[id(key)]

    def sum_of(index: int, total: Any) -> Compute:
        def compute(values: dict[int, Any]) -> Sequence[Any] | None:
            computed = gradients(values)
            return None if computed is None else [computed[index].reshape(_shape(total))]

        return compute

    for index, total in ((1, _sum_for_gamma(found, uses)), (2, _sum_over_rows(dy, uses))):
        if total is not None:
            uses.planned[id(total)] = sum_of(index, total)

    def compute(values: dict[int, Any]) -> Sequence[Any] | None:
        computed = gradients(values)
        if computed is None:
            return None
        return [computed[0] + values[id(found["others"])] if "others" in found else computed[0]]

    return compute


def _is_inverse_cubed(tensor: Any, variance: Any) -> bool:
    """Whether a tensor is -0.5 / sqrt(variance + epsilon)^3, the derivative of Rsqrt."""
    found: dict[str, Any] = {"variance": variance}
    root = ("Rsqrt", ("AddV2", "variance", "epsilon"))
    if not matches(("Mul", ("Mul", ("Mul", "minus half", root), root), root), tensor, found):
        return False
    return _is_constant(found["minus half"], -0.5)


def _sum_for_gamma(found: dict[str, Any], uses: Uses) -> Any | None:
    """The operation that sums up the gradient with respect to gamma, where there is one."""
    parts = (part.outputs[0] for part in uses.users(found["dy"]) if part.type == "Mul")
    sums = (each.outputs[0] for part in parts for each in uses.users(part) if each.type == "AddV2")
    times_dy = next((each for each in sums if matches(_TIMES_DY, each, dict(found))), None)
    for each in () if times_dy is None else uses.users(times_dy):
        if matches(_PART_OF_GAMMA, each.outputs[0], {"times dy": times_dy}):
            return _sum_over_rows(each.outputs[0], uses)
    return None


def _sum_over_rows(tensor: Any, uses: Uses) -> Any | None:
    """The operation that sums a tensor over all dimensions but the last."""
    for each in uses.users(tensor):
        if each.type != "Sum" or each.inputs[0] is not tensor:
            continue
        axes = constant_value(each.inputs[1])
        if axes is not None and sorted(axes.reshape(-1).tolist()) == list(range(tensor.shape.rank - 1)):
            return each
    return None


def _shape(operation: Any) -> Sequence[int]:
    """The shape of a sum over all dimensions but the last, in a program."""
    rank = operation.inputs[0].shape.rank
    return (1,) * (rank - 1) + (-1,) if operation.attrs["keep_dims"] else (-1,)


# GELU.

_V_SCALED = ("Mul", "v", "root of half")
_GELU = ("Mul", ("Mul", "half", "v"), ("AddV2", "one", ("Erf", _V_SCALED)))
_GELU_GRADIENT = (
    "AddV2",
    ("Mul", "half", ("Mul", "dy", ("AddV2", "one", ("Erf", _V_SCALED)))),
    (
        "Mul",
        (
            "Mul",
            ("Mul", ("Mul", "half", "v"), "dy"),
            ("Mul", "2 / sqrt(pi)", ("Exp", ("Mul", ("Neg", _V_SCALED), _V_SCALED))),
        ),
        "root of half",
    ),
)
_CONSTANTS = {"half": 0.5, "one": 1.0, "root of half": math.sqrt(0.5), "2 / sqrt(pi)": 2 / math.sqrt(math.pi)}


def gelu(operation: Any, uses: Uses) -> Compute | None:
    """How to compute a Mul that is GELU's result."""
    found = _found(_GELU, operation)
    if found is None:
        return None
    inputs = _before_bias(found["v"])

    def compute(values: dict[int, Any]) -> Sequence[Any] | None:
        y = native_rows.gelu(*_values(inputs, values))
        return None if y is None else [y]

    return compute


def gelu_gradient(operation: Any, uses: Uses) -> Compute | None:
    """How to compute an AddV2 that is GELU's gradient; that of a bias before it comes with it."""
    found = _found(_GELU_GRADIENT, operation)
    if found is None:
        return None
    inputs, dy, key = _before_bias(found["v"]), found["dy"], object()

    def result(index: int) -> Callable[[dict[int, Any]], Sequence[Any] | None]:
        def compute(values: dict[int, Any]) -> Sequence[Any] | None:
            if id(key) not in values:
                x, bias = _values(inputs, values)
                values[id(key)] = native_rows.gelu_gradient(x, bias, values[id(dy)])
            computed = values[id(key)]
            return None if computed is None else [computed[index]]

        return compute

    for each in uses.users(operation.outputs[0]):
        if each.type == "BiasAddGrad" and each.attrs.get("data_format", "NHWC") == "NHWC":
            uses.planned[id(each)] = result(1)
    return result(0)


def _found(pattern: Any, operation: Any) -> dict[str, Any] | None:
    found: dict[str, Any] = {}
    if not matches(pattern, operation.outputs[0], found):
        return None
    constants = all(_is_constant(found[name], value) for name, value in _CONSTANTS.items() if name in found)
    return found if constants and found["v"].shape.rank else None


def _before_bias(v: Any) -> tuple[Any, Any]:
    """The tensor, and the bias that was added to it or None, that make up v."""
    if v.op.type == "BiasAdd" and v.op.attrs.get("data_format", "NHWC") == "NHWC":
        return tuple(v.op.inputs)
    return v, None


def _values(inputs: tuple[Any, Any], values: dict[int, Any]) -> list[Any]:
    x, bias = inputs
    return [values[id(x)], None if bias is None else values[id(bias)]]


def _is_constant(tensor: Any, expected: float) -> bool:
    value = constant_value(tensor)
    return value is not None and value.ndim == 0 and bool(np.isclose(value, expected, rtol=1e-6))
