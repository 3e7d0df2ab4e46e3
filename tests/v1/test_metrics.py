import numpy as np
import pytest

import penstock as tf
from penstock.engine import context

v1 = tf.compat.v1
metrics = v1.metrics

RNG = np.random.RandomState(0)
BATCHES = [
    {
        "y": RNG.randn(6, 3).astype(np.float32),
        "p": RNG.randn(6, 3).astype(np.float32),
        "b": RNG.rand(6, 3) > 0.5,
        "s": RNG.rand(6, 3).astype(np.float32),
        "c": RNG.randint(0, 3, 6),
        "w": RNG.randint(0, 3, (6, 1)).astype(np.float32),
    }
    for _ in range(3)
]
ALL = {key: np.concatenate([batch[key] for batch in BATCHES]) for key in BATCHES[0]}
W = np.broadcast_to(ALL["w"], (18, 3))


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def _stream(metric):
    """The value after all batches, and what the last update returned."""
    feeds = {
        key: v1.placeholder(
            value.dtype if value.dtype != np.float64 else tf.float32, [None, *value.shape[1:]]
        )
        for key, value in ALL.items()
    }
    value, update = metric(**feeds)
    with v1.Session() as session:
        session.run(v1.local_variables_initializer())
        for batch in BATCHES:
            last = session.run(update, {feeds[key]: each for key, each in batch.items()})
        return session.run(value), last


def _average(values, weights=None):
    return np.average(values, weights=weights)


POSITIVE = ALL["s"] > 0.5
TP, FP, FN, TN = (
    np.sum(a & b)
    for a, b in ((ALL["b"], POSITIVE), (~ALL["b"], POSITIVE), (ALL["b"], ~POSITIVE), (~ALL["b"], ~POSITIVE))
)
UNIT = ALL["y"] / np.linalg.norm(ALL["y"], axis=1, keepdims=True)

