"""`tf.test`: what its assertions accept and refuse, sessions, decorators, gradient checks."""

from __future__ import annotations

import subprocess
import sys
import unittest

import numpy as np
import pytest

import penstock as tf
from penstock.testing import graph_modes

v1 = tf.compat.v1


@pytest.fixture
def case():
    case = tf.test.TestCase()
    case.setUp()
    yield case
    case.tearDown()


NAN = float("nan")

ACCEPTED = [
    ("assertAllClose", [1.0, 2.0], [1.0, 2.0 + 1e-7]),
    ("assertAllClose", {"a": (1.0, {"b": [2.0]})}, {"a": (1.0, {"b": [2.0]})}),
    ("assertAllClose", [np.ones([2]), np.ones([3])], [np.ones([2]), np.ones([3])]),
    ("assertAllClose", [NAN], [NAN]),
    ("assertNotAllClose", [1.0], [1.1]),
    ("assertAllEqual", [1, 2], np.array([1, 2])),
    ("assertAllEqual", ["a"], [b"a"]),
    ("assertAllEqual", [NAN], [NAN]),
    ("assertNotAllEqual", [1], [2]),
    ("assertAllGreater", [1, 2], 0),
    ("assertAllLess", [1, 2], 3),
    ("assertAllGreaterEqual", [1, 2], 1),
    ("assertAllLessEqual", [1, 2], 2),
    ("assertAllInSet", [1, 2, 1], {1, 2, 3}),
    ("assertDTypeEqual", np.ones([2], np.float16), np.float16),
    ("assertDictEqual", {"a": 1.0, "b": "x"}, {"a": 1.0, "b": "x"}),
    ("assertShapeEqual", np.ones([2, 3]), np.zeros([2, 3])),
    ("assertDeviceEqual", "/cpu:0", "/device:CPU:0"),
    ("assertStartsWith", "abc", "ab"),
]
REFUSED = [
    ("assertAllClose", [1.0, 2.0], [1.0, 2.1]),
    ("assertAllClose", [1.0], [[1.0]]),
    ("assertAllClose", {"a": 1.0}, {"b": 1.0}),
    ("assertNotAllClose", [1.0], [1.0]),
    ("assertAllEqual", [1, 2], [1, 3]),
    ("assertAllEqual", ["a"], [b"b"]),
    ("assertNotAllEqual", [1], [1]),
    ("assertAllGreater", [1, 2], 1),
    ("assertAllLess", [1, 2], 2),
    ("assertAllGreaterEqual", [1, 2], 2),
    ("assertAllLessEqual", [1, 2], 1),
    ("assertAllInSet", [1, 4], {1, 2, 3}),
    ("assertDTypeEqual", np.ones([2], np.float16), np.float32),
    ("assertDictEqual", {"a": 1.0}, {"a": 2.0}),
    ("assertShapeEqual", np.ones([2]), np.ones([3])),
    ("assertDeviceEqual", "/cpu:0", "/cpu:1"),
    ("assertStartsWith", "abc", "b"),
]


@pytest.mark.parametrize(("name", "a", "b"), ACCEPTED)
def test_accepted(case, name, a, b):
    getattr(case, name)(a, b)


@pytest.mark.parametrize(("name", "a", "b"), REFUSED)
def test_refused(case, name, a, b):
    with pytest.raises(AssertionError):
        getattr(case, name)(a, b)


def test_tensors_are_evaluated(case):
    case.assertAllEqual(tf.constant([1, 2]) * 2, [2, 4])
    case.assertAllClose(tf.Variable([1.0]), tf.constant([1.0]))
    with case.session(graph=tf.Graph()):
        case.assertAllEqual(tf.constant([1, 2]) * 2, [2, 4])


def test_ragged_tensors(case):
    ragged = tf.ragged.constant([[1, 2], [3]])
    case.assertAllEqual(ragged, [[1, 2], [3]])
    with pytest.raises(AssertionError):
        case.assertAllEqual(ragged, [[1, 2], [4]])
    case.assertAllClose(tf.ragged.constant([[1.0], []]), tf.ragged.constant([[1.0], []]))


def test_closeness_by_dtype(case):
    case.assertAllCloseAccordingToType(np.float16([1.0]), np.float16([1.001]))
    with pytest.raises(AssertionError):
        case.assertAllCloseAccordingToType(np.float32([1.0]), np.float32([1.001]))
    case.assertAllCloseAccordingToType(tf.constant([1.0], tf.bfloat16), np.array([1.01], np.float32))


