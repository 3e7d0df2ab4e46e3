"""The namespaces of both eras, and what each takes from the other."""

from __future__ import annotations

import pytest

import penstock as tf
from penstock import namespaces
from penstock.engine.export import export

v1 = tf.compat.v1


def test_a_name_of_both_eras_keeps_its_own_meaning():
    assert tf.gradients is not None
    assert v1.argmax is not tf.argmax


def test_old_names_resolve_in_the_new_namespace():
    assert tf.log is v1.log
    assert tf.Session is v1.Session
    assert tf.math.log is v1.log


def test_new_names_resolve_in_the_old_namespace():
    assert v1.random.set_seed is tf.random.set_seed
    assert v1.keras.Model is tf.keras.Model
    assert v1.keras.layers.Dense is tf.keras.layers.Dense


@pytest.mark.parametrize("name", ["losses", "metrics"])
def test_what_is_keras_now_is_not_taken_for_what_it_was(name):
    assert getattr(v1, name, None) is not getattr(tf.keras, name)


def test_a_name_is_given_once():
    with pytest.raises(ValueError, match="two things are exported as 'add'"):
        export("add")(object())


def test_dir_lists_what_is_public():
    assert {"Variable", "keras", "losses", "nn", "__version__", "install"} <= set(dir(tf))
    assert {"Any", "annotations", "engine", "standin", "ops"}.isdisjoint(dir(tf))
    assert {"Dataset", "experimental", "AUTOTUNE"} <= set(dir(tf.data))
    assert "planner" not in dir(tf.data)
    assert {"Session", "layers", "nn"} <= set(dir(v1))


@pytest.mark.parametrize("name", ["ops", "engine", "standin", "cli", "no_such_name"])
def test_our_own_packages_are_no_public_names(name):
    with pytest.raises(AttributeError, match=f"'tensorflow.compat.v1' has no attribute '{name}'"):
        getattr(v1, name)


@pytest.mark.parametrize("namespace", ["", "math", "nn", "compat.v1.train"])
def test_a_missing_name_says_which_namespace_lacks_it(namespace):
    with pytest.raises(
        AttributeError, match=f"'{'.'.join(filter(None, ['tensorflow', namespace]))}' has no attribute 'x'"
    ):
        namespaces.module(namespace).x


@pytest.mark.parametrize("name", ["Session", "placeholder", "global_variables_initializer", "contrib", "log"])
def test_a_program_that_asks_for_its_era_is_told_the_new_one(name):
    assert not hasattr(tf, name)
    assert getattr(tf, name, None) is None
    assert hasattr(v1, name)


def test_old_names_are_imported_where_a_program_writes_them():
    from penstock import placeholder

    assert placeholder is v1.placeholder
