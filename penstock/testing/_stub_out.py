"""`tf.compat.v1.test.StubOutForTesting`: replaces attributes for the time of a test."""

from __future__ import annotations

from typing import Any


class StubOutForTesting:
    """Replaces attributes of objects, and puts the originals back.

    Example:
      >>> import math
      >>> import penstock as tf
      >>> with tf.compat.v1.test.StubOutForTesting() as stubs:
      ...     stubs.Set(math, "pi", 3)
      ...     math.pi
      3
      >>> math.pi > 3
      True
    """

    def __init__(self) -> None:
        self._set: list[tuple[Any, str, Any]] = []
        self._smart_set: list[tuple[Any, str, Any]] = []

    def __enter__(self) -> StubOutForTesting:
        return self

    def __exit__(self, *error: Any) -> None:
        self.CleanUp()

    def CleanUp(self) -> None:
        """Puts all originals back."""
        self.SmartUnsetAll()
        self.UnsetAll()

    def Set(self, parent: Any, child_name: str, new_child: Any) -> None:
        """Replaces the attribute `child_name` of `parent`."""
        original = vars(parent).get(child_name, getattr(parent, child_name))
        self._set.append((parent, child_name, original))
        setattr(parent, child_name, new_child)

    def UnsetAll(self) -> None:
        """Puts back what `Set` replaced."""
        self._restore(self._set)

    def SmartSet(self, obj: Any, attr_name: str, new_attr: Any) -> None:
        """Replaces an attribute where it is defined: in the object, or in the class that has it.

        Raises:
          AttributeError: nobody has it.
        """
        owners = [obj, *getattr(obj, "__mro__", type(obj).__mro__)]
        owner = next((each for each in owners if attr_name in vars(each)), None)
        if owner is None:
            raise AttributeError("Attribute not found.")
        self._smart_set.append((owner, attr_name, vars(owner)[attr_name]))
        setattr(owner, attr_name, new_attr)

    def SmartUnsetAll(self) -> None:
        """Puts back what `SmartSet` replaced."""
        self._restore(self._smart_set)

    @staticmethod
    def _restore(replaced: list[tuple[Any, str, Any]]) -> None:
        while replaced:
            setattr(*replaced.pop())
