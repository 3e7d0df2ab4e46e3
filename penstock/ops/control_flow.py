"""Branches and loops: `cond`, `case`, `switch_case`, `while_loop`, over the functional ops If, Case and While.

Run eagerly they are Python's own branches and loops. In a graph each branch or body is traced to a FuncGraph, and
what it captures becomes an input of the op. Gradients: `autodiff/control_flow.py`; lowering: `runtime/control_flow.py`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

from penstock.engine import context
from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall
from penstock.engine.static_value import constant_value
from penstock.graph.func_graph import FuncGraph, set_outputs, trace
from penstock.ops.tensor_array import TensorArray
from penstock.types import dtypes, nest
from penstock.types.composite import CompositeTensor
from penstock.types.indexed_slices import IndexedSlices
from penstock.types.shapes import TensorShape
from penstock.types.tensors import EagerTensor, SymbolicTensor, Tensor


def _branch_shapes(call: ShapeCall) -> list[TensorShape]:
    branches = call.attrs.get("branches") or [call.attrs["then_branch"], call.attrs["else_branch"]]
    shapes = []
    for outputs in zip(*(branch.outputs for branch in branches), strict=True):
        real = [each.shape for each in outputs if each.op.type != "FakeParam"] or [outputs[0].shape]
        shape = real[0]
        for each in real[1:]:
            shape = shape.most_specific_compatible_shape(each)
        shapes.append(shape)
    return shapes


op(
    "If(cond: Tcond, input: *Tin; Tout, then_branch, else_branch, output_shapes=[]) -> output: *Tout",
    shape=_branch_shapes,
    nested=("then_branch", "else_branch"),
)
op(
    "Case(branch_index: int32, input: *Tin; Tout, branches, output_shapes=[]) -> output: *Tout",
    shape=_branch_shapes,
    nested=("branches",),
)
op(
    "While(input: *T; cond, body, output_shapes=[], parallel_iterations=10, _maximum_iterations=None) -> output: *T",
    shape=lambda call: [each.shape for each in call.attrs["body"].inputs],
    nested=("cond", "body"),
)
# In one branch of an If: stands for a value that only the other branch computes.
op(
    "FakeParam(; dtype, shape) -> output: dtype",
    shape=lambda call: TensorShape(call.attrs["shape"]),
    gradient=lambda call, dy: [],
)


def align_captures(graphs: Sequence[FuncGraph]) -> list[Any]:
    """Gives graphs the same captures in the same order, and returns the captured outside tensors."""
    outside: dict[int, Any] = {}
    for graph in graphs:
        outside.update((id(each), each) for each in graph.external_captures)
    for graph in graphs:
        own = graph.arguments
        for each in outside.values():
            graph.capture(each, by_value=False)
        graph._captures = {key: graph._captures[key] for key in outside}
        graph.inputs = [*own, *graph.internal_captures]
    return list(outside.values())


def _building(*tensors: Any) -> Any:
    """The graph in which a control-flow op is built; None to run eagerly."""
    if thread.graph is not None:
        return thread.graph
    return next((each.graph for each in tensors if isinstance(each, SymbolicTensor)), None)


@export("cond", v1=[])
def cond(
    pred: Any, true_fn: Callable | None = None, false_fn: Callable | None = None, name: str | None = None
) -> Any:
    """`true_fn()` where `pred` is true, else `false_fn()`.

    Args:
      pred: a boolean scalar.
      true_fn, false_fn: functions without arguments that return the same structure of tensors.
      name: the node's name in a graph.

    Returns:
      What the chosen function returns.

    Raises:
      TypeError: the functions are not callable, or return different dtypes or structures.

    Example:
      >>> import penstock as tf
      >>> tf.cond(tf.constant(2) > 1, lambda: tf.constant("yes"), lambda: tf.constant("no")).numpy()
      b'yes'
    """
    if not callable(true_fn):
        raise TypeError("'true_fn' must be callable.")
    if not callable(false_fn):
        raise TypeError("'false_fn' must be callable.")
    if isinstance(pred, bool) and thread.graph is None:
        return true_fn() if pred else false_fn()
    pred = convert_to_tensor(pred)
    graph = _building(pred)
    if graph is None:
        return true_fn() if _as_bool(pred) else false_fn()
    with context.building(graph):
        branches = [trace("cond_true", true_fn), trace("cond_false", false_fn)]
        outputs = _branch_call("If", pred, branches, name or "cond")
    return outputs


def _as_bool(pred: Any) -> bool:
    value = pred.host()
    if getattr(value, "ndim", 0) != 0:
        raise ValueError(f"cond: pred must be a scalar, got shape {pred.shape}")
    return bool(value)


def _branch_call(op_type: str, selector: Any, branches: list[FuncGraph], name: str) -> Any:
    """Adds an If or Case node over traced branches and returns its outputs in the branches' structure."""
    if selector.shape.rank not in (0, None):
        raise ValueError(f"{op_type}: the predicate must be a scalar, got shape {selector.shape}")
    _match_slices(branches)
    structure = _check_branches(op_type, branches)
    inputs = align_captures(branches)
    for branch in branches:
        _note_variables(branch)
    attrs: dict[str, Any] = {"Tout": [each.dtype for each in branches[0].outputs]}
    if op_type == "If":
        attrs |= {"then_branch": branches[0], "else_branch": branches[1]}
    else:
        attrs["branches"] = list(branches)
    outputs = execute(op_type, (selector, inputs), attrs, name)
    results = list(outputs) if branches[0].outputs else []
    for index, tensor in enumerate(results):
        tensor.handle_data = branches[0].outputs[index].handle_data
    if not results:
        # Branches that return operations: what is returned is the operation that runs one of them.
        return thread.graph.get_operations()[-1] if structure is None else structure
    return _pack_like(structure, results)


