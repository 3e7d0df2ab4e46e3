"""`compat.v1.train.Saver`: variables by name, in sessions and eagerly."""

import os

import numpy as np
import pytest

import penstock as tf

tf1 = tf.compat.v1


@pytest.fixture
def prefix(tmp_path):
    return str(tmp_path / "model")


@pytest.fixture
def session():
    with tf.Graph().as_default(), tf1.Session() as session:
        yield session


def _initialized(session, **values):
    variables = {name: tf1.get_variable(name, initializer=value) for name, value in values.items()}
    session.run(tf1.global_variables_initializer())
    return variables


def test_a_round_trip(session, prefix):
    variables = _initialized(session, w=[1.0, 2.0], n=3)
    saver = tf1.train.Saver()
    assert saver.save(session, prefix, write_meta_graph=False) == prefix
    session.run([each.assign(tf.zeros_like(each)) for each in variables.values()])
    saver.restore(session, prefix)
    np.testing.assert_array_equal(session.run(variables["w"]), [1.0, 2.0])
    assert session.run(variables["n"]) == 3


@pytest.mark.parametrize("step", [7, np.int64(7), "variable"])
def test_the_step_is_appended(session, prefix, step):
    variables = _initialized(session, w=1.0, step=7)
    step = variables["step"] if step == "variable" else step
    saver = tf1.train.Saver()
    assert saver.save(session, prefix, global_step=step, write_meta_graph=False) == f"{prefix}-7"
    padded = tf1.train.Saver(pad_step_number=True)
    assert padded.save(session, prefix, global_step=step, write_meta_graph=False) == f"{prefix}-00000007"


def test_the_newest_are_kept(session, prefix):
    _initialized(session, w=1.0)
    saver = tf1.train.Saver(max_to_keep=2)
    for step in range(4):
        saver.save(session, prefix, global_step=step, write_meta_graph=False)
    assert saver.last_checkpoints == [f"{prefix}-2", f"{prefix}-3"]
    assert tf1.train.latest_checkpoint(os.path.dirname(prefix)) == f"{prefix}-3"
    assert sorted(os.listdir(os.path.dirname(prefix)))[1:] == [
        f"model-{step}.{suffix}" for step in (2, 3) for suffix in ("data-00000-of-00001", "index")
    ]


def test_an_earlier_run_is_taken_up(session, prefix):
    _initialized(session, w=1.0)
    paths = [tf1.train.Saver().save(session, prefix, step, write_meta_graph=False) for step in range(2)]
    saver = tf1.train.Saver(max_to_keep=2)
    saver.recover_last_checkpoints([*paths, "/nowhere/model-9"])
    assert saver.last_checkpoints == paths
    saver.save(session, prefix, 2, write_meta_graph=False)
    assert not tf1.train.checkpoint_exists(paths[0])


def test_names_of_ones_own(session, prefix):
    variables = _initialized(session, w=1.0, v=2.0)
    tf1.train.Saver({"a": variables["w"]}).save(session, prefix, write_meta_graph=False)
    assert tf1.train.list_variables(prefix) == [("a", [])]
    tf1.train.Saver({"a": variables["v"]}).restore(session, prefix)
    assert session.run(variables["v"]) == 1.0


@pytest.mark.parametrize("sharded", [False, True])
def test_a_partitioned_variable_is_one_tensor(session, prefix, sharded):
    partitioner = tf1.fixed_size_partitioner(3)
    rows = tf1.get_variable("rows", initializer=tf.reshape(tf.range(20.0), [10, 2]), partitioner=partitioner)
    session.run(tf1.global_variables_initializer())
    tf1.train.Saver(sharded=sharded).save(session, prefix, write_meta_graph=False)
    assert tf1.train.list_variables(prefix) == [("rows", [10, 2])]
    whole = tf1.get_variable("whole", [10, 2])
    tf1.train.Saver({"rows": whole}).restore(session, prefix)
    np.testing.assert_array_equal(session.run(whole), np.arange(20.0).reshape(10, 2))
    other = tf1.get_variable("other", [10, 2], partitioner=tf1.fixed_size_partitioner(2))
    tf1.train.Saver({"rows": list(rows)}).restore(session, prefix)
    tf1.train.Saver({"rows": other}).restore(session, prefix)
    np.testing.assert_array_equal(session.run(tf.convert_to_tensor(other)), session.run(whole))
    with pytest.raises(tf.errors.NotFoundError, match="other"):
        tf1.train.Saver(list(other)).restore(session, prefix)


