"""Prints where Penstock's op signatures differ from those of TensorFlow's registry.

    python tools/compare_op_registry.py --tensorflow-python .venv-oracle/bin/python

Compared are the names, order, kinds and types of inputs and outputs, the attributes and their defaults: all that a
GraphDef says about a node. Type letters are names of attributes, so they count too. Ops that only Penstock has are
left out. The exit code is 1 where something differs.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from penstock.engine.definition import REGISTRY, REQUIRED, Argument, OpDef
from penstock.types.dtypes import DType, as_dtype

# Runs in TensorFlow's interpreter: the OpDefs of the named ops as JSON.
_DUMP = """
import json, sys
from google.protobuf import json_format
from tensorflow.python.framework import op_def_registry
import tensorflow
names, target = json.load(open(sys.argv[1])), sys.argv[2]
found = {name: op_def_registry.get(name) for name in names}
messages = {name: json_format.MessageToDict(each) for name, each in found.items() if each is not None}
json.dump(messages, open(target, "w"))
"""


def tensorflow_registry(python: str, names: list[str]) -> dict[str, dict[str, Any]]:
    """The OpDefs that TensorFlow has under `names`, as dictionaries in protobuf's JSON form."""
    with tempfile.TemporaryDirectory() as folder:
        wanted, found = Path(folder, "names.json"), Path(folder, "ops.json")
        wanted.write_text(json.dumps(names))
        subprocess.run([python, "-c", _DUMP, str(wanted), str(found)], check=True, stderr=subprocess.DEVNULL)
        return json.loads(found.read_text())


def _ours(argument: Argument) -> str:
    kind = argument.type.name if isinstance(argument.type, DType) else argument.type
    return {"single": kind, "repeat": f"{argument.count}*{kind}", "list": f"*{kind}"}[argument.kind]


def _theirs(argument: dict[str, Any]) -> str:
    if "typeListAttr" in argument:
        return f"*{argument['typeListAttr']}"
    kind = argument.get("typeAttr") or _dtype(argument["type"]).name
    return f"{argument['numberAttr']}*{kind}" if "numberAttr" in argument else kind


def _dtype(name: str) -> DType:
    return as_dtype({"DT_FLOAT": "float32", "DT_DOUBLE": "float64"}.get(name) or name[3:].lower())


def _value(attr: dict[str, Any]) -> Any:
    """The default of an attribute in the form that signatures write."""
    (kind, value), *_ = attr["defaultValue"].items() or [("none", None)]
    if kind == "list":
        return [_scalar(each_kind[:-1] if each_kind == "types" else each_kind, each)
                for each_kind, values in value.items() for each in values]  # fmt: skip
    return _scalar(kind, value)


def _scalar(kind: str, value: Any) -> Any:
    import base64

    if kind == "s":
        return base64.b64decode(value).decode()
    if kind == "i":
        return int(value)
    if kind == "f":
        return float(value)
    if kind == "type":
        return _dtype(value)
    if kind == "tensor":  # small integers
        dims = [int(each["size"]) for each in value["tensorShape"].get("dim", [])]
        return np.broadcast_to(np.array(value["intVal"], _dtype(value["dtype"]).as_numpy_dtype), dims)
    return value


def _same(ours: Any, theirs: Any) -> bool:
    if isinstance(theirs, float) and isinstance(ours, (int, float)):
        return ours == theirs or abs(ours - theirs) <= 1e-6 * abs(theirs)  # written in single precision
    if isinstance(theirs, np.ndarray):
        return ours.dtype == theirs.dtype and np.array_equal(ours, theirs)
    if isinstance(theirs, dict):  # a shape
        if ours is None:
            return bool(theirs.get("unknownRank"))
        return list(ours) == [int(each.get("size", 0)) for each in theirs.get("dim", [])]
    if isinstance(ours, bytes):
        ours = ours.decode()
    return (list(ours) if isinstance(ours, tuple) else ours) == theirs


def differences(definition: OpDef, theirs: dict[str, Any]) -> Iterator[str]:
    """One line for each difference between two definitions of an op."""
    signature = definition.signature
    for ours_list, key in ((signature.inputs, "inputArg"), (signature.outputs, "outputArg")):
        ours = [f"{each.name}: {_ours(each)}" for each in ours_list]
        expected = [f"{each['name']}: {_theirs(each)}" for each in theirs.get(key, [])]
        if ours != expected:
            yield f"{key[:-3]}s ({', '.join(ours)}), expected ({', '.join(expected)})"
    # What inputs bind is not declared: letters of types and lengths of lists.
    bound = {each.type for each in signature.inputs} | {each.count for each in signature.inputs}
    attrs = {each["name"]: each for each in theirs.get("attr", [])}
    for name, attr in attrs.items():
        if name in bound:
            continue
        if name not in signature.attrs:
            default = repr(_value(attr)) if "defaultValue" in attr else "none"
            yield f"attribute {name} ({attr['type']}, default {default}) is missing"
            continue
        ours = signature.attrs[name]
        if "defaultValue" not in attr:
            if ours is not REQUIRED:
                yield f"attribute {name}={ours!r}, expected no default"
        elif ours is REQUIRED or not _same(ours, _value(attr)):
            yield f"attribute {name}={'(none)' if ours is REQUIRED else repr(ours)}, expected {_value(attr)!r}"
    for name in signature.attrs:
        if name not in attrs and not name.startswith("_"):  # TensorFlow lets those pass
            yield f"attribute {name} is not one of TensorFlow's"


def main() -> int:
    """Prints the differences, one line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tensorflow-python", required=True, help="an interpreter that has TensorFlow 2.21")
    python = parser.parse_args().tensorflow_python
    import penstock  # noqa: F401  the ops define themselves on import

    theirs = tensorflow_registry(python, sorted(REGISTRY))
    lines = [
        f"{name}: {line}" for name in sorted(theirs) for line in differences(REGISTRY[name], theirs[name])
    ]
    print("\n".join(lines))
    print(f"{len(theirs)} ops compared, {len(lines)} differences; "
          f"only in Penstock: {', '.join(sorted(set(REGISTRY) - set(theirs)))}")  # fmt: skip
    return bool(lines)


if __name__ == "__main__":
    sys.exit(main())
