"""`tf.autodiff.ForwardAccumulator`: Jacobian-vector products, computed along with the forward pass.

There are no forward rules: the gradient rule of an op is linear in its cotangent, so the transpose of that linear map,
which the same rules differentiate, is the Jacobian-vector product.
"""

from __future__ import annotations

from typing import Any

from penstock.autodiff.backprop import backpropagate, dense, input_gradients, is_differentiable, zeros_like
from penstock.autodiff.tape import GradientTape, UnconnectedGradients
from penstock.engine.context import tapes_stopped, thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.export import export
from penstock.types import dtypes, nest
from penstock.types.tensors import Tensor


@export("autodiff.ForwardAccumulator")
class ForwardAccumulator:
    """Computes Jacobian-vector products with forward-mode automatic differentiation.

    Args:
      primals: a tensor or variable, or a nest of them.
      tangents: the vector: a structure like `primals`.

    Example:
      >>> import penstock as tf
      >>> x = tf.constant([2.0, 3.0])
      >>> with tf.autodiff.ForwardAccumulator(x, tf.constant([1.0, 0.0])) as forward:
      ...     y = x * x * x
      >>> forward.jvp(y).numpy()
      array([12.,  0.], dtype=float32)
    """

    _persistent = True

    def __init__(self, primals: Any, tangents: Any):
        self._tangents: dict[int, tuple[Any, Any]] = {}  # id(tensor) -> (the tensor, its tangent)
        self._recording = False
        nest.assert_same_structure(primals, tangents)
        for primal, tangent in zip(nest.flatten(primals), nest.flatten(tangents)):
            tensor = primal.handle if hasattr(primal, "handle") and not isinstance(primal, Tensor) else primal
            tangent = convert_to_tensor(tangent, None if isinstance(tangent, Tensor) else primal.dtype)
            if not primal.shape.is_compatible_with(tangent.shape):
                raise ValueError(
                    f"ForwardAccumulator: primal of shape {primal.shape} with tangent of shape {tangent.shape}."
                )
            self._tangents[id(tensor)] = (tensor, tangent)

    def __enter__(self) -> ForwardAccumulator:
        if self._recording:
            raise ValueError("Accumulator is already recording.")
        thread.tapes = (*thread.tapes, self)
        self._recording = True
        return self

    def __exit__(self, *error: Any) -> None:
        thread.tapes = tuple(tape for tape in thread.tapes if tape is not self)
        self._recording = False

    def watches(self, tensor: Any) -> bool:
        """Whether a tensor has a tangent."""
        return id(tensor) in self._tangents

    def variable_accessed(self, variable: Any) -> None:
        """Variables take part only as primals."""

    def record(self, call: Any) -> None:
        """Computes the tangents of a call's outputs."""
        active = [i for i, each in enumerate(call.inputs) if id(each) in self._tangents]
        function = call.attrs.get("function")  # of a call of a traced function
        outputs = [
            each
            for each in call.outputs[: getattr(function, "differentiable_count", None)]
            if is_differentiable(each.dtype) and each.dtype is not dtypes.resource
        ]
        if not active or not outputs:
            return
        outer = thread.tapes
        # Outer tapes and accumulators see the computation of the tangents: that is how orders nest.
        thread.tapes = outer[: outer.index(self)] if self in outer else ()
        try:
            found = self._transposed(call, active, outputs)
        finally:
            thread.tapes = outer
        for tensor, tangent in zip(outputs, found):
            if tangent is not None:
                self._tangents[id(tensor)] = (tensor, tangent)

    def _transposed(self, call: Any, active: list[int], outputs: list[Any]) -> list[Any]:
        """For outputs y and the rule's map u -> J'u: the transpose applied to the tangents, that is, J times them."""
        if call.type == "Capture":
            return [self._tangents[id(call.inputs[0])][1]]
        tape = GradientTape(persistent=True, watch_accessed_variables=False)
        tape._start()
        thread_tapes = thread.tapes
        try:
            cotangents = []
            for each in call.outputs:
                if any(each is output for output in outputs):
                    cotangent = zeros_like(each)
                    tape._watch_tensor(cotangent)
                    cotangents.append(cotangent)
                else:
                    cotangents.append(None)
            pulled = input_gradients(call, cotangents)
        finally:
            thread.tapes = tuple(each for each in thread_tapes if each is not tape)
            tape._recording = False
        targets, tangents = [], []
        for i in active:
            if pulled[i] is not None:
                targets.append(dense(pulled[i]))
                tangents.append(self._tangents[id(call.inputs[i])][1])
        if not targets:
            return [None] * len(outputs)
        sources = [each for each in cotangents if each is not None]
        return backpropagate(tape._calls, targets, tangents, sources)

    def jvp(self, primals: Any, unconnected_gradients: Any = UnconnectedGradients.NONE) -> Any:
        """The Jacobian-vector product for tensors computed under the accumulator."""
        unconnected = UnconnectedGradients(unconnected_gradients)

        def one(tensor: Any) -> Any:
            if hasattr(tensor, "handle") and not isinstance(tensor, Tensor):
                tensor = tensor.handle
            entry = self._tangents.get(id(tensor))
            if entry is None and unconnected is UnconnectedGradients.ZERO:
                with tapes_stopped():
                    return zeros_like(tensor)
            return None if entry is None else entry[1]

        return nest.map_structure(one, primals)
