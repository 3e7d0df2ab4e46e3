"""SavedModels: what is written is read again. Interchange with TensorFlow is compared by the oracle."""

import os

import numpy as np
import pytest

import penstock as tf
from penstock.graph.graph_def import EXPANSIONS


class Model(tf.Module):
    """Variables in containers, tables, an asset, functions with several traces."""

    def __init__(self, vocabulary):
        super().__init__()
        self.scale = tf.Variable([1.0, 2.0], name="scale")
        self.parts = [tf.Variable(3.0), {"count": tf.Variable(4, trainable=False)}]
        lines = tf.lookup.TextFileInitializer(
            vocabulary,
            tf.string,
            tf.lookup.TextFileIndex.WHOLE_LINE,
            tf.int64,
            tf.lookup.TextFileIndex.LINE_NUMBER,
        )
        self.table = tf.lookup.StaticHashTable(lines, -1)
        self.counts = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)
        self.asset = tf.saved_model.Asset(vocabulary)
        self.large = tf.range(500.0)

    @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32, name="x")])
    def __call__(self, x):
        return {"y": x * self.scale + self.parts[0], "total": tf.reduce_sum(self.large)}

    @tf.function
    def find(self, words, factor=2, *, exact=True):
        found = self.table.lookup(words) * factor
        return (found, self.counts.lookup(words)) if exact else found

    @tf.function(input_signature=[tf.RaggedTensorSpec([None, None], tf.float32)])
    def lengths(self, rows):
        return rows.row_lengths(), rows * 2.0

    @tf.function(input_signature=[])
    def count(self):
        return self.parts[1]["count"].assign_add(1)


@pytest.fixture
def model(tmp_path):
    vocabulary = tmp_path / "vocabulary.txt"
    vocabulary.write_text("a\nb\nc\n")
    model = Model(str(vocabulary))
    model.counts.insert("b", tf.constant(7, tf.int64))
    model.find(tf.constant(["a", "z"]))
    model.find(tf.constant([["a"]]), 3, exact=False)
    return model


@pytest.fixture
def loaded(model, tmp_path):
    tf.saved_model.save(model, str(tmp_path / "saved"), signatures={"serve": model.__call__})
    os.remove(tmp_path / "vocabulary.txt")  # the model has its own
    return tf.saved_model.load(str(tmp_path / "saved"))


def test_variables_have_their_values_names_and_places(loaded):
    np.testing.assert_array_equal(loaded.scale, [1.0, 2.0])
    assert loaded.scale.name == "scale:0" and loaded.scale.trainable
    assert loaded.parts[0].numpy() == 3.0
    assert not loaded.parts[1]["count"].trainable


def test_functions_compute_the_same(loaded):
    found = loaded([[1.0, 2.0]])
    np.testing.assert_array_equal(found["y"], [[4.0, 7.0]])
    assert found["total"].numpy() == 499 * 250
    assert found["y"].shape.as_list() == [1, 2]


def test_arguments_choose_the_trace(loaded):
    found, counts = loaded.find(tf.constant(["b", "z"]))
    assert found.numpy().tolist() == [2, -2] and counts.numpy().tolist() == [7, -1]
    assert loaded.find(tf.constant([["c"]]), 3, exact=False).numpy().tolist() == [[6]]


def test_other_arguments_are_refused_with_what_there_is(loaded):
    with pytest.raises(ValueError, match=r"(?s)matching concrete function.*Option 2"):
        loaded.find(tf.constant(["b", "z"]), 5)
    with pytest.raises(ValueError, match="matching concrete function"):
        loaded.find(1, 2, 3, 4)


def test_functions_see_assigned_variables(loaded):
    loaded.scale.assign([0.0, 0.0])
    np.testing.assert_array_equal(loaded([[1.0, 2.0]])["y"], [[3.0, 3.0]])
    np.testing.assert_array_equal(loaded.signatures["serve"](x=tf.ones([1, 2]))["y"], [[3.0, 3.0]])


def test_functions_change_variables(loaded):
    assert [int(loaded.count()), int(loaded.count())] == [5, 6]
    assert loaded.parts[1]["count"].numpy() == 6


def test_gradients_flow_through_loaded_functions(loaded):
    x = tf.constant([[1.0, 2.0]])
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(loaded(x)["y"] ** 2.0)
    of_x, of_scale, of_part = tape.gradient(loss, [x, loaded.scale, loaded.parts[0]])
    np.testing.assert_array_equal(of_x, [[8.0, 28.0]])
    np.testing.assert_array_equal(of_scale, [8.0, 28.0])
    assert of_part.numpy() == 22.0


