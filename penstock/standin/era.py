"""Tells a TensorFlow 1 program from a TensorFlow 2 one by reading it, without running it.

A program that uses names which only make sense in graph mode (`tf.Session`, `tf.placeholder`, ...; the table is
`graph_names.txt`) was written for TensorFlow 1, unless it also shows a sign of TensorFlow 2: `tf.function`, a
`tf.GradientTape`, a Keras model. Programs that mix the two run with the TensorFlow 2 namespace, which has the names
of TensorFlow 1 too, but for its losses and metrics: `tf.losses` and `tf.metrics` are Keras's there. So a program that
turns eager execution on and has TensorFlow 1's losses is one of TensorFlow 1. Called by `penstock run` with
`--api auto`.
"""

from __future__ import annotations

import ast
import functools
import importlib.resources
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# Names that a program for graph mode does not use. (tf.keras.datasets and tf.keras.utils are of both eras.)
TF2_NAMES = frozenset(
    """
    function GradientTape keras.Model keras.Sequential keras.models keras.applications
    enable_eager_execution enable_v2_behavior compat.v1.enable_eager_execution compat.v1.enable_v2_behavior
    """.split()
)

# With it a program of TensorFlow 1 has tapes and Keras models too.
EAGER_SWITCH = "enable_eager_execution"

# Namespaces that hold other things in TensorFlow 2.
REPLACED = ("losses.", "metrics.")


@dataclass(frozen=True, slots=True)
class Evidence:
    """A use of a name that belongs to one era."""

    name: str
    file: str
    line: int

    def __str__(self) -> str:
        return f"tf.{self.name} ({self.file}:{self.line})"


@functools.cache
def graph_names() -> frozenset[str]:
    """Public names of TensorFlow 1 that only make sense in graph mode, without the leading `tf.`."""
    text = importlib.resources.files("penstock.standin").joinpath("graph_names.txt").read_text("utf-8")
    return frozenset(name for line in text.splitlines() if not line.startswith("#") for name in line.split())


def find_evidence(source: str | bytes, file: str = "<string>", folder: Path | None = None) -> Evidence | None:
    r"""The first use of a name that shows a program of TensorFlow 1, or None for any other program.

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
    uses: list[Evidence] = []
    while waiting:
        source, file = waiting.pop(0)
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError):
            continue
        uses += _uses(tree, file)
        for path in _own_modules(tree, folder) if folder is not None else ():
            if path not in seen:
                seen.add(path)
                waiting.append((path.read_bytes(), str(path)))
    return _decide(uses)


def names_session(source: str | bytes) -> bool:
    r"""Whether a program makes sessions, by either namespace: then what its iterators give is meant to be fetched.

    Example:
      >>> names_session("import tensorflow as tf\nwith tf.compat.v1.Session() as session: pass")
      True
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return False
    aliases = _aliases(tree)
    names = (name for node in ast.walk(tree) for name in _names_of(node, aliases))
    return any(name.rpartition(".")[2] in ("Session", "InteractiveSession") for name in names)


def _decide(uses: list[Evidence]) -> Evidence | None:
    """What shows a program of TensorFlow 1, of all its uses of names of one era."""
    if any(use.name == EAGER_SWITCH for use in uses):
        return next((use for use in uses if use.name.startswith(REPLACED)), None)
    if any(use.name in TF2_NAMES for use in uses):
        return None
    return uses[0] if uses else None


def _uses(tree: ast.Module, file: str) -> list[Evidence]:
    """Every use of a name that belongs to one era, in the order of the text."""
    aliases = _aliases(tree)
    guarded = _guarded_nodes(tree, set(aliases))
    uses = []
    for node in ast.walk(tree):
        if node not in guarded:
            names = filter(None, map(_telling_part, _names_of(node, aliases)))
            uses += [Evidence(name, file, getattr(node, "lineno", 0)) for name in names]
    return sorted(uses, key=lambda use: use.line)


def _names_of(node: ast.AST, aliases: dict[str, str]) -> list[str]:
    """Dotted names below `tensorflow` that one node of the program mentions."""
    if isinstance(node, ast.Attribute):
        return [_dotted_name(node, aliases)]
    if isinstance(node, ast.Import):
        imported = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and node.level == 0:
        imported = [f"{node.module}.{alias.name}" for alias in node.names]
    else:
        return []
    return [name for name in map(_below_tensorflow, imported) if name]


def _below_tensorflow(module: str) -> str | None:
    """A module's name below `tensorflow`: "" for itself, "keras..." for the Keras package, None for others."""
    package, _, rest = module.partition(".")
    return {"tensorflow": rest, "keras": module}.get(package)


def _telling_part(name: str) -> str:
    """The shortest leading part of a name that belongs to one era ("layers" of "layers.dense"), or ""."""
    parts = name.split(".")
    leading = (".".join(parts[:length]) for length in range(1, len(parts) + 1))
    return next((part for part in leading if part in graph_names() or part in TF2_NAMES), "")


def _aliases(tree: ast.Module) -> dict[str, str]:
    """What the program calls `tensorflow` and what is below it: `{"tf": "", "layers": "keras.layers"}`."""
    aliases: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                module = alias.name if alias.asname else alias.name.partition(".")[0]
                aliases[alias.asname or module] = _below_tensorflow(module)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            for alias in node.names:
                aliases[alias.asname or alias.name] = _below_tensorflow(f"{node.module}.{alias.name}")
    return {name: module for name, module in aliases.items() if module is not None}


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
    names = (
        {node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)} if handler.type else set()
    )
    return bool(names & {"AttributeError", "ImportError", "ModuleNotFoundError"})


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
