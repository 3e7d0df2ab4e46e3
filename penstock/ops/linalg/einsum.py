"""Einsum and tensordot: sums of products given by labels of dimensions.

An equation is parsed once into `Terms`. The NumPy body contracts operands pair by pair with matrix products, XLA gets
JAX's einsum, and the gradient of an einsum is again an einsum.
"""

from __future__ import annotations

import functools
import itertools
import math
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.definition import op
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.engine.shape_rules import ShapeCall
from penstock.engine.static_value import constant_value
from penstock.engine.xla import jnp
from penstock.ops import creation, reshaping
from penstock.ops.arguments import matching
from penstock.ops.broadcasting import sum_to_operands
from penstock.ops.linalg import native_products
from penstock.ops.linalg.matmul import product
from penstock.types.shapes import TensorShape, broadcast_shape
from penstock.types.tensors import Tensor

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Terms(NamedTuple):
    """An equation for operands of known rank.

    Labels are letters, and numbers for the dimensions that `...` stands for: -1 is the last of them.
    """

    inputs: tuple[tuple, ...]
    output: tuple


@functools.lru_cache(maxsize=1024)
def parse(equation: str, ranks: tuple[int, ...]) -> Terms:
    """Reads an equation.

    Raises:
      ValueError: it does not fit the operands, or is none.
    """
    left, _, right = equation.replace(" ", "").partition("->")
    subscripts = left.split(",")
    if len(subscripts) != len(ranks):
        raise ValueError(f'Got {len(ranks)} inputs for equation "{equation}", expecting {len(subscripts)}')
    inputs = []
    for index, (subscript, rank) in enumerate(zip(subscripts, ranks, strict=True)):
        named = len(subscript.replace("...", ""))
        if "..." not in subscript and named != rank:
            raise ValueError(f"Expected input {index} to have rank {named} but got: {rank}")
        if named > rank:
            raise ValueError(f"Expected input {index} to have rank at least {named} but got: {rank}")
        inputs.append(_labels(subscript, rank - named))
    longest = max((sum(type(label) is int for label in labels) for labels in inputs), default=0)
    output = _labels(right, longest) if "->" in equation else _implicit(left, longest)
    missing = sum(type(label) is int for label in output)
    if missing < longest:
        raise ValueError(
            f"Output contains {longest} broadcasting dimension(s) but no ellipsis (...) was found in the output "
            "subscripts."
        )
    for label in output:
        if type(label) is not int and not any(label in labels for labels in inputs):
            raise ValueError(
                f"Output subscripts contain the label {label} not present in the input subscripts."
            )
    return Terms(tuple(inputs), output)


def _labels(subscript: str, extra: int) -> tuple:
    before, dots, after = subscript.partition("...")
    return (*before, *(range(-extra, 0) if dots else ()), *after)


def _implicit(left: str, extra: int) -> tuple:
    """The output of an equation without `->`: `...` and the labels that come once, in alphabetical order."""
    letters = left.replace(",", "").replace(".", "")
    return (
        *(range(-extra, 0) if "..." in left else ()),
        *sorted(x for x in set(letters) if letters.count(x) == 1),
    )


# The NumPy body.


def _einsum(operands: list, *, equation: Any) -> np.ndarray:
    equation = equation.decode() if isinstance(equation, bytes) else equation
    terms = parse(equation, tuple(x.ndim for x in operands))
    pending = [_diagonal(x, labels) for x, labels in zip(operands, terms.inputs, strict=True)]
    _check_sizes(pending)
    wanted = tuple(dict.fromkeys(terms.output))
    while len(pending) > 1:
        first, second = _cheapest_pair([labels for _, labels in pending], [x.shape for x, _ in pending])
        a, b = pending[first], pending[second]
        pending = [each for i, each in enumerate(pending) if i not in (first, second)]
        needed = {*wanted, *(label for _, labels in pending for label in labels)}
        pending.append(_contract(a, b, needed))
    x, labels = _sum_out(*pending[0], set(wanted))
    x = x.transpose([labels.index(label) for label in wanted])
    return x if wanted == terms.output else _spread_diagonal(np, x, wanted, terms.output)


def _diagonal(x: np.ndarray, labels: tuple) -> tuple[np.ndarray, tuple]:
    """The part of `x` where the indices of repeated labels are equal."""
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            if x.shape[first] != x.shape[second]:
                raise ValueError(
                    f"Expected dimension {x.shape[first]} at axis {second} of label {label}, got {x.shape[second]}"
                )
            x = np.diagonal(x, axis1=first, axis2=second)
            labels = (*labels[:first], *labels[first + 1 : second], *labels[second + 1 :], label)
    return x, labels


