"""Compiled pieces that all workers of a cluster run together, as one SPMD program over all their devices.

The program is the piece as it is on one worker, under `jax.shard_map` with the axis `WORKER`: what the piece computes
outside of replicas is each worker's own, and ops in which workers meet reduce over the axis. A worker's arrays become
shards of global arrays without being copied, and the results are its shards again, so everything else in a process
sees local arrays only.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from penstock.engine.context import process
from penstock.engine.xla import jax, wide_types
from penstock.ops.collectives import AXIS, WORKER, meets_workers
from penstock.runtime.lowering import NotCompilableError, nested_graphs


class UnequalWorkers(NotCompilableError):
    """The workers' arguments differ in shape: for this call they meet on the host."""


def meeting_operations(operations: Sequence[Any]) -> list[Any]:
    """Those of the operations in which workers meet, by themselves or in what they hold."""
    return [each for each in operations if _meets(each)]


def _meets(operation: Any) -> bool:
    if meets_workers(operation):
        return True
    return any(_meets(each) for graph in nested_graphs(operation) for each in graph.get_operations())


@functools.cache
def worker_mesh() -> Any:
    """All devices: a row for each worker."""
    return jax.sharding.Mesh(np.array(process.workers.devices), (WORKER, AXIS))


class WorkerProgram:
    """`run` of a compiled piece, called by all workers at the same time.

    Args:
      run: `run(written values, read values, arguments) -> (results, assigned values)`.
      meeting: the operations of the piece in which workers meet.
      fixed: whether the shapes of all arguments are known beforehand, so that they cannot differ.
      name: what the program is for, the same text on all workers.
    """

    def __init__(self, run: Callable, meeting: Sequence[Any], fixed: bool, name: str):
        self._run, self._meeting, self._fixed, self._name = run, meeting, fixed, name
        self._agreed: set[tuple] = set()
        self._programs: dict[tuple, Callable] = {}
        self._twins: dict[int, tuple[Any, Any]] = {}  # place of a written state -> (local, global) array
        self.program = self

    def __call__(self, written: list, read: list, arguments: list) -> tuple[list, list]:
        """Runs the piece.

        Raises:
          UnequalWorkers: the arguments of the workers differ in shape.
          UnavailableError: a worker is gone. InternalError: the workers run different programs.
        """
        leaves, structure = _flat(arguments)
        shapes = _shapes([*written, *read, *leaves])
        if not self._fixed or shapes not in self._agreed:
            self._agree(shapes)
        with wide_types(), process.workers.program_running():
            mine = [self._global(each, place) for place, each in enumerate(written)]
            others = [self._global(each) for each in (*read, *leaves)]
            results, assigned = self._program(shapes, structure, len(written), len(read))(mine, others)
            if not process.accelerator:
                # What a collective fails with is raised here, where it can be told whose fault it is.
                jax.block_until_ready((results, assigned))
            local = [each.addressable_data(0) for each in assigned]
            self._twins = dict(enumerate(zip(local, assigned)))
            return jax.tree.map(lambda each: each.addressable_data(0), results), local

    def lower(self, written: list, read: list, arguments: list) -> Any:
        """The program for these values, traced but not compiled."""
        leaves, structure = _flat(arguments)
        shapes = _shapes([*written, *read, *leaves])
        with wide_types():
            mine, others = (
                [self._global(each) for each in written],
                [self._global(each) for each in (*read, *leaves)],
            )
            return self._program(shapes, structure, len(written), len(read)).lower(mine, others)

    def _agree(self, shapes: tuple) -> None:
        if len(set(process.workers.texts(f"a step of {self._name}", repr(shapes)))) > 1:
            raise UnequalWorkers(self._meeting[0], "the workers' arguments differ in shape")
        self._agreed.add(shapes)

    def _program(self, shapes: tuple, structure: Any, written: int, read: int) -> Any:
        """`program(written values, other values)` on global arrays, the first donated."""
        found = self._programs.get(shapes)
        if found is not None:
            return found
        whole, split = jax.sharding.PartitionSpec(), jax.sharding.PartitionSpec(WORKER)
        specs = [split if shape else whole for shape, _ in shapes]

        def local(mine: list, others: list) -> tuple[list, list]:
            return self._run(mine, others[:read], jax.tree.unflatten(structure, others[read:]))

        mapped = jax.shard_map(
            local, mesh=worker_mesh(), in_specs=(specs[:written], specs[written:]), out_specs=(whole, specs[:written]),
            axis_names={WORKER}, check_vma=False,
        )  # fmt: skip
        # Along the axis of a worker's own devices everything is whole, so that each worker finds its results on one.
        placed = functools.partial(jax.sharding.NamedSharding, worker_mesh())
        found = self._programs[shapes] = jax.jit(
            mapped,
            donate_argnums=(0,),
            out_shardings=(placed(whole), [placed(each) for each in specs[:written]]),
        )
        return found

    def _global(self, value: Any, place: int | None = None) -> Any:
        """The global array of which a worker's array is the shard; scalars are taken to be the same on all."""
        twin = self._twins.get(place) if place is not None else None
        if twin is not None and twin[0] is value:
            return twin[1]
        workers = process.workers
        own = workers.devices[workers.index]
        spec = jax.sharding.PartitionSpec(WORKER) if np.ndim(value) else jax.sharding.PartitionSpec()
        shape = np.shape(value)
        copies = [jax.device_put(value, device) for device in own]
        return jax.make_array_from_single_device_arrays(
            (shape[0] * workers.count, *shape[1:]) if shape else (),
            jax.sharding.NamedSharding(worker_mesh(), spec),
            copies,
        )


def _flat(arguments: list) -> tuple[list, Any]:
    """The arrays among arguments (tensor lists hold some), and how they lie in them."""
    leaves, structure = jax.tree.flatten(arguments)
    return [each if hasattr(each, "dtype") else np.asarray(each) for each in leaves], structure


def _shapes(values: list) -> tuple:
    return tuple((each.shape, each.dtype) for each in values)
