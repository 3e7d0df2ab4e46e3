"""`tf.data.experimental.service`: datasets whose elements the workers of the data service make."""

from __future__ import annotations

import hashlib
import itertools
import pickle
import secrets
from collections.abc import Callable, Iterator
from typing import Any

from penstock.cluster import ray_session
from penstock.data.dataset import INFINITE, UNKNOWN, Dataset
from penstock.data.iteration import Iteration
from penstock.data.random_numbers import RandomWords, Seeds
from penstock.data_service.calls import answer
from penstock.data_service.configuration import CrossTrainerCache, ShardingPolicy, policy_of
from penstock.data_service.dispatcher import JobKey, Registered
from penstock.data_service.reader import Reader
from penstock.data_service.servers import dispatcher_name
from penstock.data_service.splits import size_and_count
from penstock.engine.convert import convert_to_tensor
from penstock.engine.export import export
from penstock.graph.pickling import to_bytes
from penstock.types import errors
from penstock.types.tensors import Tensor

_FIND_SECONDS = 10.0
_COMPRESSIONS = ("AUTO", None, "SNAPPY")
_TARGETS = ("AUTO", "ANY", "LOCAL")


class ServiceDataset(Dataset):
    """The elements of a job of the data service.

    Args:
      service: the dispatcher's actor. dataset_id: of the registered dataset. element_spec: of its elements.
      policy: how workers divide it. job_name: None for a job of this iteration alone.
      size: how many elements there are, as far as that is known.
      options: the further arguments of `Reader`, and `consumers`.
    """

    def __init__(
        self,
        service: Any,
        dataset_id: str,
        element_spec: Any,
        policy: ShardingPolicy,
        job_name: str | None,
        size: int,
        options: dict[str, Any],
    ):
        super().__init__(element_spec)
        self._service, self._dataset_id, self._policy = service, dataset_id, policy
        self._job_name, self._count, self._reading = job_name, size, options
        self._repetitions = itertools.count()

    def _elements(self, at: Iteration) -> Iterator[list]:
        reader = at.kept.get("reader")
        if reader is None:
            options = dict(self._reading)
            key = JobKey(
                self._job_name or f"anonymous {secrets.token_hex(8)}",
                next(self._repetitions),
                self._dataset_id,
                int(self._policy),
                options.pop("consumers"),
                bool(options["trainer"]),
            )
            reader = Reader(self._service, key, **options)
        at.keep(lambda: {"reader": reader})  # to go on after an error; such a position cannot be written
        try:
            while (element := reader.next()) is not None:
                yield element
        except GeneratorExit:
            reader.leave()
            raise
        reader.leave()

    def _size(self) -> int:
        return self._count

    def _describe(self) -> str:
        return f"dataset {self._dataset_id}, {self._policy.name}"


def service_at(service: Any) -> Any:
    """The actor of a dispatcher.

    Raises:
      ValueError: that is no address. UnavailableError: there is no dispatcher at it.
    """
    if not isinstance(service, str):
        raise ValueError(
            f"`service` must be a string, but `service` was of type {type(service)}. service={service}"
        )
    if not service:
        raise ValueError("`service` must not be empty")
    protocol, separator, address = service.rpartition("://")
    if separator and not protocol:
        raise ValueError(f"`service` must be protocol://address or an address, got {service!r}")
    name = dispatcher_name(address)
    ray_session.connect()
    try:
        return ray_session.wait_for(lambda: ray_session.find_actor(name), _FIND_SECONDS, service)
    except errors.DeadlineExceededError:
        raise errors.UnavailableError(
            None, None, f"there is no tf.data service dispatcher at {service!r} in this Ray cluster: start a DispatchServer, and "
            "give all programs the same RAY_ADDRESS",
        ) from None  # fmt: skip


