"""`python -m conformance.keras.agreement`: models train alike on Penstock and TensorFlow, and their files interchange.

Writes `docs/keras-agreement.md`. Losses of ten steps, from the same first weights and batches, agree to 1e-4; what
Keras writes on TensorFlow, JAX and PyTorch loads on Penstock, and the reverse, with predictions to 1e-5.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PAGE = ROOT / "docs" / "keras-agreement.md"

LOSSES_AGREE = 1e-4
PREDICTIONS_AGREE = 1e-5
SUFFIXES = (".keras", ".h5", ".weights.h5")

_HEAD = """# Models on Penstock and elsewhere

Written by `make keras-agreement`; do not edit. {versions}: small models of Keras, with the same
first weights and batches everywhere.

## Losses: the largest difference from TensorFlow

Ten training steps, and the loss of the trained model on one more batch. At most {losses:.0e} is asked for.
"""

_FILES = """
## Files: the largest difference of predictions

Each model after one training step is written by one and read by another. At most {predictions:.0e} is asked for.
"""


@dataclass(frozen=True)
class Engine:
    """A backend of Keras in an interpreter: `python engine.py ...` in a process of its own."""

    command: list[str]
    backend: str
    path: str = ""

    def ask(self, *arguments: str | Path) -> None:
        """Runs `engine.py` with these arguments."""
        environment = os.environ | {
            "KERAS_BACKEND": self.backend,
            "PYTHONPATH": self.path,
            "JAX_PLATFORMS": "cpu",
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }
        subprocess.run([*self.command, HERE / "engine.py", *arguments], check=True, env=environment, cwd=HERE)


def main() -> int:
    """Compares; returns 1 where something does not agree."""
    parser = argparse.ArgumentParser(prog="python -m conformance.keras.agreement", description=__doc__)
    parser.add_argument(
        "--tensorflow-python", required=True, help="an interpreter that has TensorFlow and Keras"
    )
    tensorflow = parser.parse_args().tensorflow_python
    engines = {
        "Penstock": Engine([sys.executable, "-m", "penstock", "run"], "tensorflow", str(ROOT)),
        "TensorFlow": Engine([tensorflow], "tensorflow"),
        "JAX": Engine([sys.executable], "jax"),
        "PyTorch": Engine([sys.executable], "torch"),
    }
    with tempfile.TemporaryDirectory() as folder:
        versions = ", ".join(f"{name} {_version(each, Path(folder))}" for name, each in engines.items())
        losses, worst_loss = _losses(engines, Path(folder))
        files, worst_prediction = _files(engines, Path(folder))
    head = _HEAD.format(versions=versions, losses=LOSSES_AGREE)
    lines = [head, *losses, _FILES.format(predictions=PREDICTIONS_AGREE), *files]
    aside = PAGE.with_suffix(".tmp")
    aside.write_text("\n".join(lines) + "\n")
    os.replace(aside, PAGE)
    print("\n".join(lines))
    # NaN compares as false: it does not agree.
    return 0 if worst_loss <= LOSSES_AGREE and worst_prediction <= PREDICTIONS_AGREE else 1


def _losses(engines: dict[str, Engine], folder: Path) -> tuple[list[str], float]:
    """A table of models and optimizers, and the largest difference in it."""
    found = {}
    for name in ("Penstock", "TensorFlow"):
        engines[name].ask("train", folder / "losses.json")
        found[name] = json.loads((folder / "losses.json").read_text())
    here, there = found["Penstock"], found["TensorFlow"]
    models = list(dict.fromkeys(key.split("/")[0] for key in there))
    lines = ["| optimizer | " + " | ".join(models) + " |", "| --- |" + " ---: |" * len(models)]
    table = []
    for kind in dict.fromkeys(key.split("/")[1] for key in there):
        keys = [f"{model}/{kind}" for model in models]
        row = [float(np.abs(np.subtract(here[key], there[key])).max()) for key in keys]
        table.append(row)
        lines.append(f"| {kind} | " + " | ".join(f"{each:.1e}" for each in row) + " |")
    return lines, float(np.max(table))


def _files(engines: dict[str, Engine], folder: Path) -> tuple[list[str], float]:
    """A table of who writes and who reads, and the largest difference in it."""
    for name, engine in engines.items():
        engine.ask("write", folder / name)
    pairs = [(each, "Penstock") for each in engines]
    pairs += [("Penstock", each) for each in engines if each != "Penstock"]
    lines = [
        "| written by | read by | " + " | ".join(f"`{each}`" for each in SUFFIXES) + " |",
        "| --- | --- |" + " ---: |" * len(SUFFIXES),
    ]
    table = []
    for writer, reader in pairs:
        engines[reader].ask("read", folder / writer, folder / "differences.json")
        found = json.loads((folder / "differences.json").read_text())
        row = [
            float(np.max([value for key, value in found.items() if key.endswith(f"/model{suffix}")]))
            for suffix in SUFFIXES
        ]
        table.append(row)
        lines.append(f"| {writer} | {reader} | " + " | ".join(f"{each:.1e}" for each in row) + " |")
    return lines, float(np.max(table))


def _version(engine: Engine, folder: Path) -> str:
    engine.ask("version", folder / "version.json")
    return json.loads((folder / "version.json").read_text())


if __name__ == "__main__":
    sys.exit(main())
