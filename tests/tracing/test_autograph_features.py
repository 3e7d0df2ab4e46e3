"""The optional features, loop options, and what conversion does to code that runs in graphs step by step."""

import pytest

import penstock as tf

Feature = tf.autograph.experimental.Feature


def function_with(*features):
    return tf.function(experimental_autograph_options=features)


def test_assert_statement_checks_when_the_graph_runs():
    @function_with(Feature.ASSERT_STATEMENTS)
    def f(x):
        assert x > 0, "must be positive"
        return x

    assert int(f(tf.constant(1))) == 1
    with pytest.raises(tf.errors.InvalidArgumentError, match="must be positive"):
        f(tf.constant(-1))


def test_assert_statement_on_python_values_raises_at_once():
    @function_with(Feature.ASSERT_STATEMENTS)
    def f(x):
        assert x.shape.rank == 1, "a vector"
        return x

    with pytest.raises(AssertionError, match="a vector"):
        f(tf.constant(1))


def test_print_shows_values_when_the_graph_runs(capsys):
    @function_with(Feature.BUILTIN_FUNCTIONS)
    def f(x):
        print("value:", x, sep=" ")
        return x

    f(tf.constant(1))
    f(tf.constant(2))
    assert capsys.readouterr().out == "value: 1\nvalue: 2\n"


def test_print_shows_symbols_while_tracing_without_the_feature(capsys):
    @tf.function
    def f(x):
        print("traced")
        return x

    f(tf.constant(1))
    f(tf.constant(2))
    assert capsys.readouterr().out == "traced\n"


def test_equality_operators():
    @function_with(Feature.EQUALITY_OPERATORS)
    def f(x):
        return x == 1, x != 1, "a" == "b"

    assert [bool(each) for each in f(tf.constant(1))] == [True, False, False]


def test_lists_that_grow_in_graph_loops_are_stacked():
    @function_with(Feature.LISTS)
    def f(n):
        values = []
        for i in tf.range(n):
            if i != 1:
                values.append(i * 10)
        return tf.stack(values)

    assert f(tf.constant(4)).numpy().tolist() == [0, 20, 30]


def test_lists_with_elements_go_on_in_graph_loops():
    @function_with(Feature.LISTS)
    def f(n):
        values = [n]
        values.append(n + 1)
        for i in tf.range(n):
            values.append(i)
        last = values.pop()
        return tf.stack(values), last, len(values), values[0]

    stacked, last, length, first = f(tf.constant(3))
    assert (stacked.numpy().tolist(), int(last), int(length), int(first)) == ([3, 4, 0, 1], 2, 4, 3)


def test_lists_stay_python_lists_outside_graph_loops():
    @function_with(Feature.LISTS)
    def f(x):
        values = []
        for i in range(3):
            values.append(x * i)
        values[1] = x
        values[2] += 1
        return values.pop(0), values

    first, rest = f(tf.constant(5))
    assert (int(first), [int(each) for each in rest]) == (0, [5, 11])


def test_item_assignment_on_tensors():
    @function_with(Feature.LISTS)
    def f(x):
        x[1] = 7
        return x

    assert f(tf.constant([1, 2, 3])).numpy().tolist() == [1, 7, 3]


def test_name_scopes_name_ops_after_functions():
    @function_with(Feature.NAME_SCOPES)
    def scoped(x):
        return tf.add(x, 1, name="sum")

    graph = scoped.get_concrete_function(tf.constant(1)).graph
    assert "scoped/sum" in [each.name for each in graph.get_operations()]


def test_maximum_iterations():
    @tf.function
    def f(n):
        count = 0
        for _ in tf.range(n):
            tf.autograph.experimental.set_loop_options(maximum_iterations=3)
            count += 1
        while n > 0:
            tf.autograph.experimental.set_loop_options(maximum_iterations=2)
            n -= 1
        return count, n

    assert [int(each) for each in f(tf.constant(10))] == [3, 8]


def test_shape_invariants():
    @tf.function
    def f(n):
        v = tf.constant([0])
        w = tf.constant([1])
        for i in tf.range(n):
            tf.autograph.experimental.set_loop_options(
                shape_invariants=[(v, tf.TensorShape([None]))], parallel_iterations=1, swap_memory=True
            )
            v = tf.concat([v, [i]], 0)
            w = w * 2
        return v, w

    v, w = f(tf.constant(3))
    assert (v.numpy().tolist(), w.numpy().tolist()) == ([0, 0, 1, 2], [8])


def test_loop_options_do_nothing_in_python_loops():
    @tf.function
    def f(x):
        for _ in range(4):
            tf.autograph.experimental.set_loop_options(maximum_iterations=1)
            x += 1
        return x

    assert int(f(tf.constant(0))) == 4


def test_all_but_leaves_out_features():
    features = Feature.all_but([Feature.LISTS, Feature.NAME_SCOPES])
    assert Feature.ALL not in features
    assert set(Feature.all()) - set(features) == {Feature.ALL, Feature.LISTS, Feature.NAME_SCOPES}


def test_range_loop_does_not_build_the_range():
    @tf.function
    def f(n):
        total = 0
        for i in tf.range(n):
            total += i
        return total

    big = tf.constant(2**31 - 1)  # eight gigabytes of int32

    @tf.function
    def stops(n):
        for i in tf.range(n):
            if i == 5:
                break
        return i

    assert int(f(tf.constant(5))) == 10
    assert int(stops(big)) == 5


def test_flags_that_both_branches_set_stay_python_values():
    @tf.function
    def f(x):
        if x > 0:
            return x
        else:
            return -x

    graph = f.get_concrete_function(tf.constant(1)).graph
    assert [each.type for each in graph.get_operations()].count("If") == 1


def test_loop_with_only_variables_as_state():
    v = tf.Variable(0)

    @tf.function
    def f():
        while v < 10:
            v.assign_add(3)
        return v.read_value()

    assert int(f()) == 12


def test_loop_over_a_ragged_tensor():
    @tf.function
    def f(values):
        total = 0
        for row in tf.RaggedTensor.from_row_splits(values, tf.constant([0, 2, 3, 6])):
            total = total * 10 + tf.reduce_sum(row)
        return total

    assert int(f(tf.constant([1, 2, 3, 4, 5, 6]))) == 345


def test_gradient_flows_through_loops_and_branches():
    @tf.function
    def f(x):
        y = x
        for i in tf.range(3):
            if i < 2:
                y = y * x
            else:
                y = y + 1.0
        return y

    x = tf.constant(2.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = f(x)
    assert float(y) == 9.0
    assert float(tape.gradient(y, x)) == 12.0
