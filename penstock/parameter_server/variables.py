"""Variables on parameter servers: `ServerVariable`, whole on one server, and `ShardedVariable`, cut along its first axis."""

from __future__ import annotations

import contextlib
import itertools
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from penstock.engine.context import thread
from penstock.engine.convert import convert_to_tensor
from penstock.engine.execute import execute
from penstock.engine.export import export
from penstock.ops.variables.construction import _initial_tensor
from penstock.ops.variables.variable import Variable
from penstock.parameter_server.initial_values import InitialValue
from penstock.parameter_server.partitioners import offsets_of
from penstock.parameter_server.remote_state import RemoteState, ShardedState
from penstock.types import dtypes
from penstock.types.dtypes import DType
from penstock.types.indexed_slices import IndexedSlices
from penstock.types.shapes import TensorShape
from penstock.types.tensors import EagerTensor, Tensor


class ServerVariable(Variable):
    """A variable whose value is on a parameter server."""

    _strategy: Any = None
    _server = ""
    _table: Any = None  # of a shard: gives the whole, and what belongs to the shard of a value of the whole
    _part: Callable[[Any], Any] | None = None

    def _create_eagerly(
        self, initial_value: Any, name: str, dtype: DType | None, shape: TensorShape | None
    ) -> None:
        scope = thread.name_scope.rstrip("/")
        self._handle_name = f"{scope}/{name}:0" if scope else f"{name}:0"
        value = _initial_tensor(initial_value() if callable(initial_value) else initial_value, dtype)
        self._set_type(value, shape)
        self._hold(
            RemoteState.create(self._server, self._shared_name, value.numpy(), self._shape, self._dtype)
        )

    def _hold(self, state: Any) -> None:
        self._state: Any = state
        self._handle = EagerTensor(state, dtypes.resource)
        self._in_graph_mode = False
        self._initial_value = self._initializer_op = self._graph_element = None

    @property
    def device(self) -> str:
        """The server, as TensorFlow names its device."""
        job, _, task = self._server.partition("/")
        return f"/job:{job}/replica:0/task:{task}/device:CPU:0"

    @property
    def distribute_strategy(self) -> Any:
        """The strategy in whose scope the variable was made."""
        return self._strategy

    def value(self) -> Tensor:
        """The current value; outside of functions it is fetched."""
        return self._read()

    def _restore_from_tensors(self, restored_tensors: dict[str, Any]) -> Any:
        result = super()._restore_from_tensors(restored_tensors)
        self._note_checkpoint(restored_tensors["VARIABLE_VALUE"], "")
        return result

    def _note_checkpoint(self, value: Any, slice_spec: str) -> None:
        """Tells the recovery where the value that was restored is stored."""
        read_at = getattr(value, "read_at", None)
        if read_at is not None and thread.graph is None:
            self._strategy._recovery.note(self._state, *read_at, slice_spec)

    read_value = read_value_no_copy = value


@export("__internal__.distribute.ShardedVariable")
class ShardedVariable(ServerVariable):
    """A table that is cut into shards along its first axis, which lie on different parameter servers.

    It takes part in programs as one variable: lookups and sparse updates move only the rows that they name, reads of the
    whole put it together, checkpoints hold it as one tensor in slices.

    Attributes:
      variables: the shards, each a variable of its own.
    """

    def _hold_shards(self, variables: Sequence[ServerVariable], offsets: Sequence[int], name: str) -> None:
        self._shards, self._offsets = list(variables), list(offsets)
        table = weakref.ref(self)
        for number, each in enumerate(variables):
            each._table = table
            each._part = lambda value, number=number: shard_of(value, table(), number)
        self._handle_name = f"{name}:0"
        self._dtype = variables[0].dtype
        self._whole_shape = TensorShape([offsets[-1]]).concatenate(variables[0].shape[1:])
        self._strategy, self._server = variables[0]._strategy, variables[0]._server
        self._hold(ShardedState([each._state for each in variables], offsets, name))

    @property
    def variables(self) -> list[ServerVariable]:
        """The shards in order."""
        return list(self._shards)

    # While an update is traced for one shard, the variable is that shard.

    @property
    def _handle(self) -> Tensor:
        shard = self._current_shard()
        return self._whole if shard is None else shard._handle

    @_handle.setter
    def _handle(self, handle: Tensor) -> None:
        self._whole = handle

    @property
    def _shape(self) -> TensorShape:
        shard = self._current_shard()
        return self._whole_shape if shard is None else shard._shape

    @_shape.setter
    def _shape(self, shape: TensorShape) -> None:
        self._whole_shape = shape

    def _current_shard(self) -> ServerVariable | None:
        return None if thread.shard is None else self._shards[thread.shard]

    # In checkpoints: one tensor, in slices.

    def _serialize_to_tensors(self) -> dict[str, Any]:
        return {"VARIABLE_VALUE": {spec: each.value for spec, each in zip(self._slices(), self._shards)}}

    def _slices(self) -> list[str]:
        """Which part of the whole each shard is, as checkpoints say it."""
        whole = " ".join(str(each) for each in self._whole_shape.as_list())
        rest = "".join(f":0,{size}" for size in self._whole_shape.as_list()[1:])
        return [f"{whole} {begin},{end - begin}{rest}" for begin, end in itertools.pairwise(self._offsets)]

    def _restore_from_tensors(self, restored_tensors: dict[str, Any]) -> None:
        whole = restored_tensors["VARIABLE_VALUE"]
        for each, spec, (begin, end) in zip(self._shards, self._slices(), itertools.pairwise(self._offsets)):
            each.assign(whole[begin:end])
            each._note_checkpoint(whole, spec)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._shards)


