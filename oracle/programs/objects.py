"""Variables, tensors as Python objects, modules, extension types, nests, specs, shapes, dtypes and errors."""

import numpy as np


def variable_copies(tf):
    import copy
    import pickle

    v = tf.Variable([1.0, 2.0], name="v", trainable=False)
    d = copy.deepcopy(v)
    d.assign_add([1.0, 1.0])
    return v, d, d.trainable, d.name


def variable_pickle(tf):
    import pickle

    return pickle.loads(pickle.dumps(tf.Variable([1.0, 2.0])))


def tensor_pickle_and_copy(tf):
    import copy
    import pickle

    t = tf.constant([[1, 2]])
    return pickle.loads(pickle.dumps(t)), copy.copy(t), copy.deepcopy(t)


def tensor_pickle_strings(tf):
    import pickle

    return pickle.loads(pickle.dumps(tf.constant(["a", "bc"])))


def module_deepcopy(tf):
    import copy

    class M(tf.Module):
        def __init__(self):
            super().__init__()
            self.w = tf.Variable(1.0)
            self.l = [tf.Variable(2.0)]

    m = M()
    c = copy.deepcopy(m)
    c.w.assign(9.0)
    return m.w, c.w, len(c.variables)


def strided_slice_assign(tf):
    v = tf.Variable(tf.zeros([3, 4]))
    v[0].assign(tf.ones([4]))
    v[:, 1].assign([5.0, 6.0, 7.0])
    v[1:, ::2].assign([[1.0, 2.0], [3.0, 4.0]])
    v[..., -1].assign([-1.0, -2.0, -3.0])
    return v


def strided_slice_assign_in_function(tf):
    v = tf.Variable(tf.zeros([3, 4]))

    @tf.function
    def f(i):
        v[i].assign(tf.ones([4]) * 2.0)
        v[i + 1, 1:3].assign([8.0, 9.0])
        return v.read_value()

    return f(tf.constant(1))


def variable_slice_wrong_shape(tf):
    v = tf.Variable(tf.zeros([3, 4]))
    v[0].assign(tf.ones([5]))
    return v


