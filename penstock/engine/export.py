"""Public names, said where the thing is defined; `penstock.namespaces` assembles `tf.*` from this table."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

T = TypeVar("T")

# API version -> dotted public name (without the leading "tf.") -> object.
EXPORTS: dict[str, dict[str, Any]] = {"v2": {}, "v1": {}}


class export:  # noqa: N801 - a decorator
    """Gives a function, class or value its public names.

    `@export("math.add", "add")` puts it at `tf.math.add` and `tf.add`, and at the same places of `tf.compat.v1`.
    `v1=[...]` replaces the v1 names, `v1=[]` leaves v1 without it, `@export(v1=["placeholder"])` is v1 only.
    """

    def __init__(self, *names: str, v1: Iterable[str] | None = None):
        self.v2 = names
        self.v1 = names if v1 is None else tuple(v1)

    def __call__(self, thing: T) -> T:
        for version, names in (("v2", self.v2), ("v1", self.v1)):
            for name in names:
                if EXPORTS[version].get(name, thing) is not thing:
                    raise ValueError(
                        f"two things are exported as {name!r}: {EXPORTS[version][name]!r} and {thing!r}"
                    )
                EXPORTS[version][name] = thing
        return thing


class OnDemand:
    """A public thing that is made when a program first asks for it, because making it imports a heavy library."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.make = make


class export_on_demand(export):  # noqa: N801 - a decorator
    """As `export`, for a function without arguments that makes the public thing."""

    def __call__(self, make: Callable[[], T]) -> Callable[[], T]:  # type: ignore[override]
        super().__call__(OnDemand(make))
        return make
