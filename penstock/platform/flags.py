"""`tf.compat.v1.flags`: the flags of absl, which is imported on first use, with TensorFlow 1's spellings.

`FLAGS` reads the command line when a flag is first asked for, and the functions that define flags take the older names
of their arguments.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

from penstock.engine.export import export

_RENAMED = {"flag_name": "name", "default_value": "default", "docstring": "help"}


@functools.cache
def _absl() -> Any:
    """absl's flags, told that a flag defined through this module belongs to the module that calls it."""
    from absl import flags

    flags.disclaim_key_flags()
    return flags


def _defining(name: str) -> Callable[..., Any]:
    def define(*args: Any, **kwargs: Any) -> Any:
        renamed = {_RENAMED.get(key, key): value for key, value in kwargs.items()}
        return getattr(_absl(), name)(*args, **renamed)

    define.__name__ = define.__qualname__ = name
    define.__doc__ = f"absl's `{name}(name, default, help)`."
    return define


DEFINE_string = _defining("DEFINE_string")
DEFINE_boolean = _defining("DEFINE_boolean")
DEFINE_bool = _defining("DEFINE_bool")
DEFINE_float = _defining("DEFINE_float")
DEFINE_integer = _defining("DEFINE_integer")


class _Flags:
    """absl's `FLAGS`, which reads `sys.argv` when a flag is asked for and nothing was read before."""

    def _values(self) -> Any:
        return _absl().FLAGS

    def __getattr__(self, name: str) -> Any:
        values = self._values()
        if not name.startswith("_") and not hasattr(type(values), name) and not values.is_parsed():
            values(sys.argv)
        return getattr(values, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._values(), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._values(), name)

    def __dir__(self) -> list[str]:
        return dir(self._values())

    def __getitem__(self, name: str) -> Any:
        return self._values()[name]

    def __setitem__(self, name: str, flag: Any) -> None:
        self._values()[name] = flag

    def __contains__(self, name: str) -> bool:
        return name in self._values()

    def __len__(self) -> int:
        return len(self._values())

    def __iter__(self) -> Any:
        return iter(self._values())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._values()(*args, **kwargs)

    def __str__(self) -> str:
        return str(self._values())


FLAGS = _Flags()


def __getattr__(name: str) -> Any:
    """Everything else that absl has."""
    if name.startswith("__"):
        raise AttributeError(name)
    return getattr(_absl(), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *dir(_absl())})


export(v1=["flags", "app.flags"])(sys.modules[__name__])
