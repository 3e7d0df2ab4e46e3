"""`tf.experimental.numpy` gives what NumPy gives: values and dtypes, over a table of calls."""

import numpy as np
import pytest

import penstock as tf

tnp = tf.experimental.numpy

# Expressions over `xp`, which is NumPy or tf.experimental.numpy.
SAME = """
    xp.array([1, 2.5]) ; xp.array(1.5) ; xp.array([1.5, 2j]) ; xp.array([1, 2], ndmin=3) ; xp.asarray([True])
    xp.ones([2]) ; xp.zeros([2, 3], np.int8) ; xp.full([2], 3) ; xp.full_like([1.0], 2) ; xp.zeros_like([1])
    xp.eye(3) ; xp.eye(2, 3, 1) ; xp.eye(4, 2, -1) ; xp.eye(2, 2, 5) ; xp.identity(2, np.float32)
    xp.tri(2, 3) ; xp.tri(3, 3, -1) ; xp.tri(3, k=1, dtype=int) ; xp.vander([1, 2, 3]) ; xp.vander([1, 2], 3, True)
    xp.arange(5) ; xp.arange(1.0, 5.0) ; xp.arange(5, 1, -2) ; xp.arange(3, 1) ; xp.ascontiguousarray(1)
    xp.linspace(0, 1, 5) ; xp.linspace(0, 1, 4, endpoint=False) ; xp.logspace(0, 2, 3) ; xp.geomspace(1, 1000, 4)
    xp.geomspace(-1.0, -1000.0, 4) ; xp.linspace(np.array([0, 1]), np.array([2, 3]), 3, axis=1) ; xp.linspace(0, 2, 1)
    xp.add(1, 2.5) ; xp.add(True, True) ; xp.add(np.int8(1), np.uint8(2)) ; xp.subtract([3], 1)
    xp.multiply([True], [False]) ; xp.divide(1, 2) ; xp.true_divide([1, 2], 4) ; xp.floor_divide(-7, 2)
    xp.mod(-7, 3) ; xp.remainder(7.5, 2) ; xp.divmod(7, 3) ; xp.power(2, 3) ; xp.maximum([1, 5], 3)
    xp.minimum([True], [False]) ; xp.hypot(3, 4) ; xp.arctan2(1, 2) ; xp.heaviside([-1.0, 0, 2], 0.5)
    xp.logaddexp(1.0, 2.0) ; xp.logaddexp2(1.0, 2.0) ; xp.gcd(12, 18) ; xp.lcm([4, 6], [6, 9]) ; xp.gcd([0, -6], [0, 4])
    xp.nextafter(1.0, 2.0) ; xp.bitwise_and(5, 3) ; xp.bitwise_or(5, 3) ; xp.bitwise_xor([True], [True])
    xp.logical_and([1, 0], 1) ; xp.logical_or(0, 0) ; xp.logical_xor(1, 0) ; xp.logical_not([1, 0])
    xp.equal(1, 1.0) ; xp.less(True, False) ; xp.greater_equal([1, 2], 2) ; xp.not_equal([1], [2])
    xp.abs(-3) ; xp.fabs(-2.5) ; xp.negative([1]) ; xp.square(3) ; xp.reciprocal([4.0]) ; xp.sign([-1, 2]) ; xp.conj(1j)
    xp.sqrt(2) ; xp.cbrt([-8.0, 27]) ; xp.exp(1) ; xp.exp2(3) ; xp.expm1(1) ; xp.log(2) ; xp.log2(8) ; xp.log10(100)
    xp.log1p(1) ; xp.sin(1) ; xp.cos(1) ; xp.tan(1) ; xp.sinh(1) ; xp.cosh(1) ; xp.tanh(1) ; xp.arcsin(0.5)
    xp.arccos(0.5) ; xp.arctan(1) ; xp.arcsinh(1) ; xp.arccosh(2) ; xp.arctanh(0.5) ; xp.deg2rad(180) ; xp.rad2deg(2.0)
    xp.floor(2.5) ; xp.ceil(2.5) ; xp.fix([-1.5, 1.5]) ; xp.around(2.567, 2) ; xp.around(256, -1) ; xp.round([0.5, 1.5])
    xp.sinc([0.0, 0.5]) ; xp.signbit([-1.0, 1.0]) ; xp.isnan([1.0, np.nan]) ; xp.isinf(2.0) ; xp.isfinite([np.inf])
    xp.isposinf([np.inf]) ; xp.isneginf([-np.inf]) ; xp.real([1j]) ; xp.imag([2j]) ; xp.iscomplex([1 + 1j, 2])
    xp.isreal([1.0]) ; xp.iscomplexobj(1j) ; xp.isrealobj(1j) ; xp.angle([1j]) ; xp.clip([1, 5, 9], 2, 6)
    xp.clip([1, 5], None, 3) ; xp.isclose(1.0, 1 + 1e-9) ; xp.allclose([1.0], [1.1]) ; xp.positive(1)
    xp.sum([1, 2]) ; xp.sum([True, False]) ; xp.sum(np.ones([2, 3], np.int8), axis=1) ; xp.prod([2, 3])
    xp.mean([1, 2]) ; xp.mean(np.ones([2, 3], np.float32), axis=(0, 1)) ; xp.max([[1, 2]], axis=1) ; xp.amin([3, 1])
    xp.max([True, False]) ; xp.std([1, 2, 3]) ; xp.var([1, 2, 3]) ; xp.var([1.0, 2, 4], ddof=1)
    xp.var([[1.0, 2, 4]], axis=1, ddof=1, keepdims=True) ; xp.var([1j, 2], ddof=1) ; xp.ptp([1, 5, 3])
    xp.nansum([1.0, np.nan]) ; xp.nanprod([2.0, np.nan]) ; xp.nanmean([1.0, np.nan]) ; xp.all([1, 0]) ; xp.any([[0, 1]], 1)
    xp.count_nonzero([1, 0, 2]) ; xp.average([1, 2, 3]) ; xp.average([1, 2, 3], weights=[1, 1, 2])
    xp.average([[1, 2], [3, 4]], axis=1, weights=[1, 3]) ; xp.cumsum([[1, 2]], 1) ; xp.cumprod(np.array([2, 3], np.int8))
    xp.cumsum([[1, 2], [3, 4]]) ; xp.argmax([1, 3, 2]) ; xp.argmin([[3, 1]], axis=1)
    xp.reshape([1, 2, 3, 4], (2, 2)) ; xp.reshape([1, 2, 3, 4], (2, 2), order="F") ; xp.ravel([[1]])
    xp.expand_dims([1], 0) ; xp.squeeze([[1]]) ; xp.transpose([[1, 2]]) ; xp.swapaxes(np.ones([2, 3, 4]), 0, -1)
    xp.moveaxis(np.ones([2, 3, 4]), (0, 1), (-1, 0)) ; xp.stack([[1], [2.0]]) ; xp.hstack([[1], [2]]) ; xp.vstack([1, 2])
    xp.dstack([[1], [2]]) ; xp.atleast_1d(1) ; xp.atleast_2d([1]) ; xp.atleast_3d([1, 2]) ; xp.atleast_3d(1)
    xp.concatenate([[1], [2.0]]) ; xp.append([1], [2.0]) ; xp.append([[1]], [[2]], 1) ; xp.split(np.array([1, 2, 3]), 3)
    xp.split([1, 2, 3, 4], [1, 3]) ; xp.hsplit(np.array([1, 2, 3, 4]), 2) ; xp.vsplit(np.array([[1], [2]]), 2)
    xp.dsplit(np.array([[[1, 2]]]), 2)
    xp.pad([1, 2], [[1, 2]], "constant") ; xp.pad([1, 2, 3], [[1, 1]], "reflect") ; xp.repeat([1, 2], 2)
    xp.repeat([[1, 2]], [1, 2], axis=1) ; xp.tile([1, 2], (2, 2)) ; xp.tile([[1], [2]], 2) ; xp.flip([[1, 2], [3, 4]])
    xp.flipud([[1], [2]]) ; xp.fliplr([[1, 2]]) ; xp.roll([1, 2, 3], 1) ; xp.roll([[1, 2]], 1, 1) ; xp.rot90([[1, 2], [3, 4]])
    xp.rot90([[1, 2], [3, 4]], 2) ; xp.rot90([[1, 2], [3, 4]], -1) ; xp.diff([1, 4, 9]) ; xp.diff([[1, 4]], axis=1)
    xp.diff([True, False]) ; xp.sort([3, 1, 2]) ; xp.sort([[2, 1]], axis=None) ; xp.argsort([3, 1, 2])
    xp.tril([[1, 2], [3, 4]]) ; xp.triu([[1, 2], [3, 4]], 1) ; xp.broadcast_to([1, 2], (2, 2)) ; xp.meshgrid([1, 2], [3, 4])
    xp.where([True, False], 1, 2.0) ; xp.nonzero([[3, 0], [0, 1]]) ; xp.select([[True, False]], [[1, 2]], 9)
    xp.take_along_axis(np.array([[1, 2], [3, 4]]), np.array([[1], [0]]), 1) ; xp.take([1, 2, 3], [0, 2]) ; xp.copy([1])
    xp.take_along_axis(np.arange(6).reshape(2, 3), np.array([[-1, 0, 0]]), 0) ; xp.compress([True, False], [1, 2])
    xp.compress([True], [[1, 2], [3, 4]], axis=1) ; xp.diag([1, 2], 1) ; xp.diag([[1, 2], [3, 4]]) ; xp.diagflat([[1, 2]])
    xp.diagonal([[1, 2], [3, 4]], 1) ; xp.diagonal(np.arange(8).reshape(2, 2, 2), 0, 0, 2) ; xp.trace([[1, 2], [3, 4]])
    xp.trace([[1, 2], [3, 4]], 1) ; xp.diag([1], -2) ; xp.diagonal([[1, 2]], 7)
    xp.dot([1, 2], [3, 4]) ; xp.dot([[1, 2]], [[3], [4]]) ; xp.dot(2, [1.5]) ; xp.inner([1, 2], [3, 4.0])
    xp.matmul([1, 2], [[3], [4]])
    xp.matmul([[1, 2]], [3, 4]) ; xp.tensordot([[1, 2]], [[3], [4]], 1) ; xp.outer([1, 2], [3, 4]) ; xp.vdot([1j], [2])
    xp.kron([1, 2], [[1, 2], [3, 4]]) ; xp.cross([1, 2, 3], [4, 5, 6]) ; xp.cross([[1, 2, 3]], [[4, 5, 6]], axis=1)
    xp.einsum("i,i->", [1, 2], [3, 4.0]) ; xp.polyval([1, 2], [3, 4]) ; xp.polyval([5], [1, 2]) ; xp.array_equal([1], [1, 2])
    xp.ndim([[1]]) ; xp.size([[1, 2]]) ; xp.promote_types(np.int32, np.float32) ; xp.finfo(np.float32).eps
    xp.iinfo(np.int8).max ; xp.issubdtype(np.float32, np.inexact) ; xp.pi ; xp.e ; xp.inf ; xp.result_type(1, 2.0)
    xp.result_type(np.float32, 1.5) ; xp.result_type(np.int8, np.uint8)
"""


