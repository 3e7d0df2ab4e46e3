"""The import finder behind `penstock.install`: `tensorflow` and every module below it resolve to Penstock.

The public namespaces come from `penstock.namespaces`, `tensorflow.keras` is the Keras package, and the private paths
(`tensorflow.python...`, `tensorflow.core...`) come from the table in `penstock.standin.internals`. Nothing is loaded
before it is imported, and a module has one identity however it is reached: `tensorflow.math` is `penstock.math`.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from penstock.keras2 import install_import_hook
from penstock.standin import internals

if TYPE_CHECKING:
    from importlib.metadata import Distribution, DistributionFinder

KERAS = "keras._tf_keras.keras"  # where Keras keeps the layout that `tf.keras` has
LEGACY_KERAS = {"v2": "tf_keras.api._v2.keras", "v1": "tf_keras.api._v1.keras"}

# Where Keras 2 lived inside TensorFlow, the longest first.
_HOMES_OF_KERAS = [
    ["python", "keras", "_impl", "keras"],
    ["python", "keras", "_impl"],
    ["python", "keras"],
    ["contrib", "keras", "api", "keras"],
    ["contrib", "keras", "api"],
    ["contrib", "keras", "python", "keras"],
    ["contrib", "keras", "python"],
    ["contrib", "keras"],
]

# `tf.losses` and three more are short for `tf.keras.losses`; in TensorFlow 1 these names were namespaces of their own.
KERAS_SHORTCUTS = ("initializers", "losses", "metrics", "optimizers")


def install(api: str = "v2") -> None:
    """Makes `import tensorflow` mean Penstock in this process, and makes Keras run on it.

    To be called before the first `import tensorflow`, as in the first cell of a notebook. A second call does nothing.

    Args:
      api: "v2": `tensorflow` is the namespace of TensorFlow 2. "v1": it is that of TensorFlow 1 (what
        `tensorflow.compat.v1` is in TensorFlow 2), with graph mode on.

    Raises:
      RuntimeError: the real TensorFlow is loaded, or Penstock is installed with the other `api`.
      ValueError: `api` is neither "v1" nor "v2".

    Example:
      >>> import penstock
      >>> penstock.install()
      >>> from tensorflow.compat import v1
      >>> import tensorflow as tf
      >>> tf.compat.v1 is v1, tf.__version__
      (True, '2.21.0')
    """
    if api not in ("v1", "v2"):
        raise ValueError(f"install: api is {api!r}, expected 'v1' or 'v2'")
    installed = _installed()
    if installed is not None:
        if installed.api != api:
            raise RuntimeError(
                f"install: Penstock already stands in for tensorflow with api={installed.api!r} in this process; "
                f"api={api!r} needs a new one"
            )
        return
    _refuse_real_tensorflow()
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    _warn_of_other_keras_backend()
    sys.meta_path.insert(0, TensorFlowFinder(api))  # type: ignore[arg-type]
    install_import_hook()
    if api == "v1":
        importlib.import_module("tensorflow").disable_v2_behavior()


def keras_package() -> ModuleType:
    """The Keras package, running on Penstock: what `tf.keras` is.

    That is Keras 3; with `TF_USE_LEGACY_KERAS=1` in the environment it is the package tf_keras, as in TensorFlow.

    Raises:
      ImportError: the package is not installed.
      RuntimeError: the real TensorFlow is loaded in this process.
    """
    if _installed() is None:
        install()
    keras = _keras_module("", "v2")
    if keras is None:
        raise ImportError(f"tf.keras is the package {_keras_packages('v2')[1]} here, which is not installed")
    return keras


def _keras_packages(version: str) -> tuple[str, str]:
    """Where `keras` is in the layout of `tf.keras`, and the package where the rest of it is."""
    if os.environ.get("TF_USE_LEGACY_KERAS") in ("1", "true", "True"):
        return LEGACY_KERAS[version], "tf_keras"
    return KERAS, "keras"


class TensorFlowFinder:
    """Resolves `tensorflow` and `tensorflow.*`; first in `sys.meta_path` while Penstock is installed.

    The protocol is that of `importlib.abc.MetaPathFinder`, which is not loaded for its name alone.
    """

    def __init__(self, api: str):
        self.api = api

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The spec of a `tensorflow` module, or None for any other name."""
        package, _, name = fullname.partition(".")
        if package != "tensorflow":
            return None
        # Asking whether tensorflow is there must not load it; what is below it is asked for when it is loaded.
        if name and self.resolve(name) is None:
            raise ModuleNotFoundError(
                f"No module named {fullname!r} (tensorflow is Penstock here)", name=fullname
            )
        loader: Any = _AliasLoader(self, name)
        return importlib.machinery.ModuleSpec(fullname, loader, is_package=True)

    def resolve(self, name: str) -> ModuleType | None:
        """The module at `name` (without the leading `tensorflow.`; "" is the package), or None."""
        version, parts = self.api, name.split(".") if name else []
        while len(parts) >= 2 and parts[0] == "compat" and parts[1] in ("v1", "v2"):
            version, parts = parts[1], parts[2:]
        if parts[:2] in (
            ["_api", "v1"],
            ["_api", "v2"],
        ):  # where generated modules lie; v2 has the root in one more
            version, parts = parts[1], parts[3:] if parts[2:3] == [parts[1]] else parts[2:]
        elif parts == ["_api"]:
            parts = []
        for home in _HOMES_OF_KERAS:
            if parts[: len(home)] == home:
                parts = ["keras", *parts[len(home) :]]
                break
        rest = ".".join(parts)
        if parts and parts[0] == "keras":
            return _keras_module(".".join(parts[1:]), version)
        if parts and parts[0] in KERAS_SHORTCUTS and version == "v2":
            return _keras_module(rest, version)
        if parts and parts[0] in internals.ROOTS:
            return internals.module(rest)
        namespaces = importlib.import_module("penstock.namespaces")
        # A namespace that only the other era had is there too, as its names are.
        own, other = rest, ".".join(filter(None, ["compat.v1", rest]))
        if version == "v1":
            own, other = other, own
        found = namespaces.module(own)
        found = found if found is not None else namespaces.module(other)
        return found if found is not None else internals.module(rest)

    def find_distributions(self, context: DistributionFinder.Context | None = None) -> Iterator[Distribution]:
        """Answers `importlib.metadata.version("tensorflow")`, which libraries ask before they import it."""
        from penstock.standin.distribution import NAMES, TensorFlowDistribution

        if context is not None and context.name in NAMES:
            yield TensorFlowDistribution()


