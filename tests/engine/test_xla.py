"""Penstock's use of JAX does not change JAX for the rest of the process."""

import numpy as np

import penstock as tf
from penstock.engine.xla import jax, jit, jnp


def test_the_callers_jax_keeps_its_defaults():
    assert tf.function(lambda x: x * 2, jit_compile=True)(tf.constant(1.0, tf.float64)).dtype == tf.float64
    assert jnp.ones(()).dtype == np.float32
    assert not jax.config.jax_enable_x64


def test_compiled_functions_have_64_bit_types():
    program = jit(lambda x, *, scale: x * scale)
    assert int(program(np.int64(1 << 40), scale=2)) == 1 << 41
    assert program(np.float64(0.1), scale=3.0).dtype == np.float64
