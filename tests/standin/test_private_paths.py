"""What libraries of every era import from TensorFlow's private paths is there, and does what it does there."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

import penstock as tf
from penstock.standin import internals

v1 = tf.compat.v1

# Path -> names that TF 1 scripts and libraries import from it.
IMPORTS = {
    "core.framework.graph_pb2": "GraphDef",
    "core.framework.summary_pb2": "Summary SummaryMetadata",
    "core.protobuf.config_pb2": "ConfigProto RunOptions RunMetadata GPUOptions",
    "core.protobuf.meta_graph_pb2": "MetaGraphDef SignatureDef",
    "core.protobuf.queue_runner_pb2": "QueueRunnerDef",
    "core.protobuf.saved_model_pb2": "SavedModel",
    "core.protobuf.tensor_bundle_pb2": "BundleEntryProto BundleHeaderProto",
    "core.util.event_pb2": "Event SessionLog",
    "examples.tutorials.mnist.input_data": "read_data_sets",
    "python.client.device_lib": "list_local_devices",
    "python.client.session": "Session InteractiveSession BaseSession SessionInterface",
    "python.framework.constant_op": "constant constant_v1",
    "python.framework.func_graph": "FuncGraph",
    "python.framework.function": "Defun",
    "python.framework.graph_io": "write_graph",
    "python.framework.ops": "Tensor Graph Operation GraphKeys EagerTensor RegisterGradient NotDifferentiable "
    "convert_to_tensor convert_n_to_tensor convert_to_tensor_or_indexed_slices internal_convert_to_tensor name_scope "
    "control_dependencies get_default_graph reset_default_graph add_to_collection get_collection init_scope uid "
    "get_name_scope strip_name_scope prepend_name_scope name_from_scope_name get_all_collection_keys",
    "python.framework.random_seed": "get_seed set_random_seed DEFAULT_GRAPH_SEED",
    "python.framework.sparse_tensor": "SparseTensor SparseTensorValue is_sparse",
    "python.framework.tensor_shape": "TensorShape Dimension as_shape unknown_shape scalar vector matrix as_dimension",
    "python.framework.tensor_util": "make_tensor_proto MakeNdarray constant_value constant_value_as_shape shape_tensor",
    "python.framework.test_util": "TensorFlowTestCase run_in_graph_and_eager_modes run_deprecated_v1 run_v1_only",
    "python.ops.gen_nn_ops": "relu conv2d max_pool",
    "python.ops.summary_ops_v2": "create_file_writer scalar record_if always_record_summaries has_default_writer",
    "python.platform.app": "run",
    "python.platform.flags": "FLAGS DEFINE_string DEFINE_integer DEFINE_enum",
    "python.platform.gfile": "GFile Open FastGFile Exists MakeDirs",
    "python.platform.googletest": "main TestCase GetTempDir",
    "python.platform.resource_loader": "load_resource get_path_to_datafile",
    "python.platform.test": "TestCase main mock get_temp_dir Benchmark",
    "python.platform.tf_logging": "info warn warning error get_logger INFO",
    "python.summary.summary": "scalar image histogram merge_all FileWriter FileWriterCache Summary Event",
    "python.summary.summary_iterator": "summary_iterator",
    "python.summary.writer.event_file_writer": "EventFileWriter",
    "python.summary.writer.writer": "FileWriter",
    "python.summary.writer.writer_cache": "FileWriterCache",
    "python.training.basic_loops": "basic_train_loop",
    "python.training.basic_session_run_hooks": "LoggingTensorHook StopAtStepHook CheckpointSaverHook",
    "python.training.checkpoint_management": "latest_checkpoint get_checkpoint_state",
    "python.training.checkpoint_state_pb2": "CheckpointState",
    "python.training.coordinator": "Coordinator LooperThread",
    "python.training.input": "batch shuffle_batch string_input_producer",
    "python.training.monitored_session": "MonitoredSession Scaffold USE_DEFAULT",
    "python.training.queue_runner_impl": "QueueRunner start_queue_runners",
    "python.training.saver": "Saver latest_checkpoint",
    "python.training.session_manager": "SessionManager",
    "python.training.session_run_hook": "SessionRunHook SessionRunArgs",
    "python.training.summary_io": "SummaryWriterCache summary_iterator",
    "python.training.supervisor": "Supervisor",
    "python.training.training": "Coordinator QueueRunner AdamOptimizer",
    "python.training.training_util": "get_global_step get_or_create_global_step write_graph",
}


# The files of packages of `tf.contrib`.
IMPORTS |= {
    "contrib.crf.python.ops.crf": "crf_log_likelihood",
    "contrib.rnn.python.ops.rnn_cell": "LayerNormBasicLSTMCell",
    "contrib.rnn.python.ops.core_rnn_cell": "BasicLSTMCell",
    "contrib.seq2seq.python.ops.attention_wrapper": "AttentionWrapper BahdanauAttention",
    "contrib.slim.python.slim.learning": "train",
    "contrib.training.python.training.hparam": "HParams",
}


@pytest.mark.parametrize("path", IMPORTS)
def test_names_are_there(path):
    module = internals.module(path)
    assert module is not None
    for name in IMPORTS[path].split():
        assert getattr(module, name) is not None, name


# Framework.

ops = internals.module("python.framework.ops")


@pytest.mark.parametrize(
    ("name", "stripped"), [("a/b/c", "b/c"), ("^a/b", "^b"), ("loc:@a/b", "loc:@b"), ("x/y", "x/y")]
)
def test_scopes_of_names(name, stripped):
    assert ops.strip_name_scope(name, "a") == stripped
    if name != stripped:
        assert ops.prepend_name_scope(stripped, "a") == name


def test_conversions():
    slices = tf.IndexedSlices(tf.ones([1, 2]), tf.constant([0]))
    assert ops.convert_to_tensor_or_indexed_slices(slices) is slices
    assert [each.dtype for each in ops.convert_n_to_tensor([1, 2.0])] == [tf.int32, tf.float32]


def test_shapes():
    shapes = internals.module("python.framework.tensor_shape")
    assert shapes.matrix(2, None).as_list() == [2, None]
    assert shapes.vector(3).as_list() == [3] and shapes.scalar().as_list() == []


def test_a_graph_function_with_a_gradient_of_its_own():
    Defun = internals.module("python.framework.function").Defun

    @Defun(tf.float32, python_grad_func=lambda op, dy: dy * op.inputs[0] * 10.0)
    def square(x):
        return x * x

    with tf.GradientTape() as tape:
        x = tf.constant(3.0)
        tape.watch(x)
        y = square(x)
    assert (y, tape.gradient(y, x)) == (9.0, 30.0)


def test_generated_functions_take_arguments_by_position():
    gen_math_ops = internals.module("python.ops.gen_math_ops")
    a = tf.constant([[1.0, 2.0]])
    np.testing.assert_array_equal(gen_math_ops.mat_mul(a, a, False, True), [[5.0]])
    np.testing.assert_array_equal(gen_math_ops.add_v2(a, y=a), [[2.0, 4.0]])
    with pytest.raises(AttributeError):
        gen_math_ops.no_such_op


def test_summaries_of_contrib(tmp_path):
    contrib = internals.module("python.ops.summary_ops_v2")
    step = tf.Variable(3, dtype=tf.int64)
    with contrib.create_file_writer(str(tmp_path)).as_default():
        contrib.scalar("silent", 1.0, step=step)
        with contrib.always_record_summaries():
            contrib.scalar("loss", 2.0, step=step)
            contrib.histogram("h", [1.0], step=step)
        with contrib.record_summaries_every_n_global_steps(2, step):
            contrib.scalar("odd", 1.0, step=step)
    (file,) = tmp_path.iterdir()
    found = [value.tag for event in v1.train.summary_iterator(file) for value in event.summary.value]
    assert found == ["loss", "h"]


def test_devices():
    devices = internals.module("python.client.device_lib").list_local_devices()
    assert "CPU" in {each.device_type for each in devices}


# MNIST.

mnist = internals.module("examples.tutorials.mnist.input_data")


def idx(array):
    dims = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return b"\0\0\x08" + bytes([array.ndim]) + dims + array.tobytes()


@pytest.fixture
def folder(tmp_path):
    pixels = np.arange(10 * 4, dtype=np.uint8).reshape(10, 2, 2)
    labels = np.arange(10, dtype=np.uint8)
    for kind in ("train", "t10k"):
        (tmp_path / f"{kind}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(pixels)))
        (tmp_path / f"{kind}-labels-idx1-ubyte").write_bytes(idx(labels))
    return str(tmp_path)


def test_digits_are_read(folder):
    data = mnist.read_data_sets(folder, one_hot=True, validation_size=3)
    assert [each.num_examples for each in data] == [7, 3, 10]
    assert data.train.images.shape == (7, 4) and data.train.images.dtype == np.float32
    np.testing.assert_array_equal(data.validation.labels, np.eye(10)[:3])
    np.testing.assert_allclose(data.test.images[1], np.array([4, 5, 6, 7], np.float32) / 255)


def test_digits_as_they_are(folder):
    data = mnist.read_data_sets(folder, dtype=tf.uint8, reshape=False, validation_size=0)
    assert data.train.images.shape == (10, 2, 2, 1) and data.train.labels.tolist() == list(range(10))


def test_batches_go_over_the_end_of_an_epoch(folder):
    train = mnist.read_data_sets(folder, validation_size=0, seed=1).train
    first = np.concatenate([train.next_batch(4)[1] for _ in range(2)])
    rest = train.next_batch(4)[1]
    assert train.epochs_completed == 1
    assert sorted([*first, *rest[:2]]) == list(range(10)) and [*first, *rest[:2]] != list(range(10))


def test_batches_in_order(folder):
    train = mnist.read_data_sets(folder, validation_size=0).train
    assert [train.next_batch(4, shuffle=False)[1].tolist() for _ in range(3)] == [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
        [8, 9, 0, 1],
    ]


def test_it_says_where_the_files_belong(tmp_path):
    with pytest.raises(tf.errors.NotFoundError, match="Put the four files of MNIST"):
        mnist.read_data_sets(str(tmp_path))


def test_damaged_digits(folder, tmp_path):
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx(np.arange(10, dtype=np.uint8))[:-1])
    with pytest.raises(tf.errors.DataLossError, match="expected"):
        mnist.read_data_sets(folder)


def test_a_validation_part_that_is_too_large(folder):
    with pytest.raises(ValueError, match="Validation size"):
        mnist.read_data_sets(folder, validation_size=11)


def test_made_up_digits():
    images, labels = mnist.read_data_sets("nowhere", fake_data=True, one_hot=True).train.next_batch(2)
    assert len(images) == 2 and len(images[0]) == 784 and labels[0] == [1] + [0] * 9
