"""Fractional pooling: windows whose sizes differ by one, so that an image shrinks by a ratio that is no whole number.

Graham, "Fractional Max-Pooling", 2015. The boundaries of the windows are drawn at random; they come out of the ops, and
go into their gradients.
"""

from __future__ import annotations

import itertools
import math
import secrets
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall, from_input, like_input
from penstock.ops.nn.candidate_samplers import Words
from penstock.ops.random import philox
from penstock.ops.random.seed import get_seed
from penstock.types import dtypes
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor

_TYPES = {"T": frozenset({dtypes.float32, dtypes.float64, dtypes.int32, dtypes.int64})}


def _pseudo_random_steps(size: int, count: int, words: Words) -> list[int]:
    """Steps of the sequence ceil(alpha (i + u)): large and small windows are spread evenly."""
    alpha, least = size / count, size // count
    limit = min((least + 2) / alpha - 1, (size + 1 - least) / alpha - (count - 1))
    shift = words.unit_double() * limit
    places = [1, *(math.ceil(alpha * (i + shift)) for i in range(1, count)), size + 1]
    return [after - before for before, after in itertools.pairwise(places)]


def _random_steps(size: int, count: int, words: Words) -> list[int]:
    """The steps in a random order."""
    least, larger = divmod(size, count)
    steps = [least + 1] * larger + [least] * (count - larger)
    for i in range(count - 1):
        j = i + words.word() % (count - i)
        steps[i], steps[j] = steps[j], steps[i]
    return steps


