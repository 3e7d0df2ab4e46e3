"""The names of a graph's nodes: unique, under scopes, and for constants and reads of variables given by what uses them."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence

from penstock.engine.definition import OpDef
from penstock.graph.operation import Operation
from penstock.types.tensors import SymbolicTensor

_NAME = re.compile(r"^[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*$")
_INNER_NAME = re.compile(r"^[A-Za-z0-9_.\\/>-]*$")  # of a scope in another one

# The nodes that converting an argument of an op makes. The op gives them their names.
NAMED_BY_USE = frozenset({"Const", "ReadVariableOp"})

# Inputs that TensorFlow's Python functions call otherwise than the registry.
_INPUT_NAMES = {"StridedSlice": ("input", "stack", "stack_1", "stack_2")}


def _input_names(definition: OpDef, attrs: dict) -> Sequence[str]:
    """A name for each of a node's inputs; those of a list are numbered."""
    if definition.type in _INPUT_NAMES:
        return _INPUT_NAMES[definition.type]
    if not definition.signature.has_list_inputs:
        return [each.name for each in definition.signature.inputs]
    names: list[str] = []
    for each in definition.signature.inputs:
        if each.kind == "single":
            names.append(each.name)
        else:
            length = attrs[each.count] if each.kind == "repeat" else len(attrs[each.type])
            names += [f"{each.name}_{i}" for i in range(length)]
    return names


class Naming:
    """The part of a graph that knows the names of its nodes."""

    def __init__(self) -> None:
        self._by_name: dict[str, Operation] = {}
        self._names_in_use: dict[str, int] = {}
        self._name_stack = ""
        # Nodes that arguments of the next call were converted to, with the key of the name that they took, and its count
        # before.
        self._arguments: list[tuple[Operation, str, int]] = []

    def unique_name(self, name: str, mark_as_used: bool = True) -> str:
        """`name` under the current scope, with `_1`, `_2`, ... where it is taken. A trailing `/` means: exactly this."""
        if name.endswith("/"):
            full = name[:-1]
            if mark_as_used:
                self._names_in_use.setdefault(full.lower(), 1)
            return full
        full = f"{self._name_stack}/{name}" if self._name_stack else name
        key = full.lower()
        count = self._names_in_use.get(key, 0)
        if mark_as_used:
            self._names_in_use[key] = count + 1
        if count:
            base = full
            while key in self._names_in_use:
                full = f"{base}_{count}"
                key = full.lower()
                count += 1
            if mark_as_used:
                self._names_in_use[key] = 1
        return full

    @contextlib.contextmanager
    def name_scope(self, name: str | None) -> Iterator[str]:
        """Prefixes the names of nodes added inside; `name` ending in `/` re-enters a scope, None or "" leaves all."""
        outer = self._name_stack
        if not name:
            inner = ""
        elif name.endswith("/"):
            inner = name[:-1]
        else:
            expected = _INNER_NAME if outer else _NAME
            if not expected.match(name):
                raise ValueError(
                    f"{name!r} is not a valid scope name. A scope name has to match {expected.pattern}"
                )
            inner = self.unique_name(name)
        self._name_stack = inner
        try:
            yield inner + "/" if inner else ""
        finally:
            self._name_stack = outer

    def get_name_scope(self) -> str:
        """The current name scope, without a trailing slash."""
        return self._name_stack

    # Names of arguments.

    @contextlib.contextmanager
    def named_by_use(self, name: str) -> Iterator[None]:
        """The node `name` that is added inside is an argument of the call that is made next, which gives it its name."""
        key = f"{self._name_stack}/{name}".lower().removeprefix("/")
        before, count = self._names_in_use.get(key, 0), len(self._by_name)
        yield
        if len(self._by_name) > count:
            self._arguments.append((next(reversed(self._by_name.values())), key, before))

    def keep_constant_names(self) -> None:
        """Leaves the names of arguments as they are: they have gone to the program."""
        self._arguments.clear()

    def _name_arguments(
        self, definition: OpDef, inputs: Sequence[SymbolicTensor], attrs: dict, name: str
    ) -> None:
        """Names them as TensorFlow does: `add/y` for a constant that is the input `y` of the node `add`, and
        `add/ReadVariableOp` for a variable's value.
        """
        input_names = {
            id(each.op): each_name for each, each_name in zip(inputs, _input_names(definition, attrs))
        }
        arguments, self._arguments = self._arguments, []
        used = []
        for operation, key, before in reversed(arguments):
            if id(operation) not in input_names:
                break  # it keeps its name, and so do the numbers of those before it
            del self._by_name[operation.name]
            self._names_in_use.pop(operation.name.lower())
            if before:
                self._names_in_use[key] = before
            used.append(operation)
        for operation in reversed(used):
            own = input_names[id(operation)] if operation.type == "Const" else operation.type
            operation.name = self._unique_under(name, own)
            self._by_name[operation.name] = operation

    def _unique_under(self, scope: str, name: str) -> str:
        outer, self._name_stack = self._name_stack, scope
        try:
            return self.unique_name(name)
        finally:
            self._name_stack = outer
