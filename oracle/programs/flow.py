"""Loops, branches, maps, tensor arrays, and what fails in them."""

import numpy as np


def while_shape_invariants(tf):
    def f(n):
        i, x = tf.constant(0), tf.zeros([1, 2])
        return tf.while_loop(
            lambda i, x: i < n,
            lambda i, x: (i + 1, tf.concat([x, tf.ones([1, 2])], 0)),
            [i, x],
            shape_invariants=[i.shape, tf.TensorShape([None, 2])],
        )

    return f(3), tf.function(f)(tf.constant(3))


def while_shape_invariants_wrong(tf):
    @tf.function
    def f():
        return tf.while_loop(
            lambda i, x: i < 3,
            lambda i, x: (i + 1, tf.concat([x, x], 1)),
            [0, tf.zeros([1, 2])],
            shape_invariants=[tf.TensorShape([]), tf.TensorShape([None, 2])],
        )

    return f()


def while_maximum_iterations(tf):
    return tf.function(
        lambda: tf.while_loop(
            lambda i: tf.constant(True), lambda i: (i + 1,), [tf.constant(0)], maximum_iterations=5
        )
    )()


def while_structures(tf):
    @tf.function
    def f(n):
        return tf.while_loop(
            lambda i, s: i < n,
            lambda i, s: [i + 1, {"a": s["a"] * 2, "b": (s["b"][0] + 1.0,)}],
            [tf.constant(0), {"a": tf.constant(1), "b": (tf.constant(0.5),)}],
        )

    return f(tf.constant(4))


def while_wrong_structure(tf):
    return tf.while_loop(lambda i, x: i < 2, lambda i, x: [i + 1], [0, 1])


def while_wrong_dtype(tf):
    return tf.function(
        lambda: tf.while_loop(lambda i, x: i < 2, lambda i, x: [i + 1, tf.cast(x, tf.float32)], [0, 1])
    )()


def while_composites(tf):
    @tf.function
    def f(n):
        sp = tf.sparse.from_dense([[1.0, 0.0], [0.0, 2.0]])
        rt = tf.ragged.constant([[1, 2], [3]])
        return tf.while_loop(lambda i, s, r: i < n, lambda i, s, r: (i + 1, s * 2.0, r + 1), [0, sp, rt])

    return f(tf.constant(2))


def cond_structures(tf):
    @tf.function
    def f(p, x):
        return tf.cond(p, lambda: {"a": x, "b": [x + 1]}, lambda: {"a": x * 2, "b": [x * 3]})

    return f(tf.constant(True), tf.constant(2)), f(tf.constant(False), tf.constant(2))


def cond_composites(tf):
    @tf.function
    def f(p):
        return tf.cond(p, lambda: tf.ragged.constant([[1], [2, 3]]), lambda: tf.ragged.constant([[4, 5, 6]]))

    return f(tf.constant(True)), f(tf.constant(False))


def cond_none_branches(tf):
    v = tf.Variable(0)

    @tf.function
    def f(p):
        tf.cond(p, lambda: v.assign(5), lambda: v.assign(7))
        return v.read_value()

    return f(tf.constant(True)), f(tf.constant(False))


def cond_side_effects_only_one(tf):
    log = []

    @tf.function
    def f(p):
        return tf.cond(
            p,
            lambda: tf.py_function(lambda: log.append("t") or 1, [], tf.int32),
            lambda: tf.py_function(lambda: log.append("f") or 2, [], tf.int32),
        )

    return f(tf.constant(True)), f(tf.constant(False)), log


def case_and_default(tf):
    @tf.function
    def f(x):
        return tf.case([(x < 0, lambda: -1), (x > 10, lambda: 10)], default=lambda: 0), tf.case(
            [(x < 0, lambda: 1), (x >= 0, lambda: 2)], exclusive=True
        )

    return f(tf.constant(-3)), f(tf.constant(30)), f(tf.constant(3))


def case_no_default_no_match(tf):
    return tf.case([(tf.constant(False), lambda: 1)])


