"""Feature columns: what they parse, what they compute, the models of TF 1, and the arguments that are refused."""

import numpy as np
import pytest

import penstock as tf

fc = tf.feature_column
v1 = tf.compat.v1

X, Y = fc.numeric_column("x"), fc.numeric_column("y", shape=2)
BUCKETS = fc.bucketized_column(Y, [2.0, 3.5])
IDS = fc.categorical_column_with_identity("i", 4)
WORDS = fc.categorical_column_with_vocabulary_list("w", ["a", "b", "c"])
HASHED = fc.categorical_column_with_hash_bucket("w", 7)
WEIGHTED = fc.weighted_categorical_column(IDS, "weights")


def features():
    sparse = tf.SparseTensor
    return {
        "x": [[1.0], [5.0]],
        "y": [[1, 2], [3, 4]],
        "v": [2.0, 7.0],
        "s": [["a"], ["z"]],
        "w": sparse([[0, 0], [0, 1], [1, 0]], ["a", "c", "q"], [2, 2]),
        "i": sparse([[0, 0], [0, 1], [1, 1]], [3, 0, 2], [2, 2]),
        "weights": sparse([[0, 0], [0, 1], [1, 1]], [0.5, 2.0, 3.0], [2, 2]),
    }


def layer(*columns):
    return v1.feature_column.input_layer(features(), list(columns)).numpy()


@pytest.mark.parametrize(
    "columns, wanted",
    [
        ([X], [[1], [5]]),
        ([fc.numeric_column("v")], [[2], [7]]),
        ([Y, X], [[1, 1, 2], [5, 3, 4]]),
        ([fc.numeric_column("x", normalizer_fn=lambda x: x / 10)], [[0.1], [0.5]]),
        ([BUCKETS], [[1, 0, 0, 0, 1, 0], [0, 1, 0, 0, 0, 1]]),
        ([fc.indicator_column(IDS)], [[1, 0, 0, 1], [0, 0, 1, 0]]),
        ([fc.indicator_column(WORDS)], [[1, 0, 1], [0, 0, 0]]),
        ([fc.indicator_column(WEIGHTED)], [[2, 0, 0, 0.5], [0, 0, 3, 0]]),
        ([fc.indicator_column(fc.categorical_column_with_vocabulary_list("s", ["z"]))], [[0], [1]]),
        ([fc.indicator_column(fc.categorical_column_with_vocabulary_list("s", ["z"], num_oov_buckets=1))], [[0, 1], [1, 0]]),
        ([fc.indicator_column(fc.categorical_column_with_identity("i", 3, default_value=1))], [[1, 1, 0], [0, 0, 1]]),
    ],
)  # fmt: skip
def test_dense_columns(columns, wanted):
    np.testing.assert_allclose(layer(*columns), wanted, rtol=1e-6)


def test_hashed_ids_are_those_of_strings_to_hash_bucket_fast():
    expected = np.zeros([2, 7])
    for row, word in ((0, "a"), (0, "c"), (1, "q")):
        expected[row, tf.strings.to_hash_bucket_fast([word], 7).numpy()] += 1
    np.testing.assert_array_equal(layer(fc.indicator_column(HASHED)), expected)


def test_crosses_count_every_combination():
    dense = layer(fc.indicator_column(fc.crossed_column(["s", "w"], 11)))
    assert dense.sum(1).tolist() == [2, 1]
    nested = fc.crossed_column([fc.crossed_column(["s", "w"], 5), IDS], 50)
    assert nested.name == "i_X_s_X_w"
    assert layer(fc.indicator_column(nested)).sum(1).tolist() == [4, 1]


