"""Serialized programs of JAX run as ops."""

import numpy as np
import pytest

import penstock as tf
from penstock.engine.xla import jax, jnp
from penstock.standin.xla_ops import call_module


def exported(function, *specs):
    return jax.export.export(jax.jit(function))(*specs)


def call(module, args, shapes):
    return call_module(
        args,
        version=module.calling_convention_version,
        module=module.mlir_module_serialized,
        Tout=[tf.float32] * len(shapes),
        Sout=shapes,
        platforms=[each.upper() for each in module.platforms],
    )


def test_a_program_of_known_shapes():
    module = exported(lambda x, y: (x + y, x * 2), *[jax.ShapeDtypeStruct((2,), jnp.float32)] * 2)
    total, double = call(module, [tf.constant([1.0, 2.0]), tf.constant([3.0, 4.0])], [[2], [2]])
    assert total.numpy().tolist() == [4.0, 6.0]
    assert double.numpy().tolist() == [2.0, 4.0]


@pytest.mark.parametrize("rows", [1, 5])
@pytest.mark.parametrize("traced", [False, True])
def test_a_program_that_leaves_the_batch_size_open(rows, traced):
    (n,) = jax.export.symbolic_shape("n")
    module = exported(lambda x: jnp.tanh(x).sum(1, keepdims=True), jax.ShapeDtypeStruct((n, 3), jnp.float32))
    x = np.ones((rows, 3), np.float32)
    run = lambda x: call(module, [x], [[None, 1]])[0]
    result = (tf.function(run) if traced else run)(tf.constant(x))
    np.testing.assert_allclose(result, np.tanh(x).sum(1, keepdims=True), rtol=1e-6)


def test_open_dimensions_of_several_sizes_are_refused():
    a, b = jax.export.symbolic_shape("a, b")
    specs = [jax.ShapeDtypeStruct((each,), jnp.float32) for each in (a, b)]
    module = exported(lambda x, y: x.sum() + y.sum(), *specs)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"sizes \[2, 3\]"):
        call(module, [tf.ones([2]), tf.ones([3])], [[]])
