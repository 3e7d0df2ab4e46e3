"""`tf.random.Algorithm`, and the key and counter that a seed stands for under each algorithm."""

from __future__ import annotations

import enum
from typing import Any

import numpy as np

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.types import dtypes
from penstock.types.tensors import Tensor


@export("random.Algorithm", "random.experimental.Algorithm")
class Algorithm(enum.Enum):
    """A random-number algorithm (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", 2011).

    * `PHILOX`: Philox 4x32-10.
    * `THREEFRY`: ThreeFry 2x32-20.
    * `AUTO_SELECT`: Philox, on every device.

    Example:
      >>> import penstock as tf
      >>> tf.random.Algorithm.PHILOX.value
      1
    """

    PHILOX = 1
    THREEFRY = 2
    AUTO_SELECT = 3


_BY_NAME = {"philox": 1, "threefry": 2, "autoselect": 3}

# Words of 64 bits in the counter; a generator's state is the counter and, after it, one word of key.
COUNTER_SIZES = {1: 2, 2: 1, 3: 2}


def algorithm_id(alg: Any) -> Any:
    """The number of an algorithm that is given by number, name or `Algorithm`; tensors are left as they are.

    Raises:
      ValueError: there is no algorithm of that name.
      TypeError: `alg` is something else.
    """
    if isinstance(alg, (int, np.integer)):
        return int(alg)
    if isinstance(alg, Algorithm):
        return alg.value
    if isinstance(alg, Tensor):
        return alg
    if not isinstance(alg, str):
        raise TypeError(f"Can't convert argument `alg` (of value {alg} and type {type(alg)}) to int.")
    found = _BY_NAME.get(alg.strip().lower().replace("-", "").replace("_", ""))
    if found is None:
        raise ValueError(unsupported(alg))
    return found


def counter_size(alg: Any) -> int:
    """How many words of 64 bits the counter of an algorithm has.

    Raises:
      ValueError: there is no algorithm of that number.
    """
    size = COUNTER_SIZES.get(int(alg))
    if size is None:
        raise ValueError(unsupported(alg))
    return size


def unsupported(alg: Any) -> str:
    """The message for an algorithm that does not exist."""
    names = ("philox", "threefry", "auto_select") if isinstance(alg, str) else (1, 2, 3)
    return (
        f"Argument `alg` got unsupported value {alg}. Supported values are {names[0]} for the Philox algorithm, "
        f"{names[1]} for the ThreeFry algorithm, and {names[2]} for auto-selection."
    )


def key_counter_algorithm(seed: Any, alg: Any) -> tuple[Tensor, Tensor, Tensor]:
    """The inputs of a V2 stateless op: key, counter and algorithm, from a seed `[2]`."""
    seed = convert_to_tensor(seed)
    alg = algorithm_id("auto_select" if alg is None else alg)
    if alg == 2:
        halves = execute(
            "Cast", (execute("Cast", (seed,), {"DstT": dtypes.uint32}),), {"DstT": dtypes.uint64}
        )
        key = halves[:1] + halves[1:] * convert_to_tensor(1 << 32, dtypes.uint64)
        counter = convert_to_tensor(np.zeros(1, np.uint64))
    elif alg in COUNTER_SIZES:
        key, counter = execute("StatelessRandomGetKeyCounter", (seed,))
    else:
        raise ValueError(unsupported(alg))
    return key, counter, convert_to_tensor(alg, dtypes.int32)
