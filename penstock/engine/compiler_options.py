"""The options that programs for the CPU give XLA, by what is in them.

XLA can make its kernels in two ways. The one that it prefers goes through MLIR and takes twice as long; what comes out
runs equally fast, except for the few operations named here. A step that is mostly native kernels is compiled in half
the time, and an eager call of one operation too.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable
from typing import Any

from penstock.engine.context import process
from penstock.engine.xla import configure, jax

# Words in the types of operations whose kernels run 1.4 to 2.4 times faster when they come through MLIR.
_FASTER_BY_MLIR = ("Pad", "Scatter", "Segment", "SliceGrad")

# The release of JAX for which these options were chosen. Later ones are asked first: XLA may drop an option.
_CHOSEN_WITH = (0, 10)


def compiler_options(types: Iterable[str]) -> dict[str, Any] | None:
    """The options for a program made of operations of these types; None where XLA's own choices are best."""
    configure()
    if process.accelerator or any(word in each for each in types for word in _FASTER_BY_MLIR):
        return None
    return _options()


@functools.cache
def _options() -> dict[str, Any]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    # Each part that is compiled by itself costs some milliseconds more, so there are no more than can run at once.
    options = {"xla_cpu_use_fusion_emitters": False, "xla_cpu_parallel_codegen_split_count": cores}
    if jax.__version_info__[:2] <= _CHOSEN_WITH:
        return options
    return {name: value for name, value in options.items() if _is_known(name, value)}


def _is_known(name: str, value: Any) -> bool:
    try:
        jax.jit(lambda: 0, compiler_options={name: value}).lower().compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True
