"""`contrib.slim`'s datasets: records read by several readers, and decoded into items."""

from __future__ import annotations

import numpy as np
import pytest

import penstock as tf

v1 = tf.compat.v1
slim = v1.contrib.slim
decoders = slim.tfexample_decoder
IMAGE = np.arange(4 * 3 * 3, dtype=np.uint8).reshape(4, 3, 3)


def _feature(*values):
    if isinstance(values[0], bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
    if isinstance(values[0], float):
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def _serialized(**features):
    features = {name.replace("__", "/"): _feature(*values) for name, values in features.items()}
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def _decoded(features, handler, **values):
    decoder = decoders.TFExampleDecoder(features, {"item": handler})
    (item,) = decoder.decode(_serialized(**values))
    return item


ANY, WORD = tf.io.VarLenFeature, tf.io.FixedLenFeature([], tf.string)


@pytest.mark.parametrize("kind", [b"png", b"jpeg", b"raw"])
def test_images_of_all_formats(kind):
    encoded = {
        b"png": tf.io.encode_png(IMAGE),
        b"jpeg": tf.io.encode_jpeg(IMAGE),
        b"raw": tf.constant(IMAGE.tobytes()),
    }[kind]
    handler = decoders.Image(shape=IMAGE.shape if kind == b"raw" else None)
    features = {"image/encoded": WORD, "image/format": WORD}
    found = _decoded(features, handler, image__encoded=[encoded.numpy()], image__format=[kind])
    if kind == b"jpeg":
        np.testing.assert_array_equal(found, tf.io.decode_jpeg(encoded))
    else:
        np.testing.assert_array_equal(found, IMAGE)


def test_tensors_in_shapes_that_features_have():
    features = {"x": ANY(tf.float32), "shape": ANY(tf.int64)}
    values = {"x": [1.0, 2.0, 3.0, 4.0], "shape": [2, 2]}
    assert _decoded(features, decoders.Tensor("x", "shape"), **values).numpy().tolist() == [[1, 2], [3, 4]]
    assert _decoded(features, decoders.Tensor("x", shape=[4, 1]), **values).shape == [4, 1]
    assert _decoded({"x": ANY(tf.string)}, decoders.Tensor("x"), x=[b"a"]).numpy().tolist() == [b"a"]
    with pytest.raises(ValueError, match="both shape_keys and shape"):
        decoders.Tensor("x", "shape", [1])


def test_boxes_sparse_tensors_tables_and_functions():
    sides = {f"box/{side}": ANY(tf.float32) for side in ("ymin", "xmin", "ymax", "xmax")}
    values = {
        "box__ymin": [0.0, 1.0],
        "box__xmin": [2.0, 3.0],
        "box__ymax": [4.0, 5.0],
        "box__xmax": [6.0, 7.0],
    }
    found = _decoded(sides, decoders.BoundingBox(prefix="box/"), **values)
    assert found.numpy().tolist() == [[0, 2, 4, 6], [1, 3, 5, 7]]
    features = {"indices": ANY(tf.int64), "values": ANY(tf.float32)}
    sparse = decoders.SparseTensor(shape=[2, 3], densify=True)
    assert _decoded(features, sparse, indices=[1, 5], values=[7.0, 8.0]).numpy().tolist() == [
        [0, 7, 0],
        [0, 0, 8],
    ]
    table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a", "b"], [10, 20]), -1)
    assert _decoded(
        {"w": ANY(tf.string)}, decoders.LookupTensor("w", table), w=[b"b", b"?"]
    ).numpy().tolist() == [20, -1]
    callback = decoders.ItemHandlerCallback(["n"], lambda found: found["n"].values * 2)
    assert _decoded({"n": ANY(tf.int64)}, callback, n=[4]).numpy().tolist() == [8]
    backup = decoders.BackupHandler(decoders.Tensor("a"), decoders.Tensor("b"))
    assert _decoded({"a": ANY(tf.int64), "b": ANY(tf.int64)}, backup, b=[5]).numpy().tolist() == [5]


def test_readers_side_by_side_give_every_record_of_an_epoch(tmp_path):
    for part in range(3):
        with tf.io.TFRecordWriter(str(tmp_path / f"digits-{part}.tfrecord")) as writer:
            for number in range(4):
                writer.write(_serialized(label=[10 * part + number]))
    decoder = decoders.TFExampleDecoder(
        {"label": tf.io.FixedLenFeature([], tf.int64)}, {"label": decoders.Tensor("label")}
    )
    dataset = slim.dataset.Dataset(
        str(tmp_path / "digits-*"), v1.TFRecordReader, decoder, 12, {"label": "a digit"}, num_classes=30
    )
    with tf.Graph().as_default(), v1.Session() as session:
        provider = slim.dataset_data_provider.DatasetDataProvider(
            dataset, num_readers=2, num_epochs=1, common_queue_capacity=8, common_queue_min=2
        )
        label, key = provider.get(["label", "record_key"])
        assert provider.list_items() == ["label", "record_key"] and provider.num_samples() == 12
        assert dataset.num_classes == 30
        session.run([v1.global_variables_initializer(), v1.local_variables_initializer()])
        found = []
        with slim.queues.QueueRunners(session), pytest.raises(tf.errors.OutOfRangeError):
            while True:
                found.append(session.run([label, key]))
        assert sorted(int(number) for number, _ in found) == sorted(
            10 * p + n for p in range(3) for n in range(4)
        )
        assert b"digits-" in found[0][1]
        with pytest.raises(ValueError, match=r"Items \['image'\] are not among"):
            provider.get(["image"])


def test_files_once_in_order(tmp_path):
    for part in "ab":
        (tmp_path / part).write_text(f"{part}1\n{part}2\n")
    with tf.Graph().as_default(), v1.Session() as session:
        _, line = slim.parallel_reader.single_pass_read(
            [str(tmp_path / "a"), str(tmp_path / "b")], v1.TextLineReader
        )
        session.run(v1.local_variables_initializer())
        with slim.queues.QueueRunners(session):
            assert [session.run(line) for _ in range(4)] == [b"a1", b"a2", b"b1", b"b2"]
    with pytest.raises(ValueError, match="No data files found"):
        slim.parallel_reader.get_data_files(str(tmp_path / "nothing*"))
