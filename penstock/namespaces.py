"""Assembles the public namespaces (`tf.*`, `tf.nn.*`, `tf.compat.v1.*`, ...) from the names that things export.

`penstock/__init__.py` takes the v2 root from here; `penstock.install` gives the same modules the name `tensorflow`.
"""

from __future__ import annotations

import functools
import importlib
import opcode
import operator
import os
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from penstock.engine.export import EXPORTS, OnDemand

# Packages whose modules define public names; every module in them is imported, in this order.
_PACKAGES = (
    "types",
    "engine",
    "io",
    "graph",
    "ops",
    "ops.image",
    "ops.linalg",
    "ops.lookup",
    "ops.nn",
    "ops.parsing",
    "ops.ragged",
    "ops.random",
    "ops.signal",
    "ops.sparse",
    "ops.strings",
    "ops.variables",
    "numpy_api",
    "feature_column",
    "autodiff",
    "runtime",
    "tracing",
    "linear_operators",
    "platform",
    "profiler",
    "data",
    "summary",
    "queues",
    "saving",
    "train",
    "v1",
    "v1.contrib",
    "estimator",
    "distribute",
    "data_service",
    "dtensor",
    "parameter_server",
    "testing",
    "distributions",
    "compat",
)

_modules: dict[str, ModuleType] = {}
_on_demand: dict[tuple[str, str], Callable[[], Any]] = {}  # (namespace, name) -> what makes it
_names: dict[str, list[str]] = {}  # of each namespace, without those of its module that are not public
_PREFIX = {"v2": "", "v1": "compat.v1"}


def load() -> None:
    """Imports every defining module and builds the namespaces; done once, by `import penstock`."""
    for package in _PACKAGES:
        try:
            found = importlib.import_module(f"penstock.{package}")
        except ModuleNotFoundError as error:
            if error.name != f"penstock.{package}":
                raise
            continue
        for name in _modules_in(found):
            importlib.import_module(f"penstock.{package}.{name}")
    importlib.import_module("penstock.ops.composite_dispatch").install()
    for version, prefix in _PREFIX.items():
        for name, thing in EXPORTS[version].items():
            _place(f"{prefix}.{name}" if prefix else name, thing)
    for name, namespace in _modules.items():
        if name:
            namespace.__getattr__ = functools.partial(missing, name)  # type: ignore[method-assign]
            namespace.__dir__ = functools.partial(directory, name)  # type: ignore[method-assign]


def directory(namespace: str) -> list[str]:
    """What `dir` gives for a namespace, and editors offer: its public names, and none of our modules that it shares."""
    return sorted(
        {*_names.get(namespace, ()), *(name for name in vars(_modules[namespace]) if name.startswith("__"))}
    )


def _modules_in(package: ModuleType) -> list[str]:
    """The modules in a package, in order; `pkgutil.iter_modules`, which knows zip files too, takes far longer."""
    names = (name.removesuffix(".py") for name in os.listdir(package.__path__[0]) if name.endswith(".py"))
    return sorted(name for name in names if not name.startswith("_"))


def missing(namespace: str, name: str) -> Any:
    """A name that this namespace does not hold yet: it is made on demand, or belongs to the other era.

    Raises:
      AttributeError: there is none.
    """
    make = _on_demand.get((namespace, name))
    if make is None:
        return of_the_other_era(namespace, name)
    found = make()
    setattr(_modules[namespace], name, found)
    return found


def of_the_other_era(namespace: str, name: str) -> Any:
    """A name that this namespace lacks and its counterpart in TF 1 or TF 2 has, for programs that mix the two.

    A TensorFlow 2 namespace gives it where the program's text says `tf.Session`. To `hasattr(tf, "Session")`, with which
    programs ask for the era, the answer is that of TensorFlow 2.

    Raises:
      AttributeError: neither has it.
    """
    from_v1 = namespace.split(".")[:2] == ["compat", "v1"]
    inner = namespace.split(".")[2:] if from_v1 else namespace.split(".")
    wanted = ".".join([*filter(None, inner), name])
    version = "v2" if from_v1 else "v1"
    if not from_v1 and not _is_in_the_text():
        raise _no_attribute(namespace, name)
    if wanted in EXPORTS[version]:
        found = EXPORTS[version][wanted]
        return found.make() if isinstance(found, OnDemand) else found
    found = _modules.get(".".join(filter(None, [_PREFIX[version], wanted])))
    if found is None and from_v1 and wanted.split(".")[0] == "keras":
        return operator.attrgetter(wanted)(sys.modules["penstock"])
    if found is None:
        raise _no_attribute(namespace, name)
    return found


def _no_attribute(namespace: str, name: str) -> AttributeError:
    module = ".".join(filter(None, ["tensorflow", namespace]))
    return AttributeError(f"module {module!r} has no attribute {name!r}")


def _is_in_the_text() -> bool:
    """Whether an attribute is asked for as `module.name` or `from module import name`, not by `hasattr` or `getattr`."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_globals.get("__name__") in ("penstock", __name__):
        frame = frame.f_back
    instruction = opcode.opname[frame.f_code.co_code[frame.f_lasti]]
    return instruction.startswith(("LOAD_ATTR", "LOAD_METHOD", "IMPORT_FROM"))


def _place(name: str, thing: object) -> None:
    parent, _, leaf = name.rpartition(".")
    _names.setdefault(parent, []).append(leaf)
    if isinstance(thing, OnDemand):
        _module(parent)
        _on_demand[parent, leaf] = thing.make
    else:
        setattr(_module(parent), leaf, thing)


def _module(name: str) -> ModuleType:
    """The namespace `name`, made with its parents where it does not exist yet."""
    found = _modules.get(name)
    if found is None:
        full = f"penstock.{name}" if name else "penstock"
        # A public namespace that has the same name as a package of ours (tf.data, tf.io, ...) is that package's module.
        found = sys.modules.get(full)
        if found is None:
            found = ModuleType(full, f"The namespace tf.{name}.")
            found.__path__ = []
            sys.modules[full] = found
        _modules[name] = found
        if name:
            parent, _, leaf = name.rpartition(".")
            _names.setdefault(parent, []).append(leaf)
            setattr(_module(parent), leaf, found)
    return found


def module(name: str) -> ModuleType | None:
    """The public namespace with a dotted name ("" for `tf` itself, "compat.v1" for v1); None where there is none."""
    return _modules.get(name)
