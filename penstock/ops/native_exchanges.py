"""Exchanges between the processes of one host by native kernels, in memory that they share (`cluster/host_memory.py`).

Between processes that share none, and for arrays that the kernels do not take, everything here gives None: XLA's
collectives are used then, which go through sockets.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from penstock.cluster.host_memory import Place
from penstock.engine import native
from penstock.engine.context import process
from penstock.engine.xla import jnp
from penstock.ops.variables.native_updates import packed_rates

_MOST_SUMMED = 128  # rows of the joined batch, up to which a gradient is computed where it is needed


UPDATED = (1,)  # the shape of what stands for the new value of a state that was updated in place


def gathered(value: Any) -> Any | None:
    """The values of all processes, one behind the other along the first axis."""
    value = jnp.asarray(value)
    place = _place(value) if value.ndim and native.available() else None
    if place is None:
        return None
    shape = (value.shape[0] * process.workers.count, *value.shape[1:])
    return native.call("exchange_gather", [shape], value, place=place.number, offset=place.offset)[0]


def total(value: Any) -> Any | None:
    """The sum of the float32 arrays of all processes."""
    place = _place(value) if native.takes(value, bfloat16=False) else None
    if place is None:
        return None
    return native.call("exchange_sum", [value.shape], value, place=place.number, offset=place.offset)[0]


def product(batch: Any, matrix: Any, transposed: bool) -> Any | None:
    """The product of a process's batch and a matrix in shared memory, or its transpose: each process reads its rows for all."""
    workers = process.workers
    address = None if workers is None or workers.memory is None else workers.memory.address_of(matrix)
    if address is None or batch.ndim != 2 or not native.takes(batch, matrix, bfloat16=False):
        return None
    rows, columns = matrix.shape
    if len(batch) * workers.count > _MOST_SUMMED:
        return None
    width = rows if transposed else columns
    results = workers.count * len(batch) * (rows // workers.count + 1 if transposed else columns)
    place = workers.memory.place(4 * (batch.size + results))
    if place is None:
        return None
    kernel = "exchange_transposed_product" if transposed else "exchange_product"
    given = [address[None], batch]
    return native.call(
        kernel, [(len(batch), width)], *given, dtype=np.float32, place=place.number, offset=place.offset
    )[0]


def adam(
    p: Any, m: Any, v: Any, rates: Sequence[Any], inputs: Any, gradients: Any, after: Sequence[Any] = ()
) -> Sequence[Any] | None:
    """Adam's update of a matrix p and its moments with the sum over all processes of `inputs.T @ gradients`.

    Other arguments, and what is returned, are those of `native_updates.adam`. Nobody has that sum in memory.
    """
    place = _place_of_factors(p, m, v, inputs, gradients)
    if place is None:
        return None
    given = [p, m, v, inputs, gradients, packed_rates(rates), *after]
    return native.call(
        "exchange_adam", [p.shape] * 3, *given, in_place=3, place=place.number, offset=place.offset
    )


def adam_in_place(
    p: Any, m: Any, v: Any, rates: Sequence[Any], inputs: Any, gradients: Any, after: Sequence[Any] = ()
) -> Sequence[Any] | None:
    """As `adam`; where p, m and v are matrices in shared memory, processes change some rows each, and all get `UPDATED`."""
    memory = process.workers.memory
    addresses = [None if memory is None else memory.address_of(each) for each in (p, m, v)]
    if any(each is None for each in addresses):
        return adam(p, m, v, rates, inputs, gradients, after)
    place = _place_of_factors(p, m, v, inputs, gradients)
    if place is None:
        return None
    given = [jnp.stack(addresses), inputs, gradients, packed_rates(rates), *after]
    (done,) = native.call(
        "exchange_adam_in_place", [UPDATED], *given, dtype=np.float32, place=place.number, offset=place.offset
    )
    return [done] * 3


def _place_of_factors(p: Any, m: Any, v: Any, inputs: Any, gradients: Any) -> Place | None:
    """Where processes bring the factors of a gradient; None where the kernels do not take the arrays."""
    if any(each.ndim != 2 for each in (p, inputs, gradients)):
        return None
    fits = len(inputs) * process.workers.count <= _MOST_SUMMED and native.takes(
        p, m, v, inputs, gradients, bfloat16=False
    )
    return _place(inputs, gradients) if fits else None


def _place(*arrays: Any) -> Place | None:
    """Where processes bring these arrays."""
    memory = None if process.workers is None else process.workers.memory
    size = sum(math.prod(each.shape) * np.dtype(each.dtype).itemsize for each in arrays)
    return None if memory is None or not size else memory.place(size)
