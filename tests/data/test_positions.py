import pytest

import penstock as tf
from tests.data.pipelines import PIPELINES, plain, seeded

Dataset = tf.data.Dataset


@pytest.mark.parametrize("name", PIPELINES)
def test_a_restored_iterator_goes_on_with_the_next_element(name):
    expected = plain(seeded(PIPELINES[name]))
    for given in {0, 1, 2, len(expected) // 2, len(expected) - 1, len(expected)}:
        if given > len(expected):
            continue
        iterator = iter(seeded(PIPELINES[name]))
        for _ in range(given):
            next(iterator)
        position = iterator.save_position()
        restored = iter(seeded(PIPELINES[name]))
        restored.restore_position(position)
        assert plain(restored) == expected[given:]
        assert plain(iterator) == expected[given:]  # saving does not disturb
