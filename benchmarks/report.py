"""Keeps what `python -m benchmarks` measured, and writes it as a page with tables and a chart of the training steps."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

# Floating-point operations of a training step, in millions: products and convolutions, forward and backward.
STEP_MFLOP = {
    "mlp": 105, "cnn": 524, "conv1d": 305, "cnn100": 70_978, "lstm": 1_751,
    "resnet50": 370_171, "mobilenet_v2": 28_753, "transformer": 125_628,
}  # fmt: skip
# What a training step must read and write at least, in megabytes: each weight and its two moments of Adam once each way
# (24 bytes), and the output of each layer with weights, pool or normalization once each way (8 bytes a number).
STEP_MB = {
    "mlp": 20, "cnn": 12, "conv1d": 14, "cnn100": 800,
    "lstm": 82, "resnet50": 4_009, "mobilenet_v2": 1_792, "transformer": 799,
}  # fmt: skip
# The same of a call for one example: millions of operations, and megabytes of weights to be read. Convolutions of 3 by 3
# with many channels count by Winograd's algorithm with tiles of 4 by 4, 4 times fewer than by the definition.
CALL_MFLOP = {"mlp": 1.6, "cnn": 2.7, "conv1d": 3.2, "cnn100": 241, "lstm": 18.2}
CALL_MB = {"mlp": 3.3, "cnn": 0.4, "conv1d": 1.6, "cnn100": 75.7, "lstm": 0.4}
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


def bandwidth() -> float:
    """Gigabytes that this machine reads and writes in a second, copying arrays that no cache holds on every core."""
    cores = len(os.sched_getaffinity(0))
    pairs = [(np.ones(2**26, np.uint8), np.ones(2**26, np.uint8)) for _ in range(cores)]
    best = float("inf")
    with ThreadPoolExecutor(cores) as pool:
        for _ in range(8):
            start = time.perf_counter()
            list(pool.map(lambda pair: np.copyto(*pair), pairs))
            best = min(best, time.perf_counter() - start)
    return cores * 2 * 2**26 / best / 1e9


def reading() -> float:
    """Gigabytes that this machine reads in a second, adding up arrays that no cache holds on every core."""
    cores = len(os.sched_getaffinity(0))
    arrays = [np.ones(2**24, np.float32) for _ in range(cores)]
    best = float("inf")
    with ThreadPoolExecutor(cores) as pool:
        for _ in range(20):
            start = time.perf_counter()
            list(pool.map(lambda array: np.dot(array, array), arrays))
            best = min(best, time.perf_counter() - start)
    return cores * 2**26 / best / 1e9


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


def limits(results: Results, peak: float, memory: float) -> list[str]:
    """How far the training steps are from what the machine's arithmetic and its memory allow."""
    rows = [
        "## Against the machine",
        "",
        f"A product of large float32 matrices reaches {peak:.0f} GFLOP/s here (NumPy), copies of large arrays read and write",
        f"{memory:.1f} GB/s. A step cannot take less than its products and convolutions at that rate, nor less than weights,",
        "moments and layers' outputs take to be read and written (where no cache holds them). The last column is the",
        "greater of the two over the time it took.",
        "",
        "| step | MFLOP | at the peak, ms | MB | at the bandwidth, ms | Penstock, ms | GFLOP/s | of the limit |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for model, engines in training_steps(results).items():
        if model in STEP_MFLOP and "penstock" in engines:
            work, moved, taken = STEP_MFLOP[model], STEP_MB[model], engines["penstock"]["step_ms"]
            least = max(work / peak, moved / memory)
            rows.append(
                f"| {model} | {work:,} | {work / peak:.2f} | {moved:,} | {moved / memory:.2f} | {taken:,.2f} "
                f"| {work / taken:.0f} | {least / taken:.0%} |"
            )
    return [*rows, ""]


def call_limits(results: Results, peak: float, memory: float) -> list[str]:
    """How far calls for one example are from what arithmetic and reading the weights take, one after the other."""
    rows = [
        "## Calls for one example against the machine",
        "",
        f"All cores together read weights that no cache holds at {memory:.1f} GB/s. The limit is the time for that and for the",
        "arithmetic, one after the other, as a layer waits for the one before; what a call from Python costs is not in it.",
        "",
        "| call | MFLOP | MB of weights | limit, µs | Penstock, µs | TensorFlow, µs | limit over TensorFlow |",
        "|---|---|---|---|---|---|---|",
    ]
    for model, work in CALL_MFLOP.items():
        engines = results.get(f"inference {model}")
        if engines:
            ours, theirs = (engines[each]["function_us"] for each in ("penstock", "tensorflow"))
            least = work / peak * 1e3 + CALL_MB[model] / memory * 1e3
            rows.append(
                f"| {model} | {work:g} | {CALL_MB[model]:g} | {least:,.0f} | {ours:,.0f} | {theirs:,.0f} "
                f"| {least / theirs:.2f} |"
            )
    return [*rows, ""]


def draw(results: Results, file: Path) -> None:
    """Draws the training steps as bars: each engine's time over the fastest peer's."""
    steps = training_steps(results)
    figure = Figure(
        figsize=(9, 1 + 0.16 * sum(len(engines) + 1.5 for engines in steps.values())), layout="constrained"
    )
    axes = figure.subplots()
    widest, y, ticks = 4.0, 0.0, {}
    for model, engines in steps.items():
        fastest = min(found["step_ms"] for engine, found in engines.items() if engine != "penstock")
        ticks[y + (len(engines) - 1) / 2] = model
        for engine, found in engines.items():
            ratio = found["step_ms"] / fastest
            axes.barh(y, min(ratio, widest), 0.85, color=COLORS[engine])
            text = f"{found['step_ms']:,.3g} ms" if found["step_ms"] < 100 else f"{found['step_ms']:,.0f} ms"
            cut = f" ({ratio:.1f})" if ratio > widest else ""
            axes.text(min(ratio, widest) + 0.03, y, text + cut, va="center", fontsize=7)
            y += 1
        y += 1.5
    axes.axvline(1, color="gray", linestyle=":", linewidth=1)
    axes.set(
        ylim=(y - 1, -1), xlim=(0, widest + 0.6), xlabel="time of a training step over the fastest peer's"
    )
    axes.set_yticks(list(ticks), list(ticks.values()))
    axes.spines[["top", "right"]].set_visible(False)
    for engine, color in COLORS.items():
        axes.barh(0, 0, color=color, label=engine)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=len(COLORS), frameon=False, fontsize=8)
    with matplotlib.rc_context(
        {"svg.fonttype": "none", "svg.hashsalt": "penstock"}
    ):  # small, and the same each time
        figure.savefig(file, metadata={"Date": None})


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
        "bandwidth_gb": round(bandwidth(), 1),
        "reading_gb": round(reading(), 1),
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
        "written without Keras; `codec` decodes the images of `records` on all processors, and does nothing else.",
        "",
        "![Training steps](benchmarks.svg)",
        "",
    ]
    for place in dict.fromkeys(each["on"] for each in records.values()):
        rows += [f"Measured on {place}.", ""]
    for name, each in records.items():
        rows += table(name, each["engines"], numbers[name])
        rows += [f"{each['day']}, load average of the 15 minutes before: {each['load']}.", ""]
    peak, memory, read_only = (
        max((each.get(key, 0) for each in records.values()), default=1.0)
        for key in ("peak_gflops", "bandwidth_gb", "reading_gb")
    )
    rows += limits(results, peak, memory)
    if read_only:  # older records have none
        rows += call_limits(results, peak, read_only)
    (folder / "benchmarks.md").write_text("\n".join(rows))
    draw(results, folder / "benchmarks.svg")
