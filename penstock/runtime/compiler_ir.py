"""The XLA program of a traced function as text, for people who want to see what is compiled."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.engine.xla import jax
from penstock.runtime.compiled_piece import CompiledPiece
from penstock.runtime.executor import executor_of, to_raw
from penstock.runtime.placement import parse_device

# `stage` of `experimental_get_compiler_ir` -> text of a `jax.stages.Lowered`.
_STAGES = {
    "hlo": lambda lowered: lowered.as_text(dialect="hlo"),
    "stablehlo": lambda lowered: lowered.as_text(),
    "optimized_hlo": lambda lowered: lowered.compile().as_text(),
}


# Platforms and kinds of devices -> what JAX calls the platform.
_PLATFORMS = {"CPU": "cpu", "HOST": "cpu", "CUDA": "cuda", "GPU": "cuda", "ROCM": "rocm", "TPU": "tpu"}


def compiler_ir(
    concrete: Any, tensors: Sequence[Any], stage: str = "hlo", platform: str | None = None
) -> str:
    """The program of a concrete function for argument tensors.

    Args:
      concrete: a concrete function all of whose operations can be compiled.
      tensors: one eager tensor for each argument.
      stage: `"hlo"`, `"stablehlo"` or `"optimized_hlo"`.
      platform: the name of a platform or a device, which need not be there unless XLA shall optimize; by default that of
        this process.

    Raises:
      ValueError: the stage or the platform is unknown, or some operations run on the host, so that there is no single program.
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
    piece = step if isinstance(step, CompiledPiece) else step.compiled()
    values = [to_raw(each) for each in (*tensors, *concrete.captured_inputs)]
    target = platform and _platform(platform)
    own = _PLATFORMS[jax.default_backend().upper()]
    if stage == "optimized_hlo" and target not in (None, own):
        raise ValueError(
            f"XLA optimizes for {own!r} here, not for {platform!r}: ask for another stage than {stage!r}."
        )
    return _STAGES[stage](piece.lower(executor.environment(values), None if target == own else target))


def _platform(name: str) -> str:
    found = _PLATFORMS.get(name.upper())
    if found is None:
        found = _PLATFORMS.get(parse_device(name)[0])
    if found is None:
        raise ValueError(f"Unknown platform {name!r}: expected a device, or one of {sorted(_PLATFORMS)}.")
    return found


def compiled_summary(graph: Any) -> str | None:
    """One line on what XLA makes of a traced function: fusions, and memory that values share.

    None where the function is not one compiled program, or a shape is unknown.
    """
    captured = {id(inside): outside for outside, inside in graph.captures}
    if not all(id(each) in captured or each.shape.is_fully_defined() for each in graph.inputs):
        return None
    executor = executor_of(graph)
    pieces = [step for step in executor.steps if getattr(step, "leaving", None) is not None]
    if len(pieces) != 1 or len(executor.steps) != 1:
        return None
    (step,) = pieces
    piece = step if isinstance(step, CompiledPiece) else step.compiled()
    values = [
        to_raw(captured[id(each)])
        if id(each) in captured
        else np.zeros(each.shape.as_list(), each.dtype.as_numpy_dtype)
        for each in graph.inputs
    ]
    compiled = piece.lower(executor.environment(values)).compile()
    memory = compiled.memory_analysis()
    fusions = len(re.findall(r"^\s+\S+ = \S+ fusion\(", compiled.as_text(), re.MULTILINE))
    return (
        f"XLA: {fusions} fusions; {memory.argument_size_in_bytes} bytes of arguments, {memory.output_size_in_bytes} of "
        f"results, {memory.temp_size_in_bytes} in between; {memory.alias_size_in_bytes} bytes are shared by arguments and "
        "results"
    )
