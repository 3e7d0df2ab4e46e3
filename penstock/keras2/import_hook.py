"""Runs `enable` right after Keras has been imported, whoever imports it; called by `penstock.install`."""

from __future__ import annotations

import contextlib
import importlib.machinery
import sys
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

from penstock.engine.garbage import importing


def install_import_hook() -> None:
    """Makes Keras 2's names part of Keras: now, if Keras is loaded, else at the end of its import.

    Its import may be under way, and have brought Penstock in: in a child process of `penstock run`.
    """
    keras = sys.modules.get("keras")
    if keras is None:
        sys.meta_path.insert(0, KerasFinder())  # type: ignore[arg-type]
    elif getattr(keras.__spec__, "_initializing", False):
        keras.__spec__.__class__ = _SpecOfModuleUnderWay
    else:
        _enable()


class KerasFinder:
    """Finds `keras` as Python would, and has `enable` called when its import is done."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The spec of `keras` with a loader that calls `enable`; None for any other name."""
        if fullname != "keras":
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return None
        loader: Any = spec.loader
        load = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            with importing(), _tensorflow_2():
                load(module)
                sys.modules[
                    "keras.src.utils.module_utils"
                ].tensorflow.initialize()  # it would wait for its first use
                _enable()

        # On the loader that Python made, so that its class, which resources and inspection depend on, stays.
        loader.exec_module = exec_module
        return spec


@contextlib.contextmanager
def _tensorflow_2() -> Iterator[None]:
    """Has `import tensorflow` find the namespace of TensorFlow 2, which Keras is written for, in a TensorFlow 1 program too."""
    finder = next((each for each in sys.meta_path if getattr(each, "api", "v2") == "v1"), None)
    if finder is None:
        yield
        return
    program = _loaded_tensorflow()
    finder.api = "v2"  # type: ignore[attr-defined]
    try:
        yield
    finally:
        finder.api = "v1"  # type: ignore[attr-defined]
        _loaded_tensorflow()
        sys.modules.update(program)


def _loaded_tensorflow() -> dict[str, ModuleType]:
    """Takes `tensorflow` and what is below it out of the loaded modules."""
    names = [name for name in sys.modules if name.partition(".")[0] == "tensorflow"]
    return {name: sys.modules.pop(name) for name in names}


class _SpecOfModuleUnderWay(importlib.machinery.ModuleSpec):
    """The spec of Keras while it is being imported: the import system says there when it is done."""

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name == "_initializing" and not value:
            self.__class__ = importlib.machinery.ModuleSpec  # type: ignore[assignment]
            if self.name in sys.modules:  # not after an import that failed
                _enable()


def _enable() -> None:
    from penstock.keras2.distribution import enable_distribution
    from penstock.keras2.enable import enable

    enable()
    enable_distribution()
