"""An accelerator for machines without one: XLA's second CPU device plays the GPU.

What the engine decides by where data lives is then decided as beside a GPU, and an array that is used on the wrong
device is found as it would be there. Native kernels are not used. What only the hardware shows, it does not show.
"""

from __future__ import annotations

from penstock.engine import xla
from penstock.engine.context import process
from penstock.runtime import devices


def start() -> None:
    """Makes this process one with a GPU; before XLA has started."""
    xla.backend_options["num_cpu_devices"] = 2
    xla.configure()
    cpu, gpu = xla.jax.local_devices(backend="cpu")
    process.home = gpu
    xla.use_accelerator(True)
    devices.of_kind = lambda device_type: {"CPU": [cpu], "GPU": [gpu]}.get(device_type, [])