def test_loaded_functions_are_called_inside_functions(loaded):
    outer = tf.function(lambda x: loaded(x)["y"] + 1.0)
    np.testing.assert_array_equal(outer(tf.ones([1, 2])), [[5.0, 6.0]])


def test_composites_are_arguments_and_results(loaded):
    lengths, doubled = loaded.lengths(tf.ragged.constant([[1.0], [2.0, 3.0]]))
    assert lengths.numpy().tolist() == [1, 2]
    assert doubled.to_list() == [[2.0], [4.0, 6.0]]


def test_signatures(loaded):
    assert list(loaded.signatures) == ["serve"]
    serve = loaded.signatures["serve"]
    assert serve.structured_input_signature == ((), {"x": tf.TensorSpec([None, 2], tf.float32, name="x")})
    assert sorted(serve.structured_outputs) == ["total", "y"]
    with pytest.raises(TypeError, match="'x'"):
        serve()


def test_assets_are_copied(loaded):
    path = loaded.asset.asset_path.numpy().decode()
    assert path.endswith("saved/assets/vocabulary.txt")
    with open(path) as file:
        assert file.read() == "a\nb\nc\n"


def test_a_loaded_model_is_saved_again(loaded, tmp_path):
    loaded.scale.assign([5.0, 5.0])
    tf.saved_model.save(loaded, str(tmp_path / "again"), signatures=loaded.signatures)
    again = tf.saved_model.load(str(tmp_path / "again"))
    np.testing.assert_array_equal(again([[1.0, 2.0]])["y"], [[8.0, 13.0]])
    assert again.find(tf.constant(["b", "z"]))[1].numpy().tolist() == [7, -1]
    assert list(again.signatures) == ["serve"]


def test_the_only_function_is_the_signature(tmp_path):
    module = tf.Module()
    module.f = tf.function(lambda x: (x, x + 1.0), input_signature=[tf.TensorSpec([], tf.float32)])
    tf.saved_model.save(module, str(tmp_path))
    found = tf.saved_model.load(str(tmp_path)).signatures["serving_default"](x=tf.constant(1.0))
    assert {name: float(value) for name, value in found.items()} == {"output_0": 1.0, "output_1": 2.0}


def test_a_signature_takes_batches_of_another_size(tmp_path):
    module = tf.Module()
    module.f = tf.function(lambda x: 2.0 * x, input_signature=[tf.TensorSpec([32, 2], tf.float32)])
    tf.saved_model.save(module, str(tmp_path))
    serve = tf.saved_model.load(str(tmp_path)).signatures["serving_default"]
    assert serve(x=tf.ones([3, 2]))["output_0"].numpy().tolist() == [[2.0, 2.0]] * 3
    with pytest.raises(TypeError, match=r"expects float32\(32, 2\), got float32\(3,\)"):
        serve(x=tf.ones([3]))


@pytest.mark.parametrize(
    ("signatures", "message"),
    [
        ("text", "Expected a TensorFlow function"),
        ({1: None}, "must be strings"),
        ({"__saved_model_init_op": None}, "reserved"),
        ({"f": tf.function(lambda x: x)}, "Expected a TensorFlow function"),
    ],
)
def test_bad_signatures_are_refused(tmp_path, signatures, message):
    with pytest.raises(ValueError, match=message):
        tf.saved_model.save(tf.Module(), str(tmp_path / "new"), signatures)
    assert not (tmp_path / "new").exists()


def test_signatures_return_tensors_only(tmp_path):
    function = tf.function(lambda x: {"a": [x]}, input_signature=[tf.TensorSpec([], tf.float32)])
    with pytest.raises(ValueError, match="non-Tensor value"):
        tf.saved_model.save(tf.Module(), str(tmp_path), function)


def test_what_functions_use_must_be_held(tmp_path):
    hidden = tf.Variable(1.0, name="hidden")
    module = tf.Module()
    module.f = tf.function(lambda: hidden + 1.0, input_signature=[])
    with pytest.raises(AssertionError, match=r"(?s)'untracked' resource.*hidden"):
        tf.saved_model.save(module, str(tmp_path / "new"))
    assert not (tmp_path / "new").exists()


def test_other_objects_are_refused(tmp_path):
    with pytest.raises(ValueError, match="Trackable"):
        tf.saved_model.save([1, 2], str(tmp_path))


def test_functions_without_traces_say_so(tmp_path):
    module = tf.Module()
    module.f = tf.function(lambda x: x)
    tf.saved_model.save(module, str(tmp_path))
    with pytest.raises(ValueError, match="zero restored functions"):
        tf.saved_model.load(str(tmp_path)).f(1.0)


