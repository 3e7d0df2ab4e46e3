"""The public names of what needs absl's or Python's test libraries, which are imported when a program asks for them."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

from penstock.engine.export import export, export_on_demand
from penstock.engine.xla import jax


@export_on_demand("test.TestCase")
def test_case() -> Any:
    """The class `tf.test.TestCase`."""
    return importlib.import_module("penstock.testing._test_case").TestCase


test_case.__test__ = False  # type: ignore[attr-defined]


@export_on_demand("test.Benchmark")
def benchmark() -> Any:
    """The class `tf.test.Benchmark`."""
    return importlib.import_module("penstock.testing._benchmark").Benchmark


@export_on_demand(v1=["test.mock"])
def mock() -> Any:
    """The module `unittest.mock`."""
    return importlib.import_module("unittest.mock")


@export_on_demand(v1=["test.StubOutForTesting"])
def stub_out() -> Any:
    """The class `StubOutForTesting`."""
    return importlib.import_module("penstock.testing._stub_out").StubOutForTesting


@export("test.main")
def main(argv: Sequence[str] | None = None) -> None:
    """Runs the tests of the program (or, with `--benchmark_filter=REGEX`, its benchmarks) and ends the process.

    Args:
      argv: the command line, `sys.argv` by default.
    """
    importlib.import_module("penstock.testing._benchmark").main(argv)


@export("test.benchmark_config")
def benchmark_config() -> Any:
    """A `ConfigProto` message for benchmarks."""
    from tensorboard.compat.proto import config_pb2, rewriter_config_pb2

    config = config_pb2.ConfigProto()
    config.graph_options.rewrite_options.dependency_optimization = rewriter_config_pb2.RewriterConfig.OFF
    return config


@export("test.experimental.sync_devices")
def sync_devices() -> None:
    """Waits until all devices have done what they were asked to."""
    for device in jax.local_devices():
        device.synchronize_all_activity()
