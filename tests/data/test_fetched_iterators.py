"""One-shot iterators of programs that run eagerly, and have sessions too."""

from __future__ import annotations

import numpy as np
import pytest

import penstock as tf
from penstock.engine.context import process
from penstock.standin.era import names_session

v1 = tf.compat.v1


@pytest.fixture
def program_with_sessions(monkeypatch):
    monkeypatch.setitem(process.registry, "fetched_iterators", True)
    v1.reset_default_graph()
    yield
    v1.reset_default_graph()


def test_each_run_draws_the_next_element(program_with_sessions):
    following = tf.data.Dataset.range(4).batch(2).make_one_shot_iterator().get_next()
    doubled = following * 2
    with v1.Session() as session:
        np.testing.assert_array_equal(session.run([following, doubled]), [[0, 1], [0, 2]])
        np.testing.assert_array_equal(session.run(following), [2, 3])


def test_eager_code_goes_through_the_values(program_with_sessions):
    iterator = v1.data.make_one_shot_iterator(tf.data.Dataset.range(3))
    assert [int(each) for each in iterator] == [0, 1, 2]


def test_programs_without_sessions_get_values():
    assert int(v1.data.make_one_shot_iterator(tf.data.Dataset.range(3)).get_next()) == 0
    assert not names_session("import tensorflow as tf\ntf.data.Dataset.range(3)")