def _check_sizes(operands: list[tuple]) -> None:
    sizes: dict[Any, int] = {}
    for x, labels in operands:
        for size, label in zip(x.shape, labels, strict=True):
            known = sizes.setdefault(label, size)
            if known != size:
                if type(label) is not int or 1 not in (known, size):
                    raise ValueError(f"Expected dimension {known} for label {label}, got {size}")
                sizes[label] = max(known, size)


def _cheapest_pair(terms: Sequence[tuple], shapes: Sequence[Sequence[int]]) -> tuple[int, int]:
    """The two operands whose contraction gives the smallest result: greedy, as `opt_einsum` calls it."""
    if len(terms) == 2:
        return 0, 1
    sizes = {label: n for labels, shape in zip(terms, shapes) for label, n in zip(labels, shape, strict=True)}

    def cost(pair: tuple[int, int]) -> int:
        return math.prod(sizes[label] for label in {*terms[pair[0]], *terms[pair[1]]})

    return min(((i, j) for j in range(len(terms)) for i in range(j)), key=cost)


def _sum_out(x: np.ndarray, labels: tuple, kept: set) -> tuple[np.ndarray, tuple]:
    axes = tuple(axis for axis, label in enumerate(labels) if label not in kept)
    if not axes:
        return x, labels
    return x.sum(axes, dtype=x.dtype), tuple(label for label in labels if label in kept)


def _contract(first: tuple, second: tuple, needed: set) -> tuple[np.ndarray, tuple]:
    """The product of two operands, summed over the labels that nothing else needs: one batched matrix product."""
    a, a_labels = _sum_out(first[0], first[1], needed | set(second[1]))
    b, b_labels = _sum_out(second[0], second[1], needed | set(first[1]))
    batch = [label for label in a_labels if label in b_labels and label in needed]
    summed = [label for label in a_labels if label in b_labels and label not in needed]
    left = [label for label in a_labels if label not in b_labels]
    right = [label for label in b_labels if label not in a_labels]
    a = a.transpose([a_labels.index(label) for label in (*batch, *left, *summed)])
    b = b.transpose([b_labels.index(label) for label in (*batch, *summed, *right)])
    count = len(batch)
    left_shape, right_shape = a.shape[count : count + len(left)], b.shape[count + len(summed) :]
    inner = math.prod(b.shape[count : count + len(summed)])
    a = a.reshape(*a.shape[:count], math.prod(left_shape), inner)
    b = b.reshape(*b.shape[:count], inner, math.prod(right_shape))
    found = product(np, a, b) if summed else a * b
    return found.reshape((*found.shape[:count], *left_shape, *right_shape)), (*batch, *left, *right)


def _spread_diagonal(xp: Any, x: Any, labels: tuple, output: tuple) -> Any:
    """`x` on the diagonals that repeated output labels name, and zeros elsewhere."""
    for position, label in enumerate(output):
        first = output.index(label)
        if first == position:
            continue
        size = x.shape[first]
        x = xp.expand_dims(x, position)
        shape = [size if axis in (first, position) else 1 for axis in range(x.ndim)]
        x = xp.where(np.eye(size, dtype=bool).reshape(shape), x, xp.zeros((), x.dtype))
    return x


def _einsum_xla(operands: list, *, equation: Any) -> Any:
    equation = equation.decode() if isinstance(equation, bytes) else equation
    terms = parse(equation, tuple(np.ndim(x) for x in operands))
    wanted = tuple(dict.fromkeys(terms.output))
    letters = _letters([*terms.inputs, wanted])
    parts = ["".join(letters[label] for label in labels) for labels in terms.inputs]
    shapes = [
        dict(zip(labels, np.shape(x), strict=True)) for labels, x in zip(terms.inputs, operands, strict=True)
    ]
    # A dimension of `...` that is 1 here and larger elsewhere is dropped here, which repeats it.
    dropped: list[set] = [
        {
            label
            for label, size in shape.items()
            if type(label) is int and size == 1 and _largest(shapes, label) > 1
        }
        for shape in shapes
    ]
    for i, (labels, gone) in enumerate(zip(terms.inputs, dropped, strict=True)):
        if gone:
            operands[i] = jnp.squeeze(operands[i], [labels.index(label) for label in gone])
            parts[i] = "".join(letters[label] for label in labels if label not in gone)
    found = _product_of(parts, "".join(letters[label] for label in wanted), operands)
    return found if wanted == terms.output else _spread_diagonal(jnp, found, wanted, terms.output)


