"""Gradient rules against finite differences in float64: first and second order, eager and inside `tf.function`.

Every check is of one directional derivative: for a scalar function f, a point x and a random direction v, the tape's
gradient g must satisfy Re<g, v> = (f(x + hv) - f(x - hv)) / 2h. TensorFlow's gradient with respect to a complex number
is the conjugate one, which this formula says.
"""

from __future__ import annotations

import numpy as np
import pytest

import penstock as tf
from penstock.engine.definition import REGISTRY, stops
from penstock.engine.execute import execute
from penstock.types import dtypes
from penstock.types.tensors import Tensor
from tests.ops.case_calls import attrs_of, regroup
from tests.ops.op_cases import all_cases

CASES = [case for case in all_cases() if case.grad is not False]
STEP, TOLERANCE = 1e-5, {"rtol": 1e-5, "atol": 1e-6}
SINGLE_STEP, SINGLE_TOLERANCE = 1e-2, {"rtol": 2e-3, "atol": 2e-3}  # where an op knows float32 only


def wide(array):
    """Floating numbers in double precision."""
    if array.dtype.kind == "c":
        return array.astype(np.complex128)
    return array.astype(np.float64) if is_floating(array) else array


def is_floating(array):
    return array.dtype.kind == "f" or "float" in array.dtype.name


def positions(case):
    if case.grad is True:
        return [i for i, array in enumerate(case.flat) if wide(array).dtype.kind in "fc"]
    return list(case.grad)


def weights(rng, array):
    if array.dtype.kind == "c":
        return rng.standard_normal(array.shape) + 1j * rng.standard_normal(array.shape)
    return rng.standard_normal(array.shape)


def real_dot(a, b):
    """Re(sum(a * conj(b))) of two eager or symbolic tensors, in public ops, in double precision."""
    if a.dtype.is_complex:
        return tf.reduce_sum(tf.math.real(a * tf.math.conj(b)))
    return tf.reduce_sum(tf.math.multiply_no_nan(tf.cast(a, tf.float64), tf.cast(b, tf.float64)))


class Problem:
    """The case as a scalar function of its differentiable inputs, with fixed random output weights."""

    def __init__(self, case):
        self.case, self.positions = case, positions(case)
        self.flat = case.flat if case.single else [wide(array) for array in case.flat]
        self.step = SINGLE_STEP if case.single else STEP
        self.tolerance = SINGLE_TOLERANCE if case.single else TOLERANCE
        self.checked = {dtypes.float64, dtypes.complex128, *([dtypes.float32] if case.single else [])}
        self.rng = np.random.default_rng(0)
        self.output_weights = {}
        self.point = [self.flat[i] for i in self.positions]
        self.direction, self.other = self.random_directions(), self.random_directions()

    def random_directions(self):
        directions = [weights(self.rng, array) for array in self.point]
        return [
            (each + np.conj(np.swapaxes(each, -1, -2))) / 2 if position in self.case.hermitian else each
            for position, each in zip(self.positions, directions, strict=True)
        ]

    def value(self, xs):
        flat = [tf.constant(array) for array in self.flat]
        for position, x in zip(self.positions, xs, strict=True):
            flat[position] = x
        result = execute(self.case.op, regroup(self.case, flat), attrs_of(self.case))
        outputs = [result] if isinstance(result, Tensor) else list(result)
        total = tf.constant(0.0, dtypes.float64)
        for index, output in enumerate(outputs):
            if output.dtype in self.checked and (self.case.outputs is None or index in self.case.outputs):
                if index not in self.output_weights:
                    finite = np.isfinite(output.numpy())  # the others are left out
                    self.output_weights[index] = (
                        weights(self.rng, finite.astype(output.dtype.as_numpy_dtype)) * finite
                    )
                total += real_dot(output, tf.constant(self.output_weights[index]))
        return total

    def gradient(self, xs):
        with tf.GradientTape() as tape:
            tape.watch(xs)
            value = self.value(xs)
        return tape.gradient(value, xs)

    def slope_of_gradient(self, xs):
        """<gradient, other>: the scalar whose own gradient is the second-order check."""
        gradients = self.gradient(xs)
        total = tf.constant(0.0, dtypes.float64)
        for gradient, other in zip(gradients, self.other, strict=True):
            if gradient is not None:
                total += real_dot(tf.convert_to_tensor(gradient), tf.constant(other))
        return total

    def second(self, xs):
        with tf.GradientTape() as tape:
            tape.watch(xs)
            value = self.slope_of_gradient(xs)
        return tape.gradient(value, xs)

    def difference(self, function):
        """The derivative of `function` along `direction`, by central differences of fourth order."""

        def at(scale):
            return float(
                function(
                    [
                        tf.constant((x + scale * self.step * v).astype(x.dtype))
                        for x, v in zip(self.point, self.direction, strict=True)
                    ]
                )
            )

        return (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * self.step)

    def tensors(self):
        return [tf.constant(array) for array in self.point]

    def along(self, gradients):
        total = 0.0
        for gradient, direction in zip(gradients, self.direction, strict=True):
            if gradient is not None:
                total += np.sum(np.asarray(tf.convert_to_tensor(gradient)) * np.conj(direction)).real
        return total

    def check(self, gradient, function):
        """That `gradient(xs)` is the gradient of `function(xs)`."""
        got, expected = self.along(gradient(self.tensors())), self.difference(function)
        np.testing.assert_allclose(got, expected, **self.tolerance)


