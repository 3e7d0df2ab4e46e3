"""`penstock ops [PATTERN]`: the registry of ops, one line each, and what each has.

Which ops were compared with TensorFlow is read from `compared_with_tensorflow.txt` beside this file; `make oracle`
writes it, one line `OpType agreeing-cases all-cases` for each op.
"""

from __future__ import annotations

import argparse
import fnmatch
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from penstock.engine.definition import OpDef, stops


@functools.cache
def compared_with_tensorflow() -> dict[str, str]:
    """Op type -> in how many of its cases it agrees with TensorFlow ("12 of 12"); empty before the first comparison."""
    file = Path(__file__).with_name("compared_with_tensorflow.txt")
    rows = [line.split() for line in file.read_text("utf-8").splitlines()] if file.exists() else []
    return {row[0]: f"{row[1]} of {row[2]}" for row in rows if row and row[0] != "#"}


# Heading -> what it says of an op; "-" where the op has none.
COLUMNS: dict[str, Callable[[OpDef], str]] = {
    "numpy": lambda op: "yes" if op.numpy_body else "-",
    "xla": lambda op: "yes" if op.xla_body or op.lowering else "-",
    "shape": lambda op: "rule" if op.shape_rule else "evaluated" if op.xla_body else "-",
    "gradient": lambda op: "none flows" if op.gradient_rule is stops else "rule" if op.gradient_rule else "-",
    "state": lambda op: "writes" if op.writes else "reads" if op.stateful else "-",
    "compared": lambda op: compared_with_tensorflow().get(op.type, "-"),
}


def main(arguments: list[str]) -> int:
    """Prints the table; returns the exit status."""
    parser = argparse.ArgumentParser(prog="penstock ops", description=__doc__)
    parser.add_argument(
        "pattern", nargs="?", default="*", help="which op types, as a shell pattern (Sparse*)"
    )
    parser.add_argument("--without", choices=COLUMNS, help="only ops that have none of this")
    parser.add_argument("--signatures", action="store_true", help="print inputs, outputs and attributes too")
    options = parser.parse_args(arguments)
    definitions = [
        definition
        for definition in registered_ops()
        if fnmatch.fnmatchcase(definition.type.lower(), options.pattern.lower())
        and (options.without is None or COLUMNS[options.without](definition) == "-")
    ]
    print(f"{'op':36}" + "".join(f"{heading:12}" for heading in COLUMNS).rstrip())
    for definition in definitions:
        cells = "".join(f"{column(definition):12}" for column in COLUMNS.values())
        print(f"{definition.type:36}{cells}".rstrip())
        if options.signatures:
            print(f"    {signature(definition)}")
    print(f"{len(definitions)} ops")
    return 0


def registered_ops() -> list[OpDef]:
    """Every op definition, sorted by type."""
    import penstock  # noqa: F401 - defines the ops
    from penstock.engine.definition import REGISTRY

    return [REGISTRY[name] for name in sorted(REGISTRY)]


def signature(definition: OpDef) -> str:
    """The op's inputs, attributes and outputs, as they are declared."""
    parsed = definition.signature
    inputs = ", ".join(f"{argument.name}: {_type(argument)}" for argument in parsed.inputs)
    outputs = ", ".join(f"{argument.name}: {_type(argument)}" for argument in parsed.outputs)
    attrs = ", ".join(
        f"{name}={definition.defaults[name]!r}" if name in definition.defaults else name
        for name in parsed.attrs
    )
    return f"({inputs}{'; ' + attrs if attrs else ''}) -> ({outputs})"


def _type(argument: Any) -> str:
    name = getattr(argument.type, "name", argument.type)
    return {"single": name, "repeat": f"{argument.count}*{name}", "list": f"*{name}"}[argument.kind]
