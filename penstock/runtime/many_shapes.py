"""A compiled piece whose arguments come in shapes that only its calls tell.

XLA compiles a program for each combination of shapes. Where sentences or batches come in every length, that takes longer
than their arithmetic. So after the first few shapes the calls of a new one run on NumPy, operation by operation, until
they have taken as long as compiling does: whatever comes then, no more than twice the least time is spent.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from penstock.engine.context import process, thread
from penstock.runtime.compiled_piece import CompiledPiece
from penstock.runtime.determinism import is_op_determinism_enabled
from penstock.runtime.host_steps import HostPiece


class PieceOfManyShapes(CompiledPiece):
    """A piece that NumPy can run too; arguments as those of `CompiledPiece`."""

    _COMPILED_AT_ONCE = 3  # shapes: full batches, the last one, those of the evaluation

    def __init__(self, slots: dict[int, int], template: list[Any], operations: list[Any], leaving: list[Any]):
        super().__init__(slots, template, operations, leaving)
        self._on_host = HostPiece(slots, template, operations, leaving)
        self._varying = [slots[id(each)] for each in self._entering if not each.shape.is_fully_defined()]
        self._compiled: set[tuple] = set()  # the shapes that there is a program for
        self._compiling_s = float("inf")  # what the quickest first call of a program took
        self._spent_s: dict[tuple, float] = {}  # on NumPy, by shapes

    @staticmethod
    def fits(operations: list[Any], takes_numpy: bool) -> bool:
        """Whether operations that NumPy can run get arrays whose shapes are not known."""
        inside = {id(each) for operation in operations for each in operation.outputs}
        return takes_numpy and any(
            not each.shape.is_fully_defined()
            for operation in operations
            for each in operation.inputs
            if id(each) not in inside
        )

    def __call__(self, env: list) -> None:
        shapes = tuple(np.shape(env[slot]) for slot in self._varying)
        elsewhere = process.accelerator or process.meshes or thread.held_calls is not None
        # NumPy and XLA round differently, and which of them runs is a matter of time.
        if shapes in self._compiled or elsewhere or is_op_determinism_enabled():
            super().__call__(env)
            return
        start = time.perf_counter()
        if (
            len(self._compiled) < self._COMPILED_AT_ONCE
            or self._spent_s.get(shapes, 0.0) >= self._compiling_s
        ):
            super().__call__(env)
            self._compiled.add(shapes)
            self._spent_s.pop(shapes, None)
            self._compiling_s = min(self._compiling_s, time.perf_counter() - start)
        else:
            self._on_host(env)
            self._spent_s[shapes] = self._spent_s.get(shapes, 0.0) + time.perf_counter() - start
