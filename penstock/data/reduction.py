"""`Dataset.reduce` as a node of a graph: the dataset is iterated on the host, each time the graph runs."""

from __future__ import annotations

from typing import Any

from penstock.data.element import ElementFunction, Layout
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.types import nest
from penstock.types.shapes import TensorShape


def _reduce(state: list, captured: list, *, _dataset: Any, _function: ElementFunction, Tout: Any) -> list:
    flat = list(state)
    for element in _dataset._iterate():
        flat = _function.run([*flat, *element], captured)
    return flat


op(
    "ReduceDatasetOnHost(state: *Tstate, captured: *Tcaptured; _dataset, _function, Tout) -> components: *Tout",
    numpy=_reduce,
    shape=lambda call: [TensorShape(spec.shape) for spec in call.attrs["_function"].output_layout.flat_specs],
    stateful=True,
)


def reduce_in_graph(dataset: Any, state: Any, layout: Layout, function: ElementFunction) -> Any:
    """Adds the node, and returns the final state."""
    flat = nest.flatten(state, expand_composites=True)
    attrs = {"_dataset": dataset, "_function": function, "Tout": list(layout.dtypes)}
    return layout.pack_tensors(
        execute("ReduceDatasetOnHost", (flat, function.graph.external_captures), attrs)
    )
