"""`tf.experimental.StructuredTensor`: named fields over one common outer shape, which may be ragged.

The outer shape is that of the template: a tensor, or ragged tensor, of zeros. Whatever is done to the outer dimensions is
done to the template as to every field, so that a structure without fields has a shape too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from penstock.engine.convert import convert_to_tensor
from penstock.engine.export import export
from penstock.ops import creation
from penstock.ops.concatenation import concat
from penstock.ops.ragged.construction import ragged_constant
from penstock.ops.ragged.dynamic_shape import DynamicRaggedShape
from penstock.ops.ragged.row_partition import RowPartition
from penstock.ops.ragged.tensor import RaggedTensor, is_ragged
from penstock.ops.reshaping import reshape
from penstock.ops.shapes_of_tensors import shape as shape_of
from penstock.ops.structured_spec import StructuredTensorSpec
from penstock.types import dtypes
from penstock.types.composite import CompositeTensor
from penstock.types.shapes import TensorShape
from penstock.types.tensors import EagerTensor, Tensor

FieldPath = str | Sequence[str]


@export("experimental.StructuredTensor")
class StructuredTensor(CompositeTensor):
    """Records with fields, as in JSON: of no dimension one record, of one a list of them, and so on.

    Each field is a tensor, a ragged tensor or a StructuredTensor, whose first dimensions are those of the structure. Made
    by `from_pyval` and `from_fields`.

    Example:
      >>> import penstock as tf
      >>> people = tf.experimental.StructuredTensor.from_pyval(
      ...     [{"name": "Ada", "scores": [1, 2]}, {"name": "Alan", "scores": [3]}])
      >>> people.shape, people.field_value("scores")
      (TensorShape([2]), <tf.RaggedTensor [[1, 2], [3]]>)
      >>> people[1].to_pyval()["name"]
      b'Alan'
    """

    FieldName = str

    def __init__(self, fields: dict[str, Any], template: Any):
        self._fields, self._template = fields, template

    # -- making one --------------------------------------------------------------------------------------------

    @classmethod
    def from_fields(
        cls,
        fields: Mapping[str, Any],
        shape: Any = (),
        nrows: Any = None,
        row_partitions: Sequence[RowPartition] | None = None,
        validate: bool = False,
    ) -> StructuredTensor:
        """A structure of some fields.

        Args:
          fields: name -> tensor, ragged tensor, StructuredTensor, or value.
          shape: the outer shape, as far as it is known; its rank must be.
          nrows: the number of rows, where no field tells.
          row_partitions: the outer shape's partitions, where no field tells.
          validate: not needed: fields are always checked as far as their shapes are known.

        Raises:
          ValueError: the shape's rank is unknown, or a field has another outer shape.
        """
        shape = TensorShape(shape)
        if shape.rank is None:
            raise ValueError("StructuredTensor's shape must have known rank.")
        converted = {_checked_name(name): _as_field(value) for name, value in fields.items()}
        template = _template_for(converted, shape, nrows, row_partitions)
        for name, value in converted.items():
            rank = value.shape.rank
            if rank is not None and rank < shape.rank:
                raise ValueError(f"Error in shape of {name}: {value.shape} has fewer dimensions than {shape}")
            if not value.shape[: shape.rank].is_compatible_with(template.shape):
                raise ValueError(
                    f"Error in shape of {name}: {value.shape} does not begin with {template.shape}"
                )
        shape.assert_is_compatible_with(template.shape)
        return cls(converted, template)

    @classmethod
    def from_fields_and_rank(
        cls, fields: Mapping[str, Any], rank: int, validate: bool = False, dtype: Any = None
    ) -> StructuredTensor:
        """As `from_fields`, with an outer shape of which the rank alone is given; there must be a field."""
        if not fields:
            raise ValueError("Must provide at least one field")
        return cls.from_fields(fields, [None] * rank, validate=validate)

    @classmethod
    def from_shape(cls, ragged_shape: DynamicRaggedShape) -> StructuredTensor:
        """A structure of an outer shape, without fields."""
        flat = creation.zeros(ragged_shape.inner_shape, dtypes.int8)
        return cls({}, _ragged(flat, ragged_shape.row_partitions))

    @classmethod
    def from_pyval(cls, pyval: Any, typespec: Any = None) -> Any:
        """A structure of dictionaries and lists of them; of other values a tensor or ragged tensor.

        Raises:
          KeyError: two dictionaries of a list have different keys.
          ValueError: the values of a field do not have one dtype and depth.
        """
        if isinstance(pyval, dict):
            fields = {name: cls.from_pyval(value, _spec_of(typespec, name)) for name, value in pyval.items()}
            return cls.from_fields(fields)
        if not _holds_dicts(pyval):
            options = {} if typespec is None else {"dtype": typespec.dtype}
            return ragged_constant(pyval, **options)
        if any(isinstance(each, (list, tuple)) for each in pyval):
            rows = cls.from_pyval([each for row in pyval for each in row], typespec)
            return rows.partition_outer_dimension(RowPartition.from_row_lengths([len(row) for row in pyval]))
        names = list(pyval[0])
        for record in pyval:
            for name in {*record} ^ {*names}:
                raise KeyError(name)
        fields = {}
        for name in names:
            try:
                fields[name] = cls.from_pyval([record[name] for record in pyval], _spec_of(typespec, name))
            except (TypeError, ValueError) as error:
                raise ValueError(f"Error parsing path ({name!r},): {error}") from error
        return cls.from_fields(fields, [len(pyval)], nrows=len(pyval))

    # -- what it is --------------------------------------------------------------------------------------------

    @property
    def rank(self) -> int:
        """The number of outer dimensions."""
        return self._template.shape.rank

    @property
    def shape(self) -> TensorShape:
        """The outer shape, as far as it is known."""
        return self._template.shape

    @property
    def row_partitions(self) -> tuple[RowPartition, ...]:
        """How the outer dimensions but the first divide those before them."""
        if self.rank <= 1:
            return ()
        outer, rest = (), self._template
        if isinstance(rest, RaggedTensor):
            outer, rest = rest._nested_row_partitions, rest.flat_values
        sizes = shape_of(rest, dtypes.int64)
        uniform, count = [], sizes[0]
        for axis in range(1, rest.shape.rank):
            uniform.append(
                RowPartition.from_uniform_row_length(sizes[axis], nvals=count * sizes[axis], nrows=count)
            )
            count = count * sizes[axis]
        return (*outer, *uniform)

    def nrows(self) -> Tensor | None:
        """The size of the first dimension, an int64 tensor; None for a single record."""
        if self.rank == 0:
            return None
        if isinstance(self._template, RaggedTensor):
            return self._template.nrows(dtypes.int64)
        return shape_of(self._template, dtypes.int64)[0]

    def field_names(self) -> tuple[str, ...]:
        """The names of the fields."""
        return tuple(self._fields)

    def field_value(self, field_name: FieldPath) -> Any:
        """The value of a field, or of a field of a field; KeyError where there is none."""
        path = _path(field_name)
        value: Any = self
        for name in path:
            if not isinstance(value, StructuredTensor):
                raise KeyError(
                    f"Field path {path} not found: the field before {name!r} is no StructuredTensor"
                )
            value = value._fields[name]
        return value

    # -- changing it -------------------------------------------------------------------------------------------

    def _mapped(self, function: Callable[[Any], Any]) -> StructuredTensor:
        """Does the same to the template and every field."""
        return StructuredTensor(
            {name: function(value) for name, value in self._fields.items()}, function(self._template)
        )

    def with_updates(self, updates: Mapping[Any, Any], validate: bool = False) -> StructuredTensor:
        """With other fields.

        Args:
          updates: name or path -> a value, a function of the present value, or None to leave the field out.

        Raises:
          ValueError: a value has another outer shape, or the field that a path goes through is not there.
        """
        fields = dict(self._fields)
        inside: dict[str, dict] = {}
        for key, update in updates.items():
            name, *rest = _path(key)
            if rest:
                if not isinstance(fields.get(name), StructuredTensor):
                    raise ValueError(
                        f"`StructuredTensor.with_updates` cannot create new sub-field {key} if parent field "
                        f"{(name,)} is not set."
                    )
                inside.setdefault(name, {})[tuple(rest)] = update
            elif update is None:
                fields.pop(name)
            else:
                fields[name] = _as_field(update(fields[name]) if callable(update) else update)
        for name, inner in inside.items():
            fields[name] = fields[name].with_updates(inner, validate)
        try:
            checked = StructuredTensor.from_fields(
                fields, self.shape, row_partitions=self.row_partitions, nrows=self.nrows()
            )
        except ValueError as error:
            raise ValueError(f"`StructuredTensor.with_updates` failed: {error}") from error
        return StructuredTensor(checked._fields, self._template)

    def promote(self, source_path: Sequence[str], new_name: str) -> StructuredTensor:
        """Lifts a field to the structure that its own is a field of: the dimensions between are merged.

        Raises:
          ValueError: the path is shorter than two names.
        """
        if len(source_path) < 2:
            raise ValueError("source_path must have length at least two")
        around = tuple(source_path[:-2])
        grandparent = self.field_value(around) if around else self
        parent, value = grandparent.field_value(source_path[-2]), self.field_value(source_path)
        inner = min(parent.rank, value.shape.rank - 1)
        if inner > grandparent.rank:
            value = _with_merged(value, grandparent.rank, inner)
        return self.with_updates({(*around, new_name): value})

    def merge_dims(self, outer_axis: int, inner_axis: int) -> StructuredTensor:
        """Makes one dimension of those from `outer_axis` to `inner_axis`.

        Raises:
          ValueError: an axis is out of bounds, or they do not rise.
        """
        rank = self.rank
        axes = []
        for name, axis in (("outer_axis", outer_axis), ("inner_axis", inner_axis)):
            if not -rank <= axis < rank:
                raise ValueError(f"{name}={axis} out of bounds: expected {-rank}<={name}<{rank}")
            axes.append(axis % rank)
        if axes[0] > axes[1]:
            raise ValueError(f"outer_axis must not be above inner_axis, got {outer_axis} and {inner_axis}")
        return self._mapped(lambda value: _with_merged(value, *axes))

    def partition_outer_dimension(self, row_partition: RowPartition) -> StructuredTensor:
        """Divides the rows into groups, which become the rows; ValueError for a single record."""
        if self.rank == 0:
            raise ValueError("Shape must have rank at least 1 to partition its outer dimension, got ()")
        return self._mapped(lambda value: _partitioned(value, row_partition))

    def with_shape_dtype(self, dtype: Any) -> StructuredTensor:
        """With row partitions of another integer dtype, those of the fields too."""

        def converted(value: Any) -> Any:
            if isinstance(value, StructuredTensor):
                return value.with_shape_dtype(dtype)
            return value.with_row_splits_dtype(dtype) if isinstance(value, RaggedTensor) else value

        return self._mapped(converted)

    def __getitem__(self, key: Any) -> Any:
        """Indices and slices for the outer dimensions, and then names of fields, and indices into them."""
        keys = key if isinstance(key, tuple) else (key,)
        rank = self.rank
        outer, rest = keys[:rank], keys[rank:]
        if any(isinstance(each, str) for each in outer):
            raise TypeError(
                f"a structure of rank {rank} takes {rank} indices before the name of a field, got {key!r}"
            )
        rows = self._mapped(lambda value: value[outer if len(outer) != 1 else outer[0]]) if outer else self
        if not rest:
            return rows
        value = rows.field_value(rest[0])
        return value[rest[1:] if len(rest) > 2 else rest[1]] if len(rest) > 1 else value

    # -- as Python values --------------------------------------------------------------------------------------

    def to_pyval(self) -> Any:
        """The structure as dictionaries and lists.

        Raises:
          ValueError: the values are not known yet.
        """
        if not isinstance(
            self._template.flat_values if is_ragged(self._template) else self._template, EagerTensor
        ):
            raise ValueError("StructuredTensor.to_pyval only works for eager tensors.")
        if self.rank == 0:
            return {name: _pyval(value) for name, value in self._fields.items()}
        columns = {name: _pyval(value) for name, value in self._fields.items()}
        return _zipped(columns, _pyval(self._template), self.rank)

    def __repr__(self) -> str:
        inner = ",\n".join(
            f'        "{name}": ' + str(value).replace("\n", "\n" + " " * 12)
            for name, value in sorted(self._fields.items())
        )
        return f"<StructuredTensor(\n    fields={{\n{inner}}},\n    shape={self.shape})>"

    @property
    def _type_spec(self) -> StructuredTensorSpec:
        specs = {name: _type_spec_of(value) for name, value in self._fields.items()}
        return StructuredTensorSpec(specs, _type_spec_of(self._template))


StructuredTensor.Spec = StructuredTensorSpec  # type: ignore[attr-defined]


def _type_spec_of(value: Any) -> Any:
    from penstock.types.specs import type_spec_from_value

    return type_spec_from_value(value)


# Fields.


def _checked_name(name: Any) -> str:
    if not isinstance(name, str):
        raise TypeError(f"Unexpected type for key in `fields`: {name!r}")
    return name


def _as_field(value: Any) -> Any:
    return value if isinstance(value, (Tensor, RaggedTensor, StructuredTensor)) else convert_to_tensor(value)


def _path(name: FieldPath) -> tuple[str, ...]:
    return (name,) if isinstance(name, str) else tuple(name)


def _spec_of(typespec: Any, name: str) -> Any:
    return None if typespec is None else typespec._fields[name]


def _holds_dicts(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and any(
        isinstance(each, dict) or _holds_dicts(each) for each in value
    )


# Outer shapes.


def _ragged(flat: Tensor, partitions: Sequence[RowPartition]) -> Any:
    return RaggedTensor._from_nested_row_partitions(flat, partitions) if partitions else flat


def _template_for(
    fields: Mapping[str, Any], shape: TensorShape, nrows: Any, partitions: Sequence[RowPartition] | None
) -> Any:
    rank = shape.rank or 0
    if rank == 0:
        return creation.zeros([], dtypes.int8)
    if partitions:
        return _ragged(creation.zeros([partitions[-1].nvals()], dtypes.int8), partitions)
    if fields:
        return _outer(next(iter(fields.values())), rank)
    rows = shape[0] if nrows is None else nrows
    if rank > 1 or rows is None:
        raise ValueError(
            "Must specify `nrows`, a fully specified `shape`, or have `fields` if `rank=1`, and `row_partitions` or "
            "`fields` for a higher rank."
        )
    return creation.zeros([rows], dtypes.int8)


def _outer(value: Any, rank: int) -> Any:
    """Zeros in the first dimensions of a value."""
    if isinstance(value, StructuredTensor):
        return _outer(value._template, rank)
    if not isinstance(value, RaggedTensor):
        known = value.shape[:rank]
        return creation.zeros(
            known.as_list() if known.is_fully_defined() else shape_of(value)[:rank], dtypes.int8
        )
    partitions = value._nested_row_partitions[: rank - 1]
    if not partitions:
        return creation.zeros([value.nrows()], dtypes.int8)
    if len(partitions) == rank - 1:
        return _ragged(creation.zeros([partitions[-1].nvals()], dtypes.int8), partitions)
    return _ragged(_outer(value.flat_values, rank - len(partitions)), partitions)


def _with_merged(value: Any, outer: int, inner: int) -> Any:
    if not isinstance(value, Tensor):
        return value.merge_dims(outer, inner)
    sizes = shape_of(value)
    merged = reshape(value, concat([sizes[:outer], [-1], sizes[inner + 1 :]], 0))
    dims = value.shape.as_list()
    between = TensorShape(dims[outer : inner + 1]).num_elements()
    merged.set_shape([*dims[:outer], between, *dims[inner + 1 :]])
    return merged


def _partitioned(value: Any, partition: RowPartition) -> Any:
    if isinstance(value, StructuredTensor):
        return value.partition_outer_dimension(partition)
    return RaggedTensor._from_row_partition(value, partition)


# Python values.


def _pyval(value: Any) -> Any:
    if isinstance(value, StructuredTensor):
        return value.to_pyval()
    if isinstance(value, RaggedTensor):
        return value.to_list()
    found = value.numpy()
    return found.tolist() if hasattr(found, "ndim") and found.ndim else found


def _zipped(columns: Mapping[str, Any], template: Any, depth: int) -> Any:
    """Records from lists of the values of each field."""
    if depth == 0:
        return dict(columns)
    return [
        _zipped({name: column[i] for name, column in columns.items()}, row, depth - 1)
        for i, row in enumerate(template)
    ]
