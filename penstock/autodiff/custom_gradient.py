"""Gradients that users give: `custom_gradient`, `grad_pass_through`, `recompute_grad`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from penstock.autodiff.backprop import dense
from penstock.autodiff.tape import GradientTape
from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import REGISTRY, op
from penstock.engine.execute import Call, execute
from penstock.engine.export import export
from penstock.engine.xla import lax
from penstock.types import nest
from penstock.types.tensors import EagerTensor, SymbolicTensor, Tensor

# Keeps XLA from merging a recomputation with the computation it repeats, which would keep its values alive.
op(
    "XlaOptimizationBarrier(input: *T) -> output: *T",
    numpy=lambda values: values,
    xla=lambda values: lax.optimization_barrier(tuple(values)),
    shape=lambda call: [each.shape for each in call.inputs],
    gradient=lambda call, *dys: list(dys),
    view=True,
)


class _VariableWatcher(GradientTape):
    """Notes which trainable variables are read, and records nothing."""

    def record(self, call: Any) -> None:
        """Keeps nothing."""


def _call_watching(function: Callable, args: Any, kwargs: dict) -> tuple[Any, list[Any]]:
    """The result of a call that no tape records, and the trainable variables that it read."""
    watcher = _VariableWatcher()
    outer = thread.tapes
    thread.tapes = (watcher,)
    try:
        return function(*args, **kwargs), list(watcher.watched_variables())
    finally:
        thread.tapes = outer


def _as_tensor(value: Any) -> Any:
    if isinstance(value, Tensor) or hasattr(value, "_type_spec") or value is None:
        return value
    return convert_to_tensor(value)


def _read(value: Any) -> Any:
    """The value of a variable, read where tapes see it; anything else as it is."""
    return convert_to_tensor(value) if hasattr(value, "read_value") else value


@export("custom_gradient")
def custom_gradient(f: Callable | None = None) -> Callable:
    """A function with a gradient of its own.

    Args:
      f: `f(*x) -> (y, grad_fn)`, where `grad_fn(*dy)` returns a gradient for each of `x`. Where `f` reads trainable
        variables, `grad_fn(*dy, variables=[...])` returns a pair: gradients of `x`, and of the variables.

    Returns:
      A function that returns `y`.

    Raises:
      TypeError: `f` reads variables and `grad_fn` takes no argument `variables`.

    Example:
      >>> import penstock as tf
      >>> @tf.custom_gradient
      ... def log1pexp(x):
      ...     e = tf.exp(x)
      ...     return tf.math.log(1 + e), lambda dy: dy * (1 - 1 / (1 + e))
      >>> x = tf.constant(100.0)
      >>> with tf.GradientTape() as tape:
      ...     tape.watch(x)
      ...     y = log1pexp(x)
      >>> tape.gradient(y, x).numpy()
      np.float32(1.0)
    """
    if f is None:
        return custom_gradient

    @functools.wraps(f)
    def decorated(*args: Any, **kwargs: Any) -> Any:
        args = nest.map_structure(_as_tensor, args)
        (result, grad_fn), variables = _call_watching(f, args, kwargs)
        result = nest.map_structure(_as_tensor, result)
        given = {id(each) for each in nest.flatten(args)}
        args = nest.map_structure(_read, args)
        flat_args = [each for each in nest.flatten(args, expand_composites=True) if isinstance(each, Tensor)]
        variables = [each for each in variables if id(each) not in given]
        for variable in variables:
            for tape in thread.tapes:
                tape.variable_accessed(variable)
        rule = _Rule(grad_fn, args, result, variables)
        outputs = _attach(rule, result, flat_args, variables)
        return nest.pack_sequence_as(result, outputs, expand_composites=True)

    return decorated


class _Rule:
    """The gradient rule of one call of a function with a custom gradient."""

    def __init__(self, grad_fn: Callable, args: Any, result: Any, variables: list[Any]):
        self._grad_fn, self._args, self._variables = grad_fn, args, variables
        self._result = result
        self.result_count = len(nest.flatten(result, expand_composites=True))
        if variables and not _takes_variables(grad_fn):
            raise TypeError(
                f"custom_gradient: the function reads the variables {[each.name for each in variables]}, so its grad_fn must "
                "take the keyword argument 'variables' and return (gradients of the inputs, gradients of the variables)."
            )

    def gradients(self, output_gradients: Any) -> list[Any]:
        """Gradients of the flat arguments, then of the variables."""
        dys = nest.flatten(
            nest.pack_sequence_as(self._result, list(output_gradients), expand_composites=True)
            if _is_structured(self._result)
            else list(output_gradients)
        )
        if self._variables or (_takes_variables(self._grad_fn) and _requires_variables(self._grad_fn)):
            found, of_variables = self._grad_fn(*dys, variables=self._variables)
        else:
            found, of_variables = self._grad_fn(*dys), []
        flat = nest.flatten(found)
        arguments = nest.flatten(self._args, expand_composites=True)
        flat = flat if len(flat) == len(arguments) else nest.flatten(found, expand_composites=True)
        if len(flat) != len(arguments):
            raise ValueError(
                f"custom_gradient: grad_fn returned {len(flat)} gradients for {len(arguments)} arguments."
            )
        kept = [g for g, a in zip(flat, arguments) if isinstance(a, Tensor)]
        of_variables = list(of_variables)
        if len(of_variables) != len(self._variables):
            raise ValueError(
                f"Must return gradient for each variable from @custom_gradient grad_fn: got {len(of_variables)} for "
                f"{len(self._variables)}."
            )
        return [*(None if each is None else each for each in kept), *of_variables]


def _is_structured(result: Any) -> bool:
    return any(hasattr(each, "_type_spec") and not isinstance(each, Tensor) for each in nest.flatten(result))


def _takes_variables(grad_fn: Callable) -> bool:
    parameters = inspect.signature(grad_fn).parameters
    return "variables" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def _requires_variables(grad_fn: Callable) -> bool:
    parameter = inspect.signature(grad_fn).parameters.get("variables")
    return parameter is not None and parameter.default is inspect.Parameter.empty


def _attach(rule: _Rule, result: Any, flat_args: list, variables: list) -> list[Any]:
    """New tensors for a result, through which the rule's gradient flows."""
    flat_result = nest.flatten(result, expand_composites=True)
    handles = [each.handle for each in variables]
    symbolic = thread.graph is not None or any(
        isinstance(each, SymbolicTensor) for each in (*flat_result, *flat_args)
    )
    if symbolic:
        count = len(flat_result)

        def graph_rule(call: Any, *dys: Any) -> list[Any]:
            return [None] * count + rule.gradients(dys[:count])

        # The values, not the handles: TensorFlow's graphs have them so, and a compiled piece can hold the node.
        values = [execute("ReadVariableOp", (each.handle,), {"dtype": each.dtype}) for each in variables]
        outputs = execute("IdentityN", ([*flat_result, *flat_args, *values],), {"_gradient": graph_rule})
        for old, new in zip(flat_result, outputs):
            new.handle_data = getattr(old, "handle_data", None)
        return list(outputs[:count])
    outputs = [_fresh(each) for each in flat_result]

    def eager_rule(call: Any, *dys: Any) -> list[Any]:
        return rule.gradients(dys)

    call = Call(REGISTRY["IdentityN"], [*flat_args, *handles], {"_gradient": eager_rule}, outputs)
    for tape in thread.tapes:
        tape.record(call)
    return outputs


