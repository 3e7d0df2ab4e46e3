"""`Dataset.reduce` and `Dataset.get_single_element`: at once in eager mode, nodes of a graph elsewhere."""

from __future__ import annotations

from typing import Any

from penstock.data.element import Layout, spec_of
from penstock.data.iteration import Iteration, Run
from penstock.data.per_element import with_stable_state
from penstock.engine.context import thread
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.ops.random.stream import new_states
from penstock.runtime.executor import to_raw
from penstock.types import errors
from penstock.types.shapes import TensorShape
from penstock.types.tensors import SymbolicTensor


def _reduce(dataset: Any, state: list, captured: list, *, _function: Any, Tout: Any) -> list:
    from penstock.data.planner import planned

    flat = list(state)
    call = _function.bound(captured)
    with new_states():
        iteration = Iteration(planned(dataset), Run())
        try:
            for element in iteration._elements:
                flat = call([*flat, *element])
        finally:
            iteration.close()
    return flat


op(
    "ReduceDatasetOnHost(dataset: variant, state: *Tstate, captured: *Tcaptured; _function, Tout) -> components: *Tout",
    numpy=_reduce,
    shape=lambda call: [TensorShape(spec.shape) for spec in call.attrs["_function"].output_layout.flat_specs],
    stateful=True,
)


def reduce(dataset: Any, state: Any, function: Any) -> Any:
    """The last state of `state = function(state, element)`."""
    layout, traced = with_stable_state(spec_of(state), dataset._layout, function)
    flat = layout.tensors(state)
    inside = thread.graph is not None or any(
        isinstance(each, SymbolicTensor) for each in (*flat, *traced.captures, *dataset._needs)
    )
    if not inside:
        result = _reduce(
            dataset, [to_raw(each) for each in flat], traced.captures, _function=traced, Tout=None
        )
        return layout.pack(result)
    attrs = {"_function": traced, "Tout": list(layout.dtypes)}
    return layout.pack_tensors(
        execute("ReduceDatasetOnHost", (dataset._variant_tensor, flat, traced.captures), attrs)
    )


def _single(dataset: Any, *, output_types: Any, output_shapes: Any, metadata: Any = "") -> list:
    iteration = Iteration(dataset, Run())
    try:
        with new_states():
            first = next(iteration._elements, None)
            second = None if first is None else next(iteration._elements, None)
    finally:
        iteration.close()
    if first is None:
        raise errors.InvalidArgumentError(None, None, "Dataset was empty.")
    if second is not None:
        raise errors.InvalidArgumentError(None, None, "Dataset had more than one element.")
    return first


op(
    "DatasetToSingleElement(dataset: variant; output_types, output_shapes, metadata='') -> components: *output_types",
    numpy=_single,
    shape=lambda call: [TensorShape(each) for each in call.attrs["output_shapes"]],
    stateful=True,
)


def single_element(dataset: Any) -> Any:
    """The only element.

    Raises:
      InvalidArgumentError: there is none, or more than one.
    """
    layout: Layout = dataset._layout
    attrs = {
        "output_types": list(layout.dtypes),
        "output_shapes": [each.shape for each in layout.flat_specs],
    }
    return layout.pack_tensors(execute("DatasetToSingleElement", (dataset._variant_tensor,), attrs))
