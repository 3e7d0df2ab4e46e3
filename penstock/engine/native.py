"""Native kernels: a compiled library, whose functions XLA programs call on the CPU.

`native/` holds the sources, and the installation compiles them where it can. An op's XLA body asks `takes`, and then
writes `call`; without the library, with `PENSTOCK_NATIVE=0`, or beside an accelerator it uses what XLA has itself.
"""

from __future__ import annotations

import ctypes
import functools
import os
import threading
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from penstock.engine.context import process, thread
from penstock.engine.xla import configure, jax

LIBRARY = Path(__file__).parent / "kernels" / "libpenstock.so"
SOURCES = Path(__file__).parents[2] / "native"  # where Penstock runs from a working copy

KERNELS = (
    "convolution",
    "convolution_input_gradient",
    "convolution_filter_gradient",
    "convolution_and_layer",
    "fused_convolution",
    "fused_convolution_gradient",
    "product",
    "vector_product",
    "divided_product",
    "divided_transposed_product",
    "divided_gradient",
    "divided_adam",
    "exchange_gather",
    "exchange_sum",
    "exchange_product",
    "exchange_transposed_product",
    "exchange_adam",
    "exchange_adam_in_place",
    "attention",
    "attention_gradient",
    "layer_normalization",
    "layer_normalization_gradient",
    "channel_moments",
    "channel_sums",
    "gelu",
    "gelu_gradient",
    "max_pool",
    "max_pool_gradient",
    "average_pool",
    "average_pool_gradient",
    "lstm",
    "lstm_gradient",
    "gru",
    "gru_gradient",
    "adam",
    "adam_product",
    "adam_rows",
    "sum_rows",
    "random_uniform",
    "random_state",
    "random_permutation",
    "random_categories",
    "random_gamma",
    "scale_kept",
    "softmax",
    "sparse_cross_entropy",
)

_lock = threading.Lock()
_loaded: ctypes.CDLL | None = None
_reason = ""  # why there are no kernels
_tried = False


def library() -> ctypes.CDLL | None:
    """The library, loaded and known to XLA since the first call; None where there is none."""
    global _loaded, _reason, _tried
    if not _tried:
        with _lock:
            if not _tried:
                try:
                    _loaded = _load()
                except OSError as error:
                    _reason = str(error)
                _tried = True
    return _loaded


@functools.cache
def host_library() -> ctypes.CDLL | None:
    """The library for functions that kernels on the host call by themselves, without XLA; None where there is none."""
    try:
        return _open()
    except OSError:
        return None


def host_functions(signatures: dict[str, tuple[Any, list]]) -> ctypes.CDLL | None:
    """The same library, where it has all functions of a table; None where it lacks one, as an older library may.

    Args:
      signatures: by name, what a function returns and what it takes, as ctypes has it.
    """
    library = host_library()
    if library is None or not all(hasattr(library, name) for name in signatures):
        return None
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


@functools.cache
def _open() -> ctypes.CDLL:
    asked = os.environ.get("PENSTOCK_NATIVE", "1")
    if asked == "0":
        raise OSError("PENSTOCK_NATIVE=0")
    library = LIBRARY if asked == "1" else Path(asked)
    if not library.exists():
        raise OSError("not compiled when Penstock was installed" if asked == "1" else f"no file {library}")
    try:
        return ctypes.CDLL(str(library))
    except OSError:  # oneDNN is not where pip usually puts it
        ctypes.CDLL(_onednn_path())
        return ctypes.CDLL(str(library))


def _load() -> ctypes.CDLL:
    found = _open()
    missing = [name for name in (*KERNELS, "pools") if not hasattr(found, f"penstock_{name}")]
    if missing:  # its other kernels may take other arguments than are given now
        raise OSError(
            _warned(f"{found._name} was compiled from older sources, and has no {', '.join(missing)}")
        )
    found.penstock_has_bfloat16.restype = found.penstock_has_wide_vectors.restype = ctypes.c_bool
    found.penstock_pools.restype, found.penstock_pools.argtypes = ctypes.c_bool, [ctypes.c_int64] * 10
    for kernel in KERNELS:
        capsule = jax.ffi.pycapsule(getattr(found, f"penstock_{kernel}"))
        jax.ffi.register_ffi_target(f"penstock.{kernel}", capsule, platform="cpu")
    return found


