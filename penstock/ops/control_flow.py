"""Branches: `cond`, `case`, `switch_case`, over the functional ops If and Case.

Run eagerly they are Python's own branches. In a graph each branch is traced to a FuncGraph, and what it captures becomes
an input of the op. Loops: `while_loop.py`. Gradients: `autodiff/control_flow.py`; lowering: `runtime/control_flow.py`.
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
from penstock.graph.func_graph import FuncGraph, set_outputs, trace
from penstock.types import dtypes, errors, nest
from penstock.types.indexed_slices import IndexedSlices
from penstock.types.shapes import TensorShape
from penstock.types.tensors import SymbolicTensor


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


def building_graph(*tensors: Any) -> Any:
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
    graph = building_graph(pred)
    if graph is None:
        return true_fn() if _as_bool(pred) else false_fn()
    with context.building(graph):
        branches = [trace("cond_true", true_fn), trace("cond_false", false_fn)]
        outputs = _branch_call("If", pred, branches, name or "cond")
    return outputs


def _as_bool(pred: Any) -> bool:
    value = pred.host()
    if getattr(value, "ndim", 0) != 0:
        raise errors.ShapeError(None, None, f"cond: pred must be a scalar, got shape {pred.shape}")
    return bool(value)


def _branch_call(op_type: str, selector: Any, branches: list[FuncGraph], name: str) -> Any:
    """Adds an If or Case node over traced branches and returns its outputs in the branches' structure."""
    if selector.shape.rank not in (0, None):
        message = f"{op_type}: the predicate must be a scalar, got shape {selector.shape}"
        raise errors.ShapeError(None, None, message)
    _match_slices(branches)
    structure = _check_branches(op_type, branches)
    inputs = align_captures(branches)
    for branch in branches:
        note_variables(branch)
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


def note_variables(graph: FuncGraph) -> None:
    """Tells the function that is being traced which variables a branch or body uses."""
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
    graph = building_graph(branch_index)
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