def test_the_first_format(session, prefix):
    variables = _initialized(session, w=[1.0, 2.0])
    saver = tf1.train.Saver(write_version=tf1.train.SaverDef.V1)
    saver.save(session, prefix, write_meta_graph=False)
    assert os.path.isfile(prefix)
    session.run(variables["w"].assign([0.0, 0.0]))
    saver.restore(session, prefix)
    np.testing.assert_array_equal(session.run(variables["w"]), [1.0, 2.0])
    tf1.train.remove_checkpoint(prefix)
    assert not tf1.train.checkpoint_exists(prefix)


def test_reshape(session, prefix):
    _initialized(session, w=[1.0, 2.0, 3.0, 4.0])
    tf1.train.Saver().save(session, prefix, write_meta_graph=False)
    square = tf1.get_variable("square", [2, 2])
    tf1.train.Saver({"w": square}, reshape=True).restore(session, prefix)
    np.testing.assert_array_equal(session.run(square), [[1.0, 2.0], [3.0, 4.0]])


class TestErrors:
    @pytest.fixture
    def variables(self, session, prefix):
        variables = _initialized(session, w=[1.0, 2.0], n=3)
        tf1.train.Saver().save(session, prefix, write_meta_graph=False)
        return variables

    @pytest.mark.parametrize(
        "make, kind, message",
        [
            (
                lambda: {"lost": tf1.get_variable("lost", [2])},
                tf.errors.NotFoundError,
                "missing from the checkpoint",
            ),
            (
                lambda: {"w": tf1.get_variable("long", [3])},
                tf.errors.InvalidArgumentError,
                "a mismatch between",
            ),
            (
                lambda: {"w": tf1.get_variable("whole", [2], tf.int32)},
                tf.errors.InvalidArgumentError,
                "float32",
            ),
        ],
    )
    def test_what_does_not_fit(self, session, prefix, variables, make, kind, message):
        with pytest.raises(kind, match=message):
            tf1.train.Saver(make()).restore(session, prefix)

    @pytest.mark.parametrize(
        "path, message", [(None, "when it is None"), ("/nowhere/model", "not a valid checkpoint")]
    )
    def test_no_checkpoint(self, session, variables, path, message):
        with pytest.raises(ValueError, match=message):
            tf1.train.Saver().restore(session, path)

    def test_damage(self, session, prefix, variables):
        with open(f"{prefix}.data-00000-of-00001", "r+b") as file:
            file.write(b"\xff\xff")
        with pytest.raises(tf.errors.DataLossError, match="model.data-00000-of-00001"):
            tf1.train.Saver().restore(session, prefix)

    @pytest.mark.parametrize(
        "make, kind, message",
        [
            (lambda v: [v["w"], v["w"]], ValueError, "same name: w"),
            (lambda v: [3], TypeError, "not a Variable: 3"),
            (lambda v: {"a": 3}, TypeError, "Not a variable: 3"),
            (lambda v: [], ValueError, "No variables to save"),
        ],
    )
    def test_what_cannot_be_saved(self, variables, make, kind, message):
        with pytest.raises(kind, match=message):
            tf1.train.Saver(make(variables))

    @pytest.mark.parametrize("name, message", [("a/b", "path components"), ("model", "collides")])
    def test_the_name_of_the_state_file(self, session, prefix, variables, name, message):
        with pytest.raises(ValueError, match=message):
            tf1.train.Saver().save(session, prefix, latest_filename=name)