def test_saving_over_a_model_replaces_it(tmp_path):
    module = tf.Module()
    module.v = tf.Variable(1.0)
    tf.saved_model.save(module, str(tmp_path))
    (tmp_path / "notes.txt").write_text("kept")
    module.v.assign(2.0)
    tf.saved_model.save(module, str(tmp_path))
    assert tf.saved_model.load(str(tmp_path)).v.numpy() == 2.0
    assert (tmp_path / "notes.txt").read_text() == "kept"
    assert sorted(os.listdir(tmp_path)) == ["fingerprint.pb", "notes.txt", "saved_model.pb", "variables"]


@pytest.mark.parametrize("custom", [True, False])
def test_custom_gradients(tmp_path, custom):
    @tf.custom_gradient
    def strange(z):
        return z * z, lambda dy: dy * 10.0 * z

    module = tf.Module()
    module.f = tf.function(lambda x: strange(tf.sin(x)), input_signature=[tf.TensorSpec([], tf.float32)])
    tf.saved_model.save(
        module, str(tmp_path), options=tf.saved_model.SaveOptions(experimental_custom_gradients=custom)
    )
    loaded, x = tf.saved_model.load(str(tmp_path)), tf.constant(0.5)

    def slope():
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = loaded.f(x)
        return tape.gradient(y, x)

    if custom:
        np.testing.assert_allclose(slope(), 10.0 * np.sin(0.5) * np.cos(0.5), rtol=1e-6)
    else:
        with pytest.raises(LookupError, match="experimental_custom_gradients"):
            slope()


def test_fingerprints_tell_models_apart(tmp_path):
    module = tf.Module()
    module.v = tf.Variable(1.0)
    for name, value in (("a", 1.0), ("b", 2.0)):
        module.v.assign(value)
        tf.saved_model.save(module, str(tmp_path / name))
    a, b = (tf.saved_model.experimental.read_fingerprint(str(tmp_path / name)) for name in "ab")
    assert a.graph_def_program_hash == b.graph_def_program_hash
    assert a.checkpoint_hash != b.checkpoint_hash and a.singleprint() != b.singleprint()
    with pytest.raises(FileNotFoundError, match="Fingerprint"):
        tf.saved_model.experimental.read_fingerprint(str(tmp_path))


def test_contains_saved_model(tmp_path):
    assert not tf.saved_model.contains_saved_model(str(tmp_path / "none"))
    tf.saved_model.save(tf.Module(), str(tmp_path))
    assert tf.saved_model.contains_saved_model(tmp_path)


def _write_model(directory):
    module = tf.Module()
    module.v = tf.Variable(tf.range(1000.0))
    module.f = tf.function(lambda: module.v + 1.0, input_signature=[])
    tf.saved_model.save(module, str(directory))