def test_nearness(case):
    case.assertNear(1.0, 1.05, 0.1)
    case.assertArrayNear([1.0, 2.0], [1.01, 2.0], 0.1)
    case.assertNDArrayNear(np.ones([2, 2]), np.ones([2, 2]) + 0.01, 0.1)
    with pytest.raises(AssertionError):
        case.assertNear(1.0, 1.2, 0.1)


def test_ranges(case):
    case.assertAllInRange([1.0, 2.0], 1.0, 2.0)
    with pytest.raises(AssertionError, match=r"1 of the 2 element\(s\) are outside the range \(1.0, 2.0\]"):
        case.assertAllInRange([1.0, 2.0], 1.0, 2.0, open_lower_bound=True)
    with pytest.raises(AssertionError, match="are NaN"):
        case.assertAllInRange([NAN], 0.0, 1.0)


def test_errors(case):
    with case.assertRaisesOpError("the inner sizes"):
        tf.matmul(tf.ones([2, 3]), tf.ones([2, 3]))
    with case.assertRaisesWithPredicateMatch(ValueError, lambda error: "x" in str(error)):
        raise ValueError("x")
    with case.assertRaisesIncompatibleShapesError():
        tf.ones([2]) + tf.ones([3])
    with pytest.raises(AssertionError), case.assertRaisesOpError("something else"):
        raise tf.errors.InvalidArgumentError(None, None, "message")
    with pytest.raises(AssertionError, match="not raised"), case.assertRaisesOpError("message"):
        pass


def test_messages(case):
    node = v1.NodeDef(name="n", op="NoOp")
    case.assertProtoEquals("name: 'n' op: 'NoOp'", node)
    with pytest.raises(AssertionError):
        case.assertProtoEquals("name: 'm' op: 'NoOp'", node)


def test_evaluate(case):
    assert case.evaluate({"a": tf.constant(1), "b": [tf.Variable(2.0), None]}) == {"a": 1, "b": [2.0, None]}
    with tf.Graph().as_default():
        assert case.evaluate(tf.constant(3) * 2) == 6


def test_a_session_of_a_graph(case):
    graph = tf.Graph()
    with case.session(graph=graph) as session:
        assert v1.get_default_graph() is graph and v1.get_default_session() is session
        assert session.run(tf.constant(2) * 3) == 6


def test_the_cached_session_is_one(case):
    with tf.Graph().as_default():
        with case.cached_session() as one, case.cached_session() as other:
            assert one is other
        with case.test_session() as session:
            assert session is one


def test_sessions_of_eager_tests(case):
    with case.cached_session() as session:
        assert session.run(tf.constant(2) * 3) == 6
        with pytest.raises(RuntimeError, match="feed_dict"):
            session.run(tf.constant(2), {1: 2})


def test_tests_begin_alike(case):
    first = np.random.rand(), tf.random.uniform([]).numpy()
    case.setUp()
    assert first == (np.random.rand(), tf.random.uniform([]).numpy())


def test_threads_are_joined(case):
    thread = case.checkedThread(lambda: 1 / 0)
    thread.start()
    with pytest.raises(AssertionError, match="division by zero"):
        thread.join()


def test_captured_output(case, capfd):
    with case.captureWritesToStream(sys.stderr) as written:
        sys.stderr.write("to the stream")
    assert "to the stream" in written.contents() or sys.stderr.fileno() != 2


def test_a_directory_of_a_test(case):
    assert case.get_temp_dir() == case.get_temp_dir()


# Decorators.


def run(method, *bases):
    """Runs a method as the test of a test case."""
    kind = type("Case", (*bases, tf.test.TestCase), {"test_it": method})
    result = unittest.TestResult()
    kind("test_it").run(result)
    return result


def test_a_test_in_both_modes():
    modes = []

    @graph_modes.run_in_graph_and_eager_modes
    def test(self):
        modes.append(tf.executing_eagerly())
        self.assertAllEqual(tf.constant([1]) + 1, [2])

    assert run(test).wasSuccessful()
    assert modes == [False, True]


def test_a_test_in_a_graph():
    modes = []

    @graph_modes.run_deprecated_v1
    def test(self):
        modes.append(tf.executing_eagerly())
        with self.cached_session():
            self.assertEqual(tf.constant(2).eval(), 2)

    assert run(test).wasSuccessful()
    assert modes == [False]


def test_tests_of_one_behaviour_are_skipped_in_the_other():
    assert len(run(graph_modes.run_v1_only(lambda self: None)).skipped) == 1
    assert not run(graph_modes.run_v2_only(lambda self: None)).skipped


