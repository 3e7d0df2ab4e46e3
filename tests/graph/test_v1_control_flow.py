"""Graphs of TF 1, written node by node as its Python wrote them."""

import numpy as np
import pytest

import penstock as tf


class Nodes:
    """Builds a GraphDef: `nodes("name", "Op", "input", T=tf.float32)`."""

    def __init__(self):
        self.message = tf.Graph().as_graph_def()

    def __call__(self, name, op, *inputs, **attrs):
        node = self.message.node.add(name=name, op=op, input=inputs)
        for key, value in attrs.items():
            if isinstance(value, tf.DType):
                node.attr[key].type = value.as_datatype_enum
            elif isinstance(value, np.ndarray):
                node.attr[key].tensor.CopyFrom(tf.make_tensor_proto(value))
            elif isinstance(value, tf.TensorShape):
                node.attr[key].shape.CopyFrom(value.as_proto())
            elif isinstance(value, bool):
                node.attr[key].b = value
            elif isinstance(value, int):
                node.attr[key].i = value
            else:
                node.attr[key].s = value.encode()

    def const(self, name, value, *controls):
        value = np.asarray(value)
        self(name, "Const", *controls, dtype=tf.as_dtype(value.dtype), value=value)

    def placeholder(self, name, dtype, shape):
        self(name, "Placeholder", dtype=dtype, shape=tf.TensorShape(shape))

    def run(self, fetches, feeds, first=None):
        graph = tf.Graph()
        with graph.as_default():
            tf.graph_util.import_graph_def(self.message, name="")
        with tf.compat.v1.Session(graph=graph) as session:
            if first:
                session.run(first)
            return session.run(fetches, feeds), {each.type for each in graph.get_operations()}


def _cond(nodes, name, pred, value):
    """`cond(pred, lambda: value * 2, lambda: value - 1)` under a prefix."""
    nodes(f"{name}/pred_id", "Identity", pred, T=tf.bool)
    nodes(f"{name}/Switch", "Switch", pred, pred, T=tf.bool)
    nodes(f"{name}/switch_t", "Identity", f"{name}/Switch:1", T=tf.bool)
    nodes(f"{name}/switch_f", "Identity", f"{name}/Switch", T=tf.bool)
    nodes.const(f"{name}/two", np.float32(2), f"^{name}/switch_t")
    nodes(f"{name}/mul/Switch", "Switch", value, f"{name}/pred_id", T=tf.float32)
    nodes(f"{name}/mul", "Mul", f"{name}/mul/Switch:1", f"{name}/two", T=tf.float32)
    nodes.const(f"{name}/one", np.float32(1), f"^{name}/switch_f")
    nodes(f"{name}/sub/Switch", "Switch", value, f"{name}/pred_id", T=tf.float32)
    nodes(f"{name}/sub", "Sub", f"{name}/sub/Switch", f"{name}/one", T=tf.float32)
    nodes(f"{name}/Merge", "Merge", f"{name}/sub", f"{name}/mul", T=tf.float32, N=2)


def _loop(nodes, name, start, limit):
    """`while i < limit: i, a = i + 1, a * start` from (0, start); the outputs are `name/Exit` and `name/Exit_1`."""
    frame = {"frame_name": f"{name}/frame", "parallel_iterations": 10}
    nodes.const(f"{name}/zero", np.int32(0))
    for suffix, value, kind in (("", f"{name}/zero", tf.int32), ("_1", start, tf.float32)):
        nodes(f"{name}/Enter{suffix}", "Enter", value, T=kind, is_constant=False, **frame)
        nodes(f"{name}/Merge{suffix}", "Merge", f"{name}/Enter{suffix}", f"{name}/Next{suffix}", T=kind, N=2)
        nodes(f"{name}/Switch{suffix}", "Switch", f"{name}/Merge{suffix}", f"{name}/LoopCond", T=kind)
        nodes(f"{name}/Identity{suffix}", "Identity", f"{name}/Switch{suffix}:1", T=kind)
        nodes(f"{name}/Exit{suffix}", "Exit", f"{name}/Switch{suffix}", T=kind)
    nodes(f"{name}/limit", "Enter", limit, T=tf.int32, is_constant=True, **frame)
    nodes(f"{name}/factor", "Enter", start, T=tf.float32, is_constant=True, **frame)
    nodes(f"{name}/Less", "Less", f"{name}/Merge", f"{name}/limit", T=tf.int32)
    nodes(f"{name}/LoopCond", "LoopCond", f"{name}/Less")
    nodes.const(f"{name}/step", np.int32(1), f"^{name}/Identity")
    nodes(f"{name}/add", "AddV2", f"{name}/Identity", f"{name}/step", T=tf.int32)
    nodes(f"{name}/mul", "Mul", f"{name}/Identity_1", f"{name}/factor", T=tf.float32)
    nodes(f"{name}/Next", "NextIteration", f"{name}/add", T=tf.int32)
    nodes(f"{name}/Next_1", "NextIteration", f"{name}/mul", T=tf.float32)


@pytest.mark.parametrize(("pred", "expected"), [(True, [6.0, 3.0]), (False, [2.0, 2.0])])
def test_switch_and_merge_are_an_if(pred, expected):
    nodes = Nodes()
    nodes.placeholder("p", tf.bool, [])
    nodes.placeholder("x", tf.float32, [])
    _cond(nodes, "cond", "p", "x")
    nodes.const("three", np.float32(3))
    nodes("bounded", "Minimum", "cond/Merge", "three", T=tf.float32)
    found, types = nodes.run(["cond/Merge:0", "bounded:0"], {"p:0": pred, "x:0": 3.0})
    assert found == expected
    assert "If" in types and not types & {"Switch", "Merge"}


