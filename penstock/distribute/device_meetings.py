"""Products with matrices that are divided over the logical devices of a CPU, by native kernels in which the devices meet.

These devices share memory and cores. So nothing is exchanged: each says where its arrays are, and the last one to come does the
work of all, on all cores (`native/meeting.h`). Everything here gives None where there is no kernel for the arrays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from penstock.engine import native
from penstock.engine.xla import lax
from penstock.ops.collectives import AXIS
from penstock.ops.variables.native_updates import packed_rates

_MOST_SUMMED = 128  # rows of the joined batch, up to which a gradient is computed anew in place of being kept


class DeviceMeetings:
    """The meetings of one program.

    Args:
      devices: how many come to each. numbers: for each meeting its number in the program.
    """

    def __init__(self, devices: int, numbers: Iterator[int]):
        self._devices, self._numbers = devices, numbers

    def product(self, batch: Any, matrix: Any, transposed: bool) -> Any | None:
        """The product of a device's batch and the matrix of which it has some rows, or its transpose."""
        if not self._takes(batch, matrix):
            return None
        kernel = "divided_transposed_product" if transposed else "divided_product"
        width = len(matrix) * self._devices if transposed else matrix.shape[1]
        return self._call(kernel, [(len(batch), width)], batch, matrix)[0]

    def gradient(self, inputs: Any, gradients: Any) -> Any | None:
        """A device's rows of the sum of `inputs.T @ gradients` over all devices."""
        if not self._takes(inputs, gradients):
            return None
        rows = inputs.shape[1] // self._devices
        return self._call("divided_gradient", [(rows, gradients.shape[1])], inputs, gradients)[0]

    def adam(
        self,
        p: Any,
        m: Any,
        v: Any,
        rates: Sequence[Any],
        inputs: Any,
        gradients: Any,
        after: Sequence[Any],
    ) -> Sequence[Any] | None:
        """Adam's update of a device's rows of a matrix p and its moments, with that gradient, which is never in memory.

        Args:
          p, m, v: the device's rows. rates: as of `native_updates.adam`.
          inputs, gradients: as of `gradient`. after: results that are computed before p is overwritten.
        """
        if len(inputs) * self._devices > _MOST_SUMMED or not self._takes(p, m, v, inputs, gradients):
            return None
        given = [p, m, v, inputs, gradients, packed_rates(rates)]
        return self._call("divided_adam", [p.shape] * 3, *given, after=after, in_place=3)

    def _takes(self, *arrays: Any) -> bool:
        return all(each.ndim == 2 for each in arrays) and native.takes(*arrays, bfloat16=False)

    def _call(
        self, kernel: str, shapes: list, *arrays: Any, after: Sequence[Any] = (), in_place: int = 0
    ) -> list:
        number = lax.axis_index(AXIS).astype(np.int32)
        return native.call(
            kernel,
            shapes,
            *arrays,
            number,
            *after,
            in_place=in_place,
            place=next(self._numbers),
            devices=self._devices,
        )
