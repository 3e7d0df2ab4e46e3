"""Giving tensors layouts, and asking for them: `copy_to_mesh`, `relayout`, `pack`, `call_with_layout`, ...

A layout is a constraint for XLA, which partitions every program over the mesh and decides about the results: ops and
functions of tensors with layouts are computed where their arguments are.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from penstock.distribute.layout import MATCH, UNSHARDED, Layout, Mesh
from penstock.dtensor.shardings import (
    check_fits,
    fits,
    jax_mesh,
    layout_of,
    own_devices,
    sharding_for,
    spread,
)
from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.sharding import is_spread
from penstock.engine.xla import jax, lax
from penstock.ops.variables.variable import Variable
from penstock.types import errors, nest, upcalls
from penstock.types.indexed_slices import IndexedSlices
from penstock.types.tensors import EagerTensor, Tensor


def _constrain(x: Any, *, layout: Any) -> Any:
    text = layout.decode() if isinstance(layout, bytes) else layout
    return lax.with_sharding_constraint(x, sharding_for(Layout.from_string(text)))


def _constrain_where_it_fits(x: Any, *, layout: Any) -> Any:
    return _constrain(x, layout=layout) if fits(x.shape, Layout.from_string(layout)) else x


def _constrain_alike(x: Any, like: Any) -> Any:
    from jax.experimental.shard_alike import shard_alike

    return shard_alike(x, like)[0]


op(
    "Relayout(input: T; layout) -> output: T",
    xla=_constrain,
    shape=lambda call: call.shape(0),
    gradient=lambda op, dy: [dy],
)
op(
    "RelayoutWhereItFits(input: T; layout) -> output: T",
    xla=_constrain_where_it_fits,
    shape=lambda call: call.shape(0),
    gradient=lambda op, dy: [dy],
)
op(
    "RelayoutLike(input: T, layout_input: U) -> output: T",
    xla=_constrain_alike,
    shape=lambda call: call.shape(0),
    gradient=lambda op, dy: [dy, None],
)


@export("experimental.dtensor.relayout", v1=[])
def relayout(tensor: Any, layout: Layout, name: str | None = None) -> Any:
    """The tensor with another layout; its values are the same.

    Args:
      tensor: a tensor; a regular one gets a layout by this.
      layout: for each dimension, along which dimension of the mesh it is split; `MATCH` keeps what is there.

    Raises:
      InvalidArgumentError: the layout does not fit the tensor's shape.

    Example:
      >>> import penstock as tf
      >>> dtensor = tf.experimental.dtensor
      >>> mesh = dtensor.create_mesh([("x", 1)], devices=["CPU:0"])
      >>> split = dtensor.relayout(tf.constant([1.0, 2.0]), dtensor.Layout(["x"], mesh))
      >>> dtensor.fetch_layout(split).sharding_specs
      ['x']
    """
    text = layout.to_string()
    tensor = convert_to_tensor(tensor)
    if tensor.shape.is_fully_defined():
        check_fits(tuple(tensor.shape), layout)
    if not _at_once(tensor):
        jax_mesh(layout.mesh)
        return execute("Relayout", (tensor,), {"layout": text}, name)
    return _moved(tensor, _without_match(tensor, layout))


def relayout_where_it_fits(tensor: Any, layout: Layout) -> Any:
    """The tensor with a layout, where its sizes divide into equal parts; else as it is. They may not be known yet."""
    if not _at_once(tensor):
        jax_mesh(layout.mesh)
        return execute("RelayoutWhereItFits", (tensor,), {"layout": layout.to_string()})
    return _moved(tensor, layout) if fits(tuple(tensor.shape), layout) else tensor


def _at_once(*tensors: Any) -> bool:
    """Whether nothing is traced or recorded, so that an array is simply moved."""
    return (
        thread.graph is None and not thread.tapes and all(isinstance(each, EagerTensor) for each in tensors)
    )


def _moved(tensor: EagerTensor, layout: Layout) -> EagerTensor:
    return EagerTensor.from_jax(spread(tensor.device_value(), layout), tensor.dtype)


def _without_match(tensor: EagerTensor, layout: Layout) -> Layout:
    if MATCH not in layout.sharding_specs:
        return layout
    found = layout_of(tensor.device_value())
    before = [UNSHARDED] * layout.rank if found is None else found.sharding_specs
    specs = [old if new == MATCH else new for old, new in zip(before, layout.sharding_specs)]
    return Layout(specs, layout.mesh)


@export("experimental.dtensor.relayout_like", v1=[])
def relayout_like(tensor: Any, layout_tensor: Any, name: str | None = None) -> Any:
    """The tensor with the layout of another one.

    Raises:
      InvalidArgumentError: the other one has none.
    """
    tensor, like = convert_to_tensor(tensor), convert_to_tensor(layout_tensor)
    if isinstance(like, EagerTensor):
        return relayout(tensor, fetch_layout(like), name)
    return execute("RelayoutLike", (tensor, like), None, name)


@export("experimental.dtensor.copy_to_mesh", v1=[])
def copy_to_mesh(tensor: Any, layout: Layout, source_layout: Layout | None = None) -> Any:
    """A regular tensor, or one on another mesh, with a layout.

    Args:
      tensor: the tensor. layout: where it goes.
      source_layout: TensorFlow needs it for gradients between meshes; kept for its signature, XLA knows it.

    Raises:
      InvalidArgumentError: the layout does not fit the tensor's shape.
    """
    layout.to_string()
    tensor = convert_to_tensor(tensor)
    if layout.is_fully_replicated() and tensor.shape.rank is not None:
        layout = Layout.replicated(layout.mesh, tensor.shape.rank)
    return relayout(tensor, layout)


@export("experimental.dtensor.pack", v1=[])
def pack(tensors: Sequence[Any], layout: Layout) -> Any:
    """A tensor made of the parts that the devices of the mesh hold.

    Args:
      tensors: one for each device of the mesh in this process, in order. Where the layout says that devices hold the
        same part, they must be equal.
      layout: how the parts lie in the whole.

    Raises:
      RuntimeError: called in a function.
      InvalidArgumentError: there are more or fewer tensors than devices.
      UnimplementedError: they differ in shape, or are sparse.
    """
    if thread.graph is not None:
        raise RuntimeError("`pack` must be called eagerly.")
    devices = own_devices(jax_mesh(layout.mesh))
    if len(tensors) != len(devices):
        raise errors.InvalidArgumentError(
            None,
            None,
            f"pack: expected {len(devices)} inputs, one for each device of the mesh, but got {len(tensors)}",
        )
    parts = [each if isinstance(each, IndexedSlices) else convert_to_tensor(each) for each in tensors]
    if len({tuple(each.shape) for each in parts}) > 1:
        raise errors.UnimplementedError(
            None, None, "Components of a PackedTensor must currently all have the same shape"
        )
    local = tuple(parts[0].shape)
    if len(local) != layout.rank:
        raise errors.InvalidArgumentError(
            None,
            None,
            f"pack: the layout {layout.sharding_specs} is for rank {layout.rank}, the tensors have {local}",
        )
    whole = tuple(size * layout.num_shards(axis) for axis, size in enumerate(local))
    with jax.enable_x64(True):
        placed = [jax.device_put(each.device_value(), device) for each, device in zip(parts, devices)]
        array = jax.make_array_from_single_device_arrays(whole, sharding_for(layout), placed)
    return EagerTensor.from_jax(array, parts[0].dtype)


@export("experimental.dtensor.unpack", v1=[])
def unpack(tensor: Any) -> Sequence[Any]:
    """The parts of a tensor that the devices of this process hold, in the order of the mesh.

    Raises:
      RuntimeError: called in a function.
      InvalidArgumentError: the tensor has no layout.
    """
    if thread.graph is not None:
        raise RuntimeError("`unpack` must be called eagerly.")
    tensor = convert_to_tensor(tensor)
    if not is_dtensor(tensor):
        raise errors.InvalidArgumentError(
            None,
            None,
            f"unpack expects a tensor with a layout, but input was placed on device: {tensor.device}",
        )
    array = tensor.device_value()
    parts = {shard.device: shard.data for shard in array.addressable_shards}
    return [EagerTensor(np.asarray(parts[each]), tensor.dtype) for each in own_devices(array.sharding.mesh)]


@export("experimental.dtensor.fetch_layout", v1=[])
def fetch_layout(tensor: Any) -> Layout:
    """The layout of a tensor or a variable.

    Raises:
      InvalidArgumentError: it has none. In a function only the results of `relayout` have one that is known.
    """
    if isinstance(tensor, Variable):
        state = tensor._state
        found = None if state is None else layout_of(state.value)
    elif isinstance(tensor, EagerTensor):
        found = layout_of(tensor.device_value())
    elif isinstance(tensor, Tensor) and tensor.op.type == "Relayout":
        found = Layout.from_string(tensor.op.attrs["layout"])
    else:
        found = None
    if found is None:
        raise errors.InvalidArgumentError(None, None, "fetch_layout expects a tensor that has a layout")
    return found


@export("experimental.dtensor.check_layout", v1=[])
def check_layout(tensor: Any, layout: Layout) -> None:
    """Raises ValueError where a tensor has another layout."""
    found = fetch_layout(tensor)
    if found != layout:
        raise ValueError(f"Layout of tensor: {found}, did not match expected layout: {layout}")


@export("experimental.dtensor.is_dtensor", v1=[])
def is_dtensor(tensor: Any) -> bool:
    """Whether a tensor or a variable has a layout.

    Example:
      >>> import penstock as tf
      >>> tf.experimental.dtensor.is_dtensor(tf.constant(1.0))
      False
    """
    if isinstance(tensor, Variable):
        return tensor._state is not None and layout_of(tensor._state.value) is not None
    return isinstance(tensor, EagerTensor) and layout_of(tensor.device_value()) is not None


def _placement_text(tensor: EagerTensor) -> str:
    """As TensorFlow writes it: the value, or the part of each device, and the layout."""
    array = tensor.device_value()
    if not is_spread(array):
        return ""
    if array.is_fully_replicated:
        text = np.array2string(np.asarray(array))
    else:
        own = layout_of(array).mesh.local_devices()
        parts = zip(own, unpack(tensor))
        text = ", ".join(f'"{name.rpartition("device:")[2]}": {each.numpy()}' for name, each in parts)
        text = f"{{{text}}}"
    return f'{text}, layout="{layout_of(array).to_string()}"'


upcalls.placement_text = _placement_text


@export("experimental.dtensor.call_with_layout", v1=[])
def call_with_layout(fn: Callable, layout: Layout | None, *args: Any, **kwargs: Any) -> Any:
    """What `fn(*args, **kwargs)` returns, with a layout.

    The call is one program, so that a tensor larger than a device is made in parts.

    Args:
      fn: a function of tensors. layout: that of its results; None leaves it to XLA.

    Example:
      >>> import penstock as tf
      >>> dtensor = tf.experimental.dtensor
      >>> mesh = dtensor.create_mesh([("x", 1)], devices=["CPU:0"])
      >>> zeros = dtensor.call_with_layout(tf.zeros, dtensor.Layout(["x", "unsharded"], mesh), shape=(4, 2))
      >>> zeros.shape
      TensorShape([4, 2])
    """
    if layout is None:
        return fn(*args, **kwargs)

    def call() -> Any:
        return nest.map_structure(lambda each: relayout(each, layout), fn(*args, **kwargs))

    if thread.graph is not None or thread.tapes:
        return call()
    from penstock.tracing.function import function

    jax_mesh(layout.mesh)
    return function(call, autograph=False)()


upcalls.call_with_layout = call_with_layout


@export("experimental.dtensor.run_on", v1=[])
@contextlib.contextmanager
def run_on(mesh: Mesh) -> Iterator[None]:
    """Inside, eager ops are computed on a mesh: their results are tensors with layouts.

    Constants (`tf.constant`, `tf.ones`, ...) are no ops: they get a layout with the op that uses them.

    Example:
      >>> import penstock as tf
      >>> dtensor = tf.experimental.dtensor
      >>> with dtensor.run_on(dtensor.create_mesh([("x", 1)], devices=["CPU:0"])):
      ...     twos = tf.ones([4]) * 2
      >>> dtensor.is_dtensor(twos)
      True
    """
    outer = thread.mesh
    thread.mesh = jax.sharding.NamedSharding(jax_mesh(mesh), jax.sharding.PartitionSpec())
    try:
        with default_mesh(mesh):
            yield
    finally:
        thread.mesh = outer


@export("experimental.dtensor.default_mesh", v1=[])
@contextlib.contextmanager
def default_mesh(mesh: Mesh) -> Iterator[None]:
    """Inside, `get_default_mesh()` is `mesh`.

    Raises:
      ValueError: it is no mesh.
    """
    if not isinstance(mesh, Mesh):
        raise ValueError(f"Expect `mesh` to be `Mesh`, got {type(mesh)}")
    outer, thread.default_mesh = thread.default_mesh, mesh
    try:
        yield
    finally:
        thread.default_mesh = outer


@export("experimental.dtensor.get_default_mesh", v1=[])
def get_default_mesh() -> Mesh | None:
    """The mesh of the innermost `default_mesh`; None outside."""
    return thread.default_mesh
