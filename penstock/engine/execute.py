"""The funnel: every op call of every program passes `execute`.

Eager inputs run the op's kernel at once; a symbolic input, or a graph being built, adds a node. Tapes that are
watching record the call. Tracing, taping, placement and error reporting hook in here and nowhere else.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from penstock.engine import source_line
from penstock.engine.compiler_options import compiler_options
from penstock.engine.context import LARGE, process, thread
from penstock.engine.definition import REGISTRY, OpDef
from penstock.engine.shape_rules import infer_shapes
from penstock.engine.sharding import is_spread, spread_over
from penstock.engine.static_value import NotStaticError
from penstock.engine.xla import is_loaded, jax, jit, on_device, wide_types
from penstock.types import errors
from penstock.types.dtypes import DType, dtype_of_array
from penstock.types.tensors import EagerTensor

# Infinities and NaNs are values, as everywhere in TensorFlow. (numpy.errstate would cost each op 0.6 microseconds.)
warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"penstock\.")

_KERNEL_ERRORS = (ValueError, IndexError, OverflowError, ZeroDivisionError, np.linalg.LinAlgError)


def execute(op_type: str, inputs: Sequence[Any], attrs: dict | None = None, name: str | None = None) -> Any:
    """Calls an op.

    Args:
      op_type: the op's type in the registry.
      inputs: its tensors in the order of the signature; list arguments as lists. Already converted.
      attrs: its attributes; those with defaults may be left out.
      name: the node's name in a graph.

    Returns:
      The output tensor; a list of tensors where the signature has several outputs or a list; in a graph, the
      `Operation` where it has none (None when run eagerly).
    """
    definition = REGISTRY[op_type]
    graph = thread.graph
    if graph is not None:
        return graph.add_call(definition, inputs, attrs, name)
    attrs = definition.complete(attrs)
    if definition.is_plain:
        values = _host_values(inputs, _large(definition))
        if values is not None:
            return _execute_plain(definition, inputs, values, attrs)
    if definition.signature.has_list_inputs:
        flat, recorded_attrs = definition.flatten(inputs, attrs)
        type_pairs = definition.type_pairs(flat, recorded_attrs)
    else:
        flat, recorded_attrs = inputs, attrs
        type_pairs = definition.signature.type_pairs
    for tensor in flat:
        if type(tensor) is not EagerTensor:
            return tensor.graph.add_call_from_outside(definition, inputs, attrs, name)
    for first, second in type_pairs:
        if flat[first]._dtype is not flat[second]._dtype:
            raise errors.InvalidArgumentError(None, None, explain_dtypes(definition, flat, first, second))
    for index, allowed in definition.allowed:
        if flat[index]._dtype not in allowed:
            raise errors.InvalidArgumentError(None, None, explain_allowed(definition, flat, index, allowed))
    try:
        results = run_kernel(definition, inputs, flat, attrs)
    except _KERNEL_ERRORS as error:
        raise explain(definition, flat, recorded_attrs, error) from error
    outputs = _wrap(definition, results, flat, recorded_attrs)
    if thread.tapes:
        record(definition, flat, recorded_attrs, outputs)
    if definition.signature.single_output:
        return outputs[0]
    return outputs if definition.signature.outputs else None


def _large(definition: OpDef) -> int:
    """The elements of an input from which a call may go to XLA."""
    return process.large if definition.large is None or process.accelerator else definition.large


def _host_values(inputs: Sequence[Any], large: int) -> list[Any] | None:
    """The NumPy values of eager tensors; None where one is symbolic, large, or lives on an accelerator or a mesh."""
    meshes = process.meshes
    if thread.device or (meshes and thread.mesh is not None):
        return None
    values = []
    for tensor in inputs:
        if type(tensor) is not EagerTensor:
            return None
        value = tensor._np
        if value is None or (meshes and is_spread(tensor._jax)):
            if process.accelerator or is_spread(tensor._jax):
                return None
            value = tensor.host()
        if getattr(value, "size", LARGE) >= large or tensor._dtype.is_quantized:  # a resource has no size
            return None
        values.append(value)
    return values


def _execute_plain(
    definition: OpDef, inputs: Sequence[EagerTensor], values: list[Any], attrs: dict
) -> EagerTensor:
    """The short way for the usual op: arrays in, one array out, on the host."""
    for first, second in definition.signature.type_pairs:
        if inputs[first]._dtype is not inputs[second]._dtype:
            raise errors.InvalidArgumentError(None, None, explain_dtypes(definition, inputs, first, second))
    for index, allowed in definition.allowed:
        if inputs[index]._dtype not in allowed:
            raise errors.InvalidArgumentError(None, None, explain_allowed(definition, inputs, index, allowed))
    try:
        result = definition.numpy_body(*values, **attrs)
    except _KERNEL_ERRORS as error:
        raise explain(definition, inputs, attrs, error) from error
    output = EagerTensor(result, dtype_of_array(result)) if type(result) is np.ndarray else _tensor(result)
    for name in definition.signature.dtype_attrs:
        if getattr(attrs[name], "is_quantized", False):
            output._dtype = attrs[name]
    if thread.tapes:
        record(definition, inputs, attrs, [output])
    return output


def run_kernel(definition: OpDef, inputs: Sequence[Any], flat: Sequence[EagerTensor], attrs: dict) -> Any:
    """Runs the kernel of an eager call: NumPy where the op has a body for it and the data is on the host, else XLA."""
    body = definition.numpy_body
    if process.meshes and (mesh := thread.mesh) is not None:
        thread.mesh = None
        try:
            return spread_over(mesh, run_kernel(definition, inputs, flat, attrs))
        finally:
            thread.mesh = mesh
    if definition.signature.takes_resource and body is not None:
        if definition.signature.has_list_inputs:
            values = [
                [each.device_value() for each in value]
                if isinstance(value, (list, tuple))
                else value.device_value()
                for value in inputs
            ]
            return call_on_state(body, values, attrs)
        return call_on_state(body, [tensor.device_value() for tensor in flat], attrs)
    if thread.device and definition.xla_body is not None and definition.make_stream is None:
        device = process.device_of(thread.device)
        if device is not None:
            with jax.default_device(device):
                return _run_xla_in_range(definition, flat, attrs)
    if process.meshes and definition.xla_body is not None and any(is_spread(each._jax) for each in flat):
        return _run_xla_in_range(definition, flat, attrs)
    portable = not definition.view and definition.xla_body is not None and definition.make_stream is None
    if body is None or (portable and _prefers_xla(definition, flat)):
        return _run_xla_in_range(definition, flat, attrs)
    if definition.signature.has_list_inputs:
        values = [
            [each.host() for each in value] if isinstance(value, (list, tuple)) else value.host()
            for value in inputs
        ]
    else:
        values = [value if (value := tensor._np) is not None else tensor.host() for tensor in flat]
    return body(*values, **attrs)


def call_on_state(body: Callable, values: Sequence[Any], attrs: dict) -> Any:
    """A kernel's results where inputs are states, which it follows: on an accelerator JAX runs it, call by call."""
    if not process.accelerator:
        return body(*values, **attrs)
    with wide_types():
        return body(*values, **attrs)


