"""Checkpoints between TensorFlow and Penstock: what one writes, the other restores, every value the same.

python -m oracle.checkpoints --tensorflow-python PATH
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

PROGRAM = str(Path(__file__).with_name("checkpoint_program.py"))


def _run(command: Sequence[str]) -> str:
    """The last line that a program prints; its errors are shown where it fails."""
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        raise SystemExit(f"failed: {' '.join(command)}")
    return done.stdout.strip().rpartition("\n")[2]


def main() -> None:
    """Saves with each of the two and restores with each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tensorflow-python", required=True, help="an interpreter that has TensorFlow 2.21")
    arguments = parser.parse_args()
    sides = {
        "TensorFlow": [arguments.tensorflow_python, PROGRAM],
        "Penstock": [sys.executable, "-m", "penstock", "run", PROGRAM],
    }
    with tempfile.TemporaryDirectory() as folder:
        for writer, write in sides.items():
            prefix = str(Path(folder, writer))
            _run([*write, "save", prefix])
            for reader, read in sides.items():
                print(f"{writer} to {reader}: {_run([*read, 'restore', prefix])}")


if __name__ == "__main__":
    main()
