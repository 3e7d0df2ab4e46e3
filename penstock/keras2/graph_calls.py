"""Layers of Keras that are called on tensors of a plain graph: on placeholders, to be run in a session.

Such a call builds nodes as TensorFlow 1 did. In a program that never turned eager mode off the layer's variables stay
eager, and sessions read them. A layer that is not told whether it trains follows the learning phase: a tensor of the
graph that a session is fed (`feed_dict={K.learning_phase(): 1}`), unless `K.set_learning_phase` has settled it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import penstock as tf
from penstock.engine import context
from penstock.engine.context import process, thread
from penstock.ops.variables.mixed import building_as_eagerly
from penstock.types.tensors import SymbolicTensor

# Keras's own layers that do something else while training; a layer of a program counts where it takes `training`.
OTHER_IN_TRAINING = frozenset(
    """
    ActivityRegularization AlphaDropout BatchNormalization Dropout GaussianDropout GaussianNoise SpatialDropout1D
    SpatialDropout2D SpatialDropout3D SpectralNormalization
    """.split()
)


class LearningPhase(int):
    """The number 0 or 1 that also stands for the learning phase of a graph, as a key of `feed_dict`."""


def phase_tensor() -> SymbolicTensor:
    """The learning phase of the graph that is being built: False unless a session is fed another value."""
    graph = tf.compat.v1.get_default_graph()
    held = graph.get_collection_ref(("__keras_learning_phase",))
    if not held:
        with context.building(graph), graph.control_dependencies(None), graph.name_scope(None):
            held.append(tf.compat.v1.placeholder_with_default(False, [], name="keras_learning_phase"))
    return held[0]


def call_in_graphs(keras: ModuleType, settled_phase: Callable[[], int | None]) -> None:
    """Has layers build in the graph of their arguments.

    Args:
      settled_phase: gives what `K.set_learning_phase` was told, None before.
    """
    layer_call = keras.layers.Layer.__call__

    @functools.wraps(layer_call)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        graph = _plain_graph(keras, args, kwargs)
        if graph is None:
            return layer_call(self, *args, **kwargs)
        if thread.graph is None:
            with building_as_eagerly(graph), eager_variables():
                return call(self, *args, **kwargs)
        if kwargs.get("training") is not None or not _waits_for_phase(keras, self):
            return layer_call(self, *args, **kwargs)
        settled = settled_phase()
        if settled is not None:
            return layer_call(self, *args, **{**kwargs, "training": bool(settled)})
        if not self.built:  # variables are made once, outside of the branches
            layer_call(self, *args, **kwargs)
        outputs = tf.cond(
            phase_tensor(),
            lambda: layer_call(self, *args, **{**kwargs, "training": True}),
            lambda: layer_call(self, *args, **{**kwargs, "training": False}),
        )
        mask = getattr(args[0], "_keras_mask", None) if args else None
        if mask is not None and self.supports_masking:
            outputs._keras_mask = self.compute_mask(args[0], mask)
        return outputs

    keras.layers.Layer.__call__ = call
    _draw_seeds_in_order(keras)


def count_names_by_graph() -> None:
    """Has the names of layers count from the start in each plain graph, so that checkpoints of one fit another."""
    from keras.src.utils import naming

    uniquify = naming.uniquify

    @functools.wraps(uniquify)
    def unique(name: str) -> str:
        graph = None if thread.graph is None else _outermost(thread.graph)
        if graph is None or graph.building_function or graph is context.process.default_graph:
            return uniquify(name)
        held = graph.get_collection_ref(("__keras_names",))
        if not held:
            held.append({})
        number = held[0][name] = held[0].get(name, -1) + 1
        return f"{name}_{number}" if number else name

    naming.uniquify = unique


def _plain_graph(keras: ModuleType, args: tuple, kwargs: dict) -> Any:
    """The plain graph that a call builds in, None where it runs eagerly or in a function."""
    if thread.graph is not None and thread.graph.building_function:
        return None
    for each in (*args, *kwargs.values()):
        leaves = keras.tree.flatten(each) if isinstance(each, list | tuple | dict) else (each,)
        for leaf in leaves:
            if isinstance(leaf, SymbolicTensor) and not leaf.graph.building_function:
                return leaf.graph
    return None


@contextmanager
def eager_variables() -> Iterator[None]:
    """Variables that are made inside are eager ones, where the program runs eagerly."""

    def eagerly(next_creator: Callable, **arguments: Any) -> Any:
        with context.building(None):
            return next_creator(**arguments)

    if process.graph_mode:
        yield
        return
    with tf.variable_creator_scope(eagerly):
        yield


def _waits_for_phase(keras: ModuleType, layer: Any) -> bool:
    """Whether a layer, called by the program itself, does something else while training."""
    from keras.src.backend.common.global_state import get_global_attribute

    around = get_global_attribute("current_call_ctx")
    if around is not None and around.get_value("training") is not None:
        return False
    if "training" not in inspect.signature(layer.call).parameters and not isinstance(layer, keras.Model):
        return False
    return any(_differs(keras, each) for each in layer._flatten_layers())


def _differs(keras: ModuleType, layer: Any) -> bool:
    if not type(layer).__module__.startswith("keras."):
        return "training" in inspect.signature(layer.call).parameters
    dropout = getattr(layer, "dropout", 0) or getattr(layer, "recurrent_dropout", 0)
    return type(layer).__name__ in OTHER_IN_TRAINING or isinstance(dropout, float) and dropout > 0


def _draw_seeds_in_order(keras: ModuleType) -> None:
    """In a graph a seed comes with the operation that makes the next one: each step of a session draws anew."""
    owner = keras.random.SeedGenerator
    draw = owner.next

    @functools.wraps(draw)
    def next_seed(self: Any, ordered: bool = True) -> Any:
        graph = thread.graph
        if graph is None or _outermost(graph).building_function:
            return draw(self, ordered)
        first_new = len(graph.get_operations())
        seed = draw(self, ordered)
        assigned = [each for each in graph.get_operations()[first_new:] if each.type.startswith("Assign")]
        with graph.control_dependencies(assigned):
            return tf.identity(seed)

    owner.next = next_seed


def _outermost(graph: Any) -> Any:
    while graph.building_function and graph.outer_graph is not None:
        graph = graph.outer_graph
    return graph