def variable_scatter_family(tf):
    out = []
    for name in (
        "scatter_add",
        "scatter_sub",
        "scatter_update",
        "scatter_max",
        "scatter_min",
        "scatter_mul",
        "scatter_div",
        "batch_scatter_update",
    ):
        v = tf.Variable([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
        ix = [[0, 1], [1, 0], [0, 0]] if name.startswith("batch") else [0, 2]
        vals = (
            tf.constant([[10.0, 20.0], [30.0, 40.0], [50.0, 60.0]])
            if name.startswith("batch")
            else tf.constant([[2.0, 3.0], [4.0, 5.0]])
        )
        try:
            getattr(v, name)(tf.IndexedSlices(vals, tf.constant(ix)))
            out.append(v)
        except Exception as e:
            out.append(type(e).__name__)
    v = tf.Variable([1.0, 2.0, 3.0])
    v.scatter_nd_add([[0], [2]], [10.0, 20.0])
    v.scatter_nd_update([[1]], [7.0])
    v.scatter_nd_sub([[0]], [1.0])
    v.scatter_nd_max([[0]], [100.0])
    v.scatter_nd_min([[2]], [0.0])
    return out, v, v.gather_nd([[2], [0]]), v.sparse_read([1, 1])


def variable_shapes(tf):
    v = tf.Variable([1.0, 2.0], shape=tf.TensorShape(None))
    v.assign([[1.0], [2.0]])
    w = tf.Variable([[1.0]], shape=[None, 1])
    w.assign(tf.ones([3, 1]))
    out = [v, w, str(w.shape), str(v.shape)]
    try:
        w.assign(tf.ones([3, 2]))
    except Exception as e:
        out.append(type(e).__name__)
    try:
        tf.Variable([1.0]).assign([1.0, 2.0])
    except Exception as e:
        out.append(type(e).__name__)
    try:
        tf.Variable(1.0).assign("a")
    except Exception as e:
        out.append(type(e).__name__)
    return out


def variable_constructors(tf):
    out = []
    for k in (
        dict(initial_value=3),
        dict(initial_value=3, dtype=tf.float32),
        dict(initial_value=lambda: tf.ones([2])),
        dict(initial_value=[1, 2], constraint=lambda x: x),
        dict(initial_value="text"),
        dict(initial_value=None),
        dict(initial_value=np.float64([1.5])),
        dict(
            initial_value=1.0,
            aggregation=tf.VariableAggregation.MEAN,
            synchronization=tf.VariableSynchronization.ON_READ,
        ),
    ):
        try:
            v = tf.Variable(**k)
            out += [v, v.name, v.dtype.name]
        except Exception as e:
            out.append(type(e).__name__)
    return out


def variable_repr(tf):
    v = tf.Variable([[1.0, 2.0]], name="abc")
    return repr(v), str(v), v.handle.dtype.name, v.shape.as_list()


def tensor_repr(tf):
    return (
        repr(tf.constant([1, 2])),
        str(tf.constant(1.5)),
        repr(tf.constant("a")),
        str(tf.constant(["x", "yz"])),
        repr(tf.ragged.constant([[1], [2, 3]])),
        repr(tf.sparse.from_dense([1, 0])),
        repr(tf.constant(True)),
        f"{tf.constant(1.25):.1f}",
        format(tf.constant([1]), ""),
        repr(tf.zeros([0, 2])),
        repr(tf.TensorShape([None, 2])),
        repr(tf.TensorSpec([None], name="q")),
        repr(tf.constant(1, tf.bfloat16)),
        repr(tf.float32),
        str(tf.int8),
    )


def tensor_magic(tf):
    x = tf.constant([3, 4])
    out = [
        len(x),
        bool(tf.constant(1)),
        int(tf.constant(3)),
        float(tf.constant(2)),
        [int(e) for e in x],
        3 in list(x.numpy()),
        x.ndim,
        round(float(tf.constant(2.6))),
        np.asarray(x).tolist(),
        list(range(tf.constant(2))),
        [1, 2, 3][tf.constant(1)],
        divmod(7, 2),
    ]
    for f in (
        lambda: len(tf.constant(1)),
        lambda: bool(tf.constant([1, 2])),
        lambda: hash(x),
        lambda: {x: 1},
        lambda: iter(tf.constant(1)).__next__(),
        lambda: x.foo,
        lambda: setattr(x, "shape", 1),
        lambda: x["a"],
        lambda: x[5],
        lambda: x[0.5],
        lambda: int(x),
    ):
        try:
            f()
            out.append("ok")
        except Exception as e:
            out.append(type(e).__name__)
    return out


def tensor_equality(tf):
    a, b = tf.constant([1, 2]), tf.constant([1, 3])
    v = tf.Variable([1, 2])
    return (
        a == b,
        a != b,
        a == [1, 2],
        a == None,
        a == "x",
        (v == a),
        a.ref() == a.ref(),
        a.ref() in {a.ref(): 1},
        a.ref().deref() is a,
    )


def tensor_methods(tf):
    x = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    return (
        x.shape.rank,
        x.get_shape().as_list(),
        x.dtype.name,
        x.device.split("/")[-1],
        (x.set_shape([2, None]), 0)[1],
        x.numpy().flags.writeable,
        x.__array__().dtype.name,
        np.array(x, dtype=np.int32),
        x.backing_device.split("/")[-1],
    )


def tensor_set_shape_wrong(tf):
    tf.constant([1, 2]).set_shape([3])


def dlpack_round_trip(tf):
    x = tf.constant([[1.0, 2.0]])
    return tf.experimental.dlpack.from_dlpack(tf.experimental.dlpack.to_dlpack(x))


def module_tracking(tf):
    class Sub(tf.Module):
        def __init__(self, name=None):
            super().__init__(name=name)
            self.b = tf.Variable(2.0, name="b", trainable=False)

        @tf.Module.with_name_scope
        def __call__(self, x):
            if not hasattr(self, "w"):
                self.w = tf.Variable(1.0, name="w")
            return x * self.w

    class M(tf.Module):
        def __init__(self):
            super().__init__(name="my_m")
            self.subs = [Sub(), Sub("named")]
            self.d = {"x": tf.Variable(5.0, name="x"), "s": (Sub("t"),)}
            self._private = tf.Variable(1.0, name="priv")

        @tf.Module.with_name_scope
        def __call__(self, x):
            for s in self.subs:
                x = s(x)
            return x

    m = M()
    m(tf.constant(1.0))
    return (
        [v.name for v in m.variables],
        [v.name for v in m.trainable_variables],
        [s.name for s in m.submodules],
        m.name,
        m.name_scope.name,
        [v.name for v in m.non_trainable_variables],
    )


def module_names(tf):
    class CamelCaseHTTPModule(tf.Module):
        pass

    out = [CamelCaseHTTPModule().name]
    try:
        tf.Module(name="bad name")
    except Exception as e:
        out.append(type(e).__name__)
    return out


def module_flatten(tf):
    class M(tf.Module):
        def __init__(self):
            super().__init__()
            self.a = {"k": [tf.Variable(1.0), tf.Variable(2)]}
            self.z = self.a["k"][0]

    m = M()
    return [p for p, _ in m._flatten(predicate=lambda x: isinstance(x, tf.Variable), with_path=True)], len(
        m.variables
    )


def extension_type_basics(tf):
    class Masked(tf.experimental.ExtensionType):
        values: tf.Tensor
        mask: tf.Tensor
        name: str = "x"

        def count(self):
            return tf.reduce_sum(tf.cast(self.mask, tf.int32))

        def __validate__(self):
            self.values.shape.assert_is_compatible_with(self.mask.shape)

    m = Masked([1, 2, 3], [True, False, True])
    out = [m.count(), m.values, m.name, m == Masked([1, 2, 3], [True, False, True])]
    for f in (
        lambda: Masked([1, 2], [True]),
        lambda: setattr(m, "values", 1),
        lambda: Masked(1),
        lambda: Masked([1], [True], name=3),
        lambda: Masked("a", 5, q=2),
    ):
        try:
            f()
            out.append("ok")
        except Exception as e:
            out.append(type(e).__name__)

    @tf.function
    def f(m):
        return Masked(m.values * 2, m.mask, m.name + "!")

    r = f(m)
    spec = Masked.Spec(tf.TensorSpec([None], tf.int32), tf.TensorSpec([None], tf.bool), "x")
    return (
        out,
        r.values,
        r.name,
        f.experimental_get_tracing_count(),
        spec.is_compatible_with(m),
        tf.type_spec_from_value(m).values,
    )


def extension_type_in_loops_and_data(tf):
    class P(tf.experimental.BatchableExtensionType):
        x: tf.Tensor
        y: tf.Tensor

    p = P(tf.constant([1.0, 2.0, 3.0]), tf.constant([[1.0], [2.0], [3.0]]))
    d = tf.data.Dataset.from_tensor_slices(p).batch(2)
    first = next(iter(d))
    m = tf.map_fn(lambda q: P(q.x * 2, q.y), p)

    @tf.function
    def f(p, n):
        for _ in tf.range(n):
            p = P(p.x + 1.0, p.y * 2.0)
        return tf.cond(n > 1, lambda: p, lambda: P(p.x, p.y))

    r = f(p, tf.constant(2))
    return first.x, first.y, m.x, r.x, r.y


def extension_type_nested_and_variables(tf):
    import typing

    class A(tf.experimental.ExtensionType):
        t: typing.Union[tf.Tensor, tf.RaggedTensor]
        opt: typing.Optional[tf.Tensor]
        tup: typing.Tuple[tf.Tensor, ...]
        m: typing.Mapping[str, tf.Tensor]
        shape: tf.TensorShape = tf.TensorShape([1])
        dt: tf.DType = tf.float32

    a = A(tf.ragged.constant([[1], [2, 3]]), None, (1, 2.0), {"k": 5})
    return a.t, repr(a.opt), a.tup, a.m["k"], a.shape.as_list(), tf.nest.flatten(a, expand_composites=True)


def extension_dispatch(tf):
    class Length(tf.experimental.ExtensionType):
        v: tf.Tensor

    @tf.experimental.dispatch_for_unary_elementwise_apis(Length)
    def unary(api, x):
        return Length(api(x.v))

    @tf.experimental.dispatch_for_binary_elementwise_apis(Length, Length)
    def binary(api, x, y):
        return Length(api(x.v, y.v))

    @tf.experimental.dispatch_for_api(tf.stack, {"values": __import__("typing").List[Length]})
    def stack(values, axis=0):
        return Length(tf.stack([q.v for q in values], axis))

    a = Length([1.0, 4.0])
    out = tf.sqrt(a).v, tf.add(a, a).v, tf.stack([a, a]).v, (tf.maximum(a, a)).v
    tf.experimental.unregister_dispatch_for(unary)
    tf.experimental.unregister_dispatch_for(binary)
    tf.experimental.unregister_dispatch_for(stack)
    try:
        tf.sqrt(a)
        r = "ok"
    except Exception as e:
        r = type(e).__name__
    return out, r


def nest_functions(tf):
    import collections

    N = collections.namedtuple("N", "b a")
    s = {"z": [1, (2, 3)], "a": N(4, 5), "m": None}
    flat = tf.nest.flatten(s)
    out = [
        flat,
        tf.nest.map_structure(lambda x: x, s)["a"].a,
        repr(tf.nest.pack_sequence_as(s, list(range(6)))),
        tf.nest.is_nested(s),
        tf.nest.is_nested(1),
        tf.nest.is_nested("ab"),
        tf.nest.is_nested(np.ones(2)),
    ]
    for f in (
        lambda: tf.nest.assert_same_structure([1], (1,)),
        lambda: tf.nest.assert_same_structure([1], (1,), check_types=False),
        lambda: tf.nest.pack_sequence_as([1, 2], [1]),
        lambda: tf.nest.map_structure(lambda a, b: a, [1], [1, 2]),
        lambda: tf.nest.map_structure(1, [1]),
        lambda: tf.nest.flatten({1: 2, "a": 3}),
        lambda: tf.nest.assert_same_structure(
            tf.ragged.constant([[1]]), tf.constant(1), expand_composites=True
        ),
    ):
        try:
            f()
            out.append("ok")
        except Exception as e:
            out.append(type(e).__name__)
    od = collections.OrderedDict([("b", 1), ("a", 2)])
    out += [
        tf.nest.flatten(od),
        list(tf.nest.map_structure(lambda x: x + 1, od)),
        type(tf.nest.map_structure(lambda x: x, collections.defaultdict(list, {"a": 1}))).__name__,
        tf.nest.flatten(tf.ragged.constant([[1], [2]]), expand_composites=True),
    ]
    return out


def nest_attrs_dataclass(tf):
    import dataclasses

    @dataclasses.dataclass
    class D:
        a: int

        def __tf_flatten__(self):
            return (), (self.a,)

        @classmethod
        def __tf_unflatten__(cls, meta, comps):
            return cls(*comps)

    return tf.nest.flatten(D(3)), tf.nest.map_structure(lambda x: x + 1, D(3)).a


def type_specs(tf):
    a = tf.TensorSpec([None, 2], tf.float32)
    out = [
        a.is_compatible_with(tf.ones([3, 2])),
        a.is_compatible_with(tf.ones([3, 3])),
        a.is_subtype_of(tf.TensorSpec(None, tf.float32)) if hasattr(a, "is_subtype_of") else True,
        repr(a.most_specific_compatible_type(tf.TensorSpec([2, 2], tf.float32))),
        a == tf.TensorSpec([None, 2], tf.float32),
        hash(a) == hash(tf.TensorSpec([None, 2], tf.float32)),
        repr(tf.type_spec_from_value(tf.constant(1))),
        repr(tf.TensorSpec.from_tensor(tf.constant([1]), name="k")),
        repr(tf.type_spec_from_value(tf.ragged.constant([[1], [2, 3]]))),
        repr(tf.type_spec_from_value(tf.sparse.from_dense([1]))),
        repr(tf.RaggedTensorSpec([None, None], tf.int32, 1)),
        repr(tf.SparseTensorSpec([None, 3])),
        repr(tf.type_spec_from_value(tf.Variable(1.0))),
        repr(tf.type_spec_from_value(tf.data.Dataset.range(2))),
        repr(tf.TensorArraySpec([2], tf.int32)),
        repr(tf.OptionalSpec(tf.TensorSpec([], tf.int32))),
        repr(tf.IndexedSlicesSpec([None, 2])),
        repr(tf.experimental.Optional.from_value(1).element_spec),
    ]
    return out


def tensor_shapes(tf):
    a, b = tf.TensorShape([None, 2]), tf.TensorShape([3, None])
    out = [
        repr(a.merge_with(b)),
        a.is_compatible_with(b),
        a.is_fully_defined(),
        a.rank,
        repr(a.concatenate([4])),
        repr(a[1:]),
        a[0],
        a.as_list(),
        a == b,
        a == [None, 2],
        repr(a + [1]),
        repr(tf.TensorShape(None).rank),
        a.num_elements(),
        tf.TensorShape([2, 3]).num_elements(),
        repr(tf.TensorShape(5)),
        repr(a.with_rank(2)),
        repr(a.most_specific_compatible_shape(tf.TensorShape([1, 2]))),
        repr(tf.TensorShape([1]).is_subtype_of(tf.TensorShape([None]))),
        str(a),
        list(tf.TensorShape([1, 2])),
        tuple(tf.TensorShape([1])),
        bool(tf.TensorShape([])),
        bool(tf.TensorShape(None)),
        len(a),
    ]
    for f in (
        lambda: a.merge_with([5, 3]),
        lambda: a.with_rank(3),
        lambda: tf.TensorShape([-2]),
        lambda: a.assert_is_compatible_with([1, 3]),
        lambda: tf.TensorShape("a"),
        lambda: len(tf.TensorShape(None)),
        lambda: a.assert_is_fully_defined(),
        lambda: tf.TensorShape(None).as_list(),
        lambda: tf.TensorShape([1.5]),
        lambda: a.with_rank_at_least(3),
        lambda: tf.TensorShape(None)[0],
        lambda: a[5],
    ):
        try:
            out.append(repr(f()))
        except Exception as e:
            out.append(type(e).__name__)
    return out


def dtypes(tf):
    out = [
        tf.as_dtype("float32") is tf.float32,
        tf.as_dtype(np.int8).name,
        tf.as_dtype(float).name,
        tf.as_dtype(int).name,
        tf.as_dtype(bool).name,
        tf.as_dtype(str).name,
        tf.float16.min,
        tf.int8.max,
        tf.bfloat16.is_floating,
        tf.qint8.is_quantized,
        tf.float32.size,
        tf.complex64.real_dtype.name,
        tf.float32.as_numpy_dtype.__name__,
        tf.float32 == "float32",
        tf.float32 == np.float32,
        tf.float32.as_datatype_enum,
        tf.string.size,
        tf.bool.is_bool,
        tf.uint8.limits,
        tf.int32.is_compatible_with(tf.int32),
        tf.float8_e5m2.name,
        repr(tf.resource),
        tf.as_dtype(1).name,
    ]
    for f in (
        lambda: tf.as_dtype("foo"),
        lambda: tf.as_dtype(object()),
        lambda: tf.string.min,
        lambda: tf.as_dtype(None),
    ):
        try:
            out.append(repr(f()))
        except Exception as e:
            out.append(type(e).__name__)
    return out


def error_classes(tf):
    out = []
    for f in (
        lambda: tf.matmul(tf.ones([2, 3]), tf.ones([2, 3])),
        lambda: tf.ones([2]) + tf.ones([3]),
        lambda: tf.ones(2) + tf.ones(2, tf.int32),
        lambda: tf.reshape(tf.ones([4]), [3]),
        lambda: tf.constant([1])[3],
        lambda: tf.io.read_file("/nonexistent"),
        lambda: tf.linalg.cholesky([[-1.0]]),
        lambda: tf.linalg.inv([[0.0]]),
        lambda: tf.concat([tf.ones([1, 2]), tf.ones([1, 3])], 0),
        lambda: tf.stack([tf.ones(1), tf.ones(2)]),
        lambda: tf.split(tf.ones(5), 2),
        lambda: tf.cast("a", tf.int32),
        lambda: tf.strings.to_number("x"),
        lambda: tf.io.decode_png("garbage"),
        lambda: tf.one_hot(1, -1),
        lambda: tf.range(0, 5, 0),
        lambda: tf.nn.conv2d(tf.ones([1, 2, 2, 3]), tf.ones([1, 1, 2, 2]), 1, "SAME"),
        lambda: tf.nn.conv2d(tf.ones([1, 2, 2, 3]), tf.ones([1, 1, 3, 2]), 1, "FOO"),
        lambda: tf.random.uniform([2], 5, 5, tf.int32),
        lambda: tf.transpose(tf.ones([2, 3]), [0, 0]),
        lambda: tf.squeeze(tf.ones([2]), 0),
        lambda: tf.expand_dims(tf.ones([2]), 5),
        lambda: tf.einsum("ij,jk", tf.ones([2, 3]), tf.ones([4, 2])),
        lambda: tf.tile(tf.ones([2]), [1, 2]),
        lambda: tf.gather(tf.ones([2]), [5]),
        lambda: tf.argmax(tf.ones([2]), 3),
        lambda: tf.reduce_sum(tf.ones([2]), 4),
        lambda: tf.pad(tf.ones([2]), [[1]]),
        lambda: tf.image.resize(tf.ones([2, 2]), [1, 1]),
        lambda: tf.raw_ops.Add(x=1.0),
        lambda: tf.raw_ops.Add(1, 2),
        lambda: tf.convert_to_tensor(object()),
        lambda: tf.constant([[1], [2, 3]]),
        lambda: tf.constant(2**70),
        lambda: tf.zeros([-1]),
        lambda: tf.fill([2], [1, 2]),
        lambda: tf.sparse.reorder(1),
        lambda: tf.ragged.constant([[1], 2]),
        lambda: tf.boolean_mask([1, 2], [True]),
        lambda: tf.unstack(tf.ones([2]), 3),
        lambda: tf.debugging.assert_equal(tf.ones(2), tf.zeros(2)),
        lambda: tf.Variable(tf.ones([2])).assign(tf.ones([3])),
    ):
        try:
            f()
            out.append("ok")
        except Exception as e:
            out.append(type(e).__name__)
    return [f"{i}:{o}" for i, o in enumerate(out)]


def error_attributes(tf):
    try:
        tf.gather(tf.ones([2]), [5])
    except tf.errors.OpError as e:
        return (
            e.error_code,
            e.op is None,
            e.node_def is None,
            isinstance(e, tf.errors.InvalidArgumentError),
            len(e.message) > 5,
            isinstance(e.experimental_payloads, dict),
        )


def eras(tf):
    return [
        hasattr(tf, n)
        for n in (
            "Session",
            "placeholder",
            "get_default_graph",
            "contrib",
            "layers",
            "app",
            "flags",
            "logging",
            "global_variables_initializer",
            "Graph",
            "gradients",
            "set_random_seed",
            "ConfigProto",
            "train",
            "compat",
            "function",
            "enable_eager_execution",
            "enable_v2_behavior",
            "get_variable",
            "variable_scope",
            "log",
            "to_float",
            "mul",
            "optimizers",
            "sparse_tensor_to_dense",
            "random_uniform",
            "reset_default_graph",
            "VERSION",
            "__version__",
            "InteractiveSession",
            "AUTO_REUSE",
            "estimator",
            "keras",
            "summary",
        )
    ]


def era_versions(tf):
    return (
        tf.__version__.startswith("2.21"),
        tf.version.VERSION.startswith("2.21"),
        tf.compat.v1.VERSION.startswith("2"),
        tf.executing_eagerly(),
        tf.version.COMPILER_VERSION != "",
        hasattr(tf.train, "AdamOptimizer"),
        hasattr(tf.train, "Checkpoint"),
        hasattr(tf.nn, "rnn_cell"),
        hasattr(tf.summary, "FileWriter"),
        hasattr(tf.losses, "sparse_softmax_cross_entropy"),
        hasattr(tf.io, "gfile"),
        hasattr(tf.random, "set_random_seed"),
        hasattr(tf.math, "log"),
    )
