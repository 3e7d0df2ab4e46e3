"""Dispatchers of failing calls. They change the namespaces of a process for good, so programs of their own run them."""

import subprocess
import sys

import pytest

PROLOGUE = """
import penstock as tf

class Symbol:
    dtype, shape = tf.float32, tf.TensorShape([3])
    def __iter__(self): raise TypeError("no elements")

class Note(tf.__internal__.dispatch.GlobalOpDispatcher):
    def handle(self, op, args, kwargs):
        if any(isinstance(each, Symbol) for each in tf.nest.flatten([args, kwargs])):
            return op, args, kwargs
        return self.NOT_SUPPORTED

for operator in tf.Tensor.OVERLOADABLE_OPERATORS:
    setattr(Symbol, operator, getattr(tf.Tensor, operator))
Note().register()
s = Symbol()
"""
CHECKS = """
assert tf.reshape(s, [3]) == (tf.reshape, (s, [3]), {})
assert tf.concat([s, s], axis=0)[0] is tf.concat
assert (s + 1)[:2] == (tf.__operators__.add, (s, 1))
assert (1 + s)[:2] == (tf.__operators__.add, (1, s))
assert (2 - s)[:2] == (tf.math.subtract, (2, s))
assert (s * 2)[0] is tf.math.multiply and (-s)[0] is tf.math.negative and (s @ s)[0] is tf.linalg.matmul
assert s[1:][:2] == (tf.__operators__.getitem, (s, slice(1, None)))
assert (s == 1)[0] is tf.__operators__.eq
eager = tf.constant([1.0, 2.0])
assert (eager + s)[0] is tf.__operators__.add
assert (eager * 2 - 1).numpy().tolist() == [1.0, 3.0]
try: tf.reshape(object(), [1])
except (TypeError, ValueError): pass
else: raise AssertionError("the error of a call that no dispatcher knows")
from penstock.standin.tf_export import get_canonical_name_for_symbol as name, get_symbol_from_name as symbol
assert [name(each) for each in (tf.add, tf.cast, tf.matmul)] == ["math.add", "cast", "linalg.matmul"]
assert name(tf.compat.v1.shape, add_prefix_to_v1_names=True) == "compat.v1.shape"
assert symbol("math.add") is tf.add and symbol("no.such.name") is None
"""


def test_global_dispatchers_take_over_functions_and_operators():
    subprocess.run([sys.executable, "-c", PROLOGUE + CHECKS], check=True)


def test_class_methods_and_functions_of_a_library_ask_their_dispatchers():
    import penstock as tf

    class Words(tf.__internal__.dispatch.OpDispatcher):
        def handle(self, args, kwargs):
            return "words" if args[0] == "few" else self.NOT_SUPPORTED

    @tf.__internal__.dispatch.add_dispatch_support(iterable_parameters=["x"])
    def halves(x):
        return [each / 2 for each in x]

    Words().register(halves)
    assert halves("few") == "words"
    assert halves(iter([2, 4])) == [1, 2]
    with pytest.raises(TypeError):
        halves(["other"])
