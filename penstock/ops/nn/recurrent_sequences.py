"""LSTM and GRU over a whole sequence, with their gradients: what loops that `graph/recurrent_cells.py` recognizes become.

Products that do not depend on the step before are done for all steps at once. What is left runs in a native kernel, or
in a `scan` where there is none; beside an NVIDIA GPU an LSTM of float32 is cuDNN's (JAX binds no other of its cells). The
gradient functions compute the forward pass again; in one XLA program with it, both are the same computation, and XLA does it
once.

The kernels compute in float32. In bfloat16 the large products are those of bfloat16, and each state is rounded only where
it leaves: what a loop of steps rounds at each step, so the results are closer to exact ones.

Inputs are [steps, batch, features], states [batch, units]. The gates' columns are those of Keras: input, forget,
candidate, output for LSTM; update, reset, candidate for GRU.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine import native
from penstock.engine.context import process
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.xla import jax, jnp, lax
from penstock.ops.linalg import native_products
from penstock.types import dtypes


def _product(a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False) -> Any:
    """The product of two matrices, of which either may be transposed before."""

    def body(a: Any, b: Any) -> Any:
        return (a.T if transpose_a else a) @ (b.T if transpose_b else b)

    found = native_products.matrix_product(a, b, transpose_a, transpose_b, body)
    return body(a, b) if found is None else found


def _sums(x: Any, kernel: Any) -> Any:
    """x @ kernel for all steps."""
    steps, batch, features = x.shape
    return _product(x.reshape(steps * batch, features), kernel).reshape(steps, batch, -1)


def _input_gradient(x: Any, kernel: Any, dsums: Any) -> Any:
    """The gradient of `_sums` with respect to x."""
    return _product(dsums.reshape(-1, dsums.shape[-1]), kernel, transpose_b=True).reshape(x.shape)


def _kernel_gradient(x: Any, dsums: Any) -> Any:
    """The gradient of `_sums` with respect to the kernel."""
    return _product(x.reshape(-1, x.shape[-1]), dsums.reshape(-1, dsums.shape[-1]), transpose_a=True)


def _wide(*arrays: Any) -> list[Any]:
    return [jnp.asarray(each).astype(np.float32) for each in arrays]


def _rounded(dtype: Any, *arrays: Any) -> tuple[Any, ...]:
    return tuple(each.astype(dtype) for each in arrays)


def _before(h: Any, h0: Any) -> Any:
    """The state before each step."""
    return jnp.concatenate([h0[None], h[:-1]])


# LSTM.


def _lstm_scan(x: Any, h0: Any, c0: Any, kernel: Any, recurrent: Any, bias: Any) -> tuple[Any, Any]:
    def step(state: tuple, sums: Any) -> tuple:
        h, c = state
        i, f, g, o = jnp.split(sums + h @ recurrent, 4, axis=1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    (_, c), h = lax.scan(step, (h0, c0), _sums(x, kernel) + bias)
    return h, c


def _native_lstm(x: Any, h0: Any, c0: Any, kernel: Any, recurrent: Any, bias: Any) -> list[Any]:
    """h and c after each step, and the gates, float32."""
    sums, *others = _wide(_sums(x, kernel), h0, c0, recurrent, bias)
    states = (*x.shape[:2], h0.shape[1])
    return native.call("lstm", [states, states, sums.shape], sums, *others)


def _cudnn_lstm(x: Any, h0: Any, c0: Any, kernel: Any, recurrent: Any, bias: Any) -> tuple[Any, Any]:
    """What `_lstm_scan` gives, by cuDNN, whose gates come in the same order."""
    from jax.experimental import rnn

    (steps, batch, features), units = x.shape, h0.shape[1]
    weights = jnp.concatenate([kernel.T.ravel(), recurrent.T.ravel(), bias, jnp.zeros_like(bias)])
    lengths = jnp.full((batch,), steps, np.int32)
    h, _, c = rnn.lstm(
        x.swapaxes(0, 1), h0[None], c0[None], weights, lengths, features, units, 1, 0.0, False
    )  # one layer, no dropout, one direction
    return h.swapaxes(0, 1), c[0]


def _on_gpu(by_cudnn: Callable, by_scan: Callable, *arrays: Any) -> Any | None:
    """What either gives, by cuDNN where the program runs on an NVIDIA GPU; None where cuDNN does not take such arrays."""
    if not process.accelerator or not all(mesh.size == 1 for mesh in process.meshes) or not _has_cudnn():
        return None
    if any(each.dtype != np.float32 or 0 in each.shape for each in arrays):
        return None

    def choose(*arrays: Any) -> Any:
        return lax.platform_dependent(*arrays, cuda=by_cudnn, default=by_scan)

    return native_products.vectorizable(choose, by_scan)(*arrays)


@functools.cache
def _has_cudnn() -> bool:
    """Whether JAX has cuDNN's cells here: it asks cuDNN for the memory that one takes."""
    shapes = [(2, 1, 3), (1, 4), (1, 4), (3, 16), (4, 16), (16,)]
    try:
        jax.eval_shape(_cudnn_lstm, *(jax.ShapeDtypeStruct(each, np.float32) for each in shapes))
    except Exception:  # no GPU, another vendor's, no cuDNN: each has an error of its own
        return False
    return True


