"""Attention as Keras writes it, and its gradients, found among the operations of a compiled piece.

    scores = einsum("BTNH,BSNH->BNTS", q, k) * scale
    y = einsum("BNTS,BSNH->BTNH", softmax(scores), v)

One kernel computes y, another the gradients of q, k and v. Neither needs the weights that softmax gives: they are found
again from q and k, and so XLA drops them where nothing else uses them. Otherwise the pattern is left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.graph.patterns import matches
from penstock.ops.linalg import native_products
from penstock.ops.linalg.einsum import parse

if TYPE_CHECKING:
    from penstock.runtime.fusion import Compute, Uses

_SCORES = "BTNH,BSNH->BNTS"
_MEAN = "BNTS,BSNH->BTNH"


@dataclass(frozen=True, eq=False, slots=True)
class _Attention:
    """The tensors that an attention is computed from."""

    q: Any
    k: Any
    v: Any
    scale: Any

    def values(self, values: dict[int, Any]) -> list[Any]:
        return [values[id(each)] for each in (self.q, self.k, self.v, self.scale)]


def match(operation: Any, uses: Uses) -> Compute | None:
    """How to compute an Einsum that is an attention's result, or one of its gradients."""
    if id(operation) in uses.planned or not _is(operation, _MEAN):
        return None
    weights, v = operation.inputs
    found: dict[str, Any] = {}
    if not matches(("Softmax", ("Mul", "products", "scale")), weights, found):
        return None
    products, scale = found["products"], found["scale"]
    if products.shape.rank == 0:
        products, scale = scale, products
    if scale.shape.rank != 0 or not _is(products.op, _SCORES) or not uses.users(products):
        return None
    q, k = products.op.inputs
    attention = _Attention(q, k, v, scale)
    users = [each for each in uses.users(weights) if each is not operation]
    if not uses.users(weights) or (users and not _plan_gradients(attention, weights, users, uses)):
        return None

    def compute(values: dict[int, Any]) -> Sequence[Any] | None:
        y = native_products.attention(*attention.values(values))
        return None if y is None else [y]

    return compute


def _plan_gradients(attention: _Attention, weights: Any, users: list[Any], uses: Uses) -> bool:
    """Notes what computes the gradients, where the other users of the weights are exactly those that they take."""
    of_v = [each for each in users if each.type == "Einsum"]
    times = [each for each in users if each.type == "Mul"]
    if len(of_v) != 1 or len(times) != 2 or len(users) != 3:
        return False
    dy = of_v[0].inputs[0]
    if not _is(of_v[0], "BTNH,BNTS->BSNH") or of_v[0].inputs[1] is not weights:
        return False
    for last in times:
        found = {"weights": weights}
        pattern = ("Mul", ("Sub", "d_weights", ("Sum", ("Mul", "d_weights", "weights"), "axes")), "weights")
        if matches(pattern, last.outputs[0], found) and _is(found["d_weights"].op, _SCORES):
            break
    else:
        return False
    of_weights = found["d_weights"].op
    if of_weights.inputs[0] is not dy or of_weights.inputs[1] is not attention.v:
        return False
    (scaled,) = uses.users(last.outputs[0]) if len(uses.users(last.outputs[0])) == 1 else (None,)
    if scaled is None or scaled.type != "Mul" or not any(each is attention.scale for each in scaled.inputs):
        return False
    others = uses.users(scaled.outputs[0])
    of_q = [x for x in others if _is(x, _MEAN) and x.inputs[1] is attention.k]
    of_k = [x for x in others if _is(x, "BNTS,BTNH->BSNH") and x.inputs[1] is attention.q]
    if len(of_q) != 1 or len(of_k) != 1 or len(others) != 2:
        return False

    def gradient(index: int) -> Callable[[dict[int, Any]], Sequence[Any] | None]:
        def compute(values: dict[int, Any]) -> Sequence[Any] | None:
            if id(attention) not in values:  # the first of the three computes all
                q, k, v, scale = attention.values(values)
                found = native_products.attention_gradient(q, k, v, scale, values[id(dy)])
                values[id(attention)] = found
            gradients = values[id(attention)]
            return None if gradients is None else [gradients[index]]

        return compute

    for index, each in enumerate((of_q[0], of_k[0], of_v[0])):
        uses.planned[id(each)] = gradient(index)
    return True


def _is(operation: Any, equation: str) -> bool:
    """Whether an operation is an Einsum with this equation, by whatever letters."""
    if operation.type != "Einsum" or any(each.shape.rank != 4 for each in operation.inputs):
        return False
    given = operation.attrs["equation"]
    given = given.decode() if isinstance(given, bytes) else given
    if len(operation.inputs) != 2:
        return False
    return _numbered(given) == _numbered(equation)


def _numbered(equation: str) -> tuple:
    """An equation with a number for each letter, in the order in which they come first."""
    terms = parse(equation, (4, 4))
    order: dict[Any, int] = {}
    return tuple(
        tuple(order.setdefault(label, len(order)) for label in labels)
        for labels in (*terms.inputs, terms.output)
    )
