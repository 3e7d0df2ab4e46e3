"""Where the states of a program over several devices lie.

A program over a mesh of devices (`ReplicatedCall`) leaves the states that it writes on all of them, or parts on each.
States that are elsewhere, at the beginning or after an eager assignment, are put there before a call: otherwise XLA would
compile the program for where they are, and once more for where they come back.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.engine.context import process
from penstock.engine.xla import jax
from penstock.ops.collectives import AXIS


@functools.cache
def mesh_of(devices: tuple) -> Any:
    """The mesh of the replicas' devices."""
    return jax.sharding.Mesh(np.array(devices), (AXIS,))


def places_of(operations: Sequence[Any], states: Sequence[Any], held: dict[int, Any]) -> list[Any] | None:
    """A sharding for each state of a compiled piece; None where the piece is no program over a mesh.

    Args:
      operations: those of the piece. states: all that it reads and writes.
      held: by the id of a resource tensor the state that it stands for.
    """
    meetings = [each for each in operations if each.type == "ReplicatedCall" and each.attrs["devices"]]
    if not meetings or process.workers is not None:  # with several processes `WorkerProgram` places them
        return None
    mesh = mesh_of(meetings[0].attrs["devices"])
    whole, split = (
        jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(*axes)) for axes in ((), (AXIS,))
    )
    on_some: set[int] = set()
    for each in meetings:
        captured = each.inputs[each.attrs["replicas"] * len(each.attrs["f"].arguments) :]
        positions = (*each.attrs["stacked"], *each.attrs["divided"])
        on_some.update(id(held[id(captured[i])]) for i in positions)
    return [split if id(each) in on_some else whole for each in states]


def placed(values: Sequence[Any], places: Sequence[Any]) -> list[Any]:
    """The values of states, those that are elsewhere copied to their places."""
    return [
        value if value is None or getattr(value, "sharding", None) == place else _copied(value, place)
        for value, place in zip(values, places, strict=True)
    ]


def _copied(value: Any, place: Any) -> Any:
    with jax.enable_x64(True):
        return jax.device_put(value, place, may_alias=False)  # the program may write into its buffer
