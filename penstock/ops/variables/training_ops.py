"""The ops that TensorFlow's optimizers end in: `ResourceApplyMomentum`, `ResourceSparseApplyAdagrad`, ...

An update rule is written once, as arithmetic on arrays: `rule(xp, state, given) -> new state`, where `state` has the
variable and its slots, and `given` the gradient, hyperparameters and attributes. The dense op applies it to whole
variables, the sparse one to the rows that the gradient has; the gradients of a row that comes several times add up.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from penstock.engine.definition import op
from penstock.engine.index_range import ROWS, along
from penstock.engine.shape_rules import no_outputs
from penstock.engine.xla import jax, jnp
from penstock.ops.variables.resource_variable_ops import in_place

State = tuple[Any, ...]


def _sign_and_shrink(xp: Any, x: Any, by: Any) -> Any:
    """`x` moved towards zero by `by`, and not beyond."""
    return xp.sign(x) * xp.maximum(xp.abs(x) - by, 0)


def _gradient_descent(xp: Any, state: State, a: Any) -> State:
    (w,) = state
    return (w - a.alpha * a.grad,)


def _momentum(xp: Any, state: State, a: Any) -> State:
    w, accum = state
    accum = accum * a.momentum + a.grad
    step = a.grad + a.momentum * accum if a.use_nesterov else accum
    return w - a.lr * step, accum


def _keras_momentum(xp: Any, state: State, a: Any) -> State:
    w, accum = state
    accum = accum * a.momentum - a.lr * a.grad
    return w + (accum * a.momentum - a.lr * a.grad if a.use_nesterov else accum), accum


def _adam_rate(xp: Any, a: Any) -> Any:
    return a.lr * xp.sqrt(1 - a.beta2_power) / (1 - a.beta1_power)


def _adam(xp: Any, state: State, a: Any) -> State:
    w, m, v = state
    m = m + (a.grad - m) * (1 - a.beta1)
    v = v + (a.grad * a.grad - v) * (1 - a.beta2)
    direction = m * a.beta1 + (1 - a.beta1) * a.grad if a.use_nesterov else m
    return w - _adam_rate(xp, a) * direction / (xp.sqrt(v) + a.epsilon), m, v


def _amsgrad(xp: Any, state: State, a: Any) -> State:
    w, m, v, largest = state
    m = m + (a.grad - m) * (1 - a.beta1)
    v = v + (a.grad * a.grad - v) * (1 - a.beta2)
    largest = xp.maximum(largest, v)
    return w - _adam_rate(xp, a) * m / (xp.sqrt(largest) + a.epsilon), m, v, largest


def _adamax(xp: Any, state: State, a: Any) -> State:
    w, m, v = state
    m = m + (a.grad - m) * (1 - a.beta1)
    v = xp.maximum(a.beta2 * v, xp.abs(a.grad))
    return w - a.lr / (1 - a.beta1_power) * (m / (v + a.epsilon)), m, v


def _adagrad(xp: Any, state: State, a: Any) -> State:
    w, accum = state
    accum = accum + a.grad * a.grad if a.update_slots else accum
    return w - a.lr * a.grad / (xp.sqrt(accum) + getattr(a, "epsilon", 0)), accum


def _adadelta(xp: Any, state: State, a: Any) -> State:
    w, accum, accum_update = state
    accum = accum * a.rho + a.grad * a.grad * (1 - a.rho)
    step = xp.sqrt(accum_update + a.epsilon) / xp.sqrt(accum + a.epsilon) * a.grad
    return w - a.lr * step, accum, accum_update * a.rho + step * step * (1 - a.rho)


def _adagrad_da(xp: Any, state: State, a: Any) -> State:
    _, total, squares = state
    total, squares = total + a.grad, squares + a.grad * a.grad
    step = a.global_step.astype(total.dtype)
    shrunk = _sign_and_shrink(xp, total, a.l1 * step)
    return -a.lr * shrunk / (a.l2 * step * a.lr + xp.sqrt(squares)), total, squares


def _rmsprop(xp: Any, state: State, a: Any) -> State:
    w, ms, mom = state
    ms = ms + (a.grad * a.grad - ms) * (1 - a.rho)
    mom = mom * a.momentum + a.grad * a.lr / xp.sqrt(ms + a.epsilon)
    return w - mom, ms, mom


def _centered_rmsprop(xp: Any, state: State, a: Any) -> State:
    w, mg, ms, mom = state
    ms = ms + (a.grad * a.grad - ms) * (1 - a.rho)
    mg = mg + (a.grad - mg) * (1 - a.rho)
    mom = mom * a.momentum + a.grad * a.lr / xp.sqrt(ms - mg * mg + a.epsilon)
    return w - mom, mg, ms, mom


def _ftrl(xp: Any, state: State, a: Any) -> State:
    w, accum, linear = state
    new_accum = accum + a.grad * a.grad
    shrunk = a.grad + 2 * getattr(a, "l2_shrinkage", 0) * w
    old_power, new_power = accum**-a.lr_power, new_accum**-a.lr_power
    if a.multiply_linear_by_lr:
        linear = linear + shrunk * a.lr - (new_power - old_power) * w
        quadratic, l1 = new_power + 2 * a.l2 * a.lr, a.l1 * a.lr
    else:
        linear = linear + shrunk - (new_power - old_power) / a.lr * w
        quadratic, l1 = new_power / a.lr + 2 * a.l2, a.l1
    w = xp.where(xp.abs(linear) > l1, (l1 * xp.sign(linear) - linear) / quadratic, xp.zeros_like(w))
    return w, new_accum, linear


def _proximal(xp: Any, w: Any, rate: Any, grad: Any, a: Any) -> Any:
    return _sign_and_shrink(xp, w - rate * grad, rate * a.l1) / (1 + rate * a.l2)


def _proximal_gradient_descent(xp: Any, state: State, a: Any) -> State:
    (w,) = state
    return (_proximal(xp, w, a.alpha, a.grad, a),)


def _proximal_adagrad(xp: Any, state: State, a: Any) -> State:
    w, accum = state
    accum = accum + a.grad * a.grad
    return _proximal(xp, w, a.lr / xp.sqrt(accum), a.grad, a), accum


def _add_sign(xp: Any, state: State, a: Any) -> State:
    w, m = state
    m = a.beta * m + (1 - a.beta) * a.grad
    return w - a.lr * (a.alpha + a.sign_decay * xp.sign(a.grad) * xp.sign(m)) * a.grad, m


def _power_sign(xp: Any, state: State, a: Any) -> State:
    w, m = state
    m = a.beta * m + (1 - a.beta) * a.grad
    return w - a.lr * xp.exp(a.logbase * a.sign_decay * xp.sign(a.grad) * xp.sign(m)) * a.grad, m


# Name, slots, inputs after them in order, attributes beside use_locking, the rule, and whether there is a sparse op.
_NESTEROV, _SLOTS, _LINEAR = "use_nesterov=False", "update_slots=True", "multiply_linear_by_lr=False"
_RULES: list[tuple[str, str, str, str, Callable, bool]] = [
    ("GradientDescent", "", "alpha delta", "", _gradient_descent, False),
    ("Momentum", "accum", "lr grad momentum", _NESTEROV, _momentum, True),
    ("KerasMomentum", "accum", "lr grad momentum", _NESTEROV, _keras_momentum, True),
    ("Adam", "m v", "beta1_power beta2_power lr beta1 beta2 epsilon grad", _NESTEROV, _adam, False),
    ("AdamWithAmsgrad", "m v vhat", "beta1_power beta2_power lr beta1 beta2 epsilon grad", "", _amsgrad, False),
    ("AdaMax", "m v", "beta1_power lr beta1 beta2 epsilon grad", "", _adamax, False),
    ("Adagrad", "accum", "lr grad", _SLOTS, _adagrad, True),
    ("AdagradV2", "accum", "lr epsilon grad", _SLOTS, _adagrad, True),
    ("Adadelta", "accum accum_update", "lr rho epsilon grad", "", _adadelta, True),
    ("AdagradDA", "gradient_accumulator gradient_squared_accumulator", "grad lr l1 l2 global_step", "", _adagrad_da, True),
    ("RMSProp", "ms mom", "lr rho momentum epsilon grad", "", _rmsprop, True),
    ("CenteredRMSProp", "mg ms mom", "lr rho momentum epsilon grad", "", _centered_rmsprop, True),
    ("Ftrl", "accum linear", "grad lr l1 l2 lr_power", _LINEAR, _ftrl, True),
    ("FtrlV2", "accum linear", "grad lr l1 l2 l2_shrinkage lr_power", _LINEAR, _ftrl, True),
    ("ProximalGradientDescent", "", "alpha l1 l2 delta", "", _proximal_gradient_descent, True),
    ("ProximalAdagrad", "accum", "lr l1 l2 grad", "", _proximal_adagrad, True),
    ("AddSign", "m", "lr alpha sign_decay beta grad", "", _add_sign, False),
    ("PowerSign", "m", "lr logbase sign_decay beta grad", "", _power_sign, False),
]  # fmt: skip


def _typed(name: str) -> str:
    return f"{name}: {'int64' if name == 'global_step' else 'T'}"


def _apply_dense(
    xp: Any, rule: Callable, names: list[str], handles: list[Any], given: list[Any], attrs: dict
) -> None:
    state = tuple(handle.read() for handle in handles)
    a = SimpleNamespace(**dict(zip(names, given)), **attrs)
    if np.shape(a.grad) != np.shape(state[0]):
        raise ValueError(f"var and grad do not have the same shape: {np.shape(state[0])} {np.shape(a.grad)}")
    for handle, old, new in zip(handles, state, rule(xp, state, a)):
        handle.assign(new.astype(old.dtype))


def summed_rows(xp: Any, rows: Any, indices: Any, limit: int) -> tuple[Any, Any]:
    """Rows and indices with the rows of equal indices added up.

    In XLA their number stays; indices that are left over are `limit`, which is no row.
    """
    count = np.shape(indices)[0]
    if xp is np:
        indices, places = np.unique(indices, return_inverse=True)
        total = np.zeros((len(indices), *rows.shape[1:]), rows.dtype)
        np.add.at(total, places, rows)
        return total, indices
    indices, places = jnp.unique(indices, return_inverse=True, size=count, fill_value=limit)
    return jax.ops.segment_sum(rows, places.reshape(-1), count), indices


def _apply_sparse(
    xp: Any, rule: Callable, names: list[str], handles: list[Any], given: list[Any], attrs: dict
) -> None:
    state = [handle.read() for handle in handles]
    a = SimpleNamespace(**dict(zip(names, given)), **attrs)
    rows, limit = a.grad, np.shape(state[0])[0]
    if np.shape(rows) != (*np.shape(a.indices), *np.shape(state[0])[1:]):
        raise ValueError(
            f"grad must be one row of var for each index: var {np.shape(state[0])}, grad {np.shape(rows)}, indices "
            f"{np.shape(a.indices)}"
        )
    if xp is np:
        ROWS.require(np.asarray(a.indices), (limit,))
    a.grad, indices = summed_rows(xp, rows, a.indices, limit)
    if xp is np:
        old = tuple(each[indices] for each in state)
    else:
        old = tuple(xp.take(each, indices, axis=0, mode="clip") for each in state)
    for handle, whole, new in zip(handles, state, rule(xp, old, a)):
        new = new.astype(whole.dtype)
        if xp is np:
            whole = handle.writable()
            whole[indices] = new
            handle.assign(whole)
        else:
            handle.assign(whole.at[indices].set(new, mode="drop"))


class _Reader:
    """A handle whose value is where eager kernels want it."""

    def __init__(self, handle: Any):
        self.handle = handle

    def read(self) -> Any:
        return in_place(self.handle.read())

    def assign(self, value: Any) -> None:
        self.handle.assign(value)

    def writable(self) -> Any:
        return self.handle.writable()


def _define(
    op_type: str, slots: list[str], names: list[str], attrs: str, rule: Callable, apply: Callable
) -> None:
    handles = ["var: resource", *(f"{each}: resource" for each in slots)]
    given = ["indices: Tindices" if each == "indices" else _typed(each) for each in names]
    count = len(handles)
    names = [
        "grad" if each == "delta" else each for each in names
    ]  # the rules know one name for the gradient

    def eager(*inputs: Any, **attrs: Any) -> None:
        if inputs[0].elsewhere is not None:
            inputs[0].elsewhere(op_type, inputs, attrs)
            return
        states = [_Reader(each) for each in inputs[:count]]
        on_host = isinstance(states[0].read(), np.ndarray)
        values = [in_place(each) for each in inputs[count:]]
        apply(np if on_host else jnp, rule, names, states, values, attrs)

    def traced(*inputs: Any, **attrs: Any) -> None:
        apply(jnp, rule, names, list(inputs[:count]), [jnp.asarray(each) for each in inputs[count:]], attrs)

    signature = f"{op_type}({', '.join([*handles, *given])}; {', '.join(filter(None, ['use_locking=False', attrs]))}) -> ()"
    picks_rows = along(indices=count + names.index("indices")) if "indices" in names else None
    op(signature, numpy=eager, xla=traced, shape=no_outputs, writes=True, index_range=picks_rows)


for _name, _slots, _inputs, _attrs, _rule, _has_sparse in _RULES:
    _define(f"ResourceApply{_name}", _slots.split(), _inputs.split(), _attrs, _rule, _apply_dense)
    if _has_sparse:
        _sparse_inputs = _inputs.replace("delta", "grad").replace("grad", "grad indices", 1).split()
        _define(f"ResourceSparseApply{_name}", _slots.split(), _sparse_inputs, _attrs, _rule, _apply_sparse)
