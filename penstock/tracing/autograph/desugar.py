"""Statements that malt refuses, said with those that it converts: `else` after loops, `while (x := f()):`."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable

from penstock.tracing.autograph.source import UnsupportedSyntaxError

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_LOOPS = (ast.For, ast.AsyncFor, ast.While)


def desugar(tree: ast.AST) -> ast.AST:
    """The tree of a function, changed in place.

    Raises:
      UnsupportedSyntaxError: an assignment expression stands where conversion would make it local to a lambda.
    """
    if not any(isinstance(node, (ast.NamedExpr, *_LOOPS)) for node in ast.walk(tree)):
        return tree
    _check_assignment_expressions(tree)
    return ast.fix_missing_locations(_Loops(tree).visit(tree))


def _check_assignment_expressions(tree: ast.AST) -> None:
    """Operands of `and`, `or`, chained comparisons and `a if c else b` are evaluated in functions of their own."""
    for node in ast.walk(tree):
        if isinstance(node, ast.BoolOp) or (isinstance(node, ast.Compare) and len(node.ops) > 1):
            operands: list[ast.AST] = [node]
        elif isinstance(node, ast.IfExp):
            operands = [node.body, node.orelse]
        else:
            continue
        if any(isinstance(inner, ast.NamedExpr) for operand in operands for inner in ast.walk(operand)):
            raise UnsupportedSyntaxError(
                f"line {node.lineno}: an assignment expression inside `and`, `or`, a chained comparison or a "
                "conditional expression is not supported"
            )


class _Loops(ast.NodeTransformer):
    """Rewrites loops from the inside out."""

    def __init__(self, tree: ast.AST):
        self._taken = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}

    def _fresh(self, name: str) -> str:
        count = 0
        candidate = name
        while candidate in self._taken:
            count += 1
            candidate = f"{name}{count}"
        self._taken.add(candidate)
        return candidate

    def visit_For(self, node: ast.For) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        return self._without_else(node)

    def visit_While(self, node: ast.While) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        if not any(isinstance(inner, ast.NamedExpr) for inner in ast.walk(node.test)):
            return self._without_else(node)
        # The test becomes a statement before the loop and at the end of each iteration.
        name = self._fresh("test_")
        evaluate = ast.copy_location(ast.Assign([ast.Name(name, ast.Store())], node.test), node.test)
        node.test = ast.copy_location(ast.Name(name, ast.Load()), node.test)
        _replace(node.body, ast.Continue, lambda each: [copy.deepcopy(evaluate), each])
        node.body.append(copy.deepcopy(evaluate))
        loop = self._without_else(node)
        return [evaluate, *(loop if isinstance(loop, list) else [loop])]

    def _without_else(self, node: ast.For | ast.While) -> ast.AST | list[ast.stmt]:
        if not node.orelse:
            return node
        orelse, node.orelse = node.orelse, []
        name = self._fresh("completed_")

        def flag(value: bool, place: ast.AST) -> ast.stmt:
            return ast.copy_location(ast.Assign([ast.Name(name, ast.Store())], ast.Constant(value)), place)

        if not _replace(node.body, ast.Break, lambda each: [flag(False, each), each]):
            return [node, *orelse]  # without a break the else part always follows
        test = ast.copy_location(ast.Name(name, ast.Load()), orelse[0])
        return [flag(True, node), node, ast.copy_location(ast.If(test, orelse, []), orelse[0])]


def _replace(
    block: list[ast.stmt], kind: type[ast.stmt], replacement: Callable[[ast.stmt], list[ast.stmt]]
) -> bool:
    """Replaces, in place, each `break` (or `continue`) of a loop's body; True where there is one."""
    found = False
    for index in reversed(range(len(block))):
        node = block[index]
        if isinstance(node, kind):
            block[index : index + 1] = replacement(node)
            found = True
        elif not isinstance(node, (*_FUNCTIONS, *_LOOPS)):
            parts = [getattr(node, field, []) for field in ("body", "orelse", "finalbody")]
            parts += [handler.body for handler in getattr(node, "handlers", [])]
            for part in parts:
                found |= _replace(part, kind, replacement)
    return found
