"""Ops that hardly any program calls by themselves, through `tf.raw_ops`."""

import os
import tempfile


def _run(tf, build):
    """What a session gives for the steps that `build` makes, one after the other."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        found = [session.run(step) for step in build(tf.raw_ops)]
        return [0 if each is None else each for each in found]


def accumulators_of_resources(tf):
    def build(ops):
        handle = ops.ResourceConditionalAccumulator(dtype=tf.float32, shape=[2], reduction_type="SUM")
        step = tf.constant(0, tf.int64)
        return [
            ops.ResourceAccumulatorApplyGradient(
                handle=handle, local_step=step, gradient=tf.constant([1.0, 2.0])
            ),
            ops.ResourceAccumulatorNumAccumulated(handle=handle),
            ops.ResourceAccumulatorTakeGradient(handle=handle, num_required=1, dtype=tf.float32),
            ops.ResourceAccumulatorSetGlobalStep(handle=handle, new_global_step=tf.constant(3, tf.int64)),
        ]

    return _run(tf, build)


def examples_by_the_first_ops(tf):
    feature = tf.train.Feature(int64_list=tf.train.Int64List(value=[1, 2]))
    text = tf.train.Example(features=tf.train.Features(feature={"n": feature})).SerializeToString()
    ops = tf.raw_ops
    none = {"sparse_keys": [], "sparse_types": [], "dense_shapes": [[2]]}
    default = [tf.zeros([2], tf.int64)]
    batch = ops.ParseExample(serialized=[text], names=[], dense_keys=["n"], dense_defaults=default, **none)
    one = ops.ParseSingleExample(
        serialized=text, dense_defaults=default, num_sparse=0, dense_keys=["n"], **none
    )
    return batch.dense_values, one.dense_values


def stateful_draws(tf):
    ops = tf.raw_ops
    state = tf.Variable([0, 0, 7], dtype=tf.int64)
    given = {"resource": state.handle, "algorithm": tf.constant(1, tf.int64), "shape": [3]}
    found = [
        ops.StatefulUniform(dtype=tf.float32, **given),
        ops.StatefulStandardNormalV2(dtype=tf.float32, **given),
        ops.StatefulTruncatedNormal(dtype=tf.float32, **given),
        ops.StatefulUniformInt(minval=tf.constant(2), maxval=tf.constant(50), **given),
        ops.StatefulUniformFullInt(dtype=tf.int32, **given),
    ]
    ops.RngSkip(resource=state.handle, algorithm=tf.constant(1, tf.int64), delta=tf.constant(5, tf.int64))
    return found, state


def draws_of_the_first_era(tf):
    def build(ops):
        box = tf.constant([[[0.1, 0.1, 0.9, 0.9]]])
        image = tf.constant([40, 30, 3])
        return [
            ops.SampleDistortedBoundingBox(image_size=image, bounding_boxes=box, seed=1, seed2=2),
            ops.ThreadUnsafeUnigramCandidateSampler(
                true_classes=tf.constant([[1]], tf.int64), num_true=1, num_sampled=3, unique=True, range_max=5, seed=1, seed2=2
            )[1],
        ]  # fmt: skip

    return _run(tf, build)


def checked(tf):
    return tf.raw_ops.CheckNumericsV2(tensor=tf.constant([0.5, -1.0]), message="fine")


def serialized_sparse_tensors(tf):
    sparse = tf.sparse.from_dense([[1, 0], [0, 2]])
    one = tf.io.serialize_sparse(sparse)
    return one, tf.raw_ops.DeserializeSparse(serialized_sparse=tf.stack([one, one]), dtype=tf.int32)


def summaries_by_their_ops(tf):
    def build(ops):
        return [
            ops.AudioSummaryV2(tag="audio", tensor=tf.zeros([1, 4]), sample_rate=8.0),
            ops.ScalarSummary(tags=["a", "b"], values=[1.0, 2.0]),
            ops.MergeSummary(inputs=[ops.ScalarSummary(tags="a", values=1.0)]),
        ]

    found = _run(tf, build)
    parse = tf.compat.v1.Summary.FromString
    return [[value.tag for value in parse(each).value] for each in found], found[1:]


def records_of_a_dataset(tf):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "x.tfrecord")
        with tf.io.TFRecordWriter(path) as writer:
            for each in (b"a", b"bc"):
                writer.write(each)
        return list(tf.data.TFRecordDataset(path).as_numpy_iterator())


def readers_and_their_states(tf):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "lines.txt")
        with open(path, "w") as file:
            file.write("one\ntwo\nthree\n")

        def build(ops):
            reader = ops.TextLineReaderV2(shared_name="lines")
            queue = ops.FIFOQueueV2(component_types=[tf.string], shared_name="names")
            return [
                ops.QueueEnqueueV2(handle=queue, components=[tf.constant(path)]),
                ops.ReaderReadUpToV2(reader_handle=reader, queue_handle=queue, num_records=2)[1],
                ops.ReaderResetV2(reader_handle=reader),
                ops.ReaderNumRecordsProducedV2(reader_handle=reader),
            ]

        return _run(tf, build)


def tables_by_their_ops(tf):
    def build(ops):
        table = ops.HashTableV2(key_dtype=tf.string, value_dtype=tf.int64, shared_name="table")
        keys, values = tf.constant(["a", "b"]), tf.constant([1, 2], tf.int64)
        return [
            ops.InitializeTableV2(table_handle=table, keys=keys, values=values),
            ops.LookupTableFindV2(
                table_handle=table, keys=["b", "c"], default_value=tf.constant(-1, tf.int64)
            ),
        ]

    return _run(tf, build)


def steps_of_dual_coordinate_ascent(tf):
    """One example, since the order of several is random; and models of several that have converged."""
    losses = ("logistic_loss", "squared_loss", "hinge_loss", "smooth_hinge_loss", "poisson_loss")
    train, indices = tf.compat.v1.train, tf.constant([0, 0, 1], tf.int64)

    def weights_after(loss, passes, examples, adaptive):
        sparse, dense, state = tf.zeros([2]), tf.fill([2], 0.1), tf.zeros([examples, 4])
        features = tf.constant([[1.0, -2.0], [0.5, 3.0]])[:examples]
        for _ in range(passes):
            state, (sparse_delta,), (dense_delta,) = train.sdca_optimizer(
                [indices[: examples + 1]], [tf.constant([7, 9, 7], tf.int64)[: examples + 1]],
                [tf.constant([0.5, 2.0, -1.0])[: examples + 1]], [features], [1.0, 2.0][:examples],
                [1.0, 0.0][:examples], [tf.constant([7, 9], tf.int64)], [sparse], [dense], state, loss,
                l1=0.1, l2=0.7, num_loss_partitions=3 - examples, num_inner_iterations=1, adaptative=adaptive,
            )  # fmt: skip
            sparse, dense = sparse + sparse_delta, dense + dense_delta
        return [sparse, dense] + ([state] if examples == 1 else [])

    one = {loss: weights_after(loss, 2, 1, True) for loss in losses}
    return one, {loss: weights_after(loss, 60, 2, False) for loss in losses}


def fingerprints_of_128_bits(tf):
    lengths = [0, 3, 8, 15, 16, 17, 31, 40, 64, 127, 128, 143, 144, 160, 271, 272, 300]
    texts = [bytes((37 * i + length) % 251 for i in range(length)) for length in lengths]
    return tf.compat.v1.train.sdca_fprint(texts)
