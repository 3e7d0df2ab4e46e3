"""Gradients of branches and loops.

The backward branch or body is built from the forward one and captures what it needs of it. Those intermediate values
become extra outputs of the forward If or Case, and lists that the forward While pushes onto at every iteration.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.autodiff.backprop import backpropagate, dense, is_differentiable, zeros_like
from penstock.autodiff.loop_facts import InvariantValues, mark_single_writes
from penstock.autodiff.recurrent_cells import cell_gradient
from penstock.engine import context
from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import REGISTRY
from penstock.engine.execute import execute
from penstock.graph.func_graph import FuncGraph
from penstock.ops import vectorized_map as _vectorized_map  # noqa: F401 - defines the op
from penstock.ops.control_flow import align_captures
from penstock.types import dtypes
from penstock.types.shapes import TensorShape
from penstock.types.tensors import SymbolicTensor


def _backward_graph(
    forward: FuncGraph, outputs: Sequence[Any], gradients: Sequence[Any], name: str
) -> FuncGraph:
    """A graph from cotangents of `outputs` to gradients of all inputs of `forward` (None where there is none).

    What it captures are tensors of `forward`.
    """
    graph = FuncGraph(name, outer_graph=forward)
    with context.building(graph), context.tapes_stopped():
        cotangents = []
        for index, gradient in enumerate(gradients):
            placeholder = graph.add_input(gradient.dtype, gradient.shape, f"dy{index}")
            placeholder.handle_data = getattr(gradient, "handle_data", None)
            cotangents.append(placeholder)
        found = backpropagate(forward.get_operations(), outputs, cotangents, forward.inputs)
        graph.structured_outputs = [None if each is None else graph.as_input(dense(each)) for each in found]
    return graph


def _branch_gradient(call: Any, *output_gradients: Any) -> list[Any]:
    """The gradient of an If or Case: an If or Case over backward branches."""
    selector, *arguments = call.inputs
    branches = (
        list(call.attrs["branches"])
        if call.type == "Case"
        else [call.attrs["then_branch"], call.attrs["else_branch"]]
    )
    wanted = [i for i, each in enumerate(output_gradients) if each is not None]
    gradients = [dense(output_gradients[i]) for i in wanted]
    backward = []
    for branch in branches:
        real = [i for i in wanted if branch.outputs[i].op.type != "FakeParam"]
        graph = _backward_graph(
            branch,
            [branch.outputs[i] for i in real],
            [dense(output_gradients[i]) for i in real],
            f"{branch.name}_grad",
        )
        _insert_missing_arguments(graph, wanted, real, gradients)
        backward.append(graph)
    _export_captures(call, branches, backward)
    reached = [
        i for i in range(len(arguments)) if any(graph.structured_outputs[i] is not None for graph in backward)
    ]
    for graph in backward:
        with context.building(graph), context.tapes_stopped():
            graph.outputs = [
                graph.as_input(zeros_like(arguments[i])) if graph.structured_outputs[i] is None
                else _own(graph, graph.structured_outputs[i])
                for i in reached
            ]  # fmt: skip
    inputs = [*gradients, *align_captures(backward)]
    attrs: dict[str, Any] = {"Tout": [each.dtype for each in backward[0].outputs]}
    if call.type == "Case":
        attrs["branches"] = backward
    else:
        attrs |= {"then_branch": backward[0], "else_branch": backward[1]}
    results: list[Any] = [None] * len(call.inputs)
    if reached:
        for i, gradient in zip(reached, execute(call.type, (selector, inputs), attrs, f"{call.name}_grad")):
            results[1 + i] = gradient
    return results


def _own(graph: FuncGraph, tensor: Any) -> Any:
    """An output that is not itself an input."""
    if any(tensor is each for each in graph.inputs):
        return execute("Identity", (tensor,), None)
    return tensor


def _insert_missing_arguments(
    graph: FuncGraph, wanted: list[int], real: list[int], gradients: list[Any]
) -> None:
    """Gives a backward branch a placeholder for every cotangent, also for outputs that its branch only fakes."""
    if real == wanted:
        return
    have = dict(zip(real, graph.arguments))
    captures = graph.internal_captures
    for i, gradient in zip(wanted, gradients):
        if i not in have:
            have[i] = graph.add_input(gradient.dtype, gradient.shape, f"unused{i}")
            graph.inputs.pop()
    graph.inputs = [have[i] for i in wanted] + captures


def _export_captures(call: Any, branches: list[FuncGraph], backward: list[FuncGraph]) -> None:
    """Makes what backward branches capture of forward ones inputs, or new outputs, of the forward op."""
    new_outputs: dict[int, Any] = {}
    for position, (branch, graph) in enumerate(zip(branches, backward)):
        inputs = {id(each): i for i, each in enumerate(branch.inputs)}
        captures: dict[int, Any] = {}
        for outside, placeholder in graph.captures:
            if isinstance(outside, SymbolicTensor) and outside.graph is branch:
                if id(outside) in inputs:
                    outside = call.inputs[1 + inputs[id(outside)]]
                else:
                    outside = _output_for(call, branches, position, outside, new_outputs)
            known = captures.get(id(outside))
            if known is not None:
                _replace(graph, placeholder, known[1])
                graph.inputs = [each for each in graph.inputs if each is not placeholder]
            else:
                captures[id(outside)] = (outside, placeholder)
        graph._captures = captures
        graph.outer_graph = call.graph


def _replace(graph: FuncGraph, old: Any, new: Any) -> None:
    for operation in graph.get_operations():
        if any(each is old for each in operation.inputs):
            operation.inputs = tuple(new if each is old else each for each in operation.inputs)
    graph.structured_outputs = [new if each is old else each for each in graph.structured_outputs]


def _output_for(
    call: Any, branches: list[FuncGraph], position: int, tensor: Any, made: dict[int, Any]
) -> Any:
    """The new output of a forward op that brings out a tensor of one branch."""
    if id(tensor) in made:
        return made[id(tensor)]
    for index, branch in enumerate(branches):
        if index == position:
            branch.outputs.append(tensor)
        else:
            with context.building(branch), context.tapes_stopped():
                branch.outputs.append(
                    execute("FakeParam", (), {"dtype": tensor.dtype, "shape": tensor.shape})
                )
    call.attrs = {**call.attrs, "Tout": [each.dtype for each in branches[0].outputs]}
    made[id(tensor)] = _append_output(call, tensor.dtype, tensor.shape, tensor.handle_data)
    return made[id(tensor)]


def _append_output(call: Any, dtype: Any, shape: Any, handle_data: Any = None) -> SymbolicTensor:
    output = SymbolicTensor(call, len(call.outputs), dtype, shape)
    output.handle_data = handle_data
    call.outputs.append(output)
    return output


def _while_gradient(call: Any, *output_gradients: Any) -> list[Any]:
    """The gradient of a While: a While that runs backward over lists of what the forward one computed."""
    if (found := cell_gradient(call, output_gradients)) is not None:
        return found
    body: FuncGraph = call.attrs["body"]
    original = len(call.inputs)
    differentiable = [
        i
        for i in range(1, original)
        if is_differentiable(body.inputs[i].dtype) and _is_value_or_variable(body.inputs[i])
    ]
    reached = _connected(body, differentiable, [i for i in differentiable if output_gradients[i] is not None])
    if not reached:
        return [None] * original
    cotangents = [
        zeros_like(_seen_outside(call, i)) if output_gradients[i] is None else dense(output_gradients[i])
        for i in reached
    ]
    mark_single_writes(call, body)
    graph = _backward_graph(body, [body.outputs[i] for i in reached], cotangents, f"{body.name}_grad")
    accumulators = _accumulate(call, body, graph)
    with context.building(call.graph if thread.graph is None else thread.graph):
        return _run_backward(call, body, graph, reached, cotangents, accumulators, original)


def _seen_outside(call: Any, index: int) -> Any:
    """A loop variable after the loop; a handle as it came in, since programs do not return handles."""
    return call.inputs[index] if call.outputs[index].dtype is dtypes.resource else call.outputs[index]


def _is_value_or_variable(tensor: Any) -> bool:
    """False for resources without a value, such as iterators and tables."""
    return tensor.dtype is not dtypes.resource or tensor.handle_data is not None


def _connected(body: FuncGraph, candidates: list[int], start: list[int]) -> list[int]:
    """Loop variables whose gradient may be nonzero, given those whose final value has one."""
    depends = {
        i: {j for j in candidates if _depends(body, body.outputs[i], body.inputs[j])} for i in candidates
    }  # fmt: skip
    reached = set(start)
    while True:
        more = reached | {j for i in reached for j in depends[i]}
        if more == reached:
            return sorted(reached)
        reached = more


def _depends(body: FuncGraph, output: Any, source: Any) -> bool:
    cache = getattr(body, "_dependencies", None)
    if cache is None or cache[0] != body.version:
        behind: dict[int, frozenset] = {id(each): frozenset([id(each)]) for each in body.inputs}
        for operation in body.get_operations():
            if operation.type == "Placeholder":
                continue
            roots = frozenset().union(*(behind.get(id(each), frozenset()) for each in operation.inputs))
            for each in operation.outputs:
                behind[id(each)] = roots if is_differentiable(each.dtype) else frozenset()
        cache = body._dependencies = (body.version, behind)  # type: ignore[attr-defined]
    return id(source) in cache[1].get(id(output), frozenset())


def _accumulate(call: Any, body: FuncGraph, backward: FuncGraph) -> dict[int, Any]:
    """For each tensor of the body that the backward body captures: where its values of all iterations are.

    Values that never change are computed before the loop; other tensors are pushed onto new lists.
    Returns id(tensor) -> ("same", outside tensor) or ("list", the forward op's list output).
    """
    invariant = InvariantValues(call, body)
    found: dict[int, Any] = {}
    for tensor, _ in backward.captures:
        if not isinstance(tensor, SymbolicTensor) or tensor.graph is not body:
            continue
        if tensor.op.type == "Const":
            found[id(tensor)] = ("const", tensor.op.attrs["value"])
        elif invariant.outside(tensor) is not None:
            found[id(tensor)] = ("same", invariant.outside(tensor))
        else:
            found[id(tensor)] = ("list", _add_accumulator(call, body, tensor))
    return found


def _add_accumulator(call: Any, body: FuncGraph, tensor: Any) -> SymbolicTensor:
    """Adds to a While a list onto which its body pushes `tensor`; returns the list after the loop."""
    is_list = tensor.dtype is dtypes.variant
    shape = [] if is_list else tensor.shape.as_list() if tensor.shape.rank is not None else None
    first_new = len(call.graph.get_operations())
    with context.building(call.graph), call.graph.control_dependencies(None), context.tapes_stopped():
        operand = -1 if shape is None else [-1 if dim is None else dim for dim in shape]
        empty = execute(
            "EmptyTensorList",
            (convert_to_tensor(operand, dtypes.int32), convert_to_tensor(-1)),
            {"element_dtype": tensor.dtype},
        )
    call.graph.move_before(first_new, call)
    for graph in (call.attrs["cond"], body):
        graph.add_input(dtypes.variant, [], "accumulator")
    with context.building(body), context.tapes_stopped():
        pushed = execute("TensorListPushBack", (body.inputs[-1], tensor), {"element_dtype": tensor.dtype})
    body.outputs.append(pushed)
    call.inputs = (*call.inputs, empty)
    call.attrs = {**call.attrs, "T": [each.dtype for each in call.inputs]}
    return _append_output(call, dtypes.variant, TensorShape([]))


def _run_backward(
    call: Any, body: FuncGraph, graph: FuncGraph, reached: list[int], cotangents: list[Any],
    accumulators: dict[int, Any], original: int,
) -> list[Any]:  # fmt: skip
    """Builds the backward While: a counter that goes down, and the cotangents."""
    from penstock.ops.while_loop import while_loop

    trips = call.outputs[0]
    sources = list(graph.captures)
    structured = graph.structured_outputs

    def step(index: Any, *carried: Any) -> Any:
        at = execute("Sub", (index, convert_to_tensor(1)), None)
        values = []
        for tensor, _ in sources:
            place = accumulators.get(id(tensor))
            if place is None:
                values.append(tensor)  # from outside the loop
            elif place[0] == "list":
                operand = convert_to_tensor(
                    -1
                    if tensor.shape.rank is None
                    else [-1 if dim is None else dim for dim in tensor.shape.as_list()],
                    dtypes.int32,
                )
                value = execute("TensorListGetItem", (place[1], at, operand), {"element_dtype": tensor.dtype})
                if tensor.dtype is not dtypes.variant:
                    value.set_shape(tensor.shape)
                values.append(value)
            else:
                values.append(convert_to_tensor(place[1]))
        inner = copy_into(graph, thread.graph, [*carried, *values])
        found = []
        for i, before in zip(reached, carried):
            gradient = structured[i]
            made = zeros_like(before) if gradient is None else inner[id(gradient)]
            if made.dtype is not dtypes.variant:
                made.set_shape(_free_shape(body, i))  # which slices of unknown sizes may have lost
            found.append(made)
        return [at, *found]

    results = while_loop(
        lambda index, *carried: execute("Greater", (index, convert_to_tensor(0)), None),
        step,
        [trips, *cotangents],
        shape_invariants=[TensorShape([]), *(_free_shape(body, i) for i in reached)],
        maximum_iterations=call.attrs.get("_maximum_iterations"),
    )
    gradients: list[Any] = [None] * len(call.inputs)
    for i, gradient in zip(reached, results[1:]):
        gradients[i] = gradient
    return gradients


def _free_shape(body: FuncGraph, index: int) -> TensorShape:
    """The shape of the cotangent of a loop variable: for a variable's handle, that of its value."""
    tensor = body.inputs[index]
    return tensor.handle_data.shape if tensor.dtype is dtypes.resource else tensor.shape


def copy_into(graph: FuncGraph, target: Any, arguments: Sequence[Any]) -> dict[int, Any]:
    """Copies the operations of a FuncGraph into another graph; returns id(old tensor) -> new tensor."""
    from penstock.graph.copying import copy_operations

    values = {id(each): value for each, value in zip(graph.inputs, arguments, strict=True)}
    with context.building(target):
        copy_operations(graph, target, values)
    return values


def _vectorized_map_gradient(call: Any, *output_gradients: Any) -> list[Any]:
    """A VectorizedMap over the backward body, which computes the forward one again (XLA merges what is equal)."""
    body: FuncGraph = call.attrs["f"]
    count = len(call.attrs["Te"])
    wanted = [i for i, each in enumerate(output_gradients) if each is not None]
    graph = FuncGraph(f"{body.name}_grad")
    with context.building(graph), context.tapes_stopped():
        inner = [graph.add_input(each.dtype, each.shape, "arg") for each in body.inputs]
        cotangents = [graph.add_input(body.outputs[i].dtype, body.outputs[i].shape, "dy") for i in wanted]
        values = copy_into(body, graph, inner)
        outputs = [values[id(body.outputs[i])] for i in wanted]
        found = backpropagate(graph.get_operations(), outputs, cotangents, inner)
        reached = [i for i, each in enumerate(found) if each is not None]
        graph.outputs = [_own(graph, graph.as_input(dense(found[i]))) for i in reached]
    arguments, captured = inner[:count], inner[count:]
    graph.inputs = [*arguments, *cotangents, *captured, *graph.internal_captures]
    elements = [*call.inputs[:count], *(dense(output_gradients[i]) for i in wanted)]
    results: list[Any] = [None] * len(call.inputs)
    if not reached:
        return results
    gradients = execute(
        "VectorizedMap",
        (elements, [*call.inputs[count:], *graph.external_captures]),
        {"f": graph, "Tout": [each.dtype for each in graph.outputs]},
    )
    for i, gradient in zip(reached, gradients):
        results[i] = gradient if i < count else execute("Sum", (gradient, convert_to_tensor([0])), None)
    return results


_vectorized_map_gradient.accepts_none = True  # type: ignore[attr-defined]
REGISTRY["VectorizedMap"].gradient_rule = _vectorized_map_gradient
_branch_gradient.accepts_none = True  # type: ignore[attr-defined]
_while_gradient.accepts_none = True  # type: ignore[attr-defined]
REGISTRY["If"].gradient_rule = _branch_gradient
REGISTRY["Case"].gradient_rule = _branch_gradient
REGISTRY["While"].gradient_rule = _while_gradient
