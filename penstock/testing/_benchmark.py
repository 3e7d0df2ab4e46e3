"""`tf.test.Benchmark`, and `tf.test.main`, which runs tests or benchmarks."""

from __future__ import annotations

import json
import os
import re
import statistics
import sys
import time
from collections.abc import Sequence
from typing import Any

from absl import app
from absl.testing import absltest

from penstock.runtime.session import default_session

# Where results are written to, besides being printed: one JSON file for each.
_REPORT_TO = "TEST_REPORT_FILE_PREFIX"


class Benchmark:
    """The base of benchmarks: classes whose methods `benchmark...` run with `--benchmark_filter`."""

    _classes: list[type[Benchmark]] = []

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        Benchmark._classes.append(cls)

    def report_benchmark(
        self,
        iters: int | None = None,
        cpu_time: float | None = None,
        wall_time: float | None = None,
        throughput: float | None = None,
        extras: dict | None = None,
        name: str | None = None,
        metrics: list[dict] | None = None,
    ) -> None:
        """Prints a result, as JSON.

        Args:
          iters: how often it ran.
          cpu_time, wall_time: seconds.
          throughput: in a unit of your choice.
          extras: other results.
          name: by default that of the method that calls this.
          metrics: dictionaries with `name` and `value`.

        Raises:
          TypeError: `extras` or `metrics` are something else.
        """
        if extras is not None and not isinstance(extras, dict):
            raise TypeError("extras must be a dict")
        if metrics is not None and not isinstance(metrics, list):
            raise TypeError("metrics must be a list")
        for metric in metrics or ():
            for field in ("name", "value"):
                if field not in metric:
                    raise TypeError(f"metric must has a '{field}' field")
        entry = {
            "name": f"{type(self).__name__}.{name or _calling_benchmark(self)}",
            "iters": iters,
            "cpu_time": cpu_time,
            "wall_time": wall_time,
            "throughput": throughput,
            "extras": extras,
            "metrics": metrics,
        }
        line = json.dumps({key: value for key, value in entry.items() if value is not None}, default=str)
        print(line)
        prefix = os.environ.get(_REPORT_TO)
        if prefix:
            with open(prefix + str(entry["name"]).replace("/", "__"), "x") as file:
                file.write(line)

    def run_op_benchmark(
        self,
        sess: Any,
        op_or_tensor: Any,
        feed_dict: dict | None = None,
        burn_iters: int = 2,
        min_iters: int = 10,
        store_trace: bool = False,
        store_memory_usage: bool = True,
        name: str | None = None,
        extras: dict | None = None,
        mbs: float = 0,
    ) -> dict:
        """Measures steps of a session and reports the median.

        Args:
          sess: the session.
          op_or_tensor, feed_dict: what it runs.
          burn_iters, min_iters: how many steps run before, and are measured.
          store_trace, store_memory_usage: accepted.
          name, extras: as for `report_benchmark`.
          mbs: megabytes that a step handles.

        Returns:
          What was reported, with mean and standard deviation in `extras`.
        """
        for _ in range(burn_iters):
            sess.run(op_or_tensor, feed_dict=feed_dict)
        seconds = []
        for _ in range(min_iters):
            start = time.perf_counter()
            sess.run(op_or_tensor, feed_dict=feed_dict)
            seconds.append(time.perf_counter() - start)
        median = statistics.median(seconds) if seconds else -1.0
        extras = dict(extras or {})
        found = {"iters": min_iters, "wall_time": median, "extras": extras, "throughput": mbs / median}
        self.report_benchmark(name=name or _calling_benchmark(self), **found)  # type: ignore[arg-type]
        extras["wall_time_mean"] = statistics.fmean(seconds) if seconds else -1.0
        extras["wall_time_stdev"] = statistics.stdev(seconds) if len(seconds) > 1 else -1.0
        return {"name": name, **found}

    def evaluate(self, tensors: Any) -> Any:
        """The values of tensors in the default session."""
        return default_session().run(tensors)


def _calling_benchmark(benchmark: Benchmark) -> str:
    """The name of the method of a benchmark that is running."""
    frame = sys._getframe(1)
    found = "benchmark"
    while frame is not None:
        if frame.f_locals.get("self") is benchmark:
            found = frame.f_code.co_name
        frame = frame.f_back  # type: ignore[assignment]
    return found


def _run_benchmarks(pattern: str) -> None:
    ran = False
    for kind in list(Benchmark._classes):
        for method in dir(kind):
            full_name = f"{kind.__module__}.{kind.__name__}.{method}"
            if method.startswith("benchmark") and (pattern == "all" or re.search(pattern, full_name)):
                getattr(kind(), method)()
                ran = True
    if not ran:
        raise ValueError(f"No benchmarks matched the pattern: '{pattern}'")


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the benchmarks that `--benchmark_filter` names, or all tests."""
    arguments = list(sys.argv if argv is None else argv)
    found = next((each for each in arguments if each.lstrip("-").startswith("benchmark_filter=")), None)
    if found is None:
        absltest.main(argv=arguments)
        return
    arguments.remove(found)
    app.run(lambda _: _run_benchmarks(found.partition("=")[2]), argv=arguments)
