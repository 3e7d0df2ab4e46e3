"""TensorFlow's private module paths (`tensorflow.python...`, `tensorflow.core...`) and what each stands for here.

Programs of every era import from them: `from tensorflow.python.framework import ops`. The tables are in
`standin.private_paths`; here is what makes modules of them. Asked by the import finder only.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from types import ModuleType
from typing import Any

from penstock.standin.private_paths import MODULES, NAMES

# The protocol buffers keep TensorFlow's own file names in the tensorboard package.
PROTOCOL_BUFFERS = re.compile(r"core\.(?:framework|protobuf|util|profiler)\.(\w+_pb2)$")
PROTOCOL_BUFFER_PACKAGE = "tensorboard.compat.proto"

# AutoGraph is a package of its own, with TensorFlow's own layout, which Penstock uses too.
AUTOGRAPH = re.compile(r"python\.autograph\.((?:converters|core|pyct)\b[\w.]*)$")
AUTOGRAPH_PACKAGE = "malt"

ROOTS = frozenset(name.partition(".")[0] for name in MODULES) - {"contrib"}  # which is a public namespace
PACKAGES = frozenset(
    ".".join(parts[:length])
    for parts in (
        name.split(".")
        for name in [*MODULES, "core.framework.x", "core.profiler.x", "core.protobuf.x", "core.util.x"]
    )
    for length in range(1, len(parts))
)

# Keras and other clients tell TensorFlow's objects by the name and module of their class, without importing it:
# public name -> the class's name and home. Pickles hold on, because the home resolves through `MODULES`.
CLASS_HOMES: dict[str, tuple[str, str]] = {
    "Tensor": ("Tensor", "python.framework.tensor"),
    "RaggedTensor": ("RaggedTensor", "python.ops.ragged.ragged_tensor"),
    "SparseTensor": ("SparseTensor", "python.framework.sparse_tensor"),
    "data.Dataset": ("DatasetV2", "python.data.ops.dataset_ops"),
    "distribute.DistributedDataset": ("DistributedDataset", "python.distribute.input_lib"),
}

_loaded: dict[str, ModuleType] = {}


def module(path: str) -> ModuleType | None:
    """The module that stands for the private `path` (without the leading `tensorflow.`), or None."""
    buffers = PROTOCOL_BUFFERS.match(path)
    if buffers is not None and path not in MODULES:
        name = f"{PROTOCOL_BUFFER_PACKAGE}.{buffers[1]}"
        return importlib.import_module(name) if importlib.util.find_spec(name) else None
    autograph = AUTOGRAPH.match(path)
    if autograph is not None:
        name = f"{AUTOGRAPH_PACKAGE}.{autograph[1]}"
        return importlib.import_module(name) if importlib.util.find_spec(name) else None
    if path not in MODULES and path not in PACKAGES:
        return None
    if path not in _loaded:
        _loaded[path] = PrivateModule(path)
    return _loaded[path]


def files_of_contrib(package: str) -> list[str]:
    """The private modules directly in a public package of `contrib`."""
    if not package.startswith("contrib."):
        return []
    below = (
        path.removeprefix(f"{package}.") for path in (*MODULES, *PACKAGES) if path.startswith(f"{package}.")
    )
    return sorted({each for each in below if "." not in each})


class PrivateModule(ModuleType):
    """One private module or package; a name is looked up when it is asked for, and then kept."""

    def __init__(self, path: str):
        super().__init__(
            f"tensorflow.{path}", f"Penstock's equivalent of TensorFlow's private `tensorflow.{path}`."
        )
        self.__path__: list[str] = []
        self._path = path
        self._sources = MODULES.get(path, "").split()

    def __getattr__(self, name: str) -> Any:
        found = self._public_names() if name == "__all__" else self._find(name)
        if found is None:
            raise AttributeError(
                f"tensorflow.{self._path} is private to TensorFlow; Penstock has no {name!r} there "
                f"(looked in: {', '.join(self._sources) or 'its modules'})"
            )
        self.__dict__[name] = found
        return found

    def _public_names(self) -> list[str]:
        """What `from module import *` takes."""
        sources = [vars(module) for each in self._sources if (module := _source(each)) is not None]
        return sorted(
            {
                name
                for source in sources
                for name, thing in source.items()
                if not name.startswith("_") and not isinstance(thing, ModuleType)
            }
        )

    def _find(self, name: str) -> Any:
        public = NAMES.get(f"{self._path}.{name}")
        if public is not None:
            source, _, name = public.rpartition(".")
            return getattr(_source(source), name, None)
        if name.startswith("__"):
            return None
        for source in self._sources:
            found = getattr(_source(source), name, None)
            if found is not None:
                return found
        return None


def _source(source: str) -> ModuleType | None:
    head, _, rest = source.partition(".")
    if head not in ("tf", "v1"):
        return importlib.import_module(source)
    from penstock import namespaces

    return namespaces.module(rest if head == "tf" else ".".join(["compat.v1", rest]).rstrip("."))


def claim_class_homes(root: ModuleType) -> None:
    """Gives the classes of `CLASS_HOMES` the name and module that clients look for; `root` is the `tf` namespace."""
    for public, (name, home) in CLASS_HOMES.items():
        found: Any = root
        for part in public.split("."):
            found = getattr(found, part, None)
        if isinstance(found, type):
            found.__name__, found.__module__ = name, f"tensorflow.{home}"
