"""`tensorflow.python.client.device_lib`: the devices of this process as messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from penstock.runtime.devices import list_logical_devices


@dataclass
class DeviceAttributes:
    """A device: its name, kind, memory in bytes (0 where it is not known), and what is to be shown of it."""

    name: str
    device_type: str
    memory_limit: int = 0
    physical_device_desc: str = ""


def list_local_devices(session_config: Any = None) -> list[DeviceAttributes]:
    """The devices of this process."""
    return [DeviceAttributes(each.name, each.device_type) for each in list_logical_devices()]
