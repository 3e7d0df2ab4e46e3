"""Tells a TensorFlow 1 program from a TensorFlow 2 one by reading it, without running it.

A program that uses a name which only TensorFlow 1 had (`tf.Session`, `tf.placeholder`, ...) was written for TensorFlow
1, and can only run where `tf` means that. The names are data: `tf1_only_names.txt`, made by `tools/tf1_only_names.py`.
Called by `penstock run` with `--api auto`.
"""

from __future__ import annotations

import ast
import functools
import importlib.resources
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Evidence:
    """A use of a name that only TensorFlow 1 had."""

    name: str
    file: str
    line: int

    def __str__(self) -> str:
        return f"tf.{self.name} ({self.file}:{self.line})"


@functools.cache
def tf1_only_names() -> frozenset[str]:
    """Public names of TensorFlow 1 that TensorFlow 2 does not have, without the leading `tf.`."""
    text = importlib.resources.files("penstock.standin").joinpath("tf1_only_names.txt").read_text("utf-8")
    return frozenset(line for line in text.split() if not line.startswith("#"))


def find_evidence(source: str | bytes, file: str = "<string>", folder: Path | None = None) -> Evidence | None:
    r"""The first use of a TensorFlow 1 name in a program, or None for a program of TensorFlow 2.

    Args:
      source: the program's text. One that is no valid Python has no evidence: running it will say what is wrong.
      file: its name, for `Evidence.file`.
      folder: where the program's own modules are. Those that it imports are read too, since the main file of a
        TensorFlow 1 program often names nothing but `tf.app.run`, `tf.flags` and modules of its own.

    Example:
      >>> print(find_evidence("import tensorflow as tf\nx = tf.placeholder(tf.float32)", "train.py"))
      tf.placeholder (train.py:2)
      >>> find_evidence("import tensorflow.compat.v1 as tf\nx = tf.placeholder(tf.float32)") is None
      True
    """
    waiting: list[tuple[str | bytes, str]] = [(source, file)]
    seen: set[Path] = set()
    while waiting:
        source, file = waiting.pop(0)
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError):
            continue
        uses = _uses(tree, file)
        if uses:
            return uses[0]
        if folder is None:
            continue
        for path in _own_modules(tree, folder):
            if path not in seen:
                seen.add(path)
                waiting.append((path.read_bytes(), str(path)))
    return None


def _uses(tree: ast.Module, file: str) -> list[Evidence]:
    """Every use of a TensorFlow 1 name, in the order of the text."""
    aliases = _aliases(tree)
    guarded = _guarded_nodes(tree, set(aliases))
    uses = []
    for node in ast.walk(tree):
        if node not in guarded:
            names = filter(None, map(_tf1_part, _names_of(node, aliases)))
            uses += [Evidence(name, file, getattr(node, "lineno", 0)) for name in names]
    return sorted(uses, key=lambda use: use.line)


def _names_of(node: ast.AST, aliases: dict[str, str]) -> list[str]:
    """Dotted names below `tensorflow` that one node of the program mentions."""
    if isinstance(node, ast.Attribute):
        return [_dotted_name(node, aliases)]
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and node.level == 0:
        names = [f"{node.module}.{alias.name}" for alias in node.names]
    else:
        return []
    return [name.removeprefix("tensorflow.") for name in names if name.startswith("tensorflow.")]


def _tf1_part(name: str) -> str:
    """The shortest leading part of a name that only TensorFlow 1 had ("app" of "app.flags"), or ""."""
    parts = name.split(".")
    leading = (".".join(parts[:length]) for length in range(1, len(parts) + 1))
    return next((part for part in leading if part in tf1_only_names()), "")


def _aliases(tree: ast.Module) -> dict[str, str]:
    """What the program calls `tensorflow` and the modules below it: `{"tf": "", "layers": "layers"}`."""
    aliases: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                package, _, rest = alias.name.partition(".")
                if package == "tensorflow":
                    aliases[alias.asname or package] = rest if alias.asname else ""
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            package, _, rest = (node.module or "").partition(".")
            if package == "tensorflow":
                for alias in node.names:
                    aliases[alias.asname or alias.name] = f"{rest}.{alias.name}" if rest else alias.name
    return aliases


def _dotted_name(node: ast.Attribute, aliases: dict[str, str]) -> str:
    """`tf.train.Saver` as "train.Saver"; "" where the expression does not start at an alias of tensorflow."""
    parts = [node.attr]
    value = node.value
    while isinstance(value, ast.Attribute):
        parts.append(value.attr)
        value = value.value
    if not isinstance(value, ast.Name) or value.id not in aliases:
        return ""
    if aliases[value.id]:
        parts.append(aliases[value.id])
    return ".".join(reversed(parts))


def _guarded_nodes(tree: ast.Module, aliases: set[str]) -> set[ast.AST]:
    """Nodes that run only after the program has asked which TensorFlow it has; they say nothing about its era.

    That is: an `if` that asks for the version or for an attribute, and a `try` that expects an AttributeError or
    ImportError.
    """
    guarded: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If | ast.IfExp) and _asks_for_version(node.test, aliases):
            guarded.update(ast.walk(node))
        elif isinstance(node, ast.Try) and any(map(_expects_missing_name, node.handlers)):
            guarded.update(ast.walk(node))
    return guarded


def _asks_for_version(test: ast.expr, aliases: set[str]) -> bool:
    for node in ast.walk(test):
        if isinstance(node, ast.Attribute) and node.attr in ("__version__", "VERSION", "executing_eagerly"):
            return True
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "hasattr":
            names = {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}
            if names & aliases:
                return True
    return False


def _expects_missing_name(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    names = {node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)}
    return bool(names & {"AttributeError", "ImportError", "ModuleNotFoundError", "Exception"})


def _own_modules(tree: ast.Module, folder: Path) -> Iterator[Path]:
    """Files below `folder` that the program imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            names = [module, *(f"{module}.{alias.name}".strip(".") for alias in node.names)]
        else:
            continue
        for name in filter(None, names):
            path = folder.joinpath(*name.split("."))
            for file in (path.with_suffix(".py"), path / "__init__.py"):
                if file.is_file():
                    yield file