def _fresh(tensor: Any) -> EagerTensor:
    """Another tensor around the same value, so that a result that is an argument is told from it."""
    copy = EagerTensor(tensor._np, tensor._dtype)
    copy._jax = tensor._jax
    return copy


@export("grad_pass_through")
def grad_pass_through(f: Callable) -> Callable:
    """A function whose gradient is that of the identity.

    Example:
      >>> import penstock as tf
      >>> x = tf.constant(2.6)
      >>> with tf.GradientTape() as tape:
      ...     tape.watch(x)
      ...     y = tf.grad_pass_through(tf.round)(x)
      >>> tape.gradient(y, x).numpy()
      np.float32(1.0)
    """

    @custom_gradient
    def passing(*args: Any, **kwargs: Any) -> Any:
        def grad(*dys: Any, **unused: Any) -> Any:
            variables = unused.get("variables")
            found = dys[0] if len(args) == 1 else list(dys)
            return (found, [None] * len(variables)) if variables else found

        return f(*args, **kwargs), grad

    return functools.wraps(f)(lambda *args, **kwargs: passing(*args, **kwargs))


@export("recompute_grad")
def recompute_grad(f: Callable) -> Callable:
    """A function that keeps nothing for its gradient and computes itself again instead, to save memory.

    Example:
      >>> import penstock as tf
      >>> x = tf.constant(2.0)
      >>> with tf.GradientTape() as tape:
      ...     tape.watch(x)
      ...     y = tf.recompute_grad(lambda x: x * x * x)(x)
      >>> tape.gradient(y, x).numpy()
      np.float32(12.0)
    """

    @custom_gradient
    def recomputing(*args: Any, **kwargs: Any) -> Any:
        result = f(*args, **kwargs)

        def grad(*dys: Any, variables: Any = None) -> Any:
            flat = [each for each in nest.flatten(args, expand_composites=True) if isinstance(each, Tensor)]
            fresh = execute("XlaOptimizationBarrier", (flat,)) if flat else []
            with GradientTape() as tape:
                tape.watch([each for each in fresh if each.dtype.is_floating or each.dtype.is_complex])
                for variable in variables or ():
                    tape.watch(variable)
                rest = iter(fresh)
                new_args = nest.map_structure(
                    lambda each: next(rest) if isinstance(each, Tensor) else each,
                    args,
                    expand_composites=True,
                )
                again = f(*new_args, **kwargs)
            found = tape.gradient(again, [*fresh, *(variables or ())], output_gradients=_like(again, dys))
            found = [None if each is None else dense(each) for each in found]
            of_args, of_variables = found[: len(fresh)], found[len(fresh) :]
            positions = iter(of_args)
            packed = [
                next(positions) if isinstance(each, Tensor) else None
                for each in nest.flatten(args, expand_composites=True)
            ]
            return (packed, of_variables) if variables else packed

        return result, grad

    return functools.wraps(f)(lambda *args, **kwargs: recomputing(*nest.map_structure(_read, args), **kwargs))


def _like(structure: Any, flat: Any) -> Any:
    return nest.pack_sequence_as(structure, list(flat), expand_composites=True)