def _note_variables(graph: FuncGraph) -> None:
    if thread.graph is not None and thread.graph.building_function:
        for variable in graph.variables:
            thread.graph.watch_variable(variable)


def _pack_like(structure: Any, results: list) -> Any:
    filled = iter(results)
    flat = [
        None if each is None else next(filled) for each in nest.flatten(structure, expand_composites=True)
    ]
    return nest.pack_sequence_as(structure, flat, expand_composites=True)


def _match_slices(branches: list[FuncGraph]) -> None:
    """Where branches return rows of a gradient with indices of different dtypes, all become int64."""
    rows = [nest.flatten(each.structured_outputs) for each in branches]
    if len({len(row) for row in rows}) != 1:
        return
    for place, column in enumerate(zip(*rows)):
        if not all(isinstance(each, IndexedSlices) for each in column):
            continue
        for name in ("indices", "dense_shape"):
            parts = [getattr(each, name) for each in column]
            if len({each.dtype for each in parts if each is not None}) > 1:
                for branch, row in zip(branches, rows):
                    row[place] = _with_int64(branch, row[place], name)
    for branch, row in zip(branches, rows):
        if any(new is not old for new, old in zip(row, nest.flatten(branch.structured_outputs))):
            set_outputs(branch, nest.pack_sequence_as(branch.structured_outputs, row))


def _with_int64(branch: FuncGraph, slices: IndexedSlices, name: str) -> IndexedSlices:
    parts = {each: getattr(slices, each) for each in ("values", "indices", "dense_shape")}
    with context.building(branch):
        parts[name] = execute("Cast", (parts[name],), {"DstT": dtypes.int64})
    return IndexedSlices(**parts)


def _check_branches(op_type: str, branches: list[FuncGraph]) -> Any:
    first = branches[0].structured_outputs
    for index, branch in enumerate(branches[1:], 1):
        try:
            nest.assert_same_structure(first, branch.structured_outputs, expand_composites=True)
        except (ValueError, TypeError) as error:
            what = "true_fn and false_fn" if op_type == "If" else f"branches 0 and {index}"
            raise TypeError(
                f"{what} arguments to tf.{'cond' if op_type == 'If' else 'switch_case'} must have the same number, "
                f"type, and overall structure of return values: {first} and {branch.structured_outputs}\n{error}"
            ) from None
        for a, b in zip(
            nest.flatten(first, expand_composites=True),
            nest.flatten(branch.structured_outputs, expand_composites=True),
        ):
            if (a is None) != (b is None) or (a is not None and a.dtype != b.dtype):
                raise TypeError(
                    f"{op_type}: the branches must return the same dtypes: got {a!r} and {b!r} from branches 0 and {index}."
                )
    return first


@export(v1=["cond"])
def cond_v1(
    pred: Any,
    true_fn: Callable | None = None,
    false_fn: Callable | None = None,
    strict: bool = False,
    name: str | None = None,
    fn1: Callable | None = None,
    fn2: Callable | None = None,
) -> Any:
    """TF 1's `cond`: as `tf.cond`; a list or tuple of one tensor comes back as the tensor unless `strict`."""
    result = cond(pred, true_fn or fn1, false_fn or fn2, name)
    if not strict and isinstance(result, (list, tuple)) and len(result) == 1:
        return result[0]
    return result


@export("switch_case")
def switch_case(
    branch_index: Any, branch_fns: Any, default: Callable | None = None, name: str = "switch_case"
) -> Any:
    """Calls the branch with the given index.

    Args:
      branch_index: an int32 scalar.
      branch_fns: a list of functions, or a dict or list of (index, function) pairs that covers 0 to n-1.
      default: called where the index has no branch; the last branch by default.

    Example:
      >>> import penstock as tf
      >>> tf.switch_case(tf.constant(1), [lambda: tf.constant(10), lambda: tf.constant(20)]).numpy()
      np.int32(20)
    """
    branches = _indexed_branches(branch_fns)
    branches = [*branches, default or branches[-1]]
    branch_index = convert_to_tensor(branch_index, dtypes.int32)
    graph = _building(branch_index)
    last = len(branches) - 1
    if graph is None:
        index = int(branch_index)
        return branches[index if 0 <= index < last else last]()
    with context.building(graph):
        valid = execute(
            "LogicalAnd",
            (
                execute("GreaterEqual", (branch_index, convert_to_tensor(0)), None),
                execute("Less", (branch_index, convert_to_tensor(last)), None),
            ),
            None,
        )
        index = execute("SelectV2", (valid, branch_index, convert_to_tensor(last)), None)
        return _branch_call(
            "Case", index, [trace(f"branch_{i}", each) for i, each in enumerate(branches)], name
        )


