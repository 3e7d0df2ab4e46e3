"""`tf.while_loop` outside of graphs: a Python loop over the caller's own values."""

import numpy as np

import penstock as tf


def test_an_eager_loop_hands_the_values_through_as_they_are():
    kinds = []

    def body(i, total):
        kinds.append(type(i))
        return i + 1, total + i

    i, total = tf.while_loop(lambda i, total: i < 4, body, (0, np.array(0)))
    assert set(kinds) == {int}
    assert (i.dtype, total.dtype) == (tf.int32, tf.int64)
    assert (int(i), int(total)) == (4, 6)


def test_an_eager_loop_that_never_runs_returns_tensors():
    (i,) = tf.while_loop(lambda i: i < 0, lambda i: (i + 1,), (1,))
    assert isinstance(i, tf.Tensor)
    assert int(i) == 1


def test_branches_that_return_operations_give_an_operation():
    v1 = tf.compat.v1
    with tf.Graph().as_default():
        w, p = v1.get_variable("w", initializer=1.0), v1.placeholder(tf.bool, [])
        step = v1.cond(p, lambda: w.assign_add(1.0, read_value=False), tf.no_op)
        with v1.Session() as session:
            session.run(w.initializer)
            for chosen in (True, False, True):
                session.run(tf.group(step), {p: chosen})
            assert session.run(w) == 3.0


def test_rows_with_indices_of_different_dtypes_become_int64():
    @tf.function
    def choose(which):
        return tf.cond(
            which,
            lambda: tf.IndexedSlices(tf.ones([2, 3]), tf.constant([0, 2]), tf.constant([4, 3])),
            lambda: tf.IndexedSlices(tf.zeros([1, 3]), tf.constant([1], tf.int64), tf.constant([4, 3])),
        )

    for which, indices in ((True, [0, 2]), (False, [1])):
        rows = choose(tf.constant(which))
        assert rows.indices.dtype == tf.int64
        assert rows.indices.numpy().tolist() == indices
