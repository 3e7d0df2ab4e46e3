"""Calls of ops that every generic op test runs, and that `make oracle` runs against TensorFlow too.

Each op family keeps a table `CASES` in `tests/ops/cases_<family>.py`; this file collects them all:

    from tests.ops.op_cases import Case, floats, integers

    CASES = [
        Case("AddV2", [floats(2, 3), floats(3)], grad=True),
        Case("Sum", [floats(2, 3), -1], {"keep_dims": True}, grad=[0]),
        Case("ConcatV2", [[floats(2, 3), floats(1, 3)], 0], grad=True),
        Case("Cast", [integers(4)], {"DstT": np.float32}),
        Case("Reshape", [floats(2, 3), [4, 4]], raises="InvalidArgumentError"),
    ]

The op type, the order of inputs and the names of attributes are those of TensorFlow's registry. What runs over them:
`test_bodies_agree` (NumPy body and XLA body), `test_shape_rules` (rule and actual shape, dimensions hidden),
`test_gradients` (finite differences, first and second order), `test_errors` (cases that say `raises`).

Write several cases for an op: another dtype, broadcasting, an empty tensor, negative axes, an attribute away from its
default. Choose data away from kinks and ties where `grad` is asked for.
"""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Maker = Callable[[np.random.Generator], np.ndarray]


def floats(*shape: int, low: float = -2.0, high: float = 2.0, dtype: Any = np.float32) -> Maker:
    """Uniform random numbers in [low, high)."""
    return lambda rng: rng.uniform(low, high, shape).astype(dtype)


def positive(*shape: int, low: float = 0.3, high: float = 3.0, dtype: Any = np.float32) -> Maker:
    """Uniform random numbers away from zero."""
    return floats(*shape, low=low, high=high, dtype=dtype)


def distinct(*shape: int, step: float = 0.25, dtype: Any = np.float32) -> Maker:
    """Shuffled numbers, no two nearer to each other than `step`: for max, sort, top_k and their gradients."""

    def make(rng: np.random.Generator) -> np.ndarray:
        count = int(np.prod(shape))
        return (rng.permutation(count) * step - count * step / 2).reshape(shape).astype(dtype)

    return make


def integers(*shape: int, low: int = -5, high: int = 6, dtype: Any = np.int32) -> Maker:
    """Random integers in [low, high)."""
    return lambda rng: rng.integers(low, high, shape).astype(dtype)


def booleans(*shape: int) -> Maker:
    """Random truth values."""
    return lambda rng: rng.random(shape) < 0.5


def complexes(*shape: int, low: float = -2.0, high: float = 2.0, dtype: Any = np.complex64) -> Maker:
    """Random complex numbers with both parts in [low, high)."""
    return lambda rng: (rng.uniform(low, high, shape) + 1j * rng.uniform(low, high, shape)).astype(dtype)


def strings(*values: Any) -> np.ndarray:
    """A string tensor; nested lists give its shape."""
    text = np.array(values, dtype=object)
    out = np.empty(text.shape, object)
    out.reshape(-1)[:] = [each.encode() if isinstance(each, str) else each for each in text.reshape(-1)]
    return out


class Case:
    """One call of an op.

    Attributes:
      op: the op type.
      inputs: one entry for each argument of the signature: an array, something `np.asarray` takes (Python ints are
        int32, floats float32), a maker such as `floats(2, 3)`; for a list argument, a list of these.
      attrs: the attributes; dtypes as NumPy scalar types (`np.float32`). Defaults may be left out.
      grad: check gradients: True for all floating and complex inputs, or the flat positions of the inputs to check.
      second: check second-order gradients too.
      outputs: the flat positions of the outputs whose gradients are checked, where not all have one.
      single: check gradients in float32, coarsely: for ops that know no float64.
      hermitian: the positions of inputs that must stay Hermitian when gradients are checked.
      rtol, atol: tolerances; by default they follow from the dtype.
      values: False where only dtypes and shapes can be compared (random ops).
      dynamic: the output's shape depends on the inputs' values.
      raises: the name of the error class that the eager call must raise.
    """

    def __init__(
        self,
        op: str,
        inputs: Sequence[Any] = (),
        attrs: dict[str, Any] | None = None,
        *,
        grad: bool | Sequence[int] = False,
        second: bool = True,
        outputs: Sequence[int] | None = None,
        single: bool = False,
        hermitian: Sequence[int] = (),
        rtol: float | None = None,
        atol: float | None = None,
        values: bool = True,
        dynamic: bool = False,
        raises: str | None = None,
    ):
        self.op, self.attrs = op, dict(attrs or {})
        self.grad, self.second, self.rtol, self.atol = grad, second, rtol, atol
        self.outputs, self.single, self.hermitian = outputs, single, hermitian
        self.values, self.dynamic, self.raises = values, dynamic, raises
        rng = np.random.default_rng(zlib.crc32(op.encode()))
        self.inputs = [_make(each, rng) for each in inputs]

    @property
    def flat(self) -> list[np.ndarray]:
        """The inputs with list arguments spread out."""
        flat: list[np.ndarray] = []
        for each in self.inputs:
            flat.extend(each if isinstance(each, list) else [each])
        return flat

    @property
    def id(self) -> str:
        """A readable name for test reports, not unique."""
        inputs = ",".join(f"{each.dtype.name}{list(each.shape)}".replace(" ", "") for each in self.flat)
        attrs = ",".join(f"{name}={getattr(value, '__name__', value)}" for name, value in self.attrs.items())
        return f"{self.op}({inputs}{';' if attrs else ''}{attrs})"

    def __repr__(self) -> str:
        return self.id


def _make(value: Any, rng: np.random.Generator) -> Any:
    if callable(value):
        return np.asarray(value(rng))
    if isinstance(value, list) and any(callable(each) or isinstance(each, np.ndarray) for each in value):
        return [_make(each, rng) for each in value]
    array = np.asarray(value)
    if not isinstance(value, (np.ndarray, np.generic)):
        if array.dtype == np.int64 or array.size == 0:
            array = array.astype(np.int32)
        elif array.dtype == np.float64:
            array = array.astype(np.float32)
    return array


def _collect() -> list[Case]:
    found: list[Case] = []
    for path in sorted(Path(__file__).parent.glob("cases_*.py")):
        found.extend(importlib.import_module(f"tests.ops.{path.stem}").CASES)
    return found


_all: list[Case] = []


def all_cases() -> list[Case]:
    """The cases of every family."""
    if not _all:
        _all.extend(_collect())
    return _all