def test_a_saver_of_the_nodes_of_another(session, prefix):
    variables = _initialized(session, w=1.0)
    saver = tf1.train.Saver(max_to_keep=3)
    saver_def = saver.as_saver_def()
    assert (saver_def.filename_tensor_name, saver_def.restore_op_name) == ("save/Const:0", "save/restore_all")
    assert (saver_def.save_tensor_name, saver_def.max_to_keep) == ("save/control_dependency:0", 3)
    same = tf1.train.Saver.from_proto(saver_def)
    same.save(session, prefix, write_meta_graph=False)
    session.run(variables["w"].assign(0.0))
    same.restore(session, prefix)
    assert session.run(variables["w"]) == 1.0


def test_the_graph_is_written_beside_the_checkpoint(session, prefix):
    _initialized(session, w=2.0)
    tf1.train.Saver().save(session, prefix)
    with tf.Graph().as_default(), tf1.Session() as other:
        tf1.train.import_meta_graph(f"{prefix}.meta").restore(other, prefix)
        assert other.run(tf1.global_variables()[0]) == 2.0


def test_a_saver_that_is_built_later(session, prefix):
    saver = tf1.train.Saver(defer_build=True)
    with pytest.raises(RuntimeError, match="build"):
        saver.save(session, prefix)
    _initialized(session, w=1.0)
    saver.build()
    assert saver.save(session, prefix, write_meta_graph=False) == prefix


def test_no_variables(session, prefix):
    saver = tf1.train.Saver(allow_empty=True)
    assert saver.save(session, prefix) is None
    saver.restore(session, prefix)


def test_tables_are_saved(session, prefix):
    table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1, name="table")
    session.run(table.insert(["a"], tf.constant([1], tf.int64)))
    saver = tf1.train.Saver({"t": table})
    saver.save(session, prefix, write_meta_graph=False)
    session.run(table.remove(["a"]))
    saver.restore(session, prefix)
    assert session.run(table.lookup(tf.constant(["a"]))).tolist() == [1]


def test_a_checkpoint_of_objects_in_a_session(prefix):
    path = tf.train.Checkpoint(model=tf.Variable(5.0, name="w")).save(prefix)
    with tf.Graph().as_default(), tf1.Session() as session:
        variable = tf1.get_variable("w", initializer=0.0)
        tf1.train.Saver().restore(session, path)
        assert session.run(variable) == 5.0


class TestEagerly:
    def test_a_round_trip(self, prefix):
        variable = tf.Variable([1.0, 2.0], name="v")
        saver = tf1.train.Saver([variable])
        assert saver.save(None, prefix, global_step=tf.Variable(3)) == f"{prefix}-3"
        variable.assign([0.0, 0.0])
        saver.restore(None, f"{prefix}-3")
        np.testing.assert_array_equal(variable.numpy(), [1.0, 2.0])

    def test_a_checkpoint_of_objects(self, prefix):
        path = tf.train.Checkpoint(model=tf.Variable(5.0, name="kernel")).save(prefix)
        variable = tf.Variable(0.0, name="kernel")
        tf1.train.Saver([variable]).restore(None, path)
        assert variable.numpy() == 5.0

    def test_the_first_format(self, prefix):
        variable = tf.Variable([1.0, 2.0], name="v")
        saver = tf1.train.Saver([variable], write_version=tf1.train.SaverDef.V1)
        saver.save(None, prefix)
        variable.assign([0.0, 0.0])
        saver.restore(None, prefix)
        np.testing.assert_array_equal(variable.numpy(), [1.0, 2.0])

    def test_another_shape(self, prefix):
        tf1.train.Saver([tf.Variable([1.0, 2.0], name="v")]).save(None, prefix)
        with pytest.raises(ValueError, match="incompatible tensor"):
            tf1.train.Saver([tf.Variable([1.0], name="v")]).restore(None, prefix)

    def test_variables_of_keras(self, prefix):
        variable = tf.keras.Variable([1.0, 2.0], name="k")
        saver = tf1.train.Saver({"v": variable})
        saver.save(None, prefix)
        variable.assign([0.0, 0.0])
        saver.restore(None, prefix)
        np.testing.assert_array_equal(variable.numpy(), [1.0, 2.0])
