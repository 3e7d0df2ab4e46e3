"""Checks on an accelerator that programs give there what they give on the CPU, and that data lives where it should.

    make gpu                             (installs JAX with CUDA, and runs all of it)
    python -m accelerator --pretend      (the same where there is none: a second CPU device plays it)

The exit status says whether all held.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import penstock as tf
from accelerator import pretended
from accelerator.placement import PLACEMENTS
from accelerator.programs import PROGRAMS


def main() -> int:
    """Runs the checks."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pretend", action="store_true", help="a second CPU device plays the GPU")
    parser.add_argument(
        "--ops", action="store_true", help="the cases of tests/ops too, each op on both sides"
    )
    parser.add_argument("programs", nargs="*", choices=[[], *PROGRAMS], help="only these programs")
    options = parser.parse_args()
    if options.pretend:
        pretended.start()
    kind = next((each for each in ("GPU", "TPU") if tf.config.list_logical_devices(each)), None)
    if kind is None:
        print("JAX finds no accelerator here: install '.[cuda]' beside a GPU, or say --pretend.")
        return 2
    print(f"{kind}: {tf.config.experimental.get_device_details(tf.config.list_physical_devices(kind)[0])}")
    checks: list[tuple[str, Callable[[], Any]]] = []
    checks += [(f"placement: {each.__name__}", each) for each in PLACEMENTS]
    checks += [
        (f"program: {name}", lambda f=PROGRAMS[name]: same_on_both(f))
        for name in options.programs or PROGRAMS
    ]
    if options.ops:
        checks += list(ops())
    failed = [name for name, check in checks if not holds(name, check)]
    print(f"{len(checks) - len(failed)} of {len(checks)} hold")
    return 1 if failed else 0


def holds(name: str, check: Callable[[], Any]) -> bool:
    """Whether a check passes; says so."""
    start = time.perf_counter()
    try:
        check()
    except Exception:
        print(f"FAILED  {name}\n{traceback.format_exc()}")
        return False
    print(f"ok      {name} ({time.perf_counter() - start:.1f} s)")
    return True


def same_on_both(program: Callable[[], Any]) -> None:
    """Compares what a program gives on the accelerator with what it gives on the CPU."""
    found = numbers(program())
    with tf.device("/CPU:0"):
        expected = numbers(program())
    assert len(found) == len(expected)
    for got, want in zip(found, expected):
        assert got.dtype == want.dtype, (got.dtype, want.dtype)
        # GPUs add in another order, and may round products to TensorFloat-32, as TensorFlow does.
        np.testing.assert_allclose(got, want, rtol=1e-2, atol=1e-2)


def numbers(results: Any) -> list[np.ndarray]:
    """All arrays in what a program gives."""
    return [np.asarray(each) for each in tf.nest.flatten(results)]


def ops() -> Iterator[tuple[str, Callable[[], Any]]]:
    """For each op case whose op has two bodies, the accelerator's results and NumPy's."""
    from tests.ops.test_bodies_agree import CASES, test_bodies_agree

    for case in CASES:
        yield f"op: {case.id}", lambda case=case: test_bodies_agree(case)


if __name__ == "__main__":
    sys.exit(main())
