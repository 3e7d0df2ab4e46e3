import numpy as np
import pytest

import penstock as tf

v1 = tf.compat.v1
Dataset = tf.data.Dataset


def _all(session, following):
    found = []
    with pytest.raises(tf.errors.OutOfRangeError):
        while True:
            found.append(session.run(following))
    return found


def test_one_shot():
    with tf.Graph().as_default(), v1.Session() as session:
        iterator = v1.data.make_one_shot_iterator(Dataset.range(5).map(lambda x: x * x).batch(2))
        batches = _all(session, iterator.get_next())
    assert [batch.tolist() for batch in batches] == [[0, 1], [4, 9], [16]]


def test_initializable_with_placeholders():
    with tf.Graph().as_default(), v1.Session() as session:
        size = v1.placeholder(tf.int64, [])
        rows = v1.placeholder(tf.float32, [None, 2])
        dataset = Dataset.from_tensor_slices(rows).batch(size).map(lambda x: x + tf.cast(size, tf.float32))
        iterator = dataset.make_initializable_iterator()
        following = iterator.get_next()
        with pytest.raises(tf.errors.FailedPreconditionError):
            session.run(following)
        for count in (2, 3):
            session.run(iterator.initializer, {size: count, rows: np.zeros([3, 2])})
            assert sum(len(each) for each in _all(session, following)) == 3
            session.run(iterator.initializer, {size: count, rows: np.zeros([3, 2])})
            assert session.run(following).tolist() == [[count] * 2] * count


def test_reinitializable():
    with tf.Graph().as_default(), v1.Session() as session:
        training, validation = Dataset.range(3), Dataset.range(10, 12)
        iterator = v1.data.Iterator.from_structure(
            v1.data.get_output_types(training), v1.data.get_output_shapes(training)
        )
        following = iterator.get_next()
        begin_training, begin_validation = (
            iterator.make_initializer(training),
            iterator.make_initializer(validation),
        )
        session.run(begin_training)
        assert session.run(following) == 0
        session.run(begin_validation)
        assert _all(session, following) == [10, 11]
        with pytest.raises(TypeError):
            iterator.make_initializer(Dataset.from_tensors("text"))


def test_feedable():
    with tf.Graph().as_default(), v1.Session() as session:
        handle = v1.placeholder(tf.string, [])
        numbers, squares = Dataset.range(5), Dataset.range(5).map(lambda x: x * x)
        iterator = v1.data.Iterator.from_string_handle(handle, numbers.output_types, numbers.output_shapes)
        following = iterator.get_next()
        first = numbers.make_one_shot_iterator()
        second = squares.make_initializable_iterator()
        first_handle, second_handle = session.run([first.string_handle(), second.string_handle()])
        session.run(second.initializer)
        got = [
            session.run(following, {handle: each}) for each in (first_handle, second_handle, second_handle)
        ]
        assert got == [0, 0, 1]
        assert session.run(following, {handle: first_handle}) == 1


def test_sessions_have_iterators_of_their_own():
    with tf.Graph().as_default():
        following = Dataset.range(3).make_one_shot_iterator().get_next()
        for _ in range(2):
            with v1.Session() as session:
                assert _all(session, following) == [0, 1, 2]


def test_one_shot_over_files(tmp_path):
    """A one-shot iterator takes over what computes the names of files, as it does values of the graph."""
    path = tmp_path / "a.txt"
    path.write_text("1\n2\n3\n")
    with tf.Graph().as_default(), v1.Session() as session:
        factor = tf.constant(2.0) * tf.constant(5.0)
        lines = v1.data.TextLineDataset([str(path)]).map(lambda line: tf.strings.to_number(line) * factor)
        following = lines.batch(2).make_one_shot_iterator().get_next()
        assert session.run(following).tolist() == [10, 20]
        assert session.run(following).tolist() == [30]


def test_a_placeholder_in_a_one_shot_iterator_is_refused():
    with tf.Graph().as_default():
        dataset = Dataset.range(v1.placeholder(tf.int64, []))
        with pytest.raises(ValueError, match="placeholder"):
            dataset.make_one_shot_iterator()


def test_plain_graphs_do_not_iterate_datasets():
    with tf.Graph().as_default(), pytest.raises(RuntimeError):
        iter(Dataset.range(3))


def test_eager_programs_get_python_iterators_and_may_run_sessions():
    iterator = Dataset.range(3).make_one_shot_iterator()
    assert int(iterator.get_next()) == 0
    initializable = Dataset.range(3).make_initializable_iterator()
    following = initializable.get_next() * 2
    with v1.Session(graph=following.graph) as session:
        session.run(initializable.initializer)
        assert _all(session, following) == [0, 2, 4]


def test_structures():
    dataset = Dataset.from_tensors({"a": tf.zeros([2]), "b": (1, tf.sparse.from_dense([1, 0]))})
    assert dataset.output_types == {"a": tf.float32, "b": (tf.int32, tf.int32)}
    assert dataset.output_classes["b"] == (tf.Tensor, tf.SparseTensor)
    spec = v1.data.Iterator.from_structure(
        dataset.output_types, dataset.output_shapes, output_classes=dataset.output_classes
    ).element_spec
    assert spec["b"][1] == tf.SparseTensorSpec([2], tf.int32)


def test_summing_a_dataset_in_a_loop_of_runs():
    with tf.Graph().as_default(), v1.Session() as session:
        total = v1.get_variable("total", [], tf.int64, v1.zeros_initializer())
        following = Dataset.range(5).make_one_shot_iterator().get_next()
        add = v1.assign_add(total, following)
        session.run(v1.global_variables_initializer())
        _all(session, add)
        assert session.run(total) == 10


def test_a_saver_keeps_positions(tmp_path):
    with tf.Graph().as_default(), v1.Session() as session:
        iterator = Dataset.range(9).shuffle(5, seed=1).make_initializable_iterator()
        following = iterator.get_next()
        saveable = tf.data.experimental.make_saveable_from_iterator(iterator)
        v1.add_to_collection(v1.GraphKeys.SAVEABLE_OBJECTS, saveable)
        saver = v1.train.Saver()
        session.run(iterator.initializer)
        session.run([following]), session.run([following])
        path = saver.save(session, str(tmp_path / "position"))
        rest = _all(session, following)
        session.run(iterator.initializer)
        saver.restore(session, path)
        assert _all(session, following) == rest