def lstm(x: Any, h0: Any, c0: Any, kernel: Any, recurrent: Any, bias: Any) -> tuple[Any, Any]:
    """h after each step, and the last c."""
    arrays = (x, h0, c0, kernel, recurrent, bias)
    if native.takes(*arrays):
        h, c, _ = _native_lstm(*arrays)
        return _rounded(x.dtype, h, c[-1])
    found = _on_gpu(_cudnn_lstm, _lstm_scan, *arrays)
    return _lstm_scan(*arrays) if found is None else found


def _lstm_gradient(
    x: Any, h0: Any, c0: Any, kernel: Any, recurrent: Any, bias: Any, dh: Any, dh_last: Any, dc_last: Any
) -> Any:
    arrays = (x, h0, c0, kernel, recurrent, bias)
    dh = jnp.asarray(dh).at[-1].add(dh_last)
    if not native.takes(*arrays, dh):
        by_scan = _gradient_of(_lstm_scan)
        found = _on_gpu(_gradient_of(_cudnn_lstm), by_scan, *arrays, dh, dc_last)
        return by_scan(*arrays, dh, dc_last) if found is None else found
    h, c, gates = _native_lstm(*arrays)
    shapes = [gates.shape, h0.shape, c0.shape, bias.shape]
    results = native.call("lstm_gradient", shapes, gates, c, *_wide(c0, recurrent, dh, dc_last))
    h, dsums, dh0, dc0, dbias = _rounded(x.dtype, h, *results)
    dx, dkernel = _input_gradient(x, kernel, dsums), _kernel_gradient(x, dsums)
    return dx, dh0, dc0, dkernel, _kernel_gradient(_before(h, h0), dsums), dbias


def _gradient_of(lstm: Callable) -> Callable:
    """(the six arguments of `lstm`, dh, dc_last) -> the gradients of the six."""
    return lambda *arrays: jax.vjp(lstm, *arrays[:6])[1](tuple(arrays[6:]))


# GRU, with the reset gate applied after the recurrent product.


def _gru_scan(x: Any, h0: Any, kernel: Any, recurrent: Any, bias: Any, recurrent_bias: Any) -> Any:
    def step(h: Any, sums: Any) -> tuple:
        x_z, x_r, x_h = jnp.split(sums, 3, axis=1)
        h_z, h_r, h_h = jnp.split(h @ recurrent + recurrent_bias, 3, axis=1)
        z = jax.nn.sigmoid(x_z + h_z)
        h = z * h + (1 - z) * jnp.tanh(x_h + jax.nn.sigmoid(x_r + h_r) * h_h)
        return h, h

    return lax.scan(step, h0, _sums(x, kernel) + bias)[1]


def _native_gru(x: Any, h0: Any, kernel: Any, recurrent: Any, bias: Any, recurrent_bias: Any) -> list[Any]:
    """h after each step, and the gates, float32."""
    (steps, batch), units = x.shape[:2], h0.shape[1]
    shapes = [(steps, batch, units), (steps, batch, 4 * units)]
    sums, bias, *others = _wide(_sums(x, kernel), bias, h0, recurrent, recurrent_bias)
    return native.call("gru", shapes, sums + bias, *others)


