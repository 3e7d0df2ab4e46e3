"""The `penstock` command: `penstock run`, `penstock graph`, and three commands that say what this installation has.

Each command is a module with `main(arguments) -> exit status`, imported only when it is asked for, since the time that
`penstock run` takes to start is time that every program pays.
"""

from __future__ import annotations

import importlib
import os
import sys

from penstock.release import TENSORFLOW_VERSION, __version__

COMMANDS = {
    "run": "run a TensorFlow or Keras program on Penstock",
    "launch": "run a program as a cluster of processes, on this machine or on others",
    "graph": "list, rewrite and draw the graphs of a file or of a program",
    "info": "show versions, devices, the cache folder and native kernels",
    "ops": "list the ops: bodies, shape rule, gradient, whether compared with TensorFlow",
    "names": "say which of TensorFlow's public names resolve",
}


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; returns the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    command, rest = (arguments[0], arguments[1:]) if arguments else ("--help", [])
    if command in ("-h", "--help"):
        print(_help())
        return 0
    if command in ("-V", "--version"):
        print(f"penstock {__version__} (the interface of TensorFlow {TENSORFLOW_VERSION})")
        return 0
    if command not in COMMANDS:
        print(f"penstock: no command {command!r}\n\n{_help()}", file=sys.stderr)
        return 2
    run = importlib.import_module(f"penstock.cli.{command}").main
    if command == "run":  # what a program does with a closed pipe is its own business
        return run(rest)
    try:
        status = run(rest)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # `penstock ops | head`: the reader has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _help() -> str:
    lines = ["usage: penstock COMMAND ...", "", "commands (penstock COMMAND --help says more):"]
    lines += [f"  {command:7} {purpose}" for command, purpose in COMMANDS.items()]
    return "\n".join([*lines, "", "  --version"])
