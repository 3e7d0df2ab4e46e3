"""`TF_USE_LEGACY_KERAS=1`: `tf.keras` is the package tf_keras, here one that is made up."""

import os
import subprocess
import sys

PROGRAM = """
import penstock
penstock.install()
import tensorflow as tf
from tensorflow.keras import layers
assert tf.keras.marker == "v2" and tf.keras.__version__ == "2.99", tf.keras
assert layers.Dense == "dense" and tf.losses.__name__ == "tf_keras.api._v2.keras.losses"
import tensorflow.compat.v1.keras as v1
assert v1.marker == "v1"
"""


def test_the_environment_chooses_the_package(tmp_path):
    files = {
        "__init__.py": "__version__ = '2.99'",
        "api/__init__.py": "",
        "api/_v1/__init__.py": "",
        "api/_v1/keras/__init__.py": "marker = 'v1'",
        "api/_v2/__init__.py": "",
        "api/_v2/keras/__init__.py": "marker = 'v2'\nfrom tf_keras.api._v2.keras import layers, losses",
        "api/_v2/keras/layers.py": "Dense = 'dense'",
        "api/_v2/keras/losses.py": "",
    }
    for name, text in files.items():
        path = tmp_path / "tf_keras" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    paths = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "TF_USE_LEGACY_KERAS": "1", "PYTHONPATH": paths}
    subprocess.run([sys.executable, "-c", PROGRAM], check=True, env=environment)
