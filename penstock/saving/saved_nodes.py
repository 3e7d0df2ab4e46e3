"""The objects and functions that a SavedModel keeps: found by walking from a root, each with a number.

Like `saving.object_graph`, but with functions, signatures, and the tensors that functions capture.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.saving.object_graph import escape
from penstock.tracing.concrete_function import ConcreteFunction
from penstock.tracing.function import Function, function
from penstock.types import dtypes
from penstock.types.data_structures import wrap_or_unwrap
from penstock.types.specs import TensorSpec
from penstock.types.tensors import EagerTensor
from penstock.types.trackable import Trackable


class SignatureMap(Mapping, Trackable):
    """The signatures of a SavedModel: name -> concrete function."""

    def __init__(self) -> None:
        self._signatures: dict[str, Any] = {}

    def _add_signature(self, name: str, concrete_function: Any) -> None:
        self._signatures[name] = concrete_function

    def __getitem__(self, key: str) -> Any:
        return self._signatures[key]

    def __iter__(self) -> Any:
        return iter(self._signatures)

    def __len__(self) -> int:
        return len(self._signatures)

    def _trackable_children(
        self, save_type: str = "checkpoint", cache: Any = None, **kwargs: Any
    ) -> dict[str, Any]:
        return dict(self._signatures) if save_type == "savedmodel" else {}

    def _add_trackable_child(self, name: str, value: Any) -> None:
        self._add_signature(name, value)

    @property
    def _object_identifier(self) -> str:
        return "signature_map"

    def __repr__(self) -> str:
        return f"_SignatureMap({self._signatures})"


def is_variable(thing: Any) -> bool:
    """Whether an object is a variable."""
    return hasattr(thing, "_should_act_as_resource_variable") and hasattr(thing, "handle")


def is_resource(thing: Any) -> bool:
    """Whether an object owns a resource that a loading program makes anew, such as a table."""
    return hasattr(thing, "_create_resource") and hasattr(thing, "resource_handle")


class SavedNodes:
    """What a SavedModel keeps.

    Args:
      root: where the walk begins.
      signatures: the child of the root that holds the signatures.

    Attributes:
      objects: in the order in which they are found; the position of each is its number.
      children: name -> number, for each. paths: the path by which each was found.
      contents: for resources that have some, (name, number of the function that gives it, of the one that takes it).
    """

    def __init__(self, root: Any, signatures: SignatureMap):
        self.objects: list[Any] = []
        self.children: list[dict[str, int]] = []
        self.paths: list[str] = []
        self._numbers: dict[int, int] = {}
        self._captured: dict[int, int] = {}
        self._cache: dict = {}
        self.contents: dict[int, tuple[str, int, int]] = {}
        self._add(root, "")
        number = 0
        while number < len(self.objects):
            found = self._children_of(self.objects[number])
            if number == 0:
                found["signatures"] = signatures
            self._add_contents(number)
            path = self.paths[number]
            for name, child in found.items():
                child_path = f"{path}/{escape(name)}" if path else escape(name)
                self.children[number][name] = self._add(child, child_path)
            number += 1

    def _add(self, thing: Any, path: str) -> int:
        thing = _variable_itself(thing)
        number = self._numbers.get(id(thing))
        if number is None:
            number = self._numbers[id(thing)] = len(self.objects)
            self.objects.append(thing)
            self.paths.append(path)
            self.children.append({})
            handle = captured_tensor(thing)
            if handle is not None:
                self._captured[id(handle)] = number
        return number

    def _add_contents(self, number: int) -> None:
        """A resource with contents of its own gets two more functions: one gives them as tensors, one takes them."""
        thing = self.objects[number]
        if is_resource(thing):
            functions = contents_functions(thing)
            if functions is not None:
                name, give, take = functions
                self.contents[number] = (name, self._add(give, ""), self._add(take, ""))

    def _children_of(self, thing: Any) -> dict[str, Any]:
        if isinstance(thing, (Function, ConcreteFunction)) or not isinstance(thing, Trackable):
            return {}
        if is_variable(thing):
            return {}
        found = dict(thing._trackable_children("savedmodel", cache=self._cache))
        if is_resource(thing):
            found |= resource_functions(thing)
        found = {
            name: child if isinstance(child, (Function, ConcreteFunction)) else wrap_or_unwrap(child)
            for name, child in found.items()
        }
        return {
            name: child
            for name, child in found.items()
            if isinstance(child, (Trackable, Function, ConcreteFunction))
        }

    def add(self, thing: Any) -> int:
        """Adds something that no object holds, and returns its number."""
        return self._add(thing, "")

    def trace_all(self) -> None:
        """Traces the functions that have an input signature and no trace yet."""
        for thing in self.objects:
            if isinstance(thing, Function):
                thing._list_all_concrete_functions_for_serialization()

    def number_of(self, thing: Any) -> int:
        """The number of an object."""
        return self._numbers[id(_variable_itself(thing))]

    def number_of_capture(self, tensor: Any) -> int | None:
        """The number of what a captured tensor belongs to; that of a new constant for a plain tensor.

        None for the handle of something that the root does not hold.
        """
        number = self._captured.get(id(tensor))
        if number is None and tensor.dtype.is_numpy_compatible and isinstance(tensor, EagerTensor):
            number = self._add(tensor, "")
            self._captured[id(tensor)] = number
        return number


def _variable_itself(thing: Any) -> Any:
    """The variable that an object of another library wraps, as Keras's variables do; else the object."""
    inner = getattr(thing, "value", None) if hasattr(thing, "_should_act_as_resource_variable") else None
    return inner if inner is not None and not callable(inner) and is_variable(inner) else thing


