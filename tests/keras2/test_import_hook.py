"""Keras 2's names are there however Keras and Penstock come into a process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from penstock import standin

USE = "from keras.layers.core import Dense; print(keras.optimizers.SGD(lr=0.5).learning_rate.numpy(), Dense.__name__)"
SITE = Path(standin.__file__).parent / "site"


def run(program, *path):
    search = [*map(str, path), str(SITE.parents[2])]
    environment = os.environ | {"KERAS_BACKEND": "tensorflow", "PYTHONPATH": os.pathsep.join(search)}
    return subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("program", "path"),
    [
        ("import penstock as tf; tf.keras.layers; import keras", ()),
        (
            "import keras",
            (SITE,),
        ),  # Keras's import brings Penstock in, as in a child process of `penstock run`
    ],
    ids=["penstock-as-tf", "keras-first"],
)
def test_names_of_keras_2_are_there(program, path):
    ran = run(f"{program}; {USE}", *path)
    assert ran.stdout == "0.5 Dense\n", ran.stderr


def test_an_import_of_keras_that_fails_says_why(tmp_path):
    (tmp_path / "keras").mkdir()
    (tmp_path / "keras" / "__init__.py").write_text("import tensorflow\nraise ImportError('not this one')")
    ran = run("import keras", tmp_path, SITE)
    assert "not this one" in ran.stderr
    assert "during handling" not in ran.stderr.lower()
