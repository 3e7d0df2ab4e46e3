import threading

import penstock as tf
from penstock.data_service.worker import Answer, TaskRun


def numbers(answer):
    return [(number, int(element[0])) for number, element in answer.elements]


def taken(run):
    """All elements, as one answer: each one has as many as could be made in some milliseconds."""
    elements = []
    while True:
        answer = run.take()
        elements += answer.elements
        if answer.ended:
            return Answer(elements, True)


def test_elements_come_with_their_numbers():
    assert numbers(taken(TaskRun(tf.data.Dataset.range(3)))) == [(0, 0), (1, 1), (2, 2)]


def test_what_was_received_is_left_out():
    run = TaskRun(tf.data.Dataset.range(6), [(0, 2), (3, 5)])
    assert numbers(taken(run)) == [(2, 2), (5, 5)]


def test_an_element_that_fails_is_an_error_in_its_place():
    def check(x):
        return tf.debugging.check_numerics(1.0 / tf.cast(x - 1, tf.float32), "infinite")

    first, second, third = taken(TaskRun(tf.data.Dataset.range(3).map(check))).elements
    assert isinstance(second[1], tf.errors.InvalidArgumentError)
    assert [first[0], second[0], third[0]] == [0, 1, 2]


def test_consumers_in_turns_get_consecutive_elements_however_they_ask():
    run = TaskRun(tf.data.Dataset.range(100))
    asked = [(1, 0), (0, 0), (0, 1), (1, 1)]
    assert [numbers(run.take_in_turn(i, 2, round_)) for i, round_ in asked] == [
        [(1, 1)], [(0, 0)], [(2, 2)], [(3, 3)],
    ]  # fmt: skip


def test_a_consumer_does_not_run_ahead_of_the_others():
    run, found = TaskRun(tf.data.Dataset.range(100)), []
    run.take_in_turn(0, 2, 0)
    ahead = threading.Thread(target=lambda: found.append(numbers(run.take_in_turn(0, 2, 1))))
    ahead.start()
    assert not found
    run.take_in_turn(1, 2, 0)
    ahead.join()
    assert found == [[(2, 2)]]


def test_trainers_share_elements():
    run = TaskRun(tf.data.Dataset.counter())
    assert [numbers(run.take_cached("a"))[0][1] for _ in range(3)] == [0, 1, 2]
    assert [numbers(run.take_cached("b"))[0][1] for _ in range(4)] == [0, 1, 2, 3]
    assert numbers(run.take_cached("a")) == [(3, 3)]


def test_a_trainer_far_behind_goes_on_where_the_cache_begins():
    run = TaskRun(tf.data.Dataset.counter())
    run.take_cached("slow")
    for _ in range(200):
        run.take_cached("fast")
    assert numbers(run.take_cached("slow"))[0][1] == 200 - 64
