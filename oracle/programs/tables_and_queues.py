"""Lookup tables, queues, barriers, staging areas, accumulators and readers, as TF 1 programs use them."""

import os
import tempfile

import numpy as np

from oracle.programs import outcome


def _session(tf, build):
    """Builds in a graph of its own, runs the initializers, and returns what `build` makes of a session."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        steps = build()
        session.run([v1.global_variables_initializer(), v1.tables_initializer()])
        return [session.run(step) for step in steps]


def static_hash_table(tf):
    initializer = tf.lookup.KeyValueTensorInitializer(["a", "b"], tf.constant([1, 2], tf.int64))
    table = tf.lookup.StaticHashTable(initializer, default_value=-1)
    return (
        table.lookup(tf.constant([["b", "x"], ["a", "b"]])),
        table.size(),
        table.key_dtype.name,
        table.export()[0].shape[0],
    )


def static_hash_table_wrong_key(tf):
    initializer = tf.lookup.KeyValueTensorInitializer(["a", "b"], tf.constant([1, 2], tf.int64))
    return tf.lookup.StaticHashTable(initializer, default_value=-1).lookup(tf.constant([1]))


def table_with_twice_a_key(tf):
    initializer = tf.lookup.KeyValueTensorInitializer(["a", "a"], tf.constant([1, 2], tf.int64))
    return tf.lookup.StaticHashTable(initializer, default_value=-1).size()


def static_table_of_oov_buckets(tf):
    initializer = tf.lookup.KeyValueTensorInitializer(["a", "b"], tf.constant([0, 1], tf.int64))
    table = tf.lookup.StaticVocabularyTable(initializer, num_oov_buckets=5)
    return table.lookup(tf.constant(["a", "zebra", "b", "quux"])), table.size()


def table_from_a_file(tf):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "words.txt")
        tf.io.write_file(path, "red\ngreen\nblue\n")
        index = tf.lookup.TextFileInitializer(
            path, tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER
        )
        table = tf.lookup.StaticHashTable(index, -1)
        return (
            table.lookup(tf.constant(["blue", "grey"])),
            table.size(),
            tf.io.matching_files(folder + "/w*")[0] == path,
        )


def mutable_hash_table(tf):
    table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, default_value=-1)
    table.insert(tf.constant(["a", "b", "c"]), tf.constant([1, 2, 3], tf.int64))
    table.remove(tf.constant(["b"]))
    keys, values = table.export()
    order = tf.argsort(values)
    return (
        table.lookup(tf.constant(["a", "b"])),
        table.size(),
        tf.gather(keys, order),
        tf.gather(values, order),
    )


def mutable_hash_table_of_vectors(tf):
    table = tf.lookup.experimental.MutableHashTable(tf.int64, tf.float32, default_value=[0.0, -1.0])
    table.insert(tf.constant([5, 7], tf.int64), tf.constant([[1.0, 2.0], [3.0, 4.0]]))
    return table.lookup(tf.constant([7, 6], tf.int64)), table[tf.constant([5], tf.int64)]


def dense_hash_table(tf):
    table = tf.lookup.experimental.DenseHashTable(
        tf.int64, tf.int64, default_value=-1, empty_key=-2, deleted_key=-3
    )
    table.insert(tf.constant([1, 2], tf.int64), tf.constant([10, 20], tf.int64))
    table.erase(tf.constant([1], tf.int64))
    refused = outcome(table.insert, tf.constant([-2], tf.int64), tf.constant([0], tf.int64))
    return table.lookup(tf.constant([1, 2], tf.int64)), table.size(), refused


def tables_in_a_session(tf):
    v1 = tf.compat.v1

    def build():
        keys, values = tf.constant(["a", "b"]), tf.constant([3, 4], tf.int64)
        fixed = v1.lookup.StaticHashTable(v1.lookup.KeyValueTensorInitializer(keys, values), -1)
        changing = v1.raw_ops.MutableHashTableV2(
            key_dtype=tf.string, value_dtype=tf.int64, shared_name="changing"
        )
        vectors = v1.raw_ops.MutableHashTableOfTensorsV2(
            key_dtype=tf.string, value_dtype=tf.int64, value_shape=[2], shared_name="vectors"
        )
        dense = v1.raw_ops.MutableDenseHashTableV2(
            empty_key=tf.constant(0, tf.int64),
            deleted_key=tf.constant(-1, tf.int64),
            value_dtype=tf.int64,
            shared_name="dense",
        )
        ops = v1.raw_ops
        return [
            fixed.lookup(tf.constant(["b", "z"])),
            ops.LookupTableInsertV2(table_handle=changing, keys=keys, values=values),
            ops.LookupTableFindV2(table_handle=changing, keys=["a", "q"], default_value=tf.constant(-7, tf.int64)),
            ops.LookupTableRemoveV2(table_handle=changing, keys=["a"]),
            ops.LookupTableSizeV2(table_handle=changing),
            ops.LookupTableExportV2(table_handle=changing, Tkeys=tf.string, Tvalues=tf.int64),
            ops.LookupTableImportV2(table_handle=changing, keys=["new"], values=tf.constant([9], tf.int64)),
            ops.LookupTableExportV2(table_handle=changing, Tkeys=tf.string, Tvalues=tf.int64),
            ops.LookupTableInsertV2(table_handle=vectors, keys=["a"], values=tf.constant([[1, 2]], tf.int64)),
            ops.LookupTableFindV2(table_handle=vectors, keys=["a", "b"], default_value=tf.constant([0, 5], tf.int64)),
            ops.LookupTableInsertV2(table_handle=dense, keys=tf.constant([4], tf.int64), values=tf.constant([8], tf.int64)),
            ops.LookupTableFindV2(table_handle=dense, keys=tf.constant([4, 5], tf.int64), default_value=tf.constant(-1, tf.int64)),
        ]  # fmt: skip

    return [0 if each is None else each for each in _session(tf, build)]


def fifo_queue(tf):
    v1 = tf.compat.v1

    def build():
        queue = v1.FIFOQueue(10, [tf.int32, tf.string], shapes=[[], []], names=["n", "s"])
        pad = v1.PaddingFIFOQueue(10, [tf.int32], shapes=[[None]])
        return [
            queue.enqueue({"n": 1, "s": "one"}),
            queue.enqueue_many({"n": [2, 3, 4], "s": ["two", "three", "four"]}),
            queue.size(),
            queue.dequeue(),
            queue.dequeue_many(2),
            pad.enqueue([[1, 2]]),
            pad.enqueue([[3]]),
            pad.dequeue_many(2),
            queue.is_closed(),
            queue.close(),
            queue.is_closed(),
            queue.dequeue_up_to(5),
        ]

    found = _session(tf, build)
    return [0 if each is None else each for each in found]


def queue_that_is_closed(tf):
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        queue = v1.FIFOQueue(3, tf.int32)
        session.run([queue.enqueue(1)])
        session.run(queue.close())
        first = session.run(queue.dequeue())
        return first, outcome(session.run, queue.dequeue()), outcome(session.run, queue.enqueue(2))


def eager_queues(tf):
    queue = tf.queue.PriorityQueue(10, [tf.string], [[]])
    for priority, text in ((3, "c"), (1, "a"), (2, "b")):
        queue.enqueue((tf.constant(priority, tf.int64), text))
    shuffled = tf.queue.RandomShuffleQueue(10, 0, [tf.int32], [[]], seed=3)
    shuffled.enqueue_many([tf.range(6)])
    fifo = tf.queue.FIFOQueue(4, [tf.float32])
    fifo.enqueue([1.5])
    return queue.dequeue(), queue.dequeue(), tf.sort(shuffled.dequeue_many(6)), fifo.dequeue(), fifo.size()


def barrier(tf):
    v1 = tf.compat.v1
    ops = v1.raw_ops

    def build():
        handle = ops.Barrier(component_types=[tf.float32, tf.int32], shapes=[[], []])
        return [
            ops.BarrierInsertMany(handle=handle, keys=["a", "b"], values=[1.0, 2.0], component_index=0),
            ops.BarrierIncompleteSize(handle=handle),
            ops.BarrierInsertMany(handle=handle, keys=["b", "a"], values=[20, 10], component_index=1),
            ops.BarrierReadySize(handle=handle),
            ops.BarrierTakeMany(handle=handle, num_elements=2, component_types=[tf.float32, tf.int32]),
            ops.BarrierClose(handle=handle),
        ]

    return [0 if each is None else each for each in _session(tf, build)]


def staging_areas(tf):
    v1 = tf.compat.v1
    ops = v1.raw_ops
    kinds = {
        "dtypes": [tf.int32, tf.string],
        "container": "",
        "shared_name": "area",
        "capacity": 5,
        "memory_limit": 0,
    }

    def build():
        steps = [
            ops.Stage(
                values=[tf.constant(1), tf.constant("a")], **{k: v for k, v in kinds.items() if k != "dtypes"}
            ),
            ops.StageSize(**kinds),
            ops.StagePeek(index=0, **kinds),
            ops.Unstage(**kinds),
            ops.StageClear(**kinds),
        ]
        for prefix in ("", "Ordered"):
            named = {**kinds, "shared_name": f"map{prefix}"}
            without = {k: v for k, v in named.items() if k != "dtypes"}
            key = tf.constant(7, tf.int64)

            def op(name, prefix=prefix):
                return getattr(ops, f"{prefix}Map{name}")

            both = tf.constant([0, 1], tf.int32)
            for number in (7, 5):
                values = [tf.constant(number), tf.constant("z")]
                steps.append(
                    op("Stage")(key=tf.constant(number, tf.int64), indices=both, values=values, dtypes=kinds["dtypes"], **without)
                )  # fmt: skip
            steps += [
                op("Size")(**named),
                op("IncompleteSize")(**named),
                op("Peek")(key=key, indices=both, **named),
                op("Unstage")(key=key, indices=both, **named),
                op("UnstageNoKey")(indices=both, **named),
                op("Clear")(**named),
            ]
        return steps

    return [0 if each is None else each for each in _session(tf, build)]


def accumulators(tf):
    v1 = tf.compat.v1

    def build():
        dense = v1.ConditionalAccumulator(tf.float32, shape=[2], reduction_type="MEAN")
        total = v1.ConditionalAccumulator(tf.float32, shape=[2], reduction_type="SUM")
        sparse = v1.SparseConditionalAccumulator(tf.float32, shape=[4, 2])
        rows = tf.IndexedSlices(tf.constant([[1.0, 2.0]]), tf.constant([2], tf.int64))
        return [
            dense.apply_grad([1.0, 3.0], local_step=0),
            dense.apply_grad([3.0, 5.0], local_step=0),
            dense.num_accumulated(),
            dense.take_grad(2),
            dense.set_global_step(5),
            dense.apply_grad([9.0, 9.0], local_step=1),
            dense.num_accumulated(),
            total.apply_grad([1.0, 1.0]),
            total.apply_grad([1.0, 2.0]),
            total.take_grad(1),
            sparse.apply_indexed_slices_grad(rows),
            sparse.apply_indexed_slices_grad(rows),
            sparse.num_accumulated(),
            sparse.take_indexed_slices_grad(2),
        ]

    return [0 if each is None else each for each in _session(tf, build)]


def readers(tf):
    v1 = tf.compat.v1
    with tempfile.TemporaryDirectory() as folder:
        lines, blob, records = (os.path.join(folder, name) for name in ("a.txt", "b.bin", "c.tfrecord"))
        with open(lines, "w") as file:
            file.write("head\none\ntwo\nthree\n")
        with open(blob, "wb") as file:
            file.write(bytes(range(12)))
        with tf.io.TFRecordWriter(records) as writer:
            writer.write(b"first")
            writer.write(b"second")

        def value(reader, *files):
            queue = v1.train.string_input_producer(list(files), shuffle=False, num_epochs=1)
            return reader.read(queue)[1]

        with tf.Graph().as_default(), v1.Session() as session:
            text = v1.TextLineReader(skip_header_lines=1)
            read = value(text, lines)
            wanted = [
                value(v1.WholeFileReader(), blob),
                value(v1.FixedLengthRecordReader(4, header_bytes=2), blob),
                value(v1.TFRecordReader(), records),
                value(v1.IdentityReader(), "x"),
            ]
            session.run(v1.local_variables_initializer())
            coordinator = v1.train.Coordinator()
            threads = v1.train.start_queue_runners(session, coordinator)
            found = [session.run(read), session.run(read), session.run(wanted)]
            found += [session.run(text.num_records_produced()), session.run(text.num_work_units_completed())]
            coordinator.request_stop()
            coordinator.join(threads, ignore_live_threads=True)
        return [np.asarray(each) for each in tf.nest.flatten(found)]


def session_handles(tf):
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        handle = session.run(v1.get_session_handle(tf.constant([1.0, 2.0])))
        holder, tensor = v1.get_session_tensor(handle.handle, tf.float32)
        doubled = session.run(tensor * 2.0, {holder: handle.handle})
        place, delete = v1.delete_session_tensor()
        session.run(delete, {place: handle.handle})
        return doubled
