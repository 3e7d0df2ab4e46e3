"""The reductions of batch normalization and of its gradients, found among the operations of a compiled piece.

    mean, variance = moments over all dimensions but the last
    sum(dy), sum(x * dy) over the same, for the gradients of x * scale + shift

A kernel computes both of a pair while it reads its arrays once, and in bfloat16 if what is cast to float32 is. All else
of batch normalization is elementwise, and one pass of XLA's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from penstock.engine.static_value import constant_value
from penstock.ops.nn import native_channels
from penstock.runtime.fused_convolutions import RESHAPES
from penstock.types import dtypes

if TYPE_CHECKING:
    from penstock.runtime.fusion import Compute, Uses

# Gradients of activation functions that the kernel applies: up to which features they let a gradient pass.
_LIMITS = {"ReluGrad": 0.0, "Relu6Grad": 6.0}

# Their kernels apply the gradient of Relu that follows.
_APPLY_RELU = ("Conv2DBackpropInput", "Conv3DBackpropInputV2", "MaxPoolGrad")


def moments(mean: Any, uses: Uses) -> Compute | None:
    """Mean(x), with Mean(SquaredDifference(x, mean)) for the same dimensions."""
    x = mean.inputs[0]
    if not _reduces_rows(mean) or x.dtype is not dtypes.float32:
        return None
    variance = next(
        (each for each in _users_through_stop(mean.outputs[0], uses) if _is_variance(each, x)), None
    )
    squares = None if variance is None else _only_mean(variance.outputs[0], uses)
    if squares is None:
        return None
    return _pair(mean, squares, uses, lambda values: native_channels.moments(_narrowest(x, values)))


def sums(total: Any, uses: Uses) -> Compute | None:
    """Sum(dy), with Sum(Mul(x, dy)) for the same dimensions."""
    dy = total.inputs[0]
    if not _reduces_rows(total) or dy.dtype is not dtypes.float32:
        return None
    for product in uses.users(dy):
        if product.type != "Mul":
            continue
        x = product.inputs[product.inputs[0] is dy]
        other = next(
            (e for e in uses.users(product.outputs[0]) if e.type == "Sum" and _reduces_rows(e)), None
        )
        if other is None or x.shape.rank != dy.shape.rank:
            continue
        gradient, features, limit = _before_activation(_narrow(dy), uses)
        needed = [x, gradient] + ([] if features is None else [features])

        def compute(values: dict[int, Any], needed: Sequence[Any] = needed) -> Sequence[Any] | None:
            if not all(id(each) in values for each in needed):
                return None
            x, *others = needed
            dy, *features = (values[id(each)] for each in others)
            return native_channels.sums(_narrowest(x, values), dy, None, *features, limit=limit)

        return _pair(total, other, uses, compute)
    return None


def _pair(first: Any, second: Any, uses: Uses, computed: Any) -> Compute:
    """Lets two reductions have the two results of one call."""
    key = object()  # of the results, among the values

    def result(index: int, reduction: Any) -> Compute:
        def compute(values: dict[int, Any]) -> Sequence[Any] | None:
            if id(key) not in values:
                values[id(key)] = computed(values)
            found = values[id(key)]
            return None if found is None else [found[index].reshape(_shape(reduction))]

        return compute

    uses.planned[id(second)] = result(1, second)
    return result(0, first)


def _reduces_rows(reduction: Any) -> bool:
    """Whether a reduction is one over all dimensions but the last."""
    axes, rank = constant_value(reduction.inputs[1]), reduction.inputs[0].shape.rank
    if axes is None or rank is None or rank < 2:
        return False
    return sorted(int(axis) % rank for axis in axes.reshape(-1)) == list(range(rank - 1))


def _shape(reduction: Any) -> Sequence[int]:
    rank = reduction.inputs[0].shape.rank
    return (1,) * (rank - 1) + (-1,) if reduction.attrs["keep_dims"] else (-1,)


def _users_through_stop(tensor: Any, uses: Uses) -> list[Any]:
    """The operations that use a tensor, or what StopGradient makes of it."""
    found = []
    for each in uses.users(tensor):
        found += uses.users(each.outputs[0]) if each.type == "StopGradient" else [each]
    return found


def _is_variance(operation: Any, x: Any) -> bool:
    return operation.type == "SquaredDifference" and operation.inputs[0] is x


def _only_mean(squares: Any, uses: Uses) -> Any | None:
    users = uses.users(squares)
    return users[0] if len(users) == 1 and users[0].type == "Mean" and _reduces_rows(users[0]) else None


def _narrow(tensor: Any) -> Any:
    """What a tensor is in bfloat16, where it is cast from that: half as much to read."""
    is_cast = tensor.op.type == "Cast" and tensor.op.inputs[0].dtype is dtypes.bfloat16
    return tensor.op.inputs[0] if is_cast else tensor


def _narrowest(tensor: Any, values: dict[int, Any]) -> Any:
    """The value of a tensor, in bfloat16 where the piece has it so."""
    narrow = _narrow(tensor)
    return values[id(narrow if id(narrow) in values else tensor)]


def _before_activation(dy: Any, uses: Uses) -> tuple[Any, Any, float]:
    """The gradient before that of an activation function, the function's result or None, and its limit."""
    if dy.op.type not in _LIMITS or dy.op.type == "ReluGrad" and _is_in_kernel(dy.op.inputs[0], uses):
        return dy, None, 0.0
    return (*dy.op.inputs, _LIMITS[dy.op.type])


def _is_in_kernel(gradient: Any, uses: Uses) -> bool:
    """Whether one kernel computes a gradient and that of Relu before it."""
    while (reshape := uses.sole_producer(gradient, RESHAPES)) is not None:
        gradient = reshape.inputs[0]
    return uses.sole_producer(gradient, _APPLY_RELU) is not None
