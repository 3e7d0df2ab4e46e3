"""`tf.DeviceSpec`: the name of a device, taken apart; TF 1's can be changed after it was made."""

from __future__ import annotations

from typing import Any, TypeVar

_TYPES = frozenset(("CPU", "GPU", "TPU", "TPU_SYSTEM", "XLA_CPU", "XLA_GPU", "CUSTOM"))
_FIELDS = ("job", "replica", "task", "device_type", "device_index")

_Spec = TypeVar("_Spec", bound="DeviceSpec")


class DeviceSpec:
    """A device, or all that fit some of its parts.

    Args:
      job: the name of the job.
      replica: the number of the replica.
      task: the number of the task.
      device_type: "CPU", "GPU", ...
      device_index: its number; None for any.

    Example:
      >>> import penstock as tf
      >>> spec = tf.DeviceSpec.from_string("/job:worker/task:1/gpu:0")
      >>> spec.device_type, spec.task
      ('GPU', 1)
      >>> print(spec.replace(task=2).to_string())
      /job:worker/task:2/device:GPU:0
    """

    def __init__(
        self,
        job: Any = None,
        replica: Any = None,
        task: Any = None,
        device_type: Any = None,
        device_index: Any = None,
    ):
        self._job = None if job is None else str(job)
        self._replica = None if replica is None else int(replica)
        self._task = None if task is None else int(task)
        self._device_type = None if device_type is None else str(device_type).upper()
        self._device_index = None if device_index is None else int(device_index)

    @property
    def job(self) -> str | None:
        """The name of the job."""
        return self._job

    @property
    def replica(self) -> int | None:
        """The number of the replica."""
        return self._replica

    @property
    def task(self) -> int | None:
        """The number of the task."""
        return self._task

    @property
    def device_type(self) -> str | None:
        """The kind of device, in capitals."""
        return self._device_type

    @property
    def device_index(self) -> int | None:
        """The number of the device; None for any."""
        return self._device_index

    @classmethod
    def from_string(cls: type[_Spec], spec: str) -> _Spec:
        """The spec of a name such as `"/job:worker/replica:0/task:1/device:GPU:0"`, `"/cpu:0"`, `"/gpu:*"`.

        Raises:
          ValueError: a part is unknown, or there are two kinds of device.
        """
        return cls(**_parsed(spec))

    def parse_from_string(self: _Spec, spec: str) -> _Spec:
        """A spec of a name; TF 1's takes over its parts instead."""
        return self.from_string(spec)

    def make_merged_spec(self: _Spec, dev: DeviceSpec) -> _Spec:
        """This spec with the parts that `dev` names."""
        return type(self)(**_merged(self, dev))

    def replace(self: _Spec, **kwargs: Any) -> _Spec:
        """This spec with other parts."""
        return type(self)(**{**{name: getattr(self, name) for name in _FIELDS}, **kwargs})

    def to_string(self) -> str:
        """The name, in its full form."""
        parts = [("job", self.job), ("replica", self.replica), ("task", self.task)]
        text = "".join(f"/{name}:{value}" for name, value in parts if value is not None)
        if self.device_type is not None:
            index = "*" if self.device_index is None else self.device_index
            text += f"/device:{self.device_type}:{index}"
        return text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DeviceSpec) and self.to_string() == other.to_string()

    def __hash__(self) -> int:
        return hash(self.to_string())

    def __repr__(self) -> str:
        return f"<DeviceSpec({', '.join(f'{name}={getattr(self, name)}' for name in _FIELDS)})>"


def _merged(spec: DeviceSpec, other: DeviceSpec) -> dict[str, Any]:
    found = {}
    for name in _FIELDS:
        new = getattr(other, name)
        found[name] = getattr(spec, name) if new is None else new
    return found


def _parsed(text: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for part in filter(None, text.split("/")):
        name, *rest = part.split(":")
        if name in ("job", "replica", "task") and rest:
            found[name] = rest[0] if name == "job" else int(rest[0])
            continue
        kind, numbers = (rest[0], rest[1:]) if name == "device" and len(rest) == 2 else (name, rest)
        if kind.upper() not in _TYPES or len(numbers) > 1:
            raise ValueError(
                f"Unknown attribute '{name}' is encountered while parsing the device spec: '{text}'."
            )
        if "device_type" in found:
            raise ValueError(f"Multiple device types are not allowed while parsing the device spec: {text}.")
        found["device_type"] = kind.upper()
        if numbers and numbers[0] != "*":
            found["device_index"] = int(numbers[0])
    return found


class DeviceSpecV1(DeviceSpec):
    """TF 1's `DeviceSpec`: its parts can be set."""

    def _take(self, parts: dict[str, Any]) -> None:
        DeviceSpec.__init__(self, **parts)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _FIELDS:
            self._take({each: getattr(self, each) for each in _FIELDS} | {name: value})
        else:
            object.__setattr__(self, name, value)

    def parse_from_string(self, spec: str) -> DeviceSpecV1:  # type: ignore[override]
        """Takes over the parts of a name; gives the spec itself."""
        self._take(_merged(self, DeviceSpec.from_string(spec)))
        return self

    def merge_from(self, dev: DeviceSpec) -> None:
        """Takes over the parts that `dev` names."""
        self._take(_merged(self, dev))
