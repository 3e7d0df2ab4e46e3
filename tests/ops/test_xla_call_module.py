"""Serialized programs of JAX run as ops."""

import numpy as np
import pytest

import penstock as tf
from penstock.engine.xla import jax, jnp
from penstock.standin.xla_ops import call_module


def exported(function, *specs):
    return jax.export.export(jax.jit(function))(*specs)


def call(module, args, shapes, disabled_checks=()):
    return call_module(
        args,
        version=module.calling_convention_version,
        module=module.mlir_module_serialized,
        Tout=[tf.float32] * len(shapes),
        Sout=shapes,
        platforms=[each.upper() for each in module.platforms],
        disabled_checks=list(disabled_checks),
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


@pytest.mark.parametrize("sizes", [(2, 3), (4, 1)])
@pytest.mark.parametrize("traced", [False, True])
def test_a_program_that_leaves_several_dimensions_open(sizes, traced):
    batch, n, m = jax.export.symbolic_shape("batch, n, m")
    specs = [jax.ShapeDtypeStruct((batch, each), jnp.float32) for each in (n, m)]
    module = exported(lambda x, y: (jnp.concatenate([x, y], 1), x.sum(1)), *specs)
    x, y = (np.random.default_rng(1).normal(size=(5, each)).astype(np.float32) for each in sizes)
    run = lambda x, y: call(module, [x, y], [[None, None], [None]])
    both, total = (tf.function(run) if traced else run)(tf.constant(x), tf.constant(y))
    np.testing.assert_allclose(both, np.concatenate([x, y], 1))
    np.testing.assert_allclose(total, x.sum(1), rtol=1e-6)


def test_a_program_for_several_platforms():
    n, m = jax.export.symbolic_shape("n, m")
    export = jax.export.export(jax.jit(lambda x: x.T * 2), platforms=["cpu", "cuda"])
    module = export(jax.ShapeDtypeStruct((n, m), jnp.float32))
    (result,) = call(module, [tf.constant([[1.0, 2.0, 3.0]])], [[None, None]])
    assert result.numpy().tolist() == [[2.0], [4.0], [6.0]]


def test_sizes_that_must_be_equal_and_are_not_are_refused():
    (n,) = jax.export.symbolic_shape("n")
    module = exported(lambda x, y: x + y, *[jax.ShapeDtypeStruct((n,), jnp.float32)] * 2)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"shapes \[\[2\], \[3\]\] do not fit"):
        call(module, [tf.ones([2]), tf.ones([3])], [[None]])


@pytest.mark.parametrize("checked", [True, False])
def test_a_program_compares_shapes_unless_that_is_disabled(checked):
    n, m = jax.export.symbolic_shape("n, m", constraints=["n >= 3"])
    module = exported(lambda x: x * 2, jax.ShapeDtypeStruct((n, m), jnp.float32))
    run = lambda: call(module, [tf.ones([2, 1])], [[None, None]], [] if checked else ["shape_assertions"])
    if not checked:
        assert run()[0].numpy().tolist() == [[2.0], [2.0]]
        return
    with pytest.raises(tf.errors.InvalidArgumentError, match="n >= 3"):
        run()


def test_a_program_of_another_platform_runs_only_without_that_check():
    export = jax.export.export(jax.jit(lambda x: x * 2), platforms=["tpu"])
    module = export(jax.ShapeDtypeStruct((2,), jnp.float32))
    assert call(module, [tf.ones([2])], [[2]], ["platform"])[0].numpy().tolist() == [2.0, 2.0]
    with pytest.raises(tf.errors.InvalidArgumentError, match="tpu"):
        call(module, [tf.ones([2])], [[2]])
