"""`ReplicatedCall`: a traced function that all replicas run in one step.

As one SPMD program wherever the replicas' arguments have equal shapes: over a mesh of devices (`jax.shard_map`) where
there is one device for each replica, else batched on the device that there is (`jax.vmap`). With unequal shapes (the
last batch of an epoch) the replicas are lowered in lockstep into the same program. A function with ops that need the
host runs on one thread for each replica.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.distribute.divided_products import DividedLowering
from penstock.distribute.divided_states import RowTensors
from penstock.distribute.replica_threads import run_replicas
from penstock.engine.context import process, thread
from penstock.engine.definition import REGISTRY, op
from penstock.engine.resources import State, is_plain
from penstock.engine.shape_rules import ShapeCall
from penstock.engine.static_value import is_static
from penstock.engine.xla import jax, jnp, lax
from penstock.ops.collectives import (
    AXIS,
    COMBINE,
    WORKER,
    Replica,
    first_over,
    gathered_over,
    mapped_axes,
    reduced_over,
    replica_number,
)
from penstock.ops.random import philox
from penstock.runtime import fusion
from penstock.runtime.executor import executor_of
from penstock.runtime.failure import Failure
from penstock.runtime.lowering import (
    Lowering,
    NotCompilableError,
    StateProxy,
    as_array,
    nested_graphs,
    pruned,
    streams,
)  # fmt: skip
from penstock.runtime.replica_places import mesh_of
from penstock.types import dtypes

_SMALL = 1 << 12  # elements up to which all devices get the outputs of all replicas
_APART = np.uint64(1 << 48)  # blocks of random numbers between where two replicas draw theirs


def _shapes(call: ShapeCall) -> list[Any]:
    return [each.shape for each in call.attrs["f"].outputs] * call.attrs["replicas"]


# `split` holds the arguments of replica 0, then those of replica 1, ...; the outputs are in the same order. `captured` is
# the same for all, but for the states at the positions `stacked`, which hold one value for each replica, and those at the
# positions `divided`, of which each device of the mesh holds some rows. `replicas` are those of this process, one of
# `workers`; `devices` are the JAX devices of its mesh, or None.
op(
    "ReplicatedCall(split: *Ts, captured: *Tc; f, replicas, workers, stacked, divided, devices, Tout) -> output: *Tout",
    shape=_shapes,
    nested=("f",),
    stateful=True,
)


def _rows(operation: Any, inputs: Sequence[Any]) -> tuple[list[list[Any]], list[Any]]:
    """The arguments of each replica, and the captured values."""
    count = operation.attrs["replicas"]
    width = len(operation.attrs["f"].arguments)
    split, captured = inputs[: width * count], list(inputs[width * count :])
    return [list(split[each * width : (each + 1) * width]) for each in range(count)], captured


def _lower(operation: Any, inputs: Sequence[Any], lowering: Lowering) -> Sequence[Any]:
    if any(each.dtype is dtypes.string for each in operation.outputs):
        raise NotCompilableError(operation, "returns strings")
    rows, captured = _rows(operation, inputs)
    shapes = [[np.shape(each) for each in row] for row in rows]
    outer, thread.replica = thread.replica, Replica(len(rows), workers=operation.attrs["workers"])
    try:
        if all(each == shapes[0] for each in shapes):
            return _lower_spmd(operation, rows, captured, lowering)
        return _lower_in_lockstep(operation, rows, captured, lowering)
    finally:
        thread.replica = outer


def _lower_spmd(
    operation: Any, rows: Sequence[Sequence[Any]], captured: list[Any], lowering: Lowering
) -> list[Any]:
    body, count, axes = operation.attrs["f"], len(rows), mapped_axes()
    fused = fusion.find(pruned(body), body.outputs)
    lowering.fused.update(fused)
    row_tensors = RowTensors(body, operation.attrs["divided"])
    divided_ids = {id(captured[each]) for each in operation.attrs["divided"]}
    arrays = [[as_array(each) for each in row] for row in rows]
    stacked = [captured[each] for each in operation.attrs["stacked"]]
    proxies = lowering.proxies_of([body], captured)
    shared = [each for each in proxies if not any(each is other for other in stacked)]
    own_streams = [lowering.proxies[id(each)] for each in streams([body])]
    positions = [
        i for i, each in enumerate(captured) if not isinstance(each, StateProxy) and not is_static(each)
    ]

    def run(
        arguments: Sequence[Any], states: Sequence[Any], per_replica: Sequence[Any], values: Sequence[Any]
    ) -> Any:
        """One replica: its outputs, and the values of all states after it."""
        filled = list(captured)
        for i, value in zip(positions, values):
            filled[i] = value
        before = [each.value for each in (*shared, *stacked)]
        for each, value in zip((*shared, *stacked), (*states, *per_replica)):
            each.value = value
        try:
            for each in own_streams:
                start, replica = philox.from_state(jnp, each.value), replica_number().astype(jnp.uint64)
                each.value = start.advanced(jnp, replica * _APART).state(jnp)
            exchanges = DividedLowering(body, row_tensors, count, lowering, fused)
            lowering.fused.update(exchanges.computes())
            results = exchanges.outputs(lowering.run_graph(body, [*arguments, *filled]))
            outputs = [as_array(value, tensor.dtype) for value, tensor in zip(results, body.outputs)]
            for each in own_streams:
                each.value = first_over(axes, each.value)
            after = [
                _first_of_replicas(each.value, axes) if axes and isinstance(each, Failure) else each.value
                for each in shared
            ]
            return outputs, after, [each.value for each in stacked]
        finally:
            for each, value in zip((*shared, *stacked), before):
                each.value = value

    states, per_replica = [each.value for each in shared], [each.value for each in stacked]
    values = [captured[i] for i in positions]
    over = _alone if count == 1 else _batched
    if operation.attrs["devices"]:
        is_divided = [id(each) in divided_ids for each in shared]
        over = functools.partial(_over_mesh, operation.attrs["devices"], is_divided)
    outputs, after, after_stacked = over(run, arrays, states, per_replica, values)
    for each, value in zip((*shared, *stacked), (*after, *after_stacked)):
        each.value = value
    return [output[replica] for replica in range(count) for output in outputs]


def _first_of_replicas(found: Any, axes: Any) -> Any:
    """What one of the replicas found wrong."""
    of_all = jnp.reshape(lax.all_gather(jnp.asarray(found), axes), (-1, *np.shape(found)))
    return of_all[jnp.argmax(of_all[:, 0] != 0)]


def _alone(run: Any, rows: list, states: list, per_replica: list, values: list) -> tuple:
    """A single replica."""
    outputs, after, after_stacked = run(rows[0], states, [each[0] for each in per_replica], values)
    return [each[None] for each in outputs], after, [each[None] for each in after_stacked]


def _batched(run: Any, rows: list, states: list, per_replica: list, values: list) -> tuple:
    """All replicas on one device."""
    mapped = jax.vmap(
        run, in_axes=(0, None, 0, None), out_axes=(0, 0, 0), axis_name=AXIS, axis_size=len(rows)
    )
    columns = [jnp.stack(column) for column in zip(*rows)]
    outputs, after, after_stacked = mapped(columns, states, per_replica, values)
    return outputs, [each[0] for each in after], after_stacked


def _over_mesh(
    devices: tuple,
    is_divided: list[bool],
    run: Any,
    rows: list,
    states: list,
    per_replica: list,
    values: list,
) -> tuple:
    """One replica on each device.

    A state is divided over the devices where `is_divided` says so. Every device gets the arguments of all replicas and takes
    its own, and small outputs are gathered together: stacking and slicing sharded arrays would be an exchange between the
    devices for each of them.
    """
    split, whole = jax.sharding.PartitionSpec(AXIS), jax.sharding.PartitionSpec()

    def local(rows: list, states: list, per_replica: list, values: list) -> tuple:
        own = lax.switch(lax.axis_index(AXIS), [lambda row=row: row for row in rows])
        outputs, after, after_stacked = run(own, states, [each[0] for each in per_replica], values)
        is_small.extend(each.size <= _SMALL for each in outputs)
        gathered = [lax.all_gather(each, AXIS) for each in outputs if each.size <= _SMALL]
        large = [each[None] for each in outputs if each.size > _SMALL]
        return gathered, large, after, [each[None] for each in after_stacked]

    # Inside of a program of several processes, whose axis is mapped already, the mesh is the program's.
    mesh = {} if WORKER in mapped_axes() else {"mesh": mesh_of(devices)}
    is_small: list[bool] = []
    places = [split if each else whole for each in is_divided]
    mapped = jax.shard_map(
        local, in_specs=(whole, places, split, whole), out_specs=(whole, split, places, split), axis_names={AXIS},
        check_vma=False, **mesh,
    )  # fmt: skip
    gathered, large, after, after_stacked = mapped(rows, states, per_replica, values)
    rest = {True: iter(gathered), False: iter(large)}
    return [next(rest[each]) for each in is_small[: len(gathered) + len(large)]], after, after_stacked


def _lower_in_lockstep(
    operation: Any, rows: Sequence[Sequence[Any]], captured: list[Any], lowering: Lowering
) -> list[Any]:
    """Each operation for all replicas before the next one, so that those in which replicas meet see all values."""
    body, stacked = operation.attrs["f"], set(operation.attrs["stacked"])
    values: list[dict[int, Any]] = []  # for each replica: id(tensor) -> value
    proxies: list[list[Any]] = []  # for each replica its view of the captured values
    for replica, arguments in enumerate(rows):
        own = [
            StateProxy(each.state, each.value[replica] if i in stacked else each.value)
            if isinstance(each, StateProxy)
            else each
            for i, each in enumerate(captured)
        ]
        proxies.append(own)
        values.append({id(each): value for each, value in zip(body.inputs, [*arguments, *own], strict=True)})
    for each in pruned(body):
        if each.type in COMBINE:
            _meet(each, values)
        elif each.type == "ReplicaId":
            before = lax.axis_index(WORKER) * len(rows) if WORKER in mapped_axes() else 0
            for replica, row in enumerate(values):
                row[id(each.outputs[0])] = np.int32(replica) + before
        elif any(_holds_meetings(graph) for graph in nested_graphs(each)):
            raise NotCompilableError(
                operation, f"{each.name}: replicas of unequal shapes meet inside a branch or loop"
            )
        else:
            for row in values:
                lowering.run([each], row, nested=True)
    for i, each in enumerate(captured):
        if isinstance(each, StateProxy):
            copies = [own[i].value for own in proxies]
            each.value = jnp.stack(copies) if i in stacked else copies[0]
    return [row[id(each)] for row in values for each in body.outputs]


def _meet(operation: Any, values: list[dict[int, Any]]) -> None:
    definition = operation.definition
    attrs = definition.attrs_for_kernel(operation.attrs)
    rows = [
        definition.group([as_array(row[id(each)]) for each in operation.inputs], operation.attrs)[0]
        for row in values
    ]
    results = COMBINE[operation.type](jnp, rows, **attrs)[0]  # the same for all
    outputs = results if isinstance(results, list) else [results]
    if WORKER in mapped_axes():
        outputs = _over_workers[operation.type](outputs, **attrs)
    for row in values:
        row.update((id(each), value) for each, value in zip(operation.outputs, outputs))


# What replicas of this process come to -> what those of all processes come to.
_over_workers: dict[str, Any] = {
    "ReplicaReduce": lambda outputs, reduce_op: reduced_over((WORKER,), outputs, reduce_op),
    "ReplicaGather": lambda outputs, axis: [gathered_over((WORKER,), outputs[0], axis)],
    "ReplicaBroadcast": lambda outputs: [first_over((WORKER,), outputs[0])],
}


def _holds_meetings(graph: Any) -> bool:
    return any(
        each.type in COMBINE or any(_holds_meetings(inner) for inner in nested_graphs(each))
        for each in graph.get_operations()
    )


def _run_on_host(operation: Any, inputs: Sequence[Any], prefer_host: bool) -> list[Any]:
    """One thread for each replica, each with copies of the states."""
    rows, captured = _rows(operation, inputs)
    body, stacked = operation.attrs["f"], set(operation.attrs["stacked"])
    executor = executor_of(body, prefer_host)
    copies = [
        [
            _copy(each, replica if i in stacked else None) if is_plain(each) else each
            for i, each in enumerate(captured)
        ]
        for replica in range(len(rows))
    ]
    workers = operation.attrs["workers"]
    results = run_replicas(
        len(rows),
        lambda replica: executor.run([*rows[replica], *copies[replica]]),
        workers,
        process.workers.index if workers > 1 else 0,
    )
    for i, each in enumerate(captured):
        if is_plain(each):
            after = [own[i].value for own in copies]
            each.assign(np.stack([np.asarray(value) for value in after]) if i in stacked else after[0])
    return [value for row in results for value in row]


def _copy(state: State, replica: int | None) -> State:
    value = state.value if replica is None or state.value is None else np.asarray(state.value)[replica]
    if replica is None and value is not None:
        value = np.asarray(value)  # programs of the replicas donate what they are given
    return State(value, state.name, state.handle_data.shape, state.handle_data.dtype)


def _calls(operation: Any) -> list[dict[int, Any]]:
    """What each replica's inputs of the graph are."""
    rows, captured = _rows(operation, operation.inputs)
    return [
        {
            id(inside): given
            for inside, given in zip(operation.attrs["f"].inputs, [*row, *captured], strict=True)
        }
        for row in rows
    ]


REGISTRY["ReplicatedCall"].lowering = _lower
REGISTRY["ReplicatedCall"].calls = _calls
REGISTRY["ReplicatedCall"].on_host = _run_on_host
