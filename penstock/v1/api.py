"""`tf`: TF 1's public names, for modules that are themselves written as TF 1 programs (losses, metrics, `contrib`).

A name is looked up in the table of exports when it is used, so these modules may be imported in any order.
"""

from __future__ import annotations

from typing import Any

from penstock.engine.export import EXPORTS, OnDemand


class PublicNames:
    """A namespace of TF 1 (`tf`, `tf.nn`, ...), read from the table of exports."""

    def __init__(self, prefix: str = ""):
        self._prefix = prefix

    def __getattr__(self, name: str) -> Any:
        full = self._prefix + name
        found = EXPORTS["v1"].get(full)
        if found is None:
            if not any(each.startswith(full + ".") for each in EXPORTS["v1"]):
                raise AttributeError(f"tf.{full} is not defined (yet)")
            found = PublicNames(full + ".")
            self.__dict__[name] = found
        return found.make() if isinstance(found, OnDemand) else found


tf: Any = PublicNames()