def test_the_index_of_a_merge_says_which_branch_ran():
    nodes = Nodes()
    nodes.placeholder("p", tf.bool, [])
    nodes.placeholder("x", tf.float32, [])
    _cond(nodes, "cond", "p", "x")
    nodes("which", "Identity", "cond/Merge:1", T=tf.int32)
    assert nodes.run("which:0", {"p:0": True, "x:0": 3.0})[0] == 1
    assert nodes.run("which:0", {"p:0": False, "x:0": 3.0})[0] == 0


def test_conds_of_one_predicate_that_follow_each_other():
    nodes = Nodes()
    nodes.placeholder("p", tf.bool, [])
    nodes.placeholder("x", tf.float32, [])
    _cond(nodes, "first", "p", "x")
    _cond(nodes, "second", "p", "first/Merge")
    assert nodes.run("second/Merge:0", {"p:0": True, "x:0": 3.0})[0] == 12.0
    assert nodes.run("second/Merge:0", {"p:0": False, "x:0": 3.0})[0] == 1.0


def test_frames_are_a_while():
    nodes = Nodes()
    nodes.placeholder("n", tf.int32, [])
    nodes.placeholder("x", tf.float32, [2])
    _loop(nodes, "while", "x", "n")
    found, types = nodes.run(["while/Exit:0", "while/Exit_1:0"], {"n:0": 2, "x:0": [2.0, 3.0]})
    assert found[0] == 2
    np.testing.assert_array_equal(found[1], [8.0, 27.0])
    assert "While" in types and not types & {"Enter", "Exit", "NextIteration", "LoopCond", "Merge", "Switch"}


def test_a_loop_follows_a_cond():
    nodes = Nodes()
    nodes.placeholder("p", tf.bool, [])
    nodes.placeholder("n", tf.int32, [])
    nodes.placeholder("x", tf.float32, [])
    _cond(nodes, "cond", "p", "x")
    _loop(nodes, "while", "cond/Merge", "n")
    assert nodes.run("while/Exit_1:0", {"p:0": True, "n:0": 1, "x:0": 2.0})[0] == 16.0


def test_gradients_flow_through_imported_loops():
    nodes = Nodes()
    nodes.placeholder("n", tf.int32, [])
    nodes.placeholder("x", tf.float32, [])
    _loop(nodes, "while", "x", "n")
    with tf.Graph().as_default():
        x, n, y = tf.graph_util.import_graph_def(
            nodes.message, return_elements=["x:0", "n:0", "while/Exit_1:0"]
        )
        (slope,) = tf.gradients(y, x)
        with tf.compat.v1.Session() as session:
            assert session.run(slope, {x: 3.0, n: 2}) == 27.0


def test_a_merge_of_unrelated_tensors_is_refused():
    nodes = Nodes()
    nodes.placeholder("x", tf.float32, [])
    nodes.placeholder("y", tf.float32, [])
    nodes("bad", "Merge", "x", "y", T=tf.float32, N=2)
    with pytest.raises(ValueError, match="'bad' joins"):
        nodes.run("bad:0", {})


def _variable(nodes):
    nodes("v", "VariableV2", dtype=tf.float32, shape=tf.TensorShape([2]), shared_name="", container="")
    nodes.const("start", np.float32([1, 2]))
    nodes("v/Assign", "Assign", "v", "start", T=tf.float32, validate_shape=True, use_locking=True)
    nodes("v/read", "Identity", "v", T=tf.float32)


def test_reference_variables_are_resources():
    nodes = Nodes()
    _variable(nodes)
    nodes.const("one", np.float32([1, 1]))
    nodes("add", "AssignAdd", "v", "one", T=tf.float32, use_locking=False)
    nodes("after", "Identity", "add", T=tf.float32)
    found, types = nodes.run("after:0", {}, "v/Assign")
    np.testing.assert_array_equal(found, [2.0, 3.0])
    assert "VarHandleOp" in types and "VariableV2" not in types


def test_a_reference_variable_is_fetched_by_its_name():
    nodes = Nodes()
    _variable(nodes)
    np.testing.assert_array_equal(nodes.run("v:0", {}, "v/Assign")[0], [1.0, 2.0])


def test_flows_of_tensor_arrays_are_lists():
    nodes = Nodes()
    nodes.placeholder("x", tf.float32, [3])
    nodes.const("size", np.int32(3))
    nodes.const("places", np.int32([0, 1, 2]))
    nodes.const("one", np.int32(1))
    nodes("array", "TensorArrayV3", "size", dtype=tf.float32, element_shape=tf.TensorShape([]))
    nodes("scatter", "TensorArrayScatterV3", "array", "places", "x", "array:1", T=tf.float32)
    nodes("read", "TensorArrayReadV3", "array", "one", "scatter", dtype=tf.float32)
    nodes("write", "TensorArrayWriteV3", "array", "size_less_one", "read", "scatter", T=tf.float32)
    nodes.const("size_less_one", np.int32(2))
    nodes("all", "TensorArrayGatherV3", "array", "places", "write", dtype=tf.float32)
    np.testing.assert_array_equal(nodes.run("all:0", {"x:0": [1.0, 2.0, 3.0]})[0], [1.0, 2.0, 2.0])
