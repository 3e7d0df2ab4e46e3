"""The names that a traced function's inputs have in its graph: those of its parameters."""

from __future__ import annotations

from penstock.tracing.signatures import encode
from penstock.types.tensors import Tensor


def argument_names(names: list[str], args: tuple, kwargs: dict) -> list[str]:
    """A name for each tensor among the arguments: that of its parameter."""
    found: list[str] = []
    for index, value in enumerate(args):
        leaves: list[Tensor] = []
        encode(value, leaves, [])
        base = names[index] if index < len(names) else f"args_{index - len(names)}"
        found.extend(
            [base] if len(leaves) == 1 else [f"{base}_{i}" if i else base for i in range(len(leaves))]
        )
    for name in sorted(kwargs):
        leaves = []
        encode(kwargs[name], leaves, [])
        found.extend(
            [name] if len(leaves) == 1 else [f"{name}_{i}" if i else name for i in range(len(leaves))]
        )
    return found


def safe_name(name: str) -> str:
    """The name with only those characters that a node of a graph may have."""
    cleaned = "".join(character if character.isalnum() or character in "_./" else "_" for character in name)
    return cleaned if cleaned and (cleaned[0].isalnum() or cleaned[0] == ".") else f"arg{cleaned}"
