"""Loops over the first dimension of tensors: `map_fn`, `scan`, `foldl`, `foldr`.

Eagerly they are Python loops; in a graph, a `while_loop` over tensor arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.ops.row_results import rows_of
from penstock.ops.tensor_array import TensorArray
from penstock.ops.while_loop import while_loop
from penstock.types import errors, nest
from penstock.types.dtypes import DType, as_dtype
from penstock.types.extension_type import BatchableExtensionType, BatchableExtensionTypeSpec
from penstock.types.shapes import TensorShape
from penstock.types.specs import TensorSpec
from penstock.types.tensors import SymbolicTensor, Tensor


def _is_composite(value: Any) -> bool:
    """Whether `value` is a ragged or sparse tensor or the like, whose rows `stacking_composites` cuts."""
    return not isinstance(value, Tensor) and hasattr(value, "_type_spec") and not hasattr(value, "handle")


def _tensors(elems: Any) -> list[Any]:
    flat = [each if _is_composite(each) else convert_to_tensor(each) for each in nest.flatten(elems)]
    for each in flat:
        if each.shape.rank == 0:
            raise ValueError("elems must be a 1+ dimensional Tensor, not a scalar")
    return flat


def _is_symbolic(tensors: list[Any]) -> bool:
    parts = nest.flatten(tensors, expand_composites=True)
    return thread.graph is not None or any(isinstance(each, SymbolicTensor) for each in parts)


def _length(tensors: list[Any]) -> Any:
    """The common first dimension: an int where it is known, else a scalar tensor.

    Raises:
      ValueError: there are several.
    """
    known = [each.shape[0] for each in tensors if each.shape.rank and each.shape[0] is not None]
    for each in known:
        if each != known[0]:
            raise ValueError(
                f"Dimensions {known[0]} and {each} are not compatible: elems have one first dimension."
            )
    if known:
        return known[0]
    if _is_composite(tensors[0]):
        from penstock.ops.stacking_composites import row_count

        return row_count(tensors[0])
    shape = execute("Shape", (tensors[0],), None)
    begin, end, step = convert_to_tensor([0]), convert_to_tensor([1]), convert_to_tensor([1])
    return execute("StridedSlice", (shape, begin, end, step), {"shrink_axis_mask": 1})


def _row(tensor: Any, index: int) -> Any:
    if isinstance(tensor, Tensor):
        return tensor[index]
    from penstock.ops.stacking_composites import row_of

    return row_of(tensor, index)


def _has_composites(elems: Any, signature: Any = None) -> bool:
    values = nest.flatten(elems) + (nest.flatten(signature) if signature is not None else [])
    return any(
        _is_composite(each)
        or type(each).__name__ in ("RaggedTensorSpec", "SparseTensorSpec")
        for each in values
    )  # fmt: skip


def _dtype_of_spec(spec: Any) -> DType:
    return as_dtype(getattr(spec, "dtype", spec))


def _stack(structure: list[Any], signature: Any) -> Any:
    """Results of single elements as one structure with a new first dimension."""
    first = structure[0]

    def join(*rows: Any) -> Any:
        if _is_composite(rows[0]):
            from penstock.ops.stacking_composites import stack_composites

            return stack_composites(rows)
        return execute("Pack", ([convert_to_tensor(row) for row in rows],), {"axis": 0})

    specs = nest.flatten(signature) if signature is not None else [None] * len(nest.flatten(first))
    columns = zip(*(nest.flatten(row) for row in structure))
    joined = []
    for spec, column in zip(specs, columns):
        if type(spec).__name__ == "RaggedTensorSpec":
            from penstock.ops.stacking_composites import stack_ragged

            joined.append(stack_ragged(column, spec))
        else:
            joined.append(join(*column))
    return nest.pack_sequence_as(first, joined)


def _signature_of_rows(elems: Any, row: Any) -> Any:
    """The signature where none is given: what comes from rows of a ragged tensor, and is as they are, is ragged again."""
    given, made = nest.flatten(elems), nest.flatten(row)
    if len(given) != len(made):
        return None
    specs = []
    for each, result in zip(given, made):
        spec = each._type_spec._unbatch() if type(each).__name__ == "RaggedTensor" else None
        fits = spec is not None and spec.shape.rank == result.shape.rank
        specs.append(spec if fits else result._type_spec if _is_composite(result) else TensorSpec(None))
    return specs


@export("map_fn", v1=[])
def map_fn(
    fn: Callable,
    elems: Any,
    dtype: Any = None,
    parallel_iterations: int | None = None,
    back_prop: bool = True,
    swap_memory: bool = False,
    infer_shape: bool = True,
    name: str | None = None,
    fn_output_signature: Any = None,
) -> Any:
    """Applies `fn` to each slice of `elems` along the first dimension and stacks the results.

    Args:
      fn: takes one slice (a structure like `elems`).
      elems: a tensor, or a nest of tensors with the same first dimension.
      fn_output_signature: dtypes or specs of what `fn` returns, where they differ from those of `elems`.
      dtype: the older name of `fn_output_signature`.

    Returns:
      A structure of tensors of shape `[n, ...]`.

    Example:
      >>> import penstock as tf
      >>> tf.map_fn(lambda x: x * x, tf.constant([1, 2, 3])).numpy()
      array([1, 4, 9], dtype=int32)
    """
    if not callable(fn):
        raise TypeError(f"The provided function {name} is not callable.fn must be callable.")
    signature = fn_output_signature if fn_output_signature is not None else dtype
    if any(map(_is_batchable, nest.flatten((elems, signature)))):
        return _map_of_batches(fn, elems, signature, infer_shape)
    if _has_composites(elems, signature) and not _is_symbolic(nest.flatten(elems, expand_composites=True)):
        flat = nest.flatten(elems)
        flat = [each if hasattr(each, "_type_spec") else convert_to_tensor(each) for each in flat]
        rows = [
            fn(nest.pack_sequence_as(elems, [_row(each, i) for each in flat]))
            for i in range(int(flat[0].shape[0] or 0))
        ]
        if signature is None and rows:
            signature = _signature_of_rows(elems, rows[0])
        return _stack(rows, signature)
    flat = _tensors(elems)
    if not flat:
        raise ValueError("elems must contain at least one Tensor.")
    if not _is_symbolic(flat):
        count = int(_length(flat))
        if count:
            rows = [fn(nest.pack_sequence_as(elems, [_row(each, i) for each in flat])) for i in range(count)]
            result = _stack(rows, None)
            _check_dtypes(result, signature)
            return result
        return _empty_map(fn, elems, flat, signature)
    return _map_in_graph(fn, elems, flat, signature, infer_shape)


def _is_batchable(value: Any) -> bool:
    """Whether this is a value or the spec of a `BatchableExtensionType`."""
    return isinstance(value, (BatchableExtensionType, BatchableExtensionTypeSpec))


def _map_of_batches(fn: Callable, elems: Any, signature: Any, infer_shape: bool) -> Any:
    """`map_fn` where batchable extension types are among arguments or results: over the tensors that they are made of."""
    batches = [each if _is_batchable(each) else convert_to_tensor(each) for each in nest.flatten(elems)]
    row_specs = [each._type_spec._unbatch() if _is_batchable(each) else each.dtype for each in batches]
    structure = nest.pack_sequence_as(elems, row_specs) if signature is None else signature
    result_specs = nest.flatten(structure)

    def encoded(value: Any) -> Any:
        spec = value._type_spec if _is_batchable(value) else None
        return value if spec is None else spec.__batch_encoder__.encode(spec, value)

    def decoded(spec: Any, value: Any) -> Any:
        return spec.__batch_encoder__.decode(spec, value) if _is_batchable(spec) else value

    def encoded_fn(rows: list) -> list:
        values = [decoded(spec, row) for spec, row in zip(row_specs, rows)]
        result = fn(nest.pack_sequence_as(elems, values))
        nest.assert_same_structure(structure, result, check_types=False)
        return [encoded(each) for each in nest.flatten(result)]

    made = map_fn(
        encoded_fn,
        [encoded(each) for each in batches],
        infer_shape=infer_shape,
        fn_output_signature=[
            spec.__batch_encoder__.encoding_specs(spec) if _is_batchable(spec) else spec
            for spec in result_specs
        ],
    )
    wholes = [
        decoded(spec._batch(None) if _is_batchable(spec) else spec, each)
        for spec, each in zip(result_specs, made)
    ]
    return nest.pack_sequence_as(structure, wholes)


def _check_dtypes(result: Any, signature: Any) -> None:
    if signature is None:
        return
    for spec, tensor in zip(nest.flatten(signature), nest.flatten(result)):
        if _dtype_of_spec(spec) != tensor.dtype:
            raise TypeError(
                f"map_fn: fn returns {tensor.dtype.name}, but its signature says {_dtype_of_spec(spec).name}"
            )


def _empty_map(fn: Callable, elems: Any, flat: list, signature: Any) -> Any:
    specs = nest.flatten(signature) if signature is not None else [each.dtype for each in flat]
    results = []
    for spec, each in zip(specs, flat * len(specs)):
        shape = getattr(spec, "shape", None)
        dims = shape.as_list() if shape is not None and shape.is_fully_defined() else each.shape.as_list()[1:]
        zero = execute("Cast", (convert_to_tensor(0),), {"DstT": _dtype_of_spec(spec)})
        zeros = execute("Fill", (convert_to_tensor([0, *dims]), zero), None)
        results.append(zeros)
    return nest.pack_sequence_as(signature if signature is not None else elems, results)


def _map_in_graph(fn: Callable, elems: Any, flat: list, signature: Any, infer_shape: bool) -> Any:
    count = _length(flat)
    inputs = [
        each if _is_composite(each) else TensorArray(each.dtype, size=count, infer_shape=False).unstack(each)
        for each in flat
    ]
    structure = signature if signature is not None else nest.pack_sequence_as(elems, _row_specs(flat))
    kept = [rows_of(spec, count, infer_shape) for spec in nest.flatten(structure)]

    def body(index: Any, arrays: list) -> Any:
        slices = [_row(each, index) if _is_composite(each) else each.read(index) for each in inputs]
        for slice_, each in zip(slices, flat):
            if not _is_composite(each):
                slice_.set_shape(each.shape[1:])
        result = fn(nest.pack_sequence_as(elems, slices))
        nest.assert_same_structure(structure, result, check_types=False)
        parts = [rows.parts(row, index) for rows, row in zip(kept, nest.flatten(result), strict=True)]
        return index + 1, [
            [array.write(index, part) for array, part in zip(*each)] for each in zip(arrays, parts)
        ]

    _, arrays = while_loop(
        lambda index, arrays: index < count,
        body,
        (convert_to_tensor(0), [rows.arrays() for rows in kept]),
        maximum_iterations=count,
    )
    return nest.pack_sequence_as(structure, [rows.whole(each) for rows, each in zip(kept, arrays)])


def _row_specs(flat: list) -> list[Any]:
    """What rows are where the function returns what it gets: dtypes for tensors, the specs of rows of composites."""
    return [each._type_spec._unbatch() if _is_composite(each) else each.dtype for each in flat]


@export(v1=["map_fn"])
def map_fn_v1(
    fn: Callable,
    elems: Any,
    dtype: Any = None,
    parallel_iterations: int | None = None,
    back_prop: bool = True,
    swap_memory: bool = False,
    infer_shape: bool = True,
    name: str | None = None,
    fn_output_signature: Any = None,
) -> Any:
    """TF 1's `map_fn`: as `tf.map_fn`."""
    return map_fn(
        fn, elems, dtype, parallel_iterations, back_prop, swap_memory, infer_shape, name, fn_output_signature
    )


