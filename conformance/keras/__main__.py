"""Runs Keras's tests. See the package's docstring, and `--help`."""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import runpy
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

from conformance.keras import outcomes, report

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PAGE = ROOT / "docs" / "keras-conformance.md"
BASELINE = HERE / "tensorflow.json"

# Not part of the whole run: it builds every large model (`make keras-applications`).
LARGE = ("applications",)
# The names of its tests hold addresses, so that processes do not agree on what there is: it runs in one.
ALONE = ("wrappers",)


def main() -> int:
    """Runs what the command line asks for; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m conformance.keras", description=__doc__)
    parser.add_argument("paths", nargs="*", help="folders or files under keras/src; all by default")
    parser.add_argument("--fast", action="store_true", help="the fixed part that `make test` runs")
    parser.add_argument("--jobs", "-n", default="2", help="processes")
    parser.add_argument(
        "--tensorflow-python", help="run on the TensorFlow of this Python; writes tensorflow.json"
    )
    parser.add_argument("--junit", type=Path, help="take the outcomes from this JUnit file of an earlier run")
    options = parser.parse_args()

    source = Path(importlib.util.find_spec("keras").origin).parent / "src"
    selection = (HERE / "fast.txt").read_text().split() if options.fast else options.paths
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        files = [options.junit] if options.junit else _run_all(selection, source, Path(folder), options)
        found = {name: each for file in files for name, each in outcomes.read_junit(file).items()}
    minutes = (time.monotonic() - started) / 60
    if options.tensorflow_python:
        outcomes.save(found, BASELINE)
        return 0

    exceptions = _exceptions()
    baseline = json.loads(BASELINE.read_text())
    bad = report.unexpected(found, baseline, exceptions)
    for name, each in bad.items():
        print(f"{each.status} {name}: {each.cause}")
    print(f"{len(found)} tests, {len(bad)} fail here and pass on TensorFlow; {minutes:.1f} minutes")
    if not selection:
        facts = {
            "keras": importlib.metadata.version("keras"),
            "penstock": runpy.run_path(str(ROOT / "penstock" / "release.py"))["__version__"],
            "tensorflow": "2.21",
            "machine": f"Python {platform.python_version()}, {os.cpu_count()} cores, {options.jobs} processes",
            "minutes": minutes,
        }
        aside = PAGE.with_suffix(".tmp")
        aside.write_text(report.write(found, baseline, exceptions, facts))
        os.replace(aside, PAGE)
    return 1 if bad or not found else 0


def _run_all(selection: list[str], source: Path, folder: Path, options: argparse.Namespace) -> list[Path]:
    """Runs the selection, or everything; returns the JUnit files."""
    together = [each for each in selection if each not in ALONE]
    alone = [each for each in ALONE if not selection or each in selection]
    files = []
    for paths, jobs in ((together, options.jobs), (alone, "0")):
        if paths or not selection:
            files.append(folder / f"{len(files)}.xml")
            _run(paths, source, files[-1], options, jobs)
    return files


def _run(selection: list[str], source: Path, junit: Path, options: argparse.Namespace, jobs: str) -> None:
    """Runs pytest over the selection, in a process of its own, in a folder of its own."""
    if options.tensorflow_python:
        command = [options.tensorflow_python, "-m", "pytest"]
        where = [
            options.tensorflow_python,
            "-c",
            "import importlib.util as u; print(u.find_spec('keras').origin)",
        ]
        source = (
            Path(subprocess.run(where, check=True, capture_output=True, text=True).stdout.strip()).parent
            / "src"
        )
    else:
        command = [sys.executable, "-m", "penstock", "run", "-m", "pytest"]
    paths = [str(source / each) for each in selection] or [str(source)]
    command += [
        "-q",
        "--no-header",
        "--tb=short",
        "-p",
        "no:cacheprovider",
        "-p",
        "conftest",
        "--timeout=900",
    ]
    command += [
        "-n",
        jobs,
        "--dist=loadfile",
        f"--rootdir={source.parent.parent}",
        f"--junitxml={junit}",
    ]
    command += ["-c", os.devnull, "-W", "ignore"]
    if not selection:
        command += [f"--ignore={source / each}" for each in (*LARGE, *ALONE)]
    search = [str(HERE / "shims")] + ([] if options.tensorflow_python else [str(ROOT)])
    environment = os.environ | {
        "KERAS_BACKEND": "tensorflow",
        "PYTHONPATH": os.pathsep.join(search),
        "JAX_PLATFORMS": "cpu",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "MPLBACKEND": "Agg",
    }
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([*command, *paths], cwd=folder, env=environment | {"KERAS_HOME": folder}, check=False)


def _exceptions() -> dict[str, str]:
    """Test name -> reason. A reason in the file may name several tests."""
    groups = tomllib.loads((HERE / "exceptions.toml").read_text())["exception"]
    return {name: group["reason"] for group in groups for name in group["tests"]}


if __name__ == "__main__":
    sys.exit(main())
