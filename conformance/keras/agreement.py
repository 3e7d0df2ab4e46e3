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
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PAGE = ROOT / "docs" / "keras-agreement.md"


def main() -> int:
    """Compares; returns 1 where something does not agree."""
    parser = argparse.ArgumentParser(prog="python -m conformance.keras.agreement", description=__doc__)
    parser.add_argument(
        "--tensorflow-python", required=True, help="an interpreter that has TensorFlow and Keras"
    )
    parser.add_argument(
        "--backends", default="jax,torch", help="the other backends of Keras that this one has"
    )
    options = parser.parse_args()
    engines = {
        "Penstock": ([sys.executable, "-m", "penstock", "run"], "tensorflow"),
        "TensorFlow": ([options.tensorflow_python], "tensorflow"),
        **{each: ([sys.executable], each) for each in options.backends.split(",") if each},
    }
    lines, good = (
        ["# Models on Penstock and elsewhere", "", "Written by `make keras-agreement`; do not edit.", ""],
        True,
    )
    with tempfile.TemporaryDirectory() as folder:
        here, there = (_ask(engines[each], folder, "train") for each in ("Penstock", "TensorFlow"))
        lines += ["## Losses of ten training steps: the largest difference from TensorFlow", ""]
        models = sorted({key.split("/")[0] for key in here})
        lines += ["| optimizer | " + " | ".join(models) + " |", "| --- |" + " ---: |" * len(models)]
        for kind in dict.fromkeys(key.split("/")[1] for key in here):
            apart = [
                float(np.abs(np.subtract(here[f"{m}/{kind}"], there[f"{m}/{kind}"])).max()) for m in models
            ]
            good = good and max(apart) <= 1e-4
            lines.append(f"| {kind} | " + " | ".join(f"{each:.1e}" for each in apart) + " |")
        lines += ["", "## Files: the largest difference of predictions", ""]
        pairs = [(each, "Penstock") for each in engines] + [
            ("Penstock", each) for each in engines if each != "Penstock"
        ]
        lines += [
            "| written by | read by | `.keras` | `.h5` | `.weights.h5` |",
            "| --- | --- | ---: | ---: | ---: |",
        ]
        for writer in engines:
            _ask(engines[writer], folder, "write", writer)
        for writer, reader in pairs:
            found = _ask(engines[reader], folder, "read", writer)
            worst = [
                max(value for key, value in found.items() if key.endswith(f"/model{suffix}"))
                for suffix in (".keras", ".h5", ".weights.h5")
            ]
            good = good and max(worst) <= 1e-5
            lines.append(f"| {writer} | {reader} | " + " | ".join(f"{each:.1e}" for each in worst) + " |")
    aside = PAGE.with_suffix(".tmp")
    aside.write_text("\n".join(lines) + "\n")
    os.replace(aside, PAGE)
    print("\n".join(lines))
    return 0 if good else 1


def _ask(engine: tuple[list[str], str], folder: str, action: str, place: str | None = None) -> dict:
    """Runs `engine.py` in a process of its own and returns what it found."""
    command, backend = engine
    answer = Path(folder, "answer.json")
    places = [] if place is None else [str(Path(folder, place))]
    if action != "write":
        places.append(str(answer))
    environment = os.environ | {"KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment["PYTHONPATH"] = str(ROOT) if "penstock" in command else ""
    subprocess.run(
        [*command, str(HERE / "engine.py"), action, *places], check=True, env=environment, cwd=folder
    )
    return {} if action == "write" else json.loads(answer.read_text())


if __name__ == "__main__":
    sys.exit(main())