def _slices(elems: Any, flat: list, count: Any) -> Callable[[Any], Any]:
    """A function from a position to the structure of slices there. The tensors are taken apart once, for cheap gradients."""
    if _is_symbolic(flat):
        arrays = [TensorArray(each.dtype, size=count, infer_shape=False).unstack(each) for each in flat]

        def read(index: Any) -> Any:
            rows = [array.read(index) for array in arrays]
            for row, each in zip(rows, flat):
                row.set_shape(each.shape[1:])
            return nest.pack_sequence_as(elems, rows)

        return read
    columns = [execute("Unpack", (each,), {"num": int(count), "axis": 0}) for each in flat]
    return lambda index: nest.pack_sequence_as(elems, [column[int(index)] for column in columns])


def _require_elements(count: Any, symbolic: bool) -> None:
    """The first element stands for the initializer: in eager mode it must be there."""
    if not symbolic and int(count) == 0:
        raise errors.OutOfRangeError(
            None, None, "Tried to read from index 0 but array size is: 0: give an initializer."
        )


def _fold(fn: Callable, elems: Any, initializer: Any, reverse: bool) -> Any:
    flat = _tensors(elems)
    count = _length(flat)
    symbolic = _is_symbolic(flat)
    slices = _slices(elems, flat, count)
    first = 0
    if initializer is None:
        _require_elements(count, symbolic)
        start = slices(_last(count) if reverse else convert_to_tensor(0))
        first = 1
    else:
        start = nest.map_structure(convert_to_tensor, initializer)
    if not symbolic:
        total = start
        positions = range(first, int(count)) if not reverse else range(int(count) - 1 - first, -1, -1)
        for position in positions:
            total = fn(total, slices(convert_to_tensor(position)))
        return total

    def body(step: Any, total: Any) -> Any:
        index = (count - 1) - step if reverse else step
        return step + 1, fn(total, slices(index))

    _, total = while_loop(
        lambda step, total: step < count, body, (convert_to_tensor(first), start), maximum_iterations=count
    )
    return total


