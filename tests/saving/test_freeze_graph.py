"""`tensorflow.python.tools.freeze_graph`, and graphs cut down for inference: they compute what the graph computed."""

from __future__ import annotations

import numpy as np
import pytest

import penstock as tf
from penstock.runtime.inference_graphs import optimize_for_inference, strip_unused
from penstock.saving.freeze_graph import freeze_graph

tf1 = tf.compat.v1
X = np.ones((1, 3), "float32")


@pytest.fixture
def trained(tmp_path):
    """A graph and its checkpoint in files, and what the graph computes."""
    with tf.Graph().as_default() as graph, tf1.Session() as session:
        x = tf1.placeholder(tf.float32, [None, 3], name="input")
        w = tf1.get_variable("w", [3, 2])
        out = tf.identity(tf.nn.softmax(tf.identity(x) @ w), name="output")
        session.run(w.initializer)
        prefix = tf1.train.Saver().save(session, str(tmp_path / "model"))
        tf1.train.write_graph(graph, str(tmp_path), "graph.pbtxt")
        tf1.train.write_graph(graph, str(tmp_path), "graph.pb", as_text=False)
        tf1.saved_model.simple_save(session, str(tmp_path / "saved"), {"x": x}, {"y": out})
        return tmp_path, prefix, session.run(out, {x: X})


def _computed(graph_def, input_name="input:0"):
    with tf.Graph().as_default() as graph, tf1.Session() as session:
        (out,) = tf1.import_graph_def(graph_def, return_elements=["output:0"], name="")
        return session.run(out, {graph.get_tensor_by_name(input_name): X})


def _freeze(**arguments):
    given = {
        "input_graph": "", "input_saver": "", "input_binary": False, "input_checkpoint": "",
        "output_node_names": "output", "restore_op_name": "", "filename_tensor_name": "", "output_graph": "",
        "clear_devices": True, "initializer_nodes": "",
    }  # fmt: skip
    return freeze_graph(**{**given, **arguments})


def test_a_graph_and_its_checkpoint_become_one_file(trained):
    folder, prefix, expected = trained
    for file, binary in (("graph.pbtxt", False), ("graph.pb", True)):
        out = str(folder / "frozen.pb")
        _freeze(
            input_graph=str(folder / file), input_binary=binary, input_checkpoint=prefix, output_graph=out
        )
        graph_def = tf1.GraphDef.FromString((folder / "frozen.pb").read_bytes())
        assert not {"VarHandleOp", "VariableV2"} & {node.op for node in graph_def.node}
        np.testing.assert_allclose(_computed(graph_def), expected, rtol=1e-6)


def test_meta_graphs_and_saved_models_freeze(trained):
    folder, prefix, expected = trained
    meta = _freeze(input_meta_graph=prefix + ".meta", input_checkpoint=prefix)
    saved = _freeze(input_saved_model_dir=str(folder / "saved"))
    np.testing.assert_allclose(_computed(meta), expected, rtol=1e-6)
    np.testing.assert_allclose(_computed(saved), expected, rtol=1e-6)


def test_initializers_stand_in_for_a_checkpoint(tmp_path):
    with tf.Graph().as_default() as graph:
        tf.square(tf1.get_variable("w", initializer=3.0), name="output")
        tf1.train.write_graph(graph, str(tmp_path), "graph.pbtxt")
    frozen = _freeze(input_graph=str(tmp_path / "graph.pbtxt"), initializer_nodes="w/Assign")
    with tf.Graph().as_default(), tf1.Session() as session:
        (out,) = tf1.import_graph_def(frozen, return_elements=["output:0"])
        assert session.run(out) == 9.0


@pytest.mark.parametrize("missing", ["input_graph", "output_node_names", "input_checkpoint"])
def test_what_is_missing_is_named(trained, missing):
    folder, prefix, _ = trained
    given = {"input_graph": str(folder / "graph.pbtxt"), "input_checkpoint": prefix}
    with pytest.raises(ValueError, match=missing):
        _freeze(**{**given, missing: ""})


def test_graphs_for_inference_compute_the_same(trained):
    _, prefix, expected = trained
    frozen = _freeze(input_meta_graph=prefix + ".meta", input_checkpoint=prefix)
    kind = tf.float32.as_datatype_enum
    smaller = optimize_for_inference(frozen, ["input"], ["output"], kind)
    assert len(smaller.node) < len(frozen.node)
    np.testing.assert_allclose(_computed(smaller), expected, rtol=1e-6)


def test_an_inner_node_can_become_the_input(trained):
    _, prefix, _ = trained
    frozen = _freeze(input_meta_graph=prefix + ".meta", input_checkpoint=prefix)
    cut = strip_unused(frozen, ["Softmax"], ["output"], tf.float32.as_datatype_enum)
    assert [node.op for node in cut.node] == ["Placeholder", "Identity"]
    with pytest.raises(KeyError, match="no_such"):
        strip_unused(frozen, ["no_such"], ["output"], 1)
