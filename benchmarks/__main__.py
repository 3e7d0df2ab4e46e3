"""Runs each benchmark under Penstock and under its peers in turn, prints the ratios, and writes docs/benchmarks.md.

    python -m benchmarks --tensorflow-python PATH [--torch-python PATH] [--rounds N] [PATTERN ...]

A peer is TensorFlow or Keras on PyTorch (each with an interpreter of its own), Keras on JAX, or the same model written
in JAX or PyTorch without Keras. A ratio below 1 means that Penstock needs less. What is measured goes to
docs/benchmarks.json, benchmark by benchmark, and the page shows what is there.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks import report

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Benchmark:
    """A program, its arguments, the peers it is compared with, and which of its numbers count."""

    program: str
    arguments: tuple[str, ...]
    peers: tuple[str, ...]
    numbers: tuple[str, ...] = ()  # empty: all
    # Prefixes of the numbers, one for each run; they start without compiled programs.
    runs: tuple[str, ...] = ("",)

    @property
    def name(self) -> str:
        """What the command line calls it."""
        return " ".join([self.program, *self.arguments])


_KERAS = ("tensorflow", "keras-jax", "keras-torch")
_BY_HAND = {
    "jax": "loop_jax",
    "torch": "loop_torch",
    "codec": "jpeg_codec",
}  # peer -> the program that it runs instead
_STEP = ("step_ms", "step_ms_median", "cpu_ms", "first_epoch_s", "peak_rss_mb")

MODELS = ("mlp", "cnn", "conv1d", "cnn100", "lstm")
# Those of large_ops.py.
GROUPS = ("elementwise", "reductions", "order", "indexing", "products", "algebra", "others", "loops", "steps")
LARGE_MODELS = ("resnet50", "mobilenet_v2", "transformer")

BENCHMARKS = [
    Benchmark("call_overhead", (), ("tensorflow",)),
    *(Benchmark("large_ops", (group,), ("tensorflow",)) for group in GROUPS),
    Benchmark("startup", (), ("tensorflow",)),
    Benchmark("fit_overhead", (), ("tensorflow", "keras-jax")),
    *(Benchmark("fit_step", (model,), (*_KERAS, "jax", "torch"), _STEP) for model in MODELS),
    *(Benchmark("fit_step", (model,), _KERAS, _STEP) for model in LARGE_MODELS),
    *(Benchmark("first_step", (model,), ("tensorflow",), runs=("", "second_")) for model in MODELS),
    *(Benchmark("unrolled_rnn", (layers,), ("tensorflow",), runs=("", "second_")) for layers in ("1", "2")),
    *(Benchmark("inference", (model,), ("tensorflow",)) for model in MODELS),
    *(
        Benchmark(
            "input_pipelines", (kind,), ("tensorflow", "codec") if kind == "records" else ("tensorflow",)
        )
        for kind in ("memory", "records", "generator", "text", "next")
    ),
]


@dataclass(frozen=True)
class Interpreters:
    """The Python interpreters of the peers that need their own; None where a peer is left out."""

    tensorflow: str
    torch: str | None

    def command(self, engine: str) -> tuple[list[str], str] | None:
        """How to run a program under an engine, and the backend that Keras gets; None where the engine is left out."""
        found = {
            "penstock": ([sys.executable, "-m", "penstock_command", "run"], "tensorflow"),
            "tensorflow": ([self.tensorflow], "tensorflow"),
            "keras-jax": ([sys.executable], "jax"),
            "keras-torch": (None if self.torch is None else [self.torch], "torch"),
            "jax": ([sys.executable], "jax"),
            "codec": ([sys.executable], "jax"),
            "torch": (None if self.torch is None else [self.torch], "torch"),
        }[engine]
        return None if found[0] is None else found


def run(engine: str, benchmark: Benchmark, interpreters: Interpreters) -> dict[str, float]:
    """What one engine printed."""
    command, backend = interpreters.command(engine)
    program = [str(HERE / f"{_BY_HAND.get(engine, benchmark.program)}.py"), *benchmark.arguments]
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        if len(benchmark.runs) > 1:
            environment["PENSTOCK_CACHE"] = folder
        for prefix in benchmark.runs:
            result = subprocess.run([*command, *program], env=environment, capture_output=True, text=True)
            if result.returncode:
                raise SystemExit(f"{benchmark.name} under {engine} failed:\n{result.stderr}")
            numbers = json.loads(result.stdout.splitlines()[-1])
            found |= {prefix + name: value for name, value in numbers.items()}
    return found


def compare(benchmark: Benchmark, interpreters: Interpreters, rounds: int) -> dict[str, dict[str, float]]:
    """Runs Penstock and each peer in turn, `rounds` times, and prints one line for each number: the best."""
    engines = [each for each in ("penstock", *benchmark.peers) if interpreters.command(each) is not None]
    results: dict[str, dict[str, float]] = {}
    for _ in range(rounds):
        for engine in engines:
            found, before = run(engine, benchmark, interpreters), results.get(engine, {})
            results[engine] = {name: min(value, before.get(name, value)) for name, value in found.items()}
    print(f"\n{benchmark.name:28}" + "".join(f"{engine:>12}" for engine in engines) + "   ratio")
    for number in benchmark.numbers or results["penstock"]:
        values = [results[engine][number] for engine in engines]
        ratios = ", ".join(f"{values[0] / peer:.2f}" for peer in values[1:])
        print(f"  {number:26}" + "".join(f"{value:12.3f}" for value in values) + f"   {ratios}", flush=True)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--tensorflow-python", required=True, help="an interpreter that has TensorFlow")
    parser.add_argument("--torch-python", help="an interpreter that has Keras and PyTorch")
    parser.add_argument("--rounds", type=int, default=2, help="how often each engine runs each program")
    parser.add_argument("patterns", nargs="*", default=["*"], help="which benchmarks (fit_step*)")
    options = parser.parse_args()
    interpreters = Interpreters(options.tensorflow_python, options.torch_python)
    packages = report.versions(options.tensorflow_python, options.torch_python)
    for benchmark in BENCHMARKS:
        if any(fnmatch.fnmatch(benchmark.name, pattern) for pattern in options.patterns):
            engines = compare(benchmark, interpreters, options.rounds)
            report.record(HERE.parent / "docs", benchmark.name, engines, packages)
    report.write(HERE.parent / "docs", {each.name: each.numbers for each in BENCHMARKS})


if __name__ == "__main__":
    main()
