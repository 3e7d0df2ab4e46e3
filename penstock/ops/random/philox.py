"""Counter-based random bits: the Philox 4x32-10 and ThreeFry 2x32-20 generators (Salmon et al., SC 2011).

A generator is a key and a counter and nothing else, so that any of its blocks of four 32-bit words can be computed
by itself, in any order, on any device. Key and counter are laid out, seeded and advanced as in TensorFlow. The
distributions (`random.distributions`, `random.rejection`, `random.choice`) draw their words here.

Everything is written against an array namespace: with `xp = numpy` scalars are Python integers and arrays are filled
piece by piece in cache; with `xp = jax.numpy` keys and counters may be traced, and every output is computed from its
own index, which XLA fuses, with what follows, into one vectorized pass.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from penstock.engine.xla import jnp

_WORD = 0xFFFFFFFF
_LONG = 0xFFFFFFFFFFFFFFFF
_32 = np.uint64(32)

# Multipliers and Weyl increments of Philox 4x32; the even words of a block use the first, the odd ones the second.
_M0, _M1 = 0xD2511F53, 0xCD9E8D57
_W0, _W1 = 0x9E3779B9, 0xBB67AE85
_ROUNDS = 10
_MULTIPLIERS = np.array([[_M0], [_M1]], np.uint64)
_KEY_STEPS = np.arange(_ROUNDS, dtype=np.uint64)[:, None, None] * np.array([[_W0], [_W1]], np.uint64)

# The key under which TensorFlow's stateless ops hash the user's two seeds into a key and a counter.
_SCRAMBLE_KEY = 0x02461E293EC8F720

# NumPy works through this many blocks at a time, so that the temporaries of the ten rounds stay in the cache.
PIECE = 4096

# Below this many blocks the rounds run on Python integers: quicker than forty NumPy calls.
_FEW_BLOCKS = 3

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA


class Philox(NamedTuple):
    """A Philox generator: a 64-bit key and a 128-bit counter in two halves (integers, or uint64 scalars)."""

    key: Any
    low: Any
    high: Any

    def block(self, xp: Any, offset: Any) -> tuple:
        """The words of the blocks that lie `offset` blocks ahead.

        Args:
          xp: the array namespace.
          offset: uint64 array.

        Returns:
          Four uint32 arrays of the shape of `offset`: the words 0 to 3 of each block.
        """
        if xp is not np:
            low = self.low + offset
            high = self.high + (low < offset).astype(xp.uint64)
            return _rounds(xp, _split(xp, self.key), *_split(xp, low), *_split(xp, high))
        key, start, high = int(self.key), int(self.low), int(self.high)
        if offset.size <= _FEW_BLOCKS:
            each = [_one_block(key, start + int(ahead), high) for ahead in offset.flat]
            return tuple(
                np.array(words, np.uint32).reshape(offset.shape) for words in zip(*each, strict=True)
            )
        low = offset + np.uint64(start)
        carried = np.uint64(high) + (low < np.uint64(start))
        return tuple(word.reshape(offset.shape) for word in _rounds_numpy(key, low.ravel(), carried.ravel()))

    def advanced(self, xp: Any, blocks: Any) -> Philox:
        """The same generator `blocks` blocks further on."""
        if xp is np:
            counter = (int(self.high) << 64 | int(self.low)) + int(blocks)
            return Philox(self.key, counter & _LONG, counter >> 64 & _LONG)
        blocks = xp.asarray(blocks).astype(xp.uint64)
        low = self.low + blocks
        return Philox(self.key, low, self.high + (low < blocks).astype(xp.uint64))

    def state(self, xp: Any) -> Any:
        """The state vector `[counter low, counter high, key]`, uint64, as `tf.random.Generator` keeps it."""
        return _vector(xp, (self.low, self.high, self.key))


class ThreeFry(NamedTuple):
    """A ThreeFry 2x32 generator: a 64-bit key and a 64-bit counter.

    Counter `2 i` gives the words 0 and 1 of block `i`, counter `2 i + 1` the words 2 and 3, so that 64-bit integers
    are those of TensorFlow's XLA devices (its CPU kernels have no ThreeFry).
    """

    key: Any
    low: Any

    def block(self, xp: Any, offset: Any) -> tuple:
        """As `Philox.block`."""
        first = xp.asarray(self.low, dtype=xp.uint64) + offset * np.uint64(2)
        key = _split(xp, xp.asarray(self.key, dtype=xp.uint64))
        return (
            *_threefry(xp, key, *_split(xp, first)),
            *_threefry(xp, key, *_split(xp, first + np.uint64(1))),
        )

    def advanced(self, xp: Any, blocks: Any) -> ThreeFry:
        """As `Philox.advanced`."""
        if xp is np:
            return ThreeFry(self.key, int(self.low) + 2 * int(blocks) & _LONG)
        return ThreeFry(self.key, self.low + xp.asarray(blocks).astype(xp.uint64) * np.uint64(2))

    def state(self, xp: Any) -> Any:
        """The state vector `[counter, key]`, uint64."""
        return _vector(xp, (self.low, self.key))


Stream = Philox | ThreeFry


# Making generators.


def from_state(xp: Any, state: Any) -> Stream:
    """The generator of a state vector of 64-bit integers: `[low, high, key]` is Philox, `[counter, key]` ThreeFry."""
    values = _scalars(xp, state)
    return Philox(values[2], values[0], values[1]) if len(values) >= 3 else ThreeFry(values[1], values[0])


def from_key_counter(xp: Any, key: Any, counter: Any, threefry: bool = False) -> Stream:
    """The generator of the `key` (uint64 `[1]`) and `counter` (uint64 `[2]`, or `[1]` for ThreeFry) of a V2 op."""
    (key,), counter = _scalars(xp, key), _scalars(xp, counter)
    return ThreeFry(key, counter[0]) if threefry else Philox(key, counter[0], counter[1])


def from_seeds(seed: int, seed2: int) -> Philox:
    """The generator of a stateful op with the attributes `seed` and `seed2`: the key is one, the counter the other."""
    return Philox(seed & _LONG, 0, seed2 & _LONG)


def from_seed_pair(xp: Any, seed: Any) -> Philox:
    """The generator of a stateless op: the two integers of `seed` hashed into a key and the upper counter."""
    first, second = _scalars(xp, seed)
    if xp is np:
        words = _one_block(_SCRAMBLE_KEY, first, second)
        return Philox(words[0] | words[1] << 32, 0, words[2] | words[3] << 32)
    scramble = _split(xp, xp.asarray(_SCRAMBLE_KEY, dtype=xp.uint64))
    words = _rounds(xp, scramble, *_split(xp, first), *_split(xp, second))
    return Philox(join(xp, *words[:2]), xp.zeros((), xp.uint64), join(xp, *words[2:]))


def first_blocks(first: np.ndarray, second: np.ndarray) -> tuple:
    """The first block of the stateless stream of every pair of seeds, as `from_seed_pair` makes them, in NumPy.

    Args:
      first, second: uint64 `[n]`, the seeds.

    Returns:
      Four uint32 arrays `[n]`: the words 0 to 3 of each block.
    """
    key0, key1, high0, high1 = _rounds_numpy(_SCRAMBLE_KEY, first, second)
    zero = np.zeros(first.shape, np.uint32)
    return _rounds(np, (key0, key1), zero, zero, high0, high1)


# Reading words in order.


def words(xp: Any, stream: Stream, size: int) -> Any:
    """The first `size` words of the stream: uint32 `[size]`."""
    if xp is not np:
        index = indices(xp, size)
        word = stream.block(xp, (index >> 2).astype(xp.uint64))
        lane = index & 3
        return xp.where(
            lane < 2, xp.where(lane == 0, word[0], word[1]), xp.where(lane == 2, word[2], word[3])
        )
    blocks = -(-size // 4)
    table = np.empty((blocks, 4), np.uint32)
    for start in range(0, blocks, PIECE):
        piece = table[start : start + PIECE]
        offset = np.arange(start, start + len(piece), dtype=np.uint64)
        for lane, word in enumerate(stream.block(np, offset)):
            piece[:, lane] = word
    return table.reshape(-1)[:size]


def word_pairs(xp: Any, stream: Stream, size: int) -> tuple:
    """The words 0, 2, 4, ... and the words 1, 3, 5, ... of the stream: two uint32 arrays `[size]`."""
    if xp is np:
        table = words(np, stream, 2 * size).reshape(-1, 2)
        return table[:, 0], table[:, 1]
    index = indices(xp, size)
    word, second = stream.block(xp, (index >> 1).astype(xp.uint64)), (index & 1) != 0
    return xp.where(second, word[2], word[0]), xp.where(second, word[3], word[1])


def indices(xp: Any, size: int) -> Any:
    """`[0, 1, ..., size - 1]` in the narrowest unsigned type that holds it (narrow types vectorize better)."""
    return xp.arange(size, dtype=xp.uint32 if size < 2**32 else xp.uint64)


def join(xp: Any, low: Any, high: Any) -> Any:
    """The 64-bit integer of two 32-bit halves."""
    return low.astype(xp.uint64) | high.astype(xp.uint64) << _32


# The generators themselves.


def _split(xp: Any, value: Any) -> tuple:
    """The lower and the upper 32 bits of uint64 values."""
    return value.astype(xp.uint32), (value >> _32).astype(xp.uint32)


def _rounds(xp: Any, key: tuple, c0: Any, c1: Any, c2: Any, c3: Any) -> tuple:
    """Ten rounds of Philox on uint32 arrays."""
    k0, k1 = key
    for _ in range(_ROUNDS):
        low0, high0 = _split(xp, c0.astype(xp.uint64) * np.uint64(_M0))
        low1, high1 = _split(xp, c2.astype(xp.uint64) * np.uint64(_M1))
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = k0 + np.uint32(_W0), k1 + np.uint32(_W1)
    return c0, c1, c2, c3


def _rounds_numpy(key: int, low: np.ndarray, high: np.ndarray) -> tuple:
    """The same for NumPy: three calls a round, on words (0, 2) and (1, 3) together, in two buffers that take turns.

    The halves of a 64-bit product are read through a 32-bit view (`[:, :, 0]` is the lower half: little-endian).
    """
    keys = ((_KEY_STEPS + np.array([[key & _WORD], [key >> 32]], np.uint64)) & np.uint64(_WORD)).astype(
        np.uint32
    )
    counter = np.stack([low, high])
    even, odd = counter.astype(np.uint32), (counter >> _32).astype(np.uint32)
    buffers = [_ProductBuffer(counter.shape), _ProductBuffer(counter.shape)]
    for number, round_key in enumerate(keys):
        buffer = buffers[number & 1]
        np.multiply(even, _MULTIPLIERS, out=buffer.product)
        np.bitwise_xor(buffer.upper, odd, out=even)
        np.bitwise_xor(even, round_key, out=even)
        odd = buffer.lower
    return even[0], odd[0], even[1], odd[1]


class _ProductBuffer:
    """A `[2, n]` array of 64-bit products, and its halves with the rows exchanged, as Philox wants them."""

    def __init__(self, shape: tuple[int, int]):
        self.product = np.empty(shape, np.uint64)
        halves = self.product.view(np.uint32).reshape(*shape, 2)[::-1]
        self.lower, self.upper = halves[..., 0], halves[..., 1]


def _one_block(key: int, low: int, high: int) -> tuple[int, int, int, int]:
    """One block on Python integers; a `low` of more than 64 bits carries into `high`."""
    high += low >> 64
    c0, c1, c2, c3 = low & _WORD, low >> 32 & _WORD, high & _WORD, high >> 32 & _WORD
    k0, k1 = key & _WORD, key >> 32
    for _ in range(_ROUNDS):
        product0, product1 = _M0 * c0, _M1 * c2
        c0, c1, c2, c3 = (
            (product1 >> 32) ^ c1 ^ k0,
            product1 & _WORD,
            (product0 >> 32) ^ c3 ^ k1,
            product0 & _WORD,
        )
        k0, k1 = k0 + _W0 & _WORD, k1 + _W1 & _WORD
    return c0, c1, c2, c3


def _threefry(xp: Any, key: tuple, x0: Any, x1: Any) -> tuple:
    """Twenty rounds of ThreeFry on uint32 arrays: two words for each pair (x0, x1)."""
    schedule = (*key, key[0] ^ key[1] ^ np.uint32(_PARITY))
    x0, x1 = x0 + schedule[0], x1 + schedule[1]
    for group in range(5):
        for rotation in _ROTATIONS[group % 2]:
            x0 = x0 + x1
            x1 = (x1 << np.uint32(rotation) | x1 >> np.uint32(32 - rotation)) ^ x0
        x0 = x0 + schedule[(group + 1) % 3]
        x1 = x1 + schedule[(group + 2) % 3] + np.uint32(group + 1)
    return x0, x1


# Scalars and vectors of 64-bit integers.


def _scalars(xp: Any, vector: Any) -> list:
    """The entries of a vector of integers, modulo 2**64: Python integers for NumPy, uint64 scalars for JAX."""
    if xp is np:
        return [int(value) & _LONG for value in np.ravel(vector)]
    vector = xp.ravel(xp.asarray(vector))
    return [vector[i].astype(xp.uint64) for i in range(vector.shape[0])]


def _vector(xp: Any, values: tuple) -> Any:
    if xp is np:
        return np.array([int(value) for value in values], np.uint64)
    return jnp.stack([jnp.asarray(value, dtype=jnp.uint64) for value in values])
