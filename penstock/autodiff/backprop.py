"""The backward walk: gradients of targets with respect to sources over recorded calls or graph operations.

The tape, `tf.gradients`, and the gradients of functions and control flow all use this one walk; the rules stand with
the ops.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from penstock.engine.execute import Call, execute
from penstock.ops.tensor_list import add_lists
from penstock.types import dtypes
from penstock.types.indexed_slices import IndexedSlices
from penstock.types.tensors import SymbolicTensor

# Names given to `tf.RegisterGradient`, for `Graph.gradient_override_map`.
REGISTERED: dict[str, Callable] = {}


# Ops whose rules hand an `IndexedSlices` on; every other rule gets the dense tensor.
_PASS_SLICES = frozenset({"Identity", "ReadVariableOp"})


def is_differentiable(dtype: Any) -> bool:
    """Whether gradients flow through tensors of a dtype (resources and variants carry them too)."""
    return dtype.is_floating or dtype.is_complex or dtype in (dtypes.resource, dtypes.variant)


def backpropagate(
    calls: Sequence[Any], targets: Sequence[Any], target_gradients: Sequence[Any], sources: Sequence[Any],
    stops: Iterable[Any] = (), scope_of: Callable[[Any], AbstractContextManager] | None = None,
) -> list[Any]:  # fmt: skip
    """Walks `calls` from last to first.

    Args:
      calls: what happened, in order: things with `inputs`, `outputs`, `attrs`, `definition`.
      targets: the tensors to differentiate.
      target_gradients: the cotangent of each; None for ones.
      sources: the tensors to differentiate with respect to.
      stops: tensors that no gradient flows through. One that is a source too gets its own gradient.
      scope_of: what to be in while a call's rule is applied: the name scope of its nodes.

    Returns:
      For each source a tensor, an `IndexedSlices`, or None where no target depends on it.
    """
    stopped = {id(each) for each in stops}
    depends = {id(source) for source in sources}
    on_path = []
    for call in calls:
        if any(id(each) in depends for each in call.inputs):
            depends.update(
                id(each) for each in call.outputs if is_differentiable(each.dtype) and id(each) not in stopped
            )
            on_path.append(call)
    pending: dict[int, list[Any]] = {}
    for target, gradient in zip(targets, target_gradients, strict=True):
        if id(target) in depends:
            pending.setdefault(id(target), []).append(ones_like(target) if gradient is None else gradient)
    source_ids = {id(source) for source in sources}
    for call in reversed(on_path):
        arrived = [
            None if id(each) in stopped else _total(pending, each, source_ids) for each in call.outputs
        ]
        if all(each is None for each in arrived):
            continue
        if type(call) is Call:
            call.wanted = [id(each) in depends for each in call.inputs]
        with nullcontext() if scope_of is None else scope_of(call):
            gradients = input_gradients(call, arrived)  # may give a While more inputs
        for each, gradient in zip(call.inputs, gradients, strict=True):
            if gradient is not None and id(each) in depends:
                pending.setdefault(id(each), []).append(gradient)
    return [_sum(pending.get(id(source), [])) for source in sources]


def _total(pending: dict[int, list[Any]], tensor: Any, sources: set[int]) -> Any:
    """The sum of the gradients that arrived at a tensor, all of whose uses have been walked."""
    gradients = pending.get(id(tensor))
    if not gradients:
        return None
    total = _sum(gradients)
    if id(tensor) in sources:
        pending[id(tensor)] = [total]
    else:
        del pending[id(tensor)]
    return total


def input_gradients(call: Any, output_gradients: Sequence[Any]) -> Sequence[Any]:
    """Applies a call's gradient rule.

    Raises:
      LookupError: the op has none.
    """
    if call.type == "Capture":
        return output_gradients
    rule = call.attrs.get("_gradient")
    if rule is None and "_gradient_op_type" in call.attrs:
        rule = REGISTERED[call.attrs["_gradient_op_type"]]
    if rule is None:
        rule = call.definition.gradient_rule
    if rule is None:
        raise LookupError(f"No gradient defined for operation {call.type!r}.")
    if call.type not in _PASS_SLICES:
        output_gradients = [dense(each) for each in output_gradients]
    if len(output_gradients) > 1 and not getattr(rule, "accepts_none", False):
        output_gradients = [
            zeros_like(tensor)
            if gradient is None and (tensor.dtype.is_floating or tensor.dtype.is_complex)
            else gradient
            for tensor, gradient in zip(call.outputs, output_gradients)
        ]
    found = rule(call, *output_gradients)
    if not isinstance(found, (list, tuple)):
        return [found] + [None] * (len(call.inputs) - 1)
    if len(found) != len(call.inputs):
        raise ValueError(
            f"{call.type}: its gradient gives {len(found)} values for {len(call.inputs)} inputs."
        )
    return found


def _sum(gradients: list[Any]) -> Any:
    if not gradients:
        return None
    if len(gradients) == 1:
        return gradients[0]
    if all(isinstance(each, IndexedSlices) for each in gradients):
        values = execute("ConcatV2", ([each.values for each in gradients], _axis_zero()), None)
        indices = [_as_int64(each.indices) for each in gradients]
        joined = execute("ConcatV2", (indices, _axis_zero()), None)
        return IndexedSlices(values, joined, gradients[0].dense_shape)
    total = dense(gradients[0])
    if total.dtype is dtypes.variant:
        for each in gradients[1:]:
            total = add_lists(total, each)
        return total
    for each in gradients[1:]:
        total = execute("AddV2", (total, dense(each)), None)
    return total


def _axis_zero() -> Any:
    from penstock.engine.convert import convert_to_tensor

    return convert_to_tensor(0)


def _as_int64(indices: Any) -> Any:
    return indices if indices.dtype is dtypes.int64 else execute("Cast", (indices,), {"DstT": dtypes.int64})


def dense(gradient: Any) -> Any:
    """A gradient as a tensor."""
    if isinstance(gradient, IndexedSlices):
        from penstock.engine.convert import convert_to_tensor

        return convert_to_tensor(gradient)
    return gradient


def ones_like(tensor: Any, name: str | None = None) -> Any:
    """Ones of the dtype and shape of a tensor, or of what a resource handle refers to."""
    return execute("OnesLike", (_value_of(tensor),), None, name)


def zeros_like(tensor: Any) -> Any:
    """Zeros of the dtype and shape of a tensor, of a tensor list, or of what a resource handle refers to."""
    if tensor.dtype is dtypes.variant:
        return execute("TensorListZerosLike", (tensor,), None)
    return execute("ZerosLike", (_value_of(tensor),), None)


def _value_of(tensor: Any) -> Any:
    if tensor.dtype is not dtypes.resource:
        return tensor
    data = tensor.handle_data if isinstance(tensor, SymbolicTensor) else tensor.host().handle_data
    return execute("ReadVariableOp", (tensor,), {"dtype": data.dtype})
