"""Files, serialized tensors, Examples, images, text codes and summaries."""

import os
import tempfile

import numpy as np

from oracle.programs import outcome


def checkpoint_ops(tf):
    with tempfile.TemporaryDirectory() as folder:
        prefix = os.path.join(folder, "model")
        ops = tf.raw_ops
        names = ["a", "b"]
        ops.SaveV2(
            prefix=prefix,
            tensor_names=names,
            shape_and_slices=["", ""],
            tensors=[tf.range(4), tf.constant([[1.5]])],
        )
        restored = ops.RestoreV2(
            prefix=prefix, tensor_names=names, shape_and_slices=["", ""], dtypes=[tf.int32, tf.float32]
        )
        part = ops.RestoreV2(prefix=prefix, tensor_names=["a"], shape_and_slices=["4 1,2"], dtypes=[tf.int32])
        ops.SaveV2(
            prefix=prefix + "2", tensor_names=["c"], shape_and_slices=[""], tensors=[tf.constant(["s"])]
        )
        ops.MergeV2Checkpoints(
            checkpoint_prefixes=[prefix, prefix + "2"], destination_prefix=os.path.join(folder, "all")
        )
        merged = [name for name, _ in tf.train.list_variables(os.path.join(folder, "all"))]
        missing = outcome(
            lambda: ops.RestoreV2(
                prefix=prefix + "9", tensor_names=["a"], shape_and_slices=[""], dtypes=[tf.int32]
            )
        )
        return restored, part, merged, missing, ops.ShardedFilename(basename="x", shard=3, num_shards=10), ops.ShardedFilespec(
            basename="x", num_shards=10
        )  # fmt: skip


def first_format_of_checkpoints(tf):
    v1 = tf.compat.v1
    with tempfile.TemporaryDirectory() as folder, tf.Graph().as_default(), v1.Session() as session:
        path = os.path.join(folder, "old.ckpt")
        ops = tf.raw_ops
        data = [tf.constant([1.0, 2.0, 3.0]), tf.constant([7], tf.int64)]
        session.run(ops.Save(filename=path, tensor_names=["a", "b"], data=data))
        found = session.run(
            [
                ops.Restore(file_pattern=path, tensor_name="a", dt=tf.float32),
                ops.RestoreSlice(file_pattern=path, tensor_name="a", shape_and_slice="3 1,2", dt=tf.float32),
            ]
        )
        session.run(
            ops.SaveSlices(
                filename=path + "s",
                tensor_names=["w"],
                shapes_and_slices=["4 0,2"],
                data=[tf.constant([1.0, 2.0])],
            )
        )
        return found


def files(tf):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "deep", "x.bin")
        tf.io.write_file(path, b"\x00\x01\xff")
        return (
            tf.io.read_file(path),
            tf.io.matching_files(os.path.join(folder, "*")).shape[0],
            outcome(tf.io.read_file, "/no/such"),
        )


def serialized_tensors(tf):
    values = [
        tf.constant([[1.5, 2.0]]),
        tf.constant(["a", "bc"]),
        tf.constant(True),
        tf.constant([1, 2], tf.uint8),
    ]
    texts = [tf.io.serialize_tensor(each) for each in values]
    back = [tf.io.parse_tensor(text, each.dtype) for text, each in zip(texts, values)]
    return (
        texts,
        back,
        outcome(lambda: tf.io.parse_tensor(texts[0], tf.int32)),
        outcome(lambda: tf.io.parse_tensor("?", tf.int32)),
    )


def serialized_sparse_tensors(tf):
    sparse = tf.sparse.from_dense([[1, 0], [0, 2]])
    one = tf.io.serialize_sparse(sparse)
    many = tf.io.serialize_many_sparse(sparse)
    return tf.io.deserialize_many_sparse(many, tf.int32, rank=1), tf.raw_ops.DeserializeSparse(
        serialized_sparse=one, dtype=tf.int32
    )


def _example(tf, **features):
    kinds = {int: "int64_list", float: "float_list", bytes: "bytes_list"}
    made = {}
    for name, values in features.items():
        kind = kinds[type(values[0])]
        lists = {
            "int64_list": tf.train.Int64List,
            "float_list": tf.train.FloatList,
            "bytes_list": tf.train.BytesList,
        }
        made[name] = tf.train.Feature(**{kind: lists[kind](value=values)})
    return tf.train.Features(feature=made)


