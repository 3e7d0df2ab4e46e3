"""What each engine is asked to do: `python engine.py version FILE`, `... train FILE`, `... write FOLDER`, `... read FOLDER FILE`.

Answers are JSON, in FILE.
Runs under `KERAS_BACKEND=tensorflow` in TensorFlow or in `penstock run`, and under any other backend of Keras.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import keras
import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from models import MODELS, OPTIMIZERS, batches, make, untried

STEPS = 10
FORMATS = ("model.keras", "model.h5", "model.weights.h5")


def version() -> str:
    """The version of what computes, and Keras's."""
    engine = importlib.import_module(keras.backend.backend())
    release = importlib.import_module("penstock.release") if engine.__name__ == "penstock" else engine
    return f"{release.__version__} (Keras {keras.__version__})"


def train() -> dict[str, list[float]]:
    """The losses of ten steps, and the loss of the trained model, for each model and optimizer."""
    if untried():
        raise SystemExit(f"Keras has optimizers that models.py does not try: {untried()}")
    found = {}
    for name in MODELS:
        for kind, make_optimizer in OPTIMIZERS.items():
            model = make(name)
            model.compile(make_optimizer(), "sparse_categorical_crossentropy")
            *data, last = batches(model, STEPS + 1)
            losses = [float(model.train_on_batch(x, y)) for x, y in data]
            found[f"{name}/{kind}"] = [*losses, float(model.test_on_batch(*last))]
            keras.backend.clear_session()
    return found


def write(folder: Path) -> None:
    """Each model in each format, and what it predicts."""
    for name in MODELS:
        model = make(name)
        model.compile("adam", "sparse_categorical_crossentropy")
        ((x, y),) = batches(model, 1)
        model.train_on_batch(x, y)
        place = folder / name
        place.mkdir(parents=True)
        for each in FORMATS:
            (model.save_weights if ".weights" in each else model.save)(place / each)
        np.save(place / "predicted.npy", model.predict(x, verbose=0))


def read(folder: Path) -> dict[str, float]:
    """The largest difference of what each written model predicts here."""
    found = {}
    for name in MODELS:
        fresh = make(name)
        ((x, _),) = batches(fresh, 1)
        expected = np.load(folder / name / "predicted.npy")
        for each in FORMATS:
            if ".weights" in each:
                model = MODELS[name]()
                model.load_weights(folder / name / each)
            else:
                model = keras.models.load_model(folder / name / each)
            found[f"{name}/{each}"] = float(np.abs(model.predict(x, verbose=0) - expected).max())
    return found


if __name__ == "__main__":
    action, *places = sys.argv[1:]
    if action == "write":
        write(Path(places[0]))
    else:
        answer = {"version": version, "train": train, "read": lambda: read(Path(places[0]))}[action]()
        Path(places[-1]).write_text(json.dumps(answer))