def _product_of(parts: list[str], output: str, operands: list) -> Any:
    """The product by a native kernel, or by XLA."""

    def by_xla(*operands: Any) -> Any:
        return _joined_einsum(parts, output, operands)

    if len(parts) == 2:
        (a, b), (a_labels, b_labels) = operands, parts
        found = native_products.product(a, b, a_labels, b_labels, output, by_xla)
        if found is not None:
            return found
    return by_xla(*operands)


def _joined_einsum(parts: list[str], output: str, operands: Sequence[Any]) -> Any:
    """The product, with dimensions that stand side by side everywhere joined into one.

    XLA's products contract one dimension of matrices as they lie; before others, it writes a transposed copy.
    """
    sizes = {letter: size for part, x in zip(parts, operands) for letter, size in zip(part, x.shape)}
    if any(tuple(sizes[letter] for letter in part) != x.shape for part, x in zip(parts, operands)):
        return jnp.einsum(f"{','.join(parts)}->{output}", *operands)
    terms, groups = [*parts, output], {letter: letter for letter in sizes}
    while (pair := _neighbours(terms)) is not None:
        first, second = pair
        terms = [term.replace(second, "") for term in terms]
        groups[first] += groups.pop(second)
    joined = [
        x.reshape([math.prod(sizes[each] for each in groups[letter]) for letter in term])
        for x, term in zip(operands, terms)
    ]
    found = jnp.einsum(f"{','.join(terms[:-1])}->{terms[-1]}", *joined)
    return found.reshape([sizes[letter] for letter in output])


def _neighbours(terms: Sequence[str]) -> tuple[str, str] | None:
    """Two letters of which the second follows the first wherever one of them stands."""
    for first, second in sorted({pair for term in terms for pair in itertools.pairwise(term)}):
        if all(term.count(first) == term.count(second) == term.count(first + second) <= 1 for term in terms):
            return first, second
    return None


def _largest(shapes: list[dict], label: Any) -> int:
    return max(shape.get(label, 1) for shape in shapes)


def _letters(labels: Sequence[tuple]) -> dict:
    """A letter for each label: its own, or a free one for the dimensions of `...`."""
    used = {label for each in labels for label in each if type(label) is str}
    free = iter(letter for letter in _LETTERS if letter not in used)
    numbers = sorted({label for each in labels for label in each if type(label) is int})
    return {**{label: label for label in used}, **{label: next(free) for label in numbers}}


# Shape rule and gradient.


def _einsum_shape(call: ShapeCall) -> TensorShape:
    shapes = [each.shape for each in call.inputs]
    if any(shape.rank is None for shape in shapes):
        return TensorShape(None)
    equation = call.attrs["equation"]
    equation = equation.decode() if isinstance(equation, bytes) else equation
    try:
        terms = parse(equation, tuple(shape.rank for shape in shapes))
    except ValueError as error:
        raise call.error(str(error)) from None
    sizes: dict[Any, TensorShape] = {}
    for shape, labels in zip(shapes, terms.inputs, strict=True):
        for size, label in zip(shape.as_list(), labels, strict=True):
            one = TensorShape([size])
            try:
                known = sizes.setdefault(label, one)
                sizes[label] = broadcast_shape(known, one) if type(label) is int else known.merge_with(one)
            except ValueError:
                raise call.error(
                    f"the sizes of label {label} in {equation!r} differ: {known[0]} and {size}"
                ) from None
    return TensorShape([sizes[label][0] for label in terms.output])


def _einsum_gradient(op: Any, dy: Any) -> list:
    """d/dx of a sum of products: `dy` times the other operands, summed to the labels of x."""
    operands, equation = list(op.inputs), op.attrs["equation"]
    equation = equation.decode() if isinstance(equation, bytes) else equation
    if any(x.shape.rank is None for x in operands):
        raise ValueError(f"the gradient of einsum {equation!r} needs operands of known rank")
    terms = parse(equation, tuple(x.shape.rank for x in operands))
    letters = _letters([*terms.inputs, terms.output])
    dy = convert_to_tensor(dy)
    gradients = []
    for index, (x, labels) in enumerate(zip(operands, terms.inputs, strict=True)):
        others = [each for i, each in enumerate(zip(operands, terms.inputs, strict=True)) if i != index]
        factors = [(dy, terms.output)] + [(_conj(other), theirs) for other, theirs in others]
        known = {label for _, theirs in factors for label in theirs}
        alone = tuple(dict.fromkeys(label for label in labels if label not in known))
        if alone:  # summed over x itself: every element gets the same
            shape = execute("Shape", (x,), {"out_type": _INT32})
            sizes = execute(
                "GatherV2", (shape, _vector([labels.index(label) for label in alone]), _scalar(0))
            )
            factors.append((creation.ones(sizes, dy.dtype), alone))
        dots = tuple(label for label in terms.output if type(label) is int)
        gradients.append(_factor_gradient(x, labels, factors, dots, letters))
    return gradients


