"""Circulant operators of one, two and three block levels: diagonal in the Fourier basis."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.export import export
from penstock.linear_operators.matrices import (
    adjoint_if,
    assert_no_zero,
    assert_real,
    common_batch_tensor,
    given,
    held,
    hints,
    number,
    require_hint,
)
from penstock.linear_operators.operator import LinearOperator
from penstock.ops.assert_values import assert_less, assert_positive
from penstock.ops.casting import cast
from penstock.ops.complex_numbers import conj, imag, real
from penstock.ops.concatenation import concat, stack
from penstock.ops.creation import ones
from penstock.ops.elementwise import abs_, call_op
from penstock.ops.reduce_functions import reduce, reduce_max
from penstock.ops.replication import broadcast_to
from penstock.ops.reshaping import matrix_transpose, reshape
from penstock.ops.shapes_of_tensors import shape as shape_of
from penstock.types import dtypes
from penstock.types.dtypes import as_dtype
from penstock.types.shapes import TensorShape
from penstock.types.tensors import Tensor

_TRANSFORMS = {1: ("FFT", "IFFT"), 2: ("FFT2D", "IFFT2D"), 3: ("FFT3D", "IFFT3D")}


def as_complex(x: Any) -> Tensor:
    """A tensor in the complex dtype of its precision."""
    x = convert_to_tensor(x)
    if x.dtype.is_complex:
        return x
    return cast(x, dtypes.complex128 if x.dtype == dtypes.float64 else dtypes.complex64)


class CirculantOperator(LinearOperator):
    """`F^H diag(spectrum) F`, where F is the Fourier transform over `block_depth` axes; see the subclasses."""

    _composite_tensor_fields = ("spectrum", "input_output_dtype")
    _depth: ClassVar[int]

    def __init__(
        self,
        spectrum: Any,
        input_output_dtype: Any = dtypes.complex64,
        is_non_singular: bool | None = None,
        is_self_adjoint: bool | None = None,
        is_positive_definite: bool | None = None,
        is_square: bool | None = True,
        name: str | None = None,
    ):
        parameters = given(locals())
        self._spectrum = held(spectrum)
        if self._spectrum.shape.rank is not None and self._spectrum.shape.rank < self._depth:
            raise ValueError(
                f"Argument `spectrum` must have at least {self._depth} dimensions. Received: {self._spectrum}."
            )
        known = {"is_self_adjoint": is_self_adjoint, "is_square": is_square}
        if not self._spectrum.dtype.is_complex:
            require_hint(
                known,
                "is_self_adjoint",
                True,
                "A real spectrum always corresponds to a self-adjoint operator.",
            )
        require_hint(known, "is_square", True, "A circulant operator is always square.")
        super().__init__(
            as_dtype(input_output_dtype), is_non_singular=is_non_singular, is_positive_definite=is_positive_definite,
            name=name or type(self).__name__, parameters=parameters, **known,
        )  # fmt: skip

    @property
    def _experimental_parameter_ndims_to_matrix_ndims(self) -> dict:  # type: ignore[override]
        return {"spectrum": self._depth}

    @property
    def _input_output_dtype(self) -> Any:
        return self.dtype

    @property
    def block_depth(self) -> int:
        """The number of axes of the Fourier transform."""
        return self._depth

    @property
    def spectrum(self) -> Any:
        """The eigenvalues, `[*batch, *block]`."""
        return self._spectrum

    @property
    def block_shape(self) -> TensorShape:
        """The sizes of the axes of the Fourier transform."""
        return self._spectrum.shape[-self._depth :]

    def block_shape_tensor(self) -> Tensor:
        """The block shape as a tensor."""
        return shape_of(self._spectrum)[-self._depth :]

    def _shape(self) -> TensorShape:
        size = self.block_shape.num_elements()
        return self._spectrum.shape[: -self._depth].concatenate([size, size])

    def _shape_tensor(self) -> Tensor:
        shape = shape_of(self._spectrum)
        size = call_op("Prod", shape[-self._depth :], convert_to_tensor(0))
        return concat([shape[: -self._depth], stack([size, size])], 0)

    def _transformed(self, x: Tensor, inverse: bool) -> Tensor:
        return call_op(_TRANSFORMS[self._depth][inverse], x)

    def _filtered(self, x: Tensor, adjoint: bool, adjoint_arg: bool, solving: bool) -> Tensor:
        """The columns of `x` transformed, scaled by the spectrum (or its inverse), and transformed back."""
        spectrum = as_complex(self._spectrum)
        if adjoint:
            spectrum = conj(spectrum)
        rows = matrix_transpose(cast(adjoint_if(adjoint_arg, x), spectrum.dtype))
        batch = common_batch_tensor(shape_of(rows)[:-2], shape_of(spectrum)[: -self._depth])
        rows = broadcast_to(rows, concat([batch, shape_of(rows)[-2:]], 0))
        blocks = reshape(rows, concat([shape_of(rows)[:-1], self.block_shape_tensor()], 0))
        factors = reshape(
            spectrum, concat([shape_of(spectrum)[: -self._depth], [1], self.block_shape_tensor()], 0)
        )
        waves = self._transformed(blocks, False)
        blocks = self._transformed(waves / factors if solving else waves * factors, True)
        return cast(matrix_transpose(reshape(blocks, shape_of(rows))), self.dtype)

    def _matmul(self, x: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        return self._filtered(x, adjoint, adjoint_arg, False)

    def _solve(self, rhs: Tensor, adjoint: bool = False, adjoint_arg: bool = False) -> Tensor:
        return self._filtered(rhs, adjoint, adjoint_arg, True)

    def convolution_kernel(self, name: str = "convolution_kernel") -> Tensor:
        """The inverse Fourier transform of the spectrum; for one level the first column of the matrix."""
        with self._name_scope(name):
            return cast(self._transformed(as_complex(self._spectrum), True), self.dtype)

    def _with_spectrum(self, spectrum: Any, **known: Any) -> LinearOperator:
        return type(self)(spectrum, self.dtype, **known)

    def _linop_adjoint(self) -> LinearOperator:
        return self._with_spectrum(conj(self._spectrum), **hints(self))

    def _linop_inverse(self) -> LinearOperator:
        spectrum = convert_to_tensor(self._spectrum)
        return self._with_spectrum(number(1, spectrum) / spectrum, **hints(self))

    def _flat(self) -> Tensor:
        """The eigenvalues of each matrix as a vector."""
        shape = shape_of(self._spectrum)
        return reshape(convert_to_tensor(self._spectrum), concat([shape[: -self._depth], [-1]], 0))

    def assert_hermitian_spectrum(self, name: str = "assert_hermitian_spectrum") -> Any:
        """Raises InvalidArgumentError, when it runs, unless the matrix is real."""
        with self._name_scope(name):
            part = abs_(imag(self.convolution_kernel()))
            eps = np.finfo(part.dtype.as_numpy_dtype).eps
            limit = number(eps, part) * cast(self.domain_dimension_tensor(), part.dtype)
            return assert_less(part, limit, message="Spectrum was not Hermitian")

    def _assert_non_singular(self) -> Any:
        return assert_no_zero(self._spectrum, "Singular operator:  Spectrum contained zero values.")

    def _assert_positive_definite(self) -> Any:
        message = "Not positive definite:  Real part of spectrum was not all positive."
        return assert_positive(real(convert_to_tensor(self._spectrum)), message=message)

    def _assert_self_adjoint(self) -> Any:
        return assert_real(
            self._spectrum, "Not self-adjoint:  The spectrum contained non-zero imaginary part."
        )

    def _eigvals(self) -> Tensor:
        return self._flat()

    def _cond(self) -> Tensor:
        sizes = abs_(self._flat())
        return reduce_max(sizes, -1) / -reduce_max(-sizes, -1)

    def _determinant(self) -> Tensor:
        return cast(reduce("Prod", self._flat(), -1, False, None), self.dtype)

    def _log_abs_determinant(self) -> Tensor:
        return cast(reduce("Sum", call_op("Log", abs_(self._flat())), -1, False, None), self.dtype)

    def _trace(self) -> Tensor:
        return cast(reduce("Sum", self._flat(), -1, False, None), self.dtype)

    def _diag_part(self) -> Tensor:
        shape = self.shape_tensor()
        mean = self.trace() / cast(shape[-1], self.dtype)
        return mean[..., None] * ones(shape[:-1], self.dtype)


@export("linalg.LinearOperatorCirculant")
class LinearOperatorCirculant(CirculantOperator):
    """A circulant matrix: it convolves with a kernel, periodically.

    The Fourier transform makes it diagonal, so that products, systems and determinants cost O(n log n).

    Args:
      spectrum: `[*batch, n]`: the Fourier transform of the first column, which holds the eigenvalues.
      input_output_dtype: the dtype of what it is multiplied with: complex, or real where the kernel is real.
      is_non_singular, is_self_adjoint, is_positive_definite, is_square, name: see `LinearOperator`. With a real
        spectrum it is self-adjoint.

    Raises:
      ValueError: `spectrum` has too few dimensions, or a hint contradicts it.

    Example:
      >>> import penstock as tf
      >>> kernel = tf.constant([1.0, 2.0, 0.0], tf.complex64)
      >>> operator = tf.linalg.LinearOperatorCirculant(tf.signal.fft(kernel), tf.float32)
      >>> operator.to_dense().numpy().round(4) + 0.0
      array([[1., 0., 2.],
             [2., 1., 0.],
             [0., 2., 1.]], dtype=float32)
    """

    _depth = 1


@export("linalg.LinearOperatorCirculant2D")
class LinearOperatorCirculant2D(CirculantOperator):
    """A block circulant matrix with circulant blocks: it convolves planes, given as vectors, with a kernel.

    Arguments are those of `LinearOperatorCirculant`; `spectrum` is `[*batch, n1, n2]`.
    """

    _depth = 2


@export("linalg.LinearOperatorCirculant3D")
class LinearOperatorCirculant3D(CirculantOperator):
    """A circulant matrix of three levels: it convolves volumes, given as vectors, with a kernel.

    Arguments are those of `LinearOperatorCirculant`; `spectrum` is `[*batch, n1, n2, n3]`.
    """

    _depth = 3
