"""`tf.function`: tracing, retracing, signatures, captures, concrete functions, effects."""

import numpy as np


def retracing_counts(tf):
    @tf.function
    def f(x, n=1):
        return x

    counts = []
    for args in [
        (1,),
        (1,),
        (2,),
        (2.5,),
        (np.float32(1),),
        (np.ones(2),),
        (np.ones(3),),
        ([1, 2],),
        ((1, 2),),
        ("a",),
        (None,),
        (tf.constant(1),),
        (tf.constant(2),),
        (tf.constant(1.0),),
        (tf.constant([1]),),
        (tf.constant([1, 2]),),
        ({"a": tf.constant(1)},),
        ({"a": tf.constant(3)},),
        (tf.constant([1, 2, 3]),),
        (tf.constant([1, 2, 3, 4]),),
    ]:
        f(*args)
        counts.append(f.experimental_get_tracing_count())
    return counts


def reduce_retracing_counts(tf):
    @tf.function(reduce_retracing=True)
    def f(x):
        return tf.shape(x)[0]

    counts = []
    shapes = []
    for n in [1, 2, 3, 4, 5]:
        f(tf.ones([n]))
        counts.append(f.experimental_get_tracing_count())
    for s in [(2, 2), (2, 3), (3, 3)]:
        f(tf.ones(s))
        counts.append(f.experimental_get_tracing_count())
    return counts


def reduce_retracing_structures(tf):
    @tf.function(reduce_retracing=True)
    def f(d):
        return d["a"] + tf.reduce_sum(d["b"][0])

    counts = []
    for n in [1, 2, 3]:
        f({"a": tf.ones([n]), "b": [tf.ones([n, 2])]})
        counts.append(f.experimental_get_tracing_count())
    return counts


def retracing_on_objects(tf):
    class A:
        pass

    a, b = A(), A()

    @tf.function
    def f(o, x):
        return x

    out = []
    for o in (a, b, a, lambda: 1):
        f(o, tf.constant(1))
        out.append(f.experimental_get_tracing_count())
    return out


def retracing_on_variables(tf):
    @tf.function
    def f(v):
        return v + 1.0

    a, b, c = tf.Variable(1.0), tf.Variable(2.0), tf.Variable([1.0])
    out = []
    for v in (a, b, c, a):
        out.append(f(v))
    return out


def retracing_on_dtype_and_weak(tf):
    @tf.function
    def f(x):
        return tf.convert_to_tensor(x)

    return f(np.int64(3)), f(3), f(np.float64(1)), f([1.0, 2.0]), f.experimental_get_tracing_count()


def named_tuples_and_attrs(tf):
    import collections

    P = collections.namedtuple("P", "a b")

    @tf.function
    def f(p):
        return P(p.b, p.a)

    r = f(P(tf.constant(1), tf.constant(2.0)))
    return (
        type(r).__name__,
        r.a,
        r.b,
        f.experimental_get_tracing_count(),
        f(P(tf.constant(5), tf.constant(2.0))).b,
    )


def keyword_default_equivalence(tf):
    @tf.function
    def f(x, y=2, *, z=3):
        return x + y + z

    x = tf.constant(1)
    return (
        f(x),
        f(x, 2),
        f(x=x),
        f(x, y=2, z=3),
        f.experimental_get_tracing_count(),
        f(x, z=4),
        f.experimental_get_tracing_count(),
    )


def varargs(tf):
    @tf.function
    def f(*args, **kw):
        return sum(args) + sum(kw.values())

    return (
        f(tf.constant(1), tf.constant(2)),
        f(tf.constant(1), a=tf.constant(5)),
        f.experimental_get_tracing_count(),
    )


def input_signature_basics(tf):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32), tf.TensorSpec([], tf.int32)])
    def f(x, n):
        return x * tf.cast(n, tf.float32)

    return f([1, 2], 3), f(np.ones(4, np.float32), tf.constant(2)), f.experimental_get_tracing_count()


def input_signature_wrong_rank(tf):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def f(x):
        return x

    return f(tf.ones([2, 2]))


def input_signature_wrong_dtype(tf):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def f(x):
        return x

    return f(tf.constant([1, 2]))


def input_signature_too_many(tf):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def f(x):
        return x

    return f(tf.ones([1]), tf.ones([1]))


def input_signature_with_defaults(tf):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)])
    def f(x, k=3.0):
        return x * k

    return f(tf.ones([2]))


def input_signature_nested(tf):
    @tf.function(
        input_signature=[{"a": tf.TensorSpec([None], tf.float32), "b": [tf.TensorSpec([], tf.int32)]}]
    )
    def f(d):
        return d["a"] * tf.cast(d["b"][0], tf.float32)

    return f({"a": tf.ones([2]), "b": [tf.constant(4)]})


