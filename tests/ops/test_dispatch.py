"""Dispatch of public functions to implementations for users' types."""

import pytest

import penstock as tf
from penstock.types.composite import CompositeTensor


class Scaled(CompositeTensor):
    def __init__(self, value, scale):
        self.value, self.scale = tf.convert_to_tensor(value), scale

    _type_spec = None


@pytest.fixture
def registered():
    handlers = []
    yield handlers.append
    for handler in handlers:
        tf.experimental.unregister_dispatch_for(handler)


def test_an_api_is_dispatched_by_its_annotations(registered):
    @tf.experimental.dispatch_for_api(tf.concat)
    def concat_scaled(values: list[Scaled], axis, name="concat"):
        return Scaled(tf.concat([each.value * each.scale for each in values], axis), 1)

    registered(concat_scaled)
    joined = tf.concat([Scaled([1.0], 2), Scaled([3.0], 3)], 0)
    assert joined.value.numpy().tolist() == [2.0, 9.0]
    assert tf.compat.v1.concat([Scaled([1.0], 2)], 0).value.numpy().tolist() == [2.0]
    assert tf.concat([[1], [2]], 0).numpy().tolist() == [1, 2]


def test_signatures_name_parameters_or_positions(registered):
    @tf.experimental.dispatch_for_api(tf.matmul, {0: Scaled}, {"b": Scaled})
    def scaled_matmul(
        a,
        b,
        transpose_a=False,
        transpose_b=False,
        adjoint_a=False,
        adjoint_b=False,
        a_is_sparse=False,
        b_is_sparse=False,
        output_type=None,
        grad_a=False,
        grad_b=False,
        name=None,
    ):
        return "scaled"

    registered(scaled_matmul)
    assert tf.matmul(Scaled([[1.0]], 1), [[1.0]]) == "scaled"
    assert tf.matmul([[1.0]], b=Scaled([[1.0]], 1)) == "scaled"


def test_elementwise_apis_are_dispatched_together(registered):
    @tf.experimental.dispatch_for_unary_elementwise_apis(Scaled)
    def unary(api, x):
        return Scaled(api(x.value), x.scale)

    @tf.experimental.dispatch_for_binary_elementwise_apis(Scaled, Scaled)
    def binary(api, x, y):
        return Scaled(api(x.value * x.scale, y.value * y.scale), 1)

    registered(unary), registered(binary)
    assert tf.square(Scaled([3.0], 5)).value.numpy().tolist() == [9.0]
    assert tf.cast(Scaled([3.5], 5), tf.int32).value.numpy().tolist() == [3]
    assert tf.math.maximum(Scaled([1.0], 4), Scaled([2.0], 1)).value.numpy().tolist() == [4.0]


def test_what_is_no_public_function_is_refused():
    with pytest.raises(ValueError, match="does not support dispatch"):
        tf.experimental.dispatch_for_api(print)
    with pytest.raises(ValueError, match="not registered"):
        tf.experimental.unregister_dispatch_for(print)


def test_another_signature_is_refused():
    with pytest.raises(ValueError, match="signature"):

        @tf.experimental.dispatch_for_api(tf.add)
        def wrong(a: Scaled):
            return a