METRICS = {
    "mean": (lambda y, **_: metrics.mean(y), ALL["y"].mean()),
    "weighted mean": (lambda y, w, **_: metrics.mean(y, w), _average(ALL["y"], W)),
    "accuracy": (lambda c, p, **_: metrics.accuracy(c, tf.argmax(p, 1)), np.mean(ALL["c"] == ALL["p"].argmax(1))),
    "mean_absolute_error": (lambda y, p, **_: metrics.mean_absolute_error(y, p), np.abs(ALL["y"] - ALL["p"]).mean()),
    "mean_squared_error": (
        lambda y, p, w, **_: metrics.mean_squared_error(y, p, w), _average((ALL["y"] - ALL["p"]) ** 2, W),
    ),
    "root_mean_squared_error": (
        lambda y, p, **_: metrics.root_mean_squared_error(y, p), np.sqrt(((ALL["y"] - ALL["p"]) ** 2).mean()),
    ),
    "mean_relative_error": (
        lambda y, p, s, **_: metrics.mean_relative_error(y, p, s), np.mean(np.abs(ALL["y"] - ALL["p"]) / ALL["s"]),
    ),
    "mean_cosine_distance": (
        lambda y, p, **_: metrics.mean_cosine_distance(tf.nn.l2_normalize(y, 1), p, 1),
        1 - np.mean((UNIT * ALL["p"]).sum(1)),
    ),
    "percentage_below": (lambda s, **_: metrics.percentage_below(s, 0.3), np.mean(ALL["s"] < 0.3)),
    "precision": (lambda b, s, **_: metrics.precision(b, s > 0.5), TP / (TP + FP)),
    "recall": (lambda b, s, **_: metrics.recall(b, s > 0.5), TP / (TP + FN)),
    "true_positives": (lambda b, s, **_: metrics.true_positives(b, s > 0.5), TP),
    "false_positives": (lambda b, s, **_: metrics.false_positives(b, s > 0.5), FP),
    "false_negatives": (lambda b, s, **_: metrics.false_negatives(b, s > 0.5), FN),
    "weighted true_negatives": (
        lambda b, s, w, **_: metrics.true_negatives(b, s > 0.5, w), np.sum(W * (~ALL["b"] & ~POSITIVE)),
    ),
    "precision_at_thresholds": (
        lambda b, s, **_: metrics.precision_at_thresholds(b, s, [0.5]), [TP / (TP + FP)],
    ),
    "recall_at_thresholds": (lambda b, s, **_: metrics.recall_at_thresholds(b, s, [0.5]), [TP / (TP + FN)]),
    "true_positives_at_thresholds": (
        lambda b, s, **_: metrics.true_positives_at_thresholds(b, s, [0.0, 0.5, 1.0]), [ALL["b"].sum(), TP, 0],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", METRICS)
def test_streams_over_batches(name):
    metric, expected = METRICS[name]
    value, last = _stream(metric)
    np.testing.assert_allclose(value, expected, rtol=1e-4)
    np.testing.assert_allclose(last, expected, rtol=1e-4)


def test_mean_tensor_keeps_the_shape():
    value, update = metrics.mean_tensor(tf.constant([[1.0, 2.0]]), weights=tf.constant([[1.0, 0.0]]))
    with v1.Session() as session:
        session.run(v1.local_variables_initializer())
        session.run(update)
        assert session.run(value).tolist() == [[1.0, 0.0]]


def _roc_area(labels, scores):
    positive, negative = scores[labels], scores[~labels]
    return np.mean(positive[:, None] > negative[None, :])


def test_auc_nears_the_rank_statistic():
    value, last = _stream(lambda b, s, **_: metrics.auc(b, s, num_thresholds=2000))
    assert value == last == pytest.approx(_roc_area(ALL["b"], ALL["s"]), abs=5e-3)


@pytest.mark.parametrize("method", ["trapezoidal", "minoring", "majoring", "careful_interpolation"])
def test_auc_of_perfect_predictions_is_one(method):
    value, _ = _stream(
        lambda b, **_: metrics.auc(b, tf.cast(b, tf.float32), curve="PR", summation_method=method)
    )
    assert value == pytest.approx(1.0, abs=1e-4)


def test_careful_interpolation_lies_between_the_bounds():
    low, middle, high = (
        _stream(lambda b, s, m=method, **_: metrics.auc(b, s, curve="PR", summation_method=m))[0]
        for method in ("minoring", "careful_interpolation", "majoring")
    )
    assert low < middle < high


def test_sensitivity_and_specificity():
    scores = tf.constant([0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9])
    labels = tf.constant([0, 0, 1, 0, 0, 1, 1, 1])
    (sensitivity, s), (specificity, p) = (
        metrics.sensitivity_at_specificity(labels, scores, 0.75),
        metrics.specificity_at_sensitivity(labels, scores, 1.0),
    )
    with v1.Session() as session:
        session.run(v1.local_variables_initializer())
        session.run([s, p])
        np.testing.assert_allclose(session.run([sensitivity, specificity]), [0.75, 0.5], rtol=1e-4)


def test_mean_iou_and_per_class_accuracy():
    predicted = ALL["p"].argmax(1)
    matrix = np.zeros((4, 4))
    np.add.at(matrix, (ALL["c"], predicted), 1)
    hits = np.diag(matrix)[:3]
    union = (matrix.sum(0) + matrix.sum(1))[:3] - hits
    value, last = _stream(lambda c, p, **_: metrics.mean_iou(c, tf.argmax(p, 1), 4))
    assert value == pytest.approx(np.mean(hits / union), rel=1e-4)
    np.testing.assert_array_equal(last, matrix)
    value, _ = _stream(lambda c, p, **_: metrics.mean_per_class_accuracy(c, tf.argmax(p, 1), 3))
    assert value == pytest.approx(np.mean(hits / matrix.sum(1)[:3]), rel=1e-4)


SCORES = [[0.9, 0.1, 0.8, 0.2], [0.1, 0.9, 0.2, 0.8], [0.5, 0.4, 0.3, 0.2]]
LABELS = np.array([[0, 1], [3, 2], [2, -1]])

AT_K = {
    "precision_at_k": (lambda: metrics.precision_at_k(LABELS, SCORES, 2), 2 / 6),
    "recall_at_k": (lambda: metrics.recall_at_k(LABELS, SCORES, 2), 2 / 6),
    "precision of one class": (lambda: metrics.precision_at_k(LABELS, SCORES, 2, class_id=3), 1.0),
    "recall of one class": (lambda: metrics.recall_at_k(LABELS, SCORES, 2, class_id=2), 0.0),
    "recall_at_top_k": (lambda: metrics.recall_at_top_k(LABELS, np.array([[0, 2], [1, 3], [0, 1]])), 2 / 6),
    "single labels": (lambda: metrics.precision_at_k(np.array([0, 3, 1]), SCORES, 1), 1 / 3),
    "weighted": (lambda: metrics.precision_at_k(LABELS, SCORES, 2, weights=[1.0, 0.0, 1.0]), 1 / 4),
    "average_precision_at_k": (
        lambda: metrics.average_precision_at_k(LABELS, SCORES, 3), np.mean([1 / 2, (1 / 2 + 2 / 3) / 2, 1 / 3]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", AT_K)
def test_at_k(name):
    metric, expected = AT_K[name]
    value, update = metric()
    with v1.Session() as session:
        session.run(v1.local_variables_initializer())
        assert session.run(update) == pytest.approx(expected)
        assert session.run(value) == pytest.approx(expected)


def test_sparse_labels():
    labels = tf.SparseTensor([[0, 0], [0, 1], [1, 0]], np.array([0, 1, 3]), [3, 2])
    value, update = metrics.precision_at_k(labels, SCORES, 2)
    with v1.Session() as session:
        session.run(v1.local_variables_initializer())
        session.run(update)
        assert session.run(value) == pytest.approx(2 / 6)


def test_variables_and_collections():
    value, update = metrics.accuracy(
        [1], [1], metrics_collections=["values"], updates_collections=["updates"]
    )
    assert [each.name for each in v1.local_variables()] == ["accuracy/total:0", "accuracy/count:0"]
    assert v1.get_collection(v1.GraphKeys.METRIC_VARIABLES) == v1.local_variables()
    assert not v1.global_variables()
    assert v1.get_collection("values") == [value] and v1.get_collection("updates") == [update]


def test_eager_is_refused():
    with (
        context.building(None),
        pytest.raises(RuntimeError, match="tf.metrics.mean is not supported when eager"),
    ):
        metrics.mean([1.0])


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: metrics.auc([True], [0.5], curve="ROCK"), "curve must be"),
        (lambda: metrics.auc([True], [0.5], summation_method="x"), "summation_method"),
        (lambda: metrics.sensitivity_at_specificity([True], [0.5], 2), "must be in the range"),
        (lambda: metrics.accuracy([1, 2], [1]), "not compatible|incompatible"),
        (lambda: metrics.average_precision_at_k([[1]], [[0.5]], 0), "Invalid k"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()
