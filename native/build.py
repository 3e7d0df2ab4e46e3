"""Compiles the native kernels into the package: a hatchling build hook, and a command (`python native/build.py`).

The kernels need a C++17 compiler, oneDNN (`onednn-cpu-gomp`, `onednn-devel-cpu-gomp`) and the headers of XLA's foreign
function interface, which come with JAX. Where something of that is missing, installation goes on without them, and
XLA's own kernels are used. Nothing happens where the library is newer than its sources.

    python native/build.py [LIBRARY]      # compile, to another place if one is given
"""

from __future__ import annotations

import concurrent.futures
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run as a command, in an environment without the build system
    BuildHookInterface = object

SOURCES = Path(__file__).parent
LIBRARY = SOURCES.parent / "penstock" / "engine" / "kernels" / "libpenstock.so"
# Comparisons with NaN need no exceptions; without that promise they do not become vector instructions.
FLAGS = [
    "-std=c++17",
    "-O3",
    "-fno-trapping-math",
    "-fno-math-errno",
    "-fPIC",
    "-Wall",
    "-Wextra",
    *os.environ.get("CXXFLAGS", "").split(),
]
# Where oneDNN is seen from an installed library: beside `lib/pythonX.Y/site-packages/penstock/engine/kernels`.
INSTALLED_ONEDNN = "$ORIGIN/../../../../.."


class UnavailableError(Exception):
    """Something that compiling needs is not here."""


def compiler() -> str:
    """The C++ compiler; whoever installs Penstock gets the packages that it needs besides.

    Raises:
      UnavailableError: there is none, or oneDNN has no packages for this machine.
    """
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise UnavailableError("oneDNN's packages are for Linux on x86-64")
    found = os.environ.get("CXX") or shutil.which("g++") or shutil.which("c++") or shutil.which("clang++")
    if found is None:
        raise UnavailableError("no C++ compiler was found")
    return found


def requirements() -> tuple[str, list[Path], Path]:
    """The compiler, the folders of headers, and that of oneDNN's library.

    Raises:
      UnavailableError: something is missing, and kernels cannot be compiled here.
    """
    found = compiler()
    headers, libraries = _onednn()
    return found, [_xla_headers(), headers], libraries


def build(library: Path = LIBRARY) -> Path:
    """Compiles the library, unless it is up to date.

    Raises:
      UnavailableError: a tool or a header is missing, or the compiler fails.
    """
    sources = sorted(SOURCES.glob("*.cc"))
    newest = max(path.stat().st_mtime for path in [*sources, *SOURCES.glob("*.h"), Path(__file__)])
    if library.exists() and library.stat().st_mtime > newest:
        return library
    program, headers, libraries = requirements()
    with tempfile.TemporaryDirectory() as folder:
        objects = [Path(folder, f"{source.stem}.o") for source in sources]
        include = [each for folder in headers for each in ("-isystem", str(folder))]
        commands = [
            [program, *FLAGS, *include, "-c", str(source), "-o", str(made)]
            for source, made in zip(sources, objects)
        ]
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as threads:
            list(threads.map(_run, commands))
        linked = Path(folder, library.name)
        search = [f"-Wl,-rpath,{place}" for place in (INSTALLED_ONEDNN, Path(sys.prefix, "lib"))]
        _run([program, *FLAGS, "-shared", "-o", str(linked), *map(str, objects), f"-L{libraries}",
              "-l:libdnnl.so.3", "-pthread", "-Wl,-z,now", *search])  # fmt: skip
        library.parent.mkdir(parents=True, exist_ok=True)
        beside = library.with_suffix(f".{os.getpid()}")  # a process that has the old one loaded keeps it
        shutil.copy(linked, beside)
        beside.replace(library)
    return library


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise UnavailableError(f"the compiler failed:\n{' '.join(command)}\n{done.stderr}")


def _xla_headers() -> Path:
    try:
        import jax
    except ImportError:
        raise UnavailableError("jax is not installed") from None
    return Path(jax.ffi.include_dir())


def _onednn() -> tuple[Path, Path]:
    """The folders of oneDNN's headers and library: those of this environment, or of the one that pip builds in."""
    bases = [Path(sys.prefix), Path(sysconfig.get_path("data"))]
    bases += [Path(entry).parents[2] for entry in sys.path if entry.endswith("-packages")]
    headers = [base / "include" for base in bases if (base / "include/oneapi/dnnl/dnnl.hpp").exists()]
    libraries = [base / "lib" for base in bases if (base / "lib/libdnnl.so.3").exists()]
    if not headers or not libraries:
        raise UnavailableError("oneDNN (onednn-cpu-gomp, onednn-devel-cpu-gomp) is not installed")
    return headers[0], libraries[0]


class KernelsHook(BuildHookInterface):
    """Puts the library into wheels, and beside the sources for editable installs."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it collects the files of a wheel."""
        try:
            build()
        except UnavailableError as reason:
            self.app.display_warning(f"Installing without native kernels: {reason}")
            return
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"
        build_data["artifacts"].append(str(LIBRARY.relative_to(self.root)))


if __name__ == "__main__":
    try:
        print(build(*map(Path, sys.argv[1:2])))
    except UnavailableError as reason:
        sys.exit(str(reason))