def _expressions():
    return [each.strip() for line in SAME.splitlines() for each in line.split(" ; ") if each.strip()]


def _flat(result):
    return list(result) if isinstance(result, (list, tuple)) else [result]


@pytest.mark.parametrize("expression", _expressions())
def test_value_and_dtype_are_those_of_numpy(expression):
    wanted, got = (_flat(eval(expression, {"xp": xp, "np": np})) for xp in (np, tnp))
    assert len(got) == len(wanted)
    for ours, theirs in zip(got, wanted, strict=True):
        if (
            isinstance(theirs, (np.dtype, type))
            or not np.isscalar(theirs)
            and not isinstance(theirs, np.ndarray)
        ):
            assert ours == theirs
            continue
        np.testing.assert_allclose(np.asarray(ours), theirs, rtol=1e-6, atol=1e-12)
        if isinstance(ours, tf.Tensor):
            assert ours.dtype == np.asarray(theirs).dtype


# What TensorFlow does otherwise than NumPy.
OTHER = [
    ("tnp.angle([-1.0, 1.0])", "float32", [np.pi, 0]),
    ("tnp.true_divide(tf.constant(1, tf.int8), tf.constant(2, tf.int8))", "float32", 0.5),
    ("tnp.float_power(2, 3)", "int64", 8),
    ("tnp.take([1, 2, 3], [0, 5])", "int64", [1, 3]),
    ("tnp.take([1, 2, 3], [0, 5], mode='wrap')", "int64", [1, 3]),
    ("tnp.diag_indices(3)[0]", "int32", [0, 1, 2]),
    ("tnp.linspace(0, 10, 3, dtype=int)", "float64", [0, 5, 10]),
    ("tnp.add(tf.constant(1), tf.constant(2.0))", "float64", 3),
    ("tnp.add(tf.constant(1.0), 2.5)", "float32", 3.5),
    ("tnp.add(tf.constant(1, tf.bfloat16), 1)", "bfloat16", 2),
    ("tnp.trace(tf.constant([[1, 2], [3, 4]]))", "int32", 5),
    ("tnp.cross([1, 2], [4, 5])", "int64", -3),
]


