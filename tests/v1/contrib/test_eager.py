"""`contrib.eager`: gradients of functions, iterators, metrics."""

from __future__ import annotations

import pytest

import penstock as tf

tf1 = tf.compat.v1
tfe = tf1.contrib.eager


def test_gradients_of_the_variables_that_a_function_reads_train_them():
    w = tfe.Variable(1.0)
    optimizer = tf1.train.GradientDescentOptimizer(0.1)
    grad = tfe.implicit_gradients(lambda x: tf.square(w * x - 6.0))
    for _ in range(20):
        optimizer.apply_gradients(grad(2.0))
    assert float(w) == pytest.approx(3.0, abs=1e-3)


def test_a_function_without_variables_is_refused():
    with pytest.raises(ValueError, match="No trainable variables"):
        tfe.implicit_value_and_gradients(lambda x: x)(1.0)
    with pytest.raises(ValueError, match="returns None"):
        tfe.implicit_gradients(lambda x: None)(1.0)


def test_gradients_of_arguments():
    both = tfe.value_and_gradients_function(lambda x, y: x * x * y)
    value, gradients = both(3.0, 2.0)
    assert (float(value), [float(each) for each in gradients]) == (18.0, [12.0, 9.0])
    (gradient,) = tfe.gradients_function(lambda x, y: x * y, params=[1])(3.0, 2.0)
    assert float(gradient) == 3.0


def test_an_iterator_goes_over_a_dataset():
    dataset = tf.data.Dataset.range(3)
    assert [int(each) for each in tfe.Iterator(dataset)] == [0, 1, 2]
    assert int(tfe.Iterator(dataset).get_next()) == 0


def test_metrics_run_on():
    mean, accuracy = tfe.metrics.Mean(), tfe.metrics.Accuracy()
    mean([1.0, 2.0])
    mean(6.0)
    accuracy([1, 2, 3], [1, 2, 0])
    assert float(mean.result()) == 3.0
    assert float(accuracy.result()) == pytest.approx(2 / 3)
