"""TensorFlow 1 programs are told from TensorFlow 2 programs by the names they use."""

from __future__ import annotations

import pytest

from penstock.standin.era import find_evidence, graph_names

TF1_PROGRAMS = {
    "session": ("import tensorflow as tf\nwith tf.Session() as s: pass", "Session", 2),
    "whole name": ("import tensorflow\nx = tensorflow.placeholder(tensorflow.float32)", "placeholder", 2),
    "other alias": ("import tensorflow as flow\nflow.get_default_graph()", "get_default_graph", 2),
    "imported name": ("from tensorflow import constant, get_variable", "get_variable", 1),
    "imported namespace": ("from tensorflow import train\ntrain.AdamOptimizer()", "train.AdamOptimizer", 2),
    "imported module": ("import tensorflow.train as t\nt.AdamOptimizer()", "train.AdamOptimizer", 2),
    "inside a function": ("def f():\n    import tensorflow as tf\n    return tf.Session()", "Session", 3),
    "namespace that is gone": ("import tensorflow as tf\ntf.layers.dense(x, 3)", "layers", 2),
    "contrib": ("import tensorflow as tf\ntf.contrib.layers.flatten(x)", "contrib", 2),
    "contrib module": ("import tensorflow.contrib.slim as slim", "contrib", 1),
    "contrib member": ("from tensorflow.contrib import rnn", "contrib", 1),
    "deep name": ("import tensorflow as tf\ntf.nn.rnn_cell.BasicLSTMCell(3)", "nn.rnn_cell", 2),
    "first in the text": (
        "import tensorflow as tf\nf(lambda: tf.get_variable('x'))\ntf.Session()",
        "get_variable",
        2,
    ),
    "keras data": (
        "import tensorflow as tf\ntf.keras.datasets.mnist.load_data()\ntf.Session()",
        "Session",
        3,
    ),
    "eager mode with losses": (
        "import tensorflow as tf\ntf.enable_eager_execution()\ntf.keras.Sequential()\ntf.losses.log_loss(x, y)",
        "losses.log_loss",
        4,
    ),
    "caught errors": (
        "import tensorflow as tf\ntry:\n    tf.Session()\nexcept Exception:\n    pass",
        "Session",
        3,
    ),
}

TF2_PROGRAMS = {
    "no tensorflow": "import numpy as np\nnp.Session()",
    "names of both": "import tensorflow as tf\ntf.constant(1) + tf.Variable(2)",
    "old names that run at once": "import tensorflow as tf\ntf.log(tf.to_float(1))\ntf.app.run()",
    "compat.v1": "import tensorflow as tf\ntf.compat.v1.Session()\ntf.compat.v1.placeholder",
    "compat.v1 as tf": "import tensorflow.compat.v1 as tf\ntf.disable_v2_behavior()\ntf.Session()",
    "compat.v1 imported": "from tensorflow.compat import v1 as tf\ntf.Session()",
    "another object's attribute": "import tensorflow as tf\nself.tf.Session\nx.placeholder\nlayers.dense",
    "keras losses": "import tensorflow as tf\ntf.losses.MeanSquaredError()\ntf.optimizers.Adam()",
    "a tape": "import tensorflow as tf\ntf.get_variable('x')\nwith tf.GradientTape(): pass",
    "a function": "import tensorflow as tf\ntf.train.AdamOptimizer()\n@tf.function\ndef f(): pass",
    "a Keras model": "import tensorflow as tf\ntf.Session(config=tf.ConfigProto())\ntf.keras.Sequential()",
    "a model of Keras itself": "import tensorflow as tf\nfrom keras.models import Sequential\ntf.Session()",
    "eager mode": "import tensorflow as tf\ntf.enable_eager_execution()\ntf.train.AdamOptimizer()",
    "eager mode with losses of Keras": "import tensorflow as tf\ntf.enable_eager_execution()\ntf.losses.Huber()",
    "a Keras model with losses": "import tensorflow as tf\ntf.keras.Sequential()\ntf.losses.log_loss(x, y)",
    "version asked": "import tensorflow as tf\nif tf.__version__ > '2':\n    pass\nelse:\n    tf.Session()",
    "attribute asked": "import tensorflow as tf\ns = tf.Session() if hasattr(tf, 'Session') else None",
    "attribute tried": "import tensorflow as tf\ntry:\n    tf.reset_default_graph()\nexcept AttributeError:\n    pass",
    "import tried": "try:\n    from tensorflow import placeholder\nexcept ImportError:\n    placeholder = None",
    "not python": "import tensorflow as tf\nprint tf.Session()",
}


@pytest.mark.parametrize("name", TF1_PROGRAMS)
def test_a_tf1_program_shows_its_era(name):
    source, used, line = TF1_PROGRAMS[name]
    evidence = find_evidence(source, "program.py")
    assert evidence is not None
    assert (evidence.name, evidence.file, evidence.line) == (used, "program.py", line)


@pytest.mark.parametrize("name", TF2_PROGRAMS)
def test_a_tf2_program_shows_nothing(name):
    assert find_evidence(TF2_PROGRAMS[name]) is None


def test_the_programs_own_modules_are_read_too(tmp_path):
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "__init__.py").write_text("")
    (tmp_path / "parts" / "model.py").write_text("import tensorflow as tf\nx = tf.placeholder(tf.float32)")
    evidence = find_evidence("from parts import model\nimport json, tensorflow", "main.py", tmp_path)
    assert evidence is not None
    assert (evidence.name, evidence.file) == ("placeholder", str(tmp_path / "parts" / "model.py"))


def test_modules_that_import_each_other_are_read_once(tmp_path):
    (tmp_path / "a.py").write_text("import b")
    (tmp_path / "b.py").write_text("import a")
    assert find_evidence("import a", "main.py", tmp_path) is None


def test_a_module_of_tf2_decides_for_the_program(tmp_path):
    (tmp_path / "model.py").write_text("import tensorflow as tf\nclass Model(tf.keras.Model): pass")
    assert find_evidence("import tensorflow as tf, model\ntf.Session()", "main.py", tmp_path) is None


@pytest.mark.parametrize(
    "name", ["Variable", "constant", "log", "math.log", "keras", "losses", "compat", "train"]
)
def test_the_table_has_no_names_that_also_run_at_once(name):
    assert name not in graph_names()
