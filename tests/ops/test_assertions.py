"""`tf.Assert` and `tf.debugging.*`: what raises, when, and that a compiled step stays one program."""

from __future__ import annotations

import numpy as np
import pytest

import penstock as tf
from penstock.runtime.compiled_piece import CompiledPiece
from penstock.runtime.executor import executor_of
from penstock.runtime.host_steps import CheckStep

d = tf.debugging
v1 = tf.compat.v1
InvalidArgument = tf.errors.InvalidArgumentError


def traced(check):
    """Runs a check of one symbolic float vector of unknown shape."""

    @tf.function(input_signature=[tf.TensorSpec(None, tf.float32)])
    def f(x):
        check(x)
        return x

    return f


HOLD = [
    (d.assert_equal, ([1, 2], [1, 2])),
    (d.assert_equal, ([[1.0, 1.0]], [[1.0], [1.0]])),
    (d.assert_none_equal, ([1, 2], [2, 1])),
    (d.assert_less, ([1, 2], 3)),
    (d.assert_less_equal, ([1, 2], 2)),
    (d.assert_greater, ([1.5, 2.0], 1.0)),
    (d.assert_greater_equal, ([1, 2], 1)),
    (d.assert_positive, ([1, 2],)),
    (d.assert_negative, ([-1.0],)),
    (d.assert_non_negative, ([0, 2],)),
    (d.assert_non_positive, ([0, -2],)),
    (d.assert_near, ([1.0, 2.0], [1.0, 2.0000001])),
    (d.assert_near, (tf.constant(1 + 2j), tf.constant(1 + 2j))),
    (d.assert_rank, ([1, 2], 1)),
    (d.assert_rank_at_least, ([[1]], 1)),
    (d.assert_rank_in, ([1], (0, 1))),
    (d.assert_type, (tf.constant(1), tf.int32)),
    (d.assert_integer, ([1, 2],)),
    (d.assert_scalar, (1.0,)),
    (d.assert_proper_iterable, ([tf.constant(1)],)),
    (d.assert_equal, (np.zeros([0], np.float32), 1.0)),
]


@pytest.mark.parametrize(("check", "arguments"), HOLD, ids=lambda each: getattr(each, "__name__", ""))
def test_what_holds_returns_none(check, arguments):
    assert check(*arguments) is None


BROKEN = [
    (d.assert_equal, (1, 2), InvalidArgument),
    (d.assert_none_equal, ([1, 2], [2, 2]), InvalidArgument),
    (d.assert_less, ([1, 2], [2, 2]), InvalidArgument),
    (d.assert_less_equal, ([1, 3], [2, 2]), InvalidArgument),
    (d.assert_greater, (1, 2), InvalidArgument),
    (d.assert_greater_equal, ([[1.0, 2.0]], [[3.0], [1.0]]), InvalidArgument),
    (d.assert_positive, ([0],), InvalidArgument),
    (d.assert_negative, ([0],), InvalidArgument),
    (d.assert_non_negative, ([-1],), InvalidArgument),
    (d.assert_non_positive, ([1],), InvalidArgument),
    (d.assert_near, ([1.0], [1.1]), InvalidArgument),
    (d.assert_near, (float("nan"), float("nan")), InvalidArgument),
    (d.assert_near, (1, 1), ValueError),
    (d.assert_equal, ([1, 2], [1, 2, 3]), InvalidArgument),
    (d.assert_equal, (tf.constant(1), tf.constant(1.0)), InvalidArgument),
    (d.assert_rank, ([1, 2], 2), ValueError),
    (d.assert_rank, ([1, 2], [1]), ValueError),
    (d.assert_rank, ([1, 2], 1.0), TypeError),
    (d.assert_rank_at_least, ([1], 2), ValueError),
    (d.assert_rank_in, ([1], (0, 2)), ValueError),
    (d.assert_scalar, ([1],), ValueError),
    (d.assert_type, (tf.constant(1), tf.float32), TypeError),
    (d.assert_integer, (1.5,), TypeError),
    (d.assert_proper_iterable, (tf.constant([1]),), TypeError),
    (d.assert_proper_iterable, ("ab",), TypeError),
    (d.assert_proper_iterable, (5,), TypeError),
    (d.assert_same_float_dtype, ([tf.constant(1.0), tf.constant(1.0, tf.float64)],), ValueError),
    (d.assert_same_float_dtype, ([tf.constant(1)],), ValueError),
    (d.assert_all_finite, ([1.0, float("nan")], "m"), InvalidArgument),
    (d.check_numerics, ([1, 2], "m"), InvalidArgument),
    (tf.Assert, (tf.constant([True, False]), [1]), ValueError),
]


@pytest.mark.parametrize(
    ("check", "arguments", "error"), BROKEN, ids=lambda each: getattr(each, "__name__", "")
)
def test_what_does_not_hold_raises_at_once(check, arguments, error):
    with pytest.raises(error):
        check(*arguments)


def test_message_of_assert():
    with pytest.raises(InvalidArgument) as caught:
        tf.Assert(False, [tf.constant([1, 2, 3, 4]), "msg"])
    assert caught.value.message == "Expected 'False' to be true. Summarized data: 1, 2, 3, ...\nb'msg'"