def input_signature_composites(tf):
    @tf.function(
        input_signature=[
            tf.RaggedTensorSpec([None, None], tf.float32),
            tf.SparseTensorSpec([None, 3], tf.float32),
        ]
    )
    def f(r, s):
        return tf.reduce_sum(r, axis=1), tf.sparse.reduce_sum(s)

    a = f(tf.ragged.constant([[1.0, 2.0], [3.0]]), tf.SparseTensor([[0, 1]], [5.0], [2, 3]))
    b = f(tf.ragged.constant([[1.0], [3.0], []], dtype=tf.float32), tf.SparseTensor([[0, 1]], [5.0], [7, 3]))
    return a, b, f.experimental_get_tracing_count()


def input_signature_on_method(tf):
    class M(tf.Module):
        def __init__(self):
            self.v = tf.Variable(2.0)

        @tf.function(input_signature=[tf.TensorSpec(None, tf.float32, name="inp")])
        def call(self, x):
            return x * self.v

    m = M()
    c = m.call.get_concrete_function()
    return (
        m.call(tf.constant(3.0)),
        c(tf.constant([4.0])),
        c.structured_input_signature[0][0].name,
        [i.name for i in c.inputs][:1],
    )


def concrete_function_calls(tf):
    @tf.function
    def f(x, y):
        return {"sum": x + y, "prod": (x * y, x)}

    c = f.get_concrete_function(
        tf.TensorSpec([None], tf.float32, name="first"), tf.TensorSpec([None], tf.float32)
    )
    r = c(tf.constant([1.0]), tf.constant([2.0]))
    r2 = c(first=tf.constant([1.0]), y=tf.constant([2.0]))
    return (
        r,
        r2,
        sorted(c.structured_outputs),
        c.structured_outputs["sum"].dtype.name,
        [t.name for t in c.inputs],
    )


def concrete_function_python_arguments(tf):
    @tf.function
    def f(x, flag, k=2):
        return x * k if flag else x

    c = f.get_concrete_function(tf.TensorSpec([], tf.float32), True, k=5)
    return c(tf.constant(2.0)), c.structured_input_signature


def function_pretty(tf):
    @tf.function
    def f(x, y=3):
        return x

    c = f.get_concrete_function(tf.TensorSpec([2], tf.int32))
    return str(c)


def spec_arguments_of_tensors(tf):
    @tf.function
    def f(x):
        return x

    c = f.get_concrete_function(tf.constant([1, 2]))
    return c.structured_input_signature, c.output_shapes, c.output_dtypes


def variables_created_on_first_call(tf):
    v = []

    @tf.function
    def f(x):
        if not v:
            v.append(tf.Variable(x * 2.0, name="made"))
        v[0].assign_add(1.0)
        return v[0] + x

    return f(tf.constant(1.0)), f(tf.constant(1.0)), v[0], v[0].name


def variables_created_each_call(tf):
    @tf.function
    def f(x):
        v = tf.Variable(1.0)
        return v + x

    return f(tf.constant(1.0))


def variable_from_tensor_inits_condition(tf):
    class M(tf.Module):
        def __init__(self):
            self.v = None

        @tf.function
        def __call__(self, x):
            if self.v is None:
                self.v = tf.Variable(tf.random.stateless_uniform([2], [1, 2]))
            return self.v * x

    m = M()
    return m(tf.constant(2.0)), m(tf.constant(3.0)), len(m.variables)


def captures_by_value_and_reference(tf):
    k = [1]
    t = tf.constant([1.0] * 200)
    v = tf.Variable(1.0)

    @tf.function
    def f():
        return t[0] * k[0] + v

    a = f()
    k[0] = 100
    v.assign(5.0)
    return a, f()


def function_returns_none_and_python(tf):
    @tf.function
    def f(x):
        return x, None, 3, "a", [1.5, {"k": x}]

    r = f(tf.constant(1))
    return [type(e).__name__ for e in r], r[0], repr(r[1]), r[2], r[3], r[4]


def function_returns_composites(tf):
    @tf.function
    def f(x):
        return (
            tf.RaggedTensor.from_row_lengths(x, [1, 2]),
            tf.sparse.from_dense(x),
            tf.IndexedSlices(x, tf.range(3)),
        )

    r, s, i = f(tf.constant([1.0, 0.0, 3.0]))
    return r, s, i.values, type(i).__name__, str(r.shape)


def function_returns_object(tf):
    class A:
        pass

    @tf.function
    def f(x):
        return A()

    return f(tf.constant(1))


