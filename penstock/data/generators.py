"""`from_generator`: what a Python generator yields, checked against the specs that were promised."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from penstock.data.dataset import Dataset
from penstock.data.element import Layout, as_eager, leaves
from penstock.data.iteration import Iteration
from penstock.engine.convert import array_of
from penstock.ops.python_functions import as_op_error
from penstock.types import dtypes, errors, nest
from penstock.types.dtypes import as_dtype
from penstock.types.shapes import TensorShape
from penstock.types.specs import TensorSpec
from penstock.types.tensors import SymbolicTensor, Tensor


class Generator(Dataset):
    """What a Python generator yields."""

    def __init__(
        self, generator: Callable, output_types: Any, output_shapes: Any, args: Any, output_signature: Any
    ):
        if not callable(generator):
            raise TypeError("`generator` must be a Python callable.")
        super().__init__(_signature(output_types, output_shapes, output_signature))
        self._generator = generator
        self._args = [
            each if isinstance(each, SymbolicTensor) else each.numpy() if isinstance(each, Tensor) else np.asarray(each)
            for each in args or ()
        ]  # fmt: skip
        self._need(self._args)
        self._specs = leaves(self._element_spec)
        self._shapes = [
            tuple(spec.shape) if isinstance(spec, TensorSpec) and spec.shape.is_fully_defined() else None
            for spec in self._specs
        ]
        self._kinds = [
            np.dtype(spec.dtype.as_numpy_dtype) if isinstance(spec, TensorSpec) else None
            for spec in self._specs
        ]

    def _elements(self, at: Iteration) -> Iterator[list]:
        check = self._flat_tuple if isinstance(self._element_spec, tuple) else self._check
        given = at.kept.get("given", 0)
        elements = _Elements(self._generator, [at.value(each) for each in self._args], given, check)
        at.keep(lambda: {"given": elements.given})
        return elements

    def _flat_tuple(self, value: Any) -> list:
        """The arrays of a yielded tuple of arrays that are just as promised; others are looked at one by one."""
        if type(value) is not tuple or len(value) != len(self._kinds):
            return self._check(value)
        flat: list[Any] = []
        for part, kind, shape in zip(value, self._kinds, self._shapes):
            if type(part) is np.ndarray and part.dtype == kind and part.shape == shape:
                flat.append(part)
            elif type(part) is int and shape == () and kind is not None and kind.kind == "i":
                try:
                    flat.append(kind.type(part))
                except OverflowError:
                    return self._check(value)
            else:
                return self._check(value)
        return flat

    def _check(self, value: Any) -> list:
        if isinstance(self._element_spec, tuple) and isinstance(value, list):
            value = tuple(value)
        parts = _split_like(self._element_spec, value)
        flat: list[Any] = []
        for spec, part in zip(self._specs, parts, strict=True):
            if not isinstance(spec, TensorSpec):
                flat.extend(as_eager(each.host()) for each in nest.flatten(part, expand_composites=True))
                continue
            try:
                array = part.host() if isinstance(part, Tensor) else _array(part, spec)
            except (TypeError, ValueError, OverflowError) as error:
                raise errors.InvalidArgumentError(
                    None, None, f"TypeError: `generator` yielded an element that could not be converted to the expected "
                    f"type. The expected type was {spec.dtype.name}, but the yielded element was {part!r}. ({error})",
                ) from None  # fmt: skip
            if not spec.shape.is_compatible_with(np.shape(array)):
                raise errors.InvalidArgumentError(
                    None, None, f"TypeError: `generator` yielded an element of shape {np.shape(array)} where an element of "
                    f"shape {spec.shape} was expected.",
                )  # fmt: skip
            flat.append(array)
        return flat


class _Elements:
    """An iterator over what a generator yields, which goes on after an element that was not as promised.

    A generator cannot be saved. So a restored position is found again by leaving out what was given before.
    """

    survives_errors = True

    def __init__(self, generator: Callable, args: list, given: int, check: Callable[[Any], list]):
        self._generator, self._args, self._check = generator, args, check
        self._values: Iterator[Any] | None = None
        self.given = given

    def __iter__(self) -> Iterator[list]:
        return self

    def __next__(self) -> list:
        try:
            if self._values is None:
                self._values = itertools.islice(self._generator(*self._args), self.given, None)
            value = next(self._values)
        except (StopIteration, errors.OpError):
            raise
        except Exception as error:
            raise as_op_error(error) from error
        self.given += 1
        return self._check(value)

    def close(self) -> None:
        """Lets the generator go."""
        self._values = iter(())


def _signature(output_types: Any, output_shapes: Any, output_signature: Any) -> Any:
    if output_signature is not None:
        if output_types is not None or output_shapes is not None:
            raise TypeError(
                "The `output_types` and `output_shapes` arguments cannot be used with `output_signature`."
            )
        return _specs_of_lists(output_signature)
    if output_types is None:
        raise TypeError(
            "To specify the output signature you need to provide `output_signature` or `output_types`."
        )
    types = _specs_of_lists(output_types)
    if output_shapes is None:
        return _map_types(types)
    shapes = iter(_flat_shapes(types, output_shapes))
    return Layout(_map_types(types)).fill(
        [TensorSpec(next(shapes), as_dtype(kind)) for kind in leaves(types)]
    )


def _array(part: Any, spec: TensorSpec) -> Any:
    """A yielded value as an array; numbers of another type are cast, as in TensorFlow."""
    try:
        return array_of(part, spec.dtype)[0]
    except (TypeError, ValueError, OverflowError):
        array = np.asarray(part)
        if (
            array.dtype.kind not in "biufc"
            or not spec.dtype.is_numpy_compatible
            or spec.dtype is dtypes.string
        ):
            raise
        return array.astype(spec.dtype.as_numpy_dtype)


def _split_like(spec: Any, value: Any) -> list:
    """The parts of a yielded value; lists in a tuple's place count as tuples."""
    if isinstance(spec, tuple):
        parts = list(value)
        if len(parts) != len(spec):
            raise errors.InvalidArgumentError(
                None, None, f"TypeError: `generator` yielded an element that did not match the expected structure. The "
                f"expected structure has {len(spec)} parts, but the yielded element was {value!r}."
            )  # fmt: skip
        return [part for each, inner in zip(spec, parts) for part in _split_like(each, inner)]
    if isinstance(spec, dict):
        return [part for key in sorted(spec) for part in _split_like(spec[key], value[key])]
    return [value]


def _specs_of_lists(structure: Any) -> Any:
    if isinstance(structure, (list, tuple)) and not hasattr(structure, "_fields"):
        return tuple(_specs_of_lists(each) for each in structure)
    if isinstance(structure, dict):
        return {key: _specs_of_lists(each) for key, each in structure.items()}
    return structure


def _map_types(types: Any) -> Any:
    if isinstance(types, tuple):
        return tuple(_map_types(each) for each in types)
    if isinstance(types, dict):
        return {key: _map_types(each) for key, each in types.items()}
    return TensorSpec(None, as_dtype(types))


def _flat_shapes(types: Any, shapes: Any) -> list:
    if isinstance(types, tuple):
        return [
            found for kind, shape in zip(types, shapes, strict=True) for found in _flat_shapes(kind, shape)
        ]
    if isinstance(types, dict):
        return [found for key in sorted(types) for found in _flat_shapes(types[key], shapes[key])]
    return [TensorShape(shapes)]
