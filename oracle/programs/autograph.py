"""Python control flow on tensors."""

import numpy as np


def break_continue(tf):
    @tf.function
    def f(n):
        total = 0
        for i in tf.range(n):
            if i % 2 == 0:
                continue
            if i > 8:
                break
            total += i
        return total

    return f(tf.constant(20))


def list_append_in_loop(tf):
    @tf.function
    def f(n):
        l = []
        tf.autograph.experimental.set_element_type(l, tf.int32)
        for i in tf.range(n):
            l.append(i * i)
        return tf.stack(l)

    return f(tf.constant(4))


def list_append_static(tf):
    @tf.function
    def f(x):
        l = []
        for i in range(3):
            l.append(x * i)
        return l

    return f(tf.constant(2))


def list_comprehension(tf):
    @tf.function
    def f(x):
        return [e * 2 for e in tf.unstack(x)], {k: x for k in ("a", "b")}

    return f(tf.constant([1, 2]))


def undefined_in_branch(tf):
    @tf.function
    def f(x):
        if x > 0:
            y = 1
        return y

    return f(tf.constant(1))


def different_dtypes_in_branches(tf):
    @tf.function
    def f(x):
        if x > 0:
            y = 1
        else:
            y = 2.0
        return y

    return f(tf.constant(1))


def different_shapes_in_branches(tf):
    @tf.function
    def f(x):
        if x > 0:
            y = tf.zeros([2])
        else:
            y = tf.zeros([3])
        return y

    return f(tf.constant(1)), f(tf.constant(-1))


def none_in_branch(tf):
    @tf.function
    def f(x):
        if x > 0:
            y = None
        else:
            y = tf.constant(1)
        return y

    return f(tf.constant(1))


def different_structures(tf):
    @tf.function
    def f(x):
        if x > 0:
            y = (x, x)
        else:
            y = [x]
        return y

    return f(tf.constant(1))


def loop_changes_dtype(tf):
    @tf.function
    def f(n):
        x = 1
        for i in tf.range(n):
            x = x * 1.5
        return x

    return f(tf.constant(2))


def loop_changes_shape(tf):
    @tf.function
    def f(n):
        x = tf.zeros([1])
        for i in tf.range(n):
            x = tf.concat([x, x], 0)
        return x

    return f(tf.constant(2))


def loop_shape_invariant(tf):
    @tf.function
    def f(n):
        x = tf.zeros([1])
        for i in tf.range(n):
            tf.autograph.experimental.set_loop_options(shape_invariants=[(x, tf.TensorShape([None]))])
            x = tf.concat([x, [1.0]], 0)
        return x

    return f(tf.constant(3))


def variable_first_defined_in_loop(tf):
    @tf.function
    def f(n):
        for i in tf.range(n):
            y = i * 2
        return y

    return f(tf.constant(3))


def variable_defined_in_zero_loop(tf):
    @tf.function
    def f(n):
        y = -1
        for i in tf.range(n):
            y = i
        return y

    return f(tf.constant(0))


def boolean_operators(tf):
    @tf.function
    def f(a, b):
        return (a > 0 and b > 0), (a > 0 or b > 0), (not a > 0), a == b, a != b, (1 if a > b else 2)

    return f(tf.constant(1), tf.constant(-1))


def short_circuit(tf):
    @tf.function
    def f(x):
        if tf.size(x) > 0 and x[0] > 0:
            return 1
        return 0

    return f(tf.constant([1])), f(tf.constant([-1])), f(tf.zeros([0], tf.int32))


def chained_comparison(tf):
    @tf.function
    def f(x):
        return 0 < x < 10

    return f(tf.constant(5)), f(tf.constant(50))


def ternary_in_loops(tf):
    @tf.function
    def f(x):
        return tf.reduce_sum(x) if tf.reduce_all(x > 0) else tf.constant(-1)

    return f(tf.constant([1, 2])), f(tf.constant([-1, 2]))


def assert_statement(tf):
    @tf.function
    def f(x):
        assert x > 0, "positive please"
        return x

    r = [f(tf.constant(1))]
    try:
        f(tf.constant(-1))
    except Exception as e:
        r += [type(e).__name__, "positive please" in str(e)]
    return r


def python_builtins(tf):
    @tf.function
    def f(x):
        return len(x), abs(-x), sum([x[0], x[1]]), list(range(3)), float(1), any([False]), sorted([3, 1])

    return f(tf.constant([4, 5]))


