"""The sets of dtypes that ops take, as TensorFlow's registry has them: `op(..., types={"T": FLOATS})`."""

from __future__ import annotations

from penstock.types import dtypes

FLOATS = frozenset({dtypes.bfloat16, dtypes.float16, dtypes.float32, dtypes.float64})
WIDE_FLOATS = frozenset({dtypes.float32, dtypes.float64})
COMPLEX = frozenset({dtypes.complex64, dtypes.complex128})
SIGNED = frozenset({dtypes.int8, dtypes.int16, dtypes.int32, dtypes.int64})
UNSIGNED = frozenset({dtypes.uint8, dtypes.uint16, dtypes.uint32, dtypes.uint64})
INDICES = frozenset({dtypes.int32, dtypes.int64})

INTEGERS = SIGNED | UNSIGNED
REAL = FLOATS | INTEGERS
INEXACT = FLOATS | COMPLEX
NUMBERS = REAL | COMPLEX
BOOL = frozenset({dtypes.bool})
