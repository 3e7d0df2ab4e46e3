"""Variables whose initial values come from a checkpoint."""

import numpy as np
import pytest

import penstock as tf
from penstock.io.tensor_bundle_writer import BundleWriter

tf1 = tf.compat.v1


def _written(path, values):
    with BundleWriter(path) as writer:
        for name, value in values.items():
            writer.add(name, np.array(value, np.float32))
    return str(path)


@pytest.fixture
def path(tmp_path):
    values = {"old/w": [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], "old/b": [7.0, 8.0], "top": 9.0}
    return _written(tmp_path / "model", values)


@pytest.fixture
def session():
    with tf.Graph().as_default(), tf1.Session() as session:
        yield session


def _variables(partitioner=None):
    with tf1.variable_scope("new", partitioner=partitioner):
        return tf1.get_variable("w", [3, 2]), tf1.get_variable("b", [2])


MAPS = {
    "a scope": lambda w, b: {"old/": "new/"},
    "names": lambda w, b: {"old/w": "new/w", "old/b": "new/b"},
    "variables": lambda w, b: [("old/w", w), ("old/b", b)],
    "parts": lambda w, b: {"old/w": list(w) if hasattr(w, "_get_variable_list") else [w], "old/b": b},
}


@pytest.mark.parametrize("partitioner", [None, tf1.fixed_size_partitioner(2)], ids=["whole", "parts"])
@pytest.mark.parametrize("make", MAPS.values(), ids=MAPS)
def test_initial_values(session, path, make, partitioner):
    w, b = _variables(partitioner)
    tf1.train.init_from_checkpoint(path, make(w, b))
    session.run(tf1.global_variables_initializer())
    np.testing.assert_array_equal(session.run(tf.convert_to_tensor(w)), [[1, 2], [3, 4], [5, 6]])
    np.testing.assert_array_equal(session.run(tf.convert_to_tensor(b)), [7, 8])


def test_the_outermost_scope(session, path):
    top = tf1.get_variable("top", [])
    tf1.train.init_from_checkpoint(path, {"/": "/"})
    session.run(top.initializer)
    assert session.run(top) == 9.0


@pytest.mark.parametrize(
    "assignments, message",
    [
        ({"lost": "new/w"}, "Tensor lost is not found"),
        ({"old/b": "new/w"}, r"Shape of variable new/w \(\(3, 2\)\) doesn't match"),
        ({"old/w": "nothing"}, "should map to scope only"),
        ({"/": "new/"}, "Tensor b .* is not found"),
    ],
)
def test_what_does_not_fit(session, path, assignments, message):
    _variables()
    with pytest.raises(ValueError, match=message):
        tf1.train.init_from_checkpoint(path, assignments)


def test_eager_variables_get_their_values_at_once(path):
    variable = tf.Variable([0.0, 0.0])
    tf1.train.init_from_checkpoint(path, {"old/b": variable})
    assert variable.numpy().tolist() == [7.0, 8.0]


class TestWarmStart:
    @pytest.fixture
    def earlier(self, tmp_path):
        """A checkpoint with the names of this program."""
        values = {"w": [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], "b": [7.0, 8.0]}
        return _written(tmp_path / "earlier", values)

    def test_by_pattern(self, session, earlier):
        w = tf1.get_variable("w", [3, 2])
        b = tf1.get_variable("b", initializer=[0.0, 0.0])
        tf1.train.warm_start(earlier, vars_to_warm_start="w")
        session.run(tf1.global_variables_initializer())
        assert session.run(w).tolist() == [[1, 2], [3, 4], [5, 6]]
        assert session.run(b).tolist() == [0, 0]

    def test_another_name(self, session, earlier):
        bias = tf1.get_variable("bias", [2])
        tf1.train.warm_start(earlier, ["bias"], var_name_to_prev_var_name={"bias": "b"})
        session.run(bias.initializer)
        assert session.run(bias).tolist() == [7, 8]

    @pytest.mark.parametrize("axis", [0, 1])
    def test_another_vocabulary(self, session, tmp_path, axis):
        (tmp_path / "old").write_text("a\nb\nc\n")
        (tmp_path / "new").write_text("c\nz\na\n")
        value = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], np.float32)
        path = _written(tmp_path / "model", {"w": value if axis == 0 else value.T})
        shape = [4, 2] if axis == 0 else [2, 4]
        w = tf1.get_variable("w", shape)
        info = tf1.train.VocabInfo(
            str(tmp_path / "new"),
            3,
            1,
            str(tmp_path / "old"),
            backup_initializer=tf1.ones_initializer(),
            axis=axis,
        )
        tf1.train.warm_start(path, None, {"w": info})
        session.run(w.initializer)
        expected = np.array([[5, 6], [1, 1], [1, 2], [1, 1]])
        assert session.run(w).tolist() == (expected if axis == 0 else expected.T).tolist()

    def test_a_name_that_is_not_used(self, session, earlier):
        tf1.get_variable("w", [3, 2])
        with pytest.raises(ValueError, match="not used: \\['x'\\]"):
            tf1.train.warm_start(earlier, "w", var_name_to_prev_var_name={"x": "b"})