def enumerate_zip_over_tensors(tf):
    @tf.function
    def f(x):
        t = 0
        for i, v in enumerate(x):
            t += i * v
        for a, b in zip(x, x):
            t += a * b
        return t

    return f(tf.constant([1, 2, 3]))


def iterate_dataset(tf):
    @tf.function
    def f(d):
        t = tf.constant(0, tf.int64)
        for v in d:
            t += v
        return t

    return f(tf.data.Dataset.range(5))


def iterate_dataset_with_break_and_structure(tf):
    @tf.function
    def f(d):
        t, n = tf.constant(0, tf.int64), 0
        for a, b in d:
            if a > 2:
                break
            t += b["k"]
            n += 1
        return t, n

    d = tf.data.Dataset.range(5).map(lambda a: (a, {"k": a * 10}))
    return f(d)


def iterate_iterator(tf):
    @tf.function
    def f(it):
        t = tf.constant(0, tf.int64)
        for v in it:
            t += v
            if t > 3:
                break
        return t

    it = iter(tf.data.Dataset.range(10))
    return f(it), f(it)


def iterate_tensor_rows(tf):
    @tf.function
    def f(x):
        m = tf.zeros([2])
        for row in x:
            m = tf.maximum(m, row)
        return m

    return f(tf.constant([[1.0, 5.0], [3.0, 2.0]]))


def iterate_ragged(tf):
    @tf.function
    def f(r):
        t = 0
        for row in r:
            t += tf.reduce_sum(row) * tf.size(row)
        return t

    return f(tf.ragged.constant([[1, 2], [], [3]]))


def nested_functions_closures(tf):
    @tf.function
    def f(x):
        def g(y):
            if y > 0:
                return y * x
            return y

        return g(x) + g(-x)

    return f(tf.constant(3))


def lambda_in_function(tf):
    @tf.function
    def f(x):
        g = lambda y: y * 2 if y > 0 else y
        return g(x), g(-x)

    return f(tf.constant(3))


def do_not_convert(tf):
    @tf.autograph.experimental.do_not_convert
    def g(x):
        return 1 if isinstance(x, tf.Tensor) else 0

    @tf.function
    def f(x):
        return g(x)

    return f(tf.constant(1))


def object_attributes_in_branches(tf):
    class O:
        pass

    o = O()
    o.x = 0

    @tf.function
    def f(c):
        o2 = O()
        o2.v = tf.constant(1)
        if c > 0:
            o2.v = tf.constant(5)
        else:
            o2.v = tf.constant(7)
        return o2.v

    return f(tf.constant(1)), f(tf.constant(-1))


def dictionary_mutation_in_branch(tf):
    @tf.function
    def f(c):
        d = {"a": tf.constant(1)}
        if c > 0:
            d["a"] = d["a"] + 10
        return d

    return f(tf.constant(1)), f(tf.constant(-1))


def dictionary_mutation_in_loop(tf):
    @tf.function
    def f(n):
        d = {"a": tf.constant(1), "b": tf.constant(0.5)}
        for i in tf.range(n):
            d["a"] += i
            d["b"] *= 2.0
        return d

    return f(tf.constant(4))


def list_slots_in_loop(tf):
    @tf.function
    def f(n):
        l = [tf.constant(1), tf.constant(2)]
        for i in tf.range(n):
            l[0], l[1] = l[1], l[0] + l[1]
        return l

    return f(tf.constant(5))


def slice_assignment_on_tensor(tf):
    @tf.function
    def f(x):
        x[0] = 5
        return x

    return f(tf.constant([1, 2]))


def del_and_try(tf):
    @tf.function
    def f(x):
        y = x + 1
        try:
            z = y * 2
        finally:
            y = 0
        del y
        return z

    return f(tf.constant(1))


def try_except_in_function(tf):
    @tf.function
    def f(x):
        try:
            raise KeyError("a")
        except KeyError:
            return x + 1

    return f(tf.constant(1))


def with_statement(tf):
    @tf.function
    def f(x):
        with tf.name_scope("a"):
            if x > 0:
                return x
            return -x

    return f(tf.constant(-4))


