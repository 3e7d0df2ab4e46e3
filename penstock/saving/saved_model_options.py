"""`tf.saved_model.SaveOptions` and `LoadOptions`."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Any

from penstock.engine.export import export


@export("saved_model.experimental.VariablePolicy")
class VariablePolicy(enum.Enum):
    """What of a variable's placement a SavedModel keeps."""

    NONE = None
    SAVE_VARIABLE_DEVICES = "save_variable_devices"
    EXPAND_DISTRIBUTED_VARIABLES = "expand_distributed_variables"

    @staticmethod
    def from_obj(obj: Any) -> VariablePolicy:
        """The policy of a policy, its value, or None.

        Raises:
          ValueError: there is none of that value.
        """
        if isinstance(obj, VariablePolicy):
            return obj
        value = obj.lower() if isinstance(obj, str) else obj
        for policy in VariablePolicy:
            if policy.value == value:
                return policy
        raise ValueError(f"Received invalid VariablePolicy value: {obj!r}.")


@export("saved_model.SaveOptions")
class SaveOptions:
    """How `tf.saved_model.save` writes.

    Args:
      namespace_whitelist: namespaces of ops that TensorFlow does not have itself. Nothing is refused here.
      save_debug_info: whether to write the source lines of nodes to `debug/`.
      function_aliases: name -> `tf.function`, kept in the MetaGraph for converters.
      experimental_debug_stripper: whether to leave out assertions, printing, and checks of numbers.
      experimental_io_device: accepted: files are written by this process.
      experimental_variable_policy: whether the devices of variables are kept; see `VariablePolicy`.
      experimental_custom_gradients: whether gradients given with `tf.custom_gradient` are kept.
      experimental_image_format: must be False: TensorFlow's split format for models of over 2 GB.
      experimental_skip_saver: whether to leave out the nodes that save and restore variables in a session.
      experimental_sharding_callback: accepted: variables go to one file.
      extra_tags: tags beside "serve".
    """

    def __init__(
        self,
        namespace_whitelist: Sequence[str] | None = None,
        save_debug_info: bool = False,
        function_aliases: Mapping[str, Any] | None = None,
        experimental_debug_stripper: bool = False,
        experimental_io_device: str | None = None,
        experimental_variable_policy: Any = None,
        experimental_custom_gradients: bool = True,
        experimental_image_format: bool = False,
        experimental_skip_saver: bool = False,
        experimental_sharding_callback: Any = None,
        extra_tags: Sequence[str] | None = None,
    ):
        if namespace_whitelist is not None and not isinstance(namespace_whitelist, (list, tuple)):
            raise TypeError("`namespace_whitelist` must be a list of strings.")
        self.namespace_whitelist = [str(each) for each in namespace_whitelist or ()]
        self.save_debug_info = save_debug_info
        self.function_aliases = dict(function_aliases or {})
        self.experimental_debug_stripper = experimental_debug_stripper
        self.experimental_io_device = experimental_io_device
        self.experimental_variable_policy = VariablePolicy.from_obj(experimental_variable_policy)
        self.experimental_custom_gradients = experimental_custom_gradients
        self.experimental_image_format = experimental_image_format
        self.experimental_skip_saver = experimental_skip_saver
        self.experimental_sharding_callback = experimental_sharding_callback
        self.extra_tags = list(extra_tags or ())


@export("saved_model.LoadOptions", v1=[])
class LoadOptions:
    """How `tf.saved_model.load` reads.

    Args:
      allow_partial_checkpoint: whether variables may lack a saved value.
      experimental_io_device: accepted: files are read by this process.
      experimental_skip_checkpoint: whether variables stay without values.
      experimental_variable_policy: accepted.
      experimental_load_function_aliases: whether the result has `function_aliases`.
    """

    def __init__(
        self,
        allow_partial_checkpoint: bool = False,
        experimental_io_device: str | None = None,
        experimental_skip_checkpoint: bool = False,
        experimental_variable_policy: Any = None,
        experimental_load_function_aliases: bool = False,
    ):
        self.allow_partial_checkpoint = allow_partial_checkpoint
        self.experimental_io_device = experimental_io_device
        self.experimental_skip_checkpoint = experimental_skip_checkpoint
        self.experimental_variable_policy = VariablePolicy.from_obj(experimental_variable_policy)
        self.experimental_load_function_aliases = experimental_load_function_aliases