def leak_symbolic_tensor(tf):
    leak = []

    @tf.function
    def f(x):
        leak.append(x + 1)
        return x

    f(tf.constant(1))
    return leak[0] + 1


def leak_into_other_function(tf):
    leak = []

    @tf.function
    def f(x):
        leak.append(x + 1)
        return x

    f(tf.constant(1))

    @tf.function
    def g():
        return leak[0] + 1

    return g()


def symbolic_as_bool_without_autograph(tf):
    @tf.function(autograph=False)
    def f(x):
        if x > 0:
            return x
        return -x

    return f(tf.constant(1))


def symbolic_iteration_without_autograph(tf):
    @tf.function(autograph=False)
    def f(x):
        return [e for e in x]

    return f(tf.constant([1, 2, 3]))


def symbolic_numpy(tf):
    @tf.function
    def f(x):
        return x.numpy()

    return f(tf.constant(1))


def symbolic_to_numpy_function(tf):
    @tf.function
    def f(x):
        return np.sin(x)

    return f(tf.constant(1.0))


def symbolic_len_and_int(tf):
    @tf.function
    def f(x):
        return len(x)

    out = [repr(f(tf.constant([1, 2])))]

    @tf.function
    def g(x):
        return int(x)

    try:
        g(tf.constant(1))
    except Exception as e:
        out.append(type(e).__name__)
    return out


def run_functions_eagerly(tf):
    @tf.function
    def f(x):
        return tf.executing_eagerly(), x.numpy() if hasattr(x, "numpy") else 0

    tf.config.run_functions_eagerly(True)
    try:
        a = f(tf.constant(3))
    finally:
        tf.config.run_functions_eagerly(False)
    return a, f(tf.constant(3))[0]


def recursion_of_python(tf):
    @tf.function
    def fact(n):
        return 1 if n == 0 else n * fact(n - 1)

    return fact(5)


def methods_and_instances(tf):
    class A:
        def __init__(self, k):
            self.k = k

        @tf.function
        def f(self, x):
            return x * self.k

    a, b = A(2), A(3)
    return a.f(tf.constant(1)), b.f(tf.constant(1)), a.f is a.f, A.f(b, tf.constant(2))


def static_and_class_methods(tf):
    class A:
        @staticmethod
        @tf.function
        def s(x):
            return x + 1

        @classmethod
        @tf.function
        def c(cls, x):
            return x + 2, cls.__name__

    return A.s(tf.constant(1)), A.c(tf.constant(1)), A().s(tf.constant(1))


def partial_functions(tf):
    import functools

    def f(x, y, z=1):
        return x + y * z

    g = tf.function(functools.partial(f, tf.constant(1), z=3))
    return g(tf.constant(2)), g(y=tf.constant(4))


def function_of_lambda_and_callable(tf):
    class C:
        def __call__(self, x):
            return x * 3

    return tf.function(lambda x: x + 1)(tf.constant(1)), tf.function(C())(tf.constant(2))


def decorated_metadata(tf):
    @tf.function
    def my_function(x: int, y=1):
        """Doc."""
        return x

    import inspect

    return (
        my_function.__name__,
        my_function.__doc__,
        str(inspect.signature(my_function)),
        my_function.python_function.__name__,
        my_function.function_spec is not None,
    )


def experimental_attributes(tf):
    @tf.function(jit_compile=True)
    def f(x):
        return tf.sin(x) + 1

    return f(tf.constant([1.0, 2.0]))


def experimental_implements(tf):
    @tf.function(
        experimental_implements="my.op", experimental_autograph_options=tf.autograph.experimental.Feature.ALL
    )
    def f(x):
        return x + 1

    return f(tf.constant(1))


def exceptions_inside(tf):
    @tf.function
    def f(x):
        raise ValueError("mine")

    return f(tf.constant(1))


def asserts_run_in_order(tf):
    v = tf.Variable(0)

    @tf.function
    def f(x):
        v.assign_add(1)
        tf.debugging.assert_positive(x, message="must be positive")
        v.assign_add(10)
        return x

    try:
        f(tf.constant(-1))
    except tf.errors.InvalidArgumentError as e:
        msg = "must be positive" in e.message
    return v, msg


def side_effects_order(tf):
    v, w = tf.Variable(1.0), tf.Variable(10.0)

    @tf.function
    def f():
        a = v.read_value()
        v.assign(w * 2.0)
        b = v + 0.0
        w.assign(v)
        v.assign_sub(1.0)
        return a, b, v.read_value(), w.read_value()

    return f(), v, w


def unused_assert_and_stateful_pruning(tf):
    hits = []

    @tf.function
    def f(x):
        tf.py_function(lambda: hits.append(1), [], [])
        tf.numpy_function(lambda: np.int64(hits.append(2) or 0), [], tf.int64)
        return x

    f(tf.constant(1))
    f(tf.constant(1))
    return hits