def nonlocal_statement(tf):
    def outer():
        k = tf.constant(0)

        @tf.function
        def f(x):
            nonlocal k
            y = x
            if x > 0:
                y = x + 1
            k = 3
            return y

        r = f(tf.constant(1))
        return r, k

    return outer()


def print_in_function(tf):
    import contextlib
    import io

    @tf.function
    def f(x):
        print("tracing")
        return x

    b = io.StringIO()
    with contextlib.redirect_stdout(b):
        f(tf.constant(1))
        f(tf.constant(2))
    return b.getvalue()


def error_lines_runtime(tf):
    @tf.function
    def f(x, i):
        return tf.debugging.check_numerics(x / i, "bad division")

    try:
        f(tf.ones([2]), tf.constant(0.0))
    except Exception as e:
        return (
            type(e).__name__,
            "bad division" in str(e),
            "check_numerics" in str(e) or "CheckNumerics" in str(e),
        )


def while_with_side_effect_conditions(tf):
    v = tf.Variable(0)

    @tf.function
    def f():
        while v < 5:
            v.assign_add(2)
        return v.read_value()

    return f()


def nested_loops_with_breaks(tf):
    @tf.function
    def f(n):
        c = 0
        for i in tf.range(n):
            for j in tf.range(n):
                if j > i:
                    break
                if (i + j) % 2 == 0:
                    continue
                c += 1
            if c > 6:
                break
        return c, i

    return f(tf.constant(8))


def range_with_steps(tf):
    @tf.function
    def f(a, b, c):
        t = 0
        for i in range(a, b, c):
            t = t * 10 + i
        for i in tf.range(a, b, c):
            t += i
        return t

    return f(tf.constant(5), tf.constant(0), tf.constant(-2)), f(
        tf.constant(0), tf.constant(5), tf.constant(2)
    )


def to_graph_and_code(tf):
    def f(x):
        if x > 0:
            x = x * x
        return x

    g = tf.autograph.to_graph(f)
    return g(tf.constant(3)), g(-2), "if_stmt" in tf.autograph.to_code(f)


def iterate_python_list_of_tensors(tf):
    @tf.function
    def f(l):
        t = 0
        for i, x in enumerate(l):
            if x > 1:
                t += x * i
        return t

    return f([tf.constant(1), tf.constant(2), tf.constant(3)])


def f_string_and_match(tf):
    @tf.function
    def f(x):
        s = f"{x.shape}"
        return s, x

    return f(tf.constant([1, 2]))[0]


def inherited_methods_super(tf):
    class A(tf.Module):
        @tf.function
        def __call__(self, x):
            if x > 0:
                return x
            return -x

    class B(A):
        @tf.function
        def __call__(self, x):
            return super().__call__(x) * 2

    return B()(tf.constant(-3))


def generator_function(tf):
    def gen():
        for i in range(3):
            yield i

    @tf.function
    def f(x):
        for i in gen():
            x += i
        return x

    return f(tf.constant(0))


def tensor_array_in_loops(tf):
    @tf.function
    def f(x):
        ta = tf.TensorArray(tf.float32, size=0, dynamic_size=True)
        for v in x:
            if v > 1:
                ta = ta.write(ta.size(), v)
        return ta.stack()

    return f(tf.constant([1.0, 2.0, 3.0]))


def composite_loop_variable(tf):
    @tf.function
    def f(n):
        r = tf.ragged.constant([[1, 2], [3]])
        for _ in tf.range(n):
            r = r * 2
        return r

    return f(tf.constant(3))


def optional_loop_variable_none(tf):
    @tf.function
    def f(n):
        state = None
        for i in tf.range(n):
            state = i if state is None else state + i
        return state

    return f(tf.constant(3))


def python_side_loop_condition_changes(tf):
    @tf.function
    def f(x):
        i = 0
        while i < 3:
            x = x + 1
            i = i + 1
        return x, i

    return f(tf.constant(1))


def string_condition(tf):
    @tf.function
    def f(s):
        if s == "yes":
            return 1
        return 0

    return f(tf.constant("yes")), f(tf.constant("no")), f("yes")


def nonscalar_condition(tf):
    @tf.function
    def f(x):
        if x > 0:
            return 1
        return 0

    return f(tf.constant([1, 2]))


def if_on_int_tensor(tf):
    @tf.function
    def f(x):
        if x:
            return 1
        return 0

    return f(tf.constant(3)), f(tf.constant(0))