def _run_xla_in_range(definition: OpDef, flat: Sequence[EagerTensor], attrs: dict) -> Any:
    """`run_xla`, which passes over indices that are out of range: on the CPU they are refused before."""
    index_range = definition.index_range
    if index_range is not None and not process.accelerator:
        sizes = index_range.sizes(lambda i: flat[i].shape.as_list(), lambda i: flat[i].host(), attrs)
        if sizes is not None and None not in sizes:
            index_range.require(np.asarray(flat[index_range.index].host()), sizes)
    return run_xla(definition, flat, attrs)


def _prefers_xla(definition: OpDef, flat: Sequence[EagerTensor]) -> bool:
    if process.accelerator:
        return any(each._np is None or getattr(each._np, "size", 0) >= process.large for each in flat)
    largest = 0
    for tensor in flat:
        value = tensor._jax if tensor._np is None else tensor._np
        largest = max(largest, getattr(value, "size", 0))
    if largest < _large(definition):
        return False
    return largest >= process.large or definition.comes_again(tuple(each.shape for each in flat))


# Op type -> positions of the inputs that a body needs as known values. Learnt from the first call that says so.
_static_inputs: dict[str, frozenset[int]] = {}


def run_xla(definition: OpDef, flat: Sequence[EagerTensor], attrs: dict) -> Any:
    """One compiled XLA call, cached by op, attributes and the values of the inputs that must be known."""
    while True:
        static = _static_inputs.get(definition.type, frozenset())
        key_attrs = tuple((name, _hashable(value)) for name, value in attrs.items())
        known = {index: np.asarray(flat[index].host()) for index in static if index < len(flat)}
        key = (key_attrs, len(flat), tuple((i, v.tobytes(), v.shape) for i, v in sorted(known.items())))
        program = definition.eager_jit.get(key)
        if program is None:
            program = definition.eager_jit[key] = _compile(definition, len(flat), known, dict(attrs))
        try:
            return program([on_device(tensor) for i, tensor in enumerate(flat) if i not in known])
        except NotStaticError as need:
            position = getattr(need, "position", None)
            if position is None or position in static:
                raise
            _static_inputs[definition.type] = static | {position}


