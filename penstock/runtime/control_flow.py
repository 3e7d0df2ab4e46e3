"""Branches and loops as XLA's `cond`, `switch` and `while_loop`, or, where a body needs the host, as Python's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.engine.context import thread
from penstock.engine.definition import REGISTRY
from penstock.engine.static_value import NotStaticError, is_static
from penstock.engine.xla import jax, jnp, lax
from penstock.ops import control_flow as _branches_and_loops  # noqa: F401 - defines the ops
from penstock.ops import vectorized_map as _vectorized_map  # noqa: F401 - defines the op
from penstock.ops.random import philox
from penstock.ops.tensor_list_kernels import register_pytree, stacked
from penstock.runtime.executor import executor_of
from penstock.runtime.held_calls import holding, value_of
from penstock.runtime.intervals import ANY, in_loop
from penstock.runtime.lowering import Lowering, NotCompilableError, StateProxy, as_array, streams
from penstock.runtime.recurrent_cells import lower_cell
from penstock.types.tensor_list import StackedList, TensorList

# A loop whose trip count is computed while compiling is simulated at most this long.
_LONGEST_SIMULATION = 10_000


class _Fake:
    """The value of a FakeParam: whatever the other branch computes, never used."""


FAKE = _Fake()
REGISTRY["FakeParam"].lowering = lambda operation, inputs, lowering: (FAKE,)
# On the host: zeros where the shape is known; otherwise nothing, which only the branch that was not taken would use.
REGISTRY["FakeParam"].numpy_body = lambda *, dtype, shape: (
    np.zeros(shape.as_list(), dtype.as_numpy_dtype)
    if shape.is_fully_defined() and dtype.is_numpy_compatible
    else None
)


def _lower_if(operation: Any, inputs: Sequence[Any], lowering: Lowering) -> Sequence[Any]:
    selector, *arguments = inputs
    branches = [operation.attrs["else_branch"], operation.attrs["then_branch"]]
    if is_static(selector):
        return _unfaked(lowering.run_graph(branches[bool(selector)], arguments))
    if selector.dtype != bool:
        selector = selector != 0
    return _lower_branches(operation, selector.astype(jnp.int32), branches, arguments, lowering)


def _lower_case(operation: Any, inputs: Sequence[Any], lowering: Lowering) -> Sequence[Any]:
    selector, *arguments = inputs
    branches = operation.attrs["branches"]
    if is_static(selector):
        index = int(selector)
        return lowering.run_graph(branches[index if 0 <= index < len(branches) else -1], arguments)
    return _lower_branches(operation, selector, branches, arguments, lowering)


def _unfaked(results: Sequence[Any]) -> list[Any]:
    return [np.zeros(()) if each is FAKE else each for each in results]


def _lower_branches(
    operation: Any, index: Any, branches: Sequence[Any], arguments: Sequence[Any], lowering: Lowering
) -> Sequence[Any]:
    """XLA's conditional. States are threaded through: read before, assigned after."""
    if any(each is None for each in arguments):
        raise NotCompilableError(operation, "needs values of a branch that was not taken on the host")
    register_pytree()
    proxies = lowering.proxies_of(branches, arguments)
    arguments = [stacked(each) if isinstance(each, TensorList) else each for each in arguments]
    carried = [
        i for i, each in enumerate(arguments) if not is_static(each) and not isinstance(each, StateProxy)
    ]

    def body_of(branch: Any, fakes: dict[int, Any]) -> Any:
        def body(states: list, values: list) -> tuple:
            filled = list(arguments)
            for i, value in zip(carried, values):
                filled[i] = value
            results, after = _run_with_states(lowering, branch, filled, proxies, states)
            outputs = []
            for position, (value, tensor) in enumerate(zip(results, branch.outputs)):
                if value is FAKE and position in fakes:
                    value = jax.tree_util.tree_map(
                        lambda each: jnp.zeros(each.shape, each.dtype), fakes[position]
                    )
                if isinstance(value, TensorList):
                    value = stacked(value)
                if isinstance(value, StateProxy):
                    raise NotCompilableError(operation, "returns a resource")
                outputs.append(FAKE if value is FAKE else as_array(value, tensor.dtype))
            return outputs, after

        return body

    states, values = [proxy.value for proxy in proxies], [arguments[i] for i in carried]
    fakes = _shapes_behind_fakes(branches, body_of, states, values)
    try:
        outputs, after = lax.switch(index, [body_of(branch, fakes) for branch in branches], states, values)
    except TypeError as error:  # the branches return different shapes
        raise NotCompilableError(operation, str(error).splitlines()[0]) from None
    for proxy, value in zip(proxies, after):
        proxy.value = value
    return outputs