def test_missing_and_damaged_files_are_named(tmp_path):
    with pytest.raises(OSError, match="does not exist at"):
        tf.saved_model.load(str(tmp_path / "none"))
    _write_model(tmp_path)
    model_file = tmp_path / "saved_model.pb"
    data = model_file.read_bytes()
    for damaged in (data[: len(data) // 2], b"\xff" + data[1:], b""):
        model_file.write_bytes(damaged)
        with pytest.raises(OSError, match="saved_model.pb"):
            tf.saved_model.load(str(tmp_path))


def test_damaged_values_are_refused(tmp_path):
    _write_model(tmp_path)
    data_file = tmp_path / "variables" / "variables.data-00000-of-00001"
    data = bytearray(data_file.read_bytes())
    data[100] ^= 1
    data_file.write_bytes(data)
    with pytest.raises(tf.errors.DataLossError):
        tf.saved_model.load(str(tmp_path))


def test_values_may_be_left_out(tmp_path):
    _write_model(tmp_path)
    for name in os.listdir(tmp_path / "variables"):
        os.remove(tmp_path / "variables" / name)
    with pytest.raises(OSError, match="lacks the values"):
        tf.saved_model.load(str(tmp_path))
    options = tf.saved_model.LoadOptions(experimental_skip_checkpoint=True)
    loaded = tf.saved_model.load(str(tmp_path), options=options)
    assert not loaded.v.is_initialized()
    loaded.v.assign(tf.zeros([1000]))
    assert loaded.f().numpy().sum() == 1000.0


def test_tags(tmp_path):
    options = tf.saved_model.SaveOptions(extra_tags=["extra"])
    tf.saved_model.save(tf.Module(), str(tmp_path), options=options)
    tf.saved_model.load(str(tmp_path), tags=["serve", "extra"])
    with pytest.raises(ValueError, match="incompatible argument to `tags`"):
        tf.saved_model.load(str(tmp_path), tags="serve")


def test_function_aliases(tmp_path):
    module = tf.Module()
    module.f = tf.function(lambda x: x + 1.0, input_signature=[tf.TensorSpec([], tf.float32)])
    options = tf.saved_model.SaveOptions(function_aliases={"next": module.f})
    tf.saved_model.save(module, str(tmp_path), options=options)
    options = tf.saved_model.LoadOptions(experimental_load_function_aliases=True)
    assert tf.saved_model.load(str(tmp_path), options=options).function_aliases["next"](1.0).numpy() == 2.0


def test_loops_branches_and_random_numbers(tmp_path):
    class Program(tf.Module):
        def __init__(self):
            self.w = tf.Variable([[0.5, 0.1], [0.2, 0.7]])

        @tf.function(input_signature=[tf.TensorSpec([1, 2], tf.float32), tf.TensorSpec([], tf.int32)])
        def run(self, x, steps):
            for i in tf.range(steps):
                if i % 2 == 0:
                    x = x @ self.w
                else:
                    x = tf.sin(x)
            return x, tf.map_fn(tf.reduce_sum, x), tf.random.stateless_uniform([2], [1, 2])

    program = Program()
    tf.saved_model.save(program, str(tmp_path))
    loaded, x = tf.saved_model.load(str(tmp_path)), tf.constant([[1.0, 2.0]])
    for got, expected in zip(loaded.run(x, 5), program.run(x, 5)):
        np.testing.assert_array_equal(got, expected)
    with tf.GradientTape() as tape:
        y = tf.reduce_sum(loaded.run(x, 5)[0])
    with tf.GradientTape() as expected_tape:
        expected = tf.reduce_sum(program.run(x, 5)[0])
    np.testing.assert_allclose(
        tape.gradient(y, loaded.w), expected_tape.gradient(expected, program.w), rtol=1e-6
    )


def test_ops_that_only_penstock_has_are_named(tmp_path, caplog, monkeypatch):
    monkeypatch.delitem(EXPANSIONS, "RaggedBroadcast")  # so that it stays what it is
    module = tf.Module()
    spec = tf.RaggedTensorSpec([None, None], tf.float32)
    module.f = tf.function(lambda rows: rows + tf.reduce_max(rows, 1, keepdims=True), input_signature=[spec])
    tf.saved_model.save(module, str(tmp_path))
    assert "RaggedBroadcast" in caplog.text
    rows = tf.ragged.constant([[1.0], [2.0, 3.0]])
    assert tf.saved_model.load(str(tmp_path)).f(rows).to_list() == [[2.0], [5.0, 6.0]]


@tf.function(input_signature=[tf.TensorSpec([], tf.float32)])
def _checked(x):
    tf.debugging.assert_greater(x, 0.0)
    tf.print("x is", x)
    return tf.debugging.check_numerics(x, "x") + 1.0


@pytest.mark.parametrize("strip", [True, False])
def test_debugging_nodes_are_left_out_on_demand(tmp_path, strip, capfd):
    module = tf.Module()
    module.f = _checked
    tf.saved_model.save(
        module, str(tmp_path), options=tf.saved_model.SaveOptions(experimental_debug_stripper=strip)
    )
    loaded = tf.saved_model.load(str(tmp_path))
    if strip:
        assert loaded.f(-1.0).numpy() == 0.0
    else:
        with pytest.raises(tf.errors.InvalidArgumentError):
            loaded.f(-1.0)
    assert loaded.f(1.0).numpy() == 2.0
    assert ("x is 1" in capfd.readouterr().err) is not strip


def test_lines_of_nodes_are_saved_on_demand(tmp_path):
    from tensorboard.compat.proto import graph_debug_info_pb2

    module = tf.Module()
    module.f = _checked
    tf.saved_model.save(module, str(tmp_path), options=tf.saved_model.SaveOptions(save_debug_info=True))
    data = (tmp_path / "debug" / "saved_model_debug_info.pb").read_bytes()
    message = graph_debug_info_pb2.GraphDebugInfo.FromString(data)
    assert list(message.files) == [__file__]
    assert any(name.startswith("PrintV2@") for name in message.traces)


def test_gradients_that_have_gradients_without_end_are_saved_up_to_the_second(tmp_path):
    @tf.custom_gradient
    def triple(z):
        return z * 3.0, lambda dy: triple(dy)

    module = tf.Module()
    module.f = tf.function(triple, input_signature=[tf.TensorSpec([])])
    tf.saved_model.save(module, str(tmp_path))
    loaded, x = tf.saved_model.load(str(tmp_path)), tf.constant(2.0)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = loaded.f(x)
    assert (y.numpy(), tape.gradient(y, x).numpy()) == (6.0, 3.0)