def _compile(definition: OpDef, count: int, known: dict[int, np.ndarray], attrs: dict) -> Any:
    def run(traced: list) -> Any:
        rest = iter(traced)
        values = [known[i] if i in known else next(rest) for i in range(count)]
        try:
            return definition.xla_body(*definition.group(values, attrs), **definition.attrs_for_kernel(attrs))
        except NotStaticError as need:
            need.position = next((i for i, value in enumerate(values) if value is need.value), None)
            raise

    return jit(run, compiler_options=compiler_options([definition.type]))


def _hashable(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return tuple(_hashable(each) for each in value)
    if isinstance(value, np.ndarray):
        return (value.dtype, value.shape, value.tobytes())
    return value


def _wrap(definition: OpDef, results: Any, flat: Sequence[Any], attrs: dict) -> list[EagerTensor]:
    """Tensors around the arrays that a kernel returned."""
    if definition.signature.single_output:
        results = (results,)
    elif results is None:
        return []
    if definition.signature.opaque_outputs or _needs_labels(definition, flat, attrs):
        dtypes = definition.output_dtypes(flat, attrs)
        return [_tensor(value, dtype) for value, dtype in zip(results, dtypes, strict=True)]
    return [_tensor(value) for value in results]


def _needs_labels(definition: OpDef, flat: Sequence[Any], attrs: dict) -> bool:
    """Whether an output has a dtype that its array does not tell: a quantized one, a resource or a variant."""
    signature = definition.signature
    if signature.generic_outputs:
        for tensor in flat:
            if tensor._dtype.is_quantized or tensor._dtype.np_dtype is None:
                return True
    return any(getattr(attrs[name], "is_quantized", False) for name in signature.dtype_attrs)


def _tensor(value: Any, dtype: DType | None = None) -> EagerTensor:
    if type(value) is np.ndarray or isinstance(value, np.generic):
        return EagerTensor(value, dtype)
    if is_loaded() and isinstance(value, jax.Array):
        return EagerTensor.from_jax(value, dtype)
    if dtype is not None and not dtype.is_numpy_compatible:
        return EagerTensor(value, dtype)
    return EagerTensor(np.asarray(value, object if isinstance(value, bytes) else None), dtype)


class Call:
    """A call that a tape has recorded: the same view of it that an `Operation` gives.

    Attributes:
      wanted: for each input, whether the walk that runs now asks for its gradient. Rules of costly ops look at it (by
        `engine.definition.wants`); in a graph what nobody uses is dropped anyway.
    """

    __slots__ = ("definition", "inputs", "attrs", "outputs", "wanted")

    def __init__(self, definition: OpDef, inputs: Sequence[Any], attrs: dict, outputs: Sequence[Any]):
        self.definition, self.inputs, self.attrs, self.outputs = definition, inputs, attrs, outputs
        self.wanted: Sequence[bool] | None = None

    @property
    def type(self) -> str:
        """The op type."""
        return self.definition.type

    def get_attr(self, name: str) -> Any:
        """The value of an attribute."""
        return self.attrs[name]


def record(definition: OpDef, flat: Sequence[Any], attrs: dict, outputs: Sequence[Any]) -> None:
    """Offers a call to every active tape."""
    call = Call(definition, flat, attrs, outputs)
    for tape in thread.tapes:
        tape.record(call)


def explain_dtypes(definition: OpDef, flat: Sequence[Any], first: int, second: int) -> str:
    """The message for two inputs that must have the same dtype and do not."""
    expected, got = flat[first].dtype, flat[second].dtype
    return (
        f"{definition.type}: input #{second} (zero-based) was expected to be a {expected.name} tensor but is a "
        f"{got.name} tensor: cast one of them with tf.cast.{where()}"
    )


def explain_allowed(definition: OpDef, flat: Sequence[Any], index: int, allowed: frozenset[DType]) -> str:
    """The message for an input whose dtype the op does not take."""
    accepted = ", ".join(
        sorted((each.name for each in allowed), key=lambda name: (name.rstrip("0123456789"), name))
    )
    if len(allowed) == 1:
        return (
            f"{definition.type}: input #{index} (zero-based) was expected to be a {accepted} tensor but is a "
            f"{flat[index].dtype.name} tensor{where()}"
        )
    return (
        f"{definition.type}: input #{index} (zero-based) is a {flat[index].dtype.name} tensor, which is not in the list "
        f"of allowed values: {accepted}.{where()}"
    )


def explain(definition: OpDef, flat: Sequence[Any], attrs: dict, error: Exception) -> errors.OpError:
    """The error that a user should see for a kernel's failure: the shape rule often says it better."""
    try:
        infer_shapes(definition, flat, attrs, 1)
        text = f"{definition.type}: {error}"
    except errors.ShapeError as better:
        text = str(better)
    except Exception:
        text = f"{definition.type}: {error}"
    return errors.InvalidArgumentError(None, None, text + where())


def where() -> str:
    """The user's source line, for the end of a message."""
    line = source_line.caller()
    return f" [{line}]" if line else ""
