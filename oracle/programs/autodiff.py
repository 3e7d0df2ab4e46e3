"""Tapes, symbolic gradients, Jacobians, custom gradients, and gradients through control flow."""

import numpy as np


def nested_tapes_in_function_in_loop(tf):
    @tf.function
    def f(x):
        total = tf.zeros([])
        for i in tf.range(3):
            with tf.GradientTape() as outer:
                outer.watch(x)
                with tf.GradientTape() as inner:
                    inner.watch(x)
                    y = x**3 * tf.cast(i + 1, tf.float32)
                g = inner.gradient(y, x)
            total += outer.gradient(g, x)
        return total

    return f(tf.constant(2.0))


def tape_around_loop_function(tf):
    @tf.function
    def f(x, n):
        i = tf.constant(0)
        while i < n:
            x = x * x + 0.1
            i += 1
        return x

    x = tf.constant([0.3, 0.7])
    with tf.GradientTape(persistent=True) as t2:
        t2.watch(x)
        with tf.GradientTape() as t1:
            t1.watch(x)
            y = f(x, tf.constant(3))
        g = t1.gradient(y, x)
    return y, g, t2.gradient(g, x), t2.jacobian(g, x)


def jacobian_of_loop(tf):
    x = tf.constant([0.5, 1.5, 2.0])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = tf.while_loop(lambda i, v: i < 3, lambda i, v: (i + 1, tf.sin(v) * x), [0, x])[1]
    return tape.jacobian(y, x), tape.jacobian(y, x, experimental_use_pfor=False)


