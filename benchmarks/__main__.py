"""Runs each benchmark under Penstock and under its peers, one after the other, and prints the ratios.

    python -m benchmarks --tensorflow-python PATH [PATTERN ...]

A peer is TensorFlow (with an interpreter of its own) or Keras on JAX. A ratio below 1 means that Penstock needs less.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Benchmark:
    """A program, its arguments, the peers it is compared with, and which of its numbers count."""

    program: str
    arguments: tuple[str, ...]
    peers: tuple[str, ...]
    numbers: tuple[str, ...] = ()  # empty: all

    @property
    def name(self) -> str:
        """What the command line calls it."""
        return " ".join([self.program, *self.arguments])


BENCHMARKS = [
    Benchmark("call_overhead", (), ("tensorflow",)),
    Benchmark("startup", (), ("tensorflow",)),
    Benchmark("fit_step", ("mlp",), ("tensorflow", "keras-jax"), ("step_ms", "step_ms_median")),
    Benchmark("fit_step", ("cnn",), ("tensorflow", "keras-jax"), ("step_ms", "step_ms_median")),
    Benchmark("input_pipelines", ("memory",), ("tensorflow",)),
    Benchmark("input_pipelines", ("records",), ("tensorflow",)),
    Benchmark("input_pipelines", ("generator",), ("tensorflow",)),
    Benchmark("input_pipelines", ("text",), ("tensorflow",)),
    Benchmark("input_pipelines", ("next",), ("tensorflow",)),
]


def run(engine: str, benchmark: Benchmark, tensorflow_python: str) -> dict[str, float]:
    """What one engine printed."""
    program = [str(HERE / f"{benchmark.program}.py"), *benchmark.arguments]
    command, backend = {
        "penstock": ([sys.executable, "-m", "penstock_command", "run"], "tensorflow"),
        "tensorflow": ([tensorflow_python], "tensorflow"),
        "keras-jax": ([sys.executable], "jax"),
    }[engine]
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    result = subprocess.run([*command, *program], env=environment, capture_output=True, text=True)
    if result.returncode:
        raise SystemExit(f"{benchmark.name} under {engine} failed:\n{result.stderr}")
    return json.loads(result.stdout.splitlines()[-1])


def compare(benchmark: Benchmark, tensorflow_python: str) -> None:
    """Runs Penstock and each peer, and prints one line for each number."""
    engines = ("penstock", *benchmark.peers)
    results = {engine: run(engine, benchmark, tensorflow_python) for engine in engines}
    print(f"\n{benchmark.name:28}" + "".join(f"{engine:>12}" for engine in engines) + "   ratio")
    for number in benchmark.numbers or results["penstock"]:
        values = [results[engine][number] for engine in engines]
        ratios = ", ".join(f"{values[0] / peer:.2f}" for peer in values[1:])
        print(f"  {number:26}" + "".join(f"{value:12.3f}" for value in values) + f"   {ratios}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--tensorflow-python", required=True, help="an interpreter that has TensorFlow")
    parser.add_argument("patterns", nargs="*", default=["*"], help="which benchmarks (fit_step*)")
    options = parser.parse_args()
    for benchmark in BENCHMARKS:
        if any(fnmatch.fnmatch(benchmark.name, pattern) for pattern in options.patterns):
            compare(benchmark, options.tensorflow_python)


if __name__ == "__main__":
    main()
