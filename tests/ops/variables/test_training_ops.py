import numpy as np
import pytest

import penstock as tf
from penstock.engine.definition import REGISTRY

W, S, G = (np.array(each, np.float32) for each in ([1.0, -2.0, 3.0], [0.5, 0.25, 1.0], [0.1, -0.4, 0.2]))


def _apply(op_type, slots, **given):
    """The variable and its slots after one call of an op."""
    states = [tf.Variable(W), *(tf.Variable(slot) for slot in slots)]
    resources = [each.name for each in REGISTRY[op_type].signature.inputs][: len(states)]
    handles = {name: state.handle for name, state in zip(resources, states)}
    getattr(tf.raw_ops, op_type)(**handles, **given)
    return [state.numpy() for state in states]


RULES = {
    "GradientDescent": ([], {"alpha": 0.5, "delta": G}, [W - 0.5 * G]),
    "Momentum": ([S], {"lr": 0.5, "grad": G, "momentum": 0.9}, [W - 0.5 * (0.9 * S + G), 0.9 * S + G]),
    "Adagrad": ([S], {"lr": 0.5, "grad": G}, [W - 0.5 * G / np.sqrt(S + G**2), S + G**2]),
    "RMSProp": (
        [S, 0 * S],
        {"lr": 0.5, "rho": 0.9, "momentum": 0.0, "epsilon": 0.01, "grad": G},
        [W - 0.5 * G / np.sqrt(0.9 * S + 0.1 * G**2 + 0.01), 0.9 * S + 0.1 * G**2],
    ),
    "ProximalGradientDescent": (
        [],
        {"alpha": 0.5, "l1": 1.0, "l2": 2.0, "delta": G},
        [np.sign(W - 0.5 * G) * np.maximum(np.abs(W - 0.5 * G) - 0.5, 0) / 2],
    ),
    "AdaMax": (
        [0 * S, S],
        {"beta1_power": 0.9, "lr": 0.5, "beta1": 0.9, "beta2": 0.5, "epsilon": 0.0, "grad": G},
        [W - 5.0 * 0.1 * G / np.maximum(0.5 * S, np.abs(G)), 0.1 * G, np.maximum(0.5 * S, np.abs(G))],
    ),
    "AddSign": (
        [S],
        {"lr": 0.5, "alpha": 1.0, "sign_decay": 0.5, "beta": 0.9, "grad": G},
        [W - 0.5 * (1 + 0.5 * np.sign(G) * np.sign(0.9 * S + 0.1 * G)) * G, 0.9 * S + 0.1 * G],
    ),
}


@pytest.mark.parametrize("name", RULES)
def test_rules(name):
    slots, given, expected = RULES[name]
    for found, wanted in zip(_apply(f"ResourceApply{name}", slots, **given), expected):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("compiled", [False, True])
def test_a_sparse_op_touches_the_rows_it_names_and_adds_up_equal_ones(compiled):
    w, accum = tf.Variable(np.ones([4, 2], np.float32)), tf.Variable(np.ones([4, 2], np.float32))

    def step():
        tf.raw_ops.ResourceSparseApplyMomentum(
            var=w.handle, accum=accum.handle, lr=1.0, grad=[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], indices=[2, 0, 2],
            momentum=0.5,
        )  # fmt: skip

    (tf.function(step) if compiled else step)()
    assert accum.numpy().tolist() == [[3.5, 4.5], [1, 1], [6.5, 8.5], [1, 1]]
    assert w.numpy().tolist() == [[-2.5, -3.5], [1, 1], [-5.5, -7.5], [1, 1]]


def test_a_program_assigns_every_state_of_a_training_op():
    w, m, v = (tf.Variable(np.zeros([50000], np.float32)) for _ in range(3))

    @tf.function
    def step():
        tf.raw_ops.ResourceApplyAdam(
            var=w.handle, m=m.handle, v=v.handle, beta1_power=0.9, beta2_power=0.999, lr=0.1, beta1=0.9, beta2=0.999,
            epsilon=1e-8, grad=tf.ones([50000]),
        )  # fmt: skip

    step()
    step()
    np.testing.assert_allclose(m.numpy()[:2], 0.19, rtol=1e-5)
    np.testing.assert_allclose(v.numpy()[:2], 0.001999, rtol=1e-4)


def test_shapes_must_fit():
    with pytest.raises(tf.errors.InvalidArgumentError, match="same shape"):
        _apply("ResourceApplyGradientDescent", [], alpha=1.0, delta=[1.0])
    with pytest.raises(tf.errors.InvalidArgumentError, match="is not in|one row"):
        _apply("ResourceSparseApplyAdagrad", [S], lr=1.0, grad=[1.0], indices=[7])
