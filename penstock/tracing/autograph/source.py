"""The syntax tree of a live function, with every node at its true place in the user's file.

AutoGraph rewrites this tree (`transpiler`). The whole file is parsed, so that lines and columns need no repair and
lambdas that share a line can be told apart by the columns in their byte code.
"""

from __future__ import annotations

import ast
import copy
import functools
import linecache
from types import CodeType, FunctionType


class SourceUnavailableError(ValueError):
    """The text of a function cannot be read, so that it can only run as it is."""


class UnsupportedSyntaxError(NotImplementedError):
    """The text of a function can be read, but AutoGraph cannot rewrite it."""


def function_tree(fn: FunctionType) -> ast.FunctionDef | ast.Lambda:
    """A fresh copy of the tree of `fn`; private names (`__x` inside a class) are already mangled.

    Raises:
      SourceUnavailableError: the source is not there (an interactive shell, `exec`), or has changed since.
      UnsupportedSyntaxError: `fn` is a coroutine, or one of several lambdas that cannot be told apart.
    """
    code = fn.__code__
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
    found = [
        node
        for node in functions
        if _name(node) == code.co_name and _arguments(node) == _argument_names(code)
    ]
    if not found:
        raise SourceUnavailableError(
            f"line {code.co_firstlineno} of {code.co_filename} no longer defines {fn}: the file was edited after it "
            "was imported, or the function was made by other code"
        )
    node = found[0] if len(found) == 1 else _by_columns(found, fn)
    if isinstance(node, ast.AsyncFunctionDef):
        raise UnsupportedSyntaxError("coroutines (async def) are not supported")
    node = copy.deepcopy(node)
    owner = _owner_class(code)
    return _Mangler(owner).visit(node) if owner else node


@functools.lru_cache(maxsize=16)
def _functions_by_line(text: str) -> dict[int, list[ast.AST]]:
    """Every `def` and `lambda` of a file, by the line that its code object says it starts at."""
    table: dict[int, list[ast.AST]] = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            table.setdefault(first, []).append(node)
        elif isinstance(node, ast.Lambda):
            table.setdefault(node.lineno, []).append(node)
    return table


def _name(node: ast.AST) -> str:
    return "<lambda>" if isinstance(node, ast.Lambda) else node.name


def _arguments(node: ast.AST) -> tuple[str, ...]:
    """The names in the order of `co_varnames`: positional, keyword-only, `*args`, `**kwargs`."""
    spec = node.args
    rest = [each for each in (spec.vararg, spec.kwarg) if each is not None]
    return tuple(_demangled(each.arg) for each in (*spec.posonlyargs, *spec.args, *spec.kwonlyargs, *rest))


def _argument_names(code: CodeType) -> tuple[str, ...]:
    flags = (code.co_flags & 0x04, code.co_flags & 0x08)  # CO_VARARGS, CO_VARKEYWORDS
    count = code.co_argcount + code.co_kwonlyargcount + sum(map(bool, flags))
    return tuple(_demangled(name) for name in code.co_varnames[:count])


def _demangled(name: str) -> str:
    """`_Class__x` as the source spells it; only used to compare names."""
    return (
        name[name.index("__", 1) :]
        if name[0] == "_" and "__" in name[1:] and not name.endswith("__")
        else name
    )


def _by_columns(candidates: list[ast.AST], fn: FunctionType) -> ast.AST:
    """The smallest candidate whose body spans all of the code's instructions."""
    places = [
        ((line, column), (end_line, end_column))
        for line, end_line, column, end_column in fn.__code__.co_positions()
        if None not in (line, end_line, column, end_column) and end_column > 0
    ]
    spanning = []
    for node in candidates:
        first, last = (
            (node.body, node.body) if isinstance(node, ast.Lambda) else (node.body[0], node.body[-1])
        )
        start, end = (first.lineno, first.col_offset), (last.end_lineno, last.end_col_offset)
        if all(start <= place[0] and place[1] <= end for place in places):
            spanning.append((end[0] - start[0], end[1] - start[1], node))
    if not places or not spanning:
        raise UnsupportedSyntaxError(
            f"found multiple definitions with identical signatures at line {fn.__code__.co_firstlineno} of "
            f"{fn.__code__.co_filename}: define each lambda on a line of its own"
        )
    return min(spanning, key=lambda entry: entry[:2])[2]


def _owner_class(code: CodeType) -> str | None:
    """The innermost class whose body contains the function, as `co_qualname` tells."""
    parts = code.co_qualname.split(".")[:-1]
    # "f.<locals>.C.method": a name is a class where what follows it is not "<locals>".
    for index in range(len(parts) - 1, -1, -1):
        following = parts[index + 1] if index + 1 < len(parts) else None
        if parts[index] != "<locals>" and following != "<locals>":
            return parts[index]
    return None


class _Mangler(ast.NodeTransformer):
    """Spells private names as the compiler does inside a class: `self.__x` is `self._Class__x`."""

    def __init__(self, owner: str):
        self.prefix = "_" + owner.lstrip("_") if owner.strip("_") else ""

    def _mangle(self, name: str) -> str:
        private = self.prefix and name.startswith("__") and not name.endswith("__") and "." not in name
        return self.prefix + name if private else name

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.name = self._mangle(node.name)
        return self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        node.attr = self._mangle(node.attr)
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self._mangle(node.id)
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.arg = self._mangle(node.arg)
        return self.generic_visit(node)

    def visit_keyword(self, node: ast.keyword) -> ast.AST:
        node.arg = node.arg and self._mangle(node.arg)
        return self.generic_visit(node)

    def visit_Nonlocal(self, node: ast.Nonlocal) -> ast.AST:
        node.names = [self._mangle(name) for name in node.names]
        return node

    visit_Global = visit_Nonlocal  # noqa: N815 - the names that NodeTransformer asks for

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return node  # has a mangling of its own, which the compiler will do
