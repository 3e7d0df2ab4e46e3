"""After `penstock.install()`, every import of `tensorflow` and what is below it is Penstock."""

from __future__ import annotations

import pytest

from tests.cli.commands import python

INSTALL = "import penstock; penstock.install()\n"


def printed(code, folder, **environment):
    result = python("-c", code, folder=folder, **environment)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def failure(code, folder):
    result = python("-c", code, folder=folder)
    assert result.returncode == 1, result.stdout
    return result.stderr.strip().splitlines()[-1]


IMPORTS = {
    "the package": ("import tensorflow as tf", "tf is penstock"),
    "a namespace": ("import tensorflow as tf, tensorflow.math", "tf.math is penstock.math"),
    "a namespace by another name": ("import tensorflow.nn as nn", "nn is penstock.nn"),
    "from a namespace": ("from tensorflow.math import tanh", "tanh is penstock.math.tanh"),
    "from the package": ("from tensorflow import math as m, float32", "m is penstock.math"),
    "compat.v1": ("import tensorflow.compat.v1 as tf", "tf is penstock.compat.v1"),
    "compat.v2": ("import tensorflow.compat.v2 as tf", "tf is penstock"),
    "the deepest compat": ("from tensorflow.compat.v1.compat import v1", "v1 is penstock.compat.v1"),
    "keras": ("from tensorflow import keras", "keras.__name__ == 'keras._tf_keras.keras'"),
    "keras layers": ("import tensorflow.keras.layers as layers, keras", "layers.Dense is keras.layers.Dense"),
    "from keras": ("from tensorflow.keras import Model; import keras", "Model is keras.Model"),
    "losses": ("from tensorflow import losses; import keras", "losses.Loss is keras.losses.Loss"),
    "keras in its old place": (
        "from tensorflow.python.keras.layers import Dense; import keras",
        "Dense is keras.layers.Dense",
    ),
    "private ops": ("from tensorflow.python.framework import ops", "ops.Tensor is penstock.Tensor"),
    "private math": ("from tensorflow.python.ops.math_ops import tanh", "tanh is penstock.math.tanh"),
    "protocol buffers": (
        "from tensorflow.core.framework import graph_pb2; import tensorboard.compat.proto.graph_pb2 as pb2",
        "graph_pb2 is pb2",
    ),
}


@pytest.mark.parametrize("name", IMPORTS)
def test_an_import_gives_the_object_that_penstock_has(tmp_path, name):
    statement, same = IMPORTS[name]
    assert printed(f"{INSTALL}{statement}\nprint({same})", tmp_path) == "True"


@pytest.mark.parametrize(
    "statement",
    [
        "import tensorflow.no_such_module",
        "import tensorflow.types.shapes",
        "import tensorflow.keras.no_such_module",
        "import tensorflow.python.no_such_module",
        "from tensorflow.math import no_such_function",
    ],
)
def test_what_is_not_there_is_an_import_error(tmp_path, statement):
    message = failure(INSTALL + statement, tmp_path)
    assert message.startswith(
        ("ModuleNotFoundError: No module named 'tensorflow.", "ImportError: cannot import name")
    )


def test_a_private_name_that_is_not_there_says_where_it_was_looked_for(tmp_path):
    message = failure(INSTALL + "from tensorflow.python.ops import array_ops; array_ops.nothing", tmp_path)
    assert "no 'nothing'" in message and "python.ops.array_ops" in message


def test_installing_twice_is_installing_once(tmp_path):
    code = INSTALL + INSTALL + "import sys; print(sum('TensorFlowFinder' in repr(f) for f in sys.meta_path))"
    assert printed(code, tmp_path) == "1"


def test_installing_as_another_version_is_refused(tmp_path):
    assert "api='v2'" in failure(INSTALL + "penstock.install(api='v1')", tmp_path)


def test_an_unknown_version_is_refused(tmp_path):
    assert failure("import penstock; penstock.install('v3')", tmp_path).startswith(
        "ValueError: install: api is 'v3'"
    )


def test_a_loaded_tensorflow_is_not_replaced(tmp_path):
    (tmp_path / "tensorflow.py").write_text("__version__ = '2.99'")
    message = failure("import tensorflow, penstock; penstock.install()", tmp_path)
    assert message.startswith("RuntimeError: install: TensorFlow 2.99")


def test_an_installed_tensorflow_is_never_loaded(tmp_path):
    (tmp_path / "tensorflow.py").write_text("raise SystemExit('the real one')")
    assert printed(INSTALL + "import tensorflow; print(tensorflow is penstock)", tmp_path) == "True"


def test_libraries_that_ask_whether_tensorflow_is_there_are_told_so(tmp_path):
    code = (
        "import importlib.util, importlib.metadata, sys\n"
        "print(importlib.util.find_spec('tensorflow').name, 'tensorflow' in sys.modules)\n"
        "import tensorflow.math\n"
        "print(importlib.util.find_spec('tensorflow.math') is not None)\n"
        "print(importlib.metadata.version('tensorflow'))"
    )
    assert printed(INSTALL + code, tmp_path).split() == ["tensorflow", "False", "True", "2.21.0"]


def test_keras_runs_on_it(tmp_path):
    code = (
        "import keras; x = keras.ops.ones(()); print(keras.backend.backend(), isinstance(x, penstock.Tensor))"
    )
    assert printed(INSTALL + code, tmp_path) == "tensorflow True"


def test_keras_on_another_backend_is_reported(tmp_path):
    code = "import keras; import warnings; warnings.simplefilter('error')\n" + INSTALL
    assert (
        "Keras is already imported and runs on 'jax'"
        in python("-c", code, folder=tmp_path, KERAS_BACKEND="jax").stderr
    )


def test_keras_recognizes_tensors(tmp_path):
    code = (
        "import tensorflow as tf\n"
        "from keras.src.trainers.data_adapters.data_adapter_utils import is_tensorflow_tensor, is_tensorflow_ragged\n"
        "print(is_tensorflow_tensor(tf.constant(1)), is_tensorflow_ragged(tf.ragged.constant([[1], []])))"
    )
    assert printed(INSTALL + code, tmp_path) == "True True"


def test_tf_keras_works_without_installing(tmp_path):
    code = "import penstock as tf\nimport keras\nprint(tf.keras.layers.Dense is keras.layers.Dense)"
    assert printed(code.replace("import keras\n", "tf.keras; import keras\n"), tmp_path) == "True"


def test_version_1_is_the_v1_namespace_in_graph_mode(tmp_path):
    code = (
        "import penstock; penstock.install('v1')\nimport tensorflow as tf\nprint(tf is penstock.compat.v1)\n"
    )
    assert printed(code + "print(tf.constant(1).graph is tf.get_default_graph())", tmp_path).split() == [
        "True",
        "True",
    ]
