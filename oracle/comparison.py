"""Compares the two answers to a request: aspect by aspect, agreement or a one-line cause of the difference."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

ASPECTS = ("values", "errors", "functions", "gradients")
RTOL = {
    "float64": 1e-9,
    "complex128": 1e-9,
    "float32": 3e-5,
    "complex64": 3e-5,
    "float16": 4e-3,
    "bfloat16": 3e-2,
}
GRADIENT_FACTOR = 5  # gradients add the rounding of several kernels
NO_KERNEL = {
    "NotFoundError",
    "UnimplementedError",
}  # what TensorFlow raises where it has an op, but no CPU kernel


@dataclass
class Result:
    """The outcome for one case: aspect -> "" where the engines agree, else the cause."""

    name: str
    op: str | None
    outcome: dict[str, str] = field(default_factory=dict)
    beyond: str = ""  # what Penstock computes and TensorFlow does not
    ops: list[str] = field(default_factory=list)  # the types of the ops that Penstock called

    @property
    def agrees(self) -> bool:
        """Whether no aspect differs."""
        return not any(self.outcome.values())

    @property
    def compared(self) -> bool:
        """Whether TensorFlow gave anything to compare with."""
        return bool(self.outcome)


def compare(request: dict[str, Any], expected: dict[str, Any], got: dict[str, Any]) -> Result:
    """The outcome for the request, TensorFlow's answer and Penstock's."""
    named = re.match(r"tf\.raw_ops\.(\w+)\(", request["name"])
    result = Result(request["name"], request.get("op") or (named and named[1]), ops=got.get("ops", []))
    if "crash" in expected:
        result.beyond = "TensorFlow's process dies"
        return result
    eager = expected["eager"]
    if eager.get("error") in NO_KERNEL and "error" not in got["eager"]:
        result.beyond = "TensorFlow has no kernel for the CPU and this dtype or attribute"
        return result
    if eager.get("error") == "AttributeError" and got["eager"].get("error") != "AttributeError":
        result.beyond = "the op is not in TensorFlow's Python package"
        return result
    random = bool(request.get("random"))
    aspect = "errors" if "error" in eager else "values"
    result.outcome[aspect] = _difference(eager, got["eager"], request, 1, random)
    if "function" in expected and expected["function"].get("error") not in NO_KERNEL:
        result.outcome["functions"] = _difference(expected["function"], got["function"], request, 1, random)
    theirs, ours = expected.get("gradients"), got.get("gradients")
    if theirs and ours and theirs.get("values") != []:
        if "values" in ours and "error" in theirs:
            lookup = theirs["error"] == "LookupError"
            result.beyond = "TensorFlow has no gradient" if lookup else "TensorFlow's gradient rule fails"
        elif "values" in ours and None in _absent(theirs["values"], ours["values"]):
            result.beyond = "TensorFlow has no gradient for some inputs"
        else:
            result.outcome["gradients"] = _difference(theirs, ours, request, GRADIENT_FACTOR, False)
    return result


def _absent(expected: list[Any], got: list[Any]) -> list[Any]:
    """TensorFlow's gradients where Penstock has one; None in it is one that only Penstock has."""
    return [None if a is None else True for a, b in zip(expected, got) if b is not None]


def _difference(expected: dict, got: dict, request: dict, factor: float, random: bool) -> str:
    if "error" in expected or "error" in got:
        theirs, ours = expected.get("error", "no error"), got.get("error", "no error")
        if theirs in got.get(
            "classes", []
        ):  # Penstock's may be a subclass: `except` of TensorFlow's catches it
            return ""
        message = (got if "error" in got else expected)["message"]
        return f"TensorFlow: {theirs}, Penstock: {ours} ({_short(message)})"
    theirs, ours = expected["values"], got["values"]
    if len(theirs) != len(ours):
        return f"{len(ours)} results != {len(theirs)}"
    causes = [_array_difference(a, b, request, factor, random) for a, b in zip(theirs, ours)]
    return "; ".join(
        f"result {index}: {cause}" if len(causes) > 1 else cause
        for index, cause in enumerate(causes)
        if cause
    )


def _array_difference(expected: Any, got: Any, request: dict, factor: float, random: bool) -> str:
    if expected is None or got is None:
        return "" if expected is got else "no gradient"
    if expected.dtype != got.dtype:
        return f"dtype {got.dtype} != {expected.dtype}"
    if expected.shape != got.shape:
        return f"shape {list(got.shape)} != {list(expected.shape)}"
    if random or expected.size == 0:
        return ""
    if expected.dtype.kind in "biuO":
        wrong = np.count_nonzero(expected != got)
        return (
            f"{wrong} of {expected.size} values differ: {_first(expected, got, expected != got)}"
            if wrong
            else ""
        )
    wide = np.complex128 if expected.dtype.kind == "c" else np.float64
    a, b = expected.astype(wide), got.astype(wide)
    rtol = max(RTOL.get(expected.dtype.name, 0.1), request.get("rtol") or 0) * factor
    finite = np.abs(a[np.isfinite(a)])
    atol = max(rtol * finite.max(initial=0.0), request.get("atol") or 0, np.finfo(np.float32).tiny)
    close = np.isclose(b, a, rtol=rtol, atol=atol, equal_nan=True)
    if close.all():
        return ""
    with np.errstate(all="ignore"):
        largest = np.nanmax(np.abs(np.where(close, 0, a - b)), initial=0.0)
    return (
        f"max abs diff {largest:.1e}, {np.count_nonzero(~close)} of {a.size}: {_first(expected, got, ~close)}"
    )


def _first(expected: np.ndarray, got: np.ndarray, wrong: Any) -> str:
    index = tuple(np.argwhere(wrong)[0]) if expected.shape else ()
    return f"{got[index]!r} != {expected[index]!r}".replace("np.", "")


def _short(message: str) -> str:
    """The beginning of a message on one line, without the folders of this machine."""
    return re.sub(r'"/\S*/', '"', " ".join(message.split()))[:110]
