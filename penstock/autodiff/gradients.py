"""`tf.gradients`: symbolic gradients of tensors of a graph."""

from __future__ import annotations

from typing import Any

from penstock.autodiff.backprop import REGISTERED, backpropagate, is_differentiable, ones_like, zeros_like
from penstock.autodiff.tape import UnconnectedGradients
from penstock.engine import context
from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import REGISTRY, stops
from penstock.engine.export import export
from penstock.types.tensors import EagerTensor, SymbolicTensor, Tensor


@export("AggregationMethod")
class AggregationMethod:
    """How partial gradients are summed. XLA fuses the sum, so all choices give the same program."""

    ADD_N = 0
    DEFAULT = ADD_N
    EXPERIMENTAL_TREE = 1
    EXPERIMENTAL_ACCUMULATE_N = 2


@export("gradients", v1=[])
def gradients(
    ys: Any,
    xs: Any,
    grad_ys: Any = None,
    name: str = "gradients",
    gate_gradients: bool = False,
    aggregation_method: int | None = None,
    stop_gradients: Any = None,
    unconnected_gradients: UnconnectedGradients | str = UnconnectedGradients.NONE,
) -> list[Any]:
    """Symbolic derivatives of the sum of `ys` with respect to each of `xs`, as nodes of the graph.

    Args:
      ys: a tensor or list of tensors of a graph.
      xs: a tensor or variable, or a list of them.
      grad_ys: a cotangent for each of `ys`; ones by default.
      stop_gradients: tensors to treat as constants.
      unconnected_gradients: what an x on which no y depends gets.

    Returns:
      One tensor, `IndexedSlices` or None for each of `xs`.

    Raises:
      RuntimeError: all of `ys` are eager tensors: use `tf.GradientTape`.
    """
    targets = [convert_to_tensor(each) if not isinstance(each, Tensor) else each for each in _listed(ys)]
    sources = _listed(xs)
    cotangents = _listed(grad_ys) if grad_ys is not None else [None] * len(targets)
    graph = next((each.graph for each in targets if isinstance(each, SymbolicTensor)), None)
    if graph is None:
        if any(isinstance(each, EagerTensor) for each in targets) and thread.graph is None:
            raise RuntimeError(
                "tf.gradients is not supported when eager execution is enabled. Use tf.GradientTape instead."
            )
        graph = thread.graph
    building = thread.graph if thread.graph is not None else graph
    with context.building(building), building.name_scope(name):
        tensors = [_inside(graph, each) for each in sources]
        cotangents = [None if each is None else convert_to_tensor(each) for each in cotangents]
        cotangents = [
            ones_like(target, f"grad_ys_{i}") if each is None and is_differentiable(target.dtype) else each
            for i, (each, target) in enumerate(zip(cotangents, targets, strict=True))
        ]
        constants = [_inside(graph, each) for each in _listed(stop_gradients or [])]
        operations = _reaching(graph, targets)
        found = backpropagate(
            operations, targets, cotangents, tensors, constants,
            lambda operation: building.name_scope(f"{operation.name}_grad"),
        )  # fmt: skip
        if UnconnectedGradients(unconnected_gradients) is UnconnectedGradients.ZERO:
            found = [zeros_like(x) if each is None else each for each, x in zip(found, tensors)]
    return found


@export(v1=["gradients"])
def gradients_v1(
    ys: Any,
    xs: Any,
    grad_ys: Any = None,
    name: str = "gradients",
    colocate_gradients_with_ops: bool = False,
    gate_gradients: bool = False,
    aggregation_method: int | None = None,
    stop_gradients: Any = None,
    unconnected_gradients: UnconnectedGradients | str = UnconnectedGradients.NONE,
) -> list[Any]:
    """`tf.gradients` with TF 1's argument order."""
    return gradients(
        ys, xs, grad_ys, name, gate_gradients, aggregation_method, stop_gradients, unconnected_gradients
    )


def _listed(value: Any) -> list:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _inside(graph: Any, source: Any) -> Any:
    """The tensor of `graph` that stands for a source: itself, the handle of a variable, or their capture."""
    tensor = source.handle if hasattr(source, "handle") and not isinstance(source, Tensor) else source
    if isinstance(tensor, SymbolicTensor) and tensor.graph is graph:
        return tensor
    captured = graph._outside.get(id(tensor)) or getattr(graph, "_captures", {}).get(id(tensor))
    return captured[1] if captured else tensor


def _reaching(graph: Any, targets: list) -> list[Any]:
    """The operations that the targets depend on, in order."""
    needed: set[int] = set()
    stack = [each.op for each in targets if isinstance(each, SymbolicTensor)]
    found = []
    while stack:
        operation = stack.pop()
        if id(operation) in needed:
            continue
        needed.add(id(operation))
        found.append(operation)
        stack.extend(each.op for each in operation.inputs)
    return sorted(found, key=lambda operation: operation.index)


@export(v1=["hessians"])
def hessians(ys: Any, xs: Any, name: str = "hessians", **options: Any) -> list[Any]:
    """The second derivatives of the sum of `ys` with respect to each of `xs`: shape `x.shape + x.shape`."""
    return _hessians(ys, xs, name)


@export("hessians", v1=[])
def hessians_v2(
    ys: Any,
    xs: Any,
    gate_gradients: bool = False,
    aggregation_method: int | None = None,
    name: str = "hessians",
) -> list[Any]:
    """The second derivatives of the sum of `ys` with respect to each of `xs`: shape `x.shape + x.shape`."""
    return _hessians(ys, xs, name)


def _hessians(ys: Any, xs: Any, name: str) -> list[Any]:
    from penstock.engine.execute import execute

    results = []
    for x, gradient in zip(_listed(xs), gradients(ys, xs, name=name)):
        flat = execute("Reshape", (gradient, convert_to_tensor([-1])), None)
        rows = []
        for i in range(flat.shape[0]):
            (row,) = gradients(
                execute("GatherV2", (flat, convert_to_tensor(i), convert_to_tensor(0)), None), x
            )
            rows.append(zeros_like(x) if row is None else convert_to_tensor(row))
        shape = execute("Shape", (convert_to_tensor(x),), None)
        double = execute("ConcatV2", ([shape, shape], convert_to_tensor(0)), None)
        results.append(execute("Reshape", (execute("Pack", (rows,), {"axis": 0}), double), None))
    return results


@export("RegisterGradient")
class RegisterGradient:
    """Registers a gradient function under a name, for an op type or for `Graph.gradient_override_map`.

    The decorated function takes `(op, *output_gradients)` and returns a gradient, or None, for each input.
    """

    def __init__(self, op_type: str):
        if not isinstance(op_type, str):
            raise TypeError("op_type must be a string")
        self._op_type = op_type

    def __call__(self, function: Any) -> Any:
        """Registers `function`."""
        if self._op_type in REGISTERED:
            raise KeyError(f"Registering two gradient with name {self._op_type!r}!")
        REGISTERED[self._op_type] = function
        definition = REGISTRY.get(self._op_type)
        if definition is not None and definition.gradient_rule is None:
            definition.gradient_rule = function
        return function


@export("no_gradient", v1=["no_gradient", "NoGradient", "NotDifferentiable"])
def no_gradient(op_type: str) -> None:
    """Says that no gradient flows through ops of a type."""
    REGISTERED[op_type] = stops
    definition = REGISTRY.get(op_type)
    if definition is not None:
        definition.gradient_rule = stops