@pytest.mark.parametrize("expression, dtype, value", OTHER)
def test_tensorflow_differs_from_numpy(expression, dtype, value):
    got = eval(expression)
    assert got.dtype.name == dtype
    np.testing.assert_allclose(got.numpy(), value, rtol=1e-6)


@pytest.mark.parametrize(
    "expression",
    [
        "tnp.clip([1], None, None)",
        "tnp.mean([1], out=[2])",
        "tnp.arange(3, step=0)",
        "tnp.gcd(1.5, 2)",
        "tnp.pad([1], [[1, 1]], 'wrap')",
        "tnp.reshape([1], [1], order='A')",
        "tnp.select([], [])",
        "tnp.where([True], 1)",
        "tnp.ix_([[1]])",
        "tnp.ix_([1.5])",
        "tnp.hsplit([1, 2, 3], 2)",
        "tnp.matmul([[1, 2]], [[3, 4]])",
        "tnp.linspace(0, 1, -1)",
        "tnp.sign(1, where=[True])",
        "tnp.einsum('i->', [1], casting='unsafe')",
        "tnp.array(1, ndmin=40)",
        "tnp.random.randint(3, dtype=tf.int8)",
    ],
)
def test_bad_arguments_raise_value_error(expression):
    with pytest.raises(ValueError):
        eval(expression)