def init_scope(tf):
    log = []

    @tf.function
    def f(x):
        with tf.init_scope():
            log.append(tf.executing_eagerly())
            c = tf.constant(5)
            log.append(hasattr(c, "numpy"))
        log.append(tf.executing_eagerly())
        return x + c

    return f(tf.constant(1)), log


def inside_function_checks(tf):
    @tf.function
    def f():
        return tf.inside_function()

    return f(), tf.inside_function(), tf.executing_eagerly()


def control_dependencies_in_function(tf):
    v = tf.Variable(0)

    @tf.function
    def f():
        op = v.assign_add(5)
        with tf.control_dependencies([op]):
            return tf.identity(v.read_value())

    return f()


def function_type(tf):
    @tf.function
    def f(a, b=2):
        return a

    c = f.get_concrete_function(tf.TensorSpec([1], tf.int32))
    return str(c.function_type)


def wrap_function(tf):
    g = tf.compat.v1.wrap_function(lambda x: x * 2 + 1, [tf.TensorSpec([], tf.float32)])
    p = g.prune(g.inputs, g.outputs[0].op.inputs[0])
    return g(tf.constant(3.0)), p(tf.constant(3.0))


def threads_calling_function(tf):
    import threading

    v = tf.Variable(0)

    @tf.function
    def f(n):
        for _ in tf.range(n):
            v.assign_add(1)
        return v

    ts = [threading.Thread(target=lambda: [f(tf.constant(10)) for _ in range(5)]) for _ in range(4)]
    [t.start() for t in ts]
    [t.join() for t in ts]
    return v, f.experimental_get_tracing_count()


def tape_in_other_thread(tf):
    import threading

    v = tf.Variable(2.0)
    out = []
    with tf.GradientTape() as tape:

        def work():
            out.append(v * v)

        t = threading.Thread(target=work)
        t.start()
        t.join()
        y = v * 3.0
    return tape.gradient(y, v), len(out)


def weakref_variable_deleted(tf):
    def make():
        v = tf.Variable(1.0)

        @tf.function
        def f():
            return v + 1

        return f

    f = make()
    return f()


def default_tensor_arguments(tf):
    c = tf.constant([1.0, 2.0])

    @tf.function
    def f(x, y=c):
        return x + y

    return f(tf.constant(1.0)), f(tf.constant(1.0), tf.constant(5.0)), f.experimental_get_tracing_count()


def numpy_arguments_are_tensors(tf):
    @tf.function
    def f(x):
        return type(x).__name__.replace("Symbolic", "").replace("Graph", ""), x.dtype.name

    return f(np.ones(3))[1], f(np.float16(1))[1]


def mutable_default_structure_order(tf):
    @tf.function
    def f(d):
        return list(d.items())

    return f({"b": tf.constant(1), "a": tf.constant(2)})


def set_argument(tf):
    @tf.function
    def f(x, s):
        return x

    return f(tf.constant(1), frozenset([1]))


def nested_functions_inline_names(tf):
    @tf.function
    def inner(x):
        return x + 1

    @tf.function
    def outer(x):
        return inner(inner(x))

    return (
        outer(tf.constant(1)),
        inner.experimental_get_tracing_count(),
        outer.experimental_get_tracing_count(),
    )


def generator_argument(tf):
    @tf.function
    def f(g):
        return sum(g)

    return f(x for x in [1, 2])


def late_bound_signature(tf):
    f = tf.function(lambda x: x * 2, input_signature=(tf.TensorSpec([None, None]),))
    return f.input_signature, f(tf.ones([1, 2])), f(tf.ones([2, 1]))


def optional_none_then_tensor(tf):
    @tf.function
    def f(x, mask=None):
        if mask is None:
            return x
        return tf.where(mask, x, 0)

    return (
        f(tf.constant([1, 2])),
        f(tf.constant([1, 2]), tf.constant([True, False])),
        f.experimental_get_tracing_count(),
    )


def warnings_about_many_retracings(tf):
    import logging

    records = []

    class H(logging.Handler):
        def emit(self, r):
            records.append(r.getMessage())

    logger = tf.get_logger()
    h = H()
    logger.addHandler(h)
    level = logger.level
    logger.setLevel("WARNING")
    try:

        @tf.function
        def f(x):
            return x

        for i in range(8):
            f(i)
    finally:
        logger.removeHandler(h)
        logger.setLevel(level)
    return (
        len(records),
        [("retracing" in r, "f" in r) for r in records][:2],
        records[0].split(" triggered")[0].split("<")[0] if records else "",
    )
