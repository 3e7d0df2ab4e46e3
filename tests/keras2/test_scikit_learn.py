"""Keras models as estimators of scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest

import penstock

penstock.install()

from keras.layers import Dense  # noqa: E402
from keras.models import Sequential  # noqa: E402
from keras.wrappers.scikit_learn import KerasClassifier, KerasRegressor  # noqa: E402

X = np.array([[-1.0], [-2.0], [1.0], [2.0]] * 4, "float32")


def classifier(loss="categorical_crossentropy", rate=0.5):
    model = Sequential([Dense(2, input_shape=(1,), activation="softmax")])
    model.compile("adam", loss, metrics=["accuracy"])
    model.optimizer.learning_rate = rate
    return model


def binary():
    model = Sequential([Dense(1, input_shape=(1,), activation="sigmoid", kernel_initializer="ones")])
    model.compile("sgd", "binary_crossentropy")
    return model


def regressor():
    model = Sequential([Dense(1, input_shape=(1,), kernel_initializer="ones")])
    model.compile("sgd", "mse")
    return model


@pytest.mark.parametrize("loss", ["categorical_crossentropy", "sparse_categorical_crossentropy"])
def test_a_classifier_learns_classes_of_any_kind(loss):
    names = np.where(X[:, 0] > 0, "up", "down")
    estimator = KerasClassifier(classifier, loss=loss, epochs=8, batch_size=8, verbose=0)
    history = estimator.fit(X, names)
    assert len(history.history["loss"]) == 8
    assert estimator.classes_.tolist() == ["down", "up"]
    assert estimator.predict(X).tolist() == names.tolist()
    assert estimator.score(X, names) == 1.0
    assert estimator.predict_proba(X).shape == (16, 2)


def test_one_output_is_the_probability_of_the_second_class():
    estimator = KerasClassifier(build_fn=binary, verbose=0)
    estimator.fit(X, (X[:, 0] > 0).astype(int))
    probabilities = estimator.predict_proba(X)
    np.testing.assert_allclose(probabilities.sum(-1), 1, rtol=1e-6)
    assert estimator.predict(X).shape == (16,)


def test_a_regressor_scores_the_negative_loss():
    estimator = KerasRegressor(regressor, verbose=0)
    estimator.fit(X, X[:, 0])
    assert estimator.predict(X).shape == (16,)
    assert estimator.score(X, X[:, 0] + 1) == pytest.approx(-1)


def test_parameters_are_got_and_set():
    estimator = KerasClassifier(classifier, rate=0.1, epochs=2)
    assert estimator.get_params() == {"build_fn": classifier, "rate": 0.1, "epochs": 2}
    assert estimator.set_params(epochs=3).sk_params["epochs"] == 3


def test_an_unknown_parameter_is_refused():
    with pytest.raises(ValueError, match="no_such_thing is not a legal parameter"):
        KerasClassifier(classifier, no_such_thing=1)


def test_a_subclass_may_be_its_own_builder():
    class Mine(KerasRegressor):
        def __call__(self):
            return regressor()

    estimator = Mine(verbose=0)
    estimator.fit(X, X[:, 0])
    assert estimator.predict(X[:1]).shape == (1,)


def test_a_search_of_scikit_learn_runs():
    selection = pytest.importorskip("sklearn.model_selection")
    search = selection.GridSearchCV(
        KerasClassifier(classifier, batch_size=8, verbose=0), {"epochs": [1, 6]}, cv=2, n_jobs=1
    )
    search.fit(X, (X[:, 0] > 0).astype(int))
    assert search.best_params_["epochs"] in (1, 6)
    assert 0 <= search.best_score_ <= 1