def test_a_grid_of_indices():
    rows, columns = tnp.ix_([0, 1], [True, False])
    assert rows.shape == (2, 1)
    assert columns.numpy().tolist() == [[0]]


def test_functions_work_on_unknown_shapes():
    @tf.function(input_signature=[tf.TensorSpec([None, None])])
    def function(x):
        return (
            tnp.hstack([x, x]),
            tnp.tile(x, 2),
            tnp.mean(x, axis=-1),
            tnp.take(x, [0, 9], axis=1),
            tnp.diag(x),
        )

    results = function([[1.0, 2.0]])
    assert [result.shape.as_list() for result in results] == [[1, 4], [1, 4], [1], [1, 2], [1]]


def test_gradients_flow_through():
    x = tf.constant([0.0, 0.5])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tnp.sum(tnp.sinc(x) * tnp.where(x > 0, x, 1.0))
    assert np.isfinite(tape.gradient(y, x)).all()


def test_random_numbers_repeat_after_the_seed():
    tnp.random.seed(3)
    first = tnp.random.randn(4)
    tnp.random.seed(3)
    np.testing.assert_array_equal(first, tnp.random.randn(4))


@pytest.mark.parametrize(
    "expression, dtype, shape",
    [
        ("random.rand(2, 3)", "float64", [2, 3]),
        ("random.random(4)", "float64", [4]),
        ("random.uniform(-1, [1, 2])", "float64", [2]),
        ("random.standard_normal()", "float64", []),
        ("random.poisson(2.0, [3])", "int64", [3]),
        ("random.randint(3, size=5)", "int64", [5]),
        ("random.randint(2, 9, (1, 2), tf.int32)", "int32", [1, 2]),
    ],
)
def test_random_dtypes_and_shapes(expression, dtype, shape):
    got = eval(f"tnp.{expression}")
    assert (got.dtype.name, got.shape.as_list()) == (dtype, shape)
