"""Loops: `while_loop`, over the functional op While.

Run eagerly it is Python's own loop. In a graph condition and body are traced to FuncGraphs, and what they capture becomes
an input of the op. Gradients: `autodiff/control_flow.py`; lowering: `runtime/control_flow.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from penstock.engine import context
from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.static_value import constant_value
from penstock.graph.func_graph import trace
from penstock.ops.control_flow import align_captures, building_graph, note_variables
from penstock.ops.tensor_array import TensorArray
from penstock.types import dtypes, nest
from penstock.types.composite import CompositeTensor
from penstock.types.shapes import TensorShape
from penstock.types.tensors import EagerTensor, Tensor

op(
    "While(input: *T; cond, body, output_shapes=[], parallel_iterations=10, _maximum_iterations=None) -> output: *T",
    shape=lambda call: [each.shape for each in call.attrs["body"].inputs],
    nested=("cond", "body"),
)


@export("while_loop", v1=[])
def while_loop(
    cond: Callable,
    body: Callable,
    loop_vars: Any,
    shape_invariants: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    maximum_iterations: Any = None,
    name: str | None = None,
) -> Any:
    """Repeats `body` while `cond` is true.

    Args:
      cond: takes the loop variables and returns a boolean scalar.
      body: takes the loop variables and returns their new values, in the same structure.
      loop_vars: a list, tuple or nest of tensors, composites and `TensorArray`s.
      shape_invariants: for each loop variable the part of its shape that stays the same.
      maximum_iterations: an upper bound. A static bound lets the gradient compile.
      parallel_iterations, swap_memory: accepted; XLA schedules the loop.

    Returns:
      The loop variables after the last iteration.

    Raises:
      ValueError: the body changes the structure, dtype or shape of a variable.

    Example:
      >>> import penstock as tf
      >>> tf.while_loop(lambda i: i < 10, lambda i: [i + 3], [tf.constant(0)])[0].numpy()
      np.int32(12)
    """
    return _while(
        cond, body, loop_vars, shape_invariants, parallel_iterations, maximum_iterations, name, False
    )


@export(v1=["while_loop"])
def while_loop_v1(
    cond: Callable,
    body: Callable,
    loop_vars: Any,
    shape_invariants: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    name: str | None = None,
    maximum_iterations: Any = None,
    return_same_structure: bool = False,
) -> Any:
    """TF 1's `while_loop`: a single loop variable comes back as the tensor unless `return_same_structure`."""
    return _while(
        cond,
        body,
        loop_vars,
        shape_invariants,
        parallel_iterations,
        maximum_iterations,
        name,
        not return_same_structure,
    )


def _while(
    cond: Callable,
    body: Callable,
    loop_vars: Any,
    shape_invariants: Any,
    parallel_iterations: int,
    maximum_iterations: Any,
    name: str | None,
    unpack_single: bool,
) -> Any:
    if not callable(cond):
        raise TypeError("'cond' must be callable.")
    if not callable(body):
        raise TypeError("'body' must be callable.")
    if not nest.flatten(loop_vars, expand_composites=True):
        raise ValueError("No loop variables provided.")
    single = not isinstance(loop_vars, (list, tuple, dict)) and not nest.is_nested(loop_vars)
    variables = (loop_vars,) if single else loop_vars
    graph = building_graph(*nest.flatten(variables, expand_composites=True), maximum_iterations)

    def build(graph: Any, variables: Any, limit: Any) -> Any:
        with context.building(graph):
            return _build_while(
                cond, body, variables, shape_invariants, parallel_iterations, limit, name or "while"
            )

    if graph is None:
        result = _run_eagerly(cond, body, variables, maximum_iterations, build)
    else:
        result = build(graph, variables, maximum_iterations)
    if unpack_single and isinstance(result, (list, tuple)) and len(result) == 1:
        return result[0]
    return result


def _call(function: Callable, variables: Any) -> Any:
    return function(**variables) if isinstance(variables, dict) else function(*variables)


def _as_variables(result: Any, like: Any) -> Any:
    """What a body returned, as a sequence even where it is one variable or an unpacked list of one."""
    if (
        isinstance(like, (list, tuple))
        and len(like) == 1
        and not (isinstance(result, (list, tuple)) and len(result) == 1)
    ):
        result = [result]
    elif isinstance(like, (list, tuple)) and not isinstance(result, (list, tuple)):
        result = [result]
    return result