def switch_case_default(tf):
    return [
        tf.switch_case(i, {0: lambda: 10, 3: lambda: 30, 1: lambda: 11, 2: lambda: 1}, default=lambda: -1)
        for i in tf.constant([0, 3, 9, -5])
    ]


def map_fn_structures(tf):
    x = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    f = lambda: tf.map_fn(
        lambda t: {"s": t[0] + t[1]["y"], "d": (t[0] - 1,)},
        (x, {"y": x * 2}),
        fn_output_signature={"s": tf.float32, "d": (tf.TensorSpec([2]),)},
    )
    return f(), tf.function(f)()


def map_fn_dtype_changes(tf):
    return tf.map_fn(
        lambda v: tf.strings.as_string(v), tf.constant([1, 2]), fn_output_signature=tf.string
    ), tf.map_fn(lambda v: tf.cast(v, tf.float64), tf.constant([1, 2]), dtype=tf.float64)


def map_fn_ragged_out(tf):
    f = lambda: tf.map_fn(
        lambda n: tf.range(n),
        tf.constant([2, 0, 3]),
        fn_output_signature=tf.RaggedTensorSpec([None], tf.int32),
    )
    return f()


def map_fn_ragged_out_in_function(tf):
    f = lambda: tf.map_fn(
        lambda n: tf.range(n),
        tf.constant([2, 0, 3]),
        fn_output_signature=tf.RaggedTensorSpec([None], tf.int32),
    )
    return tf.function(f)()


def map_fn_ragged_out_in_function_unknown(tf):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32)])
    def f(x):
        return tf.map_fn(
            lambda n: tf.RaggedTensor.from_row_lengths(tf.range(n), [n - 1, 1]),
            x,
            fn_output_signature=tf.RaggedTensorSpec([None, None], tf.int32),
        )

    return f(tf.constant([2, 1, 3]))


def map_fn_ragged_in(tf):
    r = tf.ragged.constant([[1, 2], [], [3]])
    f = lambda: tf.map_fn(tf.reduce_sum, r, fn_output_signature=tf.int32)
    g = lambda: tf.map_fn(lambda row: row * 2, r)
    return f(), tf.function(f)(), g(), tf.function(g)()


def map_fn_sparse_in_out(tf):
    s = tf.sparse.from_dense([[1, 0, 2], [0, 0, 3]])
    f = lambda: tf.map_fn(lambda row: row * 2, s)
    return f(), tf.function(f)()


def map_fn_sparse_reduce(tf):
    s = tf.sparse.from_dense([[1, 0, 2], [0, 0, 3]])
    f = lambda: tf.map_fn(lambda row: tf.sparse.reduce_sum(row), s, fn_output_signature=tf.int32)
    return f(), tf.function(f)()


