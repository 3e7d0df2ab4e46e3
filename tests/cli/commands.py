"""Runs `python ...` and `penstock ...` in a folder of its own and says what came out."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def python(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """`python ARGUMENTS`, with this source tree importable and huge pages not asked for."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={
            **{name: value for name, value in os.environ.items() if name not in ("KERAS_BACKEND",)},
            "PYTHONPATH": str(ROOT),
            "GLIBC_TUNABLES": "",
            "JAX_PLATFORMS": "cpu",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=300,
    )


def penstock(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """`penstock ARGUMENTS`."""
    return python("-m", "penstock", *arguments, folder=folder, **environment)