def _run_eagerly(
    cond: Callable, body: Callable, variables: Any, maximum_iterations: Any, build: Callable
) -> Any:
    """A Python loop. The functions get the caller's values and what the body returned; the results become tensors.

    A condition on a tensor of a graph, as a placeholder, has the rest of the loop built there.
    """
    limit = None if maximum_iterations is None else int(maximum_iterations)
    while limit is None or limit > 0:
        keep_going = _call(cond, variables)
        graph = building_graph(keep_going)
        if graph is not None:
            return build(graph, variables, limit)
        if not bool(keep_going):
            break
        result = _as_variables(_call(body, variables), variables)
        nest.assert_same_structure(_plain(variables), _plain(result), check_types=False)
        variables = nest.pack_sequence_as(variables, nest.flatten(result))
        limit = None if limit is None else limit - 1
    return nest.map_structure(_loop_tensor, variables)


def _plain(variables: Any) -> Any:
    """Loop variables for comparison: a body may return a list where the caller gave a tuple."""
    return (
        list(variables) if isinstance(variables, tuple) and not hasattr(variables, "_fields") else variables
    )


def _loop_tensor(value: Any) -> Any:
    if isinstance(value, (Tensor, CompositeTensor)):
        return value
    return convert_to_tensor(value)


def _build_while(
    cond: Callable,
    body: Callable,
    variables: Any,
    shape_invariants: Any,
    parallel_iterations: int,
    maximum_iterations: Any,
    name: str,
) -> Any:
    variables = nest.map_structure(_loop_tensor, variables)
    flat = [thread.graph.as_input(each) for each in nest.flatten(variables, expand_composites=True)]
    shapes = _invariant_shapes(variables, flat, shape_invariants)
    # The first two variables are TensorFlow's: the counter, and the greatest number of iterations (-1 for any). Its
    # gradient of a loop that it loads looks for them there.
    specs = [_Spec(dtypes.int32, TensorShape([]), None)] * 2
    specs += [_Spec(each.dtype, shape, each.handle_data) for each, shape in zip(flat, shapes)]
    limit = convert_to_tensor(-1 if maximum_iterations is None else maximum_iterations, dtypes.int32)

    element_shapes: list[
        TensorShape
    ] = []  # of the arrays among the variables, as the body's writes tell them

    def structured(tensors: Sequence[Any]) -> Any:
        packed = nest.pack_sequence_as(variables, list(tensors), expand_composites=True)
        for before, now in zip(nest.flatten(variables), nest.flatten(packed)):
            if isinstance(before, TensorArray):
                now._static_size = before._static_size  # a loop does not change how many elements there are
        return packed

    def traced_cond(counter: Any, greatest: Any, *tensors: Any) -> Any:
        keep_going = convert_to_tensor(_call(cond, structured(tensors)))
        if keep_going.dtype is not dtypes.bool:
            raise TypeError(f"while_loop: cond must return a boolean scalar, got {keep_going!r}")
        if keep_going.shape.rank not in (0, None):
            keep_going = execute("Reshape", (keep_going, convert_to_tensor([], dtypes.int32)), None)
        if maximum_iterations is not None:
            keep_going = execute("LogicalAnd", (execute("Less", (counter, greatest), None), keep_going), None)
        return keep_going

    def traced_body(counter: Any, greatest: Any, *tensors: Any) -> Any:
        result = _as_variables(_call(body, structured(tensors)), variables)
        _check_structure(variables, result)
        new = [_loop_tensor(each) for each in nest.flatten(result)]
        packed = nest.pack_sequence_as(variables, new)
        element_shapes[:] = [each.element_shape for each in new if isinstance(each, TensorArray)]
        new_flat = nest.flatten(packed, expand_composites=True)
        following = execute("AddV2", (counter, convert_to_tensor(1)), None)
        return [
            following,
            greatest,
            *(_checked(old, spec, each) for old, spec, each in zip(flat, specs[2:], new_flat, strict=True)),
        ]

    cond_graph = trace(f"{name}_cond", traced_cond, specs=specs)
    body_graph = trace(f"{name}_body", traced_body, specs=specs)
    _pass_unchanged(body_graph)
    captured = align_captures([cond_graph, body_graph])
    with context.building(body_graph):
        for placeholder in body_graph.internal_captures:
            body_graph.outputs.append(placeholder)
    for graph in (cond_graph, body_graph):
        note_variables(graph)
    known_limit = None if maximum_iterations is None else constant_value(limit)
    outputs = execute(
        "While",
        ([convert_to_tensor(0), limit, *flat, *captured],),
        {
            "cond": cond_graph,
            "body": body_graph,
            "parallel_iterations": parallel_iterations,
            "_maximum_iterations": None if known_limit is None else int(known_limit),
        },
        name,
    )
    for tensor, source in zip(outputs, outputs[0].op.inputs):
        tensor.handle_data = source.handle_data
    results = outputs[2 : 2 + len(flat)]
    for tensor, old, made in zip(results, flat, body_graph.outputs[2:]):
        tensor.handle_data = made.handle_data or old.handle_data
    packed = structured(results)
    arrays = [each for each in nest.flatten(packed) if isinstance(each, TensorArray)]
    for array, shape in zip(arrays, element_shapes):
        if array._infer_shape:
            array._element_shape = array._element_shape.merge_with(shape)
    return packed


