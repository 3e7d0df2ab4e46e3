"""`tf.nn.RNNCellDropoutWrapper` and its siblings: TF 1's wrappers of cells, around cells of Keras."""

from __future__ import annotations

from typing import Any

from penstock.engine.export import export
from penstock.v1.rnn_cell_wrappers import DeviceWrapper, DropoutWrapper, ResidualWrapper


class _Unscoped:
    """A cell that is called without a variable scope, as Keras's are; all else is the cell's own."""

    def __init__(self, cell: Any):
        self._cell = cell

    def __call__(self, inputs: Any, state: Any, scope: Any = None) -> Any:
        return self._cell(inputs, state)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_cell"], name)


class _AroundKeras:
    """Goes before a wrapper class of TF 1: its cell is called as Keras's are."""

    cell: Any

    def __init__(self, cell: Any, *args: Any, **kwargs: Any):
        super().__init__(_Unscoped(cell), *args, **kwargs)  # type: ignore[call-arg]

    @property
    def wrapped_cell(self) -> Any:
        """The cell inside."""
        return self.cell._cell


@export("nn.RNNCellDropoutWrapper", v1=[])
class RNNCellDropoutWrapper(_AroundKeras, DropoutWrapper):
    """Dropout on the inputs, outputs and states of a cell; see `tf.compat.v1.nn.rnn_cell.DropoutWrapper`."""


@export("nn.RNNCellResidualWrapper", v1=[])
class RNNCellResidualWrapper(_AroundKeras, ResidualWrapper):
    """Adds a cell's inputs to its outputs; see `tf.compat.v1.nn.rnn_cell.ResidualWrapper`."""


@export("nn.RNNCellDeviceWrapper", v1=[])
class RNNCellDeviceWrapper(_AroundKeras, DeviceWrapper):
    """Runs a cell on a device; see `tf.compat.v1.nn.rnn_cell.DeviceWrapper`."""
