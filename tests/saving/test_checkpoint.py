"""`tf.train.Checkpoint`: what is saved comes back, in objects of the same names, now or when they are made."""

import gc
import os
import threading
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import penstock as tf
from penstock.saving.checkpoint_v1 import open_checkpoint
from penstock.types.trackable import Trackable


@pytest.fixture
def prefix(tmp_path):
    return str(tmp_path / "model")


def _saved(prefix, **objects):
    return tf.train.Checkpoint(**objects).save(prefix)


def test_the_counter_numbers_the_checkpoints(prefix):
    checkpoint = tf.train.Checkpoint(v=tf.Variable(1.0))
    assert [checkpoint.save(prefix), checkpoint.save(prefix)] == [f"{prefix}-1", f"{prefix}-2"]
    assert checkpoint.save_counter.numpy() == 2
    assert tf.train.latest_checkpoint(os.path.dirname(prefix)) == f"{prefix}-2"


def test_write_has_the_path_that_is_asked_for(prefix):
    checkpoint = tf.train.Checkpoint(v=tf.Variable(1.0))
    assert checkpoint.write(prefix) == prefix
    assert tf.train.get_checkpoint_state(os.path.dirname(prefix)) is None
    checkpoint.v.assign(2.0)
    checkpoint.read(prefix).assert_nontrivial_match()
    assert checkpoint.v.numpy() == 1.0


def test_names_in_the_file_are_those_of_tensorflow(prefix):
    module = tf.Module()
    module.rows = [tf.Variable(1.0), {"a/b.c": tf.Variable(2)}]
    path = _saved(prefix, module=module)
    assert [name for name, _ in tf.train.list_variables(path)] == [
        "_CHECKPOINTABLE_OBJECT_GRAPH",
        "module/rows/0/.ATTRIBUTES/VARIABLE_VALUE",
        "module/rows/1/a.Sb..c/.ATTRIBUTES/VARIABLE_VALUE",
        "save_counter/.ATTRIBUTES/VARIABLE_VALUE",
    ]


@pytest.mark.parametrize(
    "make",
    [
        lambda v: [v],
        lambda v: (v,),
        lambda v: {"k": v},
        lambda v: [[1, {"k": (v,)}]],
    ],
    ids=["list", "tuple", "dict", "nested"],
)
def test_containers(prefix, make):
    path = _saved(prefix, c=make(tf.Variable(3.0)))
    variable = tf.Variable(0.0)
    tf.train.Checkpoint(c=make(variable)).restore(path).assert_consumed()
    assert variable.numpy() == 3.0


