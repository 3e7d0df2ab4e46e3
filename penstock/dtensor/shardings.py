"""Meshes and layouts as JAX knows them, and back: a layout of a tensor is the `NamedSharding` of its array."""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.distribute.layout import MATCH, UNSHARDED, Layout, Mesh
from penstock.engine.context import process
from penstock.engine.sharding import sharding_of
from penstock.engine.xla import jax
from penstock.types import errors


def jax_mesh(mesh: Mesh) -> Any:
    """The `jax.sharding.Mesh` of a mesh, which from now on holds tensors with layouts.

    Raises:
      ValueError: a device of the mesh does not exist.
    """
    from penstock.runtime.placement import jax_device

    found = process.registry.setdefault("jax_meshes", {}).get(mesh)
    if found is None:
        devices = np.array([jax_device(each) for each in mesh.global_devices()], object)
        grid = devices[mesh.global_device_ids() - mesh.min_global_device_id()]
        found = jax.sharding.Mesh(grid, tuple(mesh.dim_names))
        process.registry["jax_meshes"][mesh] = found
        process.meshes.setdefault(found, mesh)
    return found


def own_devices(mesh: Any) -> list[Any]:
    """The devices of a JAX mesh that are this process's, in the order of the mesh."""
    return [each for each in mesh.devices.flat if each.process_index == jax.process_index()]


def sharding_for(layout: Layout) -> Any:
    """The `NamedSharding` of a layout."""
    special = {UNSHARDED: None, MATCH: jax.sharding.PartitionSpec.UNCONSTRAINED}
    parts = [special.get(each, each) for each in layout.sharding_specs]
    return jax.sharding.NamedSharding(jax_mesh(layout.mesh), jax.sharding.PartitionSpec(*parts))


def layout_of(value: Any) -> Layout | None:
    """The layout of an array; None where it is not spread over a mesh.

    Raises:
      UnimplementedError: XLA has split a dimension along several dimensions of the mesh, which layouts cannot say.
    """
    sharding = sharding_of(value)
    if sharding is None:
        return None
    parts = [*sharding.spec, *[None] * (value.ndim - len(sharding.spec))]
    names = []
    for part in parts:
        several = part if isinstance(part, tuple) else () if part is None else (part,)
        if len(several) > 1:
            raise errors.UnimplementedError(
                None,
                None,
                f"A dimension of the tensor is split along {several} of the mesh: relayout it first.",
            )
        names.append(several[0] if several else UNSHARDED)
    return Layout(names, process.meshes[sharding.mesh])


def spread(value: Any, layout: Layout) -> Any:
    """An array put where a layout says, from the host or from other devices.

    Raises:
      InvalidArgumentError: the layout does not fit the array's shape.
    """
    check_fits(tuple(np.shape(value)), layout)
    if getattr(value, "dtype", np.dtype(object)).kind in "OSU":
        raise errors.UnimplementedError(
            None, None, "Tensors of strings have no layout: they stay on the host."
        )
    with jax.enable_x64(True):
        return jax.device_put(value, sharding_for(layout))


def fits(shape: tuple[int, ...], layout: Layout) -> bool:
    """Whether a tensor of a shape can have a layout."""
    return len(shape) == layout.rank and all(
        size % layout.num_shards(axis) == 0 for axis, size in enumerate(shape)
    )


def check_fits(shape: tuple[int, ...], layout: Layout) -> None:
    """Raises InvalidArgumentError where a tensor of a shape cannot have a layout."""
    if len(shape) != layout.rank:
        raise errors.InvalidArgumentError(
            None,
            None,
            f"The layout {layout.sharding_specs} is for rank {layout.rank}, the tensor has shape {list(shape)}",
        )
    for axis, size in enumerate(shape):
        parts = layout.num_shards(axis)
        if size % parts:
            raise errors.InvalidArgumentError(
                None, None, f"Dimension {axis} of shape {list(shape)} cannot be split into {parts} equal parts, as the "
                f"layout {layout.sharding_specs} asks"
            )  # fmt: skip
