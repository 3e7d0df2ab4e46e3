"""Evaluates one request under an engine: `tf` is either TensorFlow or Penstock, and nothing here knows which.

A request is a call of an op, `{"op", "inputs": {name: array or list}, "attrs"}`, an expression over named arrays,
`{"expression", "inputs"}`, or a program, `{"program": "module.function"}`, a function of `tf` in `oracle/programs`. The
answer says, for an eager call, for a call inside `tf.function` and for gradients, either the arrays or the class of the
exception. A program is called as it is: it says itself what is a function and what is differentiated.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

MODES = ("eager", "function", "gradients")


def answer(tf: Any, request: dict[str, Any]) -> dict[str, Any]:
    """What the engine makes of the request, by mode."""
    if "program" in request:
        return {"eager": _attempt(lambda: _program(tf, request["program"]))}
    names = list(request["inputs"])
    arrays = [request["inputs"][name] for name in names]
    call = _op_call(tf, request, names) if "op" in request else _expression_call(tf, request, names)

    def outputs(tensors: list[Any]) -> list[Any]:
        return [_as_tensor(tf, leaf) for leaf in tf.nest.flatten(call(tensors), expand_composites=True)]

    def eager() -> list[Any]:
        return outputs(_tensors(tf, arrays))

    def function() -> list[Any]:
        return tf.function(outputs)(_tensors(tf, arrays))

    def gradients() -> list[Any]:
        tensors = _tensors(tf, arrays)
        sources = [each for each in tf.nest.flatten(tensors) if _differentiable(each)]
        with tf.GradientTape() as tape:
            tape.watch(sources)
            targets = [each for each in outputs(tensors) if _differentiable(each)]
        cotangents = [tf.constant(_cotangent(i, target.numpy())) for i, target in enumerate(targets)]
        if not (sources and targets):
            return []
        found = tape.gradient(targets, sources, output_gradients=cotangents)
        return [None if each is None else tf.convert_to_tensor(each) for each in found]

    found = {"eager": _attempt(eager), "function": _attempt(function)}
    if "error" not in found["eager"] and not request.get("random"):
        found["gradients"] = _attempt(gradients)
    return found


def answers(tf: Any, requests: list[dict[str, Any]], label: str) -> Iterable[dict[str, Any]]:
    """The answers in order, with a line of progress on a terminal."""
    warnings.filterwarnings("ignore")
    tf.get_logger().setLevel("ERROR")
    for index, request in enumerate(requests):
        if sys.stderr.isatty() or index % 250 == 0:
            print(f"\r{label}: {index}/{len(requests)}", end="", file=sys.stderr, flush=True)
        yield answer(tf, request)
    print(f"\r{label}: {len(requests)}/{len(requests)}", file=sys.stderr, flush=True)


def _op_call(tf: Any, request: dict[str, Any], names: list[str]) -> Callable[[list[Any]], Any]:
    def call(tensors: list[Any]) -> Any:
        attrs = {name: _attr(tf, value) for name, value in request["attrs"].items()}
        return getattr(tf.raw_ops, request["op"])(**dict(zip(names, tensors)), **attrs)

    return call


def _expression_call(tf: Any, request: dict[str, Any], names: list[str]) -> Callable[[list[Any]], Any]:
    code = compile(request["expression"], "<expression>", "eval")
    return lambda tensors: eval(code, {"tf": tf, "np": np, **dict(zip(names, tensors))})


def _program(tf: Any, name: str) -> list[Any]:
    module, _, function = name.partition(".")
    result = getattr(importlib.import_module(f"oracle.programs.{module}"), function)(tf)
    return [_as_tensor(tf, leaf) for leaf in tf.nest.flatten(result, expand_composites=True)]


def _attr(tf: Any, value: Any) -> Any:
    if isinstance(value, list):
        return [_attr(tf, each) for each in value]
    return tf.as_dtype("string" if value.kind == "O" else value) if isinstance(value, np.dtype) else value


def _tensors(tf: Any, arrays: list[Any]) -> list[Any]:
    return [
        [tf.constant(part) for part in each] if isinstance(each, list) else _constant(tf, each)
        for each in arrays
    ]


def _constant(tf: Any, array: np.ndarray) -> Any:
    return tf.constant(array, tf.string) if array.dtype == object else tf.constant(array)


def _as_tensor(tf: Any, leaf: Any) -> Any:
    """Results that are no tensors (shapes, dtypes, Python values) are compared by their text."""
    if tf.is_tensor(leaf):
        return tf.convert_to_tensor(leaf)
    if isinstance(leaf, tf.Operation):
        return tf.constant("an operation")
    return tf.constant(leaf) if isinstance(leaf, (np.ndarray, np.generic)) else tf.constant(repr(leaf))


def _differentiable(tensor: Any) -> bool:
    return tensor.dtype.is_floating or tensor.dtype.is_complex


def _cotangent(index: int, output: np.ndarray) -> np.ndarray:
    """Fixed weights of an output's elements; none for those that are not finite."""
    position = np.arange(output.size).reshape(output.shape)
    weights = np.cos(0.7 * position + index)
    if output.dtype.kind == "c":
        weights = weights + 1j * np.sin(1.3 * position + index)
    return np.asarray(np.where(np.isfinite(output), weights, 0), output.dtype)


def _attempt(compute: Callable[[], list[Any]]) -> dict[str, Any]:
    try:
        return {"values": [None if each is None else _array(each) for each in compute()]}
    except Exception as error:
        classes = [each.__name__ for each in type(error).__mro__]
        return {"error": classes[0], "classes": classes, "message": str(error)[:300]}


def _array(tensor: Any) -> np.ndarray:
    value = tensor.numpy()
    if isinstance(value, bytes):
        array = np.empty((), object)
        array[()] = value
        return array
    return np.asarray(value)
