"""SavedModels and MetaGraphs the TF 1 way."""

import numpy as np
import pytest

import penstock as tf

v1 = tf.compat.v1


def _program(vocabulary):
    """A model with variables, a table from a file, a branch and a training step; returns its tensors by name."""
    x = v1.placeholder(tf.float32, [None, 2], name="x")
    words = v1.placeholder(tf.string, [None], name="words")
    w = v1.get_variable("w", initializer=tf.constant([[1.0], [2.0]]))
    y = tf.identity(tf.matmul(x, w), name="y")
    y = tf.cond(tf.reduce_sum(y) > 3.0, lambda: y * 2.0, lambda: y - 1.0)
    lines = tf.lookup.TextFileInitializer(
        vocabulary,
        tf.string,
        tf.lookup.TextFileIndex.WHOLE_LINE,
        tf.int64,
        tf.lookup.TextFileIndex.LINE_NUMBER,
    )
    ids = v1.lookup.StaticHashTable(lines, -1).lookup(words)
    step = v1.train.GradientDescentOptimizer(0.5).minimize(tf.reduce_sum(y), name="step")
    v1.add_to_collection("train_op", step)
    v1.add_to_collection("sizes", 3)
    return {"x": x, "words": words, "y": y, "ids": ids}


@pytest.fixture
def directory(tmp_path):
    vocabulary = tmp_path / "vocabulary.txt"
    vocabulary.write_text("a\nb\n")
    saved_model = v1.saved_model
    with tf.Graph().as_default(), v1.Session() as session:
        t = _program(str(vocabulary))
        session.run([v1.global_variables_initializer(), v1.tables_initializer()])
        signatures = {
            "serving_default": saved_model.predict_signature_def({"x": t["x"]}, {"y": t["y"]}),
            "find": saved_model.predict_signature_def({"words": t["words"]}, {"ids": t["ids"]}),
        }
        builder = saved_model.Builder(str(tmp_path / "model"))
        builder.add_meta_graph_and_variables(
            session,
            [saved_model.SERVING],
            signatures,
            assets_collection=v1.get_collection(v1.GraphKeys.ASSET_FILEPATHS),
            main_op=v1.tables_initializer(),
        )
        builder.save()
        v1.train.Saver().save(session, str(tmp_path / "checkpoint" / "model"))
    vocabulary.unlink()
    return tmp_path


def test_sessions_load_models(directory):
    with tf.Graph().as_default(), v1.Session() as session:
        meta = v1.saved_model.loader.load(session, ["serve"], str(directory / "model"))
        names = meta.signature_def["serving_default"]
        found = session.run(names.outputs["y"].name, {names.inputs["x"].name: [[1.0, 1.0]]})
        assert found.tolist() == [[2.0]]
        names = meta.signature_def["find"]
        found = session.run(names.outputs["ids"].name, {names.inputs["words"].name: ["b", "z"]})
        assert found.tolist() == [1, -1]


def test_models_load_under_a_scope(directory):
    with tf.Graph().as_default(), v1.Session() as session:
        v1.saved_model.load(session, ["serve"], str(directory / "model"), import_scope="old")
        assert session.run("old/y:0", {"old/x:0": [[1.0, 1.0]]}).tolist() == [[3.0]]


def test_other_tags_are_refused(directory):
    with tf.Graph().as_default(), v1.Session() as session, pytest.raises(RuntimeError, match="'train'"):
        v1.saved_model.load(session, ["train"], str(directory / "model"))


def test_models_of_tf1_are_objects_for_tf2(directory):
    loaded = tf.saved_model.load(str(directory / "model"))
    serve = loaded.signatures["serving_default"]
    with tf.GradientTape() as tape:
        y = serve(x=tf.constant([[1.0, 3.0]]))["y"]
    assert y.numpy().tolist() == [[14.0]]
    assert tape.gradient(y, loaded.variables)[0].numpy().tolist() == [[2.0], [6.0]]
    assert loaded.signatures["find"](words=tf.constant(["b"]))["ids"].numpy().tolist() == [1]
    loaded.variables[0].assign([[0.0], [0.0]])
    assert serve(x=tf.constant([[1.0, 3.0]]))["y"].numpy().tolist() == [[-1.0]]


def test_functions_are_cut_out_of_loaded_graphs(directory):
    loaded = tf.saved_model.load(str(directory / "model"))
    assert loaded.prune("x:0", "y:0")(tf.constant([[1.0, 1.0]])).numpy().tolist() == [[3.0]]
    with pytest.raises(ValueError, match="placeholder 'x'"):
        loaded.prune([], "y:0")


