"""`Dataset.explain`: the plan of a pipeline as text, and where the time of its last run went."""

from __future__ import annotations

from typing import Any

from penstock.data.iteration import Iteration, is_cheap
from penstock.data.planner import planned


def explain(dataset: Any) -> str:
    """The nodes from the consumer to the sources, inputs indented; with times where the dataset was iterated."""
    run = dataset._last_run
    rows: list[tuple[str, str, str]] = []
    _add(planned(dataset), run, 0, rows)
    width = max(len(text) for text, *_ in rows)
    lines = [f"{text:{width}}  {count:>10}  {seconds}".rstrip() for text, count, seconds in rows]
    if run is not None:
        lines.append(_summary(run))
    return "\n".join(lines)


def _add(node: Any, at: Iteration | None, depth: int, rows: list) -> None:
    details = node._describe()
    text = "  " * depth + type(node).__name__ + (f"({details})" if details else "")
    count = seconds = ""
    if at is not None and not (is_cheap(node) and depth):
        inside = sum(each.seconds for each in at.inputs.values())
        count, seconds = f"{at.count:,}", _time(max(at.seconds - inside - at.waited, 0.0))
        if at.waited > 1e-4:
            seconds += f", waited {_time(at.waited)} for its threads"
        seconds += "".join(f", {name} {value} by AUTOTUNE" for name, value in at.tuned.items())
    elif at is not None:
        seconds = "(measured with its consumer)"
    rows.append((text, count, seconds))
    for index, parent in enumerate(node._parents):
        _add(parent, None if at is None else at.inputs.get(index), depth + 1, rows)


def _time(seconds: float) -> str:
    return f"{seconds:.3f} s" if seconds >= 0.1 else f"{seconds * 1e3:.2f} ms"


def _summary(run: Iteration) -> str:
    rate = f", {run.count / run.seconds:,.0f} a second" if run.seconds > 0 else ""
    return f"The consumer got {run.count:,} elements and waited {_time(run.seconds)} for them{rate}."
