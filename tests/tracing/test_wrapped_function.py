import pytest

import penstock as tf

v1 = tf.compat.v1


def test_variables_of_wrapped_code_are_eager():
    def program(x):
        return x * v1.get_variable("factor", initializer=3.0)

    wrapped = v1.wrap_function(program, [tf.TensorSpec([], tf.float32)])
    with tf.GradientTape() as tape:
        y = wrapped(tf.constant(2.0))
    assert y.numpy() == 6.0
    assert tape.gradient(y, wrapped.variables[0]).numpy() == 2.0
    wrapped.variables[0].assign(10.0)
    assert wrapped(tf.constant(2.0)).numpy() == 20.0


def test_functions_are_cut_out_by_name():
    def program(x):
        y = tf.square(x, name="square")
        return tf.add(y, 1.0, name="more")

    wrapped = v1.wrap_function(program, [tf.TensorSpec([], tf.float32, name="x")])
    assert wrapped.prune("x:0", "square:0")(tf.constant(3.0)).numpy() == 9.0
    assert wrapped.prune("square:0", "more:0")(tf.constant(3.0)).numpy() == 4.0
    named = wrapped.prune({"a": "square:0"}, {"b": "more:0"})
    assert named(a=tf.constant(1.0))["b"].numpy() == 2.0


def test_operations_are_run_for_their_effect():
    v = tf.Variable(1.0)

    def program():
        v.assign_add(5.0, name="more")
        return v.read_value()

    wrapped = v1.wrap_function(program, [])
    operation = next(each for each in wrapped.graph.get_operations() if each.type == "AssignAddVariableOp")
    assert wrapped.prune([], operation)() is None
    assert v.numpy() == 6.0


def test_placeholders_must_be_fed():
    wrapped = v1.wrap_function(lambda x: tf.square(x, name="y"), [tf.TensorSpec([], tf.float32, name="x")])
    with pytest.raises(ValueError, match="placeholder 'x'"):
        wrapped.prune([], "y:0")
