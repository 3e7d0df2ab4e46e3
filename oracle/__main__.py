"""Runs the op cases of the tests and a table of expressions under TensorFlow and Penstock, and writes what differs.

    python -m oracle --tensorflow-python PATH [--ops MatMul,Sum] [--strict]

Writes `docs/oracle.md`, and the counts that `penstock ops` shows; with `--ops` it prints the differences instead.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from oracle.comparison import Result, compare
from oracle.evaluation import answers
from oracle.exchange import append, read
from oracle.function_cases import function_requests
from oracle.programs import program_requests
from oracle.report import differences, write_counts, write_report
from oracle.tensorflow_side import LIMIT

ROOT = Path(__file__).resolve().parent.parent


def op_requests() -> list[dict[str, Any]]:
    """The cases of `tests/ops`, with inputs under the names that `tf.raw_ops` gives them."""
    from penstock.engine.definition import REGISTRY
    from penstock.ops.raw_ops import keyword_of
    from tests.ops.op_cases import all_cases

    requests = []
    for case in all_cases():
        names = [keyword_of(case.op, argument.name) for argument in REGISTRY[case.op].signature.inputs]
        requests.append(
            {
                "name": case.id,
                "op": case.op,
                "inputs": dict(zip(names, case.inputs, strict=True)),
                "attrs": {keyword_of(case.op, name): value for name, value in case.attrs.items()},
                "random": not case.values,
                "rtol": case.rtol,
                "atol": case.atol,
            }
        )
    return requests


def ask_tensorflow(python: str, requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """TensorFlow's answers, from a process of its own; one that dies is noted at its case and started again after it."""
    with tempfile.TemporaryDirectory() as folder:
        asked, answered = Path(folder, "requests.jsonl"), Path(folder, "answers.jsonl")
        for request in requests:
            append(asked, request)
        environment = {
            **os.environ,
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "TF_ENABLE_ONEDNN_OPTS": "0",
            "PYTHONPATH": str(ROOT),
        }
        command = [python, "-m", "oracle.tensorflow_side", str(asked), str(answered)]
        while subprocess.run(command, env=environment, cwd=ROOT).returncode:
            if not answered.exists() and subprocess.run([python, "-c", "import tensorflow"]).returncode:
                raise SystemExit(f"{python} cannot import tensorflow")
            append(answered, {"crash": True})
        return list(read(answered))


def ask_penstock(requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Penstock's answers, from this process; each with the op types that it called, as "ops"."""
    import penstock as tf

    def too_slow(*_: Any) -> None:
        raise TimeoutError(f"not done after {LIMIT} seconds")

    signal.signal(signal.SIGALRM, too_slow)
    found = []
    signal.alarm(LIMIT)
    with called_ops() as called:
        for each in answers(tf, requests, "Penstock"):
            found.append({**each, "ops": sorted(called)})
            called.clear()
            signal.alarm(LIMIT)
    signal.alarm(0)
    return found


@contextlib.contextmanager
def called_ops() -> Iterator[set[str]]:
    """The types of the ops that are called or become nodes inside."""
    from penstock.engine.definition import OpDef

    called: set[str] = set()
    complete = OpDef.complete

    def note(definition: OpDef, attrs: dict | None) -> dict:
        called.add(definition.type)
        return complete(definition, attrs)

    OpDef.complete = note  # type: ignore[method-assign]
    try:
        yield called
    finally:
        OpDef.complete = complete  # type: ignore[method-assign]


def main() -> int:
    """Returns the exit status: with `--strict`, 1 if anything differs that should not."""
    parser = argparse.ArgumentParser(prog="python -m oracle", description=__doc__)
    parser.add_argument("--tensorflow-python", required=True, help="an interpreter that has TensorFlow 2.21")
    parser.add_argument(
        "--ops",
        help="only these op types, or expressions and programs that contain this; separated by commas",
    )
    parser.add_argument(
        "--strict", action="store_true", help="exit with 1 if anything differs that should not"
    )
    options = parser.parse_args()
    requests = op_requests() + function_requests() + program_requests()
    if options.ops:
        wanted = options.ops.split(",")
        requests = [
            each
            for each in requests
            if each.get("op") in wanted
            or any(name in each.get("expression", "") + each.get("program", "") for name in wanted)
        ]
    expected = ask_tensorflow(options.tensorflow_python, requests)
    got = ask_penstock(requests)
    results: list[Result] = [compare(*each) for each in zip(requests, expected, got, strict=True)]
    if options.ops:
        print("\n".join(differences(results)) or "no differences")
    else:
        write_report(ROOT / "docs" / "oracle.md", results)
        write_counts(ROOT / "penstock" / "cli" / "compared_with_tensorflow.txt", results)
    defects = differences(results)
    agreeing = sum(result.agrees for result in results)
    print(
        f"{agreeing} of {len(results)} cases agree; {len(defects)} differences are not meant", file=sys.stderr
    )
    return int(options.strict and bool(defects))


if __name__ == "__main__":
    raise SystemExit(main())