def test_message_of_a_relation():
    with pytest.raises(InvalidArgument) as caught:
        d.assert_equal([1, 2, 3, 4, 5, 6], [1, 3, 4, 7, 8, 9], message="mm", summarize=2)
    assert caught.value.message == (
        "mm\nCondition x == y did not hold.\nIndices of first 2 different values:\n[[1]\n [2]]\n"
        "Corresponding x values:\n[2 3]\nCorresponding y values:\n[3 4]\n"
        "First 2 elements of x:\n[1 2]\nFirst 2 elements of y:\n[1 3]"
    )


def test_python_operand_takes_the_dtype_of_the_tensor():
    d.assert_less(tf.constant([1.0, 2.0]), 3)


def test_tf1_data_replaces_the_operands():
    with pytest.raises(InvalidArgument, match=r"^mm\nextra\n3$"):
        v1.assert_equal(1, 2, data=["extra", tf.constant(3)], message="mm")


GRAPH = [
    lambda x: tf.Assert(tf.reduce_all(x < 5.0), ["msg", x]),
    lambda x: d.assert_less(x, 5.0, message="msg"),
    lambda x: d.assert_positive(5.0 - x, message="msg"),
    lambda x: d.assert_near(x, 1.0, message="msg"),
    lambda x: d.assert_rank(x, 1, message="msg"),
    lambda x: d.assert_rank(x, tf.rank(x) * 0 + 1, message="msg"),
    lambda x: d.assert_rank_at_least(x, tf.cast(x[0, 0], tf.int32), message="msg"),
    lambda x: d.assert_shapes([(x, ("N",))], message="msg"),
    lambda x: d.assert_shapes([(x, ("N", "M")), (x, (1, "N"))], message="msg"),
    lambda x: d.check_numerics(1.0 / (x - 7.0), "msg"),
]


@pytest.mark.parametrize("number", range(len(GRAPH)))
def test_a_graph_raises_when_it_runs(number):
    bad = tf.constant([[7.0, 7.0], [7.0, 7.0]])
    good = tf.constant([1.0]) if number not in (6, 8) else tf.constant([[1.0]])
    f = traced(GRAPH[number])
    assert f(good) is not None
    with pytest.raises(InvalidArgument, match="msg"):
        f(bad)


@pytest.mark.parametrize(
    ("check", "error"),
    [
        (lambda: d.assert_equal(tf.constant(1), 2), InvalidArgument),
        (lambda: d.assert_rank(tf.constant(1), 2), ValueError),
        (lambda: d.assert_shapes([(tf.zeros([2, 3]), ("N", "N"))]), ValueError),
        (lambda: d.assert_type(tf.constant(1), tf.float32), TypeError),
    ],
)
def test_known_values_raise_while_tracing(check, error):
    with tf.Graph().as_default(), pytest.raises(error):
        check()


def test_the_step_stays_one_program():
    v = tf.Variable(tf.ones([64, 64]))

    @tf.function
    def step(x):
        d.assert_less(tf.reduce_max(x), 10.0)
        y = d.check_numerics(x @ v, "y")
        with tf.control_dependencies([d.assert_positive(tf.reduce_sum(y))]):
            v.assign_add(y)
        return tf.reduce_sum(v * v)

    x = tf.ones([64, 64])
    step(x)
    steps = executor_of(step.get_concrete_function(x).graph).steps
    assert [type(each) for each in steps] == [CompiledPiece, CheckStep, CheckStep, CheckStep]
    with pytest.raises(InvalidArgument, match=r"test_assertions\.py"):
        step(x * 20.0)


def test_a_loop_with_an_assertion_is_compiled_and_raises():
    @tf.function
    def loop(x):
        for _ in tf.range(5):
            d.assert_less(x, 10.0, message="too big")
            x = x * 2.0
        return x

    assert loop(tf.constant(0.25)).numpy() == 8.0
    steps = executor_of(loop.get_concrete_function(tf.constant(1.0)).graph).steps
    assert [type(each) for each in steps] == [CompiledPiece]
    with pytest.raises(InvalidArgument, match=r"too big.*test_assertions\.py"):
        loop(tf.constant(5.0))


def test_only_the_branch_that_is_taken_raises():
    @tf.function
    def f(x):
        if x > 0:
            y = x + 1.0
        else:
            tf.Assert(False, ["not positive", x])
            y = x
        return y

    assert f(tf.constant(1.0)).numpy() == 2.0
    with pytest.raises(InvalidArgument, match=r"\[not positive\] \[\?\]"):
        f(tf.constant(-1.0))


def test_the_first_failure_in_nested_loops_is_told():
    @tf.function
    def f(x):
        total = 0.0
        for i in tf.range(2):
            for j in tf.range(2):
                if x[i, j] < 0.0:
                    total += d.check_numerics(tf.sqrt(x[i, j]), "root")
                else:
                    total += d.check_numerics(1.0 / x[i, j], "quotient")
        return total

    assert f(tf.ones([2, 2])).numpy() == 4.0
    for values, words in (([[1.0, -1.0], [0.0, 1.0]], "root"), ([[0.0, 1.0], [-1.0, 1.0]], "quotient")):
        with pytest.raises(InvalidArgument, match=f"^{words} : Tensor had Inf or NaN values"):
            f(tf.constant(values))


