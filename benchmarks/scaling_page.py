"""Writes what distribution costs on one machine: `docs/scaling.json`, which keeps the rows, and `docs/scaling.md`.

`scaling.py` and `worker_scaling.py` print their tables with it, and record them where they are asked to.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "docs"
TITLES = {
    "devices": ("Logical devices of one process: `MirroredStrategy`", "penstock run benchmarks/scaling.py"),
    "workers": ("Processes: `MultiWorkerMirroredStrategy`", "python benchmarks/worker_scaling.py"),
}
INTRODUCTION = """\
# What distribution costs on the same cores

Written by `make scaling`. One model, one global batch, the same cores of one machine, split over more and more devices or
processes: the work is the same, so a ratio above 1 is what distribution costs. Times are those of the best epoch, in
milliseconds for a step; CPU time is that of all threads and processes. 0 devices are training without a strategy.
[Why ratios are what they are, and losses not the same in all
digits](distributed.md#one-machine-several-devices-mirroredstrategy).
"""


def table(unit: str, rows: dict[int, dict[str, float]]) -> str:
    """The measurements as a table in Markdown; ratios are to the first row.

    Args:
      unit: what is counted. rows: for each count `step_ms`, `cpu_ms` and `loss`.
    """
    first = next(iter(rows.values()))
    lines = [f"| {unit} | step, ms | ratio | CPU, ms | ratio | last loss |", "| --- " * 6 + "|"]
    for count, row in rows.items():
        ratios = [row[key] / first[key] for key in ("step_ms", "cpu_ms")]
        lines.append(
            f"| {count} | {row['step_ms']:.1f} | {ratios[0]:.2f} | {row['cpu_ms']:.1f} | {ratios[1]:.2f} | {row['loss']:.6f} |"
        )
    return "\n".join(lines)


def record(kind: str, model: str, rows: dict[int, dict[str, float]]) -> None:
    """Keeps rows in place of those of the last run of that kind and model, and writes the page anew.

    Args:
      kind: one of `TITLES`. model: its name. rows: as those of `table`.
    """
    data = FOLDER / "scaling.json"
    found = json.loads(data.read_text()) if data.exists() else {}
    found.setdefault(kind, {})[model] = {
        "date": datetime.date.today().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}",
        "rows": {str(count): row for count, row in rows.items()},
    }
    data.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    (FOLDER / "scaling.md").write_text(page(found))


def page(found: dict[str, Any]) -> str:
    """The page, in Markdown."""
    parts = [INTRODUCTION]
    for kind, (title, command) in TITLES.items():
        if kind in found:
            parts.append(f"## {title}\n")
        for model, run in sorted(found.get(kind, {}).items()):
            rows = {
                int(count): row for count, row in sorted(run["rows"].items(), key=lambda item: int(item[0]))
            }
            parts.append(f"`{command} {model}`, {run['date']}, {run['machine']}:\n\n{table(kind, rows)}\n")
    return "\n".join(parts)