LEAVES = st.integers(0, 5).map(lambda value: ("variable", value)) | st.just("no variable")
NESTS = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(st.sampled_from("a./ _"), min_size=1, max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


def _made(nest, filled):
    if isinstance(nest, tuple) and nest[0] == "variable":
        return tf.Variable(nest[1] if filled else -1)
    if isinstance(nest, (list, tuple)):
        return type(nest)(_made(each, filled) for each in nest)
    return {name: _made(each, filled) for name, each in nest.items()} if isinstance(nest, dict) else nest


@settings(max_examples=30, deadline=None)
@given(nest=NESTS)
def test_any_nest_of_containers(tmp_path_factory, nest):
    written, read = tf.Module(), tf.Module()
    written.nest, read.nest = _made(nest, True), _made(nest, False)
    path = tf.train.Checkpoint(written).write(tmp_path_factory.mktemp("nest") / "model")
    tf.train.Checkpoint(read).read(path).assert_existing_objects_matched()
    expected = [each.numpy() for each in written.variables]
    assert [each.numpy() for each in read.variables] == expected
    assert -1 not in expected


def test_a_shared_object_is_saved_once(prefix):
    shared = tf.Variable(1.0)
    path = _saved(prefix, a=shared, b=[shared])
    assert len(tf.train.list_variables(path)) == 3
    first, second = tf.Variable(0.0), tf.Variable(0.0)
    tf.train.Checkpoint(a=first, b=[second]).restore(path).expect_partial()
    assert first.numpy() == 1.0


def test_objects_may_hold_each_other(prefix):
    a, b = tf.Module(), tf.Module()
    a.b, b.a, b.v = b, a, tf.Variable(5)
    path = _saved(prefix, a=a)
    b.v.assign(0)
    tf.train.Checkpoint(a=a).restore(path).assert_consumed()
    assert b.v.numpy() == 5


def test_objects_made_later_get_their_values(prefix):
    inner = tf.Module()
    inner.v, inner.rows = tf.Variable(1.0), [tf.Variable(2.0)]
    path = _saved(prefix, inner=inner)
    checkpoint = tf.train.Checkpoint()
    status = checkpoint.restore(path)
    with pytest.raises(AssertionError, match="Unresolved object"):
        status.assert_consumed()
    checkpoint.inner = tf.Module()
    checkpoint.inner.v = tf.Variable(0.0)
    checkpoint.inner.rows = []
    checkpoint.inner.rows.append(tf.Variable(0.0))
    assert (checkpoint.inner.v.numpy(), checkpoint.inner.rows[0].numpy()) == (1.0, 2.0)
    status.assert_consumed()


def test_a_value_assigned_after_the_restore_stays(prefix):
    path = _saved(prefix, v=tf.Variable(1.0))
    checkpoint = tf.train.Checkpoint(v=tf.Variable(0.0))
    checkpoint.restore(path)
    checkpoint.v.assign(7.0)
    assert checkpoint.v.numpy() == 7.0


def test_a_root_lends_its_attributes(prefix):
    module = tf.Module()
    module.v = tf.Variable(1.0)
    path = tf.train.Checkpoint(module, extra=tf.Variable(2.0)).save(prefix)
    names = [name for name, _ in tf.train.list_variables(path)]
    assert names[1:] == [f"{each}/.ATTRIBUTES/VARIABLE_VALUE" for each in ("extra", "save_counter", "v")]
    again = tf.Module()
    again.v = tf.Variable(0.0)
    checkpoint = tf.train.Checkpoint(again, extra=tf.Variable(0.0))
    checkpoint.restore(path).assert_consumed()
    assert (again.v.numpy(), checkpoint.extra.numpy(), checkpoint.save_counter.numpy()) == (1.0, 2.0, 1)


def test_a_root_with_an_attribute_of_the_same_name_is_refused():
    module = tf.Module()
    module.v = tf.Variable(1.0)
    with pytest.raises(ValueError, match=r"if root\.v already exists"):
        tf.train.Checkpoint(module, v=tf.Variable(2.0))


def test_what_is_not_trackable_is_refused():
    with pytest.raises(ValueError, match="expecting v to be a trackable object .* got 3"):
        tf.train.Checkpoint(v=3)


class TestStatus:
    @pytest.fixture
    def path(self, prefix):
        return _saved(prefix, v=tf.Variable([1.0, 2.0]), w=tf.Variable(3))

    def test_all_matches(self, path):
        checkpoint = tf.train.Checkpoint(v=tf.Variable([0.0, 0.0]), w=tf.Variable(0))
        status = checkpoint.restore(path)
        assert status.assert_consumed().assert_existing_objects_matched().assert_nontrivial_match() is status

    def test_the_program_has_more(self, path):
        status = tf.train.Checkpoint(v=tf.Variable([0.0, 0.0]), new=tf.Variable(1.0)).restore(path)
        with pytest.raises(AssertionError, match="Found 1 Python objects that were not bound"):
            status.assert_existing_objects_matched()

    def test_the_checkpoint_has_more(self, path):
        status = tf.train.Checkpoint(v=tf.Variable([0.0, 0.0])).restore(path)
        status.assert_existing_objects_matched()
        with pytest.raises(AssertionError, match=r"Unresolved object in checkpoint \(root\)\.w"):
            status.assert_consumed()

    def test_nothing_matches(self, prefix):
        path = tf.train.Checkpoint(v=tf.Variable(1.0)).write(prefix)
        status = tf.train.Checkpoint(other=tf.Variable(1.0)).read(path)
        with pytest.raises(AssertionError, match="Nothing except the root"):
            status.assert_nontrivial_match()

    def test_an_object_that_takes_no_values(self, path):
        status = tf.train.Checkpoint(v=tf.Module(), w=tf.Variable(0)).restore(path)
        with pytest.raises(AssertionError, match="Unused attributes"):
            status.assert_consumed()

    @pytest.mark.parametrize("partial", [False, True])
    def test_a_warning_of_what_was_never_restored(self, path, partial, caplog):
        checkpoint = tf.train.Checkpoint(v=tf.Variable([0.0, 0.0]))
        status = checkpoint.restore(path)
        if partial:
            status.expect_partial()
        del checkpoint, status
        gc.collect()
        assert ("could not be found in the restored object: (root).w" in caplog.text) is not partial

    def test_no_checkpoint(self):
        status = tf.train.Checkpoint(v=tf.Variable(1)).restore(None)
        assert status.expect_partial() is status
        with pytest.raises(AssertionError, match="nothing is being restored"):
            status.assert_consumed()

    def test_a_checkpoint_that_does_not_exist(self):
        with pytest.raises(tf.errors.NotFoundError, match="missing the checkpoint suffix"):
            tf.train.Checkpoint(v=tf.Variable(1)).restore("/nowhere/model-1")

    def test_another_shape(self, path):
        with pytest.raises(ValueError, match=r"incompatible tensor with shape \(2,\).*shape \(3,\)"):
            tf.train.Checkpoint(v=tf.Variable([0.0, 0.0, 0.0])).restore(path)

    def test_another_dtype(self, path):
        message = "expected dtype int32 does not equal original dtype float32"
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            tf.train.Checkpoint(v=tf.Variable([0, 0])).restore(path)


def test_damage_is_found_before_a_value_is_used(prefix):
    path = _saved(prefix, v=tf.Variable([1.0, 2.0]))
    with open(f"{path}.data-00000-of-00001", "r+b") as file:
        file.write(b"\xff")
    checkpoint = tf.train.Checkpoint(v=tf.Variable([5.0, 6.0]))
    with pytest.raises(tf.errors.DataLossError, match=r"data-00000-of-00001.*tensor 'v/\.ATTRIBUTES"):
        checkpoint.restore(path)
    np.testing.assert_array_equal(checkpoint.v.numpy(), [5.0, 6.0])


def test_inside_a_function(prefix):
    checkpoint = tf.train.Checkpoint(v=tf.Variable(1.0))

    @tf.function
    def add_and_write():
        checkpoint.v.assign_add(1.0)
        return checkpoint.write(prefix)

    assert add_and_write().numpy() == prefix.encode()
    assert tf.train.load_variable(prefix, "v/.ATTRIBUTES/VARIABLE_VALUE") == 2.0
    with pytest.raises(NotImplementedError, match="write"):
        tf.function(lambda: checkpoint.save(prefix))()


class TestOptions:
    def test_a_thread_writes_the_values_of_the_time_of_saving(self, prefix, monkeypatch):
        from penstock.saving import checkpoint as module

        may_write, write = threading.Event(), module.write_tensors

        def write_when_told(path, tensors):
            assert may_write.wait(10)
            write(path, tensors)

        monkeypatch.setattr(module, "write_tensors", write_when_told)
        checkpoint = tf.train.Checkpoint(v=tf.Variable([1.0]))
        path = checkpoint.save(prefix, tf.train.CheckpointOptions(enable_async=True))
        checkpoint.v.assign([2.0])
        assert tf.train.latest_checkpoint(os.path.dirname(prefix)) is None
        may_write.set()
        checkpoint.sync()
        assert tf.train.latest_checkpoint(os.path.dirname(prefix)) == path
        assert tf.train.load_variable(path, "v/.ATTRIBUTES/VARIABLE_VALUE") == [1.0]

    def test_an_error_of_the_thread_comes_up(self, tmp_path):
        (tmp_path / "file").write_text("")
        checkpoint = tf.train.Checkpoint(v=tf.Variable(1.0))
        options = tf.train.CheckpointOptions(experimental_enable_async_checkpoint=True)
        checkpoint.write(str(tmp_path / "file" / "model"), options)
        with pytest.raises(tf.errors.OpError, match="file"):
            checkpoint.sync()

    def test_callbacks(self, prefix):
        calls = []
        options = tf.train.CheckpointOptions(
            experimental_write_callbacks=[lambda: calls.append("done"), calls.append]
        )
        tf.train.Checkpoint(v=tf.Variable(1.0)).write(prefix, options)
        assert calls == ["done", prefix]

    def test_files_of_limited_size(self, prefix):
        value = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
        policy = tf.train.experimental.MaxShardSizePolicy(max_shard_size=32)
        checkpoint = tf.train.Checkpoint(v=tf.Variable(value), w=tf.Variable(1.0))
        path = checkpoint.save(prefix, tf.train.CheckpointOptions(experimental_sharding_callback=policy))
        assert len([name for name in os.listdir(os.path.dirname(path)) if ".data-" in name]) == 4
        checkpoint.v.assign(tf.zeros_like(checkpoint.v))
        checkpoint.restore(path).assert_consumed()
        np.testing.assert_array_equal(checkpoint.v.numpy(), value)


class Pair(Trackable):
    """State in the newer protocol."""

    def __init__(self, a, b):
        self.a, self.b = a, b

    def _serialize_to_tensors(self):
        return {"a/a": tf.constant(self.a), "b": tf.constant(self.b)}

    def _restore_from_tensors(self, restored_tensors):
        self.a, self.b = (int(restored_tensors[name]) for name in ("a/a", "b"))


class Old(Trackable):
    """State in the older protocol."""

    def __init__(self, value):
        self.variable = tf.Variable(value)

    def _gather_saveables_for_checkpoint(self):
        return {"inner": self.variable}


def test_objects_with_state_of_their_own(prefix):
    path = _saved(prefix, pair=Pair(1, 2), old=Old(3))
    pair, old = Pair(0, 0), Old(0)
    tf.train.Checkpoint(pair=pair, old=old).restore(path).assert_consumed()
    assert (pair.a, pair.b, old.variable.numpy()) == (1, 2, 3)


class TestGraphMode:
    def test_save_and_restore(self, prefix):
        tf1 = tf.compat.v1
        with tf.Graph().as_default(), tf1.Session() as session:
            variable = tf1.get_variable("v", initializer=3.0)
            checkpoint = tf1.train.Checkpoint(v=variable)
            session.run(tf1.global_variables_initializer())
            assert checkpoint.save(prefix) == f"{prefix}-1"
            nodes = len(session.graph.get_operations())
            path = checkpoint.save(prefix, session)
            assert len(session.graph.get_operations()) == nodes, "another save adds no nodes"
            session.run(variable.assign(0.0))
            checkpoint.restore(path).assert_consumed().run_restore_ops()
            assert session.run(variable) == 3.0

    def test_what_the_checkpoint_lacks_is_initialized(self, prefix):
        path = _saved(prefix, v=tf.Variable(3.0))
        tf1 = tf.compat.v1
        with tf.Graph().as_default(), tf1.Session() as session:
            first, second = tf1.get_variable("a", initializer=0.0), tf1.get_variable("b", initializer=1.0)
            status = tf1.train.Checkpoint(v=first, new=second).restore(path)
            status.initialize_or_restore(session)
            assert session.run([first, second]) == [3.0, 1.0]


def test_a_checkpoint_of_names(prefix):
    saver = tf.compat.v1.train.Saver([tf.Variable(4.0, name="kernel"), tf.Variable(1, name="unused")])
    saver.save(None, prefix, write_meta_graph=False)
    checkpoint = tf.train.Checkpoint(v=tf.Variable(0.0, name="kernel"))
    status = checkpoint.restore(prefix).assert_existing_objects_matched()
    assert checkpoint.v.numpy() == 4.0
    with pytest.raises(AssertionError, match="unused"):
        status.assert_consumed()


def test_an_object_graph_that_refers_to_nothing_is_damage(prefix):
    from tensorboard.compat.proto.trackable_object_graph_pb2 import TrackableObjectGraph

    from penstock.io.tensor_bundle_writer import BundleWriter

    graph = TrackableObjectGraph()
    graph.nodes.add().children.add(node_id=5, local_name="v")
    with BundleWriter(prefix) as writer:
        writer.add("_CHECKPOINTABLE_OBJECT_GRAPH", np.array(graph.SerializeToString(), object))
    assert "_CHECKPOINTABLE_OBJECT_GRAPH" in open_checkpoint(prefix)
    with pytest.raises(tf.errors.DataLossError, match="refer to one that is missing"):
        tf.train.Checkpoint(v=tf.Variable(1.0)).restore(prefix)


def test_functions_are_objects_too(prefix):
    module = tf.Module()
    module.f, module.v = tf.function(lambda x: x), tf.Variable(1.0)
    module.concrete = module.f.get_concrete_function(tf.TensorSpec([]))
    path = _saved(prefix, module=module)
    assert list(tf.train.CheckpointView(path).children(1)) == ["f", "v", "concrete"]
    tf.train.Checkpoint(module=module).restore(path).assert_consumed()


def test_a_weakly_referenced_root_is_saved_and_not_kept_alive(tmp_path):
    root = tf.Module()
    root.v = tf.Variable(1.0)
    checkpoint = tf.train.Checkpoint(root=weakref.ref(root))
    path = checkpoint.write(str(tmp_path / "w"))
    root.v.assign(5.0)
    checkpoint.read(path).assert_consumed()
    assert root.v.numpy() == 1.0
    held = weakref.ref(root)
    del root
    gc.collect()
    assert held() is None