def test_a_predicate_skips():
    decorate = tf.test.disable_with_predicate(lambda: True, "why")
    assert run(decorate(lambda self: None)).skipped[0][1] == "why"


def test_parameterized_tests():
    from absl.testing import parameterized

    class Case(tf.test.TestCase, parameterized.TestCase):
        @parameterized.parameters(1, 2)
        def test_it(self, value):
            self.assertAllEqual(tf.constant(value), value)

    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(Case).run(result)
    assert result.testsRun >= 2 and result.wasSuccessful()


# Gradients.


def function(x, y):
    return tf.sin(x) * tf.reduce_sum(y)


def test_jacobians_by_rule_and_by_differences():
    x, y = np.array([0.5, 1.0]), np.array([[2.0], [3.0]])
    theory, numeric = tf.test.compute_gradient(function, [x, y])
    np.testing.assert_allclose(theory[0], np.diag(np.cos(x) * 5))
    np.testing.assert_allclose(theory[1], np.repeat(np.sin(x)[:, None], 2, axis=1))
    for a, b in zip(theory, numeric):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_jacobians_in_a_session():
    x, y = np.array([0.5, 1.0]), np.array([[2.0], [3.0]])
    eager = tf.test.compute_gradient(function, [x, y])
    with tf.Graph().as_default(), v1.Session():
        graph = tf.test.compute_gradient(function, [x, y])
    np.testing.assert_allclose(eager[0][0], graph[0][0])
    np.testing.assert_allclose(eager[1][1], graph[1][1])


def test_jacobians_of_complex_functions():
    (theory,), (numeric,) = tf.test.compute_gradient(lambda x: x * x, [np.array([1 + 2j])])
    assert theory.shape == (2, 2)
    np.testing.assert_allclose(np.abs(theory), np.abs(numeric), atol=1e-6)


def test_the_error_of_a_gradient():
    with tf.Graph().as_default(), v1.Session():
        x = tf.constant([1.0, 2.0], tf.float64)
        error = v1.test.compute_gradient_error(x, [2], tf.square(x), [2])
        theory, numeric = v1.test.compute_gradient(x, [2], tf.square(x), [2], np.array([1.0, 2.0]))
    assert error < 1e-6
    np.testing.assert_allclose(theory, numeric, atol=1e-6)


def test_arguments_are_a_list():
    with pytest.raises(ValueError, match="list or tuple"):
        tf.test.compute_gradient(tf.square, 1.0)


# Graphs, benchmarks, programs.


def graph_def(value=1.0):
    with tf.Graph().as_default() as graph:
        tf.constant(value, name="c")
    return graph.as_graph_def()


def test_graphs_are_compared():
    tf.test.assert_equal_graph_def(graph_def(), graph_def())
    with pytest.raises(AssertionError, match="'c' differs"):
        tf.test.assert_equal_graph_def(graph_def(), graph_def(2.0))
    with pytest.raises(AssertionError, match="Did not find expected node 'c'"):
        tf.test.assert_equal_graph_def(graph_def(), v1.GraphDef())
    with pytest.raises(TypeError, match="GraphDef"):
        tf.test.assert_equal_graph_def(graph_def(), None)


def test_a_benchmark_reports(capsys):
    class Bench(tf.test.Benchmark):
        def benchmark_it(self):
            with tf.Graph().as_default(), v1.Session() as session:
                return self.run_op_benchmark(session, tf.constant(1.0), min_iters=3)

    found = Bench().benchmark_it()
    assert found["iters"] == 3 and "wall_time_mean" in found["extras"]
    assert '"name": "Bench.benchmark_it"' in capsys.readouterr().out


_PROGRAM = """
import penstock as tf
class Case(tf.test.TestCase):
    def test_good(self):
        self.assertAllEqual(tf.constant(1), 1)
class Bench(tf.test.Benchmark):
    def benchmark_it(self):
        self.report_benchmark(iters=1)
if __name__ == "__main__":
    tf.test.main()
"""


@pytest.mark.parametrize(
    ("arguments", "expected"), [([], "OK"), (["--benchmark_filter=all"], '"name": "Bench.benchmark_it"')]
)
def test_programs_of_tests(arguments, expected, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(_PROGRAM)
    done = subprocess.run(
        [sys.executable, str(program), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and expected in done.stdout + done.stderr


def test_what_this_is_built_with():
    assert tf.test.is_built_with_xla() and not tf.test.is_built_with_rocm()
    assert sum(map(tf.test.is_cpu_target_available, ["x86", "arm"])) <= 1
