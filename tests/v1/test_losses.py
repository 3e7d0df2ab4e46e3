import numpy as np
import pytest

import penstock as tf
from penstock.engine import context

v1 = tf.compat.v1
losses = v1.losses

RNG = np.random.RandomState(0)
Y, P = RNG.randn(5, 4).astype(np.float32), RNG.randn(5, 4).astype(np.float32)
BITS = (RNG.rand(5, 4) > 0.5).astype(np.float32)
WEIGHTS = np.array([[1.0], [0.0], [2.0], [1.0], [0.5]], np.float32)


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def _run(fetches):
    with v1.Session() as session:
        return session.run(fetches)


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _softmax_loss(labels, logits):
    return np.log(np.exp(logits).sum(1)) - (labels * logits).sum(1)


LOSSES = {
    "absolute_difference": (lambda **k: losses.absolute_difference(Y, P, **k), np.abs(Y - P)),
    "mean_squared_error": (lambda **k: losses.mean_squared_error(Y, P, **k), (Y - P) ** 2),
    "huber_loss": (
        lambda **k: losses.huber_loss(Y, P, delta=0.5, **k),
        np.where(np.abs(Y - P) < 0.5, (Y - P) ** 2 / 2, 0.5 * np.abs(Y - P) - 0.125),
    ),
    "hinge_loss": (lambda **k: losses.hinge_loss(BITS, P, **k), np.maximum(0, 1 - (2 * BITS - 1) * P)),
    "log_loss": (
        lambda **k: losses.log_loss(BITS, _sigmoid(P), **k),
        -BITS * np.log(_sigmoid(P)) - (1 - BITS) * np.log(1 - _sigmoid(P)),
    ),
    "cosine_distance": (
        lambda **k: losses.cosine_distance(Y, P, axis=1, **k),
        1 - (Y * P).sum(1, keepdims=True),
    ),
    "sigmoid_cross_entropy": (
        lambda **k: losses.sigmoid_cross_entropy(BITS, P, label_smoothing=0.2, **k),
        np.log(1 + np.exp(P)) - (BITS * 0.8 + 0.1) * P,
    ),
}


@pytest.mark.parametrize("weights", [1.0, 0.0, WEIGHTS], ids=["one", "zero", "each"])
@pytest.mark.parametrize("name", LOSSES)
def test_losses_and_reductions(name, weights):
    call, elements = LOSSES[name]
    weighted = elements * weights
    present = np.broadcast_to(weights, elements.shape)
    divisors = {
        "weighted_sum": 1,
        "weighted_mean": present.sum(),
        "weighted_sum_over_batch_size": elements.size,
        "weighted_sum_by_nonzero_weights": np.count_nonzero(present),
    }
    expected = {key: weighted.sum() / each if each else 0.0 for key, each in divisors.items()}
    expected["none"] = weighted
    found = _run({key: call(weights=weights, reduction=key) for key in expected})
    for key, value in expected.items():
        np.testing.assert_allclose(found[key], value, rtol=1e-4, atol=1e-5, err_msg=key)


def test_softmax_cross_entropy_dense_and_sparse():
    classes = np.array([0, 2, 1, 3, 3])
    one_hot = np.eye(4)[classes]
    weights = WEIGHTS[:, 0]
    expected = (_softmax_loss(one_hot, P) * weights).sum() / 4
    found = _run(
        [
            losses.softmax_cross_entropy(one_hot, P, weights),
            losses.sparse_softmax_cross_entropy(classes, P, weights),
            losses.sparse_softmax_cross_entropy(classes[:, None], P, WEIGHTS),
            losses.softmax_cross_entropy(one_hot, P, label_smoothing=0.4),
        ]
    )
    np.testing.assert_allclose(found[:3], expected, rtol=1e-4)
    np.testing.assert_allclose(found[3], _softmax_loss(one_hot * 0.6 + 0.1, P).mean(), rtol=1e-4)


def test_mean_pairwise_squared_error():
    difference = P - Y
    pairs = [
        np.mean([(d[i] - d[j]) ** 2 for i in range(4) for j in range(4) if i != j])
        for d in difference.astype(float)
    ]
    found = _run(
        [losses.mean_pairwise_squared_error(Y, P), losses.mean_pairwise_squared_error(Y, P, WEIGHTS)]
    )
    np.testing.assert_allclose(found, [np.sum(pairs), np.dot(pairs, WEIGHTS[:, 0])], rtol=1e-4)


def test_losses_collect_themselves():
    first = losses.mean_squared_error(Y, P)
    second = losses.absolute_difference(Y, P, loss_collection="others")
    assert losses.get_losses() == [first] and losses.get_losses(loss_collection="others") == [second]
    v1.add_to_collection(v1.GraphKeys.REGULARIZATION_LOSSES, tf.constant(2.0))
    total, regularization, alone = _run(
        [
            losses.get_total_loss(),
            losses.get_regularization_loss(),
            losses.get_total_loss(add_regularization_losses=False),
        ]
    )
    assert regularization == 2.0 and total == pytest.approx(alone + 2.0)


def test_no_regularization_loss_is_zero():
    assert _run(losses.get_regularization_loss()) == 0.0


def test_eager_losses_are_not_collected(graph):
    with context.building(None):
        assert float(losses.mean_squared_error([1.0], [3.0])) == 4.0
    assert not graph.get_collection("losses")


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: losses.mean_squared_error(Y, P[:3]), "not compatible|incompatible"),
        (lambda: losses.mean_squared_error(Y, P, weights=np.ones(5)), "can not be broadcast"),
        (lambda: losses.mean_squared_error(Y, P, weights=np.ones([3, 1])), "can not be broadcast"),
        (lambda: losses.mean_squared_error(Y, P, reduction="mean"), "Invalid Reduction Key"),
        (lambda: losses.cosine_distance(Y, P), "specify argument `axis`"),
        (lambda: losses.mean_squared_error(None, P), "must not be None"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