def gru(x: Any, h0: Any, kernel: Any, recurrent: Any, bias: Any, recurrent_bias: Any) -> Any:
    """h after each step."""
    arrays = (x, h0, kernel, recurrent, bias, recurrent_bias)
    return _native_gru(*arrays)[0].astype(x.dtype) if native.takes(*arrays) else _gru_scan(*arrays)


def _gru_gradient(
    x: Any, h0: Any, kernel: Any, recurrent: Any, bias: Any, recurrent_bias: Any, dh: Any, dh_last: Any
) -> Any:
    arrays = (x, h0, kernel, recurrent, bias, recurrent_bias)
    dh = jnp.asarray(dh).at[-1].add(dh_last)
    if not native.takes(*arrays, dh):
        return jax.vjp(_gru_scan, *arrays)[1](dh)
    h, gates = _native_gru(*arrays)
    sums = (*x.shape[:2], 3 * h0.shape[1])
    results = native.call("gru_gradient", [sums, sums, h0.shape], gates, h, *_wide(h0, recurrent, dh))
    dbias, drecurrent_bias = _rounded(x.dtype, *(each.sum((0, 1)) for each in results[:2]))
    h, dsums, dproduct, dh0 = _rounded(x.dtype, h, *results)
    dx, dkernel = _input_gradient(x, kernel, dsums), _kernel_gradient(x, dsums)
    drecurrent = _kernel_gradient(_before(h, h0), dproduct)
    return dx, dh0, dkernel, drecurrent, dbias, drecurrent_bias


def _scan_gradient(scan: Callable, cotangents: Callable) -> Callable:
    """The same as a gradient function above, of what JAX can differentiate once more."""

    def gradient(*arrays: Any) -> Any:
        return jax.vjp(scan, *arrays[:6])[1](cotangents(*arrays[6:]))

    return gradient


def _second_gradient(gradient: Callable) -> Callable:
    """The gradients of a gradient function, from its inputs and the cotangents of its six outputs."""
    return lambda *arrays: jax.vjp(gradient, *arrays[:-6])[1](tuple(arrays[-6:]))


_TYPES = {"T": frozenset({dtypes.float32, dtypes.bfloat16})}


def _define(name: str, inputs: str, cotangents: str, body: Callable, scan_gradient: Callable) -> None:
    """The op of a gradient, and that of its own gradient: private ops, which graphs of programs do not have."""

    def typed(names: str) -> str:
        return ", ".join(f"{each}: T" for each in names.split())

    def rule(op: Any, *gradients: Any) -> list:
        filled = [
            execute("ZerosLike", (output,)) if gradient is None else gradient
            for gradient, output in zip(gradients, op.outputs)
        ]
        return list(execute(f"{name}GradGrad", (*op.inputs, *filled), {}))

    every = f"{inputs} {cotangents}"
    outputs = " ".join(f"d_{each}" for each in inputs.split())
    count = len(every.split())
    op(
        f"{name}Grad({typed(every)}) -> ({typed(outputs)})",
        xla=body, gradient=rule, shape=lambda call: [call.shape(i) for i in range(6)], types=_TYPES,
    )  # fmt: skip
    op(
        f"{name}GradGrad({typed(every)}, {typed(outputs)}) -> ({typed(' '.join('out_' + e for e in every.split()))})",
        xla=_second_gradient(scan_gradient),
        shape=lambda call: [call.shape(i) for i in range(count)],
        types=_TYPES,
    )


_define(
    "LstmSequence",
    "x h0 c0 kernel recurrent_kernel bias",
    "dh dh_last dc_last",
    _lstm_gradient,
    _scan_gradient(_lstm_scan, lambda dh, dh_last, dc_last: (jnp.asarray(dh).at[-1].add(dh_last), dc_last)),
)
_define(
    "GruSequence",
    "x h0 kernel recurrent_kernel bias recurrent_bias",
    "dh dh_last",
    _gru_gradient,
    _scan_gradient(_gru_scan, lambda dh, dh_last: jnp.asarray(dh).at[-1].add(dh_last)),
)