def _warned(reason: str) -> str:
    """The reason, after a warning that programs will be slower for it."""
    warnings.warn(
        f"No native kernels are used, and programs take longer: {reason}. "
        "`python native/build.py`, or installing Penstock again, compiles the library anew.",
        stacklevel=2,
    )
    return reason


def _is_older_than_sources() -> bool:
    """Whether sources stand beside the package, and have changed since the library was compiled."""
    sources = [*SOURCES.glob("*.cc"), *SOURCES.glob("*.h")]
    built = LIBRARY.stat().st_mtime if LIBRARY.exists() else 0.0
    return any(each.stat().st_mtime > built for each in sources)


def _onednn_path() -> str:
    from importlib import metadata

    try:
        files = metadata.files("onednn-cpu-gomp") or []
    except metadata.PackageNotFoundError:
        raise OSError("the package onednn-cpu-gomp is not installed") from None
    for file in files:
        if file.name == "libdnnl.so.3":
            return str(file.locate())
    raise OSError("the package onednn-cpu-gomp has no libdnnl.so.3")


@functools.cache
def _has_bfloat16() -> bool:
    return library().penstock_has_bfloat16()


@functools.cache
def has_wide_vectors() -> bool:
    """Whether this machine has AVX-512, which some kernels are made for; asked after `takes`."""
    return library().penstock_has_wide_vectors()


def is_for_one_cpu() -> bool:
    """Whether programs are compiled for the CPU, and XLA does not split them over a mesh of devices."""
    configure()
    if process.accelerator or thread.platform not in (None, "cpu"):
        return False
    return all(mesh.size == 1 for mesh in process.meshes)


def available() -> bool:
    """Whether programs may call native kernels here; XLA could not split one over a mesh."""
    return is_for_one_cpu() and library() is not None


def takes(*arrays: Any, bfloat16: bool = True) -> bool:
    """Whether a native kernel may get these arrays: float32 (or bfloat16), of known sizes, and not empty."""
    if not available():
        return False
    for array in arrays:
        if not all(isinstance(size, (int, np.integer)) and size > 0 for size in array.shape):
            return False
        if array.dtype != np.float32 and not (
            bfloat16 and str(array.dtype) == "bfloat16" and _has_bfloat16()
        ):
            return False
    return len({array.dtype for array in arrays}) == 1


def call(
    kernel: str,
    shapes: Sequence[Sequence[int]],
    *arrays: Any,
    in_place: int = 0,
    dtype: Any = None,
    **attributes: Any,
) -> list[Any]:
    """A native kernel's results, in a program that is being traced.

    Args:
      kernel: one of `KERNELS`.
      shapes: those of the results.
      arrays: what `takes` said yes to.
      in_place: how many of the results, from the first on, may take the place of the array of the same position.
      dtype: that of the results, or a list with one for each; the first array's where it is not given.
      attributes: bools, ints, floats, or sequences of ints.
    """
    kinds = dtype if isinstance(dtype, list) else [dtype or arrays[0].dtype] * len(shapes)
    results = [jax.ShapeDtypeStruct(tuple(map(int, shape)), kind) for shape, kind in zip(shapes, kinds)]
    aliases = {i: i for i in range(in_place)}
    function = jax.ffi.ffi_call(
        f"penstock.{kernel}", results, vmap_method="sequential", input_output_aliases=aliases
    )
    return function(*arrays, **{name: _attribute(value) for name, value in attributes.items()})


def _attribute(value: Any) -> Any:
    if isinstance(value, bool):
        return np.bool_(value)
    if isinstance(value, float):
        return np.float64(value)
    return np.int64(value) if isinstance(value, int) else np.asarray(value, np.int64)


def description() -> str:
    """What `penstock info` says: the kernels, or why there are none."""
    configure()
    if library() is None:
        return f"none: XLA's own kernels ({_reason})"
    if process.accelerator:
        return "not used beside an accelerator"
    from importlib import metadata

    older = "; compiled from older sources than native/" if _is_older_than_sources() else ""
    return f"oneDNN {metadata.version('onednn-cpu-gomp')}: {', '.join(KERNELS)}{older}"