def _last(count: Any) -> Any:
    return convert_to_tensor(count - 1)


@export("foldl")
def foldl(
    fn: Callable,
    elems: Any,
    initializer: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    name: str | None = None,
) -> Any:
    """Combines the slices of `elems` from the first to the last: `fn(fn(initializer, elems[0]), elems[1])`, ...

    Example:
      >>> import penstock as tf
      >>> tf.foldl(lambda total, x: total + x, tf.constant([1, 2, 3])).numpy()
      np.int32(6)
    """
    return _fold(fn, elems, initializer, reverse=False)


@export("foldr")
def foldr(
    fn: Callable,
    elems: Any,
    initializer: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    name: str | None = None,
) -> Any:
    """Combines the slices of `elems` from the last to the first.

    Example:
      >>> import penstock as tf
      >>> tf.foldr(lambda total, x: total - x, tf.constant([1, 2, 9])).numpy()
      np.int32(6)
    """
    return _fold(fn, elems, initializer, reverse=True)


@export("scan")
def scan(
    fn: Callable,
    elems: Any,
    initializer: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    infer_shape: bool = True,
    reverse: bool = False,
    name: str | None = None,
) -> Any:
    """As `foldl` (or `foldr` with `reverse`), returning all intermediate results stacked.

    Args:
      fn: takes the result so far and a slice, and returns the next result.
      elems: a tensor, or a nest of tensors with the same first dimension.
      initializer: the first result; the first slice by default.

    Example:
      >>> import penstock as tf
      >>> tf.scan(lambda total, x: total + x, tf.constant([1, 2, 3])).numpy()
      array([1, 3, 6], dtype=int32)
    """
    flat = _tensors(elems)
    count = _length(flat)
    slices = _slices(elems, flat, count)
    if initializer is None:
        _require_elements(count, _is_symbolic(flat))
        first = 1
        start = slices(_last(count) if reverse else convert_to_tensor(0))
    else:
        first = 0
        start = nest.map_structure(convert_to_tensor, initializer)
    if not _is_symbolic(flat):
        results = [start] if first else []
        total = start
        order = range(first, int(count)) if not reverse else range(int(count) - 1 - first, -1, -1)
        for position in order:
            total = fn(total, slices(convert_to_tensor(position)))
            results.append(total)
        if reverse:
            results.reverse()
        return _stack(results, None)
    return _scan_in_graph(fn, slices, start, first, count, infer_shape, reverse)


