"""`tf.experimental.dtensor.DTensorDataset`: a dataset whose elements have layouts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from penstock.data.dataset import Dataset
from penstock.data.element import leaves
from penstock.data.iteration import Iteration
from penstock.data.iterator import IteratorBase
from penstock.distribute.layout import Layout, Mesh
from penstock.dtensor.placement import relayout
from penstock.engine.export import export
from penstock.types import nest
from penstock.types.specs import TensorSpec
from penstock.types.type_spec import TypeSpec


@export("experimental.dtensor.DTensorDataset", v1=[])
class DTensorDataset(Dataset):
    """A dataset in batches whose components are tensors with layouts.

    Args:
      dataset: the elements; with `dataset_already_batched` in batches of the size that one part gets.
      mesh: the mesh.
      layouts: the layout of each component of a batch, in the structure of an element.
      global_batch_size: how many elements a batch has, over all devices.
      dataset_already_batched: whether `dataset` is batched.
      batch_dim: the dimension of the mesh along which batches are split; None where each device gets all.
      prefetch: how many batches are made ahead.
      tf_data_service_config: must be None: datasets come from this process.

    Raises:
      ValueError: the batch is not divisible, or sizes or layouts do not fit the dataset.

    Example:
      >>> import penstock as tf
      >>> dtensor = tf.experimental.dtensor
      >>> mesh = dtensor.create_mesh([("batch", 1)], devices=["CPU:0"])
      >>> data = dtensor.DTensorDataset(tf.data.Dataset.range(4), mesh=mesh, layouts=dtensor.Layout(["batch"], mesh),
      ...                               global_batch_size=2, batch_dim="batch")
      >>> [batch.numpy().tolist() for batch in data]
      [[0, 1], [2, 3]]
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        mesh: Mesh,
        layouts: Any,
        global_batch_size: int,
        dataset_already_batched: bool = False,
        batch_dim: str | None = None,
        prefetch: int | None = None,
        tf_data_service_config: Any = None,
    ):
        if tf_data_service_config is not None:
            raise ValueError("DTensorDataset: tf_data_service_config must be None")
        parts = mesh.dim_size(batch_dim) if batch_dim else 1
        if global_batch_size % parts:
            raise ValueError(
                f"global_batch_size {global_batch_size} must be divisible by the number of parts {parts} along the mesh "
                f"dimension {batch_dim}"
            )
        if dataset_already_batched:
            _check_batches(dataset, global_batch_size // parts)
            dataset = dataset.unbatch()
        batches = dataset.batch(global_batch_size, drop_remainder=True)
        if prefetch is not None:
            batches = batches.prefetch(prefetch)
        flat = nest.flatten(layouts)
        if len(flat) != len(leaves(batches.element_spec)):
            raise ValueError(
                f"DTensorDataset: {len(flat)} layouts for elements of {len(leaves(batches.element_spec))} components"
            )
        for spec, layout in zip(leaves(batches.element_spec), flat):
            if spec.shape.rank is not None and layout.rank != spec.shape.rank:
                raise ValueError(
                    f"Layout rank {layout.rank} must match the rank {spec.shape.rank} of a batched component {spec}"
                )
        super().__init__(batches.element_spec, (batches,))
        self._mesh, self._layouts = mesh, flat

    def _elements(self, at: Iteration) -> Iterator[list]:
        yield from at.input()

    def __iter__(self) -> DTensorIterator:
        return DTensorIterator(super().__iter__(), tuple(self._layouts))


def _check_batches(dataset: Dataset, expected: int) -> None:
    for each in leaves(dataset.element_spec):
        size = each.shape[0] if isinstance(each, TensorSpec) and each.shape.rank else None
        if size is None:
            raise ValueError("The size of the batches of `dataset` is not known: use drop_remainder=True.")
        if size != expected:
            raise ValueError(
                f"per_replica_batch_size does not matched expected size based on the mesh, got {size} but expected "
                f"{expected}."
            )


class DTensorIterator(IteratorBase):
    """An iterator that gives each component of an element its layout."""

    def __init__(self, iterator: Any, layouts: tuple[Layout, ...]):
        self._iterator, self._layouts = iterator, layouts

    @property
    def element_spec(self) -> Any:
        """The specs of an element."""
        return self._iterator.element_spec

    @property
    def _type_spec(self) -> DTensorIteratorSpec:
        return DTensorIteratorSpec(self._iterator._type_spec, self._layouts)

    def __iter__(self) -> DTensorIterator:
        return self

    def __next__(self) -> Any:
        return self._placed(next(self._iterator))

    def get_next(self, name: str | None = None) -> Any:
        """The next element.

        Raises:
          OutOfRangeError: there is none.
        """
        return self._placed(self._iterator.get_next(name))

    def _placed(self, element: Any) -> Any:
        flat = [relayout(each, layout) for each, layout in zip(nest.flatten(element), self._layouts)]
        return nest.pack_sequence_as(element, flat)


class DTensorIteratorSpec(TypeSpec):
    """The spec of an iterator of a `DTensorDataset`."""

    __slots__ = ("_inner", "_layouts")

    def __init__(self, inner: Any, layouts: tuple[Layout, ...]):
        self._inner, self._layouts = inner, layouts

    @property
    def value_type(self) -> type:
        return DTensorIterator

    def _serialize(self) -> tuple:
        return (self._inner, self._layouts)

    @property
    def _component_specs(self) -> tuple:
        return (self._inner,)

    def _to_components(self, value: DTensorIterator) -> tuple:
        return (value._iterator,)

    def _from_components(self, components: Any) -> DTensorIterator:
        return DTensorIterator(components[0], self._layouts)

    def __hash__(self) -> int:
        return hash((self._inner, self._layouts))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DTensorIteratorSpec) and self._serialize() == other._serialize()