def test_words_in_a_file(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("c\na\n")
    column = fc.categorical_column_with_vocabulary_file("w", str(path))
    assert column.vocabulary_size == 2
    np.testing.assert_array_equal(layer(fc.indicator_column(column)), [[1, 1], [0, 0]])


def test_embeddings_combine_rows():
    table = v1.constant_initializer(np.arange(8.0).reshape(4, 2))
    column = fc.embedding_column(IDS, 2, combiner="sum", initializer=table)
    np.testing.assert_array_equal(layer(column), [[6, 8], [4, 5]])
    weighted = fc.embedding_column(WEIGHTED, 2, combiner="mean", initializer=table)
    np.testing.assert_allclose(layer(weighted)[0], (0.5 * np.float32([6, 7]) + 2 * np.float32([0, 1])) / 2.5)


def test_a_graph_has_the_weights_under_the_names_of_tensorflow():
    with tf.Graph().as_default():
        found = {}
        column = fc.embedding_column(WORDS, 3)
        inputs = v1.feature_column.input_layer(features(), [column, X], cols_to_vars=found)
        outputs = v1.feature_column.linear_model(features(), [X, IDS], units=2)
        names = [variable.name for variable in v1.trainable_variables()]
        with v1.Session() as session:
            session.run([v1.global_variables_initializer(), v1.tables_initializer()])
            dense, linear = session.run([inputs, outputs])
    assert names == [
        "input_layer/w_embedding/embedding_weights:0",
        "linear_model/i/weights:0",
        "linear_model/x/weights:0",
        "linear_model/bias_weights:0",
    ]
    assert [variable.name for variable in found[column]] == names[:1]
    assert found[X] == []
    assert dense.shape == (2, 4)
    np.testing.assert_array_equal(linear, np.zeros([2, 2]))


def test_a_linear_model_sums_weights():
    with tf.Graph().as_default():
        found = {}
        outputs = v1.feature_column.linear_model(features(), [X, IDS], cols_to_vars=found)
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            session.run([found[X][0].assign([[2.0]]), found["bias"][0].assign([100.0])])
            session.run(found[IDS][0].assign([[1.0], [2.0], [3.0], [4.0]]))
            np.testing.assert_array_equal(session.run(outputs), [[2 + 1 + 4 + 100], [10 + 3 + 100]])


def test_shared_embeddings_have_one_table():
    other = fc.categorical_column_with_identity("j", 4)
    columns = fc.shared_embeddings([IDS, other], 2, initializer=v1.ones_initializer())
    ids = features()["i"]
    dense = v1.feature_column.input_layer({"i": ids, "j": ids}, columns)
    np.testing.assert_array_equal(dense, np.ones([2, 4]))
    with tf.Graph().as_default():
        columns = v1.feature_column.shared_embedding_columns([IDS, other], 2)
        v1.feature_column.input_layer(features() | {"j": features()["i"]}, columns)
        names = [variable.name for variable in v1.trainable_variables()]
    assert names == ["input_layer/i_j_shared_embedding/embedding_weights:0"]


def test_columns_work_inside_functions():
    @tf.function
    def function(batch):
        return v1.feature_column.input_layer(batch, [fc.indicator_column(WORDS), X])

    batch = {"w": features()["w"], "x": tf.constant([[1.0], [5.0]])}
    np.testing.assert_array_equal(function(batch), [[1, 0, 1, 1], [0, 0, 0, 5]])


def test_what_is_parsed():
    spec = fc.make_parse_example_spec([X, BUCKETS, WORDS, WEIGHTED, fc.crossed_column(["s", "w"], 5)])
    assert spec == {
        "x": tf.io.FixedLenFeature((1,), tf.float32),
        "y": tf.io.FixedLenFeature((2,), tf.float32),
        "w": tf.io.VarLenFeature(tf.string),
        "i": tf.io.VarLenFeature(tf.int64),
        "weights": tf.io.VarLenFeature(tf.float32),
        "s": tf.io.VarLenFeature(tf.string),
    }
    with pytest.raises(ValueError, match="different parse_spec"):
        fc.make_parse_example_spec([X, fc.numeric_column("x", shape=2)])


def test_columns_are_values():
    assert fc.numeric_column("x") == X
    assert hash(fc.numeric_column("x")) == hash(X)
    assert fc.indicator_column(IDS) != fc.sequence_categorical_column_with_identity("i", 4)
    assert sorted([Y, X], key=lambda column: column.name) == [X, Y]


def _steps(column, **given):
    cache = tf.__internal__.feature_column.FeatureTransformationCache(given)
    dense, lengths = column.get_sequence_dense_tensor(cache, None)
    return dense.numpy(), lengths.numpy().tolist()


def test_sequences_of_numbers():
    steps = tf.SparseTensor([[0, 0], [0, 1], [2, 0]], [1.0, 2.0, 3.0], [3, 2])
    dense, lengths = _steps(fc.sequence_numeric_column("n", default_value=-1.0), n=steps)
    assert dense[..., 0].tolist() == [[1, 2], [-1, -1], [3, -1]]
    assert lengths == [2, 0, 1]


def test_sequences_of_vectors():
    steps = tf.SparseTensor([[0, 0], [0, 1], [0, 2], [0, 3], [1, 0], [1, 1]], [1.0, 2, 3, 4, 5, 6], [2, 4])
    dense, lengths = _steps(fc.sequence_numeric_column("n", shape=2), n=steps)
    assert dense.tolist() == [[[1, 2], [3, 4]], [[5, 6], [0, 0]]]
    assert lengths == [2, 1]


def test_sequences_of_categories():
    steps = tf.SparseTensor([[0, 0], [1, 0], [1, 2]], ["a", "b", "q"], [2, 3])
    column = fc.indicator_column(fc.sequence_categorical_column_with_vocabulary_list("w", ["a", "b"]))
    dense, lengths = _steps(column, w=steps)
    assert dense.tolist() == [[[1, 0], [0, 0], [0, 0]], [[0, 1], [0, 0], [0, 0]]]
    assert lengths == [1, 3]
    with pytest.raises(ValueError, match="sequence"):
        layer(column)
    with pytest.raises(ValueError, match="sequence"):
        _steps(fc.indicator_column(WORDS), w=steps)


REFUSED = [
    ("numeric_column(1)", ValueError),
    ("numeric_column('a', shape=0)", ValueError),
    ("numeric_column('a', shape=[1.5])", TypeError),
    ("numeric_column('a', dtype=tf.string)", ValueError),
    ("numeric_column('a', default_value='x')", TypeError),
    ("numeric_column('a', shape=2, default_value=[1.0, 2.0, 3.0])", ValueError),
    ("numeric_column('a', normalizer_fn=3)", TypeError),
    ("bucketized_column(3, [1])", ValueError),
    ("bucketized_column(X, [2, 1])", ValueError),
    ("bucketized_column(X, [])", ValueError),
    ("categorical_column_with_hash_bucket('a', 0)", ValueError),
    ("categorical_column_with_hash_bucket('a', 3, tf.float32)", ValueError),
    ("categorical_column_with_vocabulary_list('a', [])", ValueError),
    ("categorical_column_with_vocabulary_list('a', ['x', 'x'])", ValueError),
    ("categorical_column_with_vocabulary_list('a', ['x'], default_value=0, num_oov_buckets=1)", ValueError),
    ("categorical_column_with_vocabulary_file('a', '/no/such/file')", ValueError),
    ("categorical_column_with_identity('a', 0)", ValueError),
    ("categorical_column_with_identity('a', 3, 5)", ValueError),
    ("crossed_column(['a'], 3)", ValueError),
    ("crossed_column(['a', HASHED], 3)", ValueError),
    ("indicator_column(3)", ValueError),
    ("embedding_column(IDS, 0)", ValueError),
    ("embedding_column(IDS, 2, ckpt_to_load_from='x')", ValueError),
    ("shared_embeddings([IDS, WORDS], 2)", ValueError),
    ("weighted_categorical_column(IDS, 'w', tf.string)", ValueError),
]


@pytest.mark.parametrize("expression, error", REFUSED)
def test_bad_arguments(expression, error):
    with pytest.raises(error):
        eval(f"fc.{expression}")


@pytest.mark.parametrize(
    "columns", [[IDS], [X, X], [], {"x": X}, [fc.numeric_column("missing")], [fc.numeric_column("weights")]]
)
def test_bad_models(columns):
    with pytest.raises(ValueError):
        v1.feature_column.input_layer(features(), columns)
