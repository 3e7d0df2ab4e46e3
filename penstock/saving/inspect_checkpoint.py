"""`print_tensors_in_checkpoint_file`: what TensorFlow's tool `inspect_checkpoint` prints."""

from __future__ import annotations

import math
import re
from typing import Any

from penstock.saving.checkpoint_reader import load_checkpoint


def print_tensors_in_checkpoint_file(
    file_name: Any,
    tensor_name: str,
    all_tensors: bool,
    all_tensor_names: bool = False,
    count_exclude_pattern: str = "",
) -> None:
    """Prints tensors of a checkpoint, and how many numbers it holds.

    Args:
      file_name: the path of the checkpoint.
      tensor_name: the one tensor that is printed; "" for none.
      all_tensors: whether to print every tensor with its value.
      all_tensor_names: whether to print every tensor without its value.
      count_exclude_pattern: tensors whose names match are not counted.

    Raises:
      NotFoundError: there is no such checkpoint or tensor.
    """
    reader = load_checkpoint(file_name)
    shapes, dtypes = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
    names = sorted(shapes) if all_tensors or all_tensor_names else [tensor_name] if tensor_name else []
    for name in names:
        value = reader.get_tensor(name) if not all_tensor_names or all_tensors else None
        print(f"tensor: {name} ({dtypes[name].name}) {shapes[name]}")
        if value is not None:
            print(value)
    if not names:
        print(reader.debug_string().decode("utf-8", errors="ignore"))
    excluded = count_exclude_pattern and re.compile(count_exclude_pattern)
    count = sum(math.prod(shapes[name]) for name in shapes if not (excluded and excluded.match(name)))
    print(f"# Total number of params: {count}")
