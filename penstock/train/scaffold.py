"""`tf.compat.v1.train.Scaffold`: the operations that make a model ready, save it and summarize it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import penstock as tf
from penstock.engine import context
from penstock.engine.export import export
from penstock.graph.graph import current_graph
from penstock.ops.graph_collections import GraphKeys
from penstock.platform import tf_logging as logging


def default_saver() -> Any:
    """The saver of the current graph: the one in the collection `SAVERS`, or a new one of all variables.

    Raises:
      RuntimeError: there are several.
    """
    found = current_graph().get_collection(GraphKeys.SAVERS)
    if len(found) > 1:
        raise RuntimeError(
            "More than one item in collection SAVERS. Please indicate which one to use by passing it to the constructor."
        )
    if found:
        return found[0]
    saver = tf.compat.v1.train.Saver(sharded=True, allow_empty=True)
    current_graph().add_to_collection(GraphKeys.SAVERS, saver)
    return saver


def _missing_names(variables: list | None = None) -> Any:
    return tf.compat.v1.report_uninitialized_variables(variables)


@export(v1=["train.Scaffold"])
class Scaffold:
    """The operations that a monitored session needs. Those that are not given are made by `finalize`.

    Args:
      init_op, init_feed_dict: initialize the global variables.
      init_fn: called with the scaffold and the session after `init_op`.
      ready_op: gives the names of variables that have no value.
      ready_for_local_init_op: the same of the global variables.
      local_init_op, local_init_feed_dict: initialize local variables and tables.
      summary_op: a summary of everything; by default all in the collection `SUMMARIES`.
      saver: a `tf.compat.v1.train.Saver`.
      copy_from_scaffold: where else to take them from.

    Raises:
      TypeError: `copy_from_scaffold` is no scaffold.
    """

    def __init__(
        self,
        init_op: Any = None,
        init_feed_dict: dict | None = None,
        init_fn: Callable | None = None,
        ready_op: Any = None,
        ready_for_local_init_op: Any = None,
        local_init_op: Any = None,
        summary_op: Any = None,
        saver: Any = None,
        copy_from_scaffold: Scaffold | None = None,
        local_init_feed_dict: dict | None = None,
    ):
        if copy_from_scaffold is not None and not isinstance(copy_from_scaffold, Scaffold):
            raise TypeError("copy_from_scaffold is not a Scaffold instance.")

        def chosen(value: Any, name: str) -> Any:
            return (
                getattr(copy_from_scaffold, name)
                if value is None and copy_from_scaffold is not None
                else value
            )

        self._user_init_fn = chosen(init_fn, "_user_init_fn")
        self.init_op = chosen(init_op, "init_op")
        self.init_feed_dict = chosen(init_feed_dict, "init_feed_dict")
        self.ready_op = chosen(ready_op, "ready_op")
        self.ready_for_local_init_op = chosen(ready_for_local_init_op, "ready_for_local_init_op")
        self.local_init_op = chosen(local_init_op, "local_init_op")
        self.local_init_feed_dict = chosen(local_init_feed_dict, "local_init_feed_dict")
        self.summary_op = chosen(summary_op, "summary_op")
        self.saver = chosen(saver, "saver")

    @property
    def init_fn(self) -> Callable | None:
        """A function of the session, or None."""
        function = self._user_init_fn
        return None if function is None else lambda session: function(self, session)

    def finalize(self) -> Scaffold:
        """Makes what is missing, and makes the graph read-only."""
        graph = current_graph()
        with context.building(graph):
            for name, key, make in (
                ("init_op", GraphKeys.INIT_OP, _default_init_op),
                ("ready_op", GraphKeys.READY_OP, _missing_names),
                (
                    "ready_for_local_init_op",
                    GraphKeys.READY_FOR_LOCAL_INIT_OP,
                    lambda: _missing_names(tf.compat.v1.global_variables()),
                ),
                ("local_init_op", GraphKeys.LOCAL_INIT_OP, Scaffold.default_local_init_op),
                ("summary_op", GraphKeys.SUMMARY_OP, tf.compat.v1.summary.merge_all),
            ):
                if getattr(self, name) is None:
                    setattr(self, name, Scaffold.get_or_default(name, key, make))
        if self.saver is None:  # made eagerly in programs that run eagerly, it knows their variables too
            self.saver = default_saver()
        if hasattr(self.saver, "build"):
            self.saver.build()
        graph.finalize()
        logging.info("Graph was finalized.")
        return self

    @staticmethod
    def get_or_default(arg_name: str, collection_key: Any, default_constructor: Callable[[], Any]) -> Any:
        """The item of a collection; where there is none, a new one, which is added to it.

        Raises:
          RuntimeError: there are several.
        """
        found = current_graph().get_collection(collection_key)
        if len(found) > 1:
            raise RuntimeError(
                f'More than one item in the collection "{collection_key}". Please indicate which one to use by passing '
                f"it to the tf.Scaffold constructor as:  tf.Scaffold({arg_name}=item to use)"
            )
        if found:
            return found[0]
        made = default_constructor()
        if made is not None:
            current_graph().add_to_collection(collection_key, made)
        return made

    @staticmethod
    def default_local_init_op() -> Any:
        """An operation that initializes local variables and tables."""
        return tf.group(tf.compat.v1.local_variables_initializer(), tf.compat.v1.tables_initializer())


def _default_init_op() -> Any:
    return tf.group(
        tf.compat.v1.global_variables_initializer(),
        *current_graph().get_collection("saved_model_initializers"),
    )
