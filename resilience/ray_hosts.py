"""A Ray cluster whose nodes are the hosts of a `Network`; the first one is its head."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from resilience.network import Network
from resilience.workers import Worker

PORT = 6379
_STARTS_WITHIN = 120.0  # seconds
_SETTINGS = {
    # After about 15 seconds of silence Ray gives a host up; by default after about a minute.
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "4000",
    "RAY_health_check_failure_threshold": "3",
    "RAY_memory_monitor_refresh_ms": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "disabled",  # the network has nobody else
    "JAX_PLATFORMS": "cpu",
    "PYTHONPATH": str(Path(__file__).parents[1]),
}


class RayHosts:
    """Ray on every host, until this is closed.

    Args:
      network: the hosts.

    Raises:
      TimeoutError: Ray does not start.
    """

    def __init__(self, network: Network):
        self._network = network
        for host in range(len(network.names)):
            self.start(host)

    @property
    def address(self) -> str:
        """What programs get as RAY_ADDRESS."""
        return f"{self._network.addresses[0]}:{PORT}"

    def start(self, host: int) -> None:
        """Starts Ray on a host, the first one first."""
        own = self._network.addresses[host]
        role = (
            ["--head", f"--port={PORT}", "--include-dashboard=false"]
            if host == 0
            else ["--address", self.address]
        )
        limits = ["--num-cpus=4", f"--object-store-memory={128 << 20}"]
        command = [
            sys.executable,
            "-m",
            "ray.scripts.scripts",
            "start",
            *role,
            *limits,
            "--node-ip-address",
            own,
        ]
        until = time.monotonic() + _STARTS_WITHIN
        while True:
            done = subprocess.run(
                self._network.on(host, command),
                env={**os.environ, **_SETTINGS},
                capture_output=True,
                text=True,
                check=False,
            )
            if not done.returncode:
                return
            if time.monotonic() > until:
                raise TimeoutError(
                    f"Ray does not start on host {host}: {done.stdout[-1000:]}{done.stderr[-1000:]}"
                )

    def run(self, host: int, command: Sequence[str], **environment: str) -> Worker:
        """Starts a program on a host."""
        return Worker(
            self._network.on(host, command), **{**_SETTINGS, "RAY_ADDRESS": self.address, **environment}
        )

    def close(self) -> None:
        """Ends everything on all hosts."""
        for host in range(len(self._network.names)):
            self._network.halt(host)

    def __enter__(self) -> RayHosts:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
