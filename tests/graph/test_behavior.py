"""TF 1's switches. Each program runs in a process of its own, since the switches are for the whole process."""

from __future__ import annotations

import pytest

from tests.cli.commands import python

PROGRAMS = {
    "graph mode": (
        "tf.disable_eager_execution()\nx = tf.constant(1)\n"
        "print(tf.executing_eagerly(), x.graph is tf.get_default_graph(), tf.Session().run(x + 1))",
        "False True 2",
    ),
    "eager values stay usable": (
        "x = tf.constant(1)\ntf.disable_eager_execution()\nprint(tf.Session().run(x + 1))",
        "2",
    ),
    "new threads are in graph mode too": (
        "import threading\ntf.disable_eager_execution()\n"
        "t = threading.Thread(target=lambda: print(tf.executing_eagerly()))\nt.start(); t.join()",
        "False",
    ),
    "shapes are of dimensions": (
        "tf.disable_v2_behavior()\nprint(repr(tf.placeholder(tf.float32, [None, 3]).shape[1]))",
        "Dimension(3)",
    ),
    "tensors are equal to themselves only": (
        "tf.disable_v2_behavior()\na, b = tf.constant(1), tf.constant(1)\nprint(a == a, a == b, len({a, b}))",
        "True False 2",
    ),
    "v2 behavior is known to be off": (
        "print(v2.__internal__.tf2.enabled())\ntf.disable_v2_behavior()\nprint(v2.__internal__.tf2.enabled())",
        "True False",
    ),
    "functions know what is around them": (
        "@v2.function\ndef f():\n    print(tf.executing_eagerly(), tf.executing_eagerly_outside_functions())\nf()\n"
        "with tf.Graph().as_default():\n    print(tf.executing_eagerly_outside_functions())",
        "False True False",
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_switch(tmp_path, name):
    program, expected = PROGRAMS[name]
    result = python("-c", f"import penstock as v2\ntf = v2.compat.v1\n{program}", folder=tmp_path)
    assert result.stdout.split() == expected.split(), result.stderr


def test_eager_mode_cannot_follow_graph_mode(tmp_path):
    program = "tf.disable_eager_execution(); tf.constant(1); tf.enable_eager_execution()"
    result = python("-c", f"import penstock as v2\ntf = v2.compat.v1\n{program}", folder=tmp_path)
    assert "ValueError: tf.enable_eager_execution must be called at program startup." in result.stderr
