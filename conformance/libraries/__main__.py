"""Runs small programs on libraries that were written for TensorFlow, and writes docs/libraries.md.

    python -m conformance.libraries                   every program, each in a venv of its own
    python -m conformance.libraries sonnet_modules    some programs
    python -m conformance.libraries --python PATH     in a Python that has the libraries and Penstock's requirements

A program of `programs/` is a real small job that checks its own result: it trains, samples, saves, or generates. Its
packages come from PyPI (`libraries.toml`), and are installed without dependencies where they ask for TensorFlow.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import tomllib
import venv
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
REPORT = ROOT / "docs" / "libraries.md"
TIME_LIMIT = 600


class Outcome(NamedTuple):
    """What became of one program: `problem` is the last line that it wrote where it failed."""

    program: str
    packages: list[str]
    seconds: float
    problem: str


def python_for(row: dict[str, list[str]], folder: str) -> str:
    """Makes a venv with the packages of a row, beside those of this Python, and gives its interpreter."""
    venv.create(folder, with_pip=True)
    python = os.path.join(folder, "bin", "python")
    paths = [each for each in sys.path if each.endswith("site-packages")]
    site = subprocess.check_output(
        [python, "-c", "import site; print(site.getsitepackages()[0])"], text=True
    ).strip()
    Path(site, "beside.pth").write_text("\n".join(paths) + "\n")
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, "--no-deps", *row["install"]], check=True)
    if row.get("with"):
        subprocess.run([*install, *row["with"]], check=True)
    return python


def run(program: str, row: dict[str, list[str]], python: str | None) -> Outcome:
    """Runs one program in a fresh process."""
    with tempfile.TemporaryDirectory() as folder:
        interpreter = python or python_for(row, os.path.join(folder, "venv"))
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
        began = time.perf_counter()
        try:
            done = subprocess.run(
                [interpreter, "-m", "penstock", "run", str(HERE / "programs" / f"{program}.py")],
                cwd=folder, env=environment, capture_output=True, text=True, timeout=TIME_LIMIT,
            )  # fmt: skip
            lines = done.stderr.strip().splitlines()
            problem = "" if done.returncode == 0 else (lines or [f"it ended with {done.returncode}"])[-1]
        except subprocess.TimeoutExpired:
            problem = f"it took more than {TIME_LIMIT} s"
        return Outcome(program, row["install"], time.perf_counter() - began, problem)


def report(outcomes: list[Outcome]) -> str:
    """The page of documentation."""
    lines = [
        "# Libraries written for TensorFlow",
        "",
        "Unmodified packages from PyPI, run by `make libraries`: one small job for each, which checks its own result",
        "(`conformance/libraries/programs/`). None of them finds TensorFlow: it is Penstock that they import.",
        "",
        "| packages | what is run | result |",
        "| --- | --- | --- |",
    ]
    for each in outcomes:
        text = (HERE / "programs" / f"{each.program}.py").read_text()
        what = text.split('"""')[1].strip().partition(": ")[2].rstrip(".")
        result = f"fails: `{each.problem[:120].replace('|', ' ')}`" if each.problem else "works"
        packages = ", ".join(package.replace("==", " ") for package in each.packages)
        lines.append(f"| {packages} | {what} | {result} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Runs the programs that the command line names; writes the report where it names none."""
    parser = argparse.ArgumentParser(
        prog="python -m conformance.libraries", description=__doc__.splitlines()[0]
    )
    parser.add_argument("programs", nargs="*", help="names of programs; all by default")
    parser.add_argument(
        "--python", help="an interpreter that has the libraries, instead of venvs of their own"
    )
    options = parser.parse_args()
    rows = tomllib.loads((HERE / "libraries.toml").read_text())
    unknown = set(options.programs) - set(rows)
    if unknown:
        parser.error(f"no such programs: {', '.join(sorted(unknown))}")
    outcomes = []
    for program in options.programs or rows:
        outcomes.append(run(program, rows[program], options.python))
        each = outcomes[-1]
        print(f"{program:32} {each.seconds:6.1f} s  {each.problem or 'works'}", flush=True)
    if not options.programs:
        REPORT.write_text(report(outcomes))
    return int(any(each.problem for each in outcomes))


if __name__ == "__main__":
    sys.exit(main())