def test_graphs_with_collections_go_on_training(directory):
    path = str(directory / "checkpoint" / "model")
    with tf.Graph().as_default(), v1.Session() as session:
        saver = v1.train.import_meta_graph(path + ".meta")
        saver.restore(session, path)
        assert v1.get_collection("sizes") == [3]
        assert [each.name for each in v1.trainable_variables()] == ["w:0"]
        assert v1.global_variables()[0] is v1.trainable_variables()[0]
        session.run(v1.get_collection("train_op")[0], {"x:0": [[2.0, 2.0]]})
        assert session.run(v1.global_variables()[0]).tolist() == [[-1.0], [0.0]]
        session.run(v1.global_variables_initializer())
        assert session.run(v1.global_variables()[0]).tolist() == [[1.0], [2.0]]


def test_builders_refuse_what_would_be_lost(directory, tmp_path):
    with pytest.raises(AssertionError, match="isn't empty"):
        v1.saved_model.Builder(str(directory / "model"))
    builder = v1.saved_model.Builder(str(tmp_path / "new"))
    with pytest.raises(AssertionError, match="not been saved yet"):
        builder.add_meta_graph(["serve"])


def test_several_graphs_of_one_model(tmp_path):
    builder = v1.saved_model.Builder(str(tmp_path))
    for tags, factor in ((["train"], 1.0), (["serve"], 10.0)):
        with tf.Graph().as_default(), v1.Session() as session:
            v = v1.get_variable("v", initializer=2.0)
            tf.multiply(v, factor, name="y")
            session.run(v.initializer)
            if tags == ["train"]:
                builder.add_meta_graph_and_variables(session, tags)
            else:
                builder.add_meta_graph(tags)
    builder.save(as_text=True)
    for tags, expected in ((["train"], 2.0), (["serve"], 20.0)):
        with tf.Graph().as_default(), v1.Session() as session:
            v1.saved_model.load(session, tags, str(tmp_path))
            assert session.run("y:0") == expected
    with pytest.raises(ValueError, match="more than one MetaGraph"):
        tf.saved_model.load(str(tmp_path))


def test_simple_save(tmp_path):
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [], name="x")
        v1.saved_model.simple_save(session, str(tmp_path / "model"), {"x": x}, {"y": x + 1.0})
    loaded = tf.saved_model.load(str(tmp_path / "model"))
    assert loaded.signatures["serving_default"](x=tf.constant(1.0))["y"].numpy() == 2.0


def test_sessions_run_models_of_tf2(tmp_path):
    """A server does that: it knows the graph, the saver and the initializing operation, and no objects."""
    vocabulary = tmp_path / "vocabulary.txt"
    vocabulary.write_text("a\nb\n")

    class Model(tf.Module):
        def __init__(self):
            self.v = tf.Variable([1.0, 2.0])
            index = tf.lookup.TextFileIndex
            lines = tf.lookup.TextFileInitializer(
                str(vocabulary), tf.string, index.WHOLE_LINE, tf.int64, index.LINE_NUMBER
            )
            self.table = tf.lookup.StaticHashTable(lines, -1)
            self.counts = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def __call__(self, words):
            return {"ids": self.table.lookup(words), "counts": self.counts.lookup(words), "v": self.v * 2.0}

    model = Model()
    model.counts.insert("a", tf.constant(5, tf.int64))
    tf.saved_model.save(model, str(tmp_path / "model"))
    with tf.Graph().as_default(), v1.Session() as session:
        meta = v1.saved_model.load(session, ["serve"], str(tmp_path / "model"))
        signature = meta.signature_def["serving_default"]
        fetches = {name: info.name for name, info in signature.outputs.items()}
        found = session.run(fetches, {signature.inputs["words"].name: ["b", "a"]})
    assert found["ids"].tolist() == [1, 0]
    assert found["counts"].tolist() == [-1, 5]
    assert found["v"].tolist() == [2.0, 4.0]


def test_meta_graphs_of_a_scope():
    with tf.Graph().as_default():
        with v1.variable_scope("part"):
            v = v1.get_variable("v", initializer=2.0)
            tf.square(v, name="y")
        tf.constant(1.0, name="other")
        meta = v1.train.export_meta_graph(export_scope="part")
    assert all(not node.name.startswith("part/") for node in meta.graph_def.node)
    with tf.Graph().as_default(), v1.Session() as session:
        v1.train.import_meta_graph(meta, import_scope="again")
        assert [each.name for each in v1.global_variables()] == ["again/v:0"]
        session.run(v1.global_variables_initializer())
        assert session.run("again/y:0") == 4.0


def test_scopes_must_hold_what_they_use():
    with tf.Graph().as_default():
        outside = tf.constant(1.0, name="outside")
        with tf.name_scope("part"):
            tf.square(outside)
        with pytest.raises(ValueError, match="'outside'"):
            v1.train.export_meta_graph(export_scope="part")


