"""`CudnnRNNV3`: whole recurrent layers on parameters packed as cuDNN packs them.

Keras's LSTM and GRU layers call it on a GPU. Here it is one `lax.scan` for each layer and direction, on any device.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.shape_rules import ShapeCall
from penstock.engine.xla import jax, jnp, lax
from penstock.types.shapes import TensorShape

_GATES = {"rnn_relu": 1, "rnn_tanh": 1, "lstm": 4, "gru": 3}


def _unpacked(params: Any, mode: str, inputs: int, units: int, layers: int, directions: int) -> list[tuple]:
    """For each layer and direction its input and recurrent weights [gates, units, n] and their biases [gates, units]."""
    gates = _GATES[mode]
    sizes = []
    for layer in range(layers):
        for _ in range(directions):
            width = inputs if layer == 0 else units * directions
            sizes += [(gates, units, width), (gates, units, units)]
    biases = [(gates, units)] * (2 * layers * directions)
    expected = sum(math.prod(each) for each in (*sizes, *biases))
    if params.shape != (expected,):
        raise ValueError(f"params has the shape {params.shape}: a vector of {expected} numbers was expected")
    parts, at = [], 0
    for shape in (*sizes, *biases):
        parts.append(params[at : at + math.prod(shape)].reshape(shape))
        at += math.prod(shape)
    count = len(sizes)
    return [(*parts[i : i + 2], *parts[count + i : count + i + 2]) for i in range(0, count, 2)]


def _cell(mode: str, x: Any, h: Any, c: Any, recurrent: Any, bias: Any) -> tuple[Any, Any]:
    """One step. `x` [batch, gates, units] already went through the input weights."""
    r = jnp.einsum("bn,gun->bgu", h, recurrent) + bias
    if mode == "lstm":
        i, f, new, o = (x + r).transpose(1, 0, 2)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(new)
        return jax.nn.sigmoid(o) * jnp.tanh(c), c
    if mode == "gru":
        reset, update = jax.nn.sigmoid(x[:, 0] + r[:, 0]), jax.nn.sigmoid(x[:, 1] + r[:, 1])
        new = jnp.tanh(x[:, 2] + reset * r[:, 2])
        return (1 - update) * new + update * h, c
    total = (x + r)[:, 0]
    return (jnp.tanh(total) if mode == "rnn_tanh" else jnp.maximum(total, 0)), c


def _layer(mode: str, xs: Any, h: Any, c: Any, weights: Sequence[Any], lengths: Any, backward: bool) -> tuple:
    """One direction of one layer: its outputs [time, batch, units] and final states."""
    kernel, recurrent, input_bias, recurrent_bias = weights
    gates = jnp.einsum("tbn,gun->tbgu", xs, kernel) + input_bias
    steps = jnp.arange(xs.shape[0])

    def step(carry: tuple, each: tuple) -> tuple:
        h, c = carry
        x, time = each
        new_h, new_c = _cell(mode, x, h, c, recurrent, recurrent_bias)
        inside = (time < lengths)[:, None]
        return (jnp.where(inside, new_h, h), jnp.where(inside, new_c, c)), jnp.where(inside, new_h, 0)

    (h, c), outputs = lax.scan(step, (h, c), (gates, steps), reverse=backward)
    return outputs, h, c


def _forward(
    input: Any, input_h: Any, input_c: Any, params: Any, sequence_lengths: Any, *, rnn_mode: str, input_mode: str,
    direction: str, dropout: float, num_proj: int, time_major: bool, is_training: bool = True, **_: Any,
) -> tuple[Any, Any, Any]:  # fmt: skip
    if rnn_mode not in _GATES:
        raise ValueError(f"rnn_mode is {rnn_mode!r}: one of {sorted(_GATES)} was expected")
    if input_mode not in ("linear_input", "auto_select") or num_proj:
        raise ValueError(
            f"input_mode {input_mode!r} with num_proj={num_proj}: linear_input and 0 were expected"
        )
    if not time_major:
        input, input_h = jnp.swapaxes(input, 0, 1), jnp.swapaxes(input_h, 0, 1)
        input_c = jnp.swapaxes(input_c, 0, 1) if jnp.ndim(input_c) == 3 else input_c
    directions = 2 if direction == "bidirectional" else 1
    layers, units = input_h.shape[0] // directions, input_h.shape[2]
    if dropout and is_training and layers > 1:
        raise ValueError("dropout between layers: 0 was expected")
    input_c = input_c if jnp.ndim(input_c) == 3 else jnp.zeros_like(input_h)
    weights = _unpacked(params, rnn_mode, input.shape[2], units, layers, directions)
    outputs, finals = input, []
    for layer in range(layers):
        parts = []
        for backward in range(directions):
            at = layer * directions + backward
            result = _layer(
                rnn_mode, outputs, input_h[at], input_c[at], weights[at], sequence_lengths, bool(backward)
            )
            parts.append(result[0])
            finals.append(result[1:])
        outputs = jnp.concatenate(parts, axis=2)
    h, c = (jnp.stack(each) for each in zip(*finals))
    if not time_major:
        outputs, h, c = (jnp.swapaxes(each, 0, 1) for each in (outputs, h, c))
    return outputs, h, c


def _run(*inputs: Any, **attrs: Any) -> tuple:
    outputs, h, c = _forward(*inputs, **attrs)
    if attrs["rnn_mode"] != "lstm":
        c = jnp.zeros((0,), h.dtype)
    return outputs, h, c, jnp.zeros((0,), h.dtype), jnp.zeros((0,), np.int8)


def _shapes(call: ShapeCall) -> list[TensorShape]:
    data, state = call.shape(0), call.shape(1)
    directions = 2 if call.attrs["direction"] == "bidirectional" else 1
    if data.rank is None or state.rank is None:
        return [TensorShape(None)] * 3 + [TensorShape([None])] * 2
    units = state[2] * directions if state[2] is not None else None
    final_c = state if call.attrs["rnn_mode"] == "lstm" else TensorShape([0])
    return [TensorShape([*data[:2], units]), state, final_c, TensorShape([None]), TensorShape([None])]


_ATTRS = "rnn_mode='lstm', input_mode='linear_input', direction='unidirectional', dropout=0.0, seed=0, seed2=0, num_proj=0"


def _gradient(call: Any, dy: Any, dh: Any, dc: Any, *_: Any) -> list[Any]:
    attrs = {name: value for name, value in call.attrs.items() if name not in ("is_training", "T")}
    found = execute(
        "CudnnRNNBackpropV3", (*call.inputs, *call.outputs[:3], dy, dh, dc, *call.outputs[3:]), attrs
    )
    return [*found, None]


op(
    "CudnnRNNV3(input: T, input_h: T, input_c: T, params: T, sequence_lengths: int32; "
    f"{_ATTRS}, is_training=True, time_major=True) "
    "-> (output: T, output_h: T, output_c: T, reserve_space: T, host_reserved: int8)",
    xla=_run,
    shape=_shapes,
    gradient=_gradient,
    stateful=True,
)


def _backward(*values: Any, **attrs: Any) -> tuple:
    inputs, (dy, dh, dc) = values[:5], values[8:11]
    _, transpose = jax.vjp(functools.partial(_forward, sequence_lengths=inputs[4], **attrs), *inputs[:4])
    return transpose((dy, dh, dc if attrs["rnn_mode"] == "lstm" else jnp.zeros_like(dh)))


op(
    "CudnnRNNBackpropV3(input: T, input_h: T, input_c: T, params: T, sequence_lengths: int32, output: T, output_h: T, "
    "output_c: T, output_backprop: T, output_h_backprop: T, output_c_backprop: T, reserve_space: T, host_reserved: int8; "
    f"{_ATTRS}, time_major=True) "
    "-> (input_backprop: T, input_h_backprop: T, input_c_backprop: T, params_backprop: T)",
    xla=_backward,
    shape=lambda call: [call.shape(each) for each in range(4)],
    stateful=True,
)