def examples(tf):
    texts = [
        tf.train.Example(features=_example(tf, n=[1, 2], f=[0.5], s=[b"x", b"y"])).SerializeToString(),
        tf.train.Example(features=_example(tf, n=[3, 4], f=[1.5])).SerializeToString(),
    ]
    features = {
        "n": tf.io.FixedLenFeature([2], tf.int64),
        "f": tf.io.FixedLenFeature([], tf.float32, default_value=-1.0),
        "s": tf.io.VarLenFeature(tf.string),
        "r": tf.io.RaggedFeature(tf.string, value_key="s"),
    }
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        plain = {name: features[name] for name in ("n", "f", "s")}
        old = session.run(
            [v1.parse_example(texts, plain), v1.parse_single_example(texts[0], {"n": plain["n"]})]
        )
        parsed = [old[0]["n"], old[0]["f"], old[0]["s"].values, old[1]["n"]]
    bad = outcome(lambda: tf.io.parse_example(texts, {"q": tf.io.FixedLenFeature([], tf.int64)}))
    return tf.io.parse_example(texts, features), tf.io.parse_single_example(texts[0], features), parsed, bad


def sequence_examples(tf):
    steps = [tf.train.Feature(int64_list=tf.train.Int64List(value=[v, v + 1])) for v in (1, 5)]
    message = tf.train.SequenceExample(
        context=_example(tf, length=[2]),
        feature_lists=tf.train.FeatureLists(feature_list={"ids": tf.train.FeatureList(feature=steps)}),
    ).SerializeToString()
    context = {"length": tf.io.FixedLenFeature([], tf.int64)}
    sequence = {"ids": tf.io.FixedLenSequenceFeature([2], tf.int64)}
    return (
        tf.io.parse_single_sequence_example(message, context, sequence),
        tf.io.parse_sequence_example([message, message], context, {"ids": tf.io.VarLenFeature(tf.int64)}),
    )


def protos(tf):
    message = tf.train.Example(features=_example(tf, n=[1])).SerializeToString()
    ops = tf.raw_ops
    sizes, values = ops.DecodeProtoV2(
        bytes=[message], message_type="tensorflow.Example", field_names=["features"], output_types=[tf.string]
    )
    again = ops.EncodeProto(
        sizes=sizes, values=values, field_names=["features"], message_type="tensorflow.Example"
    )
    return sizes, values, again


def text_codes(tf):
    words = tf.constant(["Hello", "w\u00f6rld", ""])
    encoded = tf.io.encode_base64(words)
    points = tf.strings.unicode_decode(words, "UTF-8")
    return (
        encoded,
        tf.io.decode_base64(encoded),
        outcome(tf.io.decode_base64, "?"),
        tf.io.decode_raw(["abcd"], tf.uint8),
        tf.io.decode_raw(["abcdefgh"], tf.int16, fixed_length=6),
        tf.strings.unicode_encode(points, "UTF-16-BE"),
        tf.strings.unicode_decode_with_offsets(words, "UTF-8"),
        tf.strings.regex_replace(words, tf.constant("o"), "0"),
        tf.strings.regex_full_match(words, tf.constant("H.*")),
        tf.io.decode_csv(["1,x,2.5", "3,,"], [0, "d", 9.0]),
        tf.io.decode_compressed(tf.constant(_gzip(b"abc")), "GZIP"),
    )


def _gzip(data):
    import gzip

    return gzip.compress(data, mtime=0)


def images(tf):
    pixels = tf.constant(np.arange(4 * 5 * 3).reshape(4, 5, 3) * 4, tf.uint8)
    png, jpeg = tf.io.encode_png(pixels), tf.io.encode_jpeg(pixels, quality=100)
    return (
        tf.io.decode_png(png),
        tf.io.decode_image(png, channels=1),
        tf.io.decode_png(tf.io.encode_png(tf.cast(pixels, tf.uint16) * 255), dtype=tf.uint16),
        tf.io.extract_jpeg_shape(jpeg),
        tf.io.is_jpeg(jpeg),
        tf.shape(tf.raw_ops.EncodeJpegVariableQuality(images=pixels, quality=50)),
        outcome(tf.io.decode_png, "nothing"),
    )


def sounds(tf):
    wave = tf.constant(np.sin(np.arange(32) / 5).reshape(16, 2), tf.float32)
    data = tf.audio.encode_wav(wave, 8000)
    return data, tf.audio.decode_wav(data), tf.audio.decode_wav(data, desired_channels=1, desired_samples=4)


def summaries_of_the_first_era(tf):
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        made = [
            v1.summary.scalar("loss", 0.5),
            v1.summary.histogram("weights", tf.constant([1.0, 2.0, 2.0, -3.0])),
            v1.summary.tensor_summary("tensor", tf.constant([1, 2])),
            v1.summary.text("text", tf.constant("hello")),
            v1.summary.image("image", tf.constant(np.arange(48).reshape(1, 4, 4, 3) / 48.0, tf.float32)),
            v1.summary.audio("audio", tf.zeros([1, 8, 1]), 8000.0),
        ]
        merged = session.run(v1.summary.merge(made))
        message = v1.Summary.FromString(merged)
        old = session.run(tf.raw_ops.TensorSummary(tensor=[1.0], description="d", display_name="n"))
        return [(value.tag, value.WhichOneof("value")) for value in message.value], len(
            v1.Summary.FromString(old).value
        )


