"""`penstock run`: runs a program in this process as `python` would, with `tensorflow` meaning Penstock.

The program sees the `sys.argv`, `sys.path[0]`, `__main__`, exit status and tracebacks that plain Python would give it.
"""

from __future__ import annotations

import argparse
import importlib.machinery
import importlib.util
import os
import runpy
import sys
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType, TracebackType
from typing import Any

DESCRIPTION = """\
Runs a program as python would, with `import tensorflow` meaning Penstock: a FILE (or a folder or zip file with a
__main__.py), a module with -m, or CODE with -c. All that follows belongs to the program."""

EPILOG = """\
--api auto reads the program first: one that was written for graph mode (tf.Session, tf.placeholder, ...) runs with the
v1 namespace and in graph mode; the choice is reported on stderr."""

USAGE = "penstock run [--api auto|v1|v2] (FILE | -m MODULE | -c CODE) [ARGUMENT ...]"


@dataclass(frozen=True, slots=True)
class Program:
    """What to run: `target` is a path, a module name or code, as `kind` says."""

    kind: str  # "file", "module" or "code"
    target: str
    arguments: tuple[str, ...] = ()


def main(arguments: list[str]) -> int:
    """Runs `penstock run ARGUMENTS`; returns the exit status, where the program does not leave by itself."""
    own, program = split_arguments(arguments)
    parser = argparse.ArgumentParser(
        prog="penstock run",
        usage=USAGE,
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--api", choices=("auto", "v1", "v2"), default="auto", help="what `tensorflow` means")
    options = parser.parse_args(own)
    if program is None:
        parser.error("nothing to run: expected FILE, -m MODULE or -c CODE")
    source, name = _read(program)
    if program.kind == "file" and not os.path.exists(program.target):
        print(f"penstock: can't open file {os.path.abspath(program.target)!r}", file=sys.stderr)
        return 2
    if program.kind == "file" and _is_container(program.target) and _main_spec(program.target) is None:
        print(
            f"penstock: can't find '__main__' module in {os.path.abspath(program.target)!r}", file=sys.stderr
        )
        return 1

    sys.argv = [_first_argument(program), *program.arguments]
    sys.path[0] = _first_path(program)
    _install(options.api, source, name)
    if source is None and program.kind == "module" and not _module_exists(program.target):
        print(f"penstock: No module named {program.target}", file=sys.stderr)
        return 1
    _hide_own_frames()
    execute(program)
    return 0


def split_arguments(arguments: list[str]) -> tuple[list[str], Program | None]:
    """Our own options, and the program: as for python, what comes after the program's name is the program's.

    Example:
      >>> split_arguments(["--api", "v1", "train.py", "--api", "x"])
      (['--api', 'v1'], Program(kind='file', target='train.py', arguments=('--api', 'x')))
    """
    for i, argument in enumerate(arguments):
        flag, kind = argument[:2], {"-m": "module", "-c": "code"}.get(argument[:2])
        if kind is not None:
            if argument != flag:  # -mMODULE
                return arguments[:i], Program(kind, argument[2:], tuple(arguments[i + 1 :]))
            if i + 1 == len(arguments):
                return arguments[:i], None
            return arguments[:i], Program(kind, arguments[i + 1], tuple(arguments[i + 2 :]))
        if not argument.startswith("-") and arguments[i - 1 : i] != ["--api"]:
            return arguments[:i], Program("file", argument, tuple(arguments[i + 1 :]))
    return arguments, None


def execute(program: Program) -> None:
    """Runs the program as `__main__`; what it raises comes out."""
    if program.kind == "module":
        runpy.run_module(program.target, run_name="__main__", alter_sys=True)
    elif program.kind == "code":
        _execute_code(compile(program.target, "<string>", "exec"), ModuleType("__main__"))
    elif _is_container(program.target):
        spec: Any = _main_spec(program.target)
        _execute_code(spec.loader.get_code("__main__"), importlib.util.module_from_spec(spec))
    else:
        # runpy.run_path would take `__main__` away at the end, while the program's threads and exit handlers run.
        module = ModuleType("__main__")
        module.__file__ = os.path.abspath(program.target)
        module.__loader__ = importlib.machinery.SourceFileLoader("__main__", module.__file__)
        _execute_code(compile(Path(module.__file__).read_bytes(), module.__file__, "exec"), module)


def _execute_code(code: CodeType, module: ModuleType) -> None:
    module.__dict__["__builtins__"] = __builtins__
    sys.modules["__main__"] = module
    exec(code, module.__dict__)


def _install(api: str, source: bytes | str | None, name: str) -> None:
    from penstock.standin import install

    if api == "auto":
        from penstock.engine.context import process
        from penstock.standin.era import find_evidence, names_session

        folder = Path(sys.path[0] or ".")
        evidence = None if source is None else find_evidence(source, name, folder)
        api = "v2" if evidence is None else "v1"
        process.registry["fetched_iterators"] = source is not None and names_session(source)
        if evidence is not None:
            print(f"penstock: {evidence} is TensorFlow 1: running with --api v1", file=sys.stderr)
    install(api)
    _install_in_child_processes(api)


def _install_in_child_processes(api: str) -> None:
    """Python processes that the program starts find `standin/site/tensorflow` where the finder is not installed."""
    from penstock import standin

    site = os.path.join(os.path.dirname(os.path.abspath(standin.__file__)), "site")
    sys.path.insert(1, site)  # multiprocessing hands sys.path to what it spawns
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), site]))
    os.environ["PENSTOCK_API"] = api


