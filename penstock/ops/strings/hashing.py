"""Strings into hash buckets: `tf.strings.to_hash_bucket`, `to_hash_bucket_fast`, `to_hash_bucket_strong`.

The numbers are TensorFlow's, so that models and vocabularies carry over.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op, stops
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import unchanged
from penstock.ops.arguments import renamed
from penstock.ops.strings.farmhash import fingerprints64
from penstock.ops.strings.siphash import siphashes
from penstock.ops.strings.words import OneString, hashes
from penstock.types import dtypes
from penstock.types.tensors import Tensor

_MASK = (1 << 64) - 1
_MULTIPLIER, _SEED = 0xC6A4A7935BD1E995, 0xDECAFCAFFE


def hash64(data: bytes) -> int:
    """TensorFlow's first string hash, a MurmurHash64A with a fixed seed."""
    return _hash64(OneString(data))


def _hash64(s: Any) -> Any:
    state = _SEED ^ s.length * _MULTIPLIER & _MASK
    whole = s.length // 8 * 8
    for at in range(0, whole, 8):
        word = s.word(at) * _MULTIPLIER & _MASK
        word = (word ^ word >> 47) * _MULTIPLIER & _MASK
        state = (state ^ word) * _MULTIPLIER & _MASK
    if whole < s.length:
        state = (state ^ s.rest(whole)) * _MULTIPLIER & _MASK
    state = (state ^ state >> 47) * _MULTIPLIER & _MASK
    return state ^ state >> 47


def _buckets(hashes_of: Callable[[np.ndarray], np.ndarray], strings: Any, num_buckets: int) -> np.ndarray:
    if num_buckets < 1:
        raise ValueError(f"num_buckets of {num_buckets} must be at least 1")
    return (hashes_of(strings) % np.uint64(num_buckets)).astype(np.int64)


def _strong(input: Any, *, num_buckets: int, key: Sequence[int]) -> np.ndarray:
    if len(key) != 2:
        raise ValueError("Key must have 2 elements")
    return _buckets(functools.partial(siphashes, key=(int(key[0]), int(key[1]))), input, num_buckets)


op(
    "StringToHashBucket(string_tensor: string; num_buckets) -> output: int64",
    numpy=lambda strings, *, num_buckets: _buckets(functools.partial(hashes, _hash64), strings, num_buckets),
    shape=unchanged,
    gradient=stops,
)
op(
    "StringToHashBucketFast(input: string; num_buckets) -> output: int64",
    numpy=lambda strings, *, num_buckets: _buckets(fingerprints64, strings, num_buckets),
    shape=unchanged,
    gradient=stops,
)
op(
    "StringToHashBucketStrong(input: string; num_buckets, key) -> output: int64",
    numpy=_strong,
    shape=unchanged,
    gradient=stops,
)


@export("strings.to_hash_bucket", v1=[])
def to_hash_bucket(input: Any, num_buckets: int, name: str | None = None) -> Tensor:
    """The hash of each string modulo `num_buckets`, int64. For new programs: `tf.strings.to_hash_bucket_fast`.

    Example:
      >>> import penstock as tf
      >>> tf.strings.to_hash_bucket(["Hello", "TensorFlow"], 3).numpy()
      array([2, 0])
    """
    tensor = convert_to_tensor(input, dtypes.string)
    return execute("StringToHashBucket", (tensor,), {"num_buckets": num_buckets}, name)


@export(v1=["strings.to_hash_bucket", "string_to_hash_bucket"])
def to_hash_bucket_v1(
    string_tensor: Any = None, num_buckets: int | None = None, name: str | None = None, input: Any = None
) -> Tensor:
    """TF 1's names of the arguments of `tf.strings.to_hash_bucket`."""
    return to_hash_bucket(renamed(input, string_tensor, "input and string_tensor"), num_buckets, name)  # type: ignore[arg-type]


@export("strings.to_hash_bucket_fast", v1=["strings.to_hash_bucket_fast", "string_to_hash_bucket_fast"])
def to_hash_bucket_fast(input: Any, num_buckets: int, name: str | None = None) -> Tensor:
    """The FarmHash fingerprint of each string modulo `num_buckets`, int64.

    Args:
      input: a string tensor.
      num_buckets: the number of buckets, at least 1.
      name: the node's name in a graph.

    Raises:
      InvalidArgumentError: there are no buckets.

    Example:
      >>> import penstock as tf
      >>> tf.strings.to_hash_bucket_fast(["Hello", "TensorFlow"], 3).numpy()
      array([0, 2])
    """
    tensor = convert_to_tensor(input, dtypes.string)
    return execute("StringToHashBucketFast", (tensor,), {"num_buckets": num_buckets}, name)


@export("strings.to_hash_bucket_strong", v1=["strings.to_hash_bucket_strong", "string_to_hash_bucket_strong"])
def to_hash_bucket_strong(
    input: Any, num_buckets: int, key: Sequence[int], name: str | None = None
) -> Tensor:
    """The SipHash of each string under a key, modulo `num_buckets`, int64.

    Args:
      input: a string tensor.
      num_buckets: the number of buckets, at least 1.
      key: two 64-bit integers. Who does not know them cannot make strings collide.
      name: the node's name in a graph.

    Raises:
      InvalidArgumentError: there are no buckets, or the key has not two elements.

    Example:
      >>> import penstock as tf
      >>> tf.strings.to_hash_bucket_strong(["Hello", "TF"], 3, [1, 2]).numpy()
      array([2, 0])
    """
    tensor = convert_to_tensor(input, dtypes.string)
    attrs = {"num_buckets": num_buckets, "key": list(key)}
    return execute("StringToHashBucketStrong", (tensor,), attrs, name)
