"""Expressions that both engines evaluate, for what calls of single ops cannot say: public functions and operators.

Each is a line of `expressions.txt` over `tf`, `np` and these tensors; gradients are compared for those it names.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

_rng = np.random.default_rng(7)

TENSORS: dict[str, np.ndarray] = {
    "x": _rng.uniform(0.3, 2, (2, 3)).astype(np.float32),
    "y": _rng.uniform(-2, 2, (3, 4)).astype(np.float32),
    "z": _rng.uniform(-2, 2, (2, 3, 4)).astype(np.float32),
    "v": np.float32([0.5, -1.5, 2.5]),
    "d": _rng.uniform(-2, 2, (2, 3)),
    "h": _rng.uniform(-2, 2, 4).astype(np.float16),
    "c": (_rng.uniform(-1, 1, (2, 3)) + 1j * _rng.uniform(-1, 1, (2, 3))).astype(np.complex64),
    "i": np.int32([[3, -1, 4], [1, 5, -9]]),
    "j": np.int64([7, -2, 0]),
    "u": np.uint8([250, 3, 17]),
    "b": np.array([[True, False, True], [False, False, True]]),
    "m": np.float32([[4, 1, 0.5], [1, 3, 0.25], [0.5, 0.25, 2]]),
    "image": _rng.uniform(0, 1, (1, 6, 5, 3)).astype(np.float32),
    "pixels": _rng.integers(0, 256, (4, 5, 3)).astype(np.uint8),
    "kernel": _rng.uniform(-1, 1, (3, 3, 3, 2)).astype(np.float32),
    "thin": _rng.uniform(-1, 1, (2, 2, 4, 3)).astype(np.float32),
    "boxes": np.float32([[0, 0, 1, 1], [0, 0.1, 1, 1.1], [0, 2, 1, 3], [0, 2.4, 1, 3.4]]),
    "scores": np.float32([0.9, 0.8, 0.7, 0.75]),
    "s": np.array([b"a b", b"", b"the  quick fox"], object),
    "t": np.array("h\u00e9llo, w\u00f6rld".encode(), object),
}


def function_requests() -> list[dict[str, Any]]:
    """The expressions with the tensors that each names."""
    requests = []
    for line in Path(__file__).with_name("expressions.txt").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            words = set(re.findall(r"[A-Za-z_]\w*", re.sub(r'"[^"]*"|\.\w+', "", line)))
            inputs = {name: array for name, array in TENSORS.items() if name in words}
            requests.append({"name": line, "expression": line, "inputs": inputs})
    return requests
