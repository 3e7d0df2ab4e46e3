"""Programs get the options of their operations, and XLA knows each of them."""

import numpy as np
import pytest

import penstock as tf
from penstock.engine import compiler_options as compiler_options_module
from penstock.engine.compiler_options import compiler_options
from penstock.engine.xla import jax, jit


def test_xla_knows_the_options():
    program = jit(lambda x: x + 1, compiler_options=compiler_options(["AddV2"]))
    assert program(np.float32(1)) == 2


def test_options_that_a_later_xla_does_not_know_are_left_out(monkeypatch):
    assert compiler_options_module._is_known("xla_cpu_use_fusion_emitters", False)
    assert not compiler_options_module._is_known("xla_cpu_of_another_release", False)
    monkeypatch.setattr(compiler_options_module, "_CHOSEN_WITH", (0, 0))
    monkeypatch.setattr(compiler_options_module, "_is_known", lambda name, value: False)
    assert compiler_options_module._options.__wrapped__() == {}


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="the options are for the CPU")
@pytest.mark.parametrize("kind, given", [("AddV2", True), ("PadV2", False), ("TensorScatterAdd", False)])
def test_some_operations_keep_what_xla_prefers(kind, given):
    options = compiler_options(["MatMul", kind])
    assert (options is not None) == given
    assert options is None or options["xla_cpu_parallel_codegen_split_count"] >= 1


def test_operations_of_branches_count():
    @tf.function
    def function(x):
        return tf.cond(tf.reduce_sum(x) > 0, lambda: tf.pad(x, [[0, 1]]), lambda: tf.pad(x, [[1, 0]]))

    x = tf.constant([1.0, 2.0])
    np.testing.assert_array_equal(function(x), [1, 2, 0])
    (piece,) = [
        each
        for each in function.get_concrete_function(x).graph._executor[1].steps
        if hasattr(each, "_options")
    ]
    assert piece._options is None
