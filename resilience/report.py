"""Writes what the runs with kills found: `docs/kills.json`, which keeps all of it, and `docs/kills.md`, for people."""

from __future__ import annotations

import datetime
import json
import os
import platform
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "docs"
TITLES = {
    "workers": ("Workers of `MultiWorkerMirroredStrategy`", "python -m resilience"),
    "servers": ("Workers and servers of `ParameterServerStrategy`", "python -m resilience.servers"),
    "namespaces": ("Hosts of a network that fails", "python -m resilience.namespaces"),
    "hosts_on_ray": (
        "Hosts of parameter servers and of the data service",
        "python -m resilience.hosts_on_ray",
    ),
    "data_service": ("Workers of `tf.data.experimental.service`", "python -m resilience.data_service"),
}


def record(
    kind: str, options: str, rows: list[str], end: str, problems: list[str], folder: Path = FOLDER
) -> None:
    """Keeps the results of a run in place of those of the last one of its kind, and writes the page anew.

    Args:
      kind: one of `TITLES`. options: of the command. rows: what happened, a line for each kill or training.
      end: what came out of it all. problems: what did not hold.
    """
    data = folder / "kills.json"
    found = json.loads(data.read_text()) if data.exists() else {}
    found[kind] = {
        "date": datetime.date.today().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "options": options,
        "rows": rows,
        "end": end,
        "problems": problems,
    }
    data.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    (folder / "kills.md").write_text(page(found))


def page(found: dict[str, Any]) -> str:
    """The page, in Markdown."""
    lines = [
        "# Killed processes",
        "",
        "Written by `make kills`, in which processes of a cluster get SIGKILL at random moments, and `make namespaces`, in which",
        "hosts lose their network. [What has to hold](distributed.md).",
    ]
    for kind, (title, command) in TITLES.items():
        if kind not in found:
            continue
        run = found[kind]
        options = f" {run['options']}" if run["options"] else ""
        lines += ["", f"## {title}", "", f"`{command}{options}`, {run['date']}, {run['machine']}.", ""]
        lines += [f"{number}. {row}" for number, row in enumerate(run["rows"], 1)]
        lines += ["", run["end"], "", f"Problems: {len(run['problems']) or 'none'}."]
        lines += [f"* {each}" for each in run["problems"]]
    return "\n".join(lines) + "\n"
