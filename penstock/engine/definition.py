"""What an op is: its signature, kernels, shape rule and gradient, defined together and kept in `REGISTRY`.

    op("Tanh(x: T) -> y: T", lambda xp, x: xp.tanh(x), shape=unchanged, gradient=lambda op, dy: ...)

Op types, argument order and attribute names are those of TensorFlow's op registry, so that graphs interchange.
The kernel is written once against an array namespace `xp` (numpy: the eager kernel; jax.numpy: the XLA lowering);
where one body cannot serve both, `.numpy` and `.xla` bodies stand instead. Called by the funnel, by graph building
(dtypes and shapes), by the lowering and by the gradient walker.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from penstock.engine.index_range import IndexRange
from penstock.engine.xla import jnp
from penstock.types.dtypes import DType, as_dtype

REGISTRY: dict[str, OpDef] = {}

_NESTING = re.compile(r"[\[('\"]")
_HEAD = re.compile(r"^\s*(\w+)\s*\((.*?)\)\s*->\s*(.*?)\s*$", re.DOTALL)


class Argument:
    """One input or output of a signature: a tensor, or a list of tensors.

    `kind` is "single", "repeat" (`N*T`: `count` names the length attribute) or "list" (`*Ts`: `type` names an
    attribute that holds a list of dtypes). `type` is a DType, or the name of the attribute that holds it.
    """

    __slots__ = ("name", "kind", "type", "count")

    def __init__(self, text: str):
        name, _, kind = text.partition(":")
        self.name, kind = name.strip(), kind.strip()
        self.kind, self.count = "single", None
        if kind.startswith("*"):
            self.kind, kind = "list", kind[1:].strip()
        elif "*" in kind:
            self.kind = "repeat"
            self.count, kind = (part.strip() for part in kind.split("*"))
        try:
            self.type: DType | str = as_dtype(kind)
        except TypeError:
            self.type = kind


class Signature:
    """The parsed form of `Name(a: T, b: N*T; attr, other=1) -> (y: T, z: int32)`."""

    __slots__ = (
        "type", "inputs", "outputs", "attrs", "has_list_inputs", "single_output", "type_pairs", "opaque_outputs",
        "takes_resource", "generic_outputs", "dtype_attrs",
    )  # fmt: skip

    def __init__(self, text: str):
        head = _HEAD.match(text)
        if head is None:
            raise ValueError(f"not an op signature: {text!r}")
        self.type, arguments, results = head.groups()
        arguments, _, attrs = arguments.partition(";")
        self.inputs = [Argument(part) for part in _split(arguments)]
        self.outputs = [Argument(part) for part in _split(results.strip("()"))]
        self.attrs = dict(_attr(part) for part in _split(attrs))
        self.has_list_inputs = any(argument.kind != "single" for argument in self.inputs)
        self.single_output = len(self.outputs) == 1 and self.outputs[0].kind == "single"
        self.type_pairs = () if self.has_list_inputs else self._type_pairs()
        self.takes_resource = bool(self.inputs) and self.inputs[0].type is as_dtype("resource")
        # NumPy arrays do not tell these dtypes, so outputs are labelled from the signature.
        self.opaque_outputs = any(
            isinstance(output.type, DType) and not output.type.is_numpy_compatible for output in self.outputs
        )
        # Nor do they tell quantized integers from plain ones: those come from the inputs, or from attributes.
        bound = {argument.type for argument in self.inputs}
        letters = [output.type for output in self.outputs if isinstance(output.type, str)]
        self.generic_outputs = any(letter in bound for letter in letters)
        self.dtype_attrs = tuple(letter for letter in letters if letter not in bound and letter in self.attrs)

    def _type_pairs(self) -> tuple[tuple[int, int], ...]:
        """Pairs of inputs that must have the same dtype."""
        first: dict[str, int] = {}
        pairs = []
        for index, argument in enumerate(self.inputs):
            if isinstance(argument.type, str) and first.setdefault(argument.type, index) != index:
                pairs.append((first[argument.type], index))
        return tuple(pairs)


REQUIRED = object()  # the default of an attribute that every call must give


def _split(text: str) -> list[str]:
    """Splits at commas that are not inside brackets or quotes."""
    if not _NESTING.search(text):
        return [part for part in map(str.strip, text.split(",")) if part]
    parts, depth, quote, start = [], 0, "", 0
    for i, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in "[(":
            depth += 1
        elif character in "])":
            depth -= 1
        elif character == "," and not depth:
            parts.append(text[start:i])
            start = i + 1
    return [part.strip() for part in [*parts, text[start:]] if part.strip()]


@functools.cache  # the same attributes stand in many signatures
def _attr(text: str) -> tuple[str, Any]:
    """The name and the default of `name` or `name=default`."""
    name, equals, value = (part.strip() for part in text.partition("="))
    if not equals:
        return name, REQUIRED
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, as_dtype(value)


class Check(NamedTuple):
    """What an op that checks its inputs looks for. In a compiled piece it is looked at after the piece has run.

    Attributes:
      fails: `fails(xp, *inputs, **attrs)`: whether the inputs are bad, a bool.
      error: `error(*inputs, **attrs)`: the error for bad inputs. An input that is not at hand any more is None.
    """

    fails: Callable
    error: Callable


NEVER_LARGE = 1 << 62  # elements
_MOST_SHAPES = 256  # that an op remembers to have been called with


class OpDef:
    """All that is known about one op. Made by `op`, which see."""

    __slots__ = (
        "type", "signature", "defaults", "kernel_body", "numpy_body", "xla_body", "shape_rule", "gradient_rule",
        "stateful", "writes", "view", "lowering", "on_host", "eager_jit", "nested", "allowed", "make_stream", "check",
        "is_plain", "index_range", "calls", "large", "_shapes_seen",
    )  # fmt: skip

    def __init__(self, signature: str):
        self.signature = Signature(signature)
        self.type = self.signature.type
        self.defaults = {name: value for name, value in self.signature.attrs.items() if value is not REQUIRED}
        self.kernel_body: Callable | None = None
        self.numpy_body: Callable | None = None
        self.xla_body: Callable | None = None
        self.shape_rule: Callable | None = None
        self.gradient_rule: Callable | None = None
        self.stateful = False  # keeps program order; never folded, merged or dropped from a function
        self.writes = False  # assigns the resources among its inputs (or its `_stream` attr)
        self.view = False  # moves or renames data: never worth an XLA call of its own
        self.nested: tuple[str, ...] = ()  # names of the attributes that hold FuncGraphs
        self.check: Check | None = None  # how a compiled call looks at its inputs
        self.index_range: IndexRange | None = None  # which input holds indices, and what they may be
        # attrs -> the State that each operation of this type has to itself, in its hidden attribute `_stream`.
        self.make_stream: Callable[[dict], Any] | None = None
        # (position of an input, the dtypes it may have); `allow` adds what type letters may stand for.
        self.allowed: tuple[tuple[int, frozenset[DType]], ...] = (
            ()
            if self.signature.has_list_inputs
            else tuple(
                (index, frozenset({argument.type}))
                for index, argument in enumerate(self.signature.inputs)
                if isinstance(argument.type, DType)
            )
        )
        self.is_plain = False  # host arrays in, one host array out: the funnel's short way
        self.lowering: Callable | None = None  # set by runtime for ops that hold graphs
        # Set for ops that call a graph they hold: operation -> for each call, id(input of the graph) -> what it gets.
        self.calls: Callable[[Any], list[dict[int, Any]]] | None = None
        # Set by runtime too, (operation, values, prefer_host) -> results.
        self.on_host: Callable | None = None
        self.eager_jit: dict = {}  # (attrs, ...) -> compiled single-op program
        # Elements of an input from which an eager call on the CPU is worth an XLA program; None: as of most ops.
        self.large: int | None = None
        self._shapes_seen: set[tuple] = set()

    def __repr__(self) -> str:
        return f"<OpDef {self.type}>"

    # Decorators that attach a body or rule; each returns the definition, so that they stack under one name.

    def kernel(self, body: Callable) -> OpDef:
        """`body(xp, *inputs, **attrs)`: the one body that serves NumPy and XLA."""
        self.kernel_body = body
        self.numpy_body = functools.partial(body, np)
        self.xla_body = functools.partial(body, jnp)
        self._note_plain()
        return self

    def comes_again(self, shapes: tuple) -> bool:
        """Whether a large eager call had arguments of these shapes before: compiling for one call would not pay."""
        if shapes in self._shapes_seen:
            return True
        if len(self._shapes_seen) >= _MOST_SHAPES:
            self._shapes_seen.clear()
        self._shapes_seen.add(shapes)
        return False

    def _note_plain(self) -> None:
        signature = self.signature
        self.is_plain = (
            bool(signature.inputs)
            and signature.single_output
            and not (
                self.stateful
                or signature.has_list_inputs
                or signature.opaque_outputs
                or signature.takes_resource
            )
        )

    def numpy(self, body: Callable) -> OpDef:
        """`body(*inputs, **attrs)` on NumPy arrays."""
        self.numpy_body = _with_string_arrays(body) if self._makes_strings() else body
        self._note_plain()
        return self

    def _makes_strings(self) -> bool:
        """Whether an output is a string, or one of a list of outputs may be."""
        return any(each.type is as_dtype("string") or each.kind == "list" for each in self.signature.outputs)

    def xla(self, body: Callable) -> OpDef:
        """`body(*inputs, **attrs)` on traced JAX arrays."""
        self.xla_body = body
        return self

    def shape(self, rule: Callable) -> OpDef:
        """`rule(call) -> TensorShape` or a list of them, one for each output; see `engine.shape_rules`."""
        self.shape_rule = rule
        return self

    def gradient(self, rule: Callable) -> OpDef:
        """`rule(op, *output_gradients)` -> one gradient (or None) for each input, in public ops."""
        self.gradient_rule = rule
        return self

    def allow(self, types: dict[str, frozenset[DType]]) -> OpDef:
        """Restricts type letters to sets of dtypes: a call with another dtype is refused."""
        first: dict[str, int] = {}
        for index, argument in enumerate(self.signature.inputs):
            if isinstance(argument.type, str) and argument.kind != "list":
                first.setdefault(argument.type, index)
        self.allowed += tuple((first[letter], dtypes) for letter, dtypes in types.items() if letter in first)
        return self

    # Uses of the signature.

    def complete(self, attrs: dict | None) -> dict:
        """`attrs` with the defaults filled in."""
        return {**self.defaults, **attrs} if attrs else self.defaults

    def flatten(self, inputs: Sequence, attrs: dict) -> tuple[list, dict]:
        """List arguments spread out; their lengths recorded in the attributes, as in a GraphDef."""
        flat, attrs = [], dict(attrs)
        for argument, value in zip(self.signature.inputs, inputs, strict=True):
            if argument.kind == "single":
                flat.append(value)
                continue
            flat.extend(value)
            if argument.kind == "repeat":
                attrs[argument.count] = len(value)
            else:
                attrs[argument.type] = [tensor.dtype for tensor in value]
        return flat, attrs

    def group(self, flat: Sequence, attrs: dict) -> list:
        """The inverse of `flatten`: one entry for each argument of the signature."""
        if not self.signature.has_list_inputs:
            return list(flat)
        grouped, position = [], 0
        for argument in self.signature.inputs:
            if argument.kind == "single":
                grouped.append(flat[position])
                position += 1
                continue
            name = argument.count if argument.kind == "repeat" else argument.type
            if name in attrs:
                length = attrs[name] if argument.kind == "repeat" else len(attrs[name])
            else:  # the attributes that kernels get; then only one argument can be a list
                length = len(flat) - len(self.signature.inputs) + 1
            grouped.append(list(flat[position : position + length]))
            position += length
        return grouped

    def type_pairs(self, flat: Sequence, attrs: dict) -> Sequence[tuple[int, int]]:
        """Pairs of flat inputs that must have the same dtype."""
        if not self.signature.has_list_inputs:
            return self.signature.type_pairs
        first: dict[str, int] = {}
        pairs, position = [], 0
        for argument, value in zip(self.signature.inputs, self.group(flat, attrs), strict=True):
            count = 1 if argument.kind == "single" else len(value)
            if isinstance(argument.type, str) and argument.kind != "list":
                for index in range(position, position + count):
                    if first.setdefault(argument.type, index) != index:
                        pairs.append((first[argument.type], index))
            position += count
        return pairs

    def attrs_for_kernel(self, attrs: dict) -> dict:
        """The attributes that the signature declares, and the stream of an op that has one."""
        declared = self.signature.attrs
        return {name: value for name, value in attrs.items() if name in declared or name == "_stream"}

    def output_dtypes(self, flat: Sequence, attrs: dict) -> list[DType]:
        """The dtype of each output of a call, from the signature."""
        bound = dict(attrs)
        for argument, value in zip(self.signature.inputs, self.group(flat, attrs), strict=True):
            if isinstance(argument.type, str) and argument.type not in bound:
                tensor = value if argument.kind == "single" else (value[0] if value else None)
                if tensor is not None:
                    bound[argument.type] = tensor.dtype.base_dtype
        dtypes: list[DType] = []
        for argument in self.signature.outputs:
            kind = argument.type if isinstance(argument.type, DType) else bound[argument.type]
            if argument.kind == "single":
                dtypes.append(as_dtype(kind))
            elif argument.kind == "repeat":
                dtypes.extend([as_dtype(kind)] * bound[argument.count])
            else:
                dtypes.extend(as_dtype(each) for each in kind)
        return dtypes

    def type_attrs(self, flat: Sequence, attrs: dict) -> dict[str, Any]:
        """The type and length attributes that a GraphDef writes beside the declared ones (`T`, `N`, ...)."""
        found: dict[str, Any] = {}
        for argument, value in zip(self.signature.inputs, self.group(flat, attrs), strict=True):
            if argument.kind == "repeat":
                found[argument.count] = len(value)
            if isinstance(argument.type, str) and argument.type not in found:
                if argument.kind == "list":
                    found[argument.type] = [tensor.dtype for tensor in value]
                elif argument.kind == "single" or value:
                    found[argument.type] = (value if argument.kind == "single" else value[0]).dtype
        return found


def _with_string_arrays(body: Callable) -> Callable:
    """A body that makes strings, which may return bytes for a scalar.

    They become arrays of objects: NumPy by itself would make arrays of a fixed width, and cut zeros at the end.
    """

    def as_array(value: Any) -> Any:
        return np.array(value, object) if type(value) is bytes else value

    @functools.wraps(body)
    def call(*inputs: Any, **attrs: Any) -> Any:
        found = body(*inputs, **attrs)
        if type(found) in (tuple, list):
            return [as_array(each) for each in found]
        return as_array(found)

    return call


def op(
    signature: str,
    kernel: Callable | None = None,
    *,
    numpy: Callable | None = None,
    xla: Callable | None = None,
    shape: Callable | None = None,
    gradient: Callable | None = None,
    stateful: bool = False,
    writes: bool = False,
    view: bool = False,
    nested: tuple[str, ...] = (),
    check: Check | None = None,
    index_range: IndexRange | None = None,
    types: dict[str, frozenset[DType]] | None = None,
    stream: Callable[[dict], Any] | None = None,
    large: int | None = None,
) -> OpDef:
    """Defines an op and puts it into `REGISTRY`.

    Args:
      signature: `"Name(a: T, list: N*T, any: *Ts; attr, other=1) -> (y: T, z: int32)"`. A type letter that no
        input binds is an attribute that calls must give (`Cast(x: SrcT; DstT) -> y: DstT`).
      kernel: `kernel(xp, *inputs, **attrs)`, for both NumPy and XLA. List arguments arrive as lists. It returns one
        array, or a tuple or list with one array for each output.
      numpy, xla: bodies for one of the two, without the `xp` argument; they win over `kernel`. An op with only a
        NumPy body runs on the host, between compiled pieces.
      shape: the shape rule. None: the XLA body is evaluated abstractly.
      gradient: `gradient(op, *output_gradients)`; `engine.definition.stops` says that no gradient flows.
      stateful: reads or changes something outside its inputs, so it keeps its place in the program.
      writes: assigns the resources among its inputs.
      view: only moves or renames data.
      nested: the attributes that hold FuncGraphs.
      check: what a compiled call looks for in its inputs; the XLA body then only passes them on.
      index_range: what the indices among the inputs may be; a compiled call raises where they are something else.
      types: the dtypes that a type letter may stand for, as in TensorFlow's registry; any where it is left out.
      large: elements of an input from which an eager call on the CPU goes to XLA, where shapes come again: fewer than
        usual where the NumPy body is slow, `NEVER_LARGE` where it is as fast as XLA.
      stream: `stream(attrs)` makes the state that each operation of a graph has to itself (random ops). Kernels get it
        as `_stream`; an eager call gives none.
    """
    definition = OpDef(signature)
    if kernel is not None:
        definition.kernel(kernel)
    if numpy is not None:
        definition.numpy(numpy)
    definition.xla_body = xla or definition.xla_body
    definition.shape_rule, definition.gradient_rule = shape, gradient
    definition.stateful, definition.writes, definition.view = stateful or writes, writes, view
    definition.nested, definition.make_stream, definition.check = nested, stream, check
    definition.index_range, definition.large = index_range, large
    if types:
        definition.allow(types)
    if definition.numpy_body is not None:
        definition._note_plain()
    if definition.type in REGISTRY:
        raise ValueError(f"op {definition.type} is defined twice")
    REGISTRY[definition.type] = definition
    return definition


def stops(call: Any, *gradients: Any) -> list[None]:
    """The gradient rule of an op through which no gradient flows."""
    return [None] * len(call.inputs)


def wants(call: Any, index: int) -> bool:
    """Whether a gradient rule is asked for the gradient of input `index`; always true where that is not known."""
    wanted = getattr(call, "wanted", None)
    return wanted is None or wanted[index]
