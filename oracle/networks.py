"""TF 1's losses, metrics, optimizers, layers and cells under TensorFlow and Penstock: every number and name the same.

python -m oracle.networks --tensorflow-python PATH

The interpreter must have `tf_keras` too: TensorFlow itself lost the layers and cells with Keras 3.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np


def _results(
    command: list[str], program: str, file: str, environment: dict[str, str]
) -> dict[str, np.ndarray]:
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment}
    path = str(Path(__file__).with_name(program))
    done = subprocess.run([*command, path, file], capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(f"{done.stderr}\nfailed: {' '.join(command)}")
    with np.load(file) as archive:
        return dict(archive)


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    if a.dtype.kind == "U" or a.shape != b.shape or a.dtype != b.dtype:
        return np.array_equal(a, b)
    return np.allclose(a, b, rtol=1e-3, atol=1e-4, equal_nan=True)


def compare(description: str, programs: list[str], **environment: str) -> None:
    """Runs programs of this folder on both sides and compares what they wrote.

    Raises:
      SystemExit: a program failed, or something differs.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--tensorflow-python", required=True, help="an interpreter that has TensorFlow 2.21 and tf_keras"
    )
    arguments = parser.parse_args()
    expected: dict[str, np.ndarray] = {}
    found: dict[str, np.ndarray] = {}
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder, "results.npz"))
        for program in programs:
            expected |= _results([arguments.tensorflow_python], program, file, environment)
            found |= _results([sys.executable, "-m", "penstock", "run"], program, file, environment)
    differing = [key for key in expected if key not in found or not _same(expected[key], found[key])]
    for key in differing:
        print(f"{key}\n  TensorFlow {expected[key]}\n  Penstock   {found.get(key)}")
    if differing:
        raise SystemExit(f"{len(differing)} of {len(expected)} results differ")
    print(f"{len(expected)} results are the same")


if __name__ == "__main__":
    compare(__doc__, ["networks_program.py"], TF_USE_LEGACY_KERAS="1")
