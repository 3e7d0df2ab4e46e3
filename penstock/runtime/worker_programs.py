"""Compiled pieces that all workers of a cluster run together, as one SPMD program over all their devices.

The program is the piece as it is on one worker, under `jax.shard_map` with the axis `WORKER`: what the piece computes
outside of replicas is each worker's own, and ops in which workers meet reduce over the axis. A worker's arrays become
shards of global arrays without being copied, and the results are its shards again, so everything else in a process
sees local arrays only.

Where the workers share memory, matrices that a program only multiplies with and updates by Adam lie there: kernels read and
write each worker's rows of them in place (`ops/native_exchanges.py`), and no new value is a result of XLA's.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from penstock.engine.aligned import in_own_memory
from penstock.engine.context import process
from penstock.engine.resources import SharedState
from penstock.engine.xla import jax, wide_types
from penstock.ops.collectives import AXIS, WORKER, meets_workers
from penstock.ops.native_exchanges import UPDATED
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


class _NotUpdatedInPlace(Exception):
    """Of the states that were to be shared, the program updates only some in shared memory."""

    def __init__(self, places: tuple[int, ...]):
        super().__init__(places)
        self.places = places


class _Compiled(NamedTuple):
    """A program for certain shapes.

    Attributes:
      call: `call(written values, shared matrices, their addresses, other values) -> (results, assigned values, updates)`, on
        global arrays, the first donated. Shared matrices have changed when the updates are there.
      shared: the places of the written states that it updates in shared memory.
    """

    call: Any
    shared: tuple[int, ...]


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
        self._programs: dict[tuple, _Compiled] = {}
        self._twins: dict[int, tuple[Any, Any]] = {}  # place of a written state -> (local, global) array
        self._matrices: Any = None  # those of the last call, and what it got of them
        self.program = self

    def __call__(self, written: list, read: list, arguments: list) -> tuple[list, list]:
        """Runs the piece. A `SharedState` among the written values stands for itself, there and among the assigned ones, if its
        value is in shared memory then.

        Raises:
          UnequalWorkers: the arguments of the workers differ in shape.
          UnavailableError: a worker is gone. InternalError: the workers run different programs.
        """
        leaves, structure = _flat(arguments)
        shapes = _shapes([*written, *read, *leaves])
        if not self._fixed or shapes not in self._agreed:
            self._agree(shapes)
        with wide_types(), process.workers.program_running():
            others = [self._global(each) for each in (*read, *leaves)]
            program = self._program(shapes, structure, written, len(read))
            shared = [written[i] for i in program.shared]
            if shared and not process.workers.memory.share(shared):
                program = self._compiled(shapes, structure, written, len(read), ())
                shared = []
            own = [i for i in range(len(written)) if i not in program.shared]
            mine = [self._global(_value(written[i]), i) for i in own]
            matrices, addresses = self._global_matrices(shared)
            try:
                results, assigned, updates = program.call(mine, matrices, addresses, others)
                if not process.accelerator:
                    # What a collective fails with is raised here, where it can be told whose fault it is.
                    jax.block_until_ready((results, assigned, updates))
            except BaseException:
                for each in shared:
                    each.value = None  # as those that the program took for itself
                raise
            for each in shared:
                each.note_change()
            local = [each.addressable_data(0) for each in assigned]
            self._twins = dict(zip(own, zip(local, assigned)))
            after: list[Any] = [*written]
            for i, value in zip(own, local):
                after[i] = value
            return jax.tree.map(lambda each: each.addressable_data(0), results), after

    def lower(self, written: list, read: list, arguments: list) -> Any:
        """The program for these values, traced but not compiled."""
        leaves, structure = _flat(arguments)
        shapes = _shapes([*written, *read, *leaves])
        with wide_types():
            mine, others = (
                [self._global(each) for each in written],
                [self._global(each) for each in (*read, *leaves)],
            )
            program = self._compiled(shapes, structure, written, len(read), ())
            return program.call.lower(mine, [], [], others)

    def _agree(self, shapes: tuple) -> None:
        if len(set(process.workers.texts(f"a step of {self._name}", repr(shapes)))) > 1:
            raise UnequalWorkers(self._meeting[0], "the workers' arguments differ in shape")
        self._agreed.add(shapes)

    def _program(self, shapes: tuple, structure: Any, written: list, read: int) -> _Compiled:
        """The program for these shapes, with as many states in shared memory as it can update there."""
        places = tuple(i for i, each in enumerate(written) if isinstance(each, SharedState))
        key = (shapes, places)
        while key not in self._programs:
            program = self._compiled(shapes, structure, written, read, places)
            try:
                if places:
                    program.call.trace(*_arguments(shapes, len(written), places))
                self._programs[key] = program
            except _NotUpdatedInPlace as found:
                places = found.places
        return self._programs[key]

    def _compiled(
        self, shapes: tuple, structure: Any, written: list, read: int, shared: tuple[int, ...]
    ) -> _Compiled:
        """The program with these of the written states in shared memory."""
        whole, split = jax.sharding.PartitionSpec(), jax.sharding.PartitionSpec(WORKER)
        specs = [split if shape else whole for shape, _ in shapes]
        own = [i for i in range(len(written)) if i not in shared]

        def local(mine: list, matrices: list, addresses: list, others: list) -> tuple[list, list, list]:
            values: list[Any] = [None] * len(written)
            for i, value in (*zip(own, mine), *zip(shared, matrices)):
                values[i] = value
            if process.workers.memory is not None:
                process.workers.memory.begin_program(matrices, [each[0] for each in addresses])
            results, assigned = self._run(values, others[:read], jax.tree.unflatten(structure, others[read:]))
            updated = tuple(i for i in shared if assigned[i].shape == UPDATED)
            if updated != shared:
                raise _NotUpdatedInPlace(updated)
            return results, [assigned[i] for i in own], [assigned[i] for i in shared]

        mapped = jax.shard_map(
            local, mesh=worker_mesh(),
            in_specs=([specs[i] for i in own], [split] * len(shared), [split] * len(shared), specs[len(written) :]),
            out_specs=(whole, [specs[i] for i in own], split),
            axis_names={WORKER}, check_vma=False,
        )  # fmt: skip
        # Along the axis of a worker's own devices everything is whole, so that each worker finds its results on one.
        placed = functools.partial(jax.sharding.NamedSharding, worker_mesh())
        call = jax.jit(
            mapped,
            donate_argnums=(0,),
            out_shardings=(placed(whole), [placed(specs[i]) for i in own], placed(split)),
        )
        return _Compiled(call, shared)

    def _global_matrices(self, states: Sequence[SharedState]) -> tuple[list, list]:
        """The shared matrices of states as a program takes them, and their addresses."""
        matrices = [each.matrix for each in states]
        if self._matrices is None or self._matrices[0] != matrices:
            arrays = [self._global(each.array) for each in matrices]
            addresses = [self._global(np.array([each.address])) for each in matrices]
            self._matrices = matrices, arrays, addresses
        return self._matrices[1:]

    def _global(self, value: Any, place: int | None = None) -> Any:
        """The global array of which a worker's array is the shard; scalars are taken to be the same on all."""
        twin = self._twins.get(place) if place is not None else None
        if twin is not None and twin[0] is value:
            return twin[1]
        workers = process.workers
        own = workers.devices[workers.index]
        spec, shape = _spread(np.shape(value))
        copies = [jax.device_put(value, device) for device in own]
        return jax.make_array_from_single_device_arrays(
            shape,
            jax.sharding.NamedSharding(worker_mesh(), spec),
            copies,
        )