class _AliasLoader:
    """Puts an existing module under one more name, instead of making a new one."""

    def __init__(self, finder: TensorFlowFinder, name: str):
        self.finder = finder
        self.name = name

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        """A throw-away module: `exec_module` puts the existing one in its place."""

    def exec_module(self, module: ModuleType) -> None:
        """Makes `sys.modules` name the existing module."""
        existing: Any = self.finder.resolve(self.name)
        # `importlib.util.find_spec` refuses a loaded module that has no spec, and importing what is below a module
        # needs a `__path__`; a namespace that was put together in memory has neither.
        if existing.__spec__ is None:
            existing.__spec__ = module.__spec__
        if not hasattr(existing, "__path__"):
            existing.__path__ = []
        sys.modules[module.__name__] = existing  # the import system hands out what it finds here
        # `from package import file` asks for the attribute, and then for a module below the package's own name.
        for file in internals.files_of_contrib(self.name):
            if not hasattr(existing, file):
                setattr(existing, file, internals.module(f"{self.name}.{file}"))
        if not self.name:
            internals.claim_class_homes(existing)


def _installed() -> TensorFlowFinder | None:
    return next((finder for finder in sys.meta_path if isinstance(finder, TensorFlowFinder)), None)


def _keras_module(name: str, version: str) -> ModuleType | None:
    """`keras.X` in the layout of `tf.keras`; what that layout lacks (`keras.src`, ...) is taken from `keras` itself."""
    for package in _keras_packages(version):
        fullname = f"{package}.{name}" if name else package
        try:
            module = importlib.import_module(fullname)
            if not name and not hasattr(module, "__version__"):  # the layout of tf_keras has none
                module.__version__ = importlib.import_module("tf_keras").__version__  # type: ignore[attr-defined]
            return module
        except ModuleNotFoundError as error:
            if error.name is None or not fullname.startswith(error.name):
                raise  # Keras is there and lacks something of its own
    return None


def _refuse_real_tensorflow() -> None:
    module = sys.modules.get("tensorflow")
    if module is None or module.__name__.partition(".")[0] == "penstock":
        return
    version, place = getattr(module, "__version__", "of unknown version"), getattr(module, "__file__", None)
    raise RuntimeError(
        f"install: TensorFlow {version} ({place}) is already imported in this process; call penstock.install() before "
        "the first `import tensorflow`, or start the program with `penstock run`"
    )


def _warn_of_other_keras_backend() -> None:
    backend = sys.modules.get("keras.src.backend.config")
    if backend is not None and backend.backend() != "tensorflow":
        warnings.warn(
            f"Keras is already imported and runs on {backend.backend()!r}, so tf.keras does not run on Penstock in "
            "this process; call penstock.install() before the first `import keras`",
            stacklevel=3,
        )