def _read(program: Program) -> tuple[bytes | str | None, str]:
    """The program's text and the name of its file; no text where there is none to read."""
    path: str | None = program.target
    if program.kind == "code":
        return program.target, "<string>"
    if program.kind == "module":
        path = _module_file(program.target)
    elif os.path.isdir(program.target):
        path = os.path.join(program.target, "__main__.py")
    if path is None or not os.path.isfile(path) or _is_container(path):
        return None, program.target
    return Path(path).read_bytes(), path


def _module_file(name: str) -> str | None:
    """The file that `-m name` runs, found without importing the packages around it (they import tensorflow)."""
    path: list[str] | None = [os.getcwd(), *sys.path[1:]]
    spec = None
    parts = name.split(".")
    for length in range(1, len(parts) + 1):
        spec = importlib.machinery.PathFinder.find_spec(".".join(parts[:length]), path)
        if spec is None:
            return None
        path = list(spec.submodule_search_locations or ())
    if spec is not None and path:  # a package: its __main__ is what runs
        spec = importlib.machinery.PathFinder.find_spec(f"{name}.__main__", path)
    return spec.origin if spec is not None else None


def _module_exists(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def _is_container(path: str) -> bool:
    """A folder or zip file, in which a `__main__.py` is what runs."""
    if os.path.isdir(path):
        return True
    with open(path, "rb") as file:
        return file.read(4) == b"PK\x03\x04"


def _main_spec(container: str) -> importlib.machinery.ModuleSpec | None:
    return importlib.machinery.PathFinder.find_spec("__main__", [os.path.abspath(container)])


def _first_argument(program: Program) -> str:
    return {"file": program.target, "module": "-m", "code": "-c"}[program.kind]


def _first_path(program: Program) -> str:
    if program.kind == "code":
        return ""
    if program.kind == "module":
        return os.getcwd()
    if _is_container(program.target):
        return os.path.abspath(program.target)
    return os.path.dirname(os.path.realpath(program.target))


def _hide_own_frames() -> None:
    """Tracebacks begin in the program, as under python."""
    show = sys.excepthook

    def show_program_frames(
        kind: type[BaseException], error: BaseException, traceback: TracebackType | None
    ) -> None:
        trimmed = program_frames(traceback)
        show(kind, error.with_traceback(trimmed), trimmed)

    sys.excepthook = show_program_frames


def program_frames(traceback: TracebackType | None) -> TracebackType | None:
    """The part of a traceback that lies below `execute`; all of it where `execute` is not in it."""
    own = (execute.__code__, _execute_code.__code__)
    frame = traceback
    while frame is not None and frame.tb_frame.f_code is not execute.__code__:
        frame = frame.tb_next
    if frame is None:
        return traceback
    while frame is not None and (
        frame.tb_frame.f_code in own or frame.tb_frame.f_globals.get("__name__") == "runpy"
    ):
        frame = frame.tb_next
    return frame