def map_fn_ragged_gradient(tf):
    x = tf.constant([1.0, 2.0, 3.0])

    @tf.function
    def f(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            r = tf.map_fn(
                lambda v: tf.fill([tf.cast(v, tf.int32)], v * v),
                x,
                fn_output_signature=tf.RaggedTensorSpec([None], tf.float32),
            )
            y = tf.reduce_sum(r)
        return y, tape.gradient(y, x)

    return f(x)


def map_fn_empty(tf):
    return tf.function(lambda: tf.map_fn(lambda v: v * 2, tf.zeros([0, 3])))()


def scan_options(tf):
    x = tf.constant([1.0, 2.0, 3.0])
    f = lambda: (
        tf.scan(lambda a, v: a + v, x, initializer=10.0),
        tf.scan(lambda a, v: a * v, x, reverse=True),
        tf.scan(lambda a, v: (a[0] + v, a[1] * v), x, initializer=(0.0, 1.0)),
    )
    return f(), tf.function(f)()


def vectorized_map_cases(tf):
    x = tf.reshape(tf.range(12.0), [3, 2, 2])
    f = lambda: (
        tf.vectorized_map(lambda a: tf.linalg.matmul(a, a, transpose_b=True), x),
        tf.vectorized_map(lambda t: t[0] * t[1], (x, tf.constant([1.0, 2.0, 3.0]))),
        tf.vectorized_map(
            lambda a: {
                "max": tf.reduce_max(a),
                "sorted": tf.sort(tf.reshape(a, [-1]), direction="DESCENDING"),
            },
            x,
        ),
    )
    return f(), tf.function(f)()


def vectorized_map_cond(tf):
    x = tf.constant([-1.0, 2.0, 3.0])
    return tf.vectorized_map(lambda v: tf.cond(v > 0, lambda: v * 2, lambda: v - 100.0), x)


def vectorized_map_while(tf):
    x = tf.constant([1.0, 2.0, 3.0])
    return tf.vectorized_map(
        lambda v: tf.while_loop(lambda i, a: i < 3, lambda i, a: (i + 1, a * v), [0, 1.0])[1], x
    )


def vectorized_map_broadcast(tf):
    return tf.vectorized_map(
        lambda t: t[0] + t[1], (tf.constant([[1.0, 2.0]]), tf.constant([[1.0, 2.0], [3.0, 4.0]]))
    )


def tensor_array_in_function_errors(tf):
    out = []

    def run(g):
        try:
            out.append(repr(tf.function(g)().numpy().tolist()))
        except Exception as e:
            out.append(type(e).__name__)

    run(lambda: tf.TensorArray(tf.float32, 3).write(5, 1.0).stack())
    run(lambda: tf.TensorArray(tf.float32, 3).write(1, 1.0).stack())
    run(lambda: tf.TensorArray(tf.float32, 3, element_shape=[2]).write(1, [1.0, 2.0]).stack())
    run(lambda: tf.TensorArray(tf.float32, 2).write(0, 1.0).read(1))
    run(lambda: tf.TensorArray(tf.float32, 0, dynamic_size=True).write(4, 1.0).stack())
    run(lambda: tf.TensorArray(tf.float32, 2).write(0, [1.0]).write(1, [1.0, 2.0]).concat())
    run(
        lambda: tf.TensorArray(tf.float32, 2, infer_shape=False).write(0, [1.0]).write(1, [1.0, 2.0]).concat()
    )
    run(lambda: tf.TensorArray(tf.float32, 2).unstack([1.0, 2.0]).scatter([3], [[5.0]]).stack())
    run(lambda: tf.TensorArray(tf.string, 2).write(1, "a").stack())
    return out


def tensor_array_never_written_in_host_loop(tf):
    @tf.function
    def f(n):
        ta = tf.TensorArray(tf.float32, size=n)
        i = 0
        while i < n:
            tf.py_function(lambda: 0, [], tf.int32)
            if i % 2 == 0:
                ta = ta.write(i, tf.ones([2]) * tf.cast(i, tf.float32))
            i += 1
        return ta.stack()

    return f(tf.constant(5))


def tensor_array_never_written_unknown_shape(tf):
    @tf.function(input_signature=[tf.TensorSpec([], tf.int32), tf.TensorSpec(None)])
    def f(n, x):
        ta = tf.TensorArray(tf.float32, size=n)
        i = 0
        while i < n:
            tf.py_function(lambda: 0, [], tf.int32)
            if i % 2 == 0:
                ta = ta.write(i, x * tf.cast(i, tf.float32))
            i += 1
        return ta.stack()

    return f(tf.constant(5), tf.ones([2]))


def tensor_array_never_written_unknown_compiled(tf):
    @tf.function(input_signature=[tf.TensorSpec([], tf.int32), tf.TensorSpec(None)])
    def f(n, x):
        ta = tf.TensorArray(tf.float32, size=n)
        i = 0
        while i < n:
            if i % 2 == 0:
                ta = ta.write(i, x * tf.cast(i, tf.float32))
            i += 1
        return ta.stack()

    return f(tf.constant(5), tf.ones([2]))


def tensor_array_of_lists_grad_2(tf):
    @tf.function
    def f(x):
        ta = tf.TensorArray(tf.float32, 4)
        for i in tf.range(4):
            ta = ta.write(i, x ** tf.cast(i, tf.float32))
        return tf.reduce_sum(ta.gather([1, 3, 3]))

    x = tf.constant(2.0)
    with tf.GradientTape() as t2:
        t2.watch(x)
        with tf.GradientTape() as t1:
            t1.watch(x)
            y = f(x)
        g = t1.gradient(y, x)
    return y, g, t2.gradient(g, x)


def out_of_range_gather_in_function(tf):
    out = []

    def run(g, *a):
        try:
            out.append(repr(tf.function(g)(*a).numpy().tolist()))
        except Exception as e:
            out.append(type(e).__name__)

    x, i = tf.constant([[1.0, 2.0], [3.0, 4.0]]), tf.constant([0, 5])
    run(lambda x, i: tf.gather(x, i), x, i)
    run(lambda x, i: tf.gather(x, i, axis=1), x, i)
    run(lambda x, i: tf.nn.embedding_lookup(x, i), x, i)
    run(lambda x, i: tf.gather_nd(x, i[:, None]), x, i)
    run(lambda x, i: tf.tensor_scatter_nd_update(x, i[:, None], x), x, i)
    run(lambda x, i: tf.nn.sparse_softmax_cross_entropy_with_logits(i, x), x, i)
    run(lambda x, i: tf.math.unsorted_segment_sum(x, i, 2), x, i)
    run(lambda x, i: tf.one_hot(i, 3), x, i)
    run(lambda x, i: tf.scatter_nd(i[:, None], x, [2, 2]), x, i)
    run(lambda x, i: x[i[1]], x, i)
    run(lambda x, i: tf.gather(x, i - 1), x, i)
    return out


def out_of_range_gather_in_loop(tf):
    @tf.function
    def f(x, n):
        t = tf.constant(0.0)
        for i in tf.range(n):
            t += tf.gather(x, i)
        return t

    return f(tf.constant([1.0, 2.0]), tf.constant(4))


def division_by_zero(tf):
    out = []
    for g in (
        lambda a, b: a // b,
        lambda a, b: a % b,
        lambda a, b: a / b,
        lambda a, b: tf.math.divide_no_nan(tf.cast(a, tf.float32), tf.cast(b, tf.float32)),
    ):
        for wrap in (lambda f: f, tf.function):
            try:
                out.append(repr(wrap(g)(tf.constant([4]), tf.constant([0])).numpy().tolist()))
            except Exception as e:
                out.append(type(e).__name__)
    return out


def assert_ops(tf):
    out = []
    checks = [
        lambda: tf.debugging.assert_equal(1, 2, message="m"),
        lambda: tf.debugging.Assert(tf.constant(False), [tf.constant([1, 2])]),
        lambda: tf.debugging.assert_shapes([(tf.ones([2, 3]), ("a", "a"))]),
        lambda: tf.debugging.assert_rank(tf.ones([2]), 2),
        lambda: tf.debugging.assert_type(tf.ones([2]), tf.int32),
        lambda: tf.debugging.assert_none_equal([1], [1]),
        lambda: tf.debugging.assert_near(1.0, 1.1),
        lambda: tf.debugging.assert_proper_iterable(tf.ones(2)),
        lambda: tf.debugging.assert_scalar([1]),
        lambda: tf.debugging.assert_rank_in(tf.ones(2), [0, 2]),
        lambda: tf.debugging.assert_integer(1.0),
        lambda: tf.debugging.assert_all_finite([np.inf], "x"),
        lambda: tf.debugging.assert_same_float_dtype([tf.ones(1), tf.ones(1, tf.float64)]),
        lambda: tf.debugging.check_numerics([np.nan], "nan here"),
    ]
    for c in checks:
        for wrap in (lambda f: f, tf.function):
            try:
                wrap(lambda: (c(), 0)[1])()
                out.append("ok")
            except Exception as e:
                out.append(type(e).__name__)
    return out


def string_format(tf):
    return tf.strings.format("a {} b {}", (tf.range(10), tf.constant([0.5, 1.0]))), tf.strings.format(
        "x{}", tf.constant(["q"]), summarize=1
    )
