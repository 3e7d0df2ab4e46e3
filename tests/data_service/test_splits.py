import collections
import itertools

import numpy as np
import pytest

import penstock as tf
from penstock.data_service.configuration import ShardingPolicy
from penstock.data_service.splits import part_of, repeatable, size_and_count, split

Dataset = tf.data.Dataset


def dealt(dataset, tasks):
    """The elements of tasks that take turns to ask for splits."""
    _, count = size_and_count(dataset)
    following = collections.defaultdict(itertools.count)

    def of(log):
        def next_split(round_, taken):
            if taken == len(log[round_]):
                number = next(following[round_])
                if count is not None and number >= count:
                    return None
                log[round_].append(number)
            return log[round_][taken]

        return next_split

    running = [iter(split(dataset, of(collections.defaultdict(list)))) for _ in range(tasks)]
    found = []
    while running:
        for each in list(running):
            element = next(each, None)
            if element is None:
                running.remove(each)
            else:
                found.append(element)
    return found


def numbers(elements):
    return sorted(int(each) for each in elements)


@pytest.mark.parametrize("tasks", [1, 2, 3])
@pytest.mark.parametrize(
    ("dataset", "expected"),
    [
        (Dataset.range(10), range(10)),
        (Dataset.range(30, 3000, 3), range(30, 3000, 3)),
        (Dataset.from_tensor_slices(np.arange(700)), range(700)),
        (Dataset.from_tensors(5), [5]),
        (Dataset.range(4).concatenate(Dataset.range(4, 30)), range(30)),
        (Dataset.range(20).concatenate(Dataset.range(20, 23)), range(23)),
        (Dataset.range(50).shuffle(7).filter(lambda x: x % 2 == 0), range(0, 50, 2)),
        (Dataset.range(3).flat_map(lambda x: Dataset.range(2).map(lambda y: x * 2 + y)), range(6)),
        (Dataset.range(11).repeat(3), sorted([*range(11)] * 3)),
        (Dataset.range(0), []),
    ],
)
def test_every_element_is_in_one_split(dataset, expected, tasks):
    assert numbers(dealt(dataset, tasks)) == list(expected)


@pytest.mark.parametrize("tasks", [1, 2])
def test_what_zip_brings_together_stays_together(tasks):
    pairs = dealt(Dataset.zip((Dataset.range(600), Dataset.range(1000, 1600))), tasks)
    assert sorted((int(a), int(b)) for a, b in pairs) == [(i, 1000 + i) for i in range(600)]


def test_sources_without_end_have_splits_without_end():
    assert size_and_count(Dataset.counter()) == (64, None)


@pytest.mark.parametrize(
    "dataset",
    [
        Dataset.random(1),
        Dataset.from_generator(lambda: iter([1]), output_signature=tf.TensorSpec([], tf.int32)),
    ],
    ids=["random", "generator"],
)
def test_a_source_that_has_no_splits_says_so(dataset):
    with pytest.raises(tf.errors.InvalidArgumentError, match="cannot be split"):
        size_and_count(dataset.map(lambda x: x))


def test_an_order_is_found_again_by_another_worker():
    dataset = Dataset.range(20).shuffle(20)
    first, again, other = (numbers_in_order(repeatable(dataset, i)) for i in (3, 3, 4))
    assert first == again != other


def numbers_in_order(dataset):
    return [int(each) for each in dataset]


@pytest.mark.parametrize("policy", [ShardingPolicy.DATA, ShardingPolicy.FILE_OR_DATA])
def test_parts_of_elements(policy):
    assert numbers(part_of(Dataset.range(7), policy, 3, 1)) == [1, 4]


def test_parts_of_files(tmp_path):
    names = []
    for i in range(4):
        names.append(str(tmp_path / f"{i}.txt"))
        (tmp_path / f"{i}.txt").write_text(f"{i}\n{i}\n")
    lines = tf.data.TextLineDataset(names)
    for policy in (ShardingPolicy.FILE, ShardingPolicy.FILE_OR_DATA):
        assert [each.numpy() for each in part_of(lines, policy, 2, 1)] == [b"1", b"1", b"3", b"3"]
    with pytest.raises(tf.errors.NotFoundError):
        part_of(Dataset.range(3), ShardingPolicy.FILE, 2, 0)


def test_a_hint_is_filled_in():
    hint = tf.data.experimental.SHARD_HINT
    dataset = Dataset.range(6).shard(hint, hint).batch(2)
    assert [each.numpy().tolist() for each in part_of(dataset, ShardingPolicy.HINT, 2, 1)] == [[1, 3], [5]]


def test_a_hint_that_nothing_filled_in_is_an_error():
    hint = tf.data.experimental.SHARD_HINT
    with pytest.raises(tf.errors.InvalidArgumentError, match="SHARD_HINT"):
        list(Dataset.range(6).shard(hint, hint))
