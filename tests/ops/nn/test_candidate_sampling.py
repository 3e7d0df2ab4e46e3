"""Candidate samplers draw the classes that TensorFlow 2.21 draws."""

from __future__ import annotations

import numpy as np
import pytest

import penstock as tf

random = tf.random
TRUE = [[1, 2]]


@pytest.fixture(autouse=True)
def fresh_seeds():
    random.set_seed(None)


# (call, samples, expected counts of the true classes, of the samples)
SAMPLERS = [
    (
        lambda: random.log_uniform_candidate_sampler(TRUE, 2, 5, True, 10, seed=3),
        [0, 6, 4, 1, 5],
        [0.670908, 0.5355096],
        [0.87088406, 0.29091868, 0.37779146, 0.670908, 0.32878873],
    ),
    (
        lambda: random.uniform_candidate_sampler(TRUE, 2, 5, False, 10, seed=3),
        [5, 0, 3, 8, 7],
        [0.5, 0.5],
        [0.5] * 5,
    ),
    (
        lambda: random.learned_unigram_candidate_sampler(TRUE, 2, 5, True, 10, seed=3),
        [7, 3, 0, 6, 2],
        [0.5695328, 0.5695328],
        [0.5695328] * 5,
    ),
    (
        lambda: random.fixed_unigram_candidate_sampler(
            TRUE, 2, 5, True, 10, unigrams=list(range(1, 11)), seed=3
        ),
        [3, 7, 6, 2, 4],
        [0.19928293, 0.2857604],
        [0.36431068, 0.6105865, 0.5581536, 0.2857604, 0.43552607],
    ),
    (lambda: random.all_candidate_sampler(TRUE, 2, 5, True, seed=3), [0, 1, 2, 3, 4], [1, 1], [1] * 5),
]


@pytest.mark.parametrize(("call", "samples", "true_count", "sampled_count"), SAMPLERS)
def test_samples_are_those_of_tensorflow(call, samples, true_count, sampled_count):
    for result in (call(), tf.function(call)()):
        assert result.sampled_candidates.numpy().tolist() == samples
        np.testing.assert_allclose(result.true_expected_count, [true_count], rtol=1e-6)
        np.testing.assert_allclose(result.sampled_expected_count, sampled_count, rtol=1e-6)


def test_a_second_call_goes_on():
    calls = [
        random.uniform_candidate_sampler(TRUE, 2, 20, False, 1000, seed=3)[0].numpy().tolist()
        for _ in range(2)
    ]
    assert calls[0] != calls[1]


def test_the_learned_sampler_learns():
    def seen(classes):
        return random.learned_unigram_candidate_sampler(
            [[classes]], 1, 1, False, 4, seed=1
        ).true_expected_count.numpy()

    assert seen(2).item() == pytest.approx(1 / 4)
    assert seen(2).item() == pytest.approx(2 / 5)
    assert seen(2).item() == pytest.approx(3 / 6)
    random.set_seed(None)
    assert seen(2).item() == pytest.approx(1 / 4)


def test_weights_from_a_file(tmp_path):
    path = tmp_path / "vocabulary.csv"
    path.write_text("the,70\ncat,20\nsat,10\n")
    from_file = random.fixed_unigram_candidate_sampler(
        [[1]], 1, 8, False, 5, vocab_file=str(path), num_reserved_ids=2, distortion=0.5, seed=1
    )
    weights = np.sqrt([70, 20, 10])
    assert set(from_file.sampled_candidates.numpy()) <= {2, 3, 4}
    assert from_file.true_expected_count.numpy().item() == 0
    third = random.fixed_unigram_candidate_sampler(
        [[4]], 1, 1, False, 5, unigrams=[70, 20, 10], num_reserved_ids=2, distortion=0.5, seed=1
    )
    assert third.true_expected_count.numpy().item() == pytest.approx(weights[2] / weights.sum())


def test_shards_number_their_classes_anew():
    shard = random.fixed_unigram_candidate_sampler(
        [[0]], 1, 6, False, 2, unigrams=[1, 0, 2, 0], num_shards=2, shard=0, seed=1
    )
    assert shard.true_expected_count.numpy().item() == pytest.approx(6 / 3)


def test_samples_follow_their_distribution():
    result = random.log_uniform_candidate_sampler([list(range(5))], 5, 20000, False, 5, seed=2)
    found = np.bincount(result.sampled_candidates.numpy(), minlength=5)
    np.testing.assert_allclose(found, result.true_expected_count.numpy()[0], rtol=0.05)


def test_accidental_hits():
    hits = tf.nn.compute_accidental_hits([[1, 2], [3, 4]], [2, 5, 3, 2], num_true=2)
    assert hits.indices.numpy().tolist() == [0, 1]
    assert hits.ids.numpy().tolist() == [3, 2]
    assert hits.weights.numpy().tolist() == [np.finfo(np.float32).min] * 2
    nothing = tf.nn.compute_accidental_hits([[1]], [2], num_true=1)
    assert [each.shape for each in nothing] == [[0]] * 3


ERRORS = [
    (lambda: random.uniform_candidate_sampler(TRUE, 2, 15, True, 10), "range is too small"),
    (
        lambda: random.uniform_candidate_sampler([[1, 20]], 2, 5, False, 10),
        r"out of range \[0, 10\), received 20",
    ),
    (lambda: random.uniform_candidate_sampler([[1, 2, 3]], 2, 5, False, 10), "num_true columns"),
    (lambda: random.uniform_candidate_sampler([1, 2], 2, 5, False, 10), "must be a matrix"),
    (
        lambda: random.fixed_unigram_candidate_sampler(TRUE, 2, 5, True, 10),
        "exactly one of vocab_file and unigrams",
    ),
    (
        lambda: random.fixed_unigram_candidate_sampler(TRUE, 2, 5, True, 10, unigrams=[1.0]),
        "equal to weights size 1",
    ),
]


@pytest.mark.parametrize(("call", "message"), ERRORS)
def test_bad_arguments(call, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        call()
