# ruff: noqa: RET503 - functions that end without `return` are the subject
"""What AutoGraph says of programs whose branches or iterations do not fit together, in TensorFlow's words."""

import pytest

import penstock as tf


def missing_in_else(x):
    if x > 0:
        y = 1
    return y


def missing_in_main(x):
    if x > 0:
        pass
    else:
        y = 1
    return y


def return_in_one_branch(x):
    if x > 0:
        return 1


def dtypes_of_branches(x):
    if x > 0:
        y = 1
    else:
        y = 1.5
    return y


def dtypes_of_expression(x):
    return 1 if x > 0 else 1.5


def structures_of_branches(x):
    y = [1, 2]
    if x > 0:
        y = (1, 2)
    return y


def none_in_else(x):
    y = None
    if x > 0:
        y = 1
    return y


def dtype_changes_in_loop(x):
    y = tf.constant(1)
    while x > 0:
        y = tf.cast(y, tf.float32)
        x -= 1
    return y


def shape_changes_in_loop(x):
    v = tf.zeros([1])
    for _ in tf.range(x):
        v = tf.concat([v, v], 0)
    return v


def invariant_violated_before_loop(x):
    v = tf.zeros([1, 2])
    for _ in tf.range(x):
        tf.autograph.experimental.set_loop_options(shape_invariants=[(v, tf.TensorShape([2, None]))])
        v = v + 0.0
    return v


def invariant_violated_in_loop(x):
    v = tf.zeros([1, 2])
    for _ in tf.range(x):
        tf.autograph.experimental.set_loop_options(shape_invariants=[(v, tf.TensorShape([1, None]))])
        v = tf.concat([v, v], 0)
    return v


def structure_changes_in_loop(x):
    v = (x,)
    while x > 0:
        v = (*v, x)
        x -= 1
    return v


def none_after_iteration(x):
    y = tf.constant(1)
    while x > 0:
        y = None
        x -= 1
    return y


def undefined_before_loop(x):
    while x > 0:
        if x == 2:
            y = x
        x -= 1
    return y


def read_before_assignment(x):
    if x is None:
        y = 1
    return y + x


def condition_not_boolean(x):
    return 1 if tf.function is None else two(x)


def two(x):
    if x:
        y = 1
    else:
        y = 2
    return y


def condition_not_scalar(x):
    if tf.stack([x, x]) > 0:
        y = 1
    else:
        y = 2
    return y


def assert_on_tensor(x):
    assert x > 0
    return x


def break_in_unbounded_python_loop(x):
    for i in iter([1, 2, 3]):
        if i > x:
            break
    return x


CASES = [
    (missing_in_else, ValueError, "'y' must also be initialized in the else branch"),
    (missing_in_main, ValueError, "'y' must also be initialized in the main branch"),
    (return_in_one_branch, ValueError, "the else branch must also have a return statement."),
    (
        dtypes_of_branches,
        TypeError,
        "'y' has dtype int32 in the main branch, but dtype float32 in the else branch",
    ),
    (
        dtypes_of_expression,
        TypeError,
        "'x > 0' has dtype int32 in the main branch, but dtype float32 in the else",
    ),
    (
        structures_of_branches,
        TypeError,
        "'y' must have the same nested structure in the main and else branches",
    ),
    (none_in_else, ValueError, "'y' is None at the end of the else branch."),
    (
        dtype_changes_in_loop,
        TypeError,
        "'y' has dtype int32 before the loop, but dtype float32 after one iteration",
    ),
    (
        shape_changes_in_loop,
        ValueError,
        r"'v' has shape \(1,\) before the loop, but shape \(2,\) after one iteration",
    ),
    (invariant_violated_before_loop, ValueError, "shape invariant"),
    (
        invariant_violated_in_loop,
        ValueError,
        "'v' has shape .* after one iteration, which does not conform with the",
    ),
    (structure_changes_in_loop, TypeError, "'v' does not have the same nested structure after one iteration"),
    (none_after_iteration, (TypeError, ValueError), "'y' "),
    (undefined_before_loop, ValueError, "'y' must be defined before the loop"),
    (read_before_assignment, UnboundLocalError, "'y' is used before assignment"),
    (
        condition_not_boolean,
        ValueError,
        "condition of if statement expected to be `tf.bool` scalar, got .*`tf.cast`",
    ),
    (condition_not_scalar, ValueError, "condition of if statement expected to be `tf.bool` scalar, got"),
    (assert_on_tensor, tf.errors.OperatorNotAllowedInGraphError, "as a Python `bool` is not allowed"),
    (
        break_in_unbounded_python_loop,
        NotImplementedError,
        "break and return statements which depend on a TF condition",
    ),
]


@pytest.mark.parametrize(
    ("program", "error", "message"), CASES, ids=lambda each: getattr(each, "__name__", "")
)
def test_program_is_refused(program, error, message):
    with pytest.raises(error, match=message):
        tf.function(program)(tf.constant(3))


def test_loop_that_assigns_a_variable_must_run():
    @tf.function
    def f(n):
        for i in tf.range(n):
            last = i * 2
        return last

    assert int(f(tf.constant(3))) == 4
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="loop must iterate at least once to initialize last"
    ):
        f(tf.constant(0))


def test_loop_that_ends_without_its_return_fails_when_nothing_follows():
    @tf.function
    def f(n):
        for i in tf.range(n):
            if i == 3:
                return i

    assert int(f(tf.constant(5))) == 3
    with pytest.raises(tf.errors.InvalidArgumentError, match="nothing to return"):
        f(tf.constant(2))