def summaries_of_the_second_era(tf):
    with tempfile.TemporaryDirectory() as folder:
        writer = tf.summary.create_file_writer(folder)
        with writer.as_default(step=3):
            tf.summary.scalar("a", 1.5)
            tf.summary.histogram("h", [1.0, 2.0, 3.0])
            tf.summary.image("i", tf.zeros([1, 4, 4, 3]))
            tf.summary.text("t", "words")
            tf.summary.audio("s", tf.zeros([1, 8, 1]), 8000)
            tf.summary.write("w", tf.constant([1, 2]))

            @tf.function
            def step(n):
                tf.summary.scalar("in", n, step=n)

            step(tf.constant(7, tf.int64))
            writer.flush()
        writer.close()
        (path,) = tf.io.gfile.glob(folder + "/*")
        found = []
        for record in tf.compat.v1.io.tf_record_iterator(path):
            event = tf.compat.v1.Event.FromString(record)
            found += [
                (event.step, value.tag, value.metadata.plugin_data.plugin_name)
                for value in event.summary.value
            ]
        return found


def ops_of_summary_writers(tf):
    ops = tf.raw_ops
    with tempfile.TemporaryDirectory() as folder:
        writer = ops.SummaryWriter(shared_name="", container="")
        ops.CreateSummaryFileWriter(
            writer=writer, logdir=folder, max_queue=10, flush_millis=1000, filename_suffix=".x"
        )
        step = tf.constant(2, tf.int64)
        ops.WriteScalarSummary(writer=writer, step=step, tag="scalar", value=1.0)
        ops.WriteHistogramSummary(writer=writer, step=step, tag="histogram", values=[1.0, 2.0])
        ops.WriteImageSummary(
            writer=writer,
            step=step,
            tag="image",
            tensor=tf.zeros([1, 2, 2, 3]),
            bad_color=tf.constant([255, 0, 0, 255], tf.uint8),
            max_images=1,
        )
        ops.WriteAudioSummary(
            writer=writer, step=step, tag="audio", tensor=tf.zeros([1, 4]), sample_rate=8.0, max_outputs=1
        )
        ops.WriteSummary(writer=writer, step=step, tensor=[1.0], tag="tensor", summary_metadata=b"")
        ops.WriteRawProtoSummary(
            writer=writer,
            step=step,
            tensor=tf.constant(
                tf.compat.v1.Summary(
                    value=[tf.compat.v1.Summary.Value(tag="raw", simple_value=1.0)]
                ).SerializeToString()
            ),
        )
        ops.FlushSummaryWriter(writer=writer)
        ops.CloseSummaryWriter(writer=writer)
        (path,) = tf.io.gfile.glob(folder + "/*")
        found = []
        for record in tf.compat.v1.io.tf_record_iterator(path):
            event = tf.compat.v1.Event.FromString(record)
            found += [(event.step, value.tag) for value in event.summary.value]
        return found, path.endswith(".x")


def feature_crosses(tf):
    sparse = tf.sparse.from_dense([["a", ""], ["b", "c"]])
    dense = tf.constant([["x"], ["y"]])
    ragged = tf.ragged.constant([["p"], ["q", "r"]])
    ops = tf.raw_ops
    return (
        tf.sparse.cross([sparse, dense]),
        tf.sparse.cross_hashed([sparse, dense], num_buckets=100, hash_key=7),
        ops.SparseCrossV2(
            indices=[sparse.indices],
            values=[sparse.values],
            shapes=[sparse.dense_shape],
            dense_inputs=[dense],
            sep="+",
        ),
        tf.ragged.cross([ragged, dense]),
        tf.ragged.cross_hashed([ragged, dense], num_buckets=50),
    )


def sets(tf):
    a = tf.sparse.from_dense([[1, 2], [3, 0]])
    b = tf.sparse.from_dense([[2, 5], [3, 4]])
    dense = tf.constant([[1, 9], [3, 3]])
    return (
        tf.sets.union(a, b),
        tf.sets.intersection(a, b),
        tf.sets.difference(a, b),
        tf.sets.intersection(dense, b),
        tf.sets.size(a),
    )


