"""Runs Keras's tests. See the package's docstring, and `--help`."""

from __future__ import annotations

import argparse
import re
import runpy
import sys
import time
import tomllib
from pathlib import Path

from conformance.keras import report
from conformance.keras.outcomes import Outcome
from conformance.keras.record import Record
from conformance.keras.suite import HERE, LARGE, ROOT, Engine

PAGE = ROOT / "docs" / "keras-conformance.md"
TENSORFLOW = HERE / "tensorflow.json"
PENSTOCK = HERE / "penstock.json"


def main() -> int:
    """Runs what the command line asks for; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m conformance.keras", description=__doc__)
    parser.add_argument(
        "paths", nargs="*", help="folders or files under keras/src; all but large models by default"
    )
    parser.add_argument("--fast", action="store_true", help="the fixed part that `make test` runs")
    parser.add_argument("--jobs", "-n", default="2", help="processes")
    parser.add_argument(
        "--record",
        action="store_true",
        help="put what was run into penstock.json and docs/keras-conformance.md; so does a run of everything",
    )
    parser.add_argument(
        "--tensorflow-python",
        help="run on the TensorFlow of this interpreter, and put the outcomes into tensorflow.json",
    )
    options = parser.parse_args()
    paths = _fast() if options.fast else options.paths

    engine = Engine.tensorflow(options.tensorflow_python) if options.tensorflow_python else Engine.penstock()
    recorded = bool(options.tensorflow_python) or options.record or not paths
    lacks = engine.lacks()
    if recorded and lacks:
        raise SystemExit(f"not installed: {', '.join(lacks)}. `make keras` installs what Keras's tests use")

    started = time.monotonic()
    outcomes = engine.run(paths, options.jobs)
    minutes = (time.monotonic() - started) / 60
    if recorded:
        record = Record.of(outcomes)
        record.packages = engine.versions
        if set(paths) <= {*LARGE}:
            record.minutes = {" ".join(paths) or "all": round(minutes, 1)}
        _keep(record, paths, TENSORFLOW if options.tensorflow_python else PENSTOCK)
    print(f"{len(outcomes)} tests in {minutes:.1f} minutes")
    if options.tensorflow_python:
        return 0
    bad = _print_differences(outcomes, lacks)
    return 1 if bad or not outcomes else 0


def _keep(record: Record, paths: list[str], place: Path) -> None:
    """Puts what was run into a file of outcomes, and into the page."""
    if place == PENSTOCK:
        version = runpy.run_path(str(ROOT / "penstock" / "release.py"))["__version__"]
        record.packages = record.packages | {"penstock": version}
    merged(Record.load(place), record, paths).save(place)
    if PENSTOCK.exists() and TENSORFLOW.exists():
        report.write(PAGE, Record.load(PENSTOCK), Record.load(TENSORFLOW), _exceptions())


def _print_differences(outcomes: dict[str, Outcome], lacks: list[str]) -> int:
    """Says what does not agree with TensorFlow, and what was not tried; returns how many do not agree."""
    differences = report.unexpected(Record.of(outcomes), Record.load(TENSORFLOW), _exceptions())
    without = [name for name in for_want_of(lacks, outcomes) if name in differences]
    bad = {name: cause for name, cause in differences.items() if name not in without}
    for name, cause in bad.items():
        print(f"{name}: {cause}")
    if lacks:
        print(f"without {', '.join(lacks)}, which are not installed and which {len(without)} tests need:")
    for name in without:
        print(f"  {name}")
    print(f"{len(bad)} differ from TensorFlow")
    return len(bad)


def merged(old: Record, new: Record, paths: list[str]) -> Record:
    """The old record with what was run replaced."""
    kept = old.without(paths) if paths else old.without([each for each in _folders(old) if each not in LARGE])
    for name in ("keras", "tensorflow", "tensorflow-cpu"):
        if kept.modules and kept.packages.get(name) != new.packages.get(name):
            raise SystemExit(
                f"the record is of {name} {kept.packages.get(name)}, not {new.packages.get(name)}: "
                "record everything, the large models too"
            )
    if not paths:
        kept.minutes = {what: each for what, each in kept.minutes.items() if set(what.split()) <= {*LARGE}}
    return kept.joined(new)


def _folders(record: Record) -> list[str]:
    return sorted({module.partition(".")[0] for module in record.modules})


def for_want_of(lacks: list[str], outcomes: dict[str, Outcome]) -> list[str]:
    """The tests that were skipped, or failed in an import, and say that it is for want of one of these packages."""
    names = "|".join(lacks)
    says = {"skipped": re.compile(rf"\b({names})\b"), "failed": re.compile(rf"No module named '({names})\b")}
    return sorted(
        name
        for name, each in outcomes.items()
        if lacks and each.status != "passed" and says[each.status].search(each.cause)
    )


def _fast() -> list[str]:
    lines = (HERE / "fast.txt").read_text().splitlines()
    return [line for line in lines if not line.startswith("#")]


def _exceptions() -> dict[str, str]:
    """Test name -> reason. A reason in the file may name several tests."""
    groups = tomllib.loads((HERE / "exceptions.toml").read_text())["exception"]
    return {name: group["reason"] for group in groups for name in group["tests"]}


if __name__ == "__main__":
    sys.exit(main())
