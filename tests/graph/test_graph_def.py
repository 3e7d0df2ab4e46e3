import numpy as np
import pytest

import penstock as tf
from penstock.engine.execute import execute
from penstock.graph.graph_def import EXPANSIONS
from tests.ids import stable_id
from tests.ops.case_calls import attrs_of, regroup
from tests.ops.op_cases import all_cases


def _program():
    x = tf.compat.v1.placeholder(tf.float32, [None, 3], name="x")
    y = tf.reduce_sum(tf.nn.relu(x) * 2.0, axis=1)
    y = tf.cond(tf.reduce_sum(y) > 3.0, lambda: y * 2.0, lambda: y - 1.0)
    _, y = tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a * 0.5), (tf.constant(0), y))
    return tf.identity(y, name="result")


def test_round_trip_keeps_nodes_and_values():
    with tf.Graph().as_default() as first:
        _program()
    message = first.as_graph_def()
    with tf.Graph().as_default() as second:
        tf.graph_util.import_graph_def(message, name="")
    assert {node.name for node in second.as_graph_def().node} == {node.name for node in message.node}
    for value in ([[1.0, 2.0, -3.0]], [[0.1, 0.0, 0.0], [0.0, 0.0, 0.2]]):
        results = []
        for graph in (first, second):
            with tf.compat.v1.Session(graph=graph) as session:
                results.append(session.run("result:0", {"x:0": value}))
        np.testing.assert_array_equal(*results)


def test_shapes_survive():
    with tf.Graph().as_default() as graph:
        _program()
    with tf.Graph().as_default():
        (x,) = tf.graph_util.import_graph_def(graph.as_graph_def(), return_elements=["x:0"])
    assert x.shape.as_list() == [None, 3]
    assert x.name == "import/x:0"


def test_input_map():
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [], name="x")
        tf.multiply(x, 2.0, name="y")
    with tf.Graph().as_default():
        (y,) = tf.graph_util.import_graph_def(
            graph.as_graph_def(), input_map={"x:0": tf.constant(4.0)}, return_elements=["y:0"]
        )
        with tf.compat.v1.Session() as session:
            assert session.run(y) == 8.0


def test_unknown_ops_name_themselves():
    with tf.Graph().as_default() as graph:
        tf.constant(1.0, name="c")
    message = graph.as_graph_def()
    message.node[0].op = "NoSuchOp"
    with tf.Graph().as_default(), pytest.raises(ValueError, match="NoSuchOp"):
        tf.graph_util.import_graph_def(message)


def test_missing_inputs_are_refused():
    with tf.Graph().as_default() as graph:
        tf.identity(tf.constant(1.0, name="c"), name="i")
    message = graph.as_graph_def()
    del message.node[0]
    with tf.Graph().as_default(), pytest.raises(ValueError, match="unknown input"):
        tf.graph_util.import_graph_def(message)


@pytest.mark.parametrize(
    "array",
    [
        np.array([1.5, -2.0], np.float32), np.array(3, np.int64), np.array([[True]]), np.array([b"a", b""], object),
        np.array([1 + 2j], np.complex64), np.zeros((0, 3), np.float16),
    ],
    ids=stable_id,
)  # fmt: skip
def test_tensor_protos(array):
    from penstock.graph.tensor_proto import array_of_proto, tensor_proto
    from penstock.types.dtypes import dtype_of_array

    back = array_of_proto(tensor_proto(array, dtype_of_array(array)))
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


def test_damaged_tensor_protos_are_refused():
    from penstock.graph.tensor_proto import array_of_proto, tensor_proto

    message = tensor_proto(np.zeros(4, np.float32), tf.float32)
    message.tensor_content = message.tensor_content[:-1]
    with pytest.raises(ValueError, match="16 bytes"):
        array_of_proto(message)


def _operation_types():
    """One case for each op type, with one for each combination of attributes and dtypes."""
    chosen = {}
    for case in all_cases():
        if case.raises is None and case.op not in EXPANSIONS:
            chosen.setdefault((case.op, *(each.dtype.name for each in case.flat), *case.attrs), case)
    return list(chosen.values())


def test_every_op_type_round_trips():
    """Writing, reading and writing again gives the same message: types, lists, shapes and functions are all kept."""
    cases = _operation_types()
    with tf.Graph().as_default() as first:
        for case in cases:
            inputs = [tf.constant(array) for array in case.flat]
            execute(case.op, regroup(case, inputs), attrs_of(case))
    message = first.as_graph_def()
    assert {node.op for node in message.node} >= {case.op for case in cases}
    with tf.Graph().as_default() as second:
        tf.graph_util.import_graph_def(message, name="")
    again = {node.name: node for node in second.as_graph_def().node}
    for node in message.node:
        assert again[node.name] == node


def test_control_flow_and_gradients_round_trip():
    """Functions in the library, and what gradients of loops leave in a graph, compute the same after reading."""
    with tf.Graph().as_default() as first:
        x = tf.compat.v1.placeholder(tf.float32, [2, 2], name="x")
        _, y = tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, tf.sin(a) @ a), (tf.constant(0), x))
        y = tf.switch_case(tf.constant(1), [lambda: y, lambda: tf.cumsum(y), lambda: -y])
        tf.identity(tf.gradients(tf.reduce_sum(y * y), x)[0], name="dx")
        rows = tf.map_fn(lambda row: tf.reduce_max(row) * row, x)
        tf.identity(rows, name="rows")
    message = first.as_graph_def()
    with tf.Graph().as_default() as second:
        tf.graph_util.import_graph_def(type(message).FromString(message.SerializeToString()), name="")
    value = [[0.3, -0.2], [0.7, 0.4]]
    results = []
    for graph in (first, second):
        with tf.compat.v1.Session(graph=graph) as session:
            results.append(session.run(["dx:0", "rows:0"], {"x:0": value}))
    for got, expected in zip(*reversed(results)):
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(
    ("op", "letters"),
    [
        ("StatelessRandomUniformV2", {"Tshape": tf.int32}),
        ("StatelessRandomGammaV3", {"shape_dtype": tf.int32}),
        ("StatelessParameterizedTruncatedNormal", {"S": tf.int32, "Tseed": tf.int64}),
        ("MaxPool3DGrad", {"TInput": tf.float32, "T": tf.float32}),
        ("SparseTensorDenseMatMul", {"Tindices": tf.int64, "T": tf.float32}),
        ("RaggedTensorToTensor", {"Tshape": tf.int64, "Tindex": tf.int64, "T": tf.float32}),
    ],
)
def test_type_letters_are_those_of_tensorflow(op, letters):
    case = next(case for case in all_cases() if case.op == op and case.raises is None)
    with tf.Graph().as_default() as graph:
        execute(op, regroup(case, [tf.constant(array) for array in case.flat]), attrs_of(case))
    attr = graph.as_graph_def().node[-1].attr
    for letter, dtype in letters.items():
        assert tf.as_dtype(attr[letter].type) == dtype


def test_shapes_given_as_lists_are_written_as_shapes():
    with tf.Graph().as_default() as graph:
        execute("EnsureShape", (tf.constant([[1.0, 2.0]]),), {"shape": [None, 2]})
    dims = graph.as_graph_def().node[-1].attr["shape"].shape.dim
    assert [each.size for each in dims] == [-1, 2]