def _indexed_branches(branch_fns: Any) -> list[Callable]:
    if isinstance(branch_fns, dict):
        branch_fns = list(branch_fns.items())
    if not isinstance(branch_fns, (list, tuple)):
        raise TypeError("Argument 'branch_fns' must be a dict, list, or tuple.")
    if not branch_fns:
        raise ValueError("Argument 'branch_fns' must not be empty.")
    if all(callable(each) for each in branch_fns):
        return list(branch_fns)
    indexed = {}
    for each in branch_fns:
        if not isinstance(each, tuple) or len(each) != 2 or not callable(each[1]):
            raise TypeError("Each entry in 'branch_fns' must be a (int, callable) pair.")
        indexed[int(each[0])] = each[1]
    if sorted(indexed) != list(range(len(branch_fns))):
        raise ValueError(
            f"The branch indices must form contiguous range of [0 to {len(branch_fns)}): {sorted(indexed)}"
        )
    return [indexed[i] for i in range(len(indexed))]


@export("case", v1=[])
def case(
    pred_fn_pairs: Any,
    default: Callable | None = None,
    exclusive: bool = False,
    strict: bool = False,
    name: str = "case",
) -> Any:
    """Calls the function of the first true predicate.

    Args:
      pred_fn_pairs: a list of (boolean scalar, function) pairs.
      default: called where no predicate is true; without it, that is an error.
      exclusive: whether more than one true predicate is an error.

    Example:
      >>> import penstock as tf
      >>> x = tf.constant(3)
      >>> tf.case([(x < 2, lambda: tf.constant(0)), (x < 5, lambda: tf.constant(1))], default=lambda: tf.constant(2)).numpy()
      np.int32(1)
    """
    pairs = list(pred_fn_pairs.items()) if isinstance(pred_fn_pairs, dict) else list(pred_fn_pairs)
    pairs = [(pred.deref() if hasattr(pred, "deref") else pred, function) for pred, function in pairs]
    checks = []
    predicates = [convert_to_tensor(pred) for pred, _ in pairs]
    if exclusive:
        count = execute(
            "Sum",
            (
                execute("Cast", (execute("Pack", (predicates,), {"axis": 0}),), {"DstT": dtypes.int32}),
                convert_to_tensor(0),
            ),
            None,
        )
        checks.append(
            _assert(
                execute("LessEqual", (count, convert_to_tensor(1)), None),
                "case: more than one predicate is true",
            )
        )
    if default is None:
        every = execute("Any", (execute("Pack", (predicates,), {"axis": 0}), convert_to_tensor(0)), None)
        checks.append(_assert(every, "case: none of the conditions is true, and there is no default"))

    def build(index: int) -> Any:
        if index == len(pairs) - 1 and default is None:
            return pairs[index][1]()
        if index == len(pairs):
            return default()  # type: ignore[misc]
        return cond(predicates[index], pairs[index][1], lambda: build(index + 1), name)

    graph = thread.graph
    with (
        graph.control_dependencies([each for each in checks if each is not None])
        if graph
        else contextlib.nullcontext()
    ):
        return build(0)


@export(v1=["case"])
def case_v1(
    pred_fn_pairs: Any,
    default: Callable | None = None,
    exclusive: bool = False,
    strict: bool = False,
    name: str = "case",
) -> Any:
    """TF 1's `case`: a list or tuple of one tensor comes back as the tensor unless `strict`."""
    result = case(pred_fn_pairs, default, exclusive, strict, name)
    return result[0] if not strict and isinstance(result, (list, tuple)) and len(result) == 1 else result


def _assert(condition: Any, message: str) -> Any:
    return execute("Assert", (condition, [convert_to_tensor(message)]), None)


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
    graph = _building(*nest.flatten(variables, expand_composites=True), maximum_iterations)
    if graph is None:
        result = _run_eagerly(cond, body, variables, maximum_iterations)
    else:
        with context.building(graph):
            result = _build_while(
                cond,
                body,
                variables,
                shape_invariants,
                parallel_iterations,
                maximum_iterations,
                name or "while",
            )
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


def _run_eagerly(cond: Callable, body: Callable, variables: Any, maximum_iterations: Any) -> Any:
    """A Python loop. The functions get the caller's values and what the body returned; the results become tensors."""
    limit = None if maximum_iterations is None else int(maximum_iterations)
    while (limit is None or limit > 0) and bool(_call(cond, variables)):
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
        _note_variables(graph)
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
    return structured(results)


def _pass_unchanged(body: Any) -> None:
    """Makes a loop variable that the body hands on unchanged its own output, so that it is seen to be invariant."""
    passing = set()
    for index, (output, variable) in enumerate(zip(body.outputs, body.inputs)):
        operation = output.op
        if operation.type == "Identity" and operation.inputs[0] is variable and not operation.control_inputs:
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
