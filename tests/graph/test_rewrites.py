import numpy as np
import pytest

import penstock as tf
from penstock.graph.rewrites import RULES
from penstock.runtime.executor import Executor
from penstock.runtime.lowering import pruned

X = tf.TensorSpec([2, 3], tf.float32)
B = tf.TensorSpec([2, 3], tf.bool)
Z = tf.TensorSpec([2, 3], tf.complex64)

# name of a rule, a function that it simplifies, its argument, the op types that must be gone
CASES = [
    ("fold-constants", lambda x: x + tf.constant(1.0) * 2.0, X, {"Mul"}),
    ("drop-identity", lambda x: tf.identity(x * 2.0) + 3.0, X, {"Identity"}),
    ("drop-cast", lambda x: tf.raw_ops.Cast(x=x * 2.0, DstT=tf.float32), X, {"Cast"}),
    ("add-zero", lambda x: x + 0.0, X, {"AddV2"}),
    ("add-zero", lambda x: x - 0.0, X, {"Sub"}),
    ("times-one", lambda x: 1.0 * x, X, {"Mul"}),
    ("times-one", lambda x: x / 1.0, X, {"RealDiv"}),
    ("power-one", lambda x: tf.pow(x, 1.0), X, {"Pow"}),
    ("and-true", lambda x: tf.logical_and(x, True), B, {"LogicalAnd"}),
    ("or-false", lambda x: tf.logical_or(x, False), B, {"LogicalOr"}),
    ("double-negation", lambda x: -(-x), X, {"Neg"}),
    ("double-not", lambda x: tf.logical_not(tf.logical_not(x)), B, {"LogicalNot"}),
    ("double-conjugate", lambda x: tf.math.conj(tf.math.conj(x)), Z, {"Conj"}),
    ("square", lambda x: x * x, X, {"Mul"}),
    ("transposes", lambda x: tf.transpose(tf.transpose(x)) + 1.0, X, {"Transpose"}),
    ("reshapes", lambda x: tf.reshape(tf.reshape(x, [6]), [2, 3]) + 1.0, X, set()),
    ("broadcast-to-own-shape", lambda x: tf.broadcast_to(x, [2, 3]) + 1.0, X, {"BroadcastTo"}),
    ("common-subexpressions", lambda x: tf.exp(x) + tf.exp(x), X, set()),
    ("dead-code", lambda x: (tf.exp(x), x + 1.0)[1], X, {"Exp"}),
]


def _value(spec):
    values = np.arange(6).reshape(2, 3)
    return values % 2 == 0 if spec.dtype == tf.bool else values.astype(spec.dtype.as_numpy_dtype)


def _run(graph, value):
    return Executor(pruned(graph), graph.inputs, graph.outputs).run([value])


@pytest.mark.parametrize(
    ("rule", "function", "spec", "gone"), CASES, ids=[f"{case[0]}-{i}" for i, case in enumerate(CASES)]
)
def test_rule_fires_and_keeps_the_value(rule, function, spec, gone):
    concrete = tf.function(function).get_concrete_function(spec)
    report = tf.experimental.rewrite_graph(concrete)
    assert rule in report.fired
    assert not gone & {op.type for op in report.after.get_operations()}
    np.testing.assert_allclose(_run(report.after, _value(spec))[0], _run(report.before, _value(spec))[0])


def test_every_rule_has_a_case():
    assert {rule.name for rule in RULES} <= {case[0] for case in CASES}


def test_the_original_graph_is_untouched():
    concrete = tf.function(lambda x: x * 1.0).get_concrete_function(X)
    before = len(concrete.graph.get_operations())
    tf.experimental.rewrite_graph(concrete)
    assert len(concrete.graph.get_operations()) == before


def test_effects_stay():
    v = tf.Variable(0.0)

    @tf.function
    def f(x):
        v.assign_add(tf.reduce_sum(x))

    report = tf.experimental.rewrite_graph(f.get_concrete_function(X))
    assert "AssignAddVariableOp" in {op.type for op in report.after.get_operations()}


def test_negative_zero_is_kept_apart_from_unknown_shapes():
    concrete = tf.function(lambda x, y: x + tf.zeros_like(y)).get_concrete_function(
        tf.TensorSpec([None], tf.float32), tf.TensorSpec([None], tf.float32)
    )
    assert "add-zero" not in tf.experimental.rewrite_graph(concrete).fired  # y may be longer than x


def test_report_is_for_people():
    report = tf.experimental.rewrite_graph(tf.function(lambda x: x * 1.0).get_concrete_function(X))
    assert "1 x times-one" in str(report)
