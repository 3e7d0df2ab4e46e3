"""`tf.test.compute_gradient`: gradients by rule and by differences, as matrices to compare."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import penstock as tf
from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.export import export
from penstock.runtime.session import default_session

Jacobian = np.ndarray  # [size of y, size of x]; a complex number counts as two real ones


def _real(array: np.ndarray) -> np.ndarray:
    """A writable flat view of an array, complex numbers as pairs."""
    flat = array.reshape(-1)
    return flat.view(flat.real.dtype) if array.dtype.kind == "c" else flat


def _numeric(function: Callable, xs: Sequence[np.ndarray], index: int, delta: float) -> Jacobian:
    arrays = [np.array(each) for each in xs]
    x = _real(arrays[index])
    columns = []
    for place in range(x.size):
        original = x[place]
        sides = []
        for sign in (1, -1):
            x[place] = original + np.asarray(sign * delta, x.dtype)
            sides.append(_real(np.array(function(*arrays))).copy())
        x[place] = original
        columns.append((sides[0] - sides[1]) / np.asarray(2 * delta, sides[0].dtype))
    size = _real(np.array(function(*arrays))).size
    return np.stack(columns, axis=1).astype(x.dtype) if columns else np.zeros((size, 0), x.dtype)


def _by_rule(gradient: Callable, xs: Sequence[np.ndarray], y: np.ndarray, index: int) -> Jacobian:
    """One row for each (real) element of y: the gradient of it with respect to x."""
    dy = np.zeros_like(y)
    flat = _real(dy)
    shape = (flat.size, _real(np.array(xs[index])).size)
    rows = np.zeros(shape, _real(np.array(xs[index])).dtype)
    for row in range(flat.size):
        flat[row] = 1
        found = gradient(dy, *xs)
        if found is not None:
            rows[row] = _real(np.array(_dense(found)))
        flat[row] = 0
    return rows


def _dense(gradient: Any) -> np.ndarray:
    if hasattr(gradient, "indices"):
        gradient = tf.convert_to_tensor(gradient)
    return np.asarray(gradient)


def _floating(tensor: Any, what: str) -> None:
    if not (tensor.dtype.is_floating or tensor.dtype.is_complex):
        raise AssertionError(f"Cannot compute gradient for unsupported type {tensor.dtype.name} of {what}")


@export("test.compute_gradient", v1=[])
def compute_gradient(
    f: Callable, x: Sequence[Any], delta: float | None = None
) -> tuple[tuple[Jacobian, ...], tuple[Jacobian, ...]]:
    """The Jacobians of a function, by its gradient rules and by finite differences.

    Args:
      f: takes tensors and returns one.
      x: a list with its arguments.
      delta: the step of the differences, 1/1024 by default.

    Returns:
      (by rule, by differences): each a tuple with a matrix `[size of y, size of x]` for each argument.

    Raises:
      ValueError: `x` is no list.

    Example:
      >>> import numpy as np
      >>> import penstock as tf
      >>> (theory,), (numeric,) = tf.test.compute_gradient(tf.square, [np.array([1.0, 2.0])])
      >>> theory
      array([[2., 0.],
             [0., 4.]])
      >>> bool(np.allclose(theory, numeric))
      True
    """
    if not isinstance(x, (list, tuple)):
        raise ValueError(
            f"`x` must be a list or tuple of values convertible to a Tensor (arguments to `f`), not a {type(x)}"
        )
    delta = 1.0 / 1024 if delta is None else delta
    run = _eagerly if thread.graph is None else _in_session
    tensors = [convert_to_tensor(each) for each in x]
    for index, tensor in enumerate(tensors):
        _floating(tensor, f"argument {index}")
    xs, value, gradients = run(f, tensors)
    y = np.asarray(value(*xs))
    by_rule = tuple(_by_rule(gradients[i], xs, y, i) for i in range(len(xs)))
    return by_rule, tuple(_numeric(value, xs, i, delta) for i in range(len(xs)))


def _eagerly(f: Callable, tensors: Sequence[Any]) -> tuple[list, Callable, list[Callable]]:
    def value(*xs: Any) -> np.ndarray:
        return f(*map(tf.convert_to_tensor, xs)).numpy()

    def gradient(index: int) -> Callable:
        def of(dy: np.ndarray, *xs: Any) -> Any:
            arguments = [tf.convert_to_tensor(each) for each in xs]
            with tf.GradientTape() as tape:
                tape.watch(arguments)
                y = f(*arguments)
            return tape.gradient(y, arguments[index], tf.convert_to_tensor(dy))

        return of

    return [each.numpy() for each in tensors], value, [gradient(i) for i in range(len(tensors))]


def _in_session(f: Callable, tensors: Sequence[Any]) -> tuple[list, Callable, list[Callable]]:
    session = default_session()
    placeholders = [tf.compat.v1.placeholder(each.dtype, each.shape) for each in tensors]
    y = f(*placeholders)
    dy = tf.compat.v1.placeholder(y.dtype, y.shape)

    def value(*xs: Any) -> np.ndarray:
        return session.run(y, dict(zip(placeholders, xs)))

    def gradient(index: int) -> Callable:
        (found,) = tf.gradients(y, placeholders[index], dy)
        dense = None if found is None else tf.convert_to_tensor(found)

        def of(seed: np.ndarray, *xs: Any) -> Any:
            return None if dense is None else session.run(dense, {dy: seed, **dict(zip(placeholders, xs))})

        return of

    xs = [np.asarray(each) for each in session.run(list(tensors))]
    return xs, value, [gradient(i) for i in range(len(tensors))]


@export(v1=["test.compute_gradient"])
def compute_gradient_v1(
    x: Any,
    x_shape: Any,
    y: Any,
    y_shape: Any,
    x_init_value: Any = None,
    delta: float = 1e-3,
    init_targets: Any = None,
    extra_feed_dict: dict | None = None,
) -> Any:
    """The Jacobians of `y` with respect to tensors of a graph, by rule and by differences, in the default session.

    Args:
      x: a tensor, or a list of them.
      x_shape, x_init_value: its shape and value (random by default), or lists of them.
      y, y_shape: the result.
      delta: the step of the differences.
      init_targets: run first.
      extra_feed_dict: is fed besides.

    Returns:
      (by rule, by differences), matrices `[size of x, size of y]`; a list of these pairs for a list of tensors.
    """
    session = default_session()
    for target in init_targets if isinstance(init_targets, (list, tuple)) else filter(None, [init_targets]):
        session.run(target)
    single = not isinstance(x, (list, tuple))
    inputs = [x] if single else list(x)
    given = [x_init_value] if single else list(x_init_value or [None] * len(inputs))
    shapes = [x_shape] if single else list(x_shape)
    random = np.random.RandomState(0)
    values = [
        random.uniform(size=shape).astype(tensor.dtype.as_numpy_dtype) if value is None else np.array(value)
        for tensor, shape, value in zip(inputs, shapes, given)
    ]
    extra = extra_feed_dict or {}
    dy = tf.compat.v1.placeholder(y.dtype, y_shape)

    def value_of(*xs: Any) -> np.ndarray:
        return session.run(y, {**extra, **dict(zip(inputs, xs))})

    pairs = []
    for index, tensor in enumerate(inputs):
        (found,) = tf.gradients(y, tensor, dy)
        dense = None if found is None else tf.convert_to_tensor(found)

        def rule(seed: np.ndarray, *xs: Any, dense: Any = dense) -> Any:
            feeds = {**extra, dy: seed, **dict(zip(inputs, xs))}
            return None if dense is None else session.run(dense, feeds)

        y_value = np.zeros(y_shape, y.dtype.as_numpy_dtype)
        pairs.append((_by_rule(rule, values, y_value, index).T, _numeric(value_of, values, index, delta).T))
    return pairs[0] if single else pairs


@export(v1=["test.compute_gradient_error"])
def compute_gradient_error(
    x: Any,
    x_shape: Any,
    y: Any,
    y_shape: Any,
    x_init_value: Any = None,
    delta: float = 1e-3,
    init_targets: Any = None,
    extra_feed_dict: dict | None = None,
) -> float:
    """The largest difference between the two Jacobians of `compute_gradient`, whose arguments these are."""
    found = compute_gradient_v1(x, x_shape, y, y_shape, x_init_value, delta, init_targets, extra_feed_dict)
    pairs = found if isinstance(found, list) else [found]
    return max((float(np.abs(a - b).max()) for a, b in pairs if a.size or b.size), default=0.0)


def max_error(grad1: Sequence[Jacobian], grad2: Sequence[Jacobian]) -> float:
    """The largest difference between two lists of Jacobians."""
    return max((float(np.abs(a - b).max()) for a, b in zip(grad1, grad2) if a.size or b.size), default=0.0)
