"""How long each part of a session's step took: what `RunOptions(trace_level=FULL_TRACE)` asks for.

A part is a compiled piece, which is one node of the record named after its last operation, or one operation on the host.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from penstock.engine.xla import jax

FULL_TRACE = 3  # RunOptions.FULL_TRACE


class Part(NamedTuple):
    """A part of a step: its operations, and when it began and ended, in microseconds since 1970."""

    operations: list[Any]
    start: int
    end: int


class StepTimes:
    """The parts of one step, in order."""

    def __init__(self) -> None:
        self.parts: list[Part] = []

    def run(self, step: Any, env: list) -> None:
        """Runs a part of an executor, and waits for what it computes."""
        start = time.time_ns() // 1000
        step(env)
        jax.block_until_ready([env[slot] for slot in getattr(step, "_leaving_slots", ())])
        self.parts.append(Part(list(step.operations), start, time.time_ns() // 1000))

    def fill(self, run_metadata: Any) -> None:
        """Writes the parts to a `RunMetadata` message."""
        device = run_metadata.step_stats.dev_stats.add(device="/job:localhost/replica:0/task:0/device:CPU:0")
        for part in self.parts:
            if not part.operations:
                continue
            last = part.operations[-1]
            kinds = ", ".join(dict.fromkeys(each.type for each in part.operations))
            node = device.node_stats.add(
                node_name=last.name,
                timeline_label=f"{last.name} = {kinds}({len(part.operations)} operations)",
                all_start_micros=part.start,
                op_end_rel_micros=part.end - part.start,
                all_end_rel_micros=part.end - part.start,
            )
            for index, tensor in enumerate(last.outputs):
                node.output.add(slot=index).tensor_description.dtype = tensor.dtype.as_datatype_enum
