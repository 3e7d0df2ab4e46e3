"""`tf.data.experimental.distributed_save`: the workers of the data service make the elements, and an actor beside them writes."""

from __future__ import annotations

import os
import pickle
import secrets
from typing import Any

from penstock.cluster import ray_session
from penstock.data.dataset import UNKNOWN, Dataset
from penstock.data.element_files import compression_kind
from penstock.data.saving import as_path, say_that_saving_failed
from penstock.data_service.calls import answer
from penstock.data_service.configuration import ShardingPolicy
from penstock.data_service.datasets import read, register, service_at
from penstock.data_service.servers import dispatcher_name
from penstock.engine.context import thread
from penstock.engine.export import export
from penstock.graph.pickling import to_bytes
from penstock.io.filesystem import os_errors
from penstock.types import errors

_PATIENCE = 60.0  # seconds for the dispatcher to be found, and for the writer to start


class SavingActor:
    """Writes a dataset that workers make into a folder, and ends."""

    def __init__(self, dispatcher: str):
        os.environ.setdefault("JAX_PLATFORMS", "cpu")  # accelerators are for the programs that train
        self._dispatcher = ray_session.wait_for(
            lambda: ray_session.find_actor(dispatcher), _PATIENCE, "the dispatcher"
        )

    def ready(self) -> bool:
        """Answers when it has started."""
        return True

    def save(self, dataset_id: str, spec: bytes, folder: str, compression: str | None) -> None:
        """Writes a registered dataset; what goes wrong is told to those who wait for the folder."""
        try:
            dataset = read(
                self._dispatcher, dataset_id, pickle.loads(spec), UNKNOWN, ShardingPolicy.DYNAMIC, job_name=None,
                consumer_index=None, num_consumers=None, max_outstanding_requests=None, cross_trainer_cache=None,
                target_workers="AUTO",
            )  # fmt: skip
            dataset.save(folder, compression)
        except Exception as error:
            say_that_saving_failed(folder, f"{type(error).__name__}: {error}")
        ray_session.ray().actor.exit_actor()


@export("data.experimental.distributed_save")
def distributed_save(
    dataset: Dataset, path: Any, data_service_address: str, compression: str | None = "AUTO"
) -> None:
    """Begins to save a dataset whose elements the workers of the data service make, each once, and returns at once.

    The saving goes on when this program ends, as long as its Ray cluster does, and when workers are lost. One process writes,
    in the format of `Dataset.save`; `Dataset.load(path, wait=True)` waits until the folder is whole, or tells why it never
    will be.

    Args:
      dataset: what to save; one that can be divided dynamically.
      path: a folder that does not exist yet.
      data_service_address: of a dispatcher in the fault tolerant mode.
      compression: "AUTO" or None for none, or "GZIP", which `load` is then to be told.

    Raises:
      ValueError: the address is none. AlreadyExistsError: the folder exists.
      InvalidArgumentError: the dispatcher is not in the fault tolerant mode, the dataset cannot be divided, or the
        compression is another one. UnavailableError: there is no dispatcher.

    Example:
      >>> import penstock as tf
      >>> tf.data.experimental.distributed_save(tf.data.Dataset.range(3), "numbers", "")
      Traceback (most recent call last):
        ...
      ValueError: `data_service_address` must not be empty
    """
    if not isinstance(data_service_address, str):
        raise ValueError(
            f"`data_service_address` must be a string, but is a {type(data_service_address)} ({data_service_address})"
        )
    if not data_service_address:
        raise ValueError("`data_service_address` must not be empty")
    if thread.graph is not None:
        raise RuntimeError("distributed_save begins at once; call it outside of graphs and of tf.function.")
    compression_kind(compression)
    dispatcher = service_at(data_service_address)
    if not answer(dispatcher.has_journal.remote(), "the dispatcher's mode"):
        raise errors.InvalidArgumentError(
            None, None, "distributed_save needs a dispatcher in the fault tolerant mode: set fault_tolerant_mode and work_dir "
            "in its DispatcherConfig",
        )  # fmt: skip
    dataset_id = register(dispatcher, dataset, None)
    no_splits = answer(dispatcher.dataset.remote(dataset_id), "a dataset").no_splits
    if no_splits:
        raise errors.InvalidArgumentError(None, None, no_splits)
    folder = os.path.abspath(as_path(path))
    with os_errors(folder):
        os.makedirs(folder)
    name = dispatcher_name(data_service_address.rpartition("://")[2])
    actor = ray_session.actor(
        SavingActor, f"tf_data_saving:{secrets.token_hex(4)}", name, lifetime="detached"
    )
    answer(actor.ready.remote(), "the start of saving", _PATIENCE)
    actor.save.remote(dataset_id, to_bytes(dataset.element_spec), folder, compression)