def _pass_unchanged(body: Any) -> None:
    """Makes a loop variable that the body hands on unchanged its own output, so that it is seen to be invariant."""
    passing = set()
    for index, (output, variable) in enumerate(zip(body.outputs, body.inputs)):
        operation = output.op
        means_more = operation.control_inputs or "_gradient_op_type" in operation.attrs
        if operation.type == "Identity" and operation.inputs[0] is variable and not means_more:
            body.outputs[index] = variable
            passing.add(id(operation))
    if passing:
        body.replace_operations([each for each in body.get_operations() if id(each) not in passing])


class _Spec:
    """What a placeholder of a loop needs to know."""

    __slots__ = ("dtype", "shape", "handle_data")

    def __init__(self, dtype: Any, shape: TensorShape, handle_data: Any):
        self.dtype, self.shape, self.handle_data = dtype, shape, handle_data


def _invariant_shapes(variables: Any, flat: list, shape_invariants: Any) -> list[TensorShape]:
    if shape_invariants is None:
        return [each.shape for each in flat]
    given = nest.flatten_up_to(variables, shape_invariants)
    shapes: list[TensorShape] = []
    for variable, invariant in zip(nest.flatten(variables), given, strict=True):
        parts = nest.flatten(variable, expand_composites=True)
        if (
            hasattr(invariant, "_component_specs")
            and not isinstance(invariant, TensorShape)
            and len(parts) > 1
        ):
            shapes.extend(each.shape for each in nest.flatten(invariant._component_specs))
        elif isinstance(variable, Tensor):
            shape = getattr(invariant, "shape", invariant)
            shape = variable.shape if invariant is None else TensorShape(shape)
            if not shape.is_compatible_with(variable.shape):
                raise ValueError(
                    f"The shape invariant specified for {variable!r} is not compatible with its initial shape: "
                    f"{shape} and {variable.shape}."
                )
            shapes.append(shape)
        else:
            shapes.extend(_relaxed(each) for each in parts)
    return shapes


def _relaxed(tensor: Any) -> TensorShape:
    """The shape of a composite's component with its first dimension free."""
    if tensor.shape.rank in (None, 0):
        return tensor.shape
    return TensorShape([None, *tensor.shape.as_list()[1:]])


def _check_structure(variables: Any, result: Any) -> None:
    try:
        nest.assert_same_structure(_plain(variables), _plain(result), check_types=False)
    except (ValueError, TypeError) as error:
        raise ValueError(f"while_loop: the body must return the structure of loop_vars: {error}") from None


def _checked(initial: Any, spec: _Spec, tensor: Any) -> Any:
    """A loop variable after one iteration, as a tensor of the dtype and shape it must keep."""
    if tensor.dtype.base_dtype != spec.dtype.base_dtype:
        raise TypeError(
            f"while_loop: {_name(initial)} has dtype {spec.dtype.name} before the loop, but dtype {tensor.dtype.name} "
            "after one iteration."
        )
    if not _at_least_as_specific(tensor.shape, spec.shape):
        raise ValueError(
            f"while_loop: {_name(initial)} enters the loop with shape {spec.shape}, but has shape {tensor.shape} after one "
            "iteration. To allow the shape to vary across iterations, use the `shape_invariants` argument of "
            "tf.while_loop to specify a less-specific shape."
        )
    return tensor


def _at_least_as_specific(shape: TensorShape, invariant: TensorShape) -> bool:
    if invariant.rank is None:
        return True
    if shape.rank != invariant.rank:
        return False
    return all(want is None or have == want for have, want in zip(shape.as_list(), invariant.as_list()))


def _name(tensor: Any) -> str:
    return "a loop variable" if isinstance(tensor, EagerTensor) else repr(tensor.name)
