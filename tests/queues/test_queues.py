"""Queues: order, closing, padding, and steps of several threads that wait for each other."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import penstock as tf

v1 = tf.compat.v1
_PATIENCE = 30  # seconds until a test that hangs is given up


@pytest.fixture
def session():
    with tf.Graph().as_default(), v1.Session() as session:
        yield session


class Step(threading.Thread):
    """A step of a session in a thread of its own."""

    def __init__(self, session, fetch):
        super().__init__(daemon=True)
        self.session, self.fetch = session, fetch
        self.result = self.error = None
        self.start()

    def run(self):
        try:
            self.result = self.session.run(self.fetch)
        except tf.errors.OpError as error:
            self.error = error

    def finish(self):
        self.join(_PATIENCE)
        assert not self.is_alive()
        return self


def waiting(queue_name, session, count=1):
    """Returns once steps wait at a queue."""
    state = session.resources[f"queue//{queue_name}"]
    with state._changed:
        while len(state._adding) + len(state._taking) < count:
            state._changed.wait(0.01)


def test_first_in_first_out(session):
    queue = tf.queue.FIFOQueue(5, [tf.int32, tf.string], shapes=[[], []])
    session.run(queue.enqueue_many([[1, 2, 3], ["a", "b", "c"]]))
    assert session.run(queue.size()) == 3
    assert session.run(queue.dequeue()) == [1, b"a"]
    numbers, texts = session.run(queue.dequeue_many(2))
    assert numbers.tolist() == [2, 3] and texts.tolist() == [b"b", b"c"]


def test_eager_queues():
    queue = tf.queue.FIFOQueue(5, tf.float32, shapes=[[2]])
    queue.enqueue([[1.0, 2.0]])
    queue.enqueue_many([[[3.0, 4.0], [5.0, 6.0]]])
    np.testing.assert_array_equal(queue.dequeue_many(3), [[1, 2], [3, 4], [5, 6]])
    queue.close()
    assert queue.is_closed()
    with pytest.raises(tf.errors.OutOfRangeError):
        queue.dequeue()


def test_queues_in_functions():
    queue = tf.queue.FIFOQueue(5, tf.float32, shapes=[[]])

    @tf.function
    def step(x):
        queue.enqueue(x * 2)
        return queue.dequeue() + 1

    assert step(tf.constant(3.0)) == 7.0


def test_each_session_has_a_queue_of_its_own():
    with tf.Graph().as_default():
        queue = tf.queue.FIFOQueue(5, tf.int32)
        add, size = queue.enqueue(1), queue.size()
        with v1.Session() as one, v1.Session() as other:
            one.run(add)
            assert (one.run(size), other.run(size)) == (1, 0)


def test_shapes_of_what_is_taken(session):
    queue = tf.queue.PaddingFIFOQueue(5, [tf.float32], shapes=[[None, 3]])
    assert queue.dequeue().shape == [None, 3]
    assert queue.dequeue_many(4).shape == [4, None, 3]
    assert queue.dequeue_up_to(4).shape == [None, None, 3]


def test_names_make_dictionaries(session):
    queue = tf.queue.FIFOQueue(5, [tf.int32, tf.float32], names=["i", "f"])
    session.run(queue.enqueue({"f": 2.0, "i": 1}))
    assert session.run(queue.dequeue()) == {"i": 1, "f": 2.0}
    with pytest.raises(ValueError, match="do not match names"):
        queue.enqueue({"i": 1})
    with pytest.raises(ValueError, match="must enqueue a dictionary"):
        queue.enqueue([1, 2.0])


def test_padding(session):
    queue = tf.queue.PaddingFIFOQueue(5, [tf.int32, tf.string], shapes=[[None], [None]])
    session.run([queue.enqueue([[1], ["a"]]), queue.enqueue([[2, 3], ["b", "c"]])])
    numbers, texts = session.run(queue.dequeue_many(2))
    assert numbers.tolist() == [[1, 0], [2, 3]]
    assert texts.tolist() == [[b"a", b""], [b"b", b"c"]]


def test_priorities(session):
    queue = tf.queue.PriorityQueue(5, [tf.string], shapes=[[]])
    session.run(queue.enqueue_many([[3, 1, 2, 1], ["c", "a", "b", "a2"]]))
    priorities, texts = session.run(queue.dequeue_many(4))
    assert priorities.tolist() == [1, 1, 2, 3]
    assert texts.tolist() == [b"a", b"a2", b"b", b"c"]


def test_a_seed_gives_tensorflows_order(session):
    queue = tf.queue.RandomShuffleQueue(10, 2, [tf.int32], [[]], seed=3)
    session.run(queue.enqueue_many([[1, 2, 3, 4, 5, 6]]))
    assert session.run(queue.dequeue_many(3)).tolist() == [6, 4, 1]
    session.run(queue.close())
    assert session.run(queue.dequeue_up_to(5)).tolist() == [3, 2, 5]


def test_shuffling_keeps_some_elements(session):
    queue = tf.queue.RandomShuffleQueue(10, 2, [tf.int32], [[]])
    session.run(queue.enqueue_many([[1, 2, 3]]))
    session.run(queue.dequeue())
    step = Step(session, queue.dequeue())
    waiting("random_shuffle_queue", session)
    session.run(queue.close())
    assert step.finish().result in (1, 2, 3)


def test_a_closed_queue_is_emptied_first(session):
    queue = tf.queue.FIFOQueue(5, tf.int32, shapes=[[]])
    session.run(queue.enqueue_many([[1, 2, 3]]))
    session.run(queue.close())
    with pytest.raises(tf.errors.CancelledError, match="is closed"):
        session.run(queue.enqueue(4))
    with pytest.raises(tf.errors.OutOfRangeError, match="requested 4, current size 3"):
        session.run(queue.dequeue_many(4))
    assert session.run(queue.dequeue_up_to(4)).tolist() == [1, 2, 3]
    with pytest.raises(tf.errors.OutOfRangeError):
        session.run(queue.dequeue_up_to(4))


def test_many_needs_shapes(session):
    queue = tf.queue.FIFOQueue(5, tf.int32)
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="require the components to have specified shapes"
    ):
        session.run(queue.dequeue_many(1))


def test_shapes_are_checked(session):
    queue = tf.queue.FIFOQueue(5, tf.float32, shapes=[[2]])
    with pytest.raises(ValueError, match="incompatible"):
        queue.enqueue([[1.0, 2.0, 3.0]])
    fed = v1.placeholder(tf.float32)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"Expected \[2\], got \[3\]"):
        session.run(queue.enqueue(fed), {fed: [1.0, 2.0, 3.0]})


def test_taking_waits_for_an_element(session):
    queue = tf.queue.FIFOQueue(5, tf.int32)
    take, add = queue.dequeue(), queue.enqueue(7)
    session.run(queue.size())
    step = Step(session, take)
    waiting("fifo_queue", session)
    session.run(add)
    assert step.finish().result == 7


def test_adding_waits_for_room(session):
    queue = tf.queue.FIFOQueue(1, tf.int32)
    add, take = queue.enqueue(1), queue.dequeue()
    session.run(add)
    step = Step(session, add)
    waiting("fifo_queue", session)
    assert session.run(take) == 1
    step.finish()
    assert session.run(queue.size()) == 1


def test_more_than_the_capacity_can_be_taken_at_once(session):
    queue = tf.queue.FIFOQueue(2, tf.int32, shapes=[[]])
    add, take = queue.enqueue_many([[1, 2, 3, 4, 5]]), queue.dequeue_many(5)
    step = Step(session, add)
    assert session.run(take).tolist() == [1, 2, 3, 4, 5]
    step.finish()


def test_the_first_that_came_is_served_first(session):
    queue = tf.queue.FIFOQueue(10, tf.int32, shapes=[[]])
    session.run(queue.size())
    many = Step(session, queue.dequeue_many(3))
    waiting("fifo_queue", session)
    one = Step(session, queue.dequeue())
    waiting("fifo_queue", session, 2)
    session.run(queue.enqueue_many([[1, 2, 3, 4]]))
    assert many.finish().result.tolist() == [1, 2, 3]
    assert one.finish().result == 4


def test_closing_lets_waiting_steps_add(session):
    queue = tf.queue.FIFOQueue(1, tf.int32)
    add, take, close = queue.enqueue(1), queue.dequeue(), queue.close()
    session.run(add)
    step = Step(session, add)
    waiting("fifo_queue", session)
    session.run(close)
    assert [session.run(take), session.run(take)] == [1, 1]
    assert step.finish().error is None


def test_closing_can_cancel_steps_that_add(session):
    queue = tf.queue.FIFOQueue(1, tf.int32)
    add = queue.enqueue(1)
    session.run(add)
    step = Step(session, add)
    waiting("fifo_queue", session)
    session.run(queue.close(cancel_pending_enqueues=True))
    assert isinstance(step.finish().error, tf.errors.CancelledError)


def test_closing_the_session_cancels_all():
    with tf.Graph().as_default():
        queue = tf.queue.FIFOQueue(1, tf.int32)
        take = queue.dequeue()
        session = v1.Session()
        session.run(queue.size())
        step = Step(session, take)
        waiting("fifo_queue", session)
        session.close()
        assert isinstance(step.finish().error, tf.errors.CancelledError)


def test_a_queue_among_several(session):
    queues = [tf.queue.FIFOQueue(5, tf.int32) for _ in range(2)]
    session.run([queues[0].enqueue(1), queues[1].enqueue(2)])
    which = v1.placeholder(tf.int32, [])
    chosen = tf.queue.QueueBase.from_list(which, queues).dequeue()
    assert session.run(chosen, {which: 1}) == 2
    assert session.run(chosen, {which: 0}) == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tf.queue.FIFOQueue(1, tf.int32, shapes=[[None]]), "fully defined"),
        (lambda: tf.queue.FIFOQueue(1, [tf.int32, tf.int32], shapes=[[]]), "same length"),
        (lambda: tf.queue.PaddingFIFOQueue(1, [tf.int32], shapes=[None]), "list of shapes"),
    ],
)
def test_bad_shapes(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_graph_with_queues_comes_back_from_its_message(session):
    queue = tf.queue.FIFOQueue(5, tf.int32, shapes=[[]], name="q")
    queue.enqueue_many([[1, 2]], name="add")
    queue.dequeue_many(2, name="take")
    message = session.graph.as_graph_def()
    with tf.Graph().as_default() as graph, v1.Session() as other:
        tf.graph_util.import_graph_def(message, name="")
        other.run(graph.get_operation_by_name("add"))
        assert other.run("take:0").tolist() == [1, 2]


@pytest.mark.parametrize(
    "call",
    [
        lambda q: tf.raw_ops.QueueDequeueV2(handle=q.queue_ref, component_types=[tf.int32], timeout_ms=100),
        lambda q: tf.raw_ops.QueueEnqueueV2(handle=q.queue_ref, components=[1], timeout_ms=0),
    ],
)
def test_a_timeout_is_refused(call):
    queue = tf.queue.FIFOQueue(2, tf.int32, shapes=[[]])
    with pytest.raises(tf.errors.InvalidArgumentError, match="Timeout not supported yet"):
        call(queue)
