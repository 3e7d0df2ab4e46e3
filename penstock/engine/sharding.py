"""Arrays that are spread over the devices of a mesh: which ones they are, and states whose value is one.

A tensor with a layout (`penstock.dtensor`) is an eager tensor around a JAX array with a `NamedSharding` over a mesh that
the program has made. Ops on it are compiled programs, which XLA partitions; nothing else in the engine changes. Where no
mesh was made, all of this costs one look at an empty dictionary.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from penstock.engine.context import process
from penstock.engine.definition import REGISTRY, OpDef
from penstock.engine.resources import State
from penstock.engine.xla import jax, jit, jnp, lax
from penstock.types.dtypes import DType
from penstock.types.shapes import TensorShape


def is_spread(value: Any) -> bool:
    """Whether an array lies on the devices of a mesh that the program has made."""
    if not process.meshes:
        return False
    sharding = getattr(value, "sharding", None)
    return sharding is not None and getattr(sharding, "mesh", None) in process.meshes


def sharding_of(value: Any) -> Any:
    """The sharding of an array that is spread over a mesh; None for any other."""
    return value.sharding if is_spread(value) else None


def copied(value: Any) -> Any:
    """A copy of a JAX array, on the same devices."""
    found = process.registry.get("copy")
    if found is None:
        found = process.registry["copy"] = jit(jnp.copy)
    return found(value)


def filled_like(sharding: Any, shape: tuple[int, ...], dtype: Any, value: Any) -> Any:
    """An array of one value with a sharding, made in parts."""
    programs = process.registry.setdefault("filled_like", {})
    key = (sharding, shape, np.dtype(dtype), value)
    if key not in programs:
        programs[key] = jit(lambda: jnp.full(shape, value, dtype), out_shardings=sharding)
    return programs[key]()


def spread_over(sharding: Any, results: Any) -> Any:
    """What a kernel returned, with arrays of numbers copied to all devices of a mesh."""
    if isinstance(results, (list, tuple)):
        return [spread_over(sharding, each) for each in results]
    if isinstance(results, State) or is_spread(results):
        return results
    if getattr(getattr(results, "dtype", None), "kind", "O") in "OSU":
        return results
    with jax.enable_x64(True):
        return jax.device_put(results, sharding)


class ShardedState(State):
    """A state whose value is spread over a mesh, always in the same way.

    Attributes:
      sharding: how (a `jax.sharding.NamedSharding`).
    """

    __slots__ = ("sharding",)

    def __init__(self, value: Any, name: str, shape: TensorShape, dtype: DType, sharding: Any):
        self.sharding = sharding
        super().__init__(None if value is None else self._placed(value), name, shape, dtype)

    def assign(self, value: Any) -> None:
        """Replaces the value by one in the same places."""
        self.value = None if value is None else self._placed(value)

    def _placed(self, value: Any) -> Any:
        with jax.enable_x64(True):
            return jax.device_put(value, self.sharding, may_alias=False)

    def elsewhere(self, op_type: str, inputs: tuple, attrs: dict) -> Any:  # type: ignore[override]
        """Runs an op on states as one compiled program, which writes into their buffers."""
        definition = REGISTRY[op_type]
        states = [each for each in inputs if isinstance(each, State)]
        order = tuple(states.index(each) if isinstance(each, State) else -1 for each in inputs)
        key = (op_type, order, str(attrs), tuple(getattr(each, "sharding", None) for each in states))
        programs = process.registry.setdefault("programs_on_sharded_states", {})
        if key not in programs:
            programs[key] = jit(_program(definition, order, attrs, states), donate_argnums=(0,))
        values = [each for each in inputs if not isinstance(each, State)]
        with process.state_lock:
            result, after = programs[key]([each.read() for each in states], values)
            for each, value in zip(states, after):
                each.value = value
        return result


def _program(definition: OpDef, order: tuple, attrs: dict, states: list[State]) -> Callable:
    from penstock.runtime.lowering import StateProxy

    shardings = [getattr(each, "sharding", None) for each in states]
    templates = [State(None, each.name, *each.handle_data) for each in states]

    def run(before: list, values: list) -> tuple[Any, list]:
        proxies = [StateProxy(each, value) for each, value in zip(templates, before)]
        rest = iter(values)
        inputs = [next(rest) if index < 0 else proxies[index] for index in order]
        result = definition.xla_body(*inputs, **attrs)
        return result, [constrained(each.value, where) for each, where in zip(proxies, shardings)]

    return run


def constrained(value: Any, sharding: Any) -> Any:
    """A traced value, kept where `sharding` says; as it is where that is None."""
    return value if sharding is None else lax.with_sharding_constraint(value, sharding)
