"""Shape rules that op families share, and what a rule is given.

A rule takes a `ShapeCall` and returns the shape of the output, or a list with one shape for each output. Known
dimensions must not get lost: Keras builds every model with an unknown batch size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from penstock.engine import static_value
from penstock.engine.definition import OpDef
from penstock.types.errors import ShapeError
from penstock.types.shapes import TensorShape, broadcast_shape


class ShapeCall:
    """A call of an op, as far as it is known while a graph is built.

    Attributes:
      definition: the op. inputs: its tensors, list arguments spread out. attrs: its attributes, complete.
    """

    __slots__ = ("definition", "inputs", "attrs")

    def __init__(self, definition: OpDef, inputs: Sequence[Any], attrs: dict):
        self.definition, self.inputs, self.attrs = definition, inputs, attrs

    def shape(self, index: int) -> TensorShape:
        """The shape of input `index`."""
        return self.inputs[index].shape

    def value(self, index: int) -> np.ndarray | None:
        """The value of input `index` where it is known, else None."""
        return static_value.constant_value(self.inputs[index])

    def shape_from(self, index: int) -> TensorShape:
        """The shape that input `index`, an integer vector, stands for, as far as it is known."""
        return static_value.constant_shape(self.inputs[index])

    def entries(self, index: int) -> list[int | None] | None:
        """The entries of input `index`, an integer vector or scalar: None for unknown ones, or for an unknown length."""
        return static_value.constant_entries(self.inputs[index])

    def error(self, problem: str) -> ShapeError:
        """An error that names the op, its inputs' shapes, and the problem."""
        arguments = self.definition.signature.inputs
        named = zip(arguments, self.definition.group(self.inputs, self.attrs), strict=True)
        got = ", ".join(
            f"{argument.name} is {[_show(each.shape) for each in value] if isinstance(value, list) else _show(value.shape)}"
            for argument, value in named
        )
        return ShapeError(None, None, f"{self.definition.type}: {got}: {problem}")


def _show(shape: TensorShape) -> str:
    return "<unknown>" if shape.rank is None else str(shape.as_list()).replace("None", "?")


def infer_shapes(definition: OpDef, inputs: Sequence[Any], attrs: dict, outputs: int) -> list[TensorShape]:
    """The shapes of the outputs of a call.

    Raises:
      ShapeError: the inputs' shapes do not fit the op.
    """
    call = ShapeCall(definition, inputs, attrs)
    rule = definition.shape_rule or abstract_evaluation
    shapes = rule(call)
    if isinstance(shapes, TensorShape):
        shapes = [shapes] * outputs if outputs else []
    return list(shapes)


# Rules that families share. Each takes a ShapeCall; those with arguments return a rule.


def unchanged(call: ShapeCall) -> TensorShape:
    """Every output has the shape of the first input."""
    return call.shape(0)


def scalar(call: ShapeCall) -> TensorShape:
    """Every output is a scalar."""
    return TensorShape([])


def unknown(call: ShapeCall) -> TensorShape:
    """Nothing is known."""
    return TensorShape(None)


def no_outputs(call: ShapeCall) -> list[TensorShape]:
    """For ops that return nothing."""
    return []


def broadcast(call: ShapeCall) -> TensorShape:
    """All inputs broadcast together."""
    shape = call.shape(0)
    try:
        for i in range(1, len(call.inputs)):
            shape = broadcast_shape(shape, call.shape(i))
    except ValueError:
        raise call.error(
            "these do not broadcast: sizes must be equal or 1, from the last dimension on"
        ) from None
    return shape


def merged(call: ShapeCall) -> TensorShape:
    """All inputs must have the same shape."""
    shape = call.shape(0)
    try:
        for i in range(1, len(call.inputs)):
            shape = shape.merge_with(call.shape(i))
    except ValueError:
        raise call.error("all shapes must be equal") from None
    return shape


def from_input(index: int) -> Callable[[ShapeCall], TensorShape]:
    """The output has the shape that input `index`, an integer vector, gives."""
    return lambda call: call.shape_from(index)


def like_input(index: int) -> Callable[[ShapeCall], TensorShape]:
    """The output has the shape of input `index`."""
    return lambda call: call.shape(index)


def from_attr(name: str) -> Callable[[ShapeCall], TensorShape]:
    """The output has the shape in attribute `name`."""
    return lambda call: TensorShape(call.attrs[name])


def reduction(call: ShapeCall) -> TensorShape:
    """Input 1 names the axes of input 0 that disappear, or become 1 with `keep_dims` / `keepdims`."""
    shape, axes = call.shape(0), call.value(1)
    keep = call.attrs.get("keep_dims", call.attrs.get("keepdims", False))
    if axes is None:
        return TensorShape([None] * shape.rank) if keep and shape.rank is not None else TensorShape(None)
    if shape.rank is None:
        return TensorShape(None)
    gone = {normalize_axis(call, int(axis), shape.rank) for axis in np.atleast_1d(axes)}
    dims = shape.as_list()
    if keep:
        return TensorShape([1 if i in gone else dim for i, dim in enumerate(dims)])
    return TensorShape([dim for i, dim in enumerate(dims) if i not in gone])


def normalize_axis(call: ShapeCall, axis: int, rank: int) -> int:
    """`axis` counted from the front; ShapeError outside [-rank, rank)."""
    if not -rank <= axis < max(rank, 1):
        raise call.error(f"axis {axis} must be in [{-rank}, {rank})")
    return axis + rank if axis < 0 else axis


def abstract_evaluation(call: ShapeCall) -> list[TensorShape]:
    """The fallback: the XLA body evaluated on shapes only, unknown dimensions as symbols.

    Where an input's rank, or a value that the body needs, is unknown, nothing is known of the outputs.
    """
    from penstock.engine.xla import jax, wide_types

    definition = call.definition
    count = len(definition.output_dtypes(call.inputs, call.attrs))
    nothing = [TensorShape(None)] * count
    if definition.xla_body is None or any(each.shape.rank is None for each in call.inputs):
        return nothing
    unknowns = sum(dim is None for each in call.inputs for dim in each.shape.as_list())
    symbols = iter(jax.export.symbolic_shape(", ".join(f"d{i}" for i in range(unknowns))) if unknowns else ())
    arguments: list[Any] = []
    traced: list[int] = []
    for index, each in enumerate(call.inputs):
        value = call.value(index)
        if value is not None and value.size <= 64 and value.dtype.kind in "iub":
            arguments.append(value)
            continue
        dims = [next(symbols) if dim is None else dim for dim in each.shape.as_list()]
        traced.append(index)
        arguments.append(jax.ShapeDtypeStruct(dims, each.dtype.as_numpy_dtype))

    def run(*values: Any) -> Any:
        filled = list(arguments)
        for index, value in zip(traced, values):
            filled[index] = value
        results = definition.xla_body(
            *definition.group(filled, call.attrs), **definition.attrs_for_kernel(call.attrs)
        )
        return [results] if definition.signature.single_output else list(results)

    try:
        with wide_types():
            results = jax.eval_shape(run, *(arguments[index] for index in traced))
    except (ValueError, IndexError) as error:
        if unknowns:
            return nothing
        raise call.error(str(error)) from None
    except Exception:  # symbols that a body cannot compare, values it cannot see
        return nothing
    return [TensorShape([dim if isinstance(dim, int) else None for dim in each.shape]) for each in results]
