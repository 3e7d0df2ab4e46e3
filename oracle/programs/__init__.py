"""Programs of a few lines that both engines run: functions of `tf` that return tensors, arrays or Python values.

One module for each field. What a program returns is compared leaf by leaf; a class of exception that both raise is an
agreement too. `outcome` is for programs that try several bad calls.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from typing import Any


def program_requests() -> list[dict[str, Any]]:
    """A request for each public function of the modules here."""
    requests = []
    for entry in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{entry.name}")
        for name, function in vars(module).items():
            defined_here = inspect.isfunction(function) and function.__module__ == module.__name__
            if defined_here and not name.startswith("_"):
                program = f"{entry.name}.{name}"
                requests.append({"name": f"programs/{program}", "program": program})
    return requests


def outcome(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a call returns, or the name of the class of the exception that it raises."""
    try:
        return function(*arguments)
    except Exception as error:
        return type(error).__name__
