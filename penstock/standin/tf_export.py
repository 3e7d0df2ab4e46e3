"""What libraries import from `tensorflow.python.util.tf_export`: public names that libraries give to their own things.

TensorFlow's own names come from Penstock's table (`engine.export`); Keras 2's package adds names under `keras.`, by
which it saves and finds its classes and functions.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from penstock.engine.export import EXPORTS

T = TypeVar("T")
TENSORFLOW_API_NAME = "tensorflow"
KERAS_API_NAME = "keras"
_things: dict[str, Any] = {}  # public name -> thing, of what libraries exported
_names: dict[int, list[str]] = {}  # id of a thing -> its public names; the things are kept alive by `_things`


class InvalidSymbolNameError(Exception):
    """A public name that this kind of export must not give."""


class SymbolAlreadyExposedError(Exception):
    """A thing was given public names twice."""


class api_export:  # noqa: N801 - a decorator
    """Gives a library's function or class its public names.

    Args:
      *names: the names, with "keras." before those of Keras; the first one is what it is saved as.
      api_name: "tensorflow" or "keras".
      v1: its names in `tf.compat.v1`, where they are others.
      allow_multiple_exports: accepted, as by TensorFlow, which has no use for it any more either.

    Raises:
      InvalidSymbolNameError: a name without "keras." where `api_name` is "keras".
    """

    def __init__(
        self,
        *names: str,
        api_name: str = TENSORFLOW_API_NAME,
        v1: Sequence[str] | None = None,
        allow_multiple_exports: bool = True,
    ):
        self.api_name, self.names = api_name, names
        self.v1_names: Sequence[str] = names if v1 is None else v1
        if api_name == KERAS_API_NAME:
            wrong = [name for name in (*self.names, *self.v1_names) if not name.startswith("keras.")]
            if wrong:
                raise InvalidSymbolNameError(
                    f"keras_export: the name {wrong[0]!r} does not begin with 'keras.'"
                )

    def __call__(self, thing: T) -> T:
        self.export_constant(None, None, thing)
        return thing

    def export_constant(self, module_name: Any, name: Any, thing: Any = None) -> None:
        """Notes the names of a thing; those of a constant without one lead to nothing."""
        names = [*self.names, *(f"compat.v1.{each}" for each in self.v1_names if each not in self.names)]
        if thing is not None:
            _names.setdefault(id(thing), []).extend(names)
            _things.update(dict.fromkeys(names, thing))


tf_export = functools.partial(api_export, api_name=TENSORFLOW_API_NAME)
keras_export = functools.partial(api_export, api_name=KERAS_API_NAME)


@functools.cache
def _own_names() -> dict[int, str]:
    """id of each thing of TensorFlow's -> its canonical name: the first that is in a namespace."""
    found: dict[int, str] = {}
    for version, prefix in (("v2", ""), ("v1", "compat.v1.")):
        at_the_root_last = sorted(
            EXPORTS[version].items(), key=lambda pair: "." not in pair[0].removeprefix("dtypes.")
        )
        for name, thing in at_the_root_last:
            found.setdefault(id(thing), prefix + name)
    return found


def get_canonical_name_for_symbol(
    symbol: Any, api_name: str = TENSORFLOW_API_NAME, add_prefix_to_v1_names: bool = False
) -> str | None:
    """The public name of a function or class: "math.add"; None where it has none.

    Args:
      symbol: the function or class.
      api_name: "tensorflow" or "keras": whose names count.
      add_prefix_to_v1_names: whether names of TF 1 begin with "compat.v1.".
    """
    if api_name == KERAS_API_NAME:
        names = [name for name in _names.get(id(symbol), ()) if _things.get(name) is symbol]
        name = names[0] if names else None
    else:
        _own_names.cache_clear()  # functions are replaced when dispatchers are registered
        name = _own_names().get(id(symbol))
    if name is None or add_prefix_to_v1_names:
        return name
    return name.removeprefix("compat.v1.")


def get_symbol_from_name(name: str) -> Any:
    """The function or class with a public name; None where there is none."""
    if name in _things:
        return _things[name]
    import penstock

    try:
        return operator.attrgetter(name)(penstock)
    except AttributeError:
        return None


def get_canonical_name(api_names: Iterable[str], deprecated_api_names: Iterable[str] = ()) -> str | None:
    """The first name that is not deprecated, or else the first."""
    names = list(api_names)
    kept = [name for name in names if name not in set(deprecated_api_names)]
    return next(iter([*kept, *names]), None)