def batch_jacobian_of_conv(tf):
    rng = np.random.default_rng(0)
    x = tf.constant(rng.normal(size=(2, 4, 4, 1)), tf.float32)
    k = tf.constant(rng.normal(size=(3, 3, 1, 2)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.nn.relu(tf.nn.conv2d(x, k, 1, "SAME"))
        y = tf.reshape(y, [2, -1])
    return tape.batch_jacobian(y, x)


def jacobian_unconnected(tf):
    x, z = tf.constant([1.0, 2.0]), tf.constant(3.0)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([x, z])
        y = x * x
    return (
        tape.jacobian(y, [x, z], unconnected_gradients="zero"),
        repr(tape.jacobian(y, z)),
        tape.gradient(y, [x, z], unconnected_gradients=tf.UnconnectedGradients.ZERO),
    )


def hessian_of_network(tf):
    w = tf.Variable([[0.1, 0.2], [0.3, -0.4]])
    x = tf.constant([[1.0, -1.0], [0.5, 2.0]])
    with tf.GradientTape() as t2:
        with tf.GradientTape() as t1:
            loss = tf.reduce_mean(
                tf.nn.softmax_cross_entropy_with_logits(labels=[[1.0, 0.0], [0.0, 1.0]], logits=x @ w)
            )
        g = t1.gradient(loss, w)
    return t2.jacobian(g, w)


def custom_gradient_with_variables(tf):
    v = tf.Variable(3.0, name="v")

    @tf.custom_gradient
    def f(x):
        y = x * v * v

        def grad(dy, variables=None):
            return dy * 7.0, [dy * 11.0 for _ in variables]

        return y, grad

    with tf.GradientTape() as tape:
        x = tf.constant(2.0)
        tape.watch(x)
        y = f(x)
    return y, tape.gradient(y, [x, v])


def custom_gradient_with_variables_missing(tf):
    v = tf.Variable(3.0, name="v")

    @tf.custom_gradient
    def f(x):
        def grad(dy):
            return dy

        return x * v, grad

    with tf.GradientTape() as tape:
        x = tf.constant(2.0)
        tape.watch(x)
        y = f(x)
    return y


def custom_gradient_in_function_with_variables(tf):
    v = tf.Variable(3.0, name="v")

    @tf.custom_gradient
    def f(x):
        def grad(dy, variables):
            assert len(variables) == 1
            return dy * 7.0, [dy * 11.0]

        return x * v, grad

    @tf.function
    def g(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = f(x)
        return tape.gradient(y, [x, v])

    return g(tf.constant(2.0))


def custom_gradient_second_order(tf):
    @tf.custom_gradient
    def f(x):
        @tf.custom_gradient
        def first(x):
            return 2.0 * x, lambda ddy: ddy * 5.0

        return x * x, lambda dy: dy * first(x)

    x = tf.constant(3.0)
    with tf.GradientTape() as t2:
        t2.watch(x)
        with tf.GradientTape() as t1:
            t1.watch(x)
            y = f(x)
        g = t1.gradient(y, x)
    return y, g, t2.gradient(g, x)


def custom_gradient_none_and_multiple(tf):
    @tf.custom_gradient
    def f(x, y, n):
        def grad(da, db):
            return da * 2.0, db * 3.0, None

        return (x + y, x * y), grad

    x, y = tf.constant(1.0), tf.constant(2.0)
    with tf.GradientTape() as tape:
        tape.watch([x, y])
        a, b = f(x, y, 4)
    return tape.gradient([a, b], [x, y])


def custom_gradient_keyword(tf):
    @tf.custom_gradient
    def f(x, scale=2.0):
        return x * scale, lambda dy: dy * 10.0

    x = tf.constant(1.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = f(x, scale=3.0)
    return y, tape.gradient(y, x)


def recompute_grad_with_variables(tf):
    v = tf.Variable([2.0, 3.0])
    calls = []

    def f(x):
        calls.append(1)
        return tf.sin(x * v) * x

    g = tf.recompute_grad(f)
    x = tf.constant([0.5, 1.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = g(x)
    return y, tape.gradient(y, [x, v]), len(calls)


def recompute_grad_in_function(tf):
    v = tf.Variable([2.0, 3.0])

    @tf.function
    def step(x):
        @tf.recompute_grad
        def block(x):
            return tf.tanh(x * v)

        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.reduce_sum(block(block(x)))
        return y, tape.gradient(y, [x, v])

    return step(tf.constant([0.5, 1.0]))


def stop_recording_and_reset(tf):
    x = tf.constant(3.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = x * x
        with tape.stop_recording():
            y = y * 100.0
        z = x * 5.0
        first = [v.name for v in tape.watched_variables()]
    a = tape.gradient(z, x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = x * x
        tape.reset()
        tape.watch(x)
        z = x * 2.0
    return a, tape.gradient([z], x), first


def tape_used_twice(tf):
    x = tf.constant(3.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = x * x
    tape.gradient(y, x)
    return tape.gradient(y, x)


def tape_watch_integer(tf):
    x = tf.constant(3)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = x * x
    return repr(tape.gradient(y, x))


def tape_structures(tf):
    a = {"w": tf.Variable(2.0), "b": [tf.Variable(1.0), tf.Variable(5.0)]}
    with tf.GradientTape() as tape:
        y = a["w"] * a["b"][0]
    g = tape.gradient(y, a)
    return g["w"], g["b"][0], repr(g["b"][1])


def tape_output_gradients(tf):
    x = tf.constant([1.0, 2.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y, z = x * x, 3.0 * x
    return tape.gradient([y, z], x, output_gradients=[tf.constant([1.0, 10.0]), tf.ones([2])])


def gradients_of_complex(tf):
    x = tf.constant([1 + 2j, 3 - 1j], tf.complex64)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(tf.abs(x * tf.exp(x)) ** 2)
    return tape.gradient(y, x)


def gradient_through_string_is_none(tf):
    x = tf.constant(1.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.strings.to_number(tf.strings.as_string(x))
    return repr(tape.gradient(y, x))


def indexed_slices_of_gather(tf):
    v = tf.Variable(tf.reshape(tf.range(12.0), [4, 3]))
    with tf.GradientTape() as tape:
        y = tf.gather(v, [[0, 2], [2, 3]]) * 2.0
    g = tape.gradient(y, v)
    return type(g).__name__, tf.convert_to_tensor(g), g.indices, g.dense_shape, g.values


def indexed_slices_added(tf):
    v = tf.Variable(tf.reshape(tf.range(12.0), [4, 3]))
    with tf.GradientTape() as tape:
        y = tf.reduce_sum(tf.gather(v, [0, 2])) + tf.reduce_sum(tf.nn.embedding_lookup(v, [1, 1]))
    g = tape.gradient(y, v)
    return type(g).__name__, tf.convert_to_tensor(g)


def indexed_slices_and_dense(tf):
    v = tf.Variable(tf.reshape(tf.range(12.0), [4, 3]))
    with tf.GradientTape() as tape:
        y = tf.reduce_sum(tf.gather(v, [0, 2])) + tf.reduce_sum(v * v)
    g = tape.gradient(y, v)
    return type(g).__name__, tf.convert_to_tensor(g)


def gradient_of_tensor_array_loop(tf):
    x = tf.constant([1.0, 2.0, 3.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        ta = tf.TensorArray(tf.float32, size=0, dynamic_size=True, clear_after_read=False)
        for i in range(3):
            ta = ta.write(i, x[i] * x[2 - i])
        y = ta.stack() * ta.read(1)
    return tape.gradient(y, x)


def gradient_of_tensor_array_in_function(tf):
    @tf.function
    def f(x):
        ta = tf.TensorArray(tf.float32, size=tf.shape(x)[0])
        acc = tf.constant(1.0)
        for i in tf.range(tf.shape(x)[0]):
            acc = acc * x[i]
            ta = ta.write(i, acc)
        return ta.stack()

    x = tf.constant([1.0, 2.0, 3.0])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = f(x)
    return y, tape.gradient(y, x), tape.jacobian(y, x)


def tensor_array_unstack_split_concat(tf):
    x = tf.reshape(tf.range(6.0), [3, 2])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        a = tf.TensorArray(tf.float32, 3).unstack(x)
        g = a.gather([2, 0])
        s = tf.TensorArray(tf.float32, 2, infer_shape=False).split(tf.reshape(x, [6]), [2, 4])
        c = s.concat() ** 2
    return tape.gradient(g, x), tape.gradient(c, x), s.read(1), a.size()


def forward_accumulator(tf):
    x = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    v = tf.Variable([1.0, -1.0])
    with tf.autodiff.ForwardAccumulator([x, v], [tf.ones_like(x), tf.constant([0.5, 2.0])]) as acc:
        y = tf.linalg.matvec(tf.sin(x), v)
        z = tf.nn.softmax(y)
    return acc.jvp(y), acc.jvp(z), repr(acc.jvp(tf.constant(1.0)))


def forward_over_backward(tf):
    x = tf.constant([1.0, 2.0, 3.0])
    with tf.autodiff.ForwardAccumulator(x, tf.constant([1.0, 0.0, 0.0])) as acc:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.reduce_sum(x**3) * x[0]
        g = tape.gradient(y, x)
    return acc.jvp(g)


def forward_accumulator_through_function(tf):
    @tf.function
    def f(x):
        for _ in tf.range(3):
            x = tf.sin(x) * x
        return x

    x = tf.constant([1.0, 0.5])
    with tf.autodiff.ForwardAccumulator(x, tf.constant([1.0, 2.0])) as acc:
        y = f(x)
    return acc.jvp(y)


def tf_gradients_in_function(tf):
    @tf.function
    def f(x, y):
        z = x * y + tf.stop_gradient(x) ** 2
        w = tf.identity(z)
        a = tf.gradients([z], [x, y], grad_ys=[tf.constant(3.0)])
        b = tf.gradients(w * x, [x, z], stop_gradients=[z])
        return a, b

    return f(tf.constant(2.0), tf.constant(5.0))


def gradients_outside_function(tf):
    x = tf.constant(1.0)
    return tf.gradients(x * x, x)


def hessians_in_function(tf):
    @tf.function
    def f(x):
        return tf.hessians(tf.reduce_sum(x**3), x)[0]

    return f(tf.constant([1.0, 2.0]))


def cond_gradient(tf):
    @tf.function
    def f(x):
        if tf.reduce_sum(x) > 1.0:
            return x * x
        elif tf.reduce_sum(x) > 0.0:
            return x * 3.0
        else:
            return tf.exp(x)

    out = []
    for c in ([1.0, 2.0], [0.2, 0.3], [-1.0, -2.0]):
        x = tf.constant(c)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = f(x)
        out.append(tape.gradient(y, x))
    return out


def switch_case_gradient(tf):
    x = tf.constant(2.0)

    @tf.function
    def f(i, x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.switch_case(i, [lambda: x, lambda: x**2, lambda: tf.constant(5.0)])
        return y, tape.gradient(y, x, unconnected_gradients="zero")

    return [f(tf.constant(i), x) for i in (0, 1, 2, 7)]


def map_fn_gradients(tf):
    x = tf.reshape(tf.range(6.0), [3, 2])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        a = tf.map_fn(lambda r: r * r[::-1], x)
        b = tf.scan(lambda s, r: s * 0.5 + r, x)
        c = tf.foldl(lambda s, r: s * r, x + 1.0)
        d = tf.foldr(lambda s, r: s - r * s, x + 0.1)
        e = tf.vectorized_map(lambda r: tf.tensordot(r, r, 1), x)
    return [tape.gradient(each, x) for each in (a, b, c, d, e)]


def py_function_gradient(tf):
    def f(x, y):
        return tf.math.log(x) * y, x * x

    x, y = tf.constant(2.0), tf.constant(3.0)
    with tf.GradientTape() as tape:
        tape.watch([x, y])
        a, b = tf.py_function(f, [x, y], [tf.float32, tf.float32])
        z = a * b
    return z, tape.gradient(z, [x, y])


def py_function_gradient_in_function(tf):
    @tf.function
    def g(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.py_function(lambda a: a.numpy() * 0 + a**3, [x], tf.float32)
        return y, tape.gradient(y, x)

    return g(tf.constant(2.0))


def numpy_function_has_no_gradient(tf):
    x = tf.constant(2.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.numpy_function(lambda a: a * 2, [x], tf.float32)
    return y, repr(tape.gradient(y, x))


def gradient_through_captured_variable(tf):
    v = tf.Variable(2.0)

    @tf.function
    def f(x):
        return x * v

    @tf.function
    def g(x):
        return f(f(x)) + v

    with tf.GradientTape() as tape:
        y = g(tf.constant(3.0))
    return tape.gradient(y, v), [x is v for x in tape.watched_variables()]


def no_gradient_for_assign(tf):
    v = tf.Variable(2.0)
    with tf.GradientTape() as tape:
        v.assign(v * 3.0)
        y = v * v
    return repr(tape.gradient(y, v)), v


def untrainable_variable(tf):
    v = tf.Variable(2.0, trainable=False)
    with tf.GradientTape() as tape:
        y = v * v
    with tf.GradientTape(watch_accessed_variables=False) as tape2:
        tape2.watch(v)
        z = v * v
    return repr(tape.gradient(y, v)), tape2.gradient(z, v)


def ragged_gradient(tf):
    x = tf.constant([1.0, 2.0, 3.0, 4.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        r = tf.RaggedTensor.from_row_lengths(x, [1, 0, 3])
        y = tf.reduce_sum(r * r, axis=1)
    return tape.gradient(y, x)


def sparse_gradient(tf):
    values, dense = tf.constant([1.0, 2.0]), tf.constant([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    with tf.GradientTape() as tape:
        tape.watch([values, dense])
        sp = tf.SparseTensor([[0, 1], [1, 2]], values, [2, 3])
        y = tf.sparse.sparse_dense_matmul(sp, dense) ** 2
    return tape.gradient(y, [values, dense])


def persistent_tape_in_function(tf):
    @tf.function
    def f(x):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(x)
            y = x * x
            z = y * y
        return tape.gradient(z, x), tape.gradient(y, x), tape.batch_jacobian(z, x)

    return f(tf.constant([[1.0, 2.0]]))


def vectorized_map_random_gradient(tf):
    tf.random.set_seed(1)
    x = tf.ones([4])

    @tf.function
    def f(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.vectorized_map(lambda e: e * tf.random.uniform([]), x)
        return tf.reduce_max(tf.abs(y - tape.gradient(y, x)))

    return f(x)


def map_fn_random_gradient(tf):
    x = tf.ones([4])

    @tf.function
    def f(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.map_fn(lambda e: e * tf.random.uniform([]), x)
        return tf.reduce_max(tf.abs(y - tape.gradient(y, x)))

    return f(x)


def gradient_of_while_with_unknown_bound(tf):
    @tf.function
    def f(x):
        def cond(v, k):
            return v < 100.0

        def body(v, k):
            return v * x, k + 1

        return tf.while_loop(cond, body, [x, 0])

    x = tf.constant(2.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y, k = f(x)
    return y, k, tape.gradient(y, x)


def third_order_through_while(tf):
    @tf.function
    def f(x):
        for _ in tf.range(4):
            x = x * x * 0.9
        return x

    x = tf.constant(1.1)
    with tf.GradientTape() as t3:
        t3.watch(x)
        with tf.GradientTape() as t2:
            t2.watch(x)
            with tf.GradientTape() as t1:
                t1.watch(x)
                y = f(x)
            g1 = t1.gradient(y, x)
        g2 = t2.gradient(g1, x)
    return g1, g2, t3.gradient(g2, x)


def grad_pass_through(tf):
    x = tf.constant(2.7)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.grad_pass_through(tf.round)(x) * x
    return y, tape.gradient(y, x)
