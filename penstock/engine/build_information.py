"""`tf.version` and `tf.sysconfig`: which TensorFlow this stands for, and how native code that extends it is compiled."""

from __future__ import annotations

import platform
from pathlib import Path

from penstock.engine.export import export
from penstock.release import TENSORFLOW_VERSION, __version__

GRAPH_DEF_VERSION = 2474  # of graphs that TensorFlow 2.21 writes; it still reads those of every older one

_VERSION = {
    "VERSION": TENSORFLOW_VERSION,
    "GIT_VERSION": f"penstock-{__version__}",
    "COMPILER_VERSION": platform.python_compiler(),
    "GRAPH_DEF_VERSION": GRAPH_DEF_VERSION,
    "GRAPH_DEF_VERSION_MIN_CONSUMER": 0,
    "GRAPH_DEF_VERSION_MIN_PRODUCER": 0,
}
_SYSCONFIG = {"CXX11_ABI_FLAG": 1, "CXX_VERSION": 201703, "MONOLITHIC_BUILD": 0}

_MODULE = {
    "__version__": TENSORFLOW_VERSION,
    "__git_version__": _VERSION["GIT_VERSION"],
    "__compiler_version__": _VERSION["COMPILER_VERSION"],
}

for _name, _value in _MODULE.items():
    export(_name)(_value)
for _name, _value in _VERSION.items():
    export(f"version.{_name}", v1=[f"version.{_name}", _name])(_value)
for _name, _value in _SYSCONFIG.items():
    export(f"sysconfig.{_name}", v1=[f"sysconfig.{_name}", _name])(_value)


@export("sysconfig.get_include")
def get_include() -> str:
    """The folder of the headers that a native kernel includes: those of XLA's foreign function interface."""
    from penstock.engine.xla import jax

    return jax.ffi.include_dir()


@export("sysconfig.get_lib")
def get_lib() -> str:
    """The folder of the package."""
    return str(Path(__file__).parents[1])


@export("sysconfig.get_compile_flags")
def get_compile_flags() -> list[str]:
    """What a compiler needs to compile a native kernel.

    Example:
      >>> import penstock as tf
      >>> tf.sysconfig.get_compile_flags()[-1]
      '--std=c++17'
    """
    abi = _SYSCONFIG["CXX11_ABI_FLAG"]
    return [f"-I{get_include()}", f"-D_GLIBCXX_USE_CXX11_ABI={abi}", "--std=c++17"]


@export("sysconfig.get_link_flags")
def get_link_flags() -> list[str]:
    """What a native kernel is linked with: nothing, since the interface consists of headers."""
    return []