def _scan_in_graph(
    fn: Callable, slices: Callable, start: Any, first: int, count: Any, infer_shape: bool, reverse: bool
) -> Any:
    flat_start = nest.flatten(start)
    arrays = [TensorArray(each.dtype, size=count, infer_shape=infer_shape) for each in flat_start]

    def position_of(step: Any) -> Any:
        return (count - 1) - step if reverse else step

    if first:
        arrays = [
            array.write(position_of(convert_to_tensor(0)), each) for array, each in zip(arrays, flat_start)
        ]

    def body(step: Any, total: Any, arrays: list) -> Any:
        position = position_of(step)
        result = fn(total, slices(position))
        nest.assert_same_structure(start, result)
        rows = [convert_to_tensor(row, old.dtype) for row, old in zip(nest.flatten(result), flat_start)]
        return (
            step + 1,
            nest.pack_sequence_as(start, rows),
            [a.write(position, row) for a, row in zip(arrays, rows)],
        )

    _, _, arrays = while_loop(
        lambda step, total, arrays: step < count,
        body,
        (convert_to_tensor(first), start, arrays),
        maximum_iterations=count,
    )
    results = []
    for array, each in zip(arrays, flat_start):
        stacked = array.stack()
        stacked.set_shape(TensorShape([count if isinstance(count, int) else None]).concatenate(each.shape))
        results.append(stacked)
    return nest.pack_sequence_as(start, results)
