"""Runs the programs of a module, under TensorFlow or Penstock, and writes the numbers of each to a file."""

import sys

import numpy as np
import tensorflow as tf


def outcome(function):
    """What a function returns, or the class of its error."""
    try:
        return function()
    except Exception as error:
        return f"raises {type(error).__name__}"


def leaves(value, name):
    """(name, array) of all that a program returned."""
    if isinstance(value, dict):
        parts = value.items()
    elif isinstance(value, (list, tuple)):
        parts = enumerate(value)
    else:
        if isinstance(value, tf.RaggedTensor):
            value = value.to_tensor()
        value = value.read_value() if hasattr(value, "read_value") else value
        array = np.asarray(value)
        yield name, np.asarray(type(value).__name__) if array.dtype == object else array
        return
    for key, each in parts:
        yield from leaves(each, f"{name}/{key}")


def write_results(names):
    """Runs the public functions of a module: `PROGRAM FILE.npz [FUNCTION ...]`."""
    programs = {
        name: each
        for name, each in names.items()
        if getattr(each, "__module__", "") == names["__name__"] and not name.startswith("_")
    }
    found = {}
    for name in sys.argv[2:] or programs:
        found.update(leaves(outcome(programs[name]), name))
    np.savez(sys.argv[1], **found)
