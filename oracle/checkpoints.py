"""Checkpoints between TensorFlow and Penstock: what one writes, the other restores, every value the same.

Before that, both print the graphs of objects of Keras's layers, optimizers and models, which must be the same.

python -m oracle.checkpoints --tensorflow-python PATH
"""

from __future__ import annotations

import argparse
import difflib
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

FOLDER = Path(__file__).parent
PROGRAM, GRAPHS = str(FOLDER / "checkpoint_program.py"), str(FOLDER / "object_graphs_program.py")


def _run(command: Sequence[str]) -> list[str]:
    """The lines that a program prints; its errors are shown where it fails."""
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        raise SystemExit(f"failed: {' '.join(command)}")
    return done.stdout.strip().split("\n")


def main() -> None:
    """Saves with each of the two and restores with each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tensorflow-python", required=True, help="an interpreter that has TensorFlow 2.21")
    arguments = parser.parse_args()
    sides = {
        "TensorFlow": [arguments.tensorflow_python],
        "Penstock": [sys.executable, "-m", "penstock", "run"],
    }
    expected, found = (_run([*side, GRAPHS]) for side in sides.values())
    changes = list(difflib.unified_diff(expected, found, *sides, lineterm=""))
    if changes:
        raise SystemExit("\n".join(changes))
    print(f"{len(found)} lines of graphs of objects are the same")
    with tempfile.TemporaryDirectory() as folder:
        for writer, write in sides.items():
            prefix = str(Path(folder, writer))
            _run([*write, PROGRAM, "save", prefix])
            for reader, read in sides.items():
                print(f"{writer} to {reader}: {_run([*read, PROGRAM, 'restore', prefix])[-1]}")


if __name__ == "__main__":
    main()