def captured_tensor(thing: Any) -> Any:
    """The tensor by which functions use an object: a handle, or the path of an asset."""
    if is_variable(thing):
        return thing.handle
    if is_resource(thing):
        return thing.resource_handle
    return getattr(thing, "asset_path", None)


def resource_functions(thing: Any) -> dict[str, Function]:
    """Functions that make, fill and delete the resource of an object, for the program that loads it."""
    made = thing.__dict__.get("_self_resource_functions")
    if made is not None:
        return made

    def creator() -> Any:
        return thing._create_resource()

    def initializer() -> Any:
        thing._initialize()
        return 1

    def destroyer() -> Any:
        return 1

    bodies = {"_create_resource": creator, "_initialize": initializer, "_destroy_resource": destroyer}
    made = {name: function(body, input_signature=[], autograph=False) for name, body in bodies.items()}
    thing.__dict__["_self_resource_functions"] = made
    return made


def contents_functions(thing: Any) -> tuple[str, Any, Any] | None:
    """(name, function that gives the contents of a resource, function that takes them); None where it has none."""
    made = thing.__dict__.get("_self_contents_functions")
    if made is not None:
        return made
    try:
        names = list(thing._serialize_to_tensors())
    except NotImplementedError:
        return None
    if not names:
        return None

    def give(checkpoint_key: Any) -> Any:
        tensors = thing._serialize_to_tensors()
        empty = convert_to_tensor("")
        return [
            {
                "name": execute("StringJoin", ([checkpoint_key, convert_to_tensor(name)],)),
                "tensor": each,
                "slice_spec": empty,
            }
            for name, each in tensors.items()
        ]

    def take(restored_tensors: Any) -> Any:
        thing._restore_from_tensors(dict(zip(names, restored_tensors)))
        return convert_to_tensor(1)

    key = TensorSpec([], dtypes.string, "checkpoint_key")
    kinds = [each.dtype for each in thing._serialize_to_tensors().values()]
    given = [tuple(TensorSpec(None, kind, "restored_tensors") for kind in kinds)]
    name = getattr(thing, "_legacy_saveable_name", "") or "contents"
    made = (
        name,
        function(give, input_signature=[key], autograph=False).get_concrete_function(),
        function(take, input_signature=given, autograph=False).get_concrete_function(),
    )
    thing.__dict__["_self_contents_functions"] = made
    return made