def _spread(shape: tuple) -> tuple[Any, tuple]:
    """How the global array lies whose shards on the workers have a shape, and its own shape."""
    if not shape:
        return jax.sharding.PartitionSpec(), ()
    return jax.sharding.PartitionSpec(WORKER), (shape[0] * process.workers.count, *shape[1:])


def _flat(arguments: list) -> tuple[list, Any]:
    """The arrays among arguments (tensor lists hold some), and how they lie in them."""
    leaves, structure = jax.tree.flatten(arguments)
    return [each if hasattr(each, "dtype") else np.asarray(each) for each in leaves], structure


def _shapes(values: list) -> tuple:
    return tuple(_shape(each) for each in values)


def _shape(value: Any) -> tuple:
    if isinstance(value, SharedState):
        shape, dtype = value.handle_data
        return tuple(shape.as_list()), np.dtype(dtype.as_numpy_dtype)
    return value.shape, value.dtype


def _arguments(shapes: tuple, written: int, shared: tuple[int, ...]) -> tuple[list, list, list, list]:
    """What stands for the arguments of a program with these states in shared memory, to trace it."""

    def whole(shape: tuple, dtype: Any) -> Any:
        spec, shape = _spread(shape)
        return jax.ShapeDtypeStruct(shape, dtype, sharding=jax.sharding.NamedSharding(worker_mesh(), spec))

    arrays = [whole(*each) for each in shapes]
    return (
        [arrays[i] for i in range(written) if i not in shared],
        [arrays[i] for i in shared],
        [whole((1,), np.int64)] * len(shared),
        arrays[written:],
    )


def _value(value: Any) -> Any:
    """A value that the program may write into; that of a state that is not in shared memory in this program."""
    if not isinstance(value, SharedState):
        return value
    own = value.value
    return in_own_memory(own) if isinstance(own, np.ndarray) else own