def _check(**given: Any) -> None:
    """Refuses arguments that cannot be."""
    name, index, count = given["job_name"], given["consumer_index"], given["num_consumers"]
    if name is not None and not isinstance(name, str):
        raise ValueError(
            f"`job_name` must be a string, but `job_name` was of type {type(name)}. job_name={name}"
        )
    if name == "":
        raise ValueError("`job_name` must not be empty")
    if (index is None) != (count is None):
        raise ValueError("consumer_index and num_consumers must either both be set or both be None")
    if count is not None and name is None:
        raise ValueError("`job_name` must be set when setting `consumer_index` and `num_consumers`.")
    if count is not None and not 0 <= int(index) < int(count):
        raise ValueError(f"consumer_index must be in [0, {count}), got {index}")
    if given["target_workers"] not in _TARGETS:
        raise ValueError(
            f"Invalid `target_workers`: must be one of {_TARGETS}, got {given['target_workers']!r}"
        )
    cache = given["cross_trainer_cache"]
    if cache is not None:
        if not isinstance(cache, CrossTrainerCache):
            raise ValueError(f"cross_trainer_cache must be a CrossTrainerCache, got {cache!r}")
        if name is None:
            raise ValueError("Cross-trainer caching requires a job name: trainers find each other by it.")
        if count is not None:
            raise ValueError("Cross-trainer caching and reading in turns do not go together.")


def _check_compression(compression: Any) -> None:
    if compression not in _COMPRESSIONS:
        raise ValueError(
            f"Invalid `compression` argument: {compression}. Must be one of {list(_COMPRESSIONS)}."
        )


def read(
    dispatcher: Any,
    dataset_id: str,
    spec: Any,
    size: int,
    policy: ShardingPolicy,
    *,
    job_name: str | None,
    consumer_index: Any,
    num_consumers: Any,
    max_outstanding_requests: int | None,
    cross_trainer_cache: CrossTrainerCache | None,
    target_workers: str,
) -> Dataset:
    """The elements of a registered dataset, of which as much is known as `spec` and `size` say; see `distribute`.

    Raises:
      InvalidArgumentError: it cannot be read so.
    """
    if num_consumers is not None and size not in (INFINITE, UNKNOWN):
        raise errors.InvalidArgumentError(
            None, None, f"consumers that read in turns need a dataset without end, and this one has {size} elements: "
            "call repeat() before"
        )  # fmt: skip
    if cross_trainer_cache is not None and size not in (INFINITE, UNKNOWN):
        raise errors.InvalidArgumentError(
            None, None, f"Cross-trainer caching requires the input dataset to be infinite, and it has {size} elements."
        )  # fmt: skip
    options = {
        "consumers": int(num_consumers or 0),
        "turn": None if consumer_index is None else int(consumer_index),
        "most_requests": max_outstanding_requests
        if max_outstanding_requests and max_outstanding_requests > 0
        else None,
        "local_only": target_workers == "LOCAL",
        "trainer": "" if cross_trainer_cache is None else cross_trainer_cache.trainer_id,
    }
    return ServiceDataset(dispatcher, dataset_id, spec, policy, job_name, size, options)


def _known_size(size: int) -> int:
    """As in TensorFlow: without end is known, everything else depends on the workers."""
    return INFINITE if size == INFINITE else UNKNOWN


@export("data.experimental.service.distribute")
def distribute(
    processing_mode: Any,
    service: str,
    job_name: str | None = None,
    consumer_index: int | None = None,
    num_consumers: int | None = None,
    max_outstanding_requests: int | None = None,
    data_transfer_protocol: str | None = None,
    compression: str | None = "AUTO",
    cross_trainer_cache: CrossTrainerCache | None = None,
    target_workers: str = "AUTO",
) -> Callable[[Dataset], Dataset]:
    """A transformation for `Dataset.apply`: the pipeline so far runs on the workers of the data service.

    With DYNAMIC sharding each element is seen once, also when workers are killed: another worker makes the elements of
    a lost one again, in the same order, and leaves out those that were received. Everything but random numbers without a
    seed is then the same.

    Args:
      processing_mode: a `ShardingPolicy`, "parallel_epochs" (OFF) or "distributed_epoch" (DYNAMIC).
      service: the dispatcher's `target`.
      job_name: consumers that give the same name share the elements, first come, first served.
      consumer_index, num_consumers: consumers that read in turns: in each step all get consecutive elements of the same
        worker. The dataset must have no end.
      max_outstanding_requests: how many workers are asked at once; None or `tf.data.AUTOTUNE` for all.
      data_transfer_protocol: a hint: Ray transfers elements.
      compression: "AUTO", "SNAPPY" or None; a hint: on one machine elements lie in shared memory.
      cross_trainer_cache: lets trainers share the elements of a named job; the dataset must have no end.
      target_workers: "LOCAL" asks only workers on this machine.

    Raises:
      ValueError: arguments that do not go together. UnavailableError: there is no dispatcher.

    Example:
      >>> import penstock as tf
      >>> service = tf.data.experimental.service
      >>> service.ShardingPolicy.DYNAMIC.name
      'DYNAMIC'
    """
    policy = policy_of(processing_mode)
    given: dict[str, Any] = {
        "job_name": job_name, "consumer_index": consumer_index, "num_consumers": num_consumers,
        "cross_trainer_cache": cross_trainer_cache, "target_workers": target_workers,
    }  # fmt: skip
    _check(**given)
    _check_compression(compression)

    def apply(dataset: Dataset) -> Dataset:
        dispatcher = service_at(service)
        dataset_id = register(dispatcher, dataset, None)
        return read(
            dispatcher, dataset_id, dataset.element_spec, _known_size(dataset._size()), policy,
            max_outstanding_requests=max_outstanding_requests, **given,
        )  # fmt: skip

    return apply