def _factor_gradient(x: Tensor, labels: tuple, factors: list, dots: tuple, letters: dict) -> Tensor:
    named = tuple(label for label in labels if type(label) is not int)
    target = (*dots, *named)  # `...` in front, where broadcasting aligns it
    left = ",".join(_term(theirs, letters) for _, theirs in factors)
    equation = f"{left}->{_term(target, letters)}"
    found = execute("Einsum", ([factor for factor, _ in factors],), {"equation": equation})
    if len(named) == len(labels) and not dots:
        return found
    order = [i for i, label in enumerate(labels) if type(label) is int]
    order += [i for i, label in enumerate(labels) if type(label) is not int]
    moved = reshaping.transpose(x, order)
    found = sum_to_operands(moved, found, found, None)[0]
    return reshaping.transpose(found, np.argsort(order).tolist())


def _term(labels: tuple, letters: dict) -> str:
    """Labels as text; the dimensions of `...` are written so, to let them broadcast."""
    text = "".join("." if type(label) is int else letters[label] for label in labels)
    return re.sub(r"\.+", "...", text)


_INT32 = creation.dtypes.int32


def _vector(values: list[int]) -> Tensor:
    return convert_to_tensor(np.array(values, np.int32))


def _scalar(value: int) -> Tensor:
    return convert_to_tensor(value)


def _conj(x: Tensor) -> Tensor:
    return execute("Conj", (x,)) if x.dtype.is_complex else x


op(
    "Einsum(inputs: N*T; equation) -> output: T",
    numpy=_einsum,
    xla=_einsum_xla,
    shape=_einsum_shape,
    gradient=_einsum_gradient,
)


@export("einsum", "linalg.einsum")
def einsum(equation: str, *inputs: Any, **kwargs: Any) -> Tensor:
    """A sum of products, given by labels of dimensions: "ij,jk->ik" is the product of two matrices.

    Args:
      equation: a label for each dimension of each operand, and those of the result after `->`. Labels that are not
        in the result are summed over; a label that comes twice in an operand takes its diagonal; `...` stands for
        dimensions that broadcast.
      *inputs: tensors of one dtype.
      optimize: how to order products of three and more operands; the greedy order is always used.
      name: the node's name in a graph.

    Raises:
      ValueError: the equation does not fit the operands.
      TypeError: an unknown keyword.
      InvalidArgumentError: the sizes of a label differ.

    Example:
      >>> import penstock as tf
      >>> tf.einsum("ij,jk->ik", [[1, 2]], [[3], [4]]).numpy().tolist()
      [[11]]
    """
    name = kwargs.pop("name", None)
    kwargs.pop("optimize", None)
    if kwargs:
        raise TypeError(
            f"Invalid keyword arguments for einsum: {', '.join(kwargs)}. Valid arguments: name, optimize, greedy."
        )
    if len(inputs) == 1 and isinstance(inputs[0], (list, tuple)) and "," in equation:
        inputs = tuple(inputs[0])
    text = equation.replace(" ", "")
    if re.fullmatch(r"[a-zA-Z.,]*(->[a-zA-Z.]*)?", text) is None or re.search(r"\.", text.replace("...", "")):
        raise ValueError(
            f"Indices have incorrect format: {equation!r}. Labels are letters, and '...' may come once in each"
        )
    left, arrow, right = text.partition("->")
    if left.count(",") + 1 != len(inputs):
        raise ValueError(
            f'Got {len(inputs)} inputs for equation "{equation}", expecting {left.count(",") + 1}'
        )
    if any(right.count(label) > 1 for label in right.replace("...", "")):
        raise ValueError(f"Output subscripts contain a label appearing more than once: {equation}")
    for label in right.replace("...", ""):
        if label not in left:
            raise ValueError(
                f"Output subscripts contain the label {label} not present in the input subscripts."
            )
    if not arrow:
        text = f"{left}->{'...' * ('...' in left)}{''.join(str(x) for x in _implicit(left, 0))}"
    operands = matching(*inputs)
    if thread.graph is not None and len(operands) > 2:
        operands, text = _in_pairs(operands, text)
    return execute("Einsum", (operands,), {"equation": text}, name or "einsum")


