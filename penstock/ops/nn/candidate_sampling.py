"""Candidate sampling: a few classes drawn to stand for all, and how often each was to be expected among them.

For losses over many classes; see Jean et al., "On Using Very Large Target Vocabulary for Neural Machine Translation",
2015. The samplers are in `ops.nn.candidate_samplers`.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op, stops
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall
from penstock.ops.nn.candidate_samplers import (
    FixedUnigramSampler,
    LearnedUnigramSampler,
    LogUniformSampler,
    UniformSampler,
    Words,
    draw,
    expected_count,
)
from penstock.ops.random.stateful import seeds
from penstock.ops.random.stream import RandomStream, eager_stream, make_stream, reserve
from penstock.types import dtypes
from penstock.types.shapes import TensorShape

_OUTPUTS = "(sampled_candidates: int64, true_expected_count: float32, sampled_expected_count: float32)"
_RESERVED_WORDS = 2048  # for each sample


def _shapes(call: ShapeCall) -> list[TensorShape]:
    count = TensorShape([call.attrs["num_sampled"]])
    batch = None if call.shape(0).rank is None else call.shape(0)[0]
    return [count, TensorShape([batch, call.attrs["num_true"]]), count]


def _checked(true_classes: np.ndarray, size: int, num_true: int, num_sampled: int, unique: bool) -> None:
    if true_classes.ndim != 2:
        raise ValueError("true_classes must be a matrix")
    if true_classes.shape[1] != num_true:
        raise ValueError(
            f"true_classes must have num_true columns, expected: {true_classes.shape[1]} was: {num_true}"
        )
    if unique and num_sampled > size:
        raise ValueError("Sampler's range is too small.")
    outside = true_classes[(true_classes < 0) | (true_classes >= size)]
    if outside.size:
        raise ValueError(f"`true_candidate` out of range [0, {size}), received {outside.flat[0]}")


def _sampled(
    sampler: UniformSampler,
    true_classes: np.ndarray,
    stream: Any,
    kind: tuple,
    num_true: int,
    num_sampled: int,
    unique: bool,
    seed: int,
    seed2: int,
) -> tuple:
    """The three outputs of a candidate sampling op."""
    _checked(true_classes, sampler.size, num_true, num_sampled, unique)
    generator = reserve(
        np, stream, _RESERVED_WORDS * num_sampled // 4, seed, seed2, *kind, num_sampled, unique
    )
    samples, tries = draw(sampler, Words(generator), num_sampled, unique)
    return samples, *(
        expected_count(sampler, values, num_sampled, tries) for values in (true_classes, samples)
    )


def _define(op_type: str, make: Callable[[int], UniformSampler]) -> None:
    def kernel(
        true_classes: np.ndarray, *, num_true: int, num_sampled: int, unique: bool, range_max: int, seed: int,
        seed2: int, _stream: Any = None,
    ) -> tuple:  # fmt: skip
        if range_max <= 0:
            raise ValueError("range_max must be positive")
        kind = (op_type, range_max)
        return _sampled(
            make(range_max), true_classes, _stream, kind, num_true, num_sampled, unique, seed, seed2
        )

    op(
        f"{op_type}(true_classes: int64; num_true, num_sampled, unique, range_max, seed=0, seed2=0) -> {_OUTPUTS}",
        numpy=kernel,
        shape=_shapes,
        gradient=stops,
        stateful=True,
        stream=make_stream,
    )


_define("UniformCandidateSampler", UniformSampler)
_define("LogUniformCandidateSampler", LogUniformSampler)


class LearningStream(RandomStream):
    """The stream of an op that learns how frequent the classes are, and what it has learnt."""

    __slots__ = ("sampler",)

    sampler: LearnedUnigramSampler | None

    def _start(self) -> np.ndarray:
        self.sampler = None
        return super()._start()


def _learned(
    true_classes: np.ndarray, *, num_true: int, num_sampled: int, unique: bool, range_max: int, seed: int, seed2: int,
    _stream: LearningStream | None = None,
) -> tuple:  # fmt: skip
    if not 0 < range_max < 2**31 - 1:
        raise ValueError(
            f"range_max must be positive and less than {2**31 - 1} for unigram samplers, got {range_max}"
        )
    kind = ("LearnedUnigramCandidateSampler", range_max)
    if _stream is None:
        _stream = eager_stream((seed, seed2, *kind, num_sampled, unique), LearningStream)
    _stream.read()  # a stream that starts anew forgets
    if _stream.sampler is None:
        _stream.sampler = LearnedUnigramSampler(range_max)
    outputs = _sampled(
        _stream.sampler, true_classes, _stream, kind, num_true, num_sampled, unique, seed, seed2
    )
    _stream.sampler.update(true_classes.reshape(-1))
    return outputs


for _op_type in ("LearnedUnigramCandidateSampler", "ThreadUnsafeUnigramCandidateSampler"):
    op(
        f"{_op_type}(true_classes: int64; num_true, num_sampled, unique, range_max, seed=0, seed2=0) -> {_OUTPUTS}",
        numpy=_learned,
        shape=_shapes,
        gradient=stops,
        stateful=True,
        stream=lambda attrs: LearningStream(attrs["seed"], attrs["seed2"]),
    )


def _fixed(
    true_classes: np.ndarray, *, num_true: int, num_sampled: int, unique: bool, range_max: int, vocab_file: Any,
    distortion: float, num_reserved_ids: int, num_shards: int, shard: int, unigrams: Any, seed: int, seed2: int,
    _stream: Any = None,
) -> tuple:  # fmt: skip
    if bool(vocab_file) == bool(len(unigrams)):
        raise ValueError("Must provide exactly one of vocab_file and unigrams.")
    weights = _weights_in(vocab_file) if vocab_file else [float(each) for each in unigrams]
    sampler = FixedUnigramSampler(range_max, weights, distortion, num_reserved_ids, num_shards, shard)
    kind = (
        "FixedUnigramCandidateSampler",
        range_max,
        distortion,
        num_reserved_ids,
        num_shards,
        shard,
        tuple(weights),
    )
    return _sampled(sampler, true_classes, _stream, kind, num_true, num_sampled, unique, seed, seed2)


def _weights_in(vocab_file: Any) -> list[float]:
    """The last column of a file of comma-separated values."""
    with open(vocab_file, encoding="utf-8") as lines:
        try:
            return [float(line.rpartition(",")[2]) for line in lines if line.strip()]
        except ValueError as error:
            raise ValueError(f"Wrong vocabulary format in {vocab_file!r}: {error}") from None


op(
    "FixedUnigramCandidateSampler(true_classes: int64; num_true, num_sampled, unique, range_max, vocab_file='', "
    f"distortion=1.0, num_reserved_ids=0, num_shards=1, shard=0, unigrams=[], seed=0, seed2=0) -> {_OUTPUTS}",
    numpy=_fixed,
    shape=_shapes,
    gradient=stops,
    stateful=True,
    stream=make_stream,
)


def _all(
    true_classes: np.ndarray, *, num_true: int, num_sampled: int, unique: bool, seed: int, seed2: int,
    _stream: Any = None,
) -> tuple:  # fmt: skip
    _checked(true_classes, num_sampled, num_true, num_sampled, unique)
    ones = np.ones(num_sampled, np.float32)
    return np.arange(num_sampled, dtype=np.int64), np.ones(true_classes.shape, np.float32), ones


op(
    f"AllCandidateSampler(true_classes: int64; num_true, num_sampled, unique, seed=0, seed2=0) -> {_OUTPUTS}",
    numpy=_all,
    shape=_shapes,
    gradient=stops,
    stateful=True,
    stream=make_stream,
)


def _accidental_hits(
    true_classes: np.ndarray, sampled_candidates: np.ndarray, *, num_true: int, seed: int, seed2: int
) -> tuple:
    if true_classes.ndim != 2 or true_classes.shape[1] != num_true:
        raise ValueError("true_candidates must be a batch_size * num_true matrix")
    if sampled_candidates.ndim != 1:
        raise ValueError(
            "sampled_candidates must be a vector, which is typically an output from CandidateSampler"
        )
    position = {int(each): i for i, each in enumerate(sampled_candidates)}
    pairs = [(row, each) for row, classes in enumerate(true_classes.tolist()) for each in classes]
    hits = [(row, position[each]) for row, each in pairs if each in position]
    rows, ids = np.array(hits, np.int64).reshape(-1, 2).T
    return rows.astype(np.int32), ids, np.full(len(hits), np.finfo(np.float32).min, np.float32)


op(
    "ComputeAccidentalHits(true_classes: int64, sampled_candidates: int64; num_true, seed=0, seed2=0) "
    "-> (indices: int32, ids: int64, weights: float32)",
    numpy=_accidental_hits,
    shape=lambda call: TensorShape([None]),
    gradient=stops,
)


# Public functions.


def _call(op_type: str, true_classes: Any, attrs: dict, seed: Any, name: str | None) -> Any:
    """Calls a sampler; the result is a named tuple, as that of TensorFlow."""
    outputs = execute(op_type, (convert_to_tensor(true_classes, dtypes.int64),), attrs | seeds(seed), name)
    return namedtuple(op_type, ["sampled_candidates", "true_expected_count", "sampled_expected_count"])(
        *outputs
    )


@export(
    "random.uniform_candidate_sampler",
    v1=["random.uniform_candidate_sampler", "nn.uniform_candidate_sampler"],
)
def uniform_candidate_sampler(
    true_classes: Any,
    num_true: int,
    num_sampled: int,
    unique: bool,
    range_max: int,
    seed: int | None = None,
    name: str | None = None,
) -> Any:
    """Draws classes, all equally likely.

    Args:
      true_classes: `[batch, num_true]` int64, the classes of each example.
      num_true: how many there are for each example.
      num_sampled: how many classes to draw.
      unique: whether the drawn classes are all different.
      range_max: the number of classes.
      seed: an integer; see `tf.random.set_seed`.

    Returns:
      A named tuple: `sampled_candidates` `[num_sampled]` int64, and float32 tensors with how often each class is
      expected in such a sample: `true_expected_count` `[batch, num_true]`, `sampled_expected_count` `[num_sampled]`.

    Raises:
      InvalidArgumentError: a class is out of range, or there are fewer classes than unique samples.

    Example:
      >>> import penstock as tf
      >>> sampled = tf.random.uniform_candidate_sampler([[1, 2]], 2, 5, unique=True, range_max=5)
      >>> sorted(sampled.sampled_candidates.numpy().tolist())
      [0, 1, 2, 3, 4]
    """
    attrs = {"num_true": num_true, "num_sampled": num_sampled, "unique": unique, "range_max": range_max}
    return _call("UniformCandidateSampler", true_classes, attrs, seed, name)


@export(
    "random.log_uniform_candidate_sampler",
    v1=["random.log_uniform_candidate_sampler", "nn.log_uniform_candidate_sampler"],
)
def log_uniform_candidate_sampler(
    true_classes: Any,
    num_true: int,
    num_sampled: int,
    unique: bool,
    range_max: int,
    seed: int | None = None,
    name: str | None = None,
) -> Any:
    """Draws classes with `P(k) = log((k + 2) / (k + 1)) / log(range_max + 1)`: classes sorted by falling frequency.

    Arguments and results are those of `tf.random.uniform_candidate_sampler`.

    Example:
      >>> import penstock as tf
      >>> sampled = tf.random.log_uniform_candidate_sampler([[1, 2]], 2, 3, unique=False, range_max=10)
      >>> sampled.true_expected_count.numpy().round(4)
      array([[0.5073, 0.3599]], dtype=float32)
    """
    attrs = {"num_true": num_true, "num_sampled": num_sampled, "unique": unique, "range_max": range_max}
    return _call("LogUniformCandidateSampler", true_classes, attrs, seed, name)


@export("random.learned_unigram_candidate_sampler", "nn.learned_unigram_candidate_sampler")
def learned_unigram_candidate_sampler(
    true_classes: Any,
    num_true: int,
    num_sampled: int,
    unique: bool,
    range_max: int,
    seed: int | None = None,
    name: str | None = None,
) -> Any:
    """Draws classes as often as they were seen among the true classes of earlier calls, each once more than that.

    Arguments and results are those of `tf.random.uniform_candidate_sampler`.

    Raises:
      ValueError: `range_max` is too large.
    """
    if range_max > 2**31 - 1:
        raise ValueError(f"Value of range_max:{range_max} is too large to handle")
    attrs = {"num_true": num_true, "num_sampled": num_sampled, "unique": unique, "range_max": range_max}
    return _call("LearnedUnigramCandidateSampler", true_classes, attrs, seed, name)


@export("random.fixed_unigram_candidate_sampler", "nn.fixed_unigram_candidate_sampler")
def fixed_unigram_candidate_sampler(
    true_classes: Any,
    num_true: int,
    num_sampled: int,
    unique: bool,
    range_max: int,
    vocab_file: str = "",
    distortion: float = 1.0,
    num_reserved_ids: int = 0,
    num_shards: int = 1,
    shard: int = 0,
    unigrams: Any = (),
    seed: int | None = None,
    name: str | None = None,
) -> Any:
    """Draws classes as often as given weights say.

    Args:
      true_classes, num_true, num_sampled, unique, range_max, seed: as in `tf.random.uniform_candidate_sampler`.
      vocab_file: a file of comma-separated values, whose last column has the weights.
      distortion: the power to which weights are raised.
      num_reserved_ids: how many classes at the beginning have no weight and are never drawn.
      num_shards, shard: draw only classes `i` with `i % num_shards == shard`, numbered anew.
      unigrams: the weights, in place of a file.

    Returns:
      As `tf.random.uniform_candidate_sampler`.

    Raises:
      InvalidArgumentError: the weights are not as many as the classes, or given twice, or not at all.
    """
    attrs = {
        "num_true": num_true, "num_sampled": num_sampled, "unique": unique, "range_max": range_max,
        "vocab_file": vocab_file, "distortion": float(distortion), "num_reserved_ids": num_reserved_ids,
        "num_shards": num_shards, "shard": shard, "unigrams": [float(each) for each in unigrams],
    }  # fmt: skip
    return _call("FixedUnigramCandidateSampler", true_classes, attrs, seed, name)


@export("random.all_candidate_sampler", "nn.all_candidate_sampler")
def all_candidate_sampler(
    true_classes: Any,
    num_true: int,
    num_sampled: int,
    unique: bool,
    seed: int | None = None,
    name: str | None = None,
) -> Any:
    """Draws every class once; for tests of code that samples.

    Arguments and results are those of `tf.random.uniform_candidate_sampler`; `num_sampled` is the number of classes.
    """
    attrs = {"num_true": num_true, "num_sampled": num_sampled, "unique": unique}
    return _call("AllCandidateSampler", true_classes, attrs, seed, name)


@export("nn.compute_accidental_hits")
def compute_accidental_hits(
    true_classes: Any,
    sampled_candidates: Any,
    num_true: int,
    seed: int | None = None,
    name: str | None = None,
) -> Any:
    """Finds the sampled classes that happen to be true ones, so that a loss can leave them out.

    Args:
      true_classes: `[batch, num_true]` int64.
      sampled_candidates: `[num_sampled]` int64.
      num_true: the true classes of each example.
      seed: not used.

    Returns:
      A named tuple with an entry for each hit: `indices` (int32) the row of `true_classes`, `ids` (int64) the position
      in `sampled_candidates`, `weights` (float32) minus the greatest number, to add to the logits.

    Example:
      >>> import penstock as tf
      >>> hits = tf.nn.compute_accidental_hits([[1, 2], [3, 4]], [2, 5, 3], num_true=2)
      >>> hits.indices.numpy().tolist(), hits.ids.numpy().tolist()
      ([0, 1], [0, 2])
    """
    inputs = [convert_to_tensor(each, dtypes.int64) for each in (true_classes, sampled_candidates)]
    outputs = execute("ComputeAccidentalHits", inputs, {"num_true": num_true} | seeds(seed), name)
    return namedtuple("ComputeAccidentalHits", ["indices", "ids", "weights"])(*outputs)