def quantized_networks(tf):
    ops = tf.raw_ops
    x = tf.constant(np.linspace(-1, 1, 16).reshape(1, 4, 4, 1), tf.float32)
    kernel = tf.constant(np.linspace(-0.5, 0.5, 4).reshape(2, 2, 1, 1), tf.float32)
    qx = tf.quantization.quantize(x, -1.0, 1.0, tf.quint8)
    qk = tf.quantization.quantize(kernel, -0.5, 0.5, tf.quint8)
    conv = ops.QuantizedConv2D(
        input=qx[0], filter=qk[0], min_input=qx[1], max_input=qx[2], min_filter=qk[1], max_filter=qk[2],
        strides=[1, 1, 1, 1], padding="VALID",
    )  # fmt: skip
    pool = ops.QuantizedMaxPool(
        input=qx[0],
        min_input=qx[1],
        max_input=qx[2],
        ksize=[1, 2, 2, 1],
        strides=[1, 2, 2, 1],
        padding="VALID",
    )
    relu = ops.QuantizedRelu(features=qx[0], min_features=qx[1], max_features=qx[2])
    relu6 = ops.QuantizedRelu6(features=qx[0], min_features=qx[1], max_features=qx[2])
    joined = ops.QuantizedConcat(
        concat_dim=0, values=[qx[0], qx[0]], input_mins=[qx[1], qx[1]], input_maxes=[qx[2], qx[2]]
    )
    return [
        (tf.cast(each[0], tf.int32), each[1], each[2]) for each in (conv, pool, relu, relu6, joined)
    ], ops.Dequantize(input=qx[0], min_range=-1.0, max_range=1.0)


def gradients_of_sparse_ops(tf):
    sparse = tf.sparse.from_dense([[1.0, 0.0, 2.0], [0.0, 3.0, 0.0]])
    values = tf.constant([1.0, 2.0, 3.0])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(values)
        one = tf.SparseTensor(sparse.indices, values, sparse.dense_shape)
        total = tf.sparse.add(one, sparse)
        cut = tf.sparse.slice(one, [0, 1], [2, 2])
        filled, _ = tf.sparse.fill_empty_rows(one, 5.0)
        ragged = tf.RaggedTensor.from_row_lengths(values, [1, 2])
        padded = ragged + tf.constant([[1.0], [2.0]])
    return [
        tape.gradient(each, values)
        for each in (total.values**2, cut.values**2, filled.values**2, padded.flat_values**2)
    ]


def iterators(tf):
    v1 = tf.compat.v1
    dataset = tf.data.Dataset.range(4)
    with tf.Graph().as_default(), v1.Session() as session:
        once = v1.data.make_one_shot_iterator(tf.data.Dataset.range(3)).get_next()
        iterator = v1.data.make_initializable_iterator(tf.data.Dataset.range(3).map(lambda x: x * 2))
        handle = session.run(iterator.string_handle())
        place = tf.compat.v1.placeholder(tf.string, [])
        by_handle = v1.data.Iterator.from_string_handle(place, tf.int64, [])
        session.run(iterator.initializer)
        found = [session.run(once), session.run(once), session.run(by_handle.get_next(), {place: handle})]
    optional = iter(dataset).get_next_as_optional()
    return (
        found,
        optional.has_value(),
        optional.get_value(),
        tf.data.experimental.cardinality(dataset),
        tf.data.experimental.get_single_element(dataset.take(1)),
    )


def lists_of_tensors(tf):
    ops = tf.raw_ops
    handle = ops.TensorListReserve(element_shape=[2], num_elements=2, element_dtype=tf.float32)
    handle = ops.TensorListResize(input_handle=handle, size=3)
    handle = ops.TensorListScatterIntoExistingList(input_handle=handle, tensor=[[1.0, 2.0]], indices=[2])
    stacked = ops.TensorListStack(
        input_handle=handle, element_shape=[2], element_dtype=tf.float32, num_elements=3
    )
    shape = ops.TensorListElementShape(input_handle=handle, shape_type=tf.int32)
    return stacked, shape, ops.TensorListLength(input_handle=handle)


def variables_by_their_ops(tf):
    ops = tf.raw_ops
    handle = ops.VarHandleOp(dtype=tf.float32, shape=[4], shared_name="by ops", container="")
    before = ops.VarIsInitializedOp(resource=handle)
    ops.AssignVariableOp(resource=handle, value=tf.constant([1.0, 2.0, 3.0, 4.0]))
    ops.ResourceStridedSliceAssign(ref=handle, begin=[1], end=[3], strides=[1], value=[9.0, 8.0])
    ops.AssignAddVariableOp(resource=handle, value=tf.ones([4]))
    found = ops.ReadVariableOp(resource=handle, dtype=tf.float32)
    shape = ops.VariableShape(input=handle)
    after = ops.VarIsInitializedOp(resource=handle)
    ops.DestroyResourceOp(resource=handle)
    return before, found, shape, after, ops.VarIsInitializedOp(resource=handle)
