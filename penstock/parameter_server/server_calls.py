"""The two ops of programs that use parameter servers.

A trace holds `PlacedCall`s: functions that are to run where their states are, as a variable's update does. Before a
function runs, `placement.place` gathers them, and every other op on a server's states, into a few `ServerCalls`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.engine.context import process
from penstock.engine.definition import REGISTRY, op
from penstock.engine.xla import jax
from penstock.parameter_server.remote_state import connection
from penstock.runtime.executor import executor_of

# `f` takes the handles, then the inputs.
op(
    "PlacedCall(handles: *Th, inputs: *Ti; f, Tout) -> outputs: *Tout",
    shape=lambda call: [each.shape for each in call.attrs["f"].outputs],
    nested=("f",),
    stateful=True,
)


def _run_placed(operation: Any, values: Sequence[Any], prefer_host: bool) -> Sequence[Any]:
    """A call that was not placed: its states are here."""
    return executor_of(operation.attrs["f"], prefer_host).run(list(values))


REGISTRY["PlacedCall"].on_host = _run_placed

# One call for each server, all at once. `programs` are the digests of the calls' functions; each takes the next
# `handle_counts[i]` handles, all of one server, and `input_counts[i]` inputs, and gives the next `output_counts[i]`
# outputs.
_server_calls = op(
    "ServerCalls(handles: *Th, inputs: *Ti; programs, handle_counts, input_counts, output_counts, output_shapes, Tout)"
    " -> outputs: *Tout",
    shape=lambda call: list(call.attrs["output_shapes"]),
    stateful=True,
    writes=True,
)


@_server_calls.numpy
def _(
    handles: Sequence[Any],
    inputs: Sequence[Any],
    *,
    programs: Sequence[str],
    handle_counts: Sequence[int],
    input_counts: Sequence[int],
    **_: Any,
) -> list[np.ndarray]:
    calls = []
    for program, handle_count, input_count in zip(programs, handle_counts, input_counts):
        states, handles = handles[:handle_count], handles[handle_count:]
        given, inputs = inputs[:input_count], inputs[input_count:]
        arrays = [np.asarray(each) if isinstance(each, jax.Array) else each for each in given]
        calls.append((states[0].server, program, [each.key for each in states], arrays))
    return [value for results in connection().run(calls) for value in results]


def programs() -> dict[str, bytes]:
    """Digest -> function, for all functions of servers that this process knows."""
    return process.registry.setdefault("server_programs", {})