def _run_with_states(
    lowering: Lowering, graph: Any, arguments: Sequence[Any], proxies: Sequence[StateProxy], states: list
) -> tuple[list, list]:
    """The results of a body that begins with these states, and the states after it; outside they stay as they are."""
    before = [proxy.value for proxy in proxies]
    for proxy, value in zip(proxies, states):
        proxy.value = value
    results = lowering.run_graph(graph, arguments)
    after = [proxy.value for proxy in proxies]
    for proxy, value in zip(proxies, before):
        proxy.value = value
    return results, after


def _shapes_behind_fakes(branches: Sequence[Any], body_of: Any, states: list, values: list) -> dict[int, Any]:
    """For outputs that some branch leaves fake: the shape that the branch that computes them gives them."""
    positions = {
        i for branch in branches for i, each in enumerate(branch.outputs) if each.op.type == "FakeParam"
    }  # fmt: skip
    found: dict[int, Any] = {}
    for branch in branches if positions else ():
        real = [i for i in sorted(positions) if branch.outputs[i].op.type != "FakeParam"]

        def only_real(states: list, values: list, branch: Any = branch, real: list = real) -> list:
            outputs, _ = body_of(branch, {})(states, values)
            return [outputs[i] for i in real]

        for i, shape in zip(real, jax.eval_shape(only_real, states, values)):
            found[i] = shape
    return found


def _lower_while(operation: Any, inputs: Sequence[Any], lowering: Lowering) -> Sequence[Any]:
    register_pytree()
    if (found := lower_cell(operation, inputs, lowering)) is not None:
        return found
    cond, body = operation.attrs["cond"], operation.attrs["body"]
    unchanged = {i for i, each in enumerate(body.outputs) if each is body.inputs[i]}
    values = list(inputs)
    carried = [i for i in range(len(values)) if i not in unchanged]
    proxies = lowering.proxies_of([cond, body], values)
    if any(isinstance(values[i], (TensorList, StackedList)) for i in carried):
        limit = _trip_limit(operation, values)
        for i in carried:
            if isinstance(values[i], TensorList):
                values[i] = stacked(values[i], _capacity(body, i, values[i], limit))
            elif isinstance(values[i], StackedList):
                values[i] = stacked(values[i], _capacity(body, i, values[i], limit))
    start = [as_array(values[i], body.inputs[i].dtype) for i in carried]
    lowering.intervals.update(dict.fromkeys((id(each) for each in body.inputs), ANY))
    lowering.intervals.update(in_loop(operation, inputs))

    def call(graph: Any, states: list, current: Sequence[Any]) -> tuple[list, list]:
        filled = list(values)
        for i, value in zip(carried, current):
            filled[i] = value
        return _run_with_states(lowering, graph, filled, proxies, states)

    def step(carry: tuple) -> tuple:
        current, states = carry
        results, after = call(body, states, current)
        new = []
        for i in carried:
            value = results[i]
            if isinstance(value, TensorList):
                value = stacked(value)
            if isinstance(value, StackedList):
                value = value.replaced(value.buffer, jnp.asarray(value.length, jnp.int32))
            new.append(as_array(value, body.outputs[i].dtype))
        return new, after

    def keep_going(carry: tuple) -> Any:
        current, states = carry
        results, _ = call(cond, states, current)
        return jnp.reshape(as_array(results[0]), ())

    states = [proxy.value for proxy in proxies]
    start = _with_buffers(step, start, states, operation)
    try:
        final, after = lax.while_loop(keep_going, step, (start, states))
    except TypeError as error:  # shapes or dtypes change between iterations
        raise NotCompilableError(operation, str(error).splitlines()[0]) from None
    for proxy, value in zip(proxies, after):
        proxy.value = value
    results = list(values)
    for i, value in zip(carried, final):
        results[i] = value
    known = simulate(operation, inputs)
    if known is not None:  # so that the backward loop, which starts from the counter, has a static bound too
        for i, value in known[1].items():
            results[i] = value
    return results


def _with_buffers(step: Any, start: list, states: list, operation: Any) -> list:
    """Lists whose element shape only the body tells get their buffers."""
    while any(isinstance(each, StackedList) and each.buffer is None for each in start):
        shapes, _ = jax.eval_shape(lambda carry: step(carry), (start, states))
        filled = []
        progress = False
        for old, new in zip(start, shapes):
            if isinstance(old, StackedList) and old.buffer is None and new.buffer is not None:
                zeros = jax.tree_util.tree_map(lambda each: jnp.zeros(each.shape, each.dtype), new.buffer)
                old = old.replaced(zeros, old.length)
                progress = True
            filled.append(old)
        if not progress:
            raise NotCompilableError(operation, "the element shape of a list is unknown")
        start = filled
    return [
        each.replaced(each.buffer, jnp.asarray(each.length, jnp.int32))
        if isinstance(each, StackedList)
        else each
        for each in start
    ]


