"""The public names of the types layer, which stands below the export table: one row for each name."""

from __future__ import annotations

from typing import Any

from penstock.engine.export import export
from penstock.types import (
    composite,
    data_structures,
    device_spec,
    dtypes,
    errors,
    extension_anonymous,
    extension_type,
    nest,
    shapes,
    specs,
    tensors,
    trace_type,
    trackable,
    type_spec,
)

_DTYPES = (
    "float16 half float32 float64 double bfloat16 complex64 complex128 int8 int16 int32 int64 uint8 uint16 uint32 uint64 "
    "bool string resource variant qint8 qint16 qint32 quint8 quint16"
).split()
_EXPERIMENTAL_DTYPES = (
    "float8_e5m2 float8_e4m3fn float8_e4m3fnuz float8_e4m3b11fnuz float8_e5m2fnuz float4_e2m1fn int2 int4 uint2 uint4"
).split()
_NEST = "assert_same_structure flatten is_nested map_structure pack_sequence_as".split()
_NEST_INTERNAL = (
    "flatten_up_to list_to_tuple map_structure_up_to assert_shallow_structure flatten_with_joined_string_paths "
    "get_traverse_shallow_structure yield_flat_paths flatten_with_tuple_paths is_attrs is_mapping sequence_like"
).split()

# (object, its v2 names, its v1 names or None where they are the same)
_TABLE: list[tuple[Any, tuple[str, ...], tuple[str, ...] | None]] = [
    (dtypes.DType, ("DType", "dtypes.DType"), None),
    (dtypes.as_dtype, ("as_dtype", "dtypes.as_dtype"), None),
    (dtypes.QUANTIZED_DTYPES, ("dtypes.QUANTIZED_DTYPES",), ("QUANTIZED_DTYPES", "dtypes.QUANTIZED_DTYPES")),
    (shapes.TensorShape, ("TensorShape",), None),
    (shapes.Dimension, (), ("Dimension",)),
    (shapes.dimension_value, ("compat.dimension_value",), ("dimension_value", "compat.dimension_value")),
    (
        shapes.dimension_at_index,
        ("compat.dimension_at_index",),
        ("dimension_at_index", "compat.dimension_at_index"),
    ),
    (shapes.enable_v2_tensorshape, (), ("enable_v2_tensorshape",)),
    (shapes.disable_v2_tensorshape, (), ("disable_v2_tensorshape",)),
    (tensors.Tensor, ("Tensor", "experimental.numpy.ndarray"), None),
    (tensors.TensorLike, ("__internal__.types.Tensor", "types.experimental.TensorLike"), None),
    (tensors.EagerTensor, ("__internal__.EagerTensor",), None),
    (tensors.SymbolicTensor, ("__internal__.SymbolicTensor",), None),
    (device_spec.DeviceSpec, ("DeviceSpec",), ()),
    (device_spec.DeviceSpecV1, (), ("DeviceSpec",)),
    (trace_type.TraceType, ("types.experimental.TraceType",), ()),
    (trace_type.SupportsTracingProtocol, ("types.experimental.SupportsTracingProtocol",), ()),
    (type_spec.TypeSpec, ("TypeSpec",), ("TypeSpec", "data.experimental.Structure")),
    (type_spec, ("__internal__.type_spec_registry",), None),
    (specs.DenseSpec, ("__internal__.DenseSpec",), None),
    (specs.TensorSpec, ("TensorSpec",), None),
    (specs.BoundedTensorSpec, ("__internal__.BoundedTensorSpec",), None),
    (specs.VariableSpec, ("__internal__.VariableSpec",), None),
    (specs.NoneTensorSpec, ("NoneTensorSpec", "data.NoneTensorSpec"), None),
    (specs.type_spec_from_value, ("type_spec_from_value",), None),
    (extension_type.ExtensionType, ("experimental.ExtensionType",), None),
    (extension_type.ExtensionTypeSpec, ("experimental.ExtensionTypeSpec",), None),
    (extension_type.BatchableExtensionType, ("experimental.BatchableExtensionType",), None),
    (extension_type.ExtensionTypeBatchEncoder, ("experimental.ExtensionTypeBatchEncoder",), None),
    (extension_anonymous.as_dict, ("experimental.extension_type.as_dict",), None),
    (composite.CompositeTensor, ("__internal__.CompositeTensor",), None),
    (trackable.Trackable, ("__internal__.tracking.Trackable",), None),
    (trackable.AutoTrackable, ("__internal__.tracking.AutoTrackable",), None),
    (
        trackable.no_automatic_dependency_tracking,
        ("__internal__.tracking.no_automatic_dependency_tracking",),
        None,
    ),
    (data_structures.NoDependency, ("__internal__.tracking.NoDependency",), None),
    (data_structures.wrap_or_unwrap, ("__internal__.tracking.wrap",), None),
    *((getattr(dtypes, name), (name, f"dtypes.{name}"), None) for name in _DTYPES),
    *(
        (getattr(dtypes, name), (f"dtypes.experimental.{name}", f"experimental.{name}"), None)
        for name in _EXPERIMENTAL_DTYPES
    ),
    *((getattr(nest, name), (f"nest.{name}",), None) for name in _NEST),
    *((getattr(nest, name), (f"__internal__.nest.{name}",), None) for name in _NEST_INTERNAL),
    *(
        (value, (f"errors.{name}",), None)
        for name, value in vars(errors).items()
        if name.isupper()
        or (isinstance(value, type) and issubclass(value, errors.OpError) and name[0] != "_")
    ),
    (errors.OpError, ("errors.OpError",), ("OpError", "errors.OpError")),
    (errors.OperatorNotAllowedInGraphError, ("errors.OperatorNotAllowedInGraphError",), None),
    (errors.exception_type_from_error_code, (), ("errors.exception_type_from_error_code",)),
    (errors.error_code_from_exception_type, (), ("errors.error_code_from_exception_type",)),
    (None, ("newaxis",), None),
]

for _thing, _names, _v1_names in _TABLE:
    export(*_names, v1=_v1_names)(_thing)
