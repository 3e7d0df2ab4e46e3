"""`penstock info`: versions, devices, the folder of compiled programs, and native kernels."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform

from penstock.release import TENSORFLOW_VERSION, __version__

PACKAGES = ("jax", "jaxlib", "keras", "numpy", "ml_dtypes", "diastatic-malt", "protobuf", "tensorboard")


def main(arguments: list[str]) -> int:
    """Prints one fact a line; returns the exit status."""
    argparse.ArgumentParser(prog="penstock info", description=__doc__).parse_args(arguments)
    for name, value in facts():
        print(f"{name:16} {value}")
    return 0


def facts() -> list[tuple[str, str]]:
    """(name, value) of everything that `penstock info` prints, in its order."""
    return [
        ("penstock", f"{__version__} (the interface of TensorFlow {TENSORFLOW_VERSION})"),
        ("python", f"{platform.python_version()} ({platform.platform()})"),
        *((name, _version(name)) for name in PACKAGES),
        ("devices", _devices()),
        ("cache folder", _cache_folder()),
        ("native kernels", _native_kernels()),
        (
            "huge pages",
            os.environ.get("GLIBC_TUNABLES") or "not asked for here (`penstock run` does, on Linux)",
        ),
    ]


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _native_kernels() -> str:
    from penstock.engine import native

    return native.description()


def _devices() -> str:
    from penstock.engine.xla import jax

    return ", ".join(f"{device.platform}:{device.id} ({device.device_kind})" for device in jax.devices())


def _cache_folder() -> str:
    from penstock.engine.xla import cache_folder

    folder = os.environ.get("JAX_COMPILATION_CACHE_DIR") or cache_folder()
    if folder is None:
        return "none (PENSTOCK_CACHE=0)"
    if not os.path.isdir(folder):
        return f"{folder} (empty)"
    sizes = [entry.stat().st_size for entry in os.scandir(folder) if entry.is_file()]
    return f"{folder} ({len(sizes)} files, {sum(sizes) / 1e6:.1f} MB)"