def _pushes(body: Any, index: int) -> int:
    count, tensor = 0, body.outputs[index]
    while tensor is not body.inputs[index]:
        operation = tensor.op
        if operation.type == "TensorListPushBack":
            count += 1
        elif operation.type not in (
            "TensorListSetItem",
            "TensorListAddItem",
            "Identity",
            "TensorListPopBack",
        ):
            return -1
        if not operation.inputs:
            return -1
        tensor = operation.inputs[0]
    return count


def _capacity(body: Any, index: int, value: Any, limit: Any) -> int | None:
    """How many elements a list may come to hold; None to keep its present size."""
    pushes = _pushes(body, index)
    if pushes <= 0:
        return None
    present = len(value.items) if isinstance(value, TensorList) else value.capacity
    return present + pushes * limit()


def _counter_bound(operation: Any, values: Sequence[Any]) -> int | None:
    """The known bound of a loop's own counter, where its condition is `counter < bound and ...`."""
    cond = operation.attrs["cond"]
    test = cond.outputs[0].op
    positions = {id(each): index for index, each in enumerate(cond.inputs)}
    for side in [each.op for each in test.inputs] if test.type == "LogicalAnd" else [test]:
        if side.type == "Less" and side.inputs[0] is cond.inputs[0]:
            bound = side.inputs[1]
            value = bound.op.attrs.get("value") if bound.op.type == "Const" else None
            if id(bound) in positions:
                value = values[positions[id(bound)]]
            if value is not None and is_static(value):
                return int(value)
    return None


def _trip_limit(operation: Any, values: Sequence[Any]) -> Any:
    """A function that gives a bound on the number of iterations, or raises where none is known."""

    def limit() -> int:
        known = simulate(operation, values)
        if known is not None:
            return known[0]
        given = operation.attrs.get("_maximum_iterations")
        if given is None:
            given = _counter_bound(operation, values)
        if given is None:
            raise NotCompilableError(
                operation, "no static bound on the iterations of a loop that grows a list"
            )
        return int(given)

    return limit


def simulate(operation: Any, values: Sequence[Any]) -> tuple[int, dict[int, np.ndarray]] | None:
    """The number of iterations and the final values of the variables that decide it, where these are known now."""
    cond, body = operation.attrs["cond"], operation.attrs["body"]
    wanted = _inputs_behind(cond, cond.outputs[:1])
    while True:
        more = set(wanted)
        for i in wanted:
            more |= _inputs_behind(body, [body.outputs[i]])
        if more == wanted:
            break
        wanted = more
    order = sorted(wanted)
    if not all(is_static(values[i]) for i in order):
        return None
    current = {i: np.asarray(values[i]) for i in order}
    count = 0
    while count < _LONGEST_SIMULATION:
        try:
            if not bool(_evaluate(cond, current, cond.outputs[:1])[0]):
                return count, current
            current = dict(zip(order, _evaluate(body, current, [body.outputs[i] for i in order])))
        except _NotKnownError:
            return None
        count += 1
    return None


class _NotKnownError(Exception):
    """A value that decides a loop's trip count cannot be computed while compiling."""


def _inputs_behind(graph: Any, tensors: Sequence[Any]) -> set[int]:
    positions = {id(each): i for i, each in enumerate(graph.inputs)}
    found: set[int] = set()
    stack, seen = list(tensors), set()
    while stack:
        tensor = stack.pop()
        if id(tensor) in positions:
            found.add(positions[id(tensor)])
        elif id(tensor.op) not in seen:
            seen.add(id(tensor.op))
            stack.extend(tensor.op.inputs)
    return found


def _evaluate(graph: Any, inputs: dict[int, np.ndarray], outputs: Sequence[Any]) -> list[np.ndarray]:
    """Outputs of a body by NumPy, from those of its inputs that are known."""
    values = {id(graph.inputs[i]): value for i, value in inputs.items()}

    def value_of(tensor: Any) -> np.ndarray:
        if id(tensor) not in values:
            operation = tensor.op
            definition = operation.definition
            if operation.type == "Const":
                values[id(tensor)] = operation.attrs["value"]
            elif definition.numpy_body is None or definition.stateful or definition.nested:
                raise _NotKnownError
            else:
                arguments = [value_of(each) for each in operation.inputs]
                results = definition.numpy_body(
                    *definition.group(arguments, operation.attrs),
                    **definition.attrs_for_kernel(operation.attrs),
                )
                results = (results,) if definition.signature.single_output else results
                for each, result in zip(operation.outputs, results):
                    values[id(each)] = result
        return values[id(tensor)]

    try:
        return [value_of(each) for each in outputs]
    except (NotStaticError, ValueError, IndexError, KeyError, AttributeError):
        raise _NotKnownError from None


