"""The XLA program of a traced function as text, for people who want to see what is compiled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.runtime.executor import CompiledPiece, executor_of, to_raw

# `stage` of `experimental_get_compiler_ir` -> text of a `jax.stages.Lowered`.
_STAGES = {
    "hlo": lambda lowered: lowered.as_text(dialect="hlo"),
    "stablehlo": lambda lowered: lowered.as_text(),
    "optimized_hlo": lambda lowered: lowered.compile().as_text(),
}


def compiler_ir(concrete: Any, tensors: Sequence[Any], stage: str) -> str:
    """The program of a concrete function for argument tensors.

    Args:
      concrete: a concrete function all of whose operations can be compiled.
      tensors: one eager tensor for each argument.
      stage: `"hlo"`, `"stablehlo"` or `"optimized_hlo"`.

    Raises:
      ValueError: the stage is unknown, or some operations run on the host, so that there is no single program.
    """
    if stage not in _STAGES:
        raise ValueError(f"Unknown stage {stage!r}: expected one of {sorted(_STAGES)}.")
    executor = executor_of(concrete.graph)
    steps = executor.steps
    if len(steps) != 1 or getattr(steps[0], "leaving", None) is None:
        host = [operation.type for step in steps for operation in step.operations]
        raise ValueError(
            f"{concrete.name} is not one compiled program: it runs {host[:10]} in {len(steps)} steps."
        )
    (step,) = steps
    piece = (
        step if isinstance(step, CompiledPiece) else CompiledPiece(executor, step.operations, step.leaving)
    )
    values = [to_raw(each) for each in (*tensors, *concrete.captured_inputs)]
    return _STAGES[stage](piece.lower(executor.environment(values)))
