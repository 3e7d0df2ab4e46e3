"""Stochastic dual coordinate ascent: its optimum, the state of examples, its errors."""

from __future__ import annotations

import numpy as np
import pytest

import penstock as tf

train = tf.compat.v1.train
L1, L2 = 0.2, 1.5
FEATURES = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
WEIGHTS = np.array([1, 2, 1, 0.5, 1, 1], np.float32)
CLASSES, COUNTS = np.float32([0, 1, 1, 0, 1, 0]), np.float32([0, 1, 3, 2, 5, 1])


def _trained(loss, labels, passes=150, adaptive=True):
    """The state of the examples, and the weights with L1 shrunk off. The second feature is a sparse one."""
    state, dense, sparse = np.zeros((6, 4), np.float32), np.zeros(2, np.float32), np.zeros(1, np.float32)
    for _ in range(passes):
        state, (sparse_delta,), (dense_delta,) = train.sdca_optimizer(
            [np.arange(6)], [np.full(6, 42)], [FEATURES[:, 1]], [FEATURES[:, ::2]], WEIGHTS, labels,
            [[42]], [sparse], [dense], state, loss, L1, L2, 1, 1, adaptive,
        )  # fmt: skip
        sparse, dense = sparse + sparse_delta, dense + dense_delta
    variable = tf.Variable(np.array([dense[0], sparse[0], dense[1]]))
    train.sdca_shrink_l1([variable], L1, L2)
    return np.asarray(state), variable.numpy()


LOSSES = {
    "logistic_loss": lambda wx, y: np.log1p(np.exp(-(2 * y - 1) * wx)),
    "squared_loss": lambda wx, y: (wx - y) ** 2 / 2,
    "hinge_loss": lambda wx, y: np.maximum(0, 1 - (2 * y - 1) * wx),
    "smooth_hinge_loss": lambda wx, y: np.where((2 * y - 1) * wx > 0, 0.5, 0) * np.maximum(0, 1 - (2 * y - 1) * wx) ** 2
    + np.where((2 * y - 1) * wx > 0, 0, 0.5 - (2 * y - 1) * wx),
    "poisson_loss": lambda wx, y: np.exp(wx) - y * wx,
}  # fmt: skip


@pytest.mark.parametrize("adaptive", [True, False])
@pytest.mark.parametrize("loss", LOSSES)
def test_no_step_from_the_result_makes_the_objective_less(loss, adaptive):
    labels = COUNTS if loss == "poisson_loss" else CLASSES
    _, found = _trained(loss, labels, adaptive=adaptive)

    def objective(weights):
        losses = WEIGHTS * LOSSES[loss](FEATURES @ weights, labels)
        return losses.sum() + L1 * np.abs(weights).sum() + L2 / 2 * (weights**2).sum()

    steps = 1e-2 * np.vstack([np.eye(3), -np.eye(3), np.random.default_rng(1).normal(size=(20, 3))])
    assert all(objective(found) < objective(found + step) for step in steps)


def test_state_of_examples_has_the_dual_variable_both_losses_and_the_weight():
    state, weights = _trained("squared_loss", COUNTS)
    errors = FEATURES @ weights - COUNTS
    np.testing.assert_allclose(state[:, 0], -errors, atol=1e-4)  # at the optimum
    np.testing.assert_allclose(state[:, 1], WEIGHTS * errors**2 / 2, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(state[:, 2], WEIGHTS * (errors**2 / 2 + errors * COUNTS), rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(state[:, 3], WEIGHTS)


def test_runs_in_a_graph_and_in_a_function():
    arguments = ([[1.0]],), [1.0], [4.0], [], [], [[0.0]], [[0.0] * 4], "squared_loss", 0.0, 1.0, 1, 1
    traced = tf.function(lambda: train.sdca_optimizer([], [], [], *arguments))()
    np.testing.assert_allclose(traced.out_delta_dense_weights[0], [2.0])
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        weights = tf.compat.v1.get_variable("w", [1], initializer=tf.compat.v1.zeros_initializer())
        result = train.sdca_optimizer([], [], [], *arguments[:5], [weights], *arguments[6:])
        with tf.control_dependencies([weights.assign_add(result.out_delta_dense_weights[0])]):
            shrink = train.sdca_shrink_l1([weights], 0.5, 1.0)
        session.run(tf.compat.v1.global_variables_initializer())
        session.run(shrink)
        np.testing.assert_allclose(session.run(weights), [1.5])


def test_importance_of_partitions_makes_steps_smaller():
    arguments = ([[1.0]],), [1.0], [4.0], [], [], [[0.0]], [[0.0] * 4], "squared_loss", 0.0, 1.0, 3, 1
    (delta,) = train.sdca_optimizer([], [], [], *arguments).out_delta_dense_weights
    np.testing.assert_allclose(delta, [1.0])  # 4 / (1 + 3)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"example_labels": [2.0]}, "Only labels of 0.0 or 1.0"),
        ({"example_labels": [1.0, 1.0]}, "Expected 1 example labels but got 2"),
        ({"example_labels": [-1.0], "loss_type": "poisson_loss"}, "Only non-negative labels"),
        ({"dense_features": [[[1.0, 2.0]]]}, "More dense features than we have parameters for: 2"),
        ({"dense_features": [[1.0]]}, "must be rank 2 but is rank 1"),
        ({"example_state_data": [[0.0] * 3]}, "Expected shape"),
        ({"loss_type": "cubic_loss"}, "Unsupported loss type: cubic_loss"),
        ({"sparse_feature_indices": [[4, 3]]}, "out of valid range: 4"),
        ({"sparse_feature_indices": [[3, 3]]}, "Duplicate index"),
        ({"sparse_feature_indices": [[3]]}, "mismatched"),
    ],
)
def test_bad_arguments_are_named(change, problem):
    given = {
        "sparse_example_indices": [[0, 0]], "sparse_feature_indices": [[3, 5]], "sparse_feature_values": [],
        "dense_features": [[[1.0]]], "example_weights": [1.0], "example_labels": [1.0], "sparse_indices": [[3, 5]],
        "sparse_weights": [[0.0, 0.0]], "dense_weights": [[0.0]], "example_state_data": [[0.0] * 4],
        "loss_type": "logistic_loss", "l1": 0.0, "l2": 1.0, "num_loss_partitions": 1, "num_inner_iterations": 1,
    }  # fmt: skip
    with pytest.raises(tf.errors.InvalidArgumentError, match=problem):
        train.sdca_optimizer(**given | change)


def test_fingerprints_differ_and_need_a_vector():
    prints = train.sdca_fprint(["a", "b", "a" * 200, "a" * 201]).numpy()
    assert prints.shape == (4, 2) and len(np.unique(prints)) == 8
    with pytest.raises(tf.errors.InvalidArgumentError, match="must be a vector"):
        train.sdca_fprint("a")
