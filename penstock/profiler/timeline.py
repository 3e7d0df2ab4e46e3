"""`tensorflow.python.client.timeline`: the times of a step in the format of Chrome's trace viewer."""

from __future__ import annotations

import json
from typing import Any


class Timeline:
    """The times of a step.

    Args:
      step_stats: the `step_stats` of a `RunMetadata` message.
      graph: accepted.
    """

    def __init__(self, step_stats: Any, graph: Any = None):
        self._stats = step_stats

    @property
    def _step_stats(self) -> Any:
        return self._stats

    def generate_chrome_trace_format(
        self, show_dataflow: bool = True, show_memory: bool = False, op_time: str = "schedule"
    ) -> str:
        """The trace as JSON, for `chrome://tracing`. The arguments are accepted."""
        events: list[dict[str, Any]] = []
        for number, device in enumerate(self._stats.dev_stats):
            events.append(
                {
                    "ph": "M",
                    "name": "process_name",
                    "pid": number,
                    "args": {"name": f"{device.device} Compute"},
                }
            )
            for node in device.node_stats:
                name, _, kind = node.timeline_label.partition(" = ")
                events.append(
                    {
                        "ph": "X",
                        "cat": "Op",
                        "name": kind.partition("(")[0] or "unknown",
                        "pid": number,
                        "tid": node.thread_id,
                        "ts": node.all_start_micros,
                        "dur": node.all_end_rel_micros,
                        "args": {"name": node.node_name or name, "op": kind},
                    }
                )
        return json.dumps({"traceEvents": events}, indent=4)