@pytest.mark.parametrize("as_text", [True, False])
def test_meta_graphs_in_files(tmp_path, as_text):
    with tf.Graph().as_default():
        v1.get_variable("v", initializer=2.0)
        meta = v1.train.export_meta_graph(str(tmp_path / "new" / "graph.meta"), as_text=as_text)
    with tf.Graph().as_default():
        assert v1.train.import_meta_graph(str(tmp_path / "new" / "graph.meta")) is not None
        names = {each.name for each in tf.compat.v1.get_default_graph().get_operations()}
    assert {node.name for node in meta.graph_def.node} <= names


def test_missing_and_damaged_meta_graphs(tmp_path):
    with pytest.raises(OSError, match="does not exist"):
        v1.train.import_meta_graph(str(tmp_path / "none.meta"))
    (tmp_path / "bad.meta").write_bytes(b"\xff\xfe\x00bad")
    with pytest.raises(OSError, match=r"Cannot parse file .*bad\.meta"):
        v1.train.import_meta_graph(str(tmp_path / "bad.meta"))


def test_names_that_are_taken_are_refused():
    with tf.Graph().as_default():
        tf.constant(1.0, name="c")
        meta = v1.train.export_meta_graph()
        with pytest.raises(ValueError, match="'c' already exists"):
            v1.train.import_meta_graph(meta)


def test_graphs_without_variables_have_no_saver():
    with tf.Graph().as_default():
        tf.constant(1.0, name="c")
        meta = v1.train.export_meta_graph()
    with tf.Graph().as_default():
        saver, found = v1.train.import_meta_graph(meta, return_elements=["c:0"])
        assert saver is None and found[0].name == "c:0"


# Signatures.


@pytest.fixture
def tensors():
    with tf.Graph().as_default():
        yield {
            "examples": v1.placeholder(tf.string, [None], name="examples"),
            "scores": v1.placeholder(tf.float32, [None], name="scores"),
            "sparse": v1.sparse_placeholder(tf.float32, [2, 3]),
            "ragged": v1.ragged.placeholder(tf.float32, 1, []),
        }


@pytest.mark.parametrize("name", ["examples", "sparse", "ragged"])
def test_tensor_infos_come_back(tensors, name):
    utils = v1.saved_model.utils
    info = utils.build_tensor_info(tensors[name])
    back = utils.get_tensor_from_tensor_info(info)
    for got, expected in zip(
        tf.nest.flatten(back, expand_composites=True), tf.nest.flatten(tensors[name], expand_composites=True)
    ):
        assert got is expected


def test_eager_tensors_have_no_tensor_info():
    with pytest.raises(RuntimeError, match="Eager"):
        v1.saved_model.build_tensor_info(tf.constant(1.0))


def test_kinds_of_signatures(tensors):
    saved_model = v1.saved_model
    examples, scores = tensors["examples"], tensors["scores"]
    made = {
        "tensorflow/serving/classify": saved_model.classification_signature_def(examples, None, scores),
        "tensorflow/serving/regress": saved_model.regression_signature_def(examples, scores),
        "tensorflow/serving/predict": saved_model.predict_signature_def({"a": scores}, {"b": scores}),
    }
    for method, signature in made.items():
        assert signature.method_name == method and saved_model.is_valid_signature(signature)
        signature.inputs.clear()
        assert not saved_model.is_valid_signature(signature)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda m, e, s: m.classification_signature_def(e, None, None), "cannot both be None"),
        (lambda m, e, s: m.classification_signature_def(s, None, s), "must be of type string"),
        (lambda m, e, s: m.regression_signature_def(e, e), "must be of type float32"),
        (lambda m, e, s: m.predict_signature_def({}, {"b": s}), "inputs"),
    ],
)
def test_bad_signatures(tensors, make, message):
    with pytest.raises(ValueError, match=message):
        make(v1.saved_model, tensors["examples"], tensors["scores"])


def test_method_names_are_changed_in_written_models(directory):
    path = str(directory / "model")
    updater = v1.saved_model.signature_def_utils.MethodNameUpdater(path)
    updater.replace_method_name("find", "my/method", tags="serve")
    updater.save()
    with tf.Graph().as_default(), v1.Session() as session:
        meta = v1.saved_model.load(session, ["serve"], path)
    assert meta.signature_def["find"].method_name == "my/method"
    with pytest.raises(ValueError, match="does not have a signature_def"):
        updater.replace_method_name("none", "my/method")


def test_a_graph_over_eager_variables_is_written_with_their_values(tmp_path):
    x = v1.placeholder(tf.float32, [None, 3], name="eager_variables_x")
    weights = tf.Variable(np.full((3, 2), 2.0, np.float32))
    y = tf.matmul(x, weights)
    directory = str(tmp_path / "model")
    with v1.Session(graph=x.graph) as session, x.graph.as_default():
        v1.saved_model.simple_save(session, directory, inputs={"x": x}, outputs={"y": y})
    loaded = tf.saved_model.load(directory)
    result = loaded.signatures["serving_default"](x=tf.ones([1, 3]))["y"]
    np.testing.assert_allclose(result, [[6.0, 6.0]])