def _in_pairs(operands: Sequence[Tensor], equation: str) -> tuple[list[Tensor], str]:
    """Contracts operands in a graph until two are left, since TensorFlow's op takes no more; what is left to do.

    The cheapest pair comes first, as in the NumPy body; where sizes are not known, the first pair.
    """
    left, _, right = equation.partition("->")
    factors = list(zip(operands, left.split(","), strict=True))
    while len(factors) > 2:
        first, second = 0, 1
        if all(x.shape.is_fully_defined() for x, _ in factors):
            whole = ",".join(labels for _, labels in factors)
            terms = parse(f"{whole}->{right}", tuple(x.shape.rank for x, _ in factors))
            first, second = _cheapest_pair(terms.inputs, [x.shape.as_list() for x, _ in factors])
        (b, b_labels), (a, a_labels) = factors.pop(second), factors.pop(first)
        both = a_labels + b_labels
        needed = set("".join([right, *(labels for _, labels in factors)])) - {"."}
        kept = "..." * ("..." in both) + "".join(dict.fromkeys(label for label in both if label in needed))
        found = execute("Einsum", ([a, b],), {"equation": f"{a_labels},{b_labels}->{kept}"})
        factors.append((found, kept))
    return [x for x, _ in factors], f"{','.join(labels for _, labels in factors)}->{right}"


@export("tensordot", "linalg.tensordot")
def tensordot(a: Any, b: Any, axes: Any, name: str | None = None) -> Tensor:
    """The product of two tensors, summed over pairs of axes.

    Args:
      a, b: tensors of one dtype, of known rank.
      axes: an int n, for the last n axes of `a` and the first n of `b`; or two lists of axes, one for each.

    Returns:
      A tensor with the other axes of `a`, followed by the other axes of `b`.

    Raises:
      ValueError: the axes do not fit the tensors.

    Example:
      >>> import penstock as tf
      >>> int(tf.tensordot([1, 2, 3], [4, 5, 6], 1))
      32
    """
    a, b = matching(a, b)
    ranks = a.shape.rank, b.shape.rank
    if None in ranks:
        raise ValueError("tf.tensordot needs tensors of known rank")
    first, second = _contracted_axes(axes, *ranks)
    letters = iter(_LETTERS)
    a_labels = [next(letters) for _ in range(ranks[0])]
    b_labels = [next(letters) for _ in range(ranks[1])]
    for i, j in zip(first, second, strict=True):
        b_labels[j] = a_labels[i]
    kept = [x for i, x in enumerate(a_labels) if i not in first] + [
        x for j, x in enumerate(b_labels) if j not in second
    ]
    equation = f"{''.join(a_labels)},{''.join(b_labels)}->{''.join(kept)}"
    return execute("Einsum", ([a, b],), {"equation": equation}, name or "Tensordot")


def _contracted_axes(axes: Any, a_rank: int, b_rank: int) -> tuple[list[int], list[int]]:
    if isinstance(axes, Tensor):
        axes = constant_value(axes)
        if axes is None:
            raise ValueError("tf.tensordot needs axes that are known while the graph is built")
    axes = np.asarray(axes).tolist() if not isinstance(axes, (list, tuple)) else axes
    if isinstance(axes, int):
        if axes < 0:
            raise ValueError(f"`axes` must be at least 0. Received: {axes}.")
        for rank in (a_rank, b_rank):
            if axes > rank:
                raise ValueError(
                    f"`axes` must not be larger than the number of dimensions of the tensors. Received {axes}, vs "
                    f"tensor dimensions {rank}."
                )
        return list(range(a_rank - axes, a_rank)), list(range(axes))
    if len(axes) != 2:
        raise ValueError(f"`axes` must be an integer or have length 2. Received {axes}.")
    first, second = ([int(i) for i in np.atleast_1d(each)] for each in axes)
    if len(first) != len(second):
        raise ValueError(f"Different number of contraction axes `a` and `b`, {len(first)} != {len(second)}.")
    for each, rank in ((first, a_rank), (second, b_rank)):
        if any(not -rank <= axis < rank for axis in each):
            raise ValueError(f"axes {each} must be in [{-rank}, {rank})")
    return [axis % a_rank for axis in first], [axis % b_rank for axis in second]
