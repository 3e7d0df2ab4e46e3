"""Keeps what `python -m benchmarks` measured, and writes it as a page with tables and a chart of the training steps."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
import subprocess
import time
from pathlib import Path

import numpy as np

# Floating-point operations of a training step, in millions: products and convolutions, forward and backward.
STEP_MFLOP = {
    "mlp": 105, "cnn": 524, "conv1d": 305, "cnn100": 70_978, "lstm": 1_751,
    "resnet50": 370_171, "mobilenet_v2": 28_753, "transformer": 125_628,
}  # fmt: skip
COLORS = {
    "penstock": "#1f6feb",
    "tensorflow": "#e8872b",
    "keras-jax": "#8250df",
    "keras-torch": "#cf222e",
    "jax": "#bf8fff",
    "torch": "#ff8182",
}

Results = dict[str, dict[str, dict[str, float]]]  # benchmark -> engine -> number
RECORDS = "benchmarks.json"  # benchmark -> "engines", and where and when they were measured


def peak_gflops() -> float:
    """What this machine reaches on a large product of float32 matrices, by NumPy."""
    a = np.ones((2048, 2048), np.float32)
    best = float("inf")
    for _ in range(8):
        start = time.perf_counter()
        a @ a
        best = min(best, time.perf_counter() - start)
    return 2 * 2048**3 / best / 1e9


def machine() -> str:
    """The processor, how many cores of it there are, and the load beside the benchmarks."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{name}, {len(os.sched_getaffinity(0))} cores, {platform.platform()}"


def versions(tensorflow_python: str, torch_python: str | None) -> str:
    """The packages that were compared."""
    found = {name: importlib.metadata.version(name) for name in ("penstock", "jax", "keras", "numpy")}
    for python, package in ((tensorflow_python, "tensorflow-cpu"), (torch_python, "torch")):
        if python is not None:
            code = f"import importlib.metadata as m; print(m.version({package!r}))"
            done = subprocess.run([python, "-c", code], capture_output=True, text=True)
            found[package] = done.stdout.strip() or "unknown"
    return ", ".join(f"{name} {version}" for name, version in found.items())


def table(name: str, engines: dict[str, dict[str, float]], numbers: tuple[str, ...]) -> list[str]:
    """One benchmark as a Markdown table; the ratio is to the fastest peer."""
    rows = [f"### {name}", "", "| | " + " | ".join(engines) + " | ratio |", "|---" * (len(engines) + 2) + "|"]
    for number in numbers or tuple(engines["penstock"]):
        values = {engine: found.get(number) for engine, found in engines.items()}
        peers = [value for engine, value in values.items() if engine != "penstock" and value]
        ratio = f"{values['penstock'] / min(peers):.2f}" if peers and values["penstock"] else ""
        shown = " | ".join("" if value is None else f"{value:g}" for value in values.values())
        rows.append(f"| {number} | {shown} | {ratio} |")
    return [*rows, ""]


def training_steps(results: Results) -> Results:
    """Model -> what its training steps took under each engine."""
    return {name.split()[-1]: engines for name, engines in results.items() if name.startswith("fit_step ")}


def limits(results: Results, peak: float) -> list[str]:
    """How much of the machine's arithmetic the training steps use."""
    rows = [
        "## Against the machine",
        "",
        f"A product of large float32 matrices reaches {peak:.0f} GFLOP/s here (NumPy). A step cannot take less than its",
        "products and convolutions at that rate; what it reads and writes comes on top.",
        "",
        "| step | MFLOP | at the peak, ms | Penstock, ms | GFLOP/s | of the peak |",
        "|---|---|---|---|---|---|",
    ]
    for model, engines in training_steps(results).items():
        if model in STEP_MFLOP and "penstock" in engines:
            work, taken = STEP_MFLOP[model], engines["penstock"]["step_ms"]
            rows.append(
                f"| {model} | {work} | {work / peak:.2f} | {taken:.2f} | {work / taken:.0f} | {work / taken / peak:.0%} |"
            )
    return [*rows, ""]


def chart(results: Results) -> str:
    """The training steps as an SVG bar chart: each engine's time over the fastest peer's."""
    bar, gap, left, scale, y = 14, 18, 90, 160, 40
    parts = []
    for model, engines in training_steps(results).items():
        fastest = min(found["step_ms"] for engine, found in engines.items() if engine != "penstock")
        parts.append(f'<text x="8" y="{y + bar * len(engines) / 2 + 4}">{model}</text>')
        for engine, found in engines.items():
            ratio = found["step_ms"] / fastest
            width = min(ratio, 4) * scale
            parts.append(
                f'<rect x="{left}" y="{y}" width="{width:.0f}" height="{bar - 2}" fill="{COLORS[engine]}"/>'
            )
            parts.append(f'<text x="{left + width + 5:.0f}" y="{y + 10}">{found["step_ms"]:.3g} ms</text>')
            y += bar
        y += gap
    legend = "".join(
        f'<rect x="{left + 130 * i}" y="8" width="12" height="12" fill="{color}"/>'
        f'<text x="{left + 130 * i + 18}" y="18">{engine}</text>'
        for i, (engine, color) in enumerate(COLORS.items())
    )
    line = left + scale
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="860" height="{y}" font-family="sans-serif" font-size="12">'
        f'<rect width="100%" height="100%" fill="white"/>{legend}'
        f'<line x1="{line}" x2="{line}" y1="30" y2="{y - 10}" stroke="#999" stroke-dasharray="4"/>'
        + "".join(parts)
        + "</svg>\n"
    )


def read(folder: Path) -> dict[str, dict]:
    """What has been measured so far."""
    file = folder / RECORDS
    return json.loads(file.read_text()) if file.exists() else {}


def record(folder: Path, name: str, engines: dict[str, dict[str, float]], packages: str) -> None:
    """Keeps what a benchmark measured, with machine, day and load."""
    measured = {
        "on": f"{machine()}; {packages}",
        "day": str(datetime.date.today()),
        "load": round(os.getloadavg()[2], 1),
        "peak_gflops": round(peak_gflops()),
        "engines": engines,
    }
    aside = folder / f"{RECORDS}.new"
    aside.write_text(json.dumps(read(folder) | {name: measured}, indent=1) + "\n")
    aside.replace(folder / RECORDS)


def write(folder: Path, numbers: dict[str, tuple[str, ...]]) -> None:
    """Writes `benchmarks.md` and `benchmarks.svg` from the records of a folder."""
    records = {name: each for name, each in read(folder).items() if name in numbers}
    records = {name: records[name] for name in numbers if name in records}
    results = {name: each["engines"] for name, each in records.items()}
    rows = [
        "# Benchmarks",
        "",
        "Written by `make bench`; do not edit. Every program ran under every engine in turn; the numbers are the best ones.",
        "*Ratio* is Penstock over the fastest peer: below 1, Penstock needs less. `jax` and `torch` are the same model",
        "written without Keras.",
        "",
        "![Training steps](benchmarks.svg)",
        "",
    ]
    for place in dict.fromkeys(each["on"] for each in records.values()):
        rows += [f"Measured on {place}.", ""]
    for name, each in records.items():
        rows += table(name, each["engines"], numbers[name])
        rows += [f"{each['day']}, load average of the 15 minutes before: {each['load']}.", ""]
    rows += limits(results, max((each["peak_gflops"] for each in records.values()), default=1.0))
    (folder / "benchmarks.md").write_text("\n".join(rows))
    (folder / "benchmarks.svg").write_text(chart(results))
