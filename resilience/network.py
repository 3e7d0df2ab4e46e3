"""A network of hosts on this machine: network namespaces, joined by a switch that delays, loses and cuts on demand.

Every host has one interface, a TUN device whose other end is a file in this process, so packets go through a thread of
ours. That needs neither a bridge nor the kernel's emulation of bad networks, only the right to make namespaces.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import heapq
import os
import random
import select
import signal
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

_SUBNET = "10.77.0"
_LONGEST_PACKET = 65535
# linux/if_tun.h: the request that makes a device, for packets of IP without a header of the device.
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_DESTINATION = slice(16, 20)  # of an IPv4 header


class NotPermittedError(Exception):
    """This machine, or this user, makes no network namespaces."""


class Network:
    """Hosts `host0`, `host1`, ..., each with a network, a name and an `/etc/hosts` of its own.

    Args:
      hosts: how many. seed: of the packets that get lost.
      own_folders: of which each host has its own, empty at first; all other files are those of this machine.

    Raises:
      NotPermittedError: with the reason.
    """

    def __init__(self, hosts: int, seed: int = 0, own_folders: Sequence[str] = ()):
        self._own_folders = own_folders
        self.names = [f"host{i}" for i in range(hosts)]
        self.addresses = [f"{_SUBNET}.{i + 1}" for i in range(hosts)]
        self._folder = tempfile.TemporaryDirectory()
        self._keepers: list[subprocess.Popen] = []  # a namespace lives as long as a process is in it
        self._switch = _Switch(seed)
        try:
            for i in range(hosts):
                self._make_host(i)
        except (OSError, subprocess.CalledProcessError) as problem:
            self.close()
            said = getattr(problem, "stderr", None) or problem
            raise NotPermittedError(f"no network namespaces here: {str(said).strip()}") from None
        self._switch.start()

    def _make_host(self, i: int) -> None:
        own = Path(self._folder.name, self.names[i])
        lines = ["127.0.0.1 localhost", *(f"{a} {n}" for a, n in zip(self.addresses, self.names))]
        own.write_text("\n".join(lines) + "\n")
        folders = "".join(f"mkdir -p {each} && mount -t tmpfs none {each} && " for each in self._own_folders)
        inside = f"hostname {self.names[i]} && mount --bind {own} /etc/hosts && {folders}echo made && exec sleep infinity"
        keeper = subprocess.Popen(
            ["unshare", "--net", "--uts", "--mount", "sh", "-c", inside],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._keepers.append(keeper)
        if keeper.stdout.readline() != "made\n":
            raise OSError(errno.EPERM, keeper.stderr.read().strip())
        device = f"pen{os.getpid() % 10**7}-{i}"
        self._switch.add(self.addresses[i], _tun(device))
        _do(["ip", "link", "set", device, "netns", str(keeper.pid)])
        for command in (
            ["ip", "link", "set", device, "name", "net0"],
            ["ip", "address", "add", f"{self.addresses[i]}/24", "dev", "net0"],
            ["ip", "link", "set", "net0", "mtu", "9000", "up"],
            ["ip", "link", "set", "lo", "up"],
        ):
            _do(self.on(i, command))

    def on(self, host: int, command: Sequence[str]) -> list[str]:
        """The command that runs another one on a host."""
        target = str(self._keepers[host].pid)
        return ["nsenter", "--target", target, "--net", "--uts", "--mount", f"--wd={os.getcwd()}", *command]

    def cut(self, host: int) -> None:
        """From now on no packet comes from the host or gets there; nobody is told."""
        self._switch.cut.add(self.addresses[host])

    def join(self, host: int) -> None:
        """Ends a `cut`."""
        self._switch.cut.discard(self.addresses[host])

    def unplug(self, host: int) -> None:
        """Takes the host's interface down; the host itself notices."""
        _do(self.on(host, ["ip", "link", "set", "net0", "down"]))

    def plug_in(self, host: int) -> None:
        """Ends an `unplug`."""
        _do(self.on(host, ["ip", "link", "set", "net0", "up"]))

    def halt(self, host: int) -> None:
        """Kills all processes of the host, as a loss of power does, and empties its own folders; new ones may be started."""
        keeper = self._keepers[host].pid
        network = os.readlink(f"/proc/{keeper}/ns/net")
        for each in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):  # it has ended meanwhile
                if int(each) != keeper and os.readlink(f"/proc/{each}/ns/net") == network:
                    os.kill(int(each), signal.SIGKILL)
        for each in self._own_folders:
            _do(self.on(host, ["mount", "-t", "tmpfs", "none", each]))

    def impair(self, delay: float = 0.0, loss: float = 0.0) -> None:
        """From now on each packet takes half to one and a half times `delay` seconds; a share `loss` of them is lost."""
        self._switch.delay, self._switch.loss = delay, loss

    def close(self) -> None:
        """Ends the hosts; processes that run there keep their namespace, but have no network any more."""
        self._switch.close()
        for each in self._keepers:
            each.kill()
            each.wait()
        self._folder.cleanup()

    def __enter__(self) -> Network:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class _Switch(threading.Thread):
    """Hands packets of IP from one device to another.

    Attributes:
      cut: addresses whose packets are dropped. delay, loss: see `Network.impair`.
    """

    def __init__(self, seed: int):
        super().__init__(name="switch", daemon=True)
        self.cut: set[str] = set()
        self.delay = self.loss = 0.0
        self._chance = random.Random(seed)
        self._devices: dict[str, int] = {}
        self._late: list[tuple[float, int, int, bytes]] = []  # when it is due, its number, device, packet
        self._wake, self._waker = os.pipe()

    def add(self, address: str, device: int) -> None:
        """Connects the device of a host; before the start."""
        self._devices[address] = device

    def run(self) -> None:
        of_device = {device: address for address, device in self._devices.items()}
        number = 0
        while True:
            until = max(0.0, self._late[0][0] - time.monotonic()) if self._late else None
            ready = select.select([self._wake, *of_device], [], [], until)[0]
            if self._wake in ready:
                break
            for device in ready:
                packet = os.read(device, _LONGEST_PACKET)
                receiver = ".".join(map(str, packet[_DESTINATION]))
                if receiver not in self._devices or self.cut & {receiver, of_device[device]}:
                    continue
                if self._chance.random() < self.loss:
                    continue
                number += 1
                due = time.monotonic() + self.delay * self._chance.uniform(0.5, 1.5)
                heapq.heappush(self._late, (due, number, self._devices[receiver], packet))
            while self._late and self._late[0][0] <= time.monotonic():
                _, _, device, packet = heapq.heappop(self._late)
                with contextlib.suppress(OSError):  # the interface is down
                    os.write(device, packet)

    def close(self) -> None:
        """Ends the thread and the devices."""
        os.write(self._waker, b"end")
        if self.is_alive():
            self.join()
        for each in (*self._devices.values(), self._wake, self._waker):
            os.close(each)
        self._devices.clear()


def _tun(name: str) -> int:
    """The file of a new TUN device."""
    device = os.open("/dev/net/tun", os.O_RDWR)
    try:
        fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI))
    except OSError:
        os.close(device)
        raise
    return device


def _do(command: Sequence[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
