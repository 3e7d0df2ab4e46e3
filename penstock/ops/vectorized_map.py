"""`tf.vectorized_map`: a function applied to all slices at once, by XLA's batching of its graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.engine import context
from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall
from penstock.graph.func_graph import trace
from penstock.types import nest
from penstock.types.shapes import TensorShape
from penstock.types.tensors import SymbolicTensor, Tensor


def _shapes(call: ShapeCall) -> list[TensorShape]:
    count = next((each.shape[0] for each in call.inputs[: len(call.attrs["Te"])] if each.shape.rank), None)
    return [TensorShape([count]).concatenate(each.shape) for each in call.attrs["f"].outputs]


# Elements are split along their first dimension, captured values are the same for all.
op(
    "VectorizedMap(elements: *Te, captured: *Tc; f, Tout) -> output: *Tout",
    shape=_shapes,
    nested=("f",),
)


class _Slice:
    """The spec of one slice of a tensor."""

    def __init__(self, tensor: Tensor):
        self.dtype = tensor.dtype
        self.shape = TensorShape(None) if tensor.shape.rank is None else tensor.shape[1:]


@export("vectorized_map")
def vectorized_map(fn: Callable, elems: Any, fallback_to_while_loop: bool = True, warn: bool = True) -> Any:
    """Applies `fn` to all slices of `elems` along the first dimension at once.

    Args:
      fn: takes one slice (a structure like `elems`) and returns a nest of tensors.
      elems: a tensor, or a nest of tensors with the same first dimension (a first dimension of 1 is repeated).

    Returns:
      A structure like the result of `fn`, stacked.

    Example:
      >>> import penstock as tf
      >>> tf.vectorized_map(lambda x: tf.reduce_sum(x * x), tf.constant([[1.0, 2.0], [3.0, 4.0]])).numpy()
      array([ 5., 25.], dtype=float32)
    """
    flat = [convert_to_tensor(each) for each in nest.flatten(elems)]
    sizes = {each.shape[0] for each in flat if each.shape.rank}
    if len(sizes) > 1:
        count = max(size for size in sizes if size is not None)
        flat = [_repeated(each, count) for each in flat]
    if thread.graph is None and not any(isinstance(each, SymbolicTensor) for each in flat):
        count = flat[0].shape[0]
        if count:
            rows = [fn(nest.pack_sequence_as(elems, [each[i] for each in flat])) for i in range(count)]
            return nest.map_structure(
                lambda *parts: execute("Pack", ([convert_to_tensor(part) for part in parts],), {"axis": 0}),
                *rows,
            )
    graph = thread.graph or next((each.graph for each in flat if isinstance(each, SymbolicTensor)), None)
    if graph is None:  # no elements: only the shapes and dtypes of the result matter
        return _of_nothing(fn, elems, flat)
    with context.building(graph):
        return _in_graph(fn, elems, flat)


def _repeated(tensor: Tensor, count: int) -> Tensor:
    if tensor.shape[0] != 1:
        return tensor
    multiples = convert_to_tensor([count] + [1] * (tensor.shape.rank - 1))
    return execute("Tile", (tensor, multiples), None)


def _in_graph(fn: Callable, elems: Any, flat: list[Tensor]) -> Any:
    body = trace(
        "vectorized",
        lambda *slices: fn(nest.pack_sequence_as(elems, list(slices))),
        specs=[_Slice(each) for each in flat],
    )
    outputs = execute(
        "VectorizedMap",
        (flat, body.external_captures),
        {"f": body, "Tout": [each.dtype for each in body.outputs]},
    )
    return nest.pack_sequence_as(body.structured_outputs, list(outputs), expand_composites=True)


def _of_nothing(fn: Callable, elems: Any, flat: list[Tensor]) -> Any:
    body = trace(
        "vectorized",
        lambda *slices: fn(nest.pack_sequence_as(elems, list(slices))),
        specs=[_Slice(each) for each in flat],
    )
    zeros = [
        execute(
            "Cast",
            (execute("Fill", (convert_to_tensor([0, *each.shape.as_list()]), convert_to_tensor(0)), None),),
            {"DstT": each.dtype},
        )
        for each in body.outputs
    ]
    return nest.pack_sequence_as(body.structured_outputs, zeros, expand_composites=True)
