"""Writes the values of a graph of objects as a checkpoint: at once, in a thread, or as an op of a graph."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.io.tensor_bundle_writer import BundleWriter
from penstock.io.tensor_slice import parse_shape_and_slice
from penstock.saving.object_graph import OBJECT_GRAPH_KEY, ObjectGraph, fill_object_graph
from penstock.saving.object_values import SavedTensor, attributes_of, full_name
from penstock.types import dtypes
from penstock.types.dtypes import DType
from penstock.types.tensors import SymbolicTensor


class HostTensor:
    """A value that is ready to be written; `source` is the handle of the variable that it was read from, where known."""

    __slots__ = ("dtype", "key", "slice_spec", "source", "value")

    def __init__(self, key: str, slice_spec: str, value: np.ndarray, dtype: DType, source: Any = None):
        self.key, self.slice_spec, self.value, self.dtype, self.source = key, slice_spec, value, dtype, source


def serialize(graph: ObjectGraph, reads: dict[int, Any] | None = None) -> list[SavedTensor]:
    """The values of all objects, and the description of the graph itself.

    Args:
      graph: the objects.
      reads: where tensors of a graph are remembered, so that another save does not add the same reads once more.
    """
    from tensorboard.compat.proto.trackable_object_graph_pb2 import TrackableObjectGraph

    message = TrackableObjectGraph()
    tensors: list[SavedTensor] = []
    with_values: set[int] = set()
    for number, (thing, path) in enumerate(zip(graph.objects, graph.paths)):
        node = message.nodes.add()
        for attribute in attributes_of(thing, path, reads):
            node.attributes.add(name=attribute.name, full_name=full_name(thing), checkpoint_key=attribute.key)
            tensors += attribute.tensors
            with_values.add(number)
    fill_object_graph(graph, message, with_values)
    tensors.append(SavedTensor(OBJECT_GRAPH_KEY, "", np.array(message.SerializeToString(), object)))
    return tensors


def on_host(tensors: list[SavedTensor], session: Any = None) -> list[HostTensor]:
    """The values of tensors; those of a graph as `session` computes them."""
    values = [
        each.tensor if isinstance(each.tensor, np.ndarray) else convert_to_tensor(each.tensor)
        for each in tensors
    ]
    symbolic = [each for each in values if isinstance(each, SymbolicTensor)]
    computed = iter(session.run(symbolic) if symbolic else ())
    found = []
    for tensor, value in zip(tensors, values):
        if isinstance(value, np.ndarray):
            found.append(HostTensor(tensor.key, tensor.slice_spec, value, dtypes.string))
            continue
        array = next(computed) if isinstance(value, SymbolicTensor) else value.host()
        as_objects = object if value.dtype is dtypes.string else None
        source = vars(value).get("read_from")
        found.append(
            HostTensor(tensor.key, tensor.slice_spec, np.asarray(array, as_objects), value.dtype, source)
        )
    return found


def write_tensors(prefix: str, tensors: list[HostTensor]) -> None:
    """Writes a checkpoint."""
    with BundleWriter(prefix) as writer:
        for each in tensors:
            if each.slice_spec:
                shape, piece = parse_shape_and_slice(each.slice_spec)
                writer.add_slice(each.key, shape, piece, each.value, each.dtype)
            else:
                writer.add(each.key, each.value, each.dtype)


def save_op(prefix: Any, tensors: list[SavedTensor]) -> Any:
    """Adds the op that writes a checkpoint to the graph that is being built; returns the path as a tensor."""
    values = [convert_to_tensor(each.tensor) for each in tensors]
    path = convert_to_tensor(prefix, dtypes.string)
    names = convert_to_tensor([each.key for each in tensors], dtypes.string)
    slices = convert_to_tensor([each.slice_spec for each in tensors], dtypes.string)
    saved = execute("SaveV2", (path, names, slices, values))
    with thread.graph.control_dependencies([saved]):
        return execute("Identity", (path,))


class BackgroundWriter:
    """Writes checkpoints in a thread, one after the other; an error comes up at the next use."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._running: Future | None = None

    def submit(self, tensors: list[HostTensor], write: Any) -> None:
        """Copies the values, and calls `write` with them in the thread."""
        self.sync()
        for each in tensors:
            each.value = np.array(each.value, copy=True)  # programs write into the buffers of variables
        self._running = self._pool.submit(write, tensors)

    def sync(self) -> None:
        """Waits until what was submitted is written.

        Raises:
          whatever writing it raised.
        """
        if self._running is not None:
            running, self._running = self._running, None
            running.result()