def test_session_runs_an_assertion_as_a_control_dependency():
    with tf.Graph().as_default():
        x = v1.placeholder(tf.float32, [None])
        with tf.control_dependencies([v1.assert_less(x, 3.0, message="mm")]):
            y = tf.identity(x)
        with v1.Session() as session:
            assert session.run(y, {x: [1.0]}).tolist() == [1.0]
            with pytest.raises(InvalidArgument, match=r"assertion failed: \[mm\].*\[4 2 5\.\.\.\]"):
                session.run(y, {x: [4.0, 2.0, 5.0, 6.0]})


SHAPES = [
    ([(2, 3)], [("N", "M")], True),
    ([(2, 3), (3,)], [("N", "M"), ("M",)], True),
    ([(2, 3), (2,)], [("N", "M"), ("M",)], False),
    ([(2, 3)], [(2, 4)], False),
    ([(2, 3)], [(..., 3)], True),
    ([(2, 3)], [("*", "N", "M", "P")], False),
    ([(2, 3)], [("N", ...)], False),
    ([(2, 3)], ["NM"], True),
    ([(2, 3)], ["*3"], True),
    ([(2, 3)], [(".", 3)], True),
    ([(2, 3)], [(None, 4)], False),
    ([()], [()], True),
    ([(1,)], [()], True),
    ([(2,)], [()], False),
    ([(), (1,)], [("N",), ("N",)], True),
    ([(2, 3)], [None], True),
    ([(2, 3)], [5], False),
    ([(5, 6)], [tf.TensorShape([5, None])], True),
]


@pytest.mark.parametrize(("shapes", "specified", "holds"), SHAPES)
def test_assert_shapes(shapes, specified, holds):
    pairs = [(tf.zeros(shape), each) for shape, each in zip(shapes, specified)]
    if holds:
        d.assert_shapes(pairs)
    else:
        with pytest.raises(ValueError):
            d.assert_shapes(pairs)


@pytest.mark.parametrize(
    ("values", "words"),
    [([np.nan, np.inf], "Inf and NaN"), ([np.inf], "Inf"), ([-np.inf], "Inf"), ([np.nan], "NaN")],
)
def test_words_of_check_numerics(values, words):
    with pytest.raises(InvalidArgument, match=f"^msg : Tensor had {words} values"):
        d.check_numerics(tf.constant(values, tf.float32), "msg")


@pytest.mark.parametrize(
    ("values", "words"), [([np.nan, np.inf], r"\+Inf and NaN"), ([-np.inf, np.inf], r"-Inf and \+Inf")]
)
def test_words_of_check_numerics_v2(values, words):
    with pytest.raises(InvalidArgument, match=f"^msg : Tensor had {words} values"):
        tf.raw_ops.CheckNumericsV2(tensor=tf.constant(values, tf.float32), message="msg")


def test_gradient_of_check_numerics_is_checked():
    x = tf.constant(0.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.sqrt(d.check_numerics(x, "forward"))
    with pytest.raises(InvalidArgument, match=r"detected in gradient\. forward"):
        tape.gradient(y, x)


def test_enable_check_numerics():
    d.enable_check_numerics()
    try:
        assert tf.math.log(1.0).numpy() == 0.0
        with pytest.raises(InvalidArgument, match='eagerly-executing op "Log"'):
            tf.math.log(-1.0)
        with pytest.raises(InvalidArgument, match='graph op "RealDiv"'):
            tf.function(lambda x: x / 0.0)(tf.ones([3]))
    finally:
        d.disable_check_numerics()
    assert np.isnan(tf.math.log(-1.0).numpy())


def test_add_check_numerics_ops():
    with tf.Graph().as_default():
        x = v1.placeholder(tf.float32)
        tf.math.log(x)
        check = v1.add_check_numerics_ops()
        with v1.Session() as session:
            session.run(check, {x: 1.0})
            with pytest.raises(InvalidArgument):
                session.run(check, {x: -1.0})


def test_is_numeric_tensor():
    values = (tf.constant(1), tf.constant(1j), 1, tf.constant("a"), tf.constant(True))
    found = [d.is_numeric_tensor(each) for each in values]
    assert found == [True, True, False, False, False]


def test_same_float_dtype():
    assert d.assert_same_float_dtype([]) == tf.float32
    assert d.assert_same_float_dtype([None, tf.constant(1.0, tf.float64)]) == tf.float64


def test_switches(capsys):
    assert d.is_traceback_filtering_enabled()
    d.disable_traceback_filtering()
    assert not d.is_traceback_filtering_enabled()
    d.enable_traceback_filtering()
    d.set_log_device_placement(True)
    assert d.get_log_device_placement()
    tf.add(1.0, 2.0)
    d.set_log_device_placement(False)
    assert "Executing op AddV2 in device" in capsys.readouterr().err
