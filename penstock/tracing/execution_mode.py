"""How functions run, and what is being built: `tf.config.run_functions_eagerly`, `tf.executing_eagerly`."""

from __future__ import annotations

from penstock.engine.context import process, thread
from penstock.engine.export import export


@export("config.run_functions_eagerly", "config.experimental_run_functions_eagerly")
def run_functions_eagerly(run_eagerly: bool) -> None:
    """Makes every `tf.function` run as plain Python (True), for debugging."""
    process.functions_run_eagerly = bool(run_eagerly)


@export("config.functions_run_eagerly", "config.experimental_functions_run_eagerly")
def functions_run_eagerly() -> bool:
    """Whether every `tf.function` runs as plain Python."""
    return process.functions_run_eagerly


@export("executing_eagerly")
def executing_eagerly() -> bool:
    """Whether ops run at once; False inside a `tf.function` and while a graph is built."""
    return thread.graph is None


@export("inside_function")
def inside_function() -> bool:
    """Whether a `tf.function` is being traced."""
    return thread.graph is not None and thread.graph.building_function
