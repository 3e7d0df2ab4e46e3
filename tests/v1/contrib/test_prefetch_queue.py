"""`slim.prefetch_queue`: batches are made ahead, as lists or dictionaries."""

import pytest

import penstock as tf

v1 = tf.compat.v1


@pytest.mark.parametrize("named", [False, True])
def test_batches_come_in_order(named):
    with tf.Graph().as_default(), v1.Session() as session:
        (number,) = v1.train.slice_input_producer([tf.range(6)], shuffle=False)
        batch = v1.train.batch([number, number * 10], 2)
        tensors = dict(zip(("one", "ten"), batch)) if named else batch
        queue = v1.contrib.slim.prefetch_queue.prefetch_queue(tensors, capacity=2)
        found = queue.dequeue()
        coordinator = v1.train.Coordinator()
        threads = v1.train.start_queue_runners(session, coordinator)
        values = [session.run(found) for _ in range(3)]
        coordinator.request_stop()
        coordinator.join(threads)
    tens = [list(each["ten"] if named else each[1]) for each in values]
    assert tens == [[0, 10], [20, 30], [40, 50]]