@contextlib.contextmanager
def as_shard(number: int) -> Iterator[None]:
    """Sharded variables stand for one of their shards inside."""
    outer, thread.shard = thread.shard, number
    try:
        yield
    finally:
        thread.shard = outer


def shard_of(value: Any, variable: ShardedVariable, number: int) -> Any:
    """The part of an update's argument that belongs to a shard: the rows of its gradient, and all of everything else."""
    begin, end = variable._offsets[number : number + 2]
    if isinstance(value, IndexedSlices):
        indices = value.indices
        inside = (indices >= begin) & (indices < end)
        places = execute("Where", (inside,), None)[:, 0]
        rows = execute("GatherV2", (value.values, places, convert_to_tensor(0)), None)
        own = execute("GatherV2", (indices, places, convert_to_tensor(0)), None) - begin
        return IndexedSlices(rows, own, _dense_shape(variable, end - begin))
    if isinstance(value, Tensor) and value.shape == variable._whole_shape:
        return value[begin:end]
    return value


def _dense_shape(variable: ShardedVariable, rows: int) -> Tensor:
    return convert_to_tensor([rows, *variable._whole_shape.as_list()[1:]])


# Making.


def make_variable(strategy: Any, place: Callable[[], str], arguments: dict[str, Any], like: Any) -> Any:
    """The variable that `tf.Variable(...)` makes in the scope of a strategy.

    Args:
      place: gives the server for the next variable.
      like: the variable that the new one goes beside; None for none.
    """
    arguments = {
        key: value for key, value in arguments.items() if key not in ("use_resource", "expected_shape")
    }
    if isinstance(like, ShardedVariable):
        value = InitialValue(arguments)
        if value.shape.as_list() == like._whole_shape.as_list():
            servers = iter([each._server for each in like.variables])
            return _make_sharded(strategy, lambda: next(servers), arguments, value, like._offsets)
    if isinstance(like, ServerVariable):
        return _make(strategy, like._server, arguments)
    if strategy._partitioner is not None:
        value = InitialValue(arguments)
        offsets = offsets_of(strategy._partitioner, value.shape, value.dtype)
        if offsets is not None:
            return _make_sharded(strategy, place, arguments, value, offsets)
        arguments = {**arguments, "initial_value": value.given}
    return _make(strategy, place(), arguments)


def _make(strategy: Any, server: str, arguments: dict[str, Any]) -> ServerVariable:
    variable = ServerVariable.__new__(ServerVariable)
    variable._strategy, variable._server = strategy, server
    variable._create(**arguments)
    return variable


def _make_sharded(
    strategy: Any,
    place: Callable[[], str],
    arguments: dict[str, Any],
    value: InitialValue,
    offsets: Sequence[int],
) -> ShardedVariable:
    name = arguments.get("name") or "Variable"
    parts = []
    for number, (begin, end) in enumerate(itertools.pairwise(offsets)):
        own = {"initial_value": value.part(begin, end), "name": f"{name}/part_{number}", "shape": None}
        parts.append(_make(strategy, place(), {**arguments, **own, "dtype": value.dtype}))
    table = ShardedVariable.__new__(ShardedVariable)
    table._trainable, table._constraint = parts[0].trainable, parts[0].constraint
    table._synchronization, table._aggregation = parts[0].synchronization, parts[0].aggregation
    table._uid = parts[0]._uid
    scope = thread.name_scope.rstrip("/")
    table._hold_shards(parts, offsets, f"{scope}/{name}" if scope else name)
    return table
