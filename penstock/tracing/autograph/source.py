"""The syntax tree of a live function, with every node at its true place in the user's file.

AutoGraph rewrites this tree (`transpiler`). The whole file is parsed, so that lines and columns need no repair and
lambdas that share a line can be told apart by the columns in their byte code.
"""

from __future__ import annotations

import ast
import copy
import functools
import inspect
import linecache
from types import CodeType, FunctionType
from typing import Any

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class SourceUnavailableError(ValueError):
    """The text of a function cannot be read, so that it can only run as it is."""


class UnsupportedSyntaxError(NotImplementedError):
    """The text of a function can be read, but AutoGraph cannot rewrite it."""


def function_tree(fn: FunctionType) -> Any:
    """A fresh copy of the tree of `fn`; private names (`__x` inside a class) are already mangled.

    Raises:
      SourceUnavailableError: the source is not there (an interactive shell, `exec`), or has changed since.
      UnsupportedSyntaxError: `fn` is a coroutine, or one of several lambdas that cannot be told apart.
    """
    code = fn.__code__
    owner = _owner_class(code)
    linecache.checkcache(code.co_filename)
    text = "".join(linecache.getlines(code.co_filename, fn.__globals__))
    if not text:
        raise SourceUnavailableError(
            f"Unable to locate the source code of {fn}. Note that functions defined in certain environments, like the "
            "interactive Python shell, do not expose their source code. If that is the case, you should define them in "
            "a .py source file."
        )
    try:
        functions = _functions_by_line(text).get(code.co_firstlineno, ())
    except SyntaxError as error:
        raise SourceUnavailableError(f"{code.co_filename} cannot be parsed: {error}") from error
    wanted = code.co_name, _arguments_of_code(code)
    found = [node for node in functions if (_name(node), _arguments(node, owner)) == wanted]
    if not found:
        raise SourceUnavailableError(
            f"line {code.co_firstlineno} of {code.co_filename} no longer defines {fn}: the file was edited after it "
            "was imported, or the function was made by other code"
        )
    node = found[0] if len(found) == 1 else _by_columns(found, code)
    if isinstance(node, ast.AsyncFunctionDef):
        raise UnsupportedSyntaxError("coroutines (async def) are not supported")
    node = copy.deepcopy(node)
    return node if owner is None else _Mangler(owner).visit(node)


@functools.lru_cache(maxsize=16)
def _functions_by_line(text: str) -> dict[int, list[FunctionNode]]:
    """Every `def` and `lambda` of a file, by the line that its code object says it starts at."""
    table: dict[int, list[FunctionNode]] = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            table.setdefault(first, []).append(node)
        elif isinstance(node, ast.Lambda):
            table.setdefault(node.lineno, []).append(node)
    return table


def _name(node: FunctionNode) -> str:
    return "<lambda>" if isinstance(node, ast.Lambda) else node.name


def _arguments(node: FunctionNode, owner: str | None) -> tuple[str, ...]:
    """The names of the arguments in the order in which code objects have them."""
    spec = node.args
    rest = [each for each in (spec.vararg, spec.kwarg) if each is not None]
    return tuple(
        _mangled(each.arg, owner) for each in (*spec.posonlyargs, *spec.args, *spec.kwonlyargs, *rest)
    )


def _arguments_of_code(code: CodeType) -> tuple[str, ...]:
    rest = sum(bool(code.co_flags & flag) for flag in (inspect.CO_VARARGS, inspect.CO_VARKEYWORDS))
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount + rest]


def _by_columns(candidates: list[FunctionNode], code: CodeType) -> FunctionNode:
    """Of lambdas on one line, the smallest whose body spans all of the code's instructions."""
    places: list[Any] = [
        ((line, column), (end_line, end_column))
        for line, end_line, column, end_column in code.co_positions()
        if None not in (line, end_line, column, end_column) and end_column
    ]
    spanning: list[tuple[int, int, FunctionNode]] = []
    for node in candidates:
        body: Any = node.body
        start, end = (body.lineno, body.col_offset), (body.end_lineno, body.end_col_offset)
        if all(start <= first and last <= end for first, last in places):
            spanning.append((end[0] - start[0], end[1] - start[1], node))
    if not places or not spanning:
        raise UnsupportedSyntaxError(
            f"found multiple definitions with identical signatures at line {code.co_firstlineno} of "
            f"{code.co_filename}: define each lambda on a line of its own"
        )
    return min(spanning, key=lambda entry: entry[:2])[2]


def _owner_class(code: CodeType) -> str | None:
    """The innermost class whose body contains the function, as `co_qualname` tells."""
    parts = code.co_qualname.split(".")[:-1]
    # In "f.<locals>.C.method" a name is a class where what follows it is not "<locals>".
    for index in reversed(range(len(parts))):
        if "<locals>" not in parts[index : index + 2]:
            return parts[index]
    return None


def _mangled(name: str, owner: str | None) -> str:
    """A name as the compiler spells it inside the class `owner`: `__x` is `_Class__x`."""
    private = name.startswith("__") and not name.endswith("__")
    return f"_{owner.lstrip('_')}{name}" if private and owner and owner.strip("_") else name


class _Mangler(ast.NodeTransformer):
    """Mangles the private names of a function that is defined in a class."""

    def __init__(self, owner: str):
        self.owner = owner

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, ast.ClassDef):
            return node  # has a mangling of its own, which the compiler will do
        for field in ("id", "attr", "arg", "name"):
            value = getattr(node, field, None)
            if isinstance(value, str):
                setattr(node, field, _mangled(value, self.owner))
        if isinstance(node, (ast.Nonlocal, ast.Global)):
            node.names = [_mangled(name, self.owner) for name in node.names]
        return self.generic_visit(node)
