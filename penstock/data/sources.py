"""Datasets that come from somewhere: tensors, slices, generators, ranges, random numbers, file names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from penstock.data.dataset import INFINITE, UNKNOWN, Dataset
from penstock.data.element import Layout, as_eager, leaves, spec_of, to_structure
from penstock.engine.convert import array_of
from penstock.engine.static_value import constant_value
from penstock.ops.python_functions import as_op_error
from penstock.types import dtypes, errors, nest
from penstock.types.dtypes import as_dtype
from penstock.types.shapes import TensorShape
from penstock.types.specs import NoneTensorSpec, TensorSpec
from penstock.types.tensors import SymbolicTensor, Tensor


def _is_symbolic(structure: Any) -> bool:
    return any(
        isinstance(each, SymbolicTensor)
        for leaf in leaves(structure)
        if leaf is not None
        for each in nest.flatten(leaf, expand_composites=True)
    )


def symbolic_error() -> errors.UnimplementedError:
    """For iterating a dataset that was made, inside a function, of tensors that have no value yet."""
    return errors.UnimplementedError(
        None,
        None,
        "This dataset was made of symbolic tensors inside a tf.function: make it outside, of eager ones.",
    )


class Tensors(Dataset):
    """One element."""

    def __init__(self, structure: Any):
        super().__init__(spec_of(structure))
        self._flat = None if _is_symbolic(structure) else self._layout.flatten(structure)

    def _iterate(self) -> Iterator[list]:
        if self._flat is None:
            raise symbolic_error()
        yield list(self._flat)

    def _size(self) -> int:
        return 1


class Slices(Dataset):
    """The slices of tensors along their first dimension."""

    def __init__(self, structure: Any):
        batched = spec_of(structure)
        flat_specs = leaves(batched)
        if not flat_specs:
            raise ValueError("Invalid `tensors`. `tensors` should not be empty.")
        for spec in flat_specs:
            if isinstance(spec, TensorSpec) and spec.shape.rank == 0:
                raise ValueError("Unbatching a tensor is only supported for rank >= 1")
        layout = Layout(batched)
        super().__init__(layout.fill([_row_spec(spec) for spec in flat_specs]))
        sizes = {spec.shape[0] for spec in flat_specs if isinstance(spec, TensorSpec) and spec.shape.rank}
        self._count = UNKNOWN
        self._columns: list[Any] | None = None
        self._composites: list[Any] = []
        if _is_symbolic(structure):
            if len(sizes) == 1 and None not in sizes:
                self._count = sizes.pop()
            return
        values = leaves(structure)
        counts = {_first_dimension(each) for each in values if each is not None}
        if len(counts) > 1:
            raise ValueError(
                f"Dimensions {sorted(counts)} are not compatible: all components must have the same first one."
            )
        self._count = counts.pop()
        self._columns = [
            None if each is None else each if not isinstance(spec, TensorSpec) else as_eager(each.host())
            for spec, each in zip(flat_specs, values)
        ]
        self._plain = all(isinstance(spec, TensorSpec) for spec in flat_specs)

    def _iterate(self) -> Iterator[list]:
        columns = self._columns
        if columns is None:
            raise symbolic_error()
        if self._plain:
            yield from (list(row) for row in zip(*columns))
            return
        for index in range(self._count):
            row = [_row(each, spec, index) for each, spec in zip(columns, leaves(self._element_spec))]
            yield self._layout.flatten(self._layout.fill([_as_tensor(each) for each in row]))

    def _size(self) -> int:
        return self._count


def _as_tensor(value: Any) -> Any:
    if value is None or isinstance(value, Tensor) or hasattr(value, "_type_spec"):
        return value
    return to_structure(value)


def _row(column: Any, spec: Any, index: int) -> Any:
    """Row `index` of a component; of a composite that cannot be indexed, that of each of its tensors."""
    if column is None:
        return None
    if hasattr(column, "__getitem__"):
        return column[index]
    parts = [each[index] for each in nest.flatten(column, expand_composites=True)]
    return nest.pack_sequence_as(spec, parts, expand_composites=True)


def _row_spec(spec: Any) -> Any:
    if isinstance(spec, NoneTensorSpec):
        return spec
    return spec._unbatch()


def _first_dimension(value: Any) -> int:
    if isinstance(value, Tensor):
        return value.shape[0]
    if hasattr(value, "nrows"):
        return int(value.nrows())
    if not hasattr(value, "shape"):
        value = nest.flatten(value, expand_composites=True)[0]
    return int(value.shape[0])


class Generator(Dataset):
    """What a Python generator yields."""

    def __init__(
        self, generator: Callable, output_types: Any, output_shapes: Any, args: Any, output_signature: Any
    ):
        if not callable(generator):
            raise TypeError("`generator` must be a Python callable.")
        if output_signature is not None:
            if output_types is not None or output_shapes is not None:
                raise TypeError(
                    "The `output_types` and `output_shapes` arguments cannot be used with `output_signature`."
                )
            spec = _specs_of_lists(output_signature)
        elif output_types is None:
            raise TypeError(
                "To specify the output signature you need to provide `output_signature` or `output_types`."
            )
        else:
            types = _specs_of_lists(output_types)
            if output_shapes is None:
                spec = _map_types(types)
            else:
                shapes = iter(_flat_shapes(types, output_shapes))
                spec = Layout(_map_types(types)).fill(
                    [TensorSpec(next(shapes), as_dtype(kind)) for kind in leaves(types)]
                )
        super().__init__(spec)
        self._generator = generator
        self._args = tuple(
            np.asarray(each) if not isinstance(each, Tensor) else each.numpy() for each in args or ()
        )

    def _iterate(self) -> Iterator[list]:
        specs = leaves(self._element_spec)
        try:
            for value in self._generator(*self._args):
                yield self._check(value, specs)
        except errors.OpError:
            raise
        except Exception as error:
            raise as_op_error(error) from error

    def _check(self, value: Any, specs: list) -> list:
        if isinstance(self._element_spec, tuple) and isinstance(value, list):
            value = tuple(value)
        parts = _split_like(self._element_spec, value)
        flat: list[Any] = []
        for spec, part in zip(specs, parts, strict=True):
            if not isinstance(spec, TensorSpec):
                flat.extend(as_eager(each.host()) for each in nest.flatten(part, expand_composites=True))
                continue
            try:
                array = part.host() if isinstance(part, Tensor) else array_of(part, spec.dtype)[0]
            except (TypeError, ValueError) as error:
                raise errors.InvalidArgumentError(
                    None,
                    None,
                    f"TypeError: `generator` yielded an element that could not be converted to the expected type. The "
                    f"expected type was {spec.dtype.name}, but the yielded element was {part!r}. ({error})",
                ) from None
            if not spec.shape.is_compatible_with(np.shape(array)):
                raise errors.InvalidArgumentError(
                    None,
                    None,
                    f"TypeError: `generator` yielded an element of shape {np.shape(array)} where an element of shape "
                    f"{spec.shape} was expected.",
                )
            flat.append(array)
        return flat


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


class Range(Dataset):
    """The numbers from `start` to `stop` in steps."""

    def __init__(self, *args: Any, output_type: Any = dtypes.int64):
        if not 1 <= len(args) <= 3:
            raise ValueError(
                f"Invalid `args`. The length of `args` should be between 1 and 3, got {len(args)}."
            )
        dtype = as_dtype(output_type)
        super().__init__(TensorSpec([], dtype))
        known = [constant_value(each) if isinstance(each, Tensor) else each for each in args]
        self._bounds = None if any(each is None for each in known) else range(*(int(each) for each in known))
        self._type = dtype.as_numpy_dtype

    def _iterate(self) -> Iterator[list]:
        kind = self._type
        return ([kind(value)] for value in self._bounds)

    def _size(self) -> int:
        return UNKNOWN if self._bounds is None else len(self._bounds)


class Random(Dataset):
    """Pseudorandom int64 numbers without end."""

    def __init__(self, seed: Any, rerandomize: bool):
        super().__init__(TensorSpec([], dtypes.int64))
        self._seed, self._rerandomize = seed, rerandomize
        self._made = 0

    def _iterate(self) -> Iterator[list]:
        seed = None if self._seed is None else [int(self._seed), self._made if self._rerandomize else 0]
        self._made += 1
        generator = np.random.default_rng(seed)
        while True:
            yield [np.int64(generator.integers(0, 2**32))]

    def _size(self) -> int:
        return INFINITE


def list_files(file_pattern: Any, shuffle: bool, seed: Any) -> Dataset:
    """The names of files that match glob patterns.

    Raises:
      InvalidArgumentError: nothing matches.
    """
    import glob

    patterns = (
        [file_pattern] if isinstance(file_pattern, (str, bytes)) else list(np.ravel(np.asarray(file_pattern)))
    )
    texts = [each.decode() if isinstance(each, bytes) else str(each) for each in patterns]
    found = sorted(name for pattern in texts for name in glob.glob(pattern))
    if not found:
        raise errors.InvalidArgumentError(None, None, f"No files matched pattern: {', '.join(texts)}")
    dataset = Dataset.from_tensor_slices(np.array(found, object))
    return dataset.shuffle(len(found), seed) if shuffle else dataset
