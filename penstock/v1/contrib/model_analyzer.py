"""`contrib.slim.model_analyzer`: how large variables and the outputs of operations are, printed and added up."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from penstock.engine.export import export


def _names(name: str) -> list[str]:
    return [f"contrib.{each}.{name}" for each in ("slim.model_analyzer", "layers.model_analyzer")]


@export(v1=_names("tensor_description"))
def tensor_description(var: Any) -> str:
    """The dtype and shape of a tensor or variable, such as `(float32_ref 3x4)`, with its device if it has one."""
    sizes = [str(size) if size is not None else "?" for size in var.shape.as_list()]
    described = f"({var.dtype.name} {'x'.join(sizes)})"
    return f"{described} {var.device}" if getattr(var, "device", "") else described


@export(v1=_names("analyze_vars"))
def analyze_vars(variables: Iterable[Any], print_info: bool = False) -> tuple[int, int]:
    """The number of values in variables, and of bytes.

    Args:
      print_info: whether to print each variable with its shape and size.

    Example:
      >>> import penstock as tf
      >>> tf.compat.v1.contrib.slim.model_analyzer.analyze_vars([tf.Variable(tf.zeros([3, 4]))])
      (12, 48)
    """
    if print_info:
        print("---------\nVariables: name (type shape) [size]\n---------")
    total_size = total_bytes = 0
    for variable in variables:
        size = variable.shape.num_elements() or 0
        total_size += size
        total_bytes += size * variable.dtype.size
        if print_info:
            nbytes = size * variable.dtype.size
            print(variable.name, tensor_description(variable), f"[{size}, bytes: {nbytes}]")
    if print_info:
        print(f"Total size of variables: {total_size}\nTotal bytes of variables: {total_bytes}")
    return total_size, total_bytes


@export(v1=_names("analyze_ops"))
def analyze_ops(graph: Any, print_info: bool = False) -> int:
    """The number of values in the outputs of a graph's operations; one of an unknown shape counts as nothing.

    Args:
      print_info: whether to print each operation with the shapes of its outputs.
    """
    if print_info:
        print("---------\nOperations: name -> (type shapes) [size]\n---------")
    total = 0
    for operation in graph.get_operations():
        size = sum(output.shape.num_elements() or 0 for output in operation.outputs)
        total += size
        if print_info:
            shapes = ", ".join(tensor_description(each) for each in operation.outputs if each.shape.rank)
            print(f"{operation.name}\t->\t{shapes}\t[{size}]")
    return total
