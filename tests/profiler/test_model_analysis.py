"""`tf.compat.v1.profiler`: parameters and float operations of graphs."""

from __future__ import annotations

import pytest

import penstock as tf

v1 = tf.compat.v1
Builder = v1.profiler.ProfileOptionBuilder


def quiet(options):
    return Builder(options).with_empty_output().build()


@pytest.fixture
def graph():
    with tf.Graph().as_default() as graph:
        x = v1.placeholder(tf.float32, [8, 16, 16, 3])
        with v1.variable_scope("net"):
            w = v1.get_variable("w", [3, 3, 3, 4], initializer=v1.zeros_initializer())
            b = v1.get_variable("b", [4], initializer=v1.zeros_initializer())
            y = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, w, 1, "SAME", name="Conv2D"), b, name="BiasAdd"))
            p = tf.nn.max_pool2d(y, 2, 2, "SAME", name="MaxPool2d")
            k = v1.get_variable("k", [256, 10], initializer=v1.zeros_initializer())
            z = tf.nn.softmax(tf.matmul(tf.reshape(p, [8, -1]), k, name="MatMul"), name="Softmax")
            tf.reduce_mean(z, name="Mean")
            v1.get_variable("fixed", [7], trainable=False, initializer=v1.zeros_initializer())
        yield graph


def test_float_operations_are_tensorflows(graph):
    found = v1.profiler.profile(graph, options=quiet(Builder.float_operation()))
    assert [(each.name, each.total_float_ops) for each in found.children] == [
        ("net/Conv2D", 442368),
        ("net/MatMul", 40960),
        ("net/BiasAdd", 8192),
        ("net/MaxPool2d", 8192),
        ("net/Softmax", 400),
        ("net/Mean", 80),
    ]
    assert found.total_float_ops == sum(each.total_float_ops for each in found.children)


def test_parameters_of_trainable_variables(graph):
    found = v1.profiler.profile(graph, options=quiet(Builder.trainable_variables_parameter()))
    assert found.total_parameters == 108 + 4 + 2560
    assert [(each.name, each.parameters) for each in found.children] == [
        ("net/b", 4),
        ("net/k", 2560),
        ("net/w", 108),
    ]


def test_by_op_type(graph):
    options = Builder(quiet(Builder.float_operation())).with_accounted_types(["MatMul", "Mean"]).build()
    found = v1.profiler.profile(graph, cmd="op", options=options)
    assert [(each.name, each.float_ops) for each in found.children] == [("MatMul", 40960), ("Mean", 80)]


def test_only_some_names(graph):
    options = (
        Builder(quiet(Builder.float_operation())).with_node_names(hide_name_regexes=[".*Conv2D"]).build()
    )
    names = [each.name for each in v1.profiler.profile(graph, options=options).children]
    assert "net/Conv2D" not in names and "net/MatMul" in names


def test_the_report(graph, capsys, tmp_path):
    v1.profiler.profile(graph, options=Builder.float_operation())
    printed = capsys.readouterr().out
    assert "_TFProfRoot (--/500.19k flops)" in printed and "  net/Conv2D (442.37k/442.37k flops)" in printed
    path = str(tmp_path / "report")
    v1.profiler.profile(graph, options=Builder(Builder.float_operation()).with_file_output(path).build())
    assert "net/Conv2D" in (tmp_path / "report").read_text()


def test_sizes_that_are_not_known_count_as_nothing():
    with tf.Graph().as_default() as graph:
        x = v1.placeholder(tf.float32, [None, 3])
        tf.matmul(x, tf.ones([3, 2]))
    assert v1.profiler.profile(graph, options=quiet(Builder.float_operation())).total_float_ops == 0


def test_steps(graph):
    profiler = v1.profiler.Profiler(graph)
    profiler.add_step(1, v1.RunMetadata())
    assert profiler.profile_name_scope(quiet(Builder.float_operation())).total_float_ops > 0
    assert profiler.profile_operations(quiet(Builder.float_operation())).children


def test_a_log_of_nodes(graph, tmp_path):
    v1.profiler.write_op_log(graph, str(tmp_path))
    log = v1.profiler.OpLogProto.FromString((tmp_path / "tfprof_log").read_bytes())
    assert {each.name: each.float_ops for each in log.log_entries}["net/MatMul"] == 40960


def test_other_views_name_themselves(graph):
    with pytest.raises(tf.errors.UnimplementedError, match="cmd is 'code'"):
        v1.profiler.profile(graph, cmd="code")
