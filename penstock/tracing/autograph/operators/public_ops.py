"""The public API by its public names, `tf.cond` and so on: converted code is a program like the user's."""

from __future__ import annotations

from typing import Any

from penstock.engine.export import EXPORTS


class _Namespace:
    """A public namespace; attributes are looked up where things said their names."""

    def __init__(self, prefix: str):
        self._prefix = prefix

    def __getattr__(self, name: str) -> Any:
        full, exported = self._prefix + name, EXPORTS["v2"]
        if full in exported:
            return exported[full]
        if any(each.startswith(full + ".") for each in exported):
            return _Namespace(full + ".")
        raise AttributeError(f"tf.{full} does not exist")


tf: Any = _Namespace("")