def _boundaries(
    size: int, count: int, generator: philox.Philox, pseudo_random: bool
) -> tuple[np.ndarray, philox.Philox]:
    """Where the windows along an axis begin (and the last one ends), and the generator after that."""
    if size % count == 0:
        steps = [size // count] * count
    else:
        draw, blocks = (_pseudo_random_steps, 1) if pseudo_random else (_random_steps, -(-count // 4))
        steps = draw(size, count, Words(generator))
        generator = generator.advanced(np, blocks)
    return np.concatenate([[0], np.cumsum(steps)]).astype(np.int64), generator


def _spans(boundaries: np.ndarray, size: int, overlapping: bool) -> list[slice]:
    """The windows along an axis; overlapping ones share their border."""
    more = 1 if overlapping else 0
    return [slice(int(a), min(int(b) + more, size)) for a, b in itertools.pairwise(boundaries)]


def _ratios(pooling_ratio: Sequence[float]) -> list[float]:
    ratios = [float(each) for each in pooling_ratio]
    if len(ratios) != 4 or ratios[0] != 1 or ratios[3] != 1:
        raise ValueError(f"pooling_ratio must be [1, rows, columns, 1], got {ratios}")
    if min(ratios) < 1:
        raise ValueError(f"pooling_ratio must not be smaller than 1, got {ratios}")
    return ratios


def _pool(reduce: Callable) -> Callable:
    def kernel(
        x: np.ndarray, *, pooling_ratio: Sequence[float], pseudo_random: bool, overlapping: bool,
        deterministic: bool, seed: int, seed2: int,
    ) -> tuple:  # fmt: skip
        if x.ndim != 4:
            raise ValueError(f"value must be 4-dimensional, got {list(x.shape)}")
        ratios = _ratios(pooling_ratio)
        if not deterministic and (seed or seed2):
            raise ValueError("Both seed and seed2 should be 0 if deterministic is false.")
        if not seed and not seed2:
            seed, seed2 = secrets.randbits(63), secrets.randbits(63)
        generator = philox.from_seeds(seed, seed2)
        counts = [int(x.shape[axis] / ratios[axis]) for axis in (1, 2)]
        rows, generator = _boundaries(x.shape[1], counts[0], generator, pseudo_random)
        columns, _ = _boundaries(x.shape[2], counts[1], generator, pseudo_random)
        y = np.empty((x.shape[0], *counts, x.shape[3]), x.dtype)
        for i, row in enumerate(_spans(rows, x.shape[1], overlapping)):
            for j, column in enumerate(_spans(columns, x.shape[2], overlapping)):
                y[:, i, j] = reduce(x[:, row, column])
        return y, rows, columns

    return kernel


def _mean(window: np.ndarray) -> np.ndarray:
    total = window.sum((1, 2), dtype=window.dtype)
    return (total / (window.shape[1] * window.shape[2])).astype(window.dtype)


def _max_gradient(
    x: np.ndarray, y: np.ndarray, dy: np.ndarray, rows: np.ndarray, columns: np.ndarray, *, overlapping: bool
) -> np.ndarray:
    dx = np.zeros(x.shape, dy.dtype)
    batch, channel = np.arange(x.shape[0])[:, None], np.arange(x.shape[3])[None, :]
    for i, row in enumerate(_spans(rows, x.shape[1], overlapping)):
        for j, column in enumerate(_spans(columns, x.shape[2], overlapping)):
            window = x[:, row, column]
            place = window.reshape(x.shape[0], -1, x.shape[3]).argmax(1)
            down, across = np.divmod(place, window.shape[2])
            np.add.at(dx, (batch, row.start + down, column.start + across, channel), dy[:, i, j])
    return dx


def _avg_gradient(
    shape: np.ndarray, dy: np.ndarray, rows: np.ndarray, columns: np.ndarray, *, overlapping: bool
) -> np.ndarray:
    dx = np.zeros(tuple(shape), dy.dtype)
    for i, row in enumerate(_spans(rows, int(shape[1]), overlapping)):
        for j, column in enumerate(_spans(columns, int(shape[2]), overlapping)):
            count = (row.stop - row.start) * (column.stop - column.start)
            dx[:, row, column] += (dy[:, i, j] / count).astype(dy.dtype)[:, None, None]
    return dx


def _shapes(call: ShapeCall) -> list[TensorShape]:
    dims = call.shape(0).with_rank(4).as_list()
    ratios = _ratios(call.attrs["pooling_ratio"])
    rows, columns = (None if dims[i] is None else int(dims[i] / ratios[i]) for i in (1, 2))
    ends = [TensorShape([None if count is None else count + 1]) for count in (rows, columns)]
    return [TensorShape([dims[0], rows, columns, dims[3]]), *ends]


def _max_rule(op: Any, dy: Tensor, *_: Any) -> Tensor:
    inputs = (op.inputs[0], op.outputs[0], dy, *op.outputs[1:])
    return execute("FractionalMaxPoolGrad", inputs, {"overlapping": op.attrs["overlapping"]})


def _avg_rule(op: Any, dy: Tensor, *_: Any) -> Tensor:
    shape = execute("Shape", (op.inputs[0],), {"out_type": dtypes.int64})
    inputs = (shape, dy, *op.outputs[1:])
    return execute("FractionalAvgPoolGrad", inputs, {"overlapping": op.attrs["overlapping"]})


_ATTRS = "pooling_ratio, pseudo_random=False, overlapping=False, deterministic=False, seed=0, seed2=0"
_SEQUENCES = "row_pooling_sequence: int64, col_pooling_sequence: int64"

op(
    f"FractionalMaxPool(value: T; {_ATTRS}) -> (output: T, {_SEQUENCES})",
    numpy=_pool(lambda window: window.max((1, 2))),
    shape=_shapes,
    gradient=_max_rule,
    stateful=True,
    types=_TYPES,
)
op(
    f"FractionalAvgPool(value: T; {_ATTRS}) -> (output: T, {_SEQUENCES})",
    numpy=_pool(_mean),
    shape=_shapes,
    gradient=_avg_rule,
    stateful=True,
    types=_TYPES,
)
op(
    f"FractionalMaxPoolGrad(orig_input: T, orig_output: T, out_backprop: T, {_SEQUENCES}; overlapping=False) "
    "-> output: T",
    numpy=_max_gradient,
    shape=like_input(0),
    types=_TYPES,
)
op(
    f"FractionalAvgPoolGrad(orig_input_tensor_shape: int64, out_backprop: T, {_SEQUENCES}; overlapping=False) "
    "-> output: T",
    numpy=_avg_gradient,
    shape=from_input(0),
    types=_TYPES,
)


def _fractional(
    kind: str,
    value: Any,
    pooling_ratio: Any,
    pseudo_random: bool,
    overlapping: bool,
    seed: int,
    name: str | None,
) -> tuple[Tensor, Tensor, Tensor]:
    if not isinstance(pooling_ratio, (list, tuple)):
        pooling_ratio = [1.0, pooling_ratio, pooling_ratio, 1.0]
    attrs = {
        "pooling_ratio": _ratios(pooling_ratio),
        "pseudo_random": pseudo_random,
        "overlapping": overlapping,
    }
    if seed:
        outer, inner = get_seed(seed)
        attrs.update(deterministic=True, seed=outer or 0, seed2=inner or 0)
    return tuple(execute(f"Fractional{kind}Pool", (convert_to_tensor(value),), attrs, name))


@export("nn.fractional_max_pool", v1=[])
def fractional_max_pool(
    value: Any,
    pooling_ratio: Any,
    pseudo_random: bool = False,
    overlapping: bool = False,
    seed: int = 0,
    name: str | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Max pooling with windows of random sizes that shrink an image by a ratio.

    Args:
      value: `[batch, height, width, channels]`, float32, float64, int32 or int64.
      pooling_ratio: by how much height and width shrink, at least 1: a number, or `[1, rows, columns, 1]`.
      pseudo_random: spreads larger and smaller windows evenly instead of in random order.
      overlapping: neighbouring windows share their border.
      seed: 0 for other windows at each call.

    Returns:
      The pooled images, and the boundaries of the windows along the rows and along the columns, int64.

    Raises:
      ValueError: the ratio is less than 1 or has a wrong length.

    Example:
      >>> import penstock as tf
      >>> pooled, rows, _ = tf.nn.fractional_max_pool(tf.ones([1, 10, 10, 1]), 1.5, seed=1)
      >>> pooled.shape, rows.shape
      (TensorShape([1, 6, 6, 1]), TensorShape([7]))
    """
    return _fractional("Max", value, pooling_ratio, pseudo_random, overlapping, seed, name)


@export("nn.fractional_avg_pool", v1=[])
def fractional_avg_pool(
    value: Any,
    pooling_ratio: Any,
    pseudo_random: bool = False,
    overlapping: bool = False,
    seed: int = 0,
    name: str | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Average pooling with windows of random sizes; arguments and results as in `tf.nn.fractional_max_pool`."""
    return _fractional("Avg", value, pooling_ratio, pseudo_random, overlapping, seed, name)


def _v1(kind: str) -> Callable:
    def fractional_pool(
        value: Any,
        pooling_ratio: Sequence[float],
        pseudo_random: bool = False,
        overlapping: bool = False,
        deterministic: bool = False,
        seed: int = 0,
        seed2: int = 0,
        name: str | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        attrs = {
            "pooling_ratio": [float(each) for each in pooling_ratio],
            "pseudo_random": pseudo_random,
            "overlapping": overlapping,
            "deterministic": deterministic,
            "seed": seed,
            "seed2": seed2,
        }
        return tuple(execute(f"Fractional{kind}Pool", (convert_to_tensor(value),), attrs, name))

    public = f"fractional_{kind.lower()}_pool"
    fractional_pool.__name__ = fractional_pool.__qualname__ = public
    fractional_pool.__doc__ = f"""TF 1's `nn.{public}`: as `tf.nn.{public}`, with both seeds of the op."""
    return export(v1=[f"nn.{public}"])(fractional_pool)


fractional_max_pool_v1 = _v1("Max")
fractional_avg_pool_v1 = _v1("Avg")