def _lower_vectorized_map(operation: Any, inputs: Sequence[Any], lowering: Lowering) -> Sequence[Any]:
    body, count = operation.attrs["f"], len(operation.attrs["Te"])
    elements = [as_array(each) for each in inputs[:count]]
    return _map_slices(lowering, body, elements, inputs[count:])


def _map_slices(
    lowering: Lowering, body: Any, elements: Sequence[Any], captured: Sequence[Any]
) -> Sequence[Any]:
    """The results of a body for every slice of the elements."""
    outer = lowering.failure

    def one(*slices: Any) -> tuple[list[Any], Any]:
        """The results for a slice, and what is wrong with it, if anything looks."""
        lowering.failure = None if outer is None else outer.apart()
        try:
            results = lowering.run_graph(body, [*slices, *captured])
            found = lowering.failure
        finally:
            lowering.failure = outer
        arrays = [as_array(value, tensor.dtype) for value, tensor in zip(results, body.outputs)]
        if found is None or not found.noted:
            return arrays, None
        outer.stops |= found.stops
        return arrays, found.value

    def noted(results: tuple[list[Any], Any]) -> list[Any]:
        """The results of all slices; what was found in the first bad one is taken down."""
        arrays, found = results
        if found is not None and len(found):
            outer.take(found[jnp.argmax(found[:, 0] != 0)])
        return arrays

    proxies = [lowering.proxies[id(each)] for each in streams([body])]
    if not proxies or not elements[0].shape[0]:
        return noted(jax.vmap(one)(*elements))
    starts = [philox.from_state(jnp, proxy.value) for proxy in proxies]
    one(*(each[0] for each in elements))  # how far a slice moves each stream; XLA drops the rest
    steps = [philox.from_state(jnp, proxy.value).low - start.low for proxy, start in zip(proxies, starts)]

    def move(slices_before: Any) -> None:
        """Puts each stream where it stands after that many slices."""
        for proxy, start, step in zip(proxies, starts, steps):
            proxy.value = start.advanced(jnp, slices_before * step).state(jnp)

    def one_in_order(index: Any, *slices: Any) -> tuple[list[Any], Any]:
        move(index)
        return one(*slices)

    slices = jnp.arange(elements[0].shape[0], dtype=jnp.uint64)
    results = noted(jax.vmap(one_in_order)(slices, *elements))
    move(slices[-1] + np.uint64(1))
    return results


REGISTRY["VectorizedMap"].lowering = _lower_vectorized_map
REGISTRY["If"].lowering = _lower_if
REGISTRY["Case"].lowering = _lower_case
REGISTRY["While"].lowering = _lower_while


# On the host.


def run_on_host(operation: Any, values: list[Any], prefer_host: bool) -> Sequence[Any]:
    """Runs a branch or loop with Python deciding, each body by its own executor."""
    if operation.definition.on_host is not None:
        if thread.held_calls is not None:
            thread.held_calls.make()
            values = [value_of(each) for each in values]
        return operation.definition.on_host(operation, values, prefer_host)
    if operation.type == "If":
        branch = operation.attrs["then_branch" if bool(_host_value(values[0])) else "else_branch"]
        return executor_of(branch, prefer_host).run(values[1:])
    if operation.type == "Case":
        branches = operation.attrs["branches"]
        index = int(_host_value(values[0]))
        branch = branches[index if 0 <= index < len(branches) else -1]
        return executor_of(branch, prefer_host).run(values[1:])
    if operation.type == "While":
        cond = executor_of(operation.attrs["cond"], prefer_host)
        body = executor_of(operation.attrs["body"], prefer_host)
        with holding():
            while bool(_host_value(cond.run(values)[0])):
                values = body.run(values)
        return [value_of(each) for each in values]
    return _vectorized_map_on_host(operation, values, prefer_host)


def _vectorized_map_on_host(operation: Any, values: list[Any], prefer_host: bool) -> list[Any]:
    body, count = operation.attrs["f"], len(operation.attrs["Te"])
    executor = executor_of(body, prefer_host)
    elements, captured = [np.asarray(each) for each in values[:count]], values[count:]
    rows = [executor.run([*slices, *captured]) for slices in zip(*elements)]
    return [np.stack([np.asarray(row[i]) for row in rows]) for i in range(len(body.outputs))]


def _host_value(value: Any) -> Any:
    return np.asarray(value)