def register(dispatcher: Any, dataset: Dataset, dataset_id: str | None) -> str:
    """Gives a dataset to a dispatcher; returns its id: the one that is asked for, that of an equal dataset, or a new one.

    Raises:
      InvalidArgumentError: the dataset cannot be sent, or the id belongs to one with other elements.
    """
    if dataset._needs:
        raise errors.InvalidArgumentError(
            None, None, "a dataset that is made of a function's arguments cannot be sent to the data service: make it outside"
        )  # fmt: skip
    try:
        splits, no_splits = size_and_count(dataset)[1], ""
    except errors.InvalidArgumentError as error:
        splits, no_splits = None, error.message
    spec = to_bytes((dataset.element_spec, dataset._size()))
    identity = hashlib.sha256(to_bytes(dataset, leaving_out=(RandomWords, Seeds)) + spec).digest()
    registered = Registered(to_bytes(dataset), spec, splits, no_splits, identity)
    return answer(dispatcher.register.remote(dataset_id, registered), "the registration of a dataset")


@export("data.experimental.service.register_dataset")
def register_dataset(
    service: str, dataset: Dataset, compression: str | None = "AUTO", dataset_id: str | None = None
) -> Tensor:
    """Gives a dataset to the data service, for `from_dataset_id`.

    Args:
      service: the dispatcher's `target`.
      dataset: what the workers run.
      compression: as of `distribute`.
      dataset_id: its id; None for a new one, or that of an equal dataset.

    Returns:
      The id (a string scalar).

    Raises:
      InvalidArgumentError: the id belongs to a dataset with other elements. UnavailableError: there is no dispatcher.
    """
    _check_compression(compression)
    wanted = dataset_id.numpy().decode() if isinstance(dataset_id, Tensor) else dataset_id
    return convert_to_tensor(register(service_at(service), dataset, wanted))


@export("data.experimental.service.from_dataset_id")
def from_dataset_id(
    processing_mode: Any,
    service: str,
    dataset_id: Any,
    element_spec: Any = None,
    job_name: str | None = None,
    consumer_index: int | None = None,
    num_consumers: int | None = None,
    max_outstanding_requests: int | None = None,
    data_transfer_protocol: str | None = None,
    cross_trainer_cache: CrossTrainerCache | None = None,
    target_workers: str = "AUTO",
) -> Dataset:
    """A dataset that was registered with `register_dataset`, perhaps by another program.

    Args:
      dataset_id: what `register_dataset` gave.
      element_spec: of the elements; by default the registered one.
      processing_mode, service, job_name, consumer_index, num_consumers, max_outstanding_requests, data_transfer_protocol,
        cross_trainer_cache, target_workers: as of `distribute`.

    Raises:
      NotFoundError: there is no such dataset. UnavailableError: there is no dispatcher.
      ValueError: arguments that do not go together.
    """
    policy = policy_of(processing_mode)
    given: dict[str, Any] = {
        "job_name": job_name, "consumer_index": consumer_index, "num_consumers": num_consumers,
        "cross_trainer_cache": cross_trainer_cache, "target_workers": target_workers,
    }  # fmt: skip
    _check(**given)
    dispatcher = service_at(service)
    known = dataset_id.numpy() if isinstance(dataset_id, Tensor) else dataset_id
    name = known.decode() if isinstance(known, bytes) else str(known)
    registered = answer(dispatcher.dataset.remote(name), "a registered dataset")
    spec, size = pickle.loads(registered.spec)
    return read(
        dispatcher, name, spec if element_spec is None else element_spec, _known_size(size), policy,
        max_outstanding_requests=max_outstanding_requests, **given,
    )  # fmt: skip
