"""Native products and attention give what XLA's own kernels give, on shapes of every kind."""

from unittest import mock

import hypothesis.strategies as st
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings

import penstock as tf
from penstock.engine import native
from penstock.engine.xla import jax, jit, jnp
from penstock.ops.linalg import native_products
from penstock.ops.linalg.einsum import _einsum_xla
from penstock.ops.linalg.matmul import _batch_mat_mul, _mat_mul
from penstock.runtime import fusion

pytestmark = pytest.mark.skipif(
    native.library() is None, reason="the native kernels could not be compiled here"
)

TOLERANCE = {np.dtype(np.float32): 1e-4, np.dtype(ml_dtypes.bfloat16): 0.05}


@pytest.fixture(autouse=True)
def any_size(monkeypatch):
    """Small arrays go to the kernels too, and not to NumPy."""
    monkeypatch.setattr(native_products, "LEAST_WORK", 0)
    monkeypatch.setattr(native_products, "_LEAST_WORK_ACROSS", 0)
    monkeypatch.setattr(native_products, "_LEAST_MATRIX", 0)
    monkeypatch.setattr("penstock.runtime.executor._NUMPY_CALL", 1e6)


def random_array(shape, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def both(function, *arrays):
    """The results of a program with the kernels, those without, and which kernels the first one called."""
    with mock.patch.object(native, "call", wraps=native.call) as call:
        ours = [np.asarray(each) for each in jit(lambda *each: function(*each))(*arrays)]
    called = [each.args[0] for each in call.call_args_list]
    with mock.patch.object(native, "takes", lambda *_, **__: False):
        theirs = [np.asarray(each) for each in jit(lambda *each: function(*each))(*arrays)]
    return ours, theirs, called


def assert_same(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        assert a.dtype == b.dtype
        limit = TOLERANCE[a.dtype] * (1 + np.abs(b.astype("f")).max(initial=0))
        np.testing.assert_allclose(a.astype("f"), b.astype("f"), rtol=TOLERANCE[a.dtype], atol=limit)


EQUATIONS = [
    *("mk,kn->mn", "km,kn->mn", "mk,nk->mn", "km,nk->nm", "abc,ce->abe", "abe,ce->abc", "abe,abc->ce"),
    *("btnh,bsnh->bnts", "bnts,bsnh->btnh", "btnh,bnts->bsnh", "bmk,bkn->bmn", "bmk,bkn->nbm", "amk,kna->man"),
]  # fmt: skip
SIZES = st.sampled_from([0, 1, 2, 3, 5, 17, 33])
DTYPES = st.sampled_from(sorted(TOLERANCE, key=str))


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(EQUATIONS), st.lists(SIZES, min_size=6, max_size=6), DTYPES)
def test_einsum(equation, sizes, dtype):
    operands = equation.partition("->")[0].split(",")
    size_of = dict(zip(dict.fromkeys("".join(operands)), sizes))
    shapes = [[size_of[x] for x in each] for each in operands]
    arrays = [random_array(shape, dtype, seed) for seed, shape in enumerate(shapes)]
    ours, theirs, _ = both(lambda *each: [_einsum_xla(list(each), equation=equation)], *arrays)
    assert_same(ours, theirs)


# Small ones, with an odd number of columns or more than two panels of 16; and such as oneDNN does.
@pytest.mark.parametrize("rows, summed, columns", [(128, 32, 10), (7, 5, 37), (80, 90, 81), (513, 70, 19)])
@pytest.mark.parametrize("equation", ["mk,kn->mn", "km,kn->mn", "mk,nk->mn", "km,nk->mn", "km,kn->nm"])
def test_products_of_all_sizes(equation, rows, summed, columns):
    size_of = {"m": rows, "k": summed, "n": columns}
    operands = equation.partition("->")[0].split(",")
    arrays = [random_array([size_of[x] for x in each], seed=seed) for seed, each in enumerate(operands)]
    ours, theirs, called = both(lambda *each: [_einsum_xla(list(each), equation=equation)], *arrays)
    assert called == ["product"]
    assert_same(ours, theirs)


@pytest.mark.parametrize(
    "transpose_a, summed, called", [(True, 32, ["product"]), (True, 2, []), (False, 32, [])]
)
def test_small_products_are_xlas_but_for_sums_down_columns(monkeypatch, transpose_a, summed, called):
    monkeypatch.undo()
    a = random_array((summed, 128) if transpose_a else (128, summed))
    multiply = lambda a, b: [_mat_mul(jnp, a, b, transpose_a=transpose_a, transpose_b=False)]
    assert both(multiply, a, random_array((summed, 10)))[2] == called


@settings(max_examples=30, deadline=None)
@given(
    st.booleans(), st.booleans(), st.sampled_from([0, 1, 2]), st.lists(SIZES, min_size=4, max_size=4), DTYPES
)
def test_products_of_matrices(adj_x, adj_y, batch_of_y, sizes, dtype):
    b, m, k, n = sizes
    batch = (2, b)
    x = random_array((*batch, *((k, m) if adj_x else (m, k))), dtype)
    y = random_array((*batch[2 - batch_of_y :], *((n, k) if adj_y else (k, n))), dtype, 1)
    attrs = {"adj_x": adj_x, "adj_y": adj_y, "grad_x": False, "grad_y": False}
    ours, theirs, _ = both(lambda x, y: [_batch_mat_mul(jnp, x, y, **attrs)], x, y)
    assert_same(ours, theirs)


@pytest.mark.parametrize("equation", EQUATIONS)
def test_which_products_the_kernel_takes(equation):
    operands = equation.partition("->")[0].split(",")
    size_of = dict(zip(dict.fromkeys("".join(operands)), range(2, 8)))
    arrays = [random_array([size_of[x] for x in each]) for each in operands]
    ours, theirs, called = both(lambda *each: [_einsum_xla(list(each), equation=equation)], *arrays)
    assert called == ([] if equation == "amk,kna->man" else ["product"])
    assert_same(ours, theirs)


def test_a_vectorized_product_is_left_to_xla():
    x, y = random_array((3, 4, 5)), random_array((5, 6))
    ours, theirs, _ = both(
        lambda x, y: [jax.vmap(lambda x: _mat_mul(jnp, x, y, transpose_a=False, transpose_b=False))(x)], x, y
    )
    assert_same(ours, theirs)


def attend(q, k, v):
    """As Keras writes it."""
    scores = tf.einsum("BTNH,BSNH->BNTS", q, k) * 0.3
    return tf.einsum("BNTS,BSNH->BTNH", tf.nn.softmax(scores), v)


def attend_and_gradients(q, k, v, dy):
    with tf.GradientTape() as tape:
        tape.watch([q, k, v])
        y = attend(q, k, v)
    return [y, *tape.gradient(y, [q, k, v], dy)]


@pytest.mark.parametrize(
    "batch, queries, keys, heads, width",
    [(2, 5, 7, 3, 4), (1, 1, 1, 1, 1), (2, 130, 33, 2, 17), (1, 3, 17000, 1, 8), (0, 3, 3, 1, 2), (1, 2, 3, 1, 0)],
)  # fmt: skip
def test_attention(batch, queries, keys, heads, width):
    def array(count, seed):
        return tf.constant(random_array((batch, count, heads, width), seed=seed))

    arguments = array(queries, 0), array(keys, 1), array(keys, 2), array(queries, 3)
    with mock.patch.object(native, "call", wraps=native.call) as call:
        ours = tf.function(attend_and_gradients)(*arguments)
    called = [each.args[0] for each in call.call_args_list]
    assert ("attention" in called and "attention_gradient" in called) == (batch * width > 0)
    with mock.patch.object(native, "takes", lambda *_, **__: False):
        theirs = tf.function(attend_and_gradients)(*arguments)
    assert_same([each.numpy() for each in ours], [each.numpy() for each in theirs])


def test_attention_whose_weights_are_a_result_is_left_alone():
    def weights_too(q, k, v):
        weights = tf.nn.softmax(tf.einsum("BTNH,BSNH->BNTS", q, k) * 0.3)
        return weights, tf.einsum("BNTS,BSNH->BTNH", weights, v)

    arguments = [tf.constant(random_array((2, 5, 3, 4), seed=seed)) for seed in range(3)]
    graph = tf.function(weights_too).get_concrete_function(*arguments).graph
    assert not fusion.find(graph.get_operations(), graph.outputs)


@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize("transpose_b", [False, True])
@pytest.mark.parametrize(
    ("m", "k", "n"), [(1, 7, 5), (1, 100, 33), (5, 7, 1), (33, 100, 1), (1, 3000, 1000), (3000, 1000, 1)]
)
def test_products_with_one_row_or_column(m, k, n, transpose_a, transpose_b):
    a = random_array((k, m) if transpose_a else (m, k))
    b = random_array((n, k) if transpose_b else (k, n), seed=1)
    ours, theirs, called = both(
        lambda a, b: [_mat_mul(jnp, a, b, transpose_a=transpose_a, transpose_b=transpose_b)], a, b
    )
    assert called == ["vector_product"]
    assert_same(ours, theirs)


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("transpose_b", [False, True])
@pytest.mark.parametrize("inputs, outputs", [(1, 1), (7, 5), (33, 16), (700, 300)])
def test_layers_of_one_example(inputs, outputs, transpose_b, relu):
    def layer(x, w, bias):
        y = tf.nn.bias_add(tf.matmul(x, w, transpose_b=transpose_b), bias)
        return [tf.nn.relu(y) if relu else y]

    shape = (outputs, inputs) if transpose_b else (inputs, outputs)
    arrays = random_array((1, inputs)), random_array(shape, seed=1), random_array(outputs, seed=2)
    with mock.patch.object(native, "call", wraps=native.call) as call:
        ours = tf.function(layer)(*arrays)
    assert call.call_args.args[0] == "vector_product" and call.call_args.kwargs["relu"] == relu
    assert_same([each.numpy() for each in ours], [each.numpy() for each in layer(*map(tf.constant, arrays))])


def test_vectorized_products_with_one_row_are_by_xla():
    a, b = random_array((4, 1, 9)), random_array((9, 6), seed=1)
    found = jax.vmap(lambda a: _mat_mul(jnp, a, b, transpose_a=False, transpose_b=False))(a)
    np.testing.assert_allclose(found, a @ b, rtol=1e-5, atol=1e-5)