def compiled(function, count):
    """`function(list of tensors)` as a tf.function."""

    @tf.function
    def run(*xs):
        return [tf.convert_to_tensor(each) for each in function(list(xs)) if each is not None]

    return lambda xs: run(*xs)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_first_order(case):
    problem = Problem(case)
    problem.check(problem.gradient, problem.value)


@pytest.mark.parametrize("case", [case for case in CASES if case.second], ids=lambda case: case.id)
def test_second_order(case):
    problem = Problem(case)
    problem.check(problem.second, problem.slope_of_gradient)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_inside_a_function(case):
    """The rules give the same gradients while tracing as eagerly."""
    problem = Problem(case)
    eager = [each for each in problem.gradient(problem.tensors()) if each is not None]
    traced = compiled(problem.gradient, len(problem.point))(problem.tensors())
    tolerance = {"rtol": 1e-4, "atol": 1e-5} if case.single else {"rtol": 1e-6, "atol": 1e-8}
    for got, expected in zip(traced, eager, strict=True):
        np.testing.assert_allclose(got, tf.convert_to_tensor(expected), **tolerance)


# Not the derivatives of what the ops compute, which are 0 almost everywhere: tested in test_quantization.
ROUNDING = {
    *(f"QuantizeAndDequantizeV{version}" for version in (2, 3, 4)),
    *(f"FakeQuantWithMinMax{kind}" for kind in ("Args", "Vars", "VarsPerChannel")),
    *(f"FakeQuantWithMinMax{kind}Gradient" for kind in ("Args", "Vars", "VarsPerChannel")),
}


# Implicit gradients: a number drawn by rejection jumps where the parameter moves. Tested in test_random_ops.
RANDOM = {"StatelessRandomGammaV2", "StatelessRandomGammaV3", "StatelessParameterizedTruncatedNormal"}


# `make oracle` runs all cases against TensorFlow, which cannot run these: tested in test_nn_ctc,
# test_custom_gradient and test_recurrent_cells.
ELSEWHERE = {
    "CTCLossDense", "CTCLossV2", "GruSequenceGrad", "LstmSequenceGrad", "XlaOptimizationBarrier",
    "Relayout", "RelayoutLike", "RelayoutWhereItFits",
}  # fmt: skip


# Reached by the second derivatives of the ops they belong to, which have cases.
BY_SECOND_ORDER = {
    "SparseAddGrad": "SparseAdd",
    "SparseSliceGrad": "SparseSlice",
    "SparseFillEmptyRowsGrad": "SparseFillEmptyRows",
    "RaggedFillEmptyRowsGrad": "RaggedFillEmptyRows",
}


def test_every_gradient_rule_has_a_case():
    refused = {"PreventGradient"}  # its rule is there to refuse
    checked = {case.op for case in CASES} | refused | ROUNDING | RANDOM | ELSEWHERE
    checked |= {gradient for gradient, forward in BY_SECOND_ORDER.items() if forward in checked}
    ruled = {name for name, definition in REGISTRY.items() if definition.gradient_rule not in (None, stops)}
    assert not {name for name in ruled - checked if is_array_op(REGISTRY[name])}


def is_array_op(definition):
    """Whether calls can be written down as arrays: ops with state, graphs or handles are tested with their families."""
    signature = definition.signature
    handles = {dtypes.resource, dtypes.variant}
    if definition.stateful or definition.nested or any(each.type in handles for each in signature.outputs):
        return False
    return bool(signature.inputs) and not any(each.type in handles for each in signature.inputs)
